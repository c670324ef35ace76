//! What a terminal shows: nothing wider than it is, and colours if they are wanted.

use std::io::{self, ErrorKind};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::Value;
use unicode_width::UnicodeWidthStr;

use crate::support::terminal::run_in_terminal;
use crate::support::{FLAGS, Folder, Outcome, SOON, run};
use crate::usage::COMMANDS;

/// Flags with wide characters, combining marks, and texts that are longer than a line.
const FLAGS_IN_ALL_WIDTHS: &str = r#"[
    {"key": "新しい支払い手順の段階的な公開と計測のための旗", "flag_type": "string",
     "default_variation": "既定", "environment": "production",
     "variations": [{"key": "既定", "value": "日本語の値はとても長いので端末の幅には収まりません"},
                    {"key": "👩‍👩‍👧‍👦 family", "value": "🇯🇵🇫🇷🚀👍🏽"}],
     "targeting_rules": [{"variation": "既定", "conditions": [
        {"attribute": "国", "operator": "one_of", "value": ["日本", "中国", "대한민국", "ประเทศไทย"]}]},
        {"percentage_rollout": [{"variation": "既定", "percentage": 30},
                                {"variation": "👩‍👩‍👧‍👦 family", "percentage": 70}]}]},
    {"key": "e\u0301te\u0301", "environment": "staging", "default_variation": "v",
     "variations": [{"key": "v", "value": {"a": [1, 2, 3], "b": "a text that is long enough to be cut on most terminals, if not on all of them"}}]},
    {"key": "a-key-without-any-space-that-is-longer-than-the-narrowest-terminal-of-this-test",
     "default_variation": "v", "variations": [{"key": "v", "value": true}]}]"#;

const KEYS: [&str; 3] = [
    "新しい支払い手順の段階的な公開と計測のための旗",
    "e\u{301}te\u{301}",
    "a-key-without-any-space-that-is-longer-than-the-narrowest-terminal-of-this-test",
];

fn show(folder: &Folder, arguments: &[&str], columns: u16) -> Outcome {
    let mut command = folder.phaseflag(arguments);
    command.env("PHASEFLAG_BOOTSTRAP", "rules.json");
    run_in_terminal(command, columns, &[("NO_COLOR", "1")])
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let folder = Folder::new("terminal-width");
    folder.write("rules.json", FLAGS_IN_ALL_WIDTHS);
    folder.write("users.txt", &(0..50).map(|user| format!("user-{user}\n")).collect::<String>());
    let mut commands = vec![vec!["list"], vec!["eval-all"], vec!["--help"]];
    for key in KEYS {
        commands.push(vec!["explain", key, "--attr", "国=日本ではない国の名前の長いもの"]);
        commands.push(vec!["explain", key, "--user", "ada"]);
        commands.push(vec!["split", key, "--users", "users.txt"]);
    }
    for command in COMMANDS {
        commands.push(vec![command, "--help"]);
    }
    for columns in [40, 60, 80, 200] {
        for arguments in &commands {
            let shown = show(&folder, arguments, columns);
            assert_eq!((shown.status, shown.errors.as_str()), (0, ""), "{arguments:?}");
            for line in shown.output.lines() {
                let width = line.width();
                assert!(width <= columns.into(), "{width} of {columns}: {arguments:?}: {line}");
            }
            assert!(shown.output.lines().count() > 1, "{arguments:?}");
        }
    }
}

#[test]
fn no_error_is_wider_than_the_terminal() {
    let folder = Folder::new("terminal-errors");
    folder.write("rules.json", FLAGS_IN_ALL_WIDTHS);
    for arguments in [
        &["frobnicate"][..],
        &["get", "a", "--attrr", "x"],
        &["get", "a", "-b", "rules-that-are-not-there.json"],
        &["check", "rules.json", "--environment", "productions"],
        &["pull"],
    ] {
        let words = |text: &str| text.replace(char::is_whitespace, "");
        let whole = words(&run(&mut folder.phaseflag(arguments)).errors);
        for columns in [40, 60, 80, 200] {
            let shown = folder.phaseflag(arguments);
            let shown = run_in_terminal(shown, columns, &[("NO_COLOR", "1")]).errors;
            assert_eq!(words(&shown), whole, "{arguments:?}");
            for line in shown.lines() {
                let width = line.width();
                assert!(width <= columns.into(), "{width} of {columns}: {arguments:?}: {line}");
            }
        }
    }
}

/// A terminal, which starts with this value and ends with it.
struct Tmux<'a> {
    folder: &'a Folder,
    /// In the folder: the path of a socket must be short.
    socket: String,
}

