//! `phaseflag explain`: why a flag serves a value.

use crate::support::{Folder, outcome, run};

#[test]
fn explains_the_value() {
    let folder = Folder::new("explain");
    for (arguments, expected) in [
        (
            vec!["new-checkout-flow", "--attr", "plan=free"],
            "flag `new-checkout-flow`: `disabled`, value false, default\n  \
               it is on\n  \
               targeting_rules[0]: does not match\n    \
                 plan one_of [\"pro\", \"team\"]: fails for \"free\"\n    \
                 serves `enabled`\n",
        ),
        (
            vec!["instant-search", "--user", "bob"],
            "flag `instant-search`: `on`, value true, percentage_rollout\n  \
               it is on\n  \
               targeting_rules[0]: matches and decides\n    \
                 no conditions\n    \
                 rollout: bucket 14 by user_id \"bob\"\n      \
                   0 to 25: `on`, chosen\n      \
                   25 to 100: `off`\n",
        ),
    ] {
        let arguments = [&["explain"], arguments.as_slice()].concat();
        assert_eq!(folder.with_flags(&arguments), outcome(0, expected, ""));
    }
}

#[test]
fn an_unknown_flag_is_an_error() {
    let folder = Folder::new("explain-unknown");
    let errors = "phaseflag: there is no flag `ui-teme`: did you mean `ui-theme`?\n";
    assert_eq!(folder.with_flags(&["explain", "ui-teme"]), outcome(2, "", errors));
}

/// No attribute can control the terminal.
#[test]
fn control_characters_are_escaped() {
    let folder = Folder::new("explain-control");
    folder.write(
        "rules.json",
        r#"[{"key": "a\u001b[31m", "default_variation": "v",
             "variations": [{"key": "v\u0007", "value": 1}, {"key": "v"}]}]"#,
    );
    let explain = ["explain", "a\x1b[31m", "--bootstrap", "rules.json"];
    let explained = run(&mut folder.phaseflag(&explain));
    assert_eq!((explained.status, explained.errors.as_str()), (0, ""));
    assert!(!explained.output.contains(|c: char| c.is_control() && c != '\n'), "{explained:?}");
}
