//! `phaseflag list` and `phaseflag eval-all`: tables for programs and for people.

use std::io;

use phaseflag::Value;
#[cfg(unix)]
use unicode_width::UnicodeWidthStr;

#[cfg(unix)]
use crate::support::terminal::run_in_terminal;
use crate::support::{FLAGS, Folder, Service, outcome, run};

#[test]
fn list_prints_every_flag() {
    let folder = Folder::new("list");
    let listed = folder.with_flags(&["list"]);
    assert_eq!((listed.status, listed.errors.as_str()), (0, ""));
    let lines: Vec<_> = listed.output.lines().collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(
        lines[..2],
        [
            "product-recommendations\tboolean\toff\t1\toff\tdevelopment\tkill-switch,catalog\t\
             Product recommendations\t\
             Kill switch: set the status to inactive, and nobody sees recommendations.",
            "new-checkout-flow\tboolean\ton\t1\tdisabled\tdevelopment\tcheckout\t\
             New checkout flow\tThe checkout on a single page, for paying plans.",
        ]
    );
    // A flag has a name, even if the document has none.
    folder.write("rules.json", r#"[{"key": "a", "tags": ["x", 7, ""], "description": ""}]"#);
    let listed = run(&mut folder.phaseflag(&["list", "--bootstrap", "rules.json"]));
    assert_eq!(listed, outcome(0, "a\tboolean\ton\t0\t-\t-\tx,\t-\t-\n", ""));
}

#[test]
fn list_prints_json() {
    let folder = Folder::new("list-json");
    let listed = folder.with_flags(&["list", "--json"]);
    assert_eq!((listed.status, listed.errors.as_str()), (0, ""));
    let object: Value = listed.output.parse().unwrap();
    let flags = &object["flags"];
    assert_eq!(flags.as_array().map(<[Value]>::len), Some(8));
    assert_eq!(
        flags[4].to_string(),
        r#"{"default_variation":"light","description":"Follows what the user's device prefers.","environment":"development","key":"ui-theme","kind":"string","name":"Theme of the user interface","on":true,"rules":2,"tags":["design"]}"#
    );
    folder.write("rules.json", r#"[{"key": "a"}]"#);
    let listed = run(&mut folder.phaseflag(&["list", "--json", "--bootstrap", "rules.json"]));
    assert_eq!(
        listed.output,
        "{\"flags\":[{\"default_variation\":null,\"description\":null,\"environment\":null,\
         \"key\":\"a\",\"kind\":\"boolean\",\"name\":\"a\",\"on\":true,\"rules\":0,\"tags\":[]}]}\n"
    );
}

/// The names come from the service, from the cache, and from either dialect.
#[test]
fn list_has_names_of_every_source() {
    let folder = Folder::new("list-sources");
    let service = Service::with_flags(&folder);
    let names = |arguments: &[&str]| {
        let listed = run(&mut service.phaseflag(&folder, &[&["list"], arguments].concat()));
        assert_eq!((listed.status, listed.errors.as_str()), (0, ""), "{arguments:?}");
        let column = |line: &str| line.split('\t').nth(7).unwrap().to_owned();
        listed.output.lines().map(column).collect::<Vec<_>>()
    };
    let expected = names(&["--no-cache"]);
    assert_eq!(expected[4], "Theme of the user interface");
    assert_eq!(names(&[]), expected, "from the service");
    drop(service.get("/sdk/ruleset", &[]));
    assert_eq!(names(&["--base-url", &service.base_url]), expected, "from the cache");
    assert_eq!(names(&["--environment", "development"]), expected);
    folder.write(
        "wrapped.json",
        r#"{"data": {"flags": [{"key": "a", "name": "one", "environment": "x"},
            {"key": "a", "name": "two", "environment": "y"}, {"key": "a", "name": 7}]}}"#,
    );
    for (environment, name) in [("x", "one"), ("y", "two"), ("z", "-")] {
        let arguments = ["list", "--bootstrap", "wrapped.json", "--environment", environment];
        let listed = run(&mut folder.phaseflag(&arguments));
        assert_eq!(listed.output.split('\t').nth(7), Some(name), "{environment}");
    }
}