impl Tmux<'_> {
    /// Runs the command; `None` if `tmux` is not installed.
    fn run<'a>(folder: &'a Folder, columns: u16, command: &str) -> Option<Tmux<'a>> {
        let tmux = Tmux { folder, socket: format!("{command}-{columns}") };
        let size = columns.to_string();
        let line = format!("{} {command} && echo END; sleep 600", env!("CARGO_BIN_EXE_phaseflag"));
        match tmux.output(&["new-session", "-d", "-x", &size, "-y", "50", &line]) {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        }
        Some(tmux)
    }

    fn output(&self, arguments: &[&str]) -> io::Result<Output> {
        let mut tmux = self.folder.program("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S", &self.socket]).args(arguments);
        tmux.env("LC_ALL", "C.UTF-8").env("PHASEFLAG_BOOTSTRAP", "rules.json").output()
    }

    /// Waits until the terminal shows a text, and returns its lines.
    fn lines_with(&self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let shown = self.output(&["capture-pane", "-p"]).unwrap().stdout;
            let shown = String::from_utf8(shown).unwrap();
            if shown.contains(text) {
                return shown.trim_end().lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < deadline, "no `{text}`: {shown}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // Without `tmux` there is nothing to end.
        let _ = self.output(&["kill-server"]);
    }
}

/// The terminal itself decides where a line ends.
#[test]
fn tmux_breaks_no_line() {
    let folder = Folder::new("terminal-tmux");
    folder.write("rules.json", FLAGS_IN_ALL_WIDTHS);
    for columns in [40, 60] {
        for command in ["list", "eval-all"] {
            let Some(tmux) = Tmux::run(&folder, columns, command) else {
                println!("NOT CHECKED: `tmux` is not installed");
                return;
            };
            let lines = tmux.lines_with("END");
            // A header, a row for each flag, and the end.
            assert_eq!(lines.len(), 1 + KEYS.len() + 1, "{command} {columns}: {lines:#?}");
        }
    }
}

#[test]
fn a_table_is_cut_where_it_is_widest() {
    let folder = Folder::new("terminal-table");
    folder.write("rules.json", FLAGS);
    folder.write("users.txt", &(0..100).map(|user| format!("u{user}\n")).collect::<String>());
    assert_eq!(
        show(&folder, &["list"], 40).output,
        "KEY       KIND     STATE  RULES  DEFAULT\n\
         product…  boolean  off    1      off\n\
         new-che…  boolean  on     1      disabl…\n\
         express…  boolean  on     1      disabl…\n\
         instant…  boolean  on     1      off\n\
         ui-theme  string   on     2      light\n\
         checkou…  json     on     1      standa…\n\
         barcode…  boolean  on     1      off\n\
         order-d…  boolean  on     1      off\n"
    );
    for (columns, on, off) in [(40, 5, 11), (60, 11, 25), (80, 12, 28), (200, 12, 28)] {
        let arguments = ["split", "instant-search", "--users", "users.txt"];
        let bar = |length| "█".repeat(length);
        let expected = format!(
            "VARIATION  COUNT  SHARE  BAR\n\
             on         30     30.0%  {}\n\
             off        70     70.0%  {}\n",
            bar(on),
            bar(off)
        );
        assert_eq!(show(&folder, &arguments, columns).output, expected);
    }
}

/// `COLUMNS` is for terminals whose width is not known, or wrong.
#[test]
fn columns_overrides_the_width() {
    let folder = Folder::new("terminal-columns");
    folder.write("rules.json", FLAGS);
    let widest = |columns: &str, terminal: u16| {
        let mut command = folder.phaseflag(&["list"]);
        command.env("PHASEFLAG_BOOTSTRAP", "rules.json").env("COLUMNS", columns);
        let shown = run_in_terminal(command, terminal, &[("NO_COLOR", "1")]);
        shown.output.lines().map(UnicodeWidthStr::width).max()
    };
    assert_eq!(widest("30", 80), Some(30));
    for invalid in ["", "0", "-1", "wide", "18446744073709551615"] {
        assert_eq!(widest(invalid, 25), Some(25), "{invalid}");
    }
    // A terminal that does not know its width.
    assert_eq!(widest("", 0), Some(56));
}

/// Control characters are escaped as JSON escapes them.
#[test]
fn json_is_valid_on_a_terminal() {
    let folder = Folder::new("terminal-json");
    let control = "\u{9b}\u{202e}";
    let one = |value: &str| {
        format!(
            r#"[{{"key": "a", "variations": [{{"key": "v", "value": "{value}"}}],
                 "default_variation": "v"}}]"#
        )
    };
    let path = format!("{control}.json");
    folder.write("rules.json", &one("text"));
    folder.write(&path, &one(control));
    folder.write(&format!("{control}.rs"), r#"const KEY: &str = "a";"#);
    for arguments in [
        &["get", "none", "--default", control, "--json"][..],
        &["get", "a", "--json", "-b", &path],
        &["eval-all", "--json", "-b", &path],
        &["explain", "a", "--json", "-b", &path],
        &["check", &path, "--json"],
        &["diff", "rules.json", &path, "--json"],
        &["generate", "rust", &path, "--json"],
        &["refs", "--json", "-b", &path],
    ] {
        let shown = show(&folder, arguments, 80);
        assert_eq!(shown.output.lines().count(), 1, "{arguments:?}: {shown:?}");
        assert!(!shown.output.contains(['\u{9b}', '\u{202e}']), "{arguments:?}: {shown:?}");
        let json: Result<Value, _> = shown.output.parse();
        assert!(json.is_ok(), "{arguments:?}: {shown:?}");
    }
}

