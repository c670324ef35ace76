#![no_main]

#[path = "../bodies/parse_ruleset.rs"]
mod parse_ruleset;

libfuzzer_sys::fuzz_target!(|data: &[u8]| parse_ruleset::run(data));
