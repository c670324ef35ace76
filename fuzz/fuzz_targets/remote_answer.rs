#![no_main]

#[path = "../bodies/remote_answer.rs"]
mod remote_answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| remote_answer::run(data));
