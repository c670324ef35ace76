//! `phaseflag man`: prints the manual page, from the same declarations as the help.

use std::fmt::Write as _;

use phaseflag::Value;

use crate::args::{Arguments, COMMON, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{COMMANDS, client, help, output};

pub(crate) const COMMAND: Command = Command {
    name: "man",
    positionals: &[],
    about: "Print the manual page",
    details: "The page is roff, as `man` reads it.\n",
    options: &[&[OptionSpec::switch("--json", "print a JSON object with the page")]],
    examples: &[
        "phaseflag man | man -l -                              # shows it",
        "phaseflag man > /usr/local/share/man/man1/phaseflag.1 # installs it",
    ],
    run,
};

/// The longest line of a paragraph, in characters: style checkers accept no longer ones.
const LINE_LENGTH: usize = 78;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    match arguments.has("--json") {
        true => output::json(output::object(vec![("page", Value::from(page()))])),
        false => output::print(page()),
    }
}

fn page() -> String {
    let mut page = format!(
        ".TH PHASEFLAG 1 \"\" \"phaseflag {}\" \"User Commands\"\n",
        env!("CARGO_PKG_VERSION")
    );
    page += ".SH NAME\nphaseflag \\- feature flags of the Phase Flag service\n";
    page += ".SH SYNOPSIS\n.B phaseflag\n.I COMMAND\n.RI [ OPTION ]...\n";
    page += ".SH DESCRIPTION\n";
    page += &text(
        "The command evaluates feature flags for shells, deployments and development. It gets the \
         rules from the service or from a file, and caches them between runs.",
    );
    page += ".SH COMMANDS\n";
    for command in COMMANDS {
        add_command(&mut page, command);
    }
    page += ".SH OPTIONS\n";
    page += &text("The options of each command that needs rules, before or after its name:");
    options(&mut page, client::OPTIONS.iter().chain(&COMMON));
    page += ".SH ENVIRONMENT\n";
    for (name, about) in help::ENVIRONMENT {
        let _ = write!(page, ".TP\n.B {}\n{}", escaped(name), text(about));
    }
    page += ".SH EXIT STATUS\n";
    for (status, about) in help::STATUSES {
        let _ = write!(page, ".TP\n.B {status}\n{}", text(about));
    }
    page += ".SH EXAMPLES\n";
    examples(&mut page, help::EXAMPLES);
    page
}

fn add_command(page: &mut String, command: &Command) {
    let _ = writeln!(page, ".SS \"phaseflag {}\"", escaped(&help::with_positionals(command)));
    *page += &text(&format!("{}.", command.about));
    let mut is_table = false;
    for paragraph in help::paragraphs(command.details) {
        let item = paragraph.trim_start_matches(' ').strip_prefix("- ");
        let in_table = paragraph.starts_with(' ') && item.is_none();
        *page += match (is_table, in_table) {
            (false, true) => ".PP\n.nf\n",
            (true, false) => ".fi\n",
            _ => "",
        };
        is_table = in_table;
        *page += &match (paragraph.as_str(), item) {
            ("", _) => String::new(),
            (_, Some(item)) => format!(".IP \\(bu 2\n{}", text(item)),
            (row, _) if in_table => line(&escaped(row)),
            (paragraph, _) => format!(".PP\n{}", text(paragraph)),
        };
    }
    if is_table {
        *page += ".fi\n";
    }
    let shared = |spec: &&OptionSpec| {
        client::OPTIONS.iter().chain(&COMMON).any(|shared| shared.name == spec.name)
    };
    options(page, command.option_specs().filter(|spec| !shared(spec)));
    *page += ".PP\n";
    examples(page, command.examples);
}

fn options<'a>(page: &mut String, specs: impl Iterator<Item = &'a OptionSpec>) {
    for spec in specs {
        let _ = write!(page, ".TP\n.B {}\n{}", escaped(&help::heading(spec)), text(spec.about));
    }
}

fn examples(page: &mut String, examples: &[&str]) {
    *page += ".EX\n";
    for example in examples {
        *page += &line(&escaped(example));
    }
    *page += ".EE\n";
}

/// Returns the lines of a paragraph.
fn text(text: &str) -> String {
    output::wrap(&escaped(text), LINE_LENGTH, 0).lines().map(line).collect()
}

/// Returns a line. A dot at its start would be a request.
fn line(line: &str) -> String {
    let guard = if line.starts_with('.') { "\\&" } else { "" };
    format!("{guard}{line}\n")
}

/// Escapes what is special to roff, and what is not ASCII.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '"' => escaped += "\\(dq",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            c if c.is_ascii() => escaped.push(c),
            c => {
                let _ = write!(escaped, "\\[u{:04X}]", u32::from(c));
            }
        }
    }
    escaped
}
