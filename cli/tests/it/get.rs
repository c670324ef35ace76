//! `phaseflag get`: values, formats, defaults, and the source of the rules.

use std::time::{Duration, Instant};

use crate::support::{FLAGS, Folder, KEY, NOBODY, Service, outcome, refused, run, unreadable};

#[test]
fn prints_the_value() {
    let folder = Folder::new("get-value");
    for (arguments, output) in [
        (vec!["ui-theme"], "light\n"),
        (vec!["ui-theme", "--attr", "color_scheme=dark"], "dark\n"),
        (vec!["new-checkout-flow"], "false\n"),
        (vec!["new-checkout-flow", "--attr", "plan=pro"], "true\n"),
        (vec!["new-checkout-flow", "--attr=plan=free", "--attr=plan=pro"], "true\n"),
        (vec!["checkout-config"], "{\"invoice\":false,\"max_items\":50}\n"),
        (vec!["barcode-scanner", "--attr", "app_version=4.2.0"], "true\n"),
        (vec!["instant-search", "--user", "bob"], "true\n"),
        (vec!["instant-search", "--user", "ada"], "false\n"),
        (vec!["instant-search", "--session", "bob"], "true\n"),
        (vec!["order-dashboard", "--attr", "email=a@shop.example"], "true\n"),
        (vec!["ui-theme", "--attr", "prefers_contrast=true"], "high-contrast\n"),
        (vec!["ui-theme", "--default", "none"], "light\n"),
    ] {
        let arguments = [&["get"], arguments.as_slice()].concat();
        assert_eq!(folder.with_flags(&arguments), outcome(0, output, ""), "{arguments:?}");
    }
}

/// `--attr` reads numbers and booleans, `--attr-text` never does: an unsigned version is a number.
#[test]
fn attributes_are_numbers_or_text() {
    let folder = Folder::new("get-attributes");
    folder.write(
        "rules.json",
        r#"[{"key": "f", "default_variation": "no",
             "variations": [{"key": "yes", "value": "yes"}, {"key": "no", "value": "no"}],
             "targeting_rules": [{"variation": "yes", "conditions":
                 [{"attribute": "a", "operator": "is", "value": "1.0"}]}]}]"#,
    );
    // As a number, 1.0 has the string form 1.
    for (option, value, output) in [
        ("--attr", "a=1.0", "no\n"),
        ("--attr-text", "a=1.0", "yes\n"),
        ("--attr", "a=1.0 ", "no\n"),
    ] {
        let arguments = ["get", "f", option, value, "--bootstrap", "rules.json"];
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, output, ""), "{value}");
    }
}

#[test]
fn an_identifier_may_be_given_as_an_attribute() {
    let folder = Folder::new("get-identifier");
    let rule = |variation: &str, attribute: &str, value: &str| {
        format!(
            r#"{{"variation": "{variation}", "conditions":
                [{{"attribute": "{attribute}", "operator": "is", "value": "{value}"}}]}}"#
        )
    };
    let rules = [
        rule("is 1e3", "user_id", "1e3"),
        rule("is ada", "user_id", "ada"),
        rule("in s1", "session_id", "s1"),
    ];
    folder.write(
        "rules.json",
        &format!(
            r#"[{{"key": "f", "default_variation": "no", "targeting_rules": [{}], "variations": [
                {{"key": "is 1e3", "value": "1e3"}}, {{"key": "is ada", "value": "ada"}},
                {{"key": "in s1", "value": "s1"}}, {{"key": "no", "value": "nobody"}}]}}]"#,
            rules.join(",")
        ),
    );
    for (arguments, output) in [
        (vec!["--attr", "user_id=ada"], "ada\n"),
        (vec!["--attr-text", "user_id=ada"], "ada\n"),
        (vec!["--attr", "session_id=s1"], "s1\n"),
        (vec!["--user", "bob", "--attr", "user_id=ada"], "ada\n"),
        (vec!["--attr", "user_id=bob", "--user", "ada"], "ada\n"),
        (vec!["--user", "ada", "--attr", "user_id=bob"], "nobody\n"),
        (vec!["--attr", "user_id=ada", "--user", "bob"], "nobody\n"),
        (vec!["--session", "s2", "--attr", "session_id=s1"], "s1\n"),
        // As a number it would be 1000.
        (vec!["--attr", "user_id=1e3"], "1e3\n"),
    ] {
        let arguments = [&["get", "f", "--bootstrap", "rules.json"], &*arguments].concat();
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, output, ""), "{arguments:?}");
    }
}

