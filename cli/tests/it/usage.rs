//! The help, the version, and the errors of invalid command lines.

use crate::support::{FLAGS, Folder, outcome, run};

pub const COMMANDS: &[&str] = &[
    "get",
    "list",
    "eval-all",
    "explain",
    "check",
    "diff",
    "schema",
    "pull",
    "watch",
    "serve",
    "split",
    "refs",
    "generate",
    "completions",
    "man",
];

#[test]
fn the_version() {
    let folder = Folder::new("usage-version");
    let version = concat!(
        "phaseflag ",
        env!("CARGO_PKG_VERSION"),
        "\nfeatures: completions, generate, gzip, man, refs, regex, rustls, schema, serve\n"
    );
    let version = outcome(0, version, "");
    assert_eq!(run(&mut folder.phaseflag(&["--version"])), version);
    assert_eq!(run(&mut folder.phaseflag(&["-V"])), version);
}

/// The version names the features of the library, which are those of its default and `gzip`.
#[test]
fn the_features_are_those_of_the_manifests() {
    let library = include_str!("../../../Cargo.toml");
    assert!(library.contains("default = [\"rustls\", \"regex\"]"));
    let command = include_str!("../../Cargo.toml");
    assert!(
        command
            .contains("phaseflag = { path = \"..\", version = \"0.1.0\", features = [\"gzip\"] }")
    );
}

#[test]
fn the_help_names_every_command() {
    let folder = Folder::new("usage-help");
    let help = run(&mut folder.phaseflag(&["--help"]));
    assert_eq!((help.status, help.errors.as_str()), (0, ""));
    assert_eq!(run(&mut folder.phaseflag(&["-h"])), help);
    assert_eq!(run(&mut folder.phaseflag(&["help"])), help);
    for command in COMMANDS {
        assert!(help.output.contains(&format!("\n  {command} ")), "{command}");
        let own = run(&mut folder.phaseflag(&[command, "--help"]));
        assert_eq!((own.status, own.errors.as_str()), (0, ""));
        assert!(own.output.contains(&format!("\nUsage: phaseflag {command} ")), "{}", own.output);
        assert!(own.output.contains("\nExamples:\n  "), "{}", own.output);
        assert!(own.output.lines().all(|line| line.chars().count() <= 100), "{}", own.output);
        assert_eq!(run(&mut folder.phaseflag(&["help", command])), own);
        assert_eq!(run(&mut folder.phaseflag(&[command, "-h"])), own);
    }
}

#[test]
fn the_command_alone_prints_the_help() {
    let folder = Folder::new("usage-alone");
    let help = run(&mut folder.phaseflag(&["--help"]));
    assert_eq!(run(&mut folder.phaseflag(&[])), help);
    assert_eq!(help.status, 0);
}

#[test]
fn options_have_short_names() {
    let folder = Folder::new("usage-short");
    folder.write("flags.json", FLAGS);
    for arguments in [
        &["get", "new-checkout-flow", "-u", "ada", "-a", "plan=pro", "-b", "flags.json"][..],
        &["get", "new-checkout-flow", "-uada", "-aplan=pro", "-b=flags.json"],
        &["-b", "flags.json", "get", "new-checkout-flow", "-a", "plan=free", "-aplan=pro"],
    ] {
        assert_eq!(run(&mut folder.phaseflag(arguments)), outcome(0, "true\n", ""));
    }
    // A value that looks like an option is one if it is attached.
    let arguments = ["get", "instant-search", "--user=--json", "-b", "flags.json"];
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, "false\n", ""));
}

