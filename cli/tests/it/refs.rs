//! `phaseflag refs`: references in source code, and the flags that no code needs.

use std::fs;
use std::process::Command;

use phaseflag::Value;

use crate::support::{FLAGS, Folder, Service, outcome, run};

/// A small program in all languages.
const SOURCES: [(&str, &str); 8] = [
    (
        "src/main.rs",
        "fn main() {\n    let on = client.get_boolean_value(\"new-checkout-flow\", false, None);\n    \
         // \"ui-theme\" in a comment\n    let ü = client.get_string_value(\"ui-teme\", \"\", None);\n}\n",
    ),
    ("src/key.py", "KEY = 'instant-search'\nclient.get_variation('barcode')\n"),
    ("web/app.tsx", "const a = <p>Don't {useFlag<boolean>('checkout-config')}</p>;\nt('x');\n"),
    ("deploy", "#!/bin/sh\nif phaseflag get --exit-code \"order-dashboard\"; then :; fi\n"),
    ("notes.txt", "get_boolean_value(\"no-such-flag\")\n"),
    ("target/out.rs", "get_boolean_value(\"no-such-flag\")\n"),
    (".hidden/a.rs", "get_boolean_value(\"no-such-flag\")\n"),
    (".gitignore", "/target\n"),
];

const LINES: &str = "\
deploy:2:31: known: order-dashboard
src/key.py:1:8: known: instant-search
src/key.py:2:23: unknown: barcode: did you mean `barcode-scanner`?
src/main.rs:2:40: known: new-checkout-flow
src/main.rs:4:38: unknown: ui-teme: did you mean `ui-theme`?
web/app.tsx:1:39: known: checkout-config
unused: product-recommendations
unused: express-pay
unused: ui-theme
unused: barcode-scanner
constant: product-recommendations: serves false to everyone: it is off
";

