#![no_main]

#[path = "../bodies/event_body.rs"]
mod event_body;
#[path = "../server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| event_body::run(data));
