//! curl, which tests run beside the client to compare the two.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::Write;
use std::process::{Command, Stdio};

/// An installed curl.
pub struct Curl {
    /// The first line of `curl --version`.
    pub version: String,
}

impl Curl {
    /// Returns the installed curl, or prints that a test does not compare with it.
    pub fn installed(test: &str) -> Option<Curl> {
        let output = Command::new("curl").arg("--version").output();
        let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        let Some(text) = text else {
            not_checked(&format!("{test}, as curl does it: there is no curl"));
            return None;
        };
        let text = String::from_utf8(text).unwrap();
        Some(Curl { version: text.lines().next().unwrap_or_default().to_owned() })
    }

    /// Returns the first number of the version.
    pub fn major(&self) -> u32 {
        let number = self.version.strip_prefix("curl ").and_then(|rest| rest.split('.').next());
        number.and_then(|number| number.parse().ok()).expect("a version")
    }

    /// Returns a command that makes a request without output and without the user's settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["--disable", "--silent", "--max-time", "20"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// Prints what a test cannot check on this machine, also if the output of tests is captured.
pub fn not_checked(what: &str) {
    let _ = writeln!(std::io::stderr(), "NOT CHECKED: {what}");
}