fn write(folder: &Folder, sources: &[(&str, &str)]) {
    for (path, text) in sources {
        let path = folder.path.join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Returns the command, in the folder of the sources.
fn refs(folder: &Folder, arguments: &[&str]) -> Command {
    let flags = folder.write("flags.json", FLAGS);
    let mut command = folder.phaseflag(&[&["refs"], arguments].concat());
    command.env("PHASEFLAG_BOOTSTRAP", flags).current_dir(folder.path.join("tree"));
    command
}

#[cfg(unix)]
#[test]
fn finds_references_and_flags_that_no_code_needs() {
    let folder = Folder::new("refs");
    write(&folder, &SOURCES);
    assert_eq!(run(&mut refs(&folder, &[])), outcome(1, LINES, ""));
    // The same from elsewhere, with the path that was given.
    let mut command = refs(&folder, &["tree"]);
    let there: String = LINES
        .lines()
        .map(|line| match line.contains("known: ") {
            true => format!("tree/{line}\n"),
            false => format!("{line}\n"),
        })
        .collect();
    assert_eq!(run(command.current_dir(&folder.path)), outcome(1, &there, ""));
    let main = run(&mut refs(&folder, &["src/main.rs"]));
    assert!(main.output.starts_with("src/main.rs:2:40: known: new-checkout-flow\n"), "{main:?}");
    assert_eq!(main.output.matches("known: ").count(), 2);
}

#[test]
fn the_status_says_whether_a_key_is_unknown() {
    let folder = Folder::new("refs-status");
    let known = r#"let key = ["product-recommendations", "express-pay", "ui-theme"];"#;
    write(&folder, &[("a.rs", known)]);
    let some = run(&mut refs(&folder, &[]));
    assert_eq!((some.status, some.output.matches("unused: ").count()), (0, 4), "{some:?}");
    assert_eq!(run(&mut refs(&folder, &["--strict"])).status, 1);

    // A function of the program.
    write(&folder, &[("a.rs", "flag(\"no-such-flag\"); other(\"no-such-flag\")")]);
    assert_eq!(run(&mut refs(&folder, &[])).status, 0);
    let own = run(&mut refs(&folder, &["--function", "f", "--function", "flag"]));
    assert_eq!((own.status, own.output.matches("unknown: ").count()), (1, 1), "{own:?}");
    assert!(own.output.starts_with("a.rs:1:7: unknown: no-such-flag\n"), "{own:?}");
}

#[test]
fn data_is_json() {
    let folder = Folder::new("refs-json");
    write(&folder, &[("a.py", "x = 'ui-theme', isEnabled('ui-them')\n")]);
    let done = run(&mut refs(&folder, &["--json"]));
    assert_eq!((done.status, done.errors.as_str()), (1, ""));
    let object: Value = done.output.parse().unwrap();
    assert_eq!(object["files"], Value::from(1));
    assert_eq!(
        object["references"].to_string(),
        concat!(
            r#"[{"column":6,"file":"a.py","key":"ui-theme","known":true,"line":1,"suggestion":null},"#,
            r#"{"column":28,"file":"a.py","key":"ui-them","known":false,"line":1,"suggestion":"ui-theme"}]"#
        )
    );
    assert_eq!(object["flags"].as_array().unwrap().len(), 8);
    assert_eq!(
        object["flags"][0].to_string(),
        concat!(
            r#"{"constant":{"reason":"it is off","to":"everyone","value":false},"#,
            r#""key":"product-recommendations","references":0,"unused":true}"#
        )
    );
    assert_eq!(
        object["flags"][4].to_string(),
        r#"{"constant":null,"key":"ui-theme","references":1,"unused":false}"#
    );
}

/// Without the check of the marks, each flag would be used by its own function.
#[test]
fn calls_of_generated_functions_are_references() {
    let folder = Folder::new("refs-generated");
    write(&folder, &[("src/main.rs", "fn a() {\n    flags::ui_theme(&client, None);\n}\n")]);
    let without = run(&mut refs(&folder, &[]));
    assert!(!without.output.contains("known: "), "{without:?}");

    let mut generate = folder.phaseflag(&["generate", "rust", "flags.json"]);
    assert_eq!(run(generate.args(["-o", "tree/src/flags.rs"])), outcome(0, "", ""));
    let with = run(&mut refs(&folder, &[]));
    let place = std::path::Path::new("src").join("main.rs");
    assert!(
        with.output.starts_with(&format!("{}:2:12: known: ui-theme\n", place.display())),
        "{with:?}"
    );
    assert_eq!(with.output.matches("known: ").count(), 1);
    assert_eq!(with.output.matches("unused: ").count(), 6);
}

/// Who deletes it changes the flag that requires it.
#[test]
fn a_flag_that_another_one_requires_is_used() {
    let folder = Folder::new("refs-required");
    write(&folder, &[("a.rs", "\"express-pay\"")]);
    let done = run(&mut refs(&folder, &[]));
    assert!(!done.output.contains("unused: new-checkout-flow"), "{done:?}");
    assert!(done.output.contains("unused: ui-theme"), "{done:?}");
}

#[test]
fn the_rules_may_come_from_a_service() {
    let folder = Folder::new("refs-service");
    let service = Service::with_flags(&folder);
    write(&folder, &[("a.rs", "\"ui-theme\"")]);
    let done = run(&mut service.phaseflag(&folder, &["refs", "tree"]));
    assert_eq!((done.status, done.errors.as_str()), (0, ""));
    assert!(done.output.contains(":1:2: known: ui-theme\n"), "{done:?}");
}

#[test]
fn what_cannot_be_searched_is_an_error() {
    let folder = Folder::new("refs-errors");
    // Only a file without an extension may be a script.
    write(&folder, &[("empty/notes.txt", "#!/bin/sh\nphaseflag get ui-theme\n")]);
    let missing = fs::metadata(folder.file("missing")).unwrap_err();
    for (arguments, errors) in [
        (vec!["missing"], format!("failed to read `missing`: {missing}")),
        (vec!["empty"], "there is no source code in `empty`".to_owned()),
        (vec!["a", "b"], "unexpected argument `b` (see `phaseflag refs --help`)".to_owned()),
    ] {
        let expected = outcome(2, "", &format!("phaseflag: {errors}\n"));
        assert_eq!(run(&mut refs(&folder, &arguments)), expected, "{arguments:?}");
    }
}

/// A pipe has no end, and a link may lead anywhere.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let folder = Folder::new("refs-special");
    write(&folder, &[("a.rs", "\"ui-theme\"")]);
    let tree = folder.path.join("tree");
    assert!(Command::new("mkfifo").arg(tree.join("pipe.rs")).status().unwrap().success());
    std::os::unix::fs::symlink("a.rs", tree.join("link.rs")).unwrap();
    std::os::unix::fs::symlink("nowhere", tree.join("broken.rs")).unwrap();
    fs::write(tree.join("bytes.rs"), b"\"\xff\" \"express-pay\"").unwrap();
    let done = run(&mut refs(&folder, &[]));
    assert_eq!((done.status, done.errors.as_str()), (0, ""));
    assert!(
        done.output.starts_with("a.rs:1:2: known: ui-theme\nbytes.rs:1:6: known: express-pay\n"),
        "{done:?}"
    );
    assert_eq!(done.output.matches("known: ").count(), 2);
}

/// The others are searched, and the status says that something is missing.
#[cfg(unix)]
#[test]
fn a_file_that_is_too_large_is_reported() {
    let folder = Folder::new("refs-large");
    write(&folder, &[("a.rs", "\"ui-theme\""), ("big.js", "")]);
    let big = fs::File::options().write(true).open(folder.path.join("tree/big.js")).unwrap();
    big.set_len(33 << 20).unwrap();
    let done = run(&mut refs(&folder, &[]));
    assert_eq!(done.status, 2);
    assert!(done.output.starts_with("a.rs:1:2: known: ui-theme\n"), "{done:?}");
    assert_eq!(
        done.errors,
        "phaseflag: failed to read `./big.js`: it is larger than 33554432 bytes\n\
         phaseflag: a file or directory was not read\n"
    );
}

#[cfg(unix)]
#[test]
fn no_line_is_wider_than_a_terminal() {
    let folder = Folder::new("refs-terminal");
    write(&folder, &SOURCES);
    for columns in [40, 60, 80, 200] {
        let shown = crate::support::terminal::run_in_terminal(
            refs(&folder, &[]),
            columns,
            &[("NO_COLOR", "1")],
        );
        assert_eq!((shown.status, shown.errors.as_str()), (1, ""));
        assert!(shown.output.lines().all(|line| line.len() <= columns.into()), "{}", shown.output);
        let joined = shown.output.replace("\n  ", " ");
        assert_eq!(joined, LINES, "{columns}");
    }
    let coloured = crate::support::terminal::run_in_terminal(refs(&folder, &[]), 200, &[]);
    assert!(coloured.output.contains("\x1b[31msrc/main.rs:4:38: unknown: ui-teme"), "{coloured:?}");
    assert!(coloured.output.contains("\x1b[33munused: ui-theme\x1b[0m"), "{coloured:?}");
}
