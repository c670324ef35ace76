//! `phaseflag list` and `phaseflag eval-all`: tables for programs and for people.

use std::io;

use phaseflag::Value;

use crate::support::{FLAGS, Folder, outcome, run};

#[test]
fn list_prints_every_flag() {
    let folder = Folder::new("list");
    assert_eq!(
        folder.with_flags(&["list"]),
        outcome(
            0,
            "product-recommendations\tboolean\toff\t1\toff\n\
             new-checkout-flow\tboolean\ton\t1\tdisabled\n\
             express-pay\tboolean\ton\t1\tdisabled\n\
             instant-search\tboolean\ton\t1\toff\n\
             ui-theme\tstring\ton\t2\tlight\n\
             checkout-config\tjson\ton\t1\tstandard\n\
             barcode-scanner\tboolean\ton\t1\toff\n\
             order-dashboard\tboolean\ton\t1\toff\n",
            ""
        )
    );
}

#[test]
fn list_prints_json() {
    let folder = Folder::new("list-json");
    let listed = folder.with_flags(&["list", "--json"]);
    assert_eq!((listed.status, listed.errors.as_str()), (0, ""));
    let flags: Value = listed.output.parse().unwrap();
    assert_eq!(flags.as_array().map(<[Value]>::len), Some(8));
    assert_eq!(
        flags[4].to_string(),
        r#"{"default_variation":"light","environment":"development","key":"ui-theme","kind":"string","on":true,"rules":2}"#
    );
}

/// Two flags with an environment, one of them in two environments, and a flag without one.
const ENVIRONMENTS: &str = r#"[
    {"key": "a", "environment": "production", "enabled": false},
    {"key": "a", "environment": "staging"},
    {"key": "b", "environment": "production"},
    {"key": "c"}]"#;

#[test]
fn list_shows_environments_if_there_are_several() {
    let folder = Folder::new("list-environments");
    folder.write("rules.json", ENVIRONMENTS);
    let (on, off) = ("boolean\ton\t0\t-", "boolean\toff\t0\t-");
    let all = format!("a\t{on}\tstaging\nb\t{on}\tproduction\nc\t{on}\t-\n");
    let production = format!("a\t{off}\nb\t{on}\nc\t{on}\n");
    let staging = format!("a\t{on}\nc\t{on}\n");
    for (arguments, variable, expected) in [
        (&[][..], "", &all),
        (&["--environment", ""], "", &all),
        (&["--environment", "production"], "", &production),
        (&[], "production", &production),
        (&["--environment", "staging"], "production", &staging),
        (&["--environment", ""], "production", &all),
        (&["--environment", "Staging"], "", &format!("c\t{on}\n")),
    ] {
        let arguments = [&["list", "--bootstrap", "rules.json"], arguments].concat();
        let mut command = folder.phaseflag(&arguments);
        command.env("PHASEFLAG_ENVIRONMENT", variable);
        assert_eq!(run(&mut command), outcome(0, expected, ""), "{arguments:?} {variable}");
    }
    let json = ["list", "--bootstrap", "rules.json", "--environment", "production", "--json"];
    let flags: Value = run(&mut folder.phaseflag(&json)).output.parse().unwrap();
    assert_eq!(flags[0]["environment"], Value::from("production"));
    assert_eq!(flags[2]["environment"], Value::Null);
    assert_eq!(flags.as_array().map(<[Value]>::len), Some(3));
}

#[test]
fn every_command_that_needs_rules_knows_the_environment() {
    let folder = Folder::new("list-commands");
    folder.write("users.txt", "ada\n");
    folder.write(
        "rules.json",
        r#"[{"key": "a", "environment": "production", "default_variation": "v",
             "variations": [{"key": "v", "value": "live"}]},
            {"key": "a", "environment": "staging", "default_variation": "v",
             "variations": [{"key": "v", "value": "trial"}]}]"#,
    );
    for (command, live) in [
        (vec!["get", "a"], "live\n"),
        (vec!["eval-all"], "a\tlive\tdefault\tv\n"),
        (vec!["explain", "a"], "flag `a`: `v`, value \"live\", default\n  it is on\n"),
        (vec!["split", "a", "--users", "users.txt", "--json"], r#""value":"live""#),
    ] {
        let arguments = [&command[..], &["--bootstrap", "rules.json"]].concat();
        let with = |name| run(folder.phaseflag(&arguments).env("PHASEFLAG_ENVIRONMENT", name));
        let (production, all) = (with("production"), with(""));
        assert!(production.output.contains(live), "{command:?} {production:?}");
        assert!(all.output.contains("trial"), "{command:?} {all:?}");
        let none = with("qa");
        assert!(!none.output.contains("live") && !none.output.contains("trial"), "{none:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_environment_that_is_not_utf8_is_an_error() {
    let folder = Folder::new("list-environment-bytes");
    folder.write("rules.json", ENVIRONMENTS);
    let name = std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]);
    let name: std::ffi::OsString = name;
    let mut command = folder.phaseflag(&["list", "--bootstrap", "rules.json"]);
    let failed = run(command.env("PHASEFLAG_ENVIRONMENT", &name));
    let errors = "phaseflag: the value of PHASEFLAG_ENVIRONMENT is not UTF-8\n";
    assert_eq!(failed, outcome(2, "", errors));
}

