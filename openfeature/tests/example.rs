//! The example as a user runs it: as a program of its own, which asks the command's service.
//!
//! `cargo test` builds both programs first; `cargo test --test example` alone does not.
#![cfg(feature = "http")]

#[path = "../../tests/support/program.rs"]
mod program;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use program::Program;

/// The longest that a test waits for something that should come soon.
const SOON: Duration = Duration::from_secs(20);

const EXAMPLE: &str = include_str!("../examples/ten_lines.rs");

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_shows_the_example() {
    assert!(README.contains(&format!("```rust,no_run\n{EXAMPLE}```\n")));
}

#[test]
fn ten_lines_print_the_answer() {
    let flags = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/flags.json");
    let mut command = Command::new(built("phaseflag"));
    let mut service = Program::start(command.args(["serve", flags, "--port", "0"]));
    let line = service.line("serving ");
    let url = line.strip_prefix("serving ").unwrap();

    let mut command = Command::new(built("examples/ten_lines"));
    command.env("PHASEFLAG_BASE_URL", url).env("PHASEFLAG_API_KEY", "sdk-dev-local");
    // No proxy of this machine may stand in the way.
    let mut example = Program::start(command.env("NO_PROXY", "127.0.0.1"));
    example.line("one page: true");
    assert!(example.end().success());
}

/// The path of a program that `cargo test` has built.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "there is no `{}`: run `cargo build --examples --bins` with the same features and profile",
        path.display()
    );
    path
}
