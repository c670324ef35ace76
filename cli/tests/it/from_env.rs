//! Settings and overrides from environment variables.

use std::process::Command;
use std::time::Instant;

use crate::support::{FLAGS, Folder, KEY, NOBODY, Service, outcome, refused, run, run_with_input};

/// Returns a command with a file of rules.
fn with_flags(folder: &Folder, arguments: &[&str]) -> Command {
    let flags = folder.write("flags.json", FLAGS);
    let mut command = folder.phaseflag(arguments);
    command.env("PHASEFLAG_BOOTSTRAP", flags);
    command
}

#[test]
fn each_evaluation_honours_overrides() {
    let folder = Folder::new("from-env");
    let overridden = |arguments: &[&str]| {
        let mut command = with_flags(&folder, arguments);
        command.env("PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW", "true");
        command.env("PHASEFLAG_FLAG_UI_THEME", "1.10");
        command.env("PHASEFLAG_FLAG_CHECKOUT_CONFIG", r#"{"max_items": 3}"#);
        command
    };
    let printed = |arguments: &[&str]| {
        let outcome = run(&mut overridden(arguments));
        assert_eq!((outcome.status, outcome.errors.as_str()), (0, ""), "{arguments:?}");
        outcome.output
    };
    assert_eq!(run(&mut with_flags(&folder, &["get", "new-checkout-flow"])).output, "false\n");
    assert_eq!(printed(&["get", "new-checkout-flow"]), "true\n");
    assert_eq!(printed(&["get", "new-checkout-flow", "--exit-code"]), "");
    // The type of the flag is `string`.
    assert_eq!(
        printed(&["get", "ui-theme", "--json"]),
        "{\"key\":\"ui-theme\",\"reason\":\"override\",\"value\":\"1.10\",\"variation_key\":null}\n"
    );
    let all = printed(&["eval-all"]);
    let line = "checkout-config\t{\"max_items\":3}\toverride\t-\n";
    assert!(all.contains(line), "{all}");
    assert!(all.contains("new-checkout-flow\ttrue\toverride\t-\n"), "{all}");
    assert_eq!(all.matches("override").count(), 3, "{all}");

    let split = ["split", "new-checkout-flow", "--users", "-"];
    let split = run_with_input(&mut overridden(&split), "ada\nbob\n");
    let bar = "█".repeat(40);
    assert_eq!(split, outcome(0, &format!("-\t2\t100.0%\t{bar}\n"), ""));

    let rules = run(&mut with_flags(&folder, &["explain", "new-checkout-flow"])).output;
    assert!(rules.starts_with("flag `new-checkout-flow`: `disabled`, value false"), "{rules}");
    let expected = format!(
        "flag `new-checkout-flow`: value true, override\n  \
           the variable PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW decides; without it:\n{rules}"
    );
    assert_eq!(printed(&["explain", "new-checkout-flow"]), expected);
    // Definitions are not evaluated.
    let list = run(&mut with_flags(&folder, &["list"])).output;
    assert_eq!(printed(&["list"]), list);
}

#[test]
fn a_variable_without_a_flag_is_reported() {
    let folder = Folder::new("from-env-unmatched");
    let with = |arguments: &[&str]| {
        let mut command = with_flags(&folder, arguments);
        run(command.env("PHASEFLAG_FLAG_UI_TEME", "dark"))
    };
    let errors = "phaseflag: the environment variable `PHASEFLAG_FLAG_UI_TEME` matches no flag\n";
    assert_eq!(with(&["get", "ui-theme"]), outcome(0, "light\n", errors));
    // It overrides a flag that is not in the rules.
    assert_eq!(with(&["get", "ui-teme"]), outcome(0, "dark\n", errors));
    let explained = "flag `ui\\nteme`: value \"dark\", override\n  \
                       the variable PHASEFLAG_FLAG_UI_TEME decides; without it:\n\
                     no rules have this flag\n";
    assert_eq!(with(&["explain", "ui\nteme"]), outcome(0, explained, errors));
    assert_eq!(with(&["check", "flags.json"]).errors, "");
}

#[test]
fn flags_with_the_same_variable_are_found_by_check() {
    let folder = Folder::new("from-env-check");
    folder.write(
        "flags.json",
        r#"[{"key": "a-b", "enabled": false}, {"key": "a.b", "enabled": false}]"#,
    );
    let line = "flags.json:1:44: warning: flags[1].key: the environment variable \
                `PHASEFLAG_FLAG_A_B` overrides this flag and `a-b`\n";
    assert_eq!(run(&mut folder.phaseflag(&["check", "flags.json"])), outcome(0, line, ""));
    let strict = ["check", "flags.json", "--strict"];
    assert_eq!(run(&mut folder.phaseflag(&strict)), outcome(1, line, ""));
}

#[test]
fn white_space_around_a_key_and_a_url_is_ignored() {
    let folder = Folder::new("from-env-space");
    folder.write("flags.json", FLAGS);
    let service =
        Service::start_with(&folder, &["flags.json", "--port", "0", "--key", "sdk-dev-right"]);
    let mut command = folder.phaseflag(&["get", "ui-theme"]);
    command.env("PHASEFLAG_BASE_URL", format!("{}\r\n", service.base_url));
    command.env("PHASEFLAG_API_KEY", "sdk-dev-right\n").env("PHASEFLAG_ENVIRONMENT", " \n");
    assert_eq!(run(&mut command), outcome(0, "light\n", ""));
}

#[test]
fn offline_rules_need_no_service() {
    let folder = Folder::new("from-env-offline");
    let offline = |value: &str, arguments: &[&str]| {
        let mut command = folder.phaseflag(&[&["get", "--no-cache"], arguments].concat());
        command.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", KEY);
        run(command.env("PHASEFLAG_OFFLINE", value))
    };
    folder.write("flags.json", FLAGS);
    let file = ["ui-theme", "--bootstrap", "flags.json"];
    let light = outcome(0, "light\n", "");
    assert_eq!(offline("true", &file), light);
    assert_eq!(offline("On", &file), light);
    // Without, a warning.
    assert!(offline("0", &file).errors.contains("the rules may be stale"));
    let errors =
        "phaseflag: the value of PHASEFLAG_OFFLINE must be `true` or `false`, not `maybe`\n";
    assert_eq!(offline("maybe", &file), outcome(2, "", errors));

    // Without rules, the failure is reported at once.
    let start = Instant::now();
    let errors = format!("phaseflag: failed to reach `{NOBODY}/sdk/ruleset`: io: {}\n", refused());
    let long = ["ui-theme", "--timeout", "3600"];
    assert_eq!(offline("1", &long), outcome(2, "", &errors));
    let default = [&long[..], &["--default", "none"]].concat();
    assert_eq!(offline("1", &default), outcome(0, "none\n", &errors));
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn an_override_needs_no_rules() {
    let folder = Folder::new("from-env-no-rules");
    let down = |arguments: &[&str]| {
        let mut command = folder.phaseflag(&[arguments, &["--timeout", "5"]].concat());
        command.env("PHASEFLAG_BASE_URL", NOBODY).env("PHASEFLAG_API_KEY", KEY);
        run(command.env("PHASEFLAG_FLAG_UI_THEME", "dark"))
    };
    let errors = format!("phaseflag: failed to reach `{NOBODY}/sdk/ruleset`: io: {}\n", refused());
    assert_eq!(down(&["get", "ui-theme"]), outcome(0, "dark\n", &errors));
    assert_eq!(down(&["get", "ui-theme", "--default", "none"]), outcome(0, "dark\n", &errors));
    let explained = "flag `ui-theme`: value \"dark\", override\n  \
                       the variable PHASEFLAG_FLAG_UI_THEME decides; without it:\n\
                     no rules have this flag\n";
    assert_eq!(down(&["explain", "ui-theme"]), outcome(0, explained, &errors));
    for command in ["get", "explain"] {
        assert_eq!(down(&[command, "other"]), outcome(2, "", &errors));
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_an_error_with_the_name_of_its_variable() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new("from-env-bytes");
    for (name, error) in [
        ("PHASEFLAG_API_KEY", "the value of PHASEFLAG_API_KEY is not UTF-8"),
        ("PHASEFLAG_OFFLINE", "the value of PHASEFLAG_OFFLINE is not UTF-8"),
        (
            "PHASEFLAG_FLAG_A",
            "failed to build client: `override_from_env` cannot use the variable \
             PHASEFLAG_FLAG_A: its value is not UTF-8",
        ),
    ] {
        let mut command = with_flags(&folder, &["get", "ui-theme"]);
        command.env(name, OsStr::from_bytes(b"a\xff"));
        assert_eq!(run(&mut command), outcome(2, "", &format!("phaseflag: {error}\n")));
    }
}
