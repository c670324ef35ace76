//! `phaseflag diff`: what differs, for which users, and the exit status.

use std::fs;

use phaseflag::Value;

use crate::support::{FLAGS, Folder, NOBODY, Service, outcome, run, run_with_input, unreadable};

/// The flags of the examples, changed in several places.
fn changed() -> String {
    FLAGS
        .replace("\"weight\": 25", "\"weight\": 40")
        .replace("\"weight\": 75", "\"weight\": 60")
        .replace("[\"pro\", \"team\"]", "[\"pro\", \"team\", \"free\"]")
        .replace("\"ui-theme\"", "\"theme\"")
        .replace("@shop.example", "@store.example")
}

const TEXT: &str = "\
changed: segment staff
  condition email contains \"@shop.example\" → email contains \"@store.example\"
added: theme
  string, on, 2 rules, default variation `light`
changed: new-checkout-flow
  targeting_rules[0]: condition plan one_of: added \"free\"
changed: instant-search
  targeting_rules[0]: rollout `on` 25 → 40, `off` 75 → 60
changed: order-dashboard
  targeting_rules[0]: segment `staff` changed
removed: ui-theme
  string, on, 2 rules, default variation `light`
";

const TEXT_WITH_USERS: &str = "\
changed: segment staff
  condition email contains \"@shop.example\" → email contains \"@store.example\"