/// A wide terminal shows more of each flag; a column that no flag uses takes no room.
#[cfg(unix)]
#[test]
fn list_shows_what_a_terminal_has_room_for() {
    let folder = Folder::new("list-width");
    folder.write("flags.json", FLAGS);
    folder.write("rules.json", r#"[{"key": "a", "name": "a"}]"#);
    let header = |file: &str, columns: u16| {
        let command = folder.phaseflag(&["list", "--bootstrap", file]);
        let shown = run_in_terminal(command, columns, &[("NO_COLOR", "1")]).output;
        assert!(shown.lines().all(|line| line.width() <= columns.into()), "{shown}");
        let header = shown.lines().next().unwrap().split_whitespace().map(str::to_lowercase);
        header.collect::<Vec<_>>().join(" ")
    };
    let all = "key kind state rules default tags name description";
    for (columns, count) in [(69, 5), (70, 6), (99, 6), (100, 7), (129, 7), (130, 8), (300, 8)] {
        let expected: Vec<_> = all.split(' ').take(count).collect();
        assert_eq!(header("flags.json", columns), expected.join(" "), "{columns}");
    }
    assert_eq!(header("rules.json", 300), "key kind state rules default");
}

#[test]
fn list_shows_flags_with_all_tags() {
    let folder = Folder::new("list-tags");
    let keys = |arguments: &[&str]| {
        let listed = folder.with_flags(&[&["list"], arguments].concat());
        assert_eq!(listed.status, 0, "{arguments:?}");
        let missing = arguments.iter().find(|tag| ["Design", ""].contains(tag));
        let warning = missing.map(|tag| format!("phaseflag: no flag has the tag `{tag}`\n"));
        assert_eq!(listed.errors, warning.unwrap_or_default(), "{arguments:?}");
        let keys = listed.output.lines().map(|line| line.split('\t').next().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(&["--tag", "design"]), ["ui-theme"]);
    let both = ["new-checkout-flow", "express-pay"];
    assert_eq!(keys(&["--tag", "checkout"])[..2], both);
    assert_eq!(keys(&["--tag", "checkout", "--tag=payments"]), ["express-pay"]);
    assert_eq!(keys(&["--tag", "payments", "--tag", "design"]), [""; 0]);
    assert_eq!(keys(&["--tag", "Design"]), [""; 0]);
    assert_eq!(keys(&["--tag", ""]), [""; 0]);
    let json = folder.with_flags(&["list", "--json", "--tag", "none"]);
    let warning = "phaseflag: no flag has the tag `none`\n";
    assert_eq!(json, outcome(0, "{\"flags\":[]}\n", warning));
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
    let row = |key: &str, state: &str, environment: &str| {
        format!("{key}\tboolean\t{state}\t0\t-\t{environment}\t-\t-\t-\n")
    };
    let (b, c) = (row("b", "on", "production"), row("c", "on", "-"));
    let staging = row("a", "on", "staging");
    let all = format!("{staging}{b}{c}");
    let production = row("a", "off", "production") + &b + &c;
    let staging = staging + &c;
    let mistyped = "phaseflag: no flag of the rules is in the environment `Staging`: \
         did you mean `staging`?\n";
    for (arguments, variable, expected, errors) in [
        (&[][..], "", &all, ""),
        (&["--environment", ""], "", &all, ""),
        (&["--environment", "production"], "", &production, ""),
        (&[], "production", &production, ""),
        (&["--environment", "staging"], "production", &staging, ""),
        (&["--environment", ""], "production", &all, ""),
        (&["--environment", "Staging"], "", &c, mistyped),
        // Flags without an environment may be all that it has.
        (&["--environment", "qa"], "", &c, ""),
        (&["--environment", "production-eu"], "", &c, ""),
    ] {
        let arguments = [&["list", "--bootstrap", "rules.json"], arguments].concat();
        let mut command = folder.phaseflag(&arguments);
        command.env("PHASEFLAG_ENVIRONMENT", variable);
        assert_eq!(run(&mut command), outcome(0, expected, errors), "{arguments:?} {variable}");
    }
    let json = ["list", "--bootstrap", "rules.json", "--environment", "production", "--json"];
    let object: Value = run(&mut folder.phaseflag(&json)).output.parse().unwrap();
    let flags = &object["flags"];
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

/// Otherwise a mistyped environment looks like rules without flags.
#[test]
fn an_environment_that_no_flag_is_in_is_mentioned() {
    let folder = Folder::new("list-no-environment");
    folder
        .write("rules.json", r#"{"data": {"flags": [{"key": "a", "environment": "production"}]}}"#);
    folder.write("none.json", r#"[{"key": "a"}]"#);
    folder.write("empty.json", "[]");
    for command in
        ["list", "eval-all", "get a", "diff FILE FILE", "check FILE", "generate rust FILE"]
    {
        for (name, file, hint) in [
            ("prodution", "rules.json", Some(": did you mean `production`?")),
            ("prod", "rules.json", Some(": did you mean `production`?")),
            ("qa", "rules.json", Some(": the first one is in `production`")),
            ("production", "rules.json", None),
            ("qa", "none.json", None),
            ("qa", "empty.json", None),
        ] {
            let command = command.replace("FILE", file);
            let mut run_it = folder.phaseflag(&command.split(' ').collect::<Vec<_>>());
            run_it.env("PHASEFLAG_ENVIRONMENT", name).env("PHASEFLAG_BOOTSTRAP", file);
            let errors = run(&mut run_it).errors;
            let rules = match command.contains(file) {
                true => format!("`{file}`"),
                false => "the rules".to_owned(),
            };
            let warning = format!("phaseflag: no flag of {rules} is in the environment `{name}`");
            let expected = hint.map(|hint| format!("{warning}{hint}"));
            let found = errors.lines().find(|line| line.starts_with(&warning));
            assert_eq!(found.map(str::to_owned), expected, "{command}: {errors}");
        }
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
        results["evaluations"][7].to_string(),
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
    assert_eq!(command("list").output, "a\\tb\tboolean\ton\t0\tv\t-\t-\t-\t-\n");
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