#[test]
fn errors_name_the_invalid_argument() {
    let folder = Folder::new("usage-errors");
    for (arguments, message, help) in [
        (vec!["--max-age", "1"], "a command is missing", ""),
        (vec!["gte"], "unknown command `gte`: did you mean `get`?", ""),
        (vec!["GET", "a"], "unknown command `GET`: did you mean `get`?", ""),
        (vec!["help", "gte"], "unknown command `gte`: did you mean `get`?", ""),
        (vec!["hlep"], "unknown command `hlep`: did you mean `help`?", ""),
        (vec!["eval"], "unknown command `eval`: did you mean `eval-all`?", ""),
        (vec!["frobnicate"], "unknown command `frobnicate`", ""),
        (vec!["--verbose"], "unknown option `--verbose`", ""),
        (vec!["--verson"], "unknown option `--verson`: did you mean `--version`?", ""),
        (vec!["--json", "get"], "the option `--json` must come after the command", ""),
        (vec!["-u", "ada", "get", "a"], "the option `-u` must come after the command", ""),
        (vec!["get"], "`get` needs KEY", "get "),
        (vec!["get", "a", "b"], "unexpected argument `b`", "get "),
        (vec!["get", "a", "--jsn"], "unknown option `--jsn`: did you mean `--json`?", "get "),
        (vec!["get", "a", "--usr=b"], "unknown option `--usr`: did you mean `--user`?", "get "),
        (vec!["get", "a", "--hepl"], "unknown option `--hepl`: did you mean `--help`?", "get "),
        (vec!["get", "a", "-x"], "unknown option `-x`", "get "),
        (vec!["list", "-u", "ada"], "unknown option `-u`", "list "),
        (vec!["get", "a", "--json=1"], "`--json` takes no value, but was given `1`", "get "),
        (vec!["get", "a", "-u"], "`--user` needs ID", "get "),
        (
            vec!["get", "a", "--user", "--json"],
            "`--user` needs ID, not the option `--json`: write `--user=--json` if that is the value",
            "get ",
        ),
        (
            vec!["get", "a", "-u", "-b", "flags.json"],
            "`--user` needs ID, not the option `-b`: write `--user=-b` if that is the value",
            "get ",
        ),
        (
            vec!["--base-url", "--api-key", "k", "get", "a"],
            "`--base-url` needs URL, not the option `--api-key`: \
             write `--base-url=--api-key` if that is the value",
            "",
        ),
        (
            vec!["get", "a", "--attr", "plan", "pro"],
            "unexpected argument `pro`: did you mean `--attr plan=pro`?",
            "get ",
        ),
        (vec!["get", "a", "--attr", "plan=pro", "b"], "unexpected argument `b`", "get "),
        (
            vec!["get", "a", "--timeout", "5s"],
            "`--timeout` needs a number of seconds, not `5s`: write `--timeout 5`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout", "500ms"],
            "`--timeout` needs a number of seconds, not `500ms`: write `--timeout 0.5`",
            "get ",
        ),
        (
            vec!["watch", "--interval", "5m"],
            "`--interval` needs a number of seconds, not `5m`: write `--interval 300`",
            "watch ",
        ),
        (
            vec!["get", "a", "--timeout", "5000000000h"],
            "`--timeout` needs a number of seconds, not `5000000000h`: \
             write `--timeout 18000000000000`",
            "get ",
        ),
        // No suggestion, because `--timeout` does not accept the seconds.
        (
            vec!["get", "a", "--timeout", "1e308h"],
            "`--timeout` needs a number of seconds, not `1e308h`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout", "1000000000000000000000s"],
            "`--timeout` needs a number of seconds, not `1000000000000000000000s`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout", "0ms"],
            "`--timeout` needs a number of seconds, not `0ms`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout", "5x"],
            "`--timeout` needs a number of seconds, not `5x`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout=-5s"],
            "`--timeout` needs a number of seconds, not `-5s`",
            "get ",
        ),
        (vec!["get", "a", "--user"], "`--user` needs ID", "get "),
        (vec!["get", "a", "--attr", "plan"], "`--attr` needs NAME=VALUE, not `plan`", "get "),
        (vec!["get", "a", "--attr-text", "=x"], "`--attr-text` needs NAME=VALUE, not `=x`", "get "),
        (
            vec!["get", "a", "--timeout", "soon"],
            "`--timeout` needs a number of seconds, not `soon`",
            "get ",
        ),
        (
            vec!["get", "a", "--timeout=-1"],
            "`--timeout` needs a number of seconds, not `-1`",
            "get ",
        ),
        (vec!["get", "a", "--timeout", "0"], "`--timeout` must not be 0", "get "),
        (vec!["pull", "--timeout", "0.0"], "`--timeout` must not be 0", "pull "),
        (
            vec!["list", "--bootstrap", "f", "--timeout", "1e-12"],
            "`--timeout` must not be 0",
            "list ",
        ),
        (vec!["list", "a"], "unexpected argument `a`", "list "),
        (vec!["watch", "--exec", ""], "`--exec` needs a command", "watch "),
        (vec!["watch", "--interval", "0"], "`--interval` must be at least 0.1", "watch "),
        (vec!["watch", "--interval", "0.099"], "`--interval` must be at least 0.1", "watch "),
        (
            vec!["list", "--color", "sometimes"],
            "`--color` needs auto, always or never, not `sometimes`",
            "list ",
        ),
        (vec!["--color=", "list"], "`--color` needs auto, always or never, not ``", ""),
        (vec!["completions"], "`completions` needs SHELL", "completions "),
        (
            vec!["completions", "tcsh"],
            "unknown shell `tcsh`: use bash, zsh, fish or powershell",
            "completions ",
        ),
    ] {
        let errors = format!("phaseflag: {message} (see `phaseflag {help}--help`)\n");
        assert_eq!(
            run(&mut folder.phaseflag(&arguments)),
            outcome(2, "", &errors),
            "{arguments:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_utf8_are_refused_or_used_unchanged() {
    use std::os::unix::ffi::OsStrExt;

    let folder = Folder::new("usage-bytes");
    let bytes = std::ffi::OsStr::from_bytes(b"a\xff");
    let mut command = folder.phaseflag(&["get"]);
    assert_eq!(
        run(command.arg(bytes)).errors,
        "phaseflag: `a\u{fffd}` is not UTF-8 (see `phaseflag get --help`)\n"
    );
    // Files may have any name.
    std::fs::write(folder.path.join(bytes), crate::support::FLAGS).unwrap();
    let mut command = folder.phaseflag(&["get", "ui-theme", "--bootstrap"]);
    assert_eq!(run(command.arg(bytes)), outcome(0, "light\n", ""));
    let mut command = folder.phaseflag(&["get", "ui-theme"]);
    assert_eq!(
        run(command.env("PHASEFLAG_BASE_URL", bytes)),
        outcome(2, "", "phaseflag: the value of PHASEFLAG_BASE_URL is not UTF-8\n")
    );
}
