//! Runs a test in a separate process, for tests that inspect their whole process.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::process::Command;

/// Returns whether this process runs only this test. If not, runs the test in such a process. The
/// name includes the module.
pub fn is_alone(test: &str) -> bool {
    is_alone_with(test, |_| {})
}

/// Returns whether this process runs only this test. If not, runs the test in such a process, which
/// the function changes, such as its environment.
pub fn is_alone_with(test: &str, change: impl FnOnce(&mut Command)) -> bool {
    const ALONE: &str = "PHASEFLAG_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test]).env(ALONE, "1").env_remove("RUST_MIN_STACK");
    change(&mut command);
    let child = command.output().unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && printed.contains("1 passed"), "{printed}");
    false
}
