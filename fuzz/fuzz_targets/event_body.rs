#![no_main]

#[path = "../bodies/event_body.rs"]
mod event_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| event_body::run(data));
