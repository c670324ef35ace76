//! Runs the example as a user does: as a separate program, against the service of the command.
//!
//! `cargo test` builds both programs first; `cargo test --test it` alone does not.

use std::process::Command;

use crate::program::Program;
use crate::serve::{KINDS, Service, built};

const EXAMPLE: &str = include_str!("../../examples/ten_lines.rs");

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_shows_the_example() {
    assert!(README.contains(&format!("```rust,no_run\n{EXAMPLE}```\n")));
}

#[test]
fn ten_lines_print_the_value_and_deliver_an_event() {
    let flags = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/flags.json");
    let by_segment = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/segment.json");
    for (file, options) in
        [flags, by_segment].iter().flat_map(|file| KINDS.map(|kind| (file, kind)))
    {
        let mut service = Service::start(file, options);
        let mut command = Command::new(built("examples/ten_lines"));
        command.env("PHASEFLAG_BASE_URL", service.url());
        command.env("PHASEFLAG_API_KEY", "sdk-dev-local");
        // A proxy of this machine must not interfere.
        let mut example = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        example.line("one page: true");
        assert!(example.end().success());
        let event = service.event();
        assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"), "{file} {options:?}");
        assert_eq!(event["user_id"].as_str(), Some("ada"), "{file} {options:?}");
        assert!(service.has_no_more_events());
    }
}
