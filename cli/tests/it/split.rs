//! `phaseflag split`: counts, shares and bars.

use std::fs;

use crate::support::{FLAGS, Folder, outcome, run, run_with_input, unreadable};

/// A hundred users, one per line.
fn users() -> String {
    (0..100).map(|number| format!("user-{:03}\n", number * 7)).collect()
}

#[test]
fn counts_users() {
    let folder = Folder::new("split");
    folder.write("users.txt", &users());
    let split = folder.with_flags(&["split", "instant-search", "--users", "users.txt"]);
    assert_eq!((split.status, split.errors.as_str()), (0, ""));
    assert_eq!(
        split.output,
        "on\t20\t20.0%\t████████\noff\t80\t80.0%\t████████████████████████████████\n"
    );

    let json = folder.with_flags(&["split", "instant-search", "--users", "users.txt", "--json"]);
    assert_eq!(
        json.output,
        concat!(
            r#"{"key":"instant-search","reasons":{"percentage_rollout":100},"shares":["#,
            r#"{"count":20,"fraction":0.2,"value":true,"variation_key":"on"},"#,
            r#"{"count":80,"fraction":0.8,"value":false,"variation_key":"off"}],"total":100}"#,
            "\n"
        )
    );
}

#[test]
fn reads_standard_input_and_attributes() {
    let folder = Folder::new("split-input");
    folder.write("flags.json", FLAGS);
    let mut command = folder.phaseflag(&["split", "ui-theme", "--users", "-"]);
    command.args(["--bootstrap", "flags.json"]);
    // Lines may end with CR LF, and empty lines are ignored.
    let dots = |count: usize| "█".repeat(count);
    assert_eq!(
        run_with_input(&mut command, "ada\r\n\n  bob  \nada"),
        outcome(
            0,
            &format!("light\t3\t100.0%\t{}\ndark\t0\t0.0%\t\nhigh-contrast\t0\t0.0%\t\n", dots(40)),
            ""
        )
    );
    command.args(["--attr", "color_scheme=dark"]);
    let dark = run_with_input(&mut command, "ada\n");
    assert!(dark.output.contains("dark\t1\t100.0%\t"), "{}", dark.output);
    assert_eq!(
        run_with_input(&mut command, ""),
        outcome(0, "light\t0\t0.0%\t\ndark\t0\t0.0%\t\nhigh-contrast\t0\t0.0%\t\n", "")
    );
}

/// Some programs begin a file with it.
#[test]
fn a_byte_order_mark_is_no_part_of_a_user() {
    let folder = Folder::new("split-mark");
    folder.write("users.txt", "bob\n");
    folder.write("marked.txt", "\u{feff}bob\n");
    folder.write("mark.txt", "\u{feff}");
    let split = |file: &str| folder.with_flags(&["split", "instant-search", "--users", file]);
    let plain = split("users.txt");
    let output = format!("on\t1\t100.0%\t{}\noff\t0\t0.0%\t\n", "█".repeat(40));
    assert_eq!(plain, outcome(0, &output, ""));
    assert_eq!(split("marked.txt"), plain);
    assert_eq!(split("mark.txt"), outcome(0, "on\t0\t0.0%\t\noff\t0\t0.0%\t\n", ""));
}

#[test]
fn what_cannot_be_counted_is_an_error() {
    let folder = Folder::new("split-error");
    folder.write("users.txt", "ada\n");
    fs::write(folder.file("bytes"), b"a\xff").unwrap();
    for (arguments, errors) in [
        (vec!["instant-search"], "`split` needs --users FILE (see `phaseflag split --help`)"),
        (
            vec!["instant-search", "--users", "missing.txt"],
            &format!("failed to read `missing.txt`: {}", unreadable(folder.file("missing.txt"))),
        ),
        (vec!["instant-search", "--users", "bytes"], "`bytes` is not UTF-8"),
        (
            vec!["instant-serch", "--users", "users.txt"],
            "there is no flag `instant-serch`: did you mean `instant-search`?",
        ),
        (
            vec!["instant-search", "--user", "ada"],
            "unknown option `--user`: did you mean `--users`? (see `phaseflag split --help`)",
        ),
    ] {
        let arguments = [&["split"], arguments.as_slice()].concat();
        let errors = format!("phaseflag: {errors}\n");
        assert_eq!(folder.with_flags(&arguments), outcome(2, "", &errors));
    }
    // Nothing is read if the command line is wrong.
    assert_eq!(run(&mut folder.phaseflag(&["split"])).status, 2);
}
