//! Runs a program as the first process of a PID namespace, as a container runtime does.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::fs;
use std::process::Command;

use super::program::Program;

/// The options of `unshare`, with and without the rights of root.
const OPTIONS: [&[&str]; 2] =
    [&["-fp", "--mount-proc", "--kill-child"], &["-rfp", "--mount-proc", "--kill-child"]];

/// Returns the arguments of `unshare` before those of the program, or `None` if this machine cannot
/// make a PID namespace. With `CHECK_ALL` set, that is a failure.
pub fn options() -> Option<&'static [&'static str]> {
    let works = |options: &&&[&str]| {
        let output = Command::new("unshare").args(**options).args(["sh", "-c", "echo $$"]).output();
        output.is_ok_and(|output| output.stdout == b"1\n")
    };
    let options = OPTIONS.iter().find(works).copied();
    if options.is_none() {
        println!("NOT CHECKED: the first process of a container, since `unshare` fails");
        assert!(env::var_os("CHECK_ALL").is_none_or(|value| value.is_empty()), "`unshare` fails");
    }
    options
}

/// Sends a signal to the first process of the namespace that `unshare` made. It may have ended.
pub fn signal(unshare: &Program, signal: &str) {
    let id = unshare.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    for child in children.split_ascii_whitespace() {
        Command::new("kill").args(["-s", signal, child]).output().unwrap();
    }
}