/// A mistyped attribute is told from one that the rules do not need.
#[test]
fn an_attribute_that_no_rule_reads_is_mentioned_if_a_similar_one_is_read() {
    let folder = Folder::new("get-unread");
    folder.write("users.txt", "ada\n");
    folder.write(
        "rules.json",
        r#"{"flags": [
            {"key": "a", "prerequisites": [{"flag_key": "b", "variation_key": "on"}],
             "variations": [{"key": "on", "value": true}], "default_variation": "on",
             "targeting_rules": [{"segment_id": "s", "variation": "on", "conditions":
                [{"attribute": "plan", "operator": "is", "value": "pro"}]}]},
            {"key": "b", "variations": [{"key": "on", "value": true}], "default_variation": "on",
             "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 50}]},
                {"conditions": [{"attribute": "country", "operator": "is", "value": "CH"}]}]},
            {"key": "c", "targeting_rules": [{"conditions":
                [{"attribute": "plans", "operator": "is", "value": "1"}]}]}],
            "segments": [{"id": "s", "conditions":
                [{"attribute": "email", "operator": "contains", "value": "@"}]}]}"#,
    );
    for (attributes, unread) in [
        (&[][..], None),
        (&["plan=pro"], None),
        (&["paln=pro"], Some(("paln", "plan"))),
        (&["paln=pro", "paln=free"], Some(("paln", "plan"))),
        (&["Plan=pro"], Some(("Plan", "plan"))),
        (&["PLAN=pro"], Some(("PLAN", "plan"))),
        (&["userId=ada"], Some(("userId", "user_id"))),
        // In a segment, and in a required flag.
        (&["emial=x"], Some(("emial", "email"))),
        (&["contry=CH"], Some(("contry", "country"))),
        (&["userid=ada"], Some(("userid", "user_id"))),
        // The similar one is there, too.
        (&["paln=pro", "plan=pro"], None),
        // Another flag reads it.
        (&["plans=1"], None),
        (&["browser=x"], None),
        (&["role=x"], None),
        (&["p=x"], None),
        (&["user_id=ada"], None),
    ] {
        for command in [
            &["get", "a"][..],
            &["explain", "a"],
            &["split", "a", "--users", "users.txt"],
            &["eval-all"],
        ] {
            let mut run_it = folder.phaseflag(command);
            run_it.args(["-b", "rules.json"]);
            for attribute in attributes {
                run_it.args(["--attr-text", attribute]);
            }
            let said = run(&mut run_it);
            let expected = unread.map(|(name, near)| {
                format!("phaseflag: no rule reads the attribute `{name}`: did you mean `{near}`?\n")
            });
            assert_eq!(said.errors, expected.unwrap_or_default(), "{command:?} {attributes:?}");
            assert_eq!(said.status, 0);
        }
    }
}

#[test]
fn prints_the_whole_result() {
    let folder = Folder::new("get-json");
    for (arguments, output) in [
        (
            vec!["ui-theme"],
            r#"{"key":"ui-theme","reason":"default","value":"light","variation_key":"light"}"#,
        ),
        (
            vec!["instant-search", "--user", "bob"],
            r#"{"key":"instant-search","reason":"percentage_rollout","value":true,"variation_key":"on"}"#,
        ),
        (
            vec!["no-such-flag", "--default", "[1]"],
            r#"{"key":"no-such-flag","reason":"flag_not_found","value":[1],"variation_key":null}"#,
        ),
        (
            vec!["no-such-flag", "--default", "text"],
            r#"{"key":"no-such-flag","reason":"flag_not_found","value":"text","variation_key":null}"#,
        ),
    ] {
        let arguments = [&["get", "--json"], arguments.as_slice()].concat();
        assert_eq!(folder.with_flags(&arguments), outcome(0, &format!("{output}\n"), ""));
    }
}

