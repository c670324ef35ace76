#![no_main]

#[path = "../bodies/remote_answer.rs"]
mod remote_answer;
#[path = "../server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| remote_answer::run(data));
