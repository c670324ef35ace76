//! `phaseflag check` on a terminal: each finding with its line of the file and a mark below it.

use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use crate::support::terminal::run_in_terminal;
use crate::support::{FLAGS, Folder};

const SERVICE: &str = include_str!("../../../tests/data/service/ruleset.json");

/// Checks a text on a terminal of this width. Returns the exit status and what is shown.
fn check(folder: &Folder, text: &str, columns: u16) -> (i32, String) {
    folder.write("rules.json", text);
    let command = folder.phaseflag(&["check", "rules.json", "--strict"]);
    let shown = run_in_terminal(command, columns, &[("NO_COLOR", "1")]);
    assert_eq!(shown.errors, "");
    (shown.status, shown.output)
}

#[test]
fn a_finding_shows_its_line() {
    let folder = Folder::new("snippets");
    let text = "[{\"key\": \"a\", \"default_variation\": \"on\", \"variations\": [{\"key\": \"on\"}],\r\n\
                \t\"targeting_rules\": [{\"variation\": \"on\", \"condition\": []},\r\n\
                {\"variation\": \"of\"}]}]\r\n";
    let expected = "\
warning: the field `condition` is not known and ignored
 --> rules.json:2:42 in flags[0].targeting_rules[0]
  |
2 |     \"targeting_rules\": [{\"variation\": \"on\", \"condition\": []},
  |                                             ^^^^^^^^^^^
  = help: did you mean `conditions`?

warning: targeting_rules[0] comes first and serves everyone whom this rule
  matches: the rule is never reached
 --> rules.json:3:1 in flags[0].targeting_rules[1]
  |
3 | {\"variation\": \"of\"}]}]
  | ^^^^^^^^^^^^^^^^^^^

problem: there is no variation `of`: the value served is null
 --> rules.json:3:15 in flags[0].targeting_rules[1].variation
  |
3 | {\"variation\": \"of\"}]}]
  |               ^^^^

rules.json: 1 problem, 2 warnings
";
    assert_eq!(check(&folder, text, 76), (1, expected.to_owned()));
}

#[test]
fn the_readme_shows_what_the_command_prints() {
    let folder = Folder::new("snippets-readme");
    let readme = include_str!("../../README.md");
    let section = readme.split_once("## Checking a file").unwrap().1;
    let example = section.split_once("```text\n").unwrap().1.split_once("```\n").unwrap().0;
    let text = r#"[{"key": "a", "default_variation": "on",
   "variations": [{"key": "on", "value": true}],
   "targeting_rules": [{"variation": "on", "condition": []}]}]"#;
    folder.write("flags.json", text);
    let mut command = folder.phaseflag(&["check", "flags.json"]);
    command.env("NO_COLOR", "1");
    let shown = run_in_terminal(command, 80, &[]);
    let expected = format!("$ phaseflag check flags.json\n{}", shown.output);
    assert_eq!(example, expected);
}

#[test]
fn a_long_line_is_cut_around_the_finding() {
    let folder = Folder::new("snippets-long");
    let filler = "\"ü旗\", ".repeat(100_000);
    let text = format!(
        r#"[{{"key": "f", "tags": [{filler} 1], "enabled": "yes", "tags": [{filler} 1]}}]"#
    );
    let expected = "\
problem: expected a boolean, found a
  string: the flag is left out
 --> rules.json:1:600040 in
     flags[0].enabled
  |
1 | …\"enabled\": \"yes\", \"tags\": [\"ü旗\", …
  |             ^^^^^
";
    let (status, shown) = check(&folder, &text, 40);
    assert_eq!(status, 1);
    assert!(shown.contains(expected), "{}", shown.get(..2000).unwrap_or(&shown));
}