#[test]
fn the_exit_status_can_be_the_value() {
    let folder = Folder::new("get-exit-code");
    for (arguments, status, errors) in [
        (vec!["new-checkout-flow", "--attr", "plan=pro"], 0, ""),
        (vec!["new-checkout-flow"], 1, ""),
        (vec!["no-such-flag", "--default", "true"], 0, ""),
        (vec!["no-such-flag", "--default", "false"], 1, ""),
        (vec!["no-such-flag"], 2, "phaseflag: there is no flag `no-such-flag`\n"),
        (
            vec!["no-such-flag", "--default", "1"],
            2,
            "phaseflag: the default `1` is not a boolean\n",
        ),
        (
            vec!["ui-theme"],
            2,
            "phaseflag: the flag `ui-theme` serves \"light\", which is not a boolean\n",
        ),
        (
            vec!["ui-theme", "--json"],
            2,
            "phaseflag: `--json` and `--exit-code` cannot be combined (see `phaseflag get --help`)\n",
        ),
    ] {
        let arguments = [&["get", "--exit-code"], arguments.as_slice()].concat();
        assert_eq!(folder.with_flags(&arguments), outcome(status, "", errors), "{arguments:?}");
    }
}

#[test]
fn the_error_for_an_unknown_flag_suggests_another() {
    let folder = Folder::new("get-unknown");
    for (key, hint) in [
        ("ui-teme", ": did you mean `ui-theme`?"),
        ("new-checkout", ": did you mean `new-checkout-flow`?"),
        ("UI-theme", ": did you mean `ui-theme`?"),
        ("UI-THEME", ": did you mean `ui-theme`?"),
        ("something-else-entirely", ""),
        ("", ""),
    ] {
        let errors = format!("phaseflag: there is no flag `{key}`{hint}\n");
        assert_eq!(folder.with_flags(&["get", key]), outcome(2, "", &errors), "{key}");
        let defaulted = folder.with_flags(&["get", key, "--default", "a b"]);
        assert_eq!(defaulted, outcome(0, "a b\n", ""), "{key}");
    }
}

#[test]
fn gets_the_rules_from_the_service() {
    let folder = Folder::new("get-service");
    let service = Service::with_flags(&folder);
    let value = run(&mut service.phaseflag(&folder, &["get", "ui-theme"]));
    assert_eq!(value, outcome(0, "light\n", ""));

    // Options win over environment variables, and may come before the command.
    let mut command = folder.phaseflag(&["--base-url", &service.base_url, "get", "ui-theme"]);
    command.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", KEY);
    assert_eq!(run(&mut command), outcome(0, "light\n", ""));
    let mut command = folder.phaseflag(&["get", "ui-theme", "--base-url", "", "--bootstrap"]);
    command.arg("flags.json").env("PHASEFLAG_BASE_URL", NOBODY);
    assert_eq!(run(&mut command), outcome(0, "light\n", ""));
}

#[test]
fn a_service_that_is_down_is_an_error() {
    let folder = Folder::new("get-down");
    let down = |arguments: &[&str]| {
        let mut command = folder.phaseflag(&[&["get", "--timeout", "5"], arguments].concat());
        command.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", KEY);
        run(&mut command)
    };
    let failure = format!("phaseflag: failed to reach `{NOBODY}/sdk/ruleset`: io: {}", refused());
    assert_eq!(down(&["ui-theme"]), outcome(2, "", &format!("{failure}\n")));
    // A file that cannot be used is an error even with a default.
    for default in [&[] as &[&str], &["--default", "none"]] {
        let arguments = [&["ui-theme", "--bootstrap", "missing.json"], default].concat();
        let errors = format!(
            "{failure}; failed to load bootstrap `missing.json`: {}\n",
            unreadable(folder.file("missing.json"))
        );
        assert_eq!(down(&arguments), outcome(2, "", &errors));
    }
    // The default is printed, with a warning.
    let defaulted = outcome(0, "none\n", &format!("{failure}\n"));
    assert_eq!(down(&["ui-theme", "--default", "none"]), defaulted);
}

