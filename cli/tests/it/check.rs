//! `phaseflag check`: every finding with its position, and the exit status.

use std::io;
use std::process::Stdio;

use phaseflag::Value;

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
fn a_mistyped_list_of_flags_says_what_was_meant() {
    let folder = Folder::new("check-mistyped-list");
    let mut command = folder.phaseflag(&["check", "-"]);
    let (at_root, in_data) = ("`flags`, found nothing", "`data.flags`, found nothing");
    for (text, name, at) in [
        (r#"{"falgs": []}"#, Some("falgs"), at_root),
        (r#"{"flaggs": []}"#, Some("flaggs"), at_root),
        (r#"{"FLAGS": []}"#, Some("FLAGS"), at_root),
        (r#"{"flagsé": []}"#, Some("flagsé"), at_root),
        (r#"{"version": 1, "Flag": [{"key": "a"}]}"#, Some("Flag"), at_root),
        (r#"{"data": {"flgs": []}}"#, Some("flgs"), in_data),
        (r#"{"flags": null, "Flags": []}"#, Some("Flags"), at_root),
        (r#"{"flags": null}"#, None, at_root),
        (r#"{"features": []}"#, None, at_root),
        (r#"{"plans": []}"#, None, at_root),
        // A flag is no list of flags.
        (r#"{"key": "a", "tags": ["x"], "variations": [{"key": "on"}]}"#, None, at_root),
        (r#"{"flags": 5, "Flags": []}"#, None, "`flags`, found a number"),
        ("{}", None, at_root),
    ] {
        let help =
            name.map(|name| format!("; the field `{name}` is not known: did you mean `flags`?"));
        let line = format!(
            "-:1:1: problem: failed to parse ruleset: expected a list of flags at {at}{}\n",
            help.unwrap_or_default()
        );
        assert_eq!(run_with_input(&mut command, text), outcome(1, &line, ""), "{text}");
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

/// Two findings of the file with warnings, which has an unknown field as well.
const FINDINGS: &str = r#"{"owner": "shop", "flags": [{"key": "a", "status": "Active", "variations": [
  {"key": "on", "value": true}], "default_variation": "of"}]}"#;

#[test]
fn unknown_fields_are_reported_with_strict_alone() {
    let folder = Folder::new("check-notes");
    folder.write("notes.json", r#"[{"key": "a", "enabled": false, "owner": "shop"}]"#);
    assert_eq!(run(&mut folder.phaseflag(&["check", "notes.json"])), outcome(0, "", ""));
    let line = "notes.json:1:33: note: flags[0]: the field `owner` is not known and ignored\n";
    assert_eq!(
        run(&mut folder.phaseflag(&["check", "notes.json", "--strict"])),
        outcome(1, line, "")
    );
}

#[test]
fn a_line_ends_with_what_was_meant() {
    let folder = Folder::new("check-help");
    folder.write("rules.json", FINDINGS);
    assert_eq!(
        run(&mut folder.phaseflag(&["check", "rules.json"])),
        outcome(
            1,
            "rules.json:1:52: warning: flags[0].status: the status `Active` is not known: \
             the flag is off; did you mean `active`?\n\
             rules.json:2:55: problem: flags[0].default_variation: \
             there is no variation `of`: the value served is null\n",
            ""
        )
    );
}

#[test]
fn json_has_every_finding_with_its_place() {
    let folder = Folder::new("check-json");
    folder.write("rules.json", FINDINGS);
    folder.write("good.json", FLAGS);
    folder.write("broken.json", "{\"flags\": [\n  {\"key\": }]}");
    let json = |arguments: &[&str]| {
        let arguments = [&["check"], arguments].concat();
        let checked = run(&mut folder.phaseflag(&arguments));
        assert_eq!(checked.errors, "");
        (checked.status, checked.output.parse::<Value>().unwrap())
    };
    let warning = r#"{"severity": "warning", "path": "flags[0].status",
        "message": "the status `Active` is not known: the flag is off",
        "help": "did you mean `active`?", "line": 1, "column": 52, "end_line": 1, "end_column": 60}"#;
    let problem = r#"{"severity": "problem", "path": "flags[0].default_variation",
        "message": "there is no variation `of`: the value served is null", "help": null,
        "line": 2, "column": 55, "end_line": 2, "end_column": 59}"#;
    let note = r#"{"severity": "note", "path": "",
        "message": "the field `owner` is not known and ignored", "help": null,
        "line": 1, "column": 2, "end_line": 1, "end_column": 9}"#;
    let broken = r#"{"severity": "problem", "path": "",
        "message": "failed to parse ruleset: an unexpected character where a value was expected at line 2, column 11",
        "help": null, "line": 2, "column": 11, "end_line": 2, "end_column": 11}"#;
    for (arguments, status, findings) in [
        (&["rules.json", "--json"][..], 1, vec![warning, problem]),
        (&["rules.json", "--format", "json"], 1, vec![warning, problem]),
        (&["rules.json", "--format=text", "--json"], 1, vec![warning, problem]),
        (&["rules.json", "--json", "--strict"], 1, vec![note, warning, problem]),
        (&["broken.json", "--json"], 1, vec![broken]),
        (&["good.json", "--json", "--strict"], 0, vec![]),
    ] {
        let file = arguments[0];
        let expected = format!(r#"{{"file": "{file}", "findings": [{}]}}"#, findings.join(","));
        assert_eq!(json(arguments), (status, expected.parse().unwrap()), "{arguments:?}");
    }
}

/// The rules of workflow commands: `%` and line ends are escaped, and in properties `:` and `,`, too.
#[test]
fn annotations_are_escaped() {
    let folder = Folder::new("check-github");
    let file = "a,b 100%.json";
    folder.write(
        file,
        r#"[{"key": "a", "enabled": false, "x": 1}, {"key": 5}, {"key": "b", "flag_type": "a,b:100%",
            "variations": [{"key": "on"}], "default_variation": "on", "targeting_rules": [
            {"conditions": [
            ]}]}]"#,
    );
    let note = "line=1,endLine=1,col=33,endColumn=36,title=phaseflag note::\
                flags[0]: the field `x` is not known and ignored";
    let problem = "line=1,endLine=1,col=50,endColumn=51,title=phaseflag problem::\
                   flags[1].key: expected a string, found a number: the flag is left out";
    let warning = "line=1,endLine=1,col=80,endColumn=90,title=phaseflag warning::flags[2].flag_type: \
                   the flag type `a,b:100%25` is not known: only the types of the values count";
    // A rule of several lines.
    let rule = "line=3,endLine=4,title=phaseflag warning::flags[2].targeting_rules[0]: \
                the rule serves nothing: the next rule is evaluated";
    let file_property = "file=a%2Cb 100%25.json,";
    let expected = format!(
        "::notice {file_property}{note}\n::error {file_property}{problem}\n\
         ::warning {file_property}{warning}\n::warning {file_property}{rule}\n"
    );
    let arguments = ["check", file, "--format", "github", "--strict"];
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(1, &expected, ""));
    // Standard input is no file.
    let mut command = folder.phaseflag(&["check", "-", "--format", "github"]);
    let expected = "::error title=phaseflag problem::failed to parse ruleset: \
                    the end of the text where a value was expected at line 1, column 2\n";
    assert_eq!(run_with_input(&mut command, "["), outcome(1, expected, ""));
}

#[test]
fn an_unknown_format_is_an_error() {
    let folder = Folder::new("check-format");
    folder.write("good.json", FLAGS);
    assert_eq!(
        run(&mut folder.phaseflag(&["check", "good.json", "--format", "xml"])),
        outcome(
            2,
            "",
            "phaseflag: `--format` needs text, json or github, not `xml` \
             (see `phaseflag check --help`)\n"
        )
    );
}

/// Mistakes that are valid rules, and what serves someone else than the author meant.
#[test]
fn mistakes_that_hurt_are_reported() {
    let folder = Folder::new("check-mistakes");
    let flag =
        |members: &str| format!(r#"[{{"key": "f", "default_variation": "off", {members}}}]"#);
    let variations =
        r#""variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]"#;
    let rule =
        |members: &str| flag(&format!(r#"{variations}, "targeting_rules": [{{{members}}}]"#));
    let condition = |operator: &str, value: &str| {
        let condition =
            format!(r#"{{"attribute": "a", "operator": "{operator}", "value": {value}}}"#);
        rule(&format!(r#""variation": "on", "conditions": [{condition}]"#))
    };
    let rollout = |first: &str, second: &str| {
        let entry = |key, weight| format!(r#"{{"variation": "{key}", "weight": {weight}}}"#);
        let entries = [entry("on", first), entry("off", second)].join(",");
        rule(&format!(r#""percentage_rollout": [{entries}]"#))
    };
    for (text, finding) in [
        (
            rule(r#""variation": "on", "condition": []"#),
            "warning: flags[0].targeting_rules[0]: the field `condition` is not known and ignored; \
             did you mean `conditions`?",
        ),
        (
            flag(&format!(r#"{variations}, "statuss": "inactive""#)),
            "warning: flags[0]: the field `statuss` is not known and ignored; did you mean `status`?",
        ),
        (
            rule(r#""varation": "on""#),
            "warning: flags[0].targeting_rules[0]: the field `varation` is not known and ignored; \
             did you mean `variation`?",
        ),
        (
            flag(&format!(r#"{variations}, "status": "Active""#)),
            "warning: flags[0].status: the status `Active` is not known: the flag is off; \
             did you mean `active`?",
        ),
        (
            flag(
                r#""flag_type": "boolean", "variations": [{"key": "on", "value": "true"},
                    {"key": "off", "value": false}]"#,
            ),
            "warning: flags[0].variations[0].value: the value is a string, but the flag type is \
             `boolean`: a getter for that type returns its default; \
             did you mean the value without quotation marks?",
        ),
        (
            flag(r#""variations": [{"key": "on", "value": true}, {"key": "off", "value": 0}]"#),
            "warning: flags[0].variations[1].value: the value is a number, but that of \
             variations[0] is a boolean: a typed getter returns its default for one of them",
        ),
        (
            condition("one_of", "[]"),
            "warning: flags[0].targeting_rules[0].conditions[0].value: \
             the list is empty: the condition never holds",
        ),
        (
            condition("contains", r#""""#),
            "warning: flags[0].targeting_rules[0].conditions[0].value: \
             the value is empty: the condition holds whenever the attribute is present",
        ),
        (
            condition("gt", r#""1.10.0""#),
            "problem: flags[0].targeting_rules[0].conditions[0]: \
             the value `1.10.0` is not a number: the condition never holds; did you mean `version_gt`?",
        ),
        (
            condition("version_gt", "1.10"),
            "warning: flags[0].targeting_rules[0].conditions[0].value: \
             the value 1.10 is a number, which is read as the version `1.1`; did you mean `\"1.10\"`?",
        ),
        (
            condition("is", r#"["pro"]"#),
            "problem: flags[0].targeting_rules[0].conditions[0]: the operator cannot use a list as \
             its value: the condition never holds; did you mean `one_of`?",
        ),
        (
            rollout("0.1", "99.9"),
            "warning: flags[0].targeting_rules[0].percentage_rollout: \
             a bucket is 1 % of all users: `on` has the weight 0.1 and is served to 1 %",
        ),
        (
            rollout("99.9", "0.1"),
            "warning: flags[0].targeting_rules[0].percentage_rollout: \
             a bucket is 1 % of all users: `off` has the weight 0.1 and is never served",
        ),
        (
            rule(r#""variation": "on", "segment_id": "beta""#),
            "problem: flags[0].targeting_rules[0].segment_id: there is no segment `beta`: the rule \
             matches nobody; a self-hosted service lists its segments only in `/sdk/bootstrap`, \
             which clients and `phaseflag pull` fetch",
        ),
    ] {
        folder.write("rules.json", &text);
        let checked = run(&mut folder.phaseflag(&["check", "rules.json"]));
        let lines = checked.output.lines().map(|line| line.splitn(4, ':').nth(3).unwrap().trim());
        assert!(lines.clone().any(|line| line == finding), "{text}\n{finding}\n{checked:?}");
        let status = if finding.starts_with("problem") { 1 } else { 0 };
        assert_eq!((checked.status, checked.errors.as_str()), (status, ""), "{text}");
    }
}
