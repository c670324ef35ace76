//! Runs a test with mounts of its own, in a separate process.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::process::Command;

/// Returns whether this process runs only this test, and may mount. If not, runs the test in such a
/// process, if the system permits. The name includes the module.
pub fn may_mount(test: &str) -> bool {
    const MOUNTING: &str = "PHASEFLAG_TEST_MOUNTS";
    if env::var_os(MOUNTING).is_some() {
        return true;
    }
    let permitted = Command::new("unshare").args(["--mount", "true"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        println!("NOT CHECKED: {test} needs root and the command `unshare`");
        return false;
    }
    let child = Command::new("unshare")
        .arg("--mount")
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MOUNTING, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && printed.contains("1 passed"), "{child:?}");
    false
}

/// Runs `mount` with these arguments.
pub fn mount(arguments: &[&str]) {
    let output = Command::new("mount").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