#[test]
fn a_bootstrap_is_used_while_the_service_is_down() {
    let folder = Folder::new("get-stale");
    folder.write("flags.json", FLAGS);
    let mut command = folder.phaseflag(&["get", "ui-theme", "--bootstrap", "flags.json"]);
    command.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", KEY);
    let start = Instant::now();
    assert_eq!(
        run(&mut command),
        outcome(
            0,
            "light\n",
            &format!(
                "phaseflag: the rules may be stale: failed to reach `{NOBODY}/sdk/ruleset`: io: {}\n",
                refused()
            )
        )
    );
    // The first failure is enough.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_refused_key_is_reported_at_once_and_never_printed() {
    let folder = Folder::new("get-refused");
    folder.write("flags.json", FLAGS);
    let service = Service::start_with(&folder, &["flags.json", "--port", "0", "--key", "right"]);
    let refusal = format!(
        "the service refused the API key: \
         `{}/sdk/ruleset` responded with status 401: the API key is wrong\n",
        service.base_url
    );
    let mut command = service.phaseflag(&folder, &["get", "ui-theme"]);
    assert_eq!(run(&mut command), outcome(2, "", &format!("phaseflag: {refusal}")));
    command.args(["--bootstrap", "flags.json"]);
    let stale = format!("phaseflag: the rules may be stale: {refusal}");
    assert_eq!(run(&mut command), outcome(0, "light\n", &stale));
    command.args(["--api-key", "right"]);
    assert_eq!(run(&mut command), outcome(0, "light\n", ""));
}

#[test]
fn the_error_for_a_missing_service_says_what_to_set() {
    let folder = Folder::new("get-unset");
    assert_eq!(
        run(&mut folder.phaseflag(&["get", "ui-theme", "--default", "none"])),
        outcome(
            2,
            "",
            "phaseflag: no rules are configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY, \
             or PHASEFLAG_BOOTSTRAP or `--bootstrap FILE`\n"
        )
    );
    assert_eq!(
        run(folder
            .phaseflag(&["get", "ui-theme", "--default", "none"])
            .env("PHASEFLAG_BASE_URL", NOBODY)),
        outcome(2, "", "phaseflag: the API key is missing: set PHASEFLAG_API_KEY\n")
    );
    assert_eq!(
        run(folder
            .phaseflag(&["get", "ui-theme", "--base-url", "ftp://x"])
            .env("PHASEFLAG_API_KEY", KEY)),
        outcome(2, "", "phaseflag: `--base-url` must begin with http:// or https://: `ftp://x`\n")
    );
}