#[test]
fn an_error_shows_where_the_text_ends_to_be_valid() {
    let folder = Folder::new("snippets-error");
    let expected = "\
problem: failed to parse ruleset: a missing `,` or `}` at line 2, column 15
 --> rules.json:2:15
  |
2 |  {\"key\": \"ü\u{301}旗\": }]}
  |               ^

rules.json: 1 problem
";
    let text = "\u{feff}{\"flags\": [\n {\"key\": \"ü\u{301}旗\": }]}";
    assert_eq!(check(&folder, text, 76), (1, expected.to_owned()));
    for (text, line) in [("", "1 |"), ("\u{feff}", "1 |"), ("[\n", "2 |"), ("7", "1 | 7")] {
        let (status, shown) = check(&folder, text, 76);
        assert_eq!(status, 1, "{text:?}");
        assert!(shown.contains(&format!("\n{line}\n  | ^\n")), "{text:?}: {shown}");
    }
}

#[test]
fn control_characters_are_escaped() {
    let folder = Folder::new("snippets-escaped");
    let text = "[{\"key\": \"a\u{7f}\u{9b}\u{202e}\", \"enabled\": 1}]";
    let (_, shown) = check(&folder, text, 76);
    assert!(!shown.contains(['\u{7f}', '\u{9b}', '\u{202e}', '\u{1b}']), "{shown:?}");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[3], r#"1 | [{"key": "a\u{7f}\u{9b}\u{202e}", "enabled": 1}]"#);
    assert_eq!(lines[4].find('^'), lines[3].find("1}"));
}

#[test]
fn a_file_without_findings_says_so_on_a_terminal() {
    let folder = Folder::new("snippets-good");
    let expected = "rules.json: no problems and no warnings\n";
    assert_eq!(check(&folder, FLAGS, 80), (0, expected.to_owned()));
}

/// Every mark is below the marked text, and no line is wider than the terminal.
#[test]
fn marks_are_below_the_text_at_every_width() {
    let folder = Folder::new("snippets-widths");
    let wide = r#"[{"key": "旗帜👩‍👩‍👧‍👦e\u0301", "名前": "新しい支払い手順", "statuss": "🚀🚀🚀"},
        {"key": "🇯🇵🇫🇷 flag", "enabled": "👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽"}]"#;
    for columns in [40, 60, 80, 200] {
        for text in [wide, SERVICE] {
            let (_, shown) = check(&folder, text, columns);
            for line in shown.lines() {
                assert!(line.width() <= columns.into(), "{columns}: {line}");
            }
            let lines: Vec<&str> = shown.lines().collect();
            let marks: Vec<_> = (0..lines.len()).filter(|at| is_mark(lines[*at])).collect();
            assert!(marks.len() > 2, "{shown}");
            for mark in marks {
                let marked = part(lines[mark - 1], cells(lines[mark]));
                let starts = ['"', '{', '['];
                assert!(
                    marked.starts_with(starts),
                    "{columns}: {}\n{}",
                    lines[mark - 1],
                    lines[mark]
                );
            }
        }
    }
}

/// Returns whether a line has marks, and no text of the file.
fn is_mark(line: &str) -> bool {
    line.contains("| ") && line.ends_with('^') && line.trim_matches([' ', '|', '^']).is_empty()
}

/// Returns the cells that a line of marks covers.
fn cells(marks: &str) -> Range<usize> {
    marks.find('^').unwrap()..marks.rfind('^').unwrap() + 1
}

/// Returns the part of a line in these cells.
fn part(line: &str, cells: Range<usize>) -> String {
    let at = |cell: usize| {
        let mut ends = line.char_indices().map(|(end, _)| end).chain([line.len()]);
        ends.find(|end| line[..*end].width() >= cell).unwrap_or(line.len())
    };
    line[at(cells.start)..at(cells.end)].to_owned()
}

#[test]
fn severities_have_colours() {
    let folder = Folder::new("snippets-colours");
    folder.write("rules.json", r#"[{"key": "a", "enabled": 1, "statuss": 1, "owner": 1}]"#);
    let command = folder.phaseflag(&["check", "rules.json", "--strict"]);
    let shown = run_in_terminal(command, 80, &[]).output;
    for (severity, colour, mark) in
        [("problem", 31, "^"), ("warning", 33, "^^^^^^^^^"), ("note", 1, "^^^^^^^")]
    {
        assert!(shown.contains(&format!("\x1b[{colour}m{severity}\x1b[0m: ")), "{shown:?}");
        assert!(shown.contains(&format!(" \x1b[{colour}m{mark}\x1b[0m\n")), "{shown:?}");
    }
    assert!(shown.contains("\x1b[2m1 |\x1b[0m [{\"key\""), "{shown:?}");
}
