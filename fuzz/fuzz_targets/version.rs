#![no_main]

#[path = "../bodies/version.rs"]
mod version;

libfuzzer_sys::fuzz_target!(|data: &[u8]| version::run(data));