/// The setting is named as the user gave it, with what was given and what was meant.
#[test]
fn the_error_for_an_invalid_url_says_what_was_meant() {
    let folder = Folder::new("get-url");
    for (url, error) in [
        (
            "localhost:8000/api/v1",
            "must begin with http:// or https://, not `localhost:8000/api/v1`: \
             did you mean `http://localhost:8000/api/v1`?",
        ),
        (
            "flags.example.com/api/v1",
            "must begin with http:// or https://, not `flags.example.com/api/v1`: \
             did you mean `https://flags.example.com/api/v1`?",
        ),
        ("/api/v1", "is not a URL with a scheme and a host: `/api/v1`"),
        ("http://a b", "is not a URL: `http://a b`"),
        ("http://:80", "has no host: `http://:80`"),
        // What may be secret is not repeated.
        ("user:secret@host/api/v1", "is not a URL"),
        ("sdk-prod-1234", "is not a URL with a scheme and a host, but probably an API key"),
        ("http://user:secret@host/api/v1", "must not contain credentials"),
        ("http://host/api/v1?key=secret", "must not contain a query or a fragment"),
    ] {
        let mut command = folder.phaseflag(&["get", "a", "--default", "none", "--api-key", KEY]);
        let by_variable = run(command.env("PHASEFLAG_BASE_URL", url));
        let errors = format!("phaseflag: `PHASEFLAG_BASE_URL` {error}\n");
        assert_eq!(by_variable, outcome(2, "", &errors));
        let by_option = run(command.args(["--base-url", url]));
        assert_eq!(by_option, outcome(2, "", &format!("phaseflag: `--base-url` {error}\n")));
    }
    let arguments = ["get", "a", "-b", "flags.json", "--cache-dir", ""];
    let errors = "phaseflag: `--cache-dir` must not be empty\n";
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(2, "", errors));
    for (key, error) in [
        ("a\nb", "contains characters that are not allowed in a header"),
        (" a", "must not begin or end with a space"),
    ] {
        let arguments = ["get", "a", "--default", "none", "--base-url", NOBODY, "--api-key", key];
        let errors = format!("phaseflag: `--api-key` {error}\n");
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(2, "", &errors));
    }
}

#[test]
fn a_bootstrap_that_cannot_be_used_is_an_error() {
    let folder = Folder::new("get-bootstrap");
    folder.write("broken.json", "{\"flags\": [");
    for (file, cause) in [
        ("missing.json", unreadable(folder.file("missing.json")).as_str()),
        (
            "broken.json",
            "failed to parse ruleset: the end of the text where a value was expected \
             at line 1, column 12",
        ),
    ] {
        let errors = format!("phaseflag: failed to load bootstrap `{file}`: {cause}\n");
        let arguments = ["get", "ui-theme", "--bootstrap", file, "--default", "x"];
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(2, "", &errors));
    }
}

/// A message of a service cannot control the terminal.
#[test]
fn control_characters_of_an_error_are_escaped() {
    let folder = Folder::new("get-control");
    let errors = "phaseflag: there is no flag `a\\u{1b}[31m`\n";
    assert_eq!(folder.with_flags(&["get", "a\x1b[31m"]), outcome(2, "", errors));
}

/// A program gets the value unchanged, a terminal gets it escaped. `script` simulates a terminal.
#[cfg(target_os = "linux")]
#[test]
fn control_characters_of_a_value_are_escaped_only_on_a_terminal() {
    let folder = Folder::new("get-terminal");
    folder.write(
        "rules.json",
        r#"[{"key": "a", "variations": [{"key": "v", "value": "\u001b[31m\u202e"}],
             "default_variation": "v"},
            {"key": "b", "variations": [{"key": "v", "value": ["\u009b"]}],
             "default_variation": "v"}]"#,
    );
    let terminal = folder.program("script").arg("--version").output().is_ok();
    for (key, exact, escaped) in [
        ("a", "\u{1b}[31m\u{202e}\n", "\\u{1b}[31m\\u{202e}\r\n"),
        // JSON is the same in both, and stays valid.
        ("b", "[\"\\u009b\"]\n", "[\"\\u009b\"]\r\n"),
    ] {
        let arguments = ["get", key, "--bootstrap", "rules.json"];
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, exact, ""));
        if terminal {
            let line = format!("{} {}", env!("CARGO_BIN_EXE_phaseflag"), arguments.join(" "));
            let mut script = folder.program("script");
            let seen = run(script.args(["-qec", &line, "/dev/null"]));
            assert_eq!(seen, outcome(0, escaped, ""));
        }
    }
}

/// After two dashes, a key may look like an option.
#[test]
fn a_key_may_begin_with_dashes() {
    let folder = Folder::new("get-dashes");
    folder.write("rules.json", r#"[{"key": "--json", "variations": [{"key": "v", "value": 1}]}]"#);
    let arguments = ["get", "--bootstrap", "rules.json", "--", "--json"];
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, "null\n", ""));
}