/// The variables of a terminal, and whether the output has colours: on a terminal, and in a pipe.
#[test]
fn colours_are_for_terminals_unless_something_else_is_said() {
    let folder = Folder::new("terminal-colours");
    folder.write("rules.json", FLAGS);
    for (option, variables, on_terminal, in_pipe) in [
        ("", &[][..], true, false),
        ("auto", &[], true, false),
        ("", &[("TERM", "dumb")], false, false),
        ("", &[("TERM", "")], true, false),
        ("", &[("NO_COLOR", "1")], false, false),
        ("", &[("NO_COLOR", "")], true, false),
        ("", &[("CLICOLOR_FORCE", "1")], true, true),
        ("", &[("CLICOLOR_FORCE", "0")], true, false),
        ("", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
        ("", &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true, true),
        ("", &[("CLICOLOR", "0")], false, false),
        ("", &[("CLICOLOR", "1")], true, false),
        ("always", &[], true, true),
        ("always", &[("NO_COLOR", "1")], true, true),
        ("always", &[("TERM", "dumb")], true, true),
        ("never", &[], false, false),
        ("never", &[("CLICOLOR_FORCE", "1")], false, false),
    ] {
        for list in [&["list"][..], &["explain", "ui-theme"], &["get", "none"]] {
            let option =
                if option.is_empty() { String::new() } else { format!("--color={option}") };
            let option = Some(option.as_str()).filter(|option| !option.is_empty());
            // An option may come before the command.
            let arguments: Vec<_> = option.into_iter().chain(list.iter().copied()).collect();
            let command = || {
                let mut command = folder.phaseflag(&arguments);
                command.env("PHASEFLAG_BOOTSTRAP", "rules.json");
                command
            };
            let has_colours = |shown: Outcome| (shown.output + &shown.errors).contains('\x1b');
            let shown = run_in_terminal(command(), 80, variables);
            assert_eq!(has_colours(shown), on_terminal, "{arguments:?} {variables:?}");
            let piped = run(command().envs(variables.iter().copied()));
            assert_eq!(has_colours(piped), in_pipe, "{arguments:?} {variables:?}");
        }
    }
}

#[test]
fn the_help_has_colours() {
    let folder = Folder::new("terminal-help");
    for (arguments, colours) in [
        (&["--help"][..], true),
        (&["get", "--help"], true),
        (&["--color", "never", "--help"], false),
        (&["--help", "--color", "never"], false),
        (&["get", "--color=never", "-h"], false),
        (&["get", "-h", "--json", "--color=never"], false),
        (&["help", "get"], true),
        (&["--color=never"], false),
    ] {
        let shown = run_in_terminal(folder.phaseflag(arguments), 80, &[]);
        let text = shown.output + &shown.errors;
        assert_eq!(text.contains("\x1b[1mExamples:\x1b[0m\n"), colours, "{arguments:?}");
        assert_eq!(text.contains('\x1b'), colours, "{arguments:?} {text}");
        assert!(text.contains("Examples:"), "{arguments:?} {text}");
    }
}

#[test]
fn an_explanation_has_colours() {
    let folder = Folder::new("terminal-explain");
    folder.write("rules.json", FLAGS);
    let mut command = folder.phaseflag(&["explain", "ui-theme", "--attr", "color_scheme=dark"]);
    command.env("PHASEFLAG_BOOTSTRAP", "rules.json");
    let shown = run_in_terminal(command, 44, &[]);
    assert_eq!(
        shown.output,
        "\x1b[1mflag `ui-theme`: `dark`, value \"dark\",\x1b[0m\n\
         \x1b[1m  targeting_match\x1b[0m\n  \
           it is on\n  \
           targeting_rules[0]: does not match\n\
         \x1b[31m    prefers_contrast is \"true\": fails for a\x1b[0m\n\
         \x1b[31m      missing attribute\x1b[0m\n    \
             serves `high-contrast`\n\
         \x1b[32m  targeting_rules[1]: matches and decides\x1b[0m\n\
         \x1b[32m    color_scheme is \"dark\": holds for \"dark\"\x1b[0m\n    \
             serves `dark`\n"
    );
}
