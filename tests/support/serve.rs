//! Runs `phaseflag serve` beside a test.
//!
//! `cargo test` builds the command first; the tests of another package alone do not.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use phaseflag::Value;

use super::program::Program;

/// The options of each kind of service: as documented, and self-hosted.
pub const KINDS: [&[&str]; 2] = [&[], &["--self-hosted"]];

/// `phaseflag serve`, running on a free port.
pub struct Service {
    program: Program,
    base_url: String,
}

impl Service {
    /// Serves a file.
    pub fn start(file: &str, options: &[&str]) -> Service {
        let mut command = Command::new(built("phaseflag"));
        command.args(["serve", file, "--port", "0"]).args(options);
        let mut program = Program::start(&mut command);
        let line = program.line("serving ");
        let base_url = line.strip_prefix("serving ").unwrap().to_owned();
        Service { program, base_url }
    }

    pub fn url(&self) -> &str {
        &self.base_url
    }

    /// Takes the next accepted event, and waits for it if necessary.
    #[track_caller]
    pub fn event(&mut self) -> Value {
        self.program.line("event ").strip_prefix("event ").unwrap().parse().unwrap()
    }

    /// Returns whether all accepted events were taken.
    pub fn has_no_more_events(&mut self) -> bool {
        self.program.untaken().iter().all(|line| !line.starts_with("event "))
    }
}

/// Returns the path of a program that `cargo test` has built.
pub fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "there is no `{}`: run `cargo build --workspace --examples --bins` with the same profile",
        path.display()
    );
    path
}
