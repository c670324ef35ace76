//! `phaseflag check`: every finding with its position, and the exit status.

use std::io;
use std::process::Stdio;

use crate::support::{FLAGS, Folder, Service, outcome, run, run_with_input, unreadable};

const PROBLEM: &str = r#"{"flags": [
  {"key": "a", "default_variation": "on", "variations": [{"key": "on", "value": true}],
   "targeting_rules": [{"variation": "off"}]}]}"#;

const WARNING: &str = r#"[{"key": "a", "flag_type": "color", "default_variation": "on",
  "variations": [{"key": "on", "value": true}]}]"#;

const PROBLEM_LINE: &str = "3:38: problem: flags[0].targeting_rules[0].variation: \
                            there is no variation `off`: the value served is null\n";

const WARNING_LINE: &str = "1:28: warning: flags[0].flag_type: \
                            the flag type `color` is not known: only the types of the values count\n";

#[test]
fn reports_what_is_wrong_and_where() {
    let folder = Folder::new("check");
    folder.write("good.json", FLAGS);
    folder.write("problem.json", PROBLEM);
    folder.write("warning.json", WARNING);
    folder.write("broken.json", "{\"flags\": [\n  {\"key\": }]}");
    folder.write("shapeless.json", "{\"flags\": 7}");
    for (file, status, strict, output) in [
        ("good.json", 0, 0, ""),
        ("problem.json", 1, 1, PROBLEM_LINE),
        ("warning.json", 0, 1, WARNING_LINE),
        (
            "broken.json",
            1,
            1,
            "2:11: problem: failed to parse ruleset: an unexpected character where a value was expected at line 2, column 11\n",
        ),
        (
            "shapeless.json",
            1,
            1,
            "1:1: problem: failed to parse ruleset: \
             expected a list of flags at `flags`, found a number\n",
        ),
    ] {
        let output = if output.is_empty() { String::new() } else { format!("{file}:{output}") };
        let checked = run(&mut folder.phaseflag(&["check", file]));
        assert_eq!(checked, outcome(status, &output, ""));
        let checked = run(&mut folder.phaseflag(&["check", "--strict", file]));
        assert_eq!(checked, outcome(strict, &output, ""));
    }
}

#[test]
fn reads_the_file_as_clients_of_the_environment_do() {
    let folder = Folder::new("check-environment");
    folder.write(
        "rules.json",
        r#"[{"key": "a", "environment": "production", "enabled": false},
            {"key": "a", "environment": "staging", "enabled": "yes"}]"#,
    );
    let staging = "rules.json:2:63: problem: flags[1].enabled: expected a boolean, \
                   found a string: the flag is left out\n";
    for (arguments, variable, expected) in [
        (vec!["check", "rules.json"], "", outcome(1, staging, "")),
        (vec!["check", "rules.json"], "production", outcome(0, "", "")),
        (vec!["check", "rules.json"], "staging", outcome(1, staging, "")),
        (vec!["check", "rules.json", "--environment", "production"], "", outcome(0, "", "")),
        (vec!["--environment", "production", "check", "rules.json"], "", outcome(0, "", "")),
        (vec!["check", "--environment", "", "rules.json"], "qa", outcome(1, staging, "")),
    ] {
        let mut command = folder.phaseflag(&arguments);
        let checked = run(command.env("PHASEFLAG_ENVIRONMENT", variable));
        assert_eq!(checked, expected, "{arguments:?} {variable}");
    }
}

#[test]
fn reads_standard_input() {
    let folder = Folder::new("check-input");
    let mut command = folder.phaseflag(&["check", "-"]);
    let expected = outcome(1, &format!("-:{PROBLEM_LINE}"), "");
    assert_eq!(run_with_input(&mut command, PROBLEM), expected);
    assert_eq!(run_with_input(&mut command, FLAGS), outcome(0, "", ""));
}

#[test]
fn the_rules_of_a_service_have_no_findings() {
    let folder = Folder::new("check-pulled");
    let service = Service::with_flags(&folder);
    let pulled = run(&mut service.phaseflag(&folder, &["pull"]));
    let mut command = folder.phaseflag(&["check", "--strict", "-"]);
    assert_eq!(run_with_input(&mut command, &pulled.output), outcome(0, "", ""));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = Folder::new("check-unreadable");
    assert_eq!(
        run(&mut folder.phaseflag(&["check", "missing.json"])),
        outcome(
            2,
            "",
            &format!(
                "phaseflag: failed to read `missing.json`: {}\n",
                unreadable(folder.file("missing.json"))
            )
        )
    );
    assert_eq!(
        run(&mut folder.phaseflag(&["check", "."])),
        outcome(2, "", &format!("phaseflag: failed to read `.`: {}\n", unreadable(&folder.path)))
    );
}

/// The exit status does not depend on whether the output is read.
#[test]
fn a_closed_output_does_not_change_the_status() {
    let folder = Folder::new("check-closed");
    folder.write("problem.json", PROBLEM);
    folder.write("warning.json", WARNING);
    folder.write("broken.json", "{");
    for (arguments, status) in [
        (vec!["problem.json"], 1),
        (vec!["warning.json"], 0),
        (vec!["warning.json", "--strict"], 1),
        (vec!["broken.json"], 1),
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = folder.phaseflag(&[&["check"], arguments.as_slice()].concat());
        let ended = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr), (Some(status), vec![]), "{arguments:?}");
    }
}
