//! Checks metrics and alert rules with `promtool` of Prometheus.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

/// Passes a text to `promtool`, which must accept it. Without `promtool`, prints that this machine
/// cannot check it; with `CHECK_ALL` set, that is a failure.
#[track_caller]
pub fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        println!("NOT CHECKED: `promtool {}`, since there is no promtool", arguments.join(" "));
        assert!(env::var_os("CHECK_ALL").is_none_or(|value| value.is_empty()), "no promtool");
        return;
    };
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    // It reports what it merely advises against with status 3.
    assert!(output.status.success(), "{output:?}\n{input}");
}

/// Returns the names of the metrics of a page.
pub fn metric_names(page: &str) -> BTreeSet<&str> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap()).collect()
}