#[test]
fn eval_all_prints_values_and_reasons() {
    let folder = Folder::new("eval-all");
    assert_eq!(
        folder.with_flags(&["eval-all", "--user", "bob", "--attr", "plan=team"]),
        outcome(
            0,
            "barcode-scanner\tfalse\tdefault\toff\n\
             checkout-config\t{\"invoice\":true,\"max_items\":500}\ttargeting_match\tbusiness\n\
             express-pay\tfalse\tdefault\tdisabled\n\
             instant-search\ttrue\tpercentage_rollout\ton\n\
             new-checkout-flow\ttrue\ttargeting_match\tenabled\n\
             order-dashboard\tfalse\tdefault\toff\n\
             product-recommendations\tfalse\tflag_inactive\toff\n\
             ui-theme\tlight\tdefault\tlight\n",
            ""
        )
    );
    let all = folder.with_flags(&["eval-all", "--json"]);
    let results: Value = all.output.parse().unwrap();
    assert_eq!(
        results[7].to_string(),
        r#"{"key":"ui-theme","reason":"default","value":"light","variation_key":"light"}"#
    );
}

/// Characters that could break a row or control the terminal are escaped.
#[test]
fn a_row_stays_a_row() {
    let folder = Folder::new("list-row");
    folder.write(
        "rules.json",
        r#"[{"key": "a\tb", "default_variation": "v",
             "variations": [{"key": "v", "value": "one\ntwo\u001b[31m"}]}]"#,
    );
    let command = |name: &str| run(&mut folder.phaseflag(&[name, "--bootstrap", "rules.json"]));
    assert_eq!(command("list").output, "a\\tb\tboolean\ton\t0\tv\n");
    assert_eq!(command("eval-all").output, "a\\tb\tone\\ntwo\\u{1b}[31m\tdefault\tv\n");
}

/// A reader that closes the pipe is no failure.
#[test]
fn a_broken_pipe_ends_quietly() {
    let folder = Folder::new("list-pipe");
    folder.write("flags.json", FLAGS);
    for arguments in [
        vec!["list", "--bootstrap", "flags.json"],
        vec!["eval-all", "--bootstrap", "flags.json", "--json"],
        vec!["get", "ui-theme", "--bootstrap", "flags.json"],
        vec!["--help"],
        vec!["completions", "bash"],
    ] {
        // The pipe is closed before the command can write.
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = folder.phaseflag(&arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::new("list-full");
    folder.write("flags.json", FLAGS);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = folder.phaseflag(&["list", "--bootstrap", "flags.json"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "phaseflag: failed to write the output: No space left on device (os error 28)\n"
    );
}

/// `script`, if it is installed, simulates a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_a_table() {
    let folder = Folder::new("list-terminal");
    folder.write("flags.json", FLAGS);
    let seen = |environment: &[(&str, &str)]| {
        let command = format!("{} list --bootstrap flags.json", env!("CARGO_BIN_EXE_phaseflag"));
        let mut script = folder.program("script");
        script.args(["-qec", &command, "/dev/null"]).envs(environment.iter().copied());
        script.stdin(std::process::Stdio::null());
        script.output().map(|output| String::from_utf8(output.stdout).unwrap().replace('\r', ""))
    };
    let Ok(plain) = seen(&[("NO_COLOR", "1")]) else {
        return;
    };
    assert!(
        plain.starts_with(
            "KEY                      KIND     STATE  RULES  DEFAULT\n\
             product-recommendations  boolean  off    1      off\n"
        ),
        "{plain}"
    );
    let narrow = seen(&[("NO_COLOR", "1"), ("COLUMNS", "30")]).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
    assert!(narrow.contains("prod…  bool…  off   1     off\n"), "{narrow}");
    let coloured = seen(&[("TERM", "xterm")]).unwrap();
    assert!(
        coloured.contains("ui-theme                 string   \x1b[32mon\x1b[0m "),
        "{coloured}"
    );
    assert!(!seen(&[("TERM", "dumb")]).unwrap().contains('\x1b'));
}