added: theme
  string, on, 2 rules, default variation `light`
  100 of 100 users are served `light` (\"light\") instead of the default of the program: user-1, user-2, user-3, …
    before: there is no such flag
    now: no rule decides
changed: new-checkout-flow
  targeting_rules[0]: condition plan one_of: added \"free\"
  100 of 100 users are served `enabled` (true) instead of `disabled` (false): user-1, user-2, user-3, …
    before: no rule decides
    now: targeting_rules[0] matches
changed: instant-search
  targeting_rules[0]: rollout `on` 25 → 40, `off` 75 → 60
  3 of 100 users are served `on` (true) instead of `off` (false): user-40, user-70, user-71
    before: targeting_rules[0], rollout, buckets 38 to 39
    now: targeting_rules[0], rollout, buckets 38 to 39
changed: order-dashboard
  targeting_rules[0]: segment `staff` changed
  0 of 100 users are served something else
removed: ui-theme
  string, on, 2 rules, default variation `light`
  100 of 100 users are served the default of the program instead of `light` (\"light\"): user-1, user-2, user-3, …
    before: no rule decides
    now: there is no such flag
affected: express-pay
  100 of 100 users are served `enabled` (true) instead of `disabled` (false): user-1, user-2, user-3, …
    before: requires flag `new-checkout-flow` to serve `enabled`: fails, it serves `disabled`, default
    now: targeting_rules[0] matches
";

fn folder(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("old.json", FLAGS);
    folder.write("new.json", &changed());
    folder.write("users.txt", &(1..=100).map(|user| format!("user-{user}\n")).collect::<String>());
    folder
}

#[test]
fn shows_what_differs() {
    let folder = folder("diff");
    assert_eq!(run(&mut folder.phaseflag(&["diff", "old.json", "new.json"])), outcome(1, TEXT, ""));
    assert_eq!(run(&mut folder.phaseflag(&["diff", "old.json", "old.json"])), outcome(0, "", ""));
    let mut command = folder.phaseflag(&["diff", "-", "new.json"]);
    assert_eq!(run_with_input(&mut command, FLAGS), outcome(1, TEXT, ""));
}

#[test]
fn tells_which_users_are_served_something_else_and_why() {
    let folder = folder("diff-users");
    let arguments = ["diff", "old.json", "new.json", "--users"];
    let attributes = ["--attr", "plan=free", "--attr", "country=GB"];
    let from_file = [&arguments[..], &["users.txt"], &attributes].concat();
    assert_eq!(run(&mut folder.phaseflag(&from_file)), outcome(1, TEXT_WITH_USERS, ""));
    let from_input = [&arguments[..], &["-"], &attributes].concat();
    let mut command = folder.phaseflag(&from_input);
    let one = run_with_input(&mut command, "\u{feff}user-40\r\n\n").output;
    assert!(
        one.contains("  1 of 1 users is served `on` (true) instead of `off` (false): user-40\n"),
        "{one}"
    );
    assert!(one.contains("    now: targeting_rules[0], rollout, bucket 39\n"), "{one}");
    // Without the attributes, only rollouts and the theme change something.
    let without = [&arguments[..], &["users.txt"]].concat();
    let without = run(&mut folder.phaseflag(&without)).output;
    assert_eq!(without.matches(" instead of ").count(), 3, "{without}");
    assert!(!without.contains("affected"), "{without}");
}

/// Each user is counted once, and the evaluator agrees.
#[test]
fn data_is_json() {
    let folder = folder("diff-json");
    let arguments = ["diff", "old.json", "new.json", "--json"];
    let plain: Value = {
        let done = run(&mut folder.phaseflag(&arguments));
        assert_eq!((done.status, done.errors.as_str()), (1, ""));
        done.output.parse().unwrap()
    };
    assert_eq!(plain["users"], Value::Null);
    // A member without a value is null, and never left out.
    let difference = plain["differences"][0].as_object().unwrap();
    assert_eq!(difference.get("users"), Some(&Value::Null));
    let differences = plain["differences"].as_array().unwrap();
    let names: Vec<_> = differences
        .iter()
        .map(|it| {
            let name = it["key"].as_str().or(it["segment"].as_str()).unwrap();
            format!("{} {name}", it["what"].as_str().unwrap())
        })
        .collect();
    let listed: Vec<_> = TEXT
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.replace(": segment", ":").replace(':', ""))
        .collect();
    assert_eq!(names, listed);
    assert_eq!(differences[3]["changes"].as_array().unwrap().len(), 1);

    let with_users = [&arguments[..], &["--users", "users.txt", "--attr", "plan=free"]].concat();
    let done = run(&mut folder.phaseflag(&with_users));
    let object: Value = done.output.parse().unwrap();
    assert_eq!(object["users"], Value::from(100));
    assert_eq!(object["differences"][0]["users"], Value::Null);
    assert_eq!(
        object["differences"][3]["users"].to_string(),
        concat!(
            r#"[{"count":3,"#,
            r#""from":{"reason":"percentage_rollout","rule":0,"value":false,"variation_key":"off"},"#,
            r#""to":{"reason":"percentage_rollout","rule":0,"value":true,"variation_key":"on"},"#,
            r#""users":["user-40","user-70","user-71"]}]"#
        )
    );
    assert_eq!(
        object["differences"][1]["users"][0]["from"].to_string(),
        r#"{"reason":"flag_not_found","rule":null,"value":null,"variation_key":null}"#
    );
    let same = run(&mut folder.phaseflag(&["diff", "old.json", "old.json", "--json"]));
    assert_eq!(same, outcome(0, "{\"differences\":[],\"users\":null}\n", ""));
}

/// A service that has segments elsewhere, and no prerequisites.
#[test]
fn compares_with_a_service() {
    let folder = folder("diff-service");
    let service = Service::start(&folder, "old.json");
    let done = run(&mut service.phaseflag(&folder, &["diff", "service", "new.json"]));
    assert_eq!(done, outcome(1, TEXT, ""));
    let done = run(&mut service.phaseflag(&folder, &["diff", "old.json", "service"]));
    assert_eq!(done, outcome(0, "", ""));
    // A file of that name.
    folder.write("service", &changed());
    let done = run(&mut folder.phaseflag(&["diff", "./service", "new.json"]));
    assert_eq!(done, outcome(0, "", ""));
}

#[test]
fn flags_of_other_environments_do_not_differ() {
    let folder = folder("diff-environment");
    let rules = |state| {
        format!(
            r#"[{{"key": "a", "environment": "production"}},
                {{"key": "a", "environment": "staging", "enabled": {state}}}]"#
        )
    };
    folder.write("old.json", &rules(true));
    folder.write("new.json", &rules(false));
    for (environment, status, output) in
        [("production", 0, ""), ("staging", 1, "changed: a\n  on → off\n")]
    {
        let arguments = ["diff", "old.json", "new.json", "--environment", environment];
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(status, output, ""));
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let folder = folder("diff-errors");
    fs::write(folder.file("bytes"), b"a\xff").unwrap();
    folder.write("bad.json", "{");
    folder.write("dropped.json", r#"[{"key": 7}]"#);
    let missing = format!("failed to read `missing`: {}", unreadable(folder.file("missing")));
    let once = "standard input can be read only once (see `phaseflag diff --help`)";
    for (arguments, errors) in [
        (vec!["old.json"], "`diff` needs NEW (see `phaseflag diff --help`)"),
        (vec!["missing", "new.json"], &missing),
        (vec!["old.json", "missing"], &missing),
        (vec!["-", "-"], once),
        (vec!["-", "new.json", "--users", "-"], once),
        (vec!["bytes", "new.json"], "failed to read `bytes`: it is not UTF-8"),
        (vec!["old.json", "new.json", "--users", "bytes"], "`bytes` is not UTF-8"),
        (
            vec!["old.json", "new.json", "--attr", "plan=pro"],
            "`--attr` needs `--users FILE` (see `phaseflag diff --help`)",
        ),
        (
            vec!["service", "new.json"],
            "no service is configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY",
        ),
    ] {
        let arguments = [&["diff"], arguments.as_slice()].concat();
        let expected = outcome(2, "", &format!("phaseflag: {errors}\n"));
        assert_eq!(run(&mut folder.phaseflag(&arguments)), expected, "{arguments:?}");
    }
    let bad = run(&mut folder.phaseflag(&["diff", "old.json", "bad.json"]));
    assert_eq!((bad.status, bad.output.as_str()), (2, ""));
    assert!(bad.errors.contains("`bad.json`: ") && bad.errors.contains("line 1"), "{bad:?}");
    // What clients drop is no flag, which is said.
    let dropped = run(&mut folder.phaseflag(&["diff", "dropped.json", "dropped.json"]));
    let warning = "phaseflag: `dropped.json` has problems, which `phaseflag check` reports\n";
    assert_eq!(dropped, outcome(0, "", &warning.repeat(2)));
    let mut down = folder.phaseflag(&["diff", "service", "new.json", "--timeout", "5"]);
    let down = run(down.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", "k"));
    assert_eq!((down.status, down.output.as_str()), (2, ""));
}

#[cfg(unix)]
#[test]
fn no_line_is_wider_than_a_terminal() {
    use unicode_width::UnicodeWidthStr;

    use crate::support::terminal::run_in_terminal;

    let folder = folder("diff-terminal");
    let arguments = ["diff", "old.json", "new.json", "--users", "users.txt"];
    let command = || folder.phaseflag(&arguments);
    for columns in [40, 60, 80, 200] {
        let shown = run_in_terminal(command(), columns, &[("NO_COLOR", "1")]);
        assert_eq!((shown.status, shown.errors.as_str()), (1, ""));
        assert!(shown.output.lines().count() > 10);
        for line in shown.output.lines() {
            assert!(line.width() <= columns.into(), "{columns}: {line}");
        }
    }
    let coloured = run_in_terminal(command(), 200, &[]).output;
    assert!(coloured.contains("\x1b[31mremoved: ui-theme\x1b[0m\n"), "{coloured}");
    assert!(coloured.contains("\x1b[32madded: theme\x1b[0m\n"), "{coloured}");
}
