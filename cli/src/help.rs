//! Renders and prints `--help`.

use crate::args::{COMMON, Command, OptionSpec};
use crate::client;
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look};

/// The variables that every command reads, with what they set.
pub(crate) const ENVIRONMENT: [(&str, &str); 7] = [
    ("PHASEFLAG_BASE_URL", "the service, such as https://api.phaseflag.com/api/v1"),
    ("PHASEFLAG_API_KEY", "its API key; arguments are visible to other users, so set it here"),
    ("PHASEFLAG_BOOTSTRAP", "a file of rules, used without a service or while it is down"),
    ("PHASEFLAG_ENVIRONMENT", "the environment; flags of other environments are ignored"),
    ("PHASEFLAG_OFFLINE", "if true, cached rules of any age or those of the file need no service"),
    ("PHASEFLAG_FLAG_KEY", "overrides a flag, such as PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW=true"),
    ("NO_COLOR", "disables colours; CLICOLOR_FORCE=1 enables them in pipes, too"),
];

/// The exit statuses, with what they are for.
pub(crate) const STATUSES: [(&str, &str); 3] = [("0", "success"), ("1", STATUS_1), ("2", "errors")];

const STATUS_1: &str = "a negative result: false with --exit-code, problems, differences, unknown keys or an \
                        outdated file";

/// Examples of several commands.
pub(crate) const EXAMPLES: &[&str] = &[
    #[cfg(feature = "serve")]
    "phaseflag serve flags.json",
    "phaseflag get new-checkout-flow --user ada --attr plan=pro",
    "phaseflag list --bootstrap flags.json",
];

/// Returns the help for the program.
pub(crate) fn of_program(commands: &[&Command]) -> String {
    let mut help = "Feature flags of the Phase Flag service.\n\n\
                    Usage: phaseflag COMMAND [OPTION]…\n\nCommands:\n"
        .to_owned();
    let lines = commands.iter().map(|command| (with_positionals(command), command.about));
    list(&mut help, &lines.collect::<Vec<_>>());
    help += "\nOptions of commands that need rules:\n";
    options(&mut help, client::OPTIONS.iter().chain(&COMMON));
    help += "\nEnvironment:\n";
    list(&mut help, &ENVIRONMENT.map(|(name, about)| (name.to_owned(), about)));
    examples(&mut help, EXAMPLES);
    help += "\nRun `phaseflag COMMAND --help` for the options of a command.\n";
    statuses(&mut help);
    help
}

/// Returns the name of a command with its positional arguments, such as `get KEY`.
pub(crate) fn with_positionals(command: &Command) -> String {
    [&[command.name], command.positionals].concat().join(" ")
}

fn examples(help: &mut String, examples: &[&str]) {
    *help += "\nExamples:\n";
    for example in examples {
        *help += &format!("  {example}\n");
    }
}

fn statuses(help: &mut String) {
    let statuses = STATUSES.map(|(status, about)| format!("{status} for {about}"));
    *help += &format!("\nExit status: {}.\n", statuses.join(", "));
}

/// Returns the help for a command.
pub(crate) fn of_command(command: &Command) -> String {
    let usage = with_positionals(command);
    let mut help = format!("{}.\n\nUsage: phaseflag {usage} [OPTION]…\n", command.about);
    if !command.details.is_empty() {
        help += "\n";
        help += command.details;
    }
    help += "\nOptions:\n";
    options(&mut help, command.option_specs());
    examples(&mut help, command.examples);
    statuses(&mut help);
    help
}

/// The longest line, since long lines are hard to read.
const MAX_WIDTH: usize = 100;

/// Prints a help text, with its paragraphs and lists wrapped to the width of the terminal.
pub(crate) fn print(help: &str) -> Result<Status, Failure> {
    output::print(page(help, Look::of_stdout()))
}

fn page(help: &str, look: Look) -> String {
    let width = look.width().unwrap_or(MAX_WIDTH).min(MAX_WIDTH);
    let mut page = String::new();
    for line in paragraphs(help) {
        let colour = if is_heading(&line) { Colour::Strong } else { Colour::None };
        let indent = hanging_indent(&line);
        let wrapped = match second_column(&line) {
            // Too little room beside the first column.
            Some((heading, about)) if indent > width / 2 => {
                let about = output::wrap(&format!("{BELOW}{about}"), width, BELOW.len());
                format!("{}\n{about}", output::wrap(heading, width, BELOW.len()))
            }
            _ => output::wrap(&line, width, indent),
        };
        page += &look.paint(colour, &wrapped);
        page.push('\n');
    }
    page
}

/// The indent of a second column that is below the first one.
const BELOW: &str = "      ";

fn is_heading(line: &str) -> bool {
    line.ends_with(':') && !line.starts_with(' ') && line.len() <= MAX_HEADING
}

/// The longest heading; a longer line that ends with a colon is a sentence.
const MAX_HEADING: usize = 40;

/// Returns the lines of a text, with those joined that continue a paragraph or an item of a list.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        match paragraphs.last_mut() {
            Some(before)
                if !content.is_empty()
                    && !before.is_empty()
                    && hanging_indent(before) == indent =>
            {
                before.push(' ');
                *before += content;
            }
            _ => paragraphs.push(line.to_owned()),
        }
    }
    paragraphs
}

/// Returns the indent of the lines that continue a line: none in a paragraph, the second column of a
/// table, and two more than its own elsewhere.
fn hanging_indent(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    match second_column(line) {
        _ if indent == 0 => 0,
        Some((_, about)) => output::width(line) - output::width(about),
        None => indent + 2,
    }
}

/// Returns the two columns of a row of a table; `None` if the line is no such row.
fn second_column(line: &str) -> Option<(&str, &str)> {
    let content = line.trim_start_matches(' ');
    let indent = line.len() - content.len();
    let (heading, about) = line.split_at_checked(indent + content.rfind("  ")?)?;
    Some((heading.trim_end_matches(' '), about.trim_start_matches(' ')))
}

fn options<'a>(help: &mut String, specs: impl IntoIterator<Item = &'a OptionSpec>) {
    let mut lines: Vec<_> = specs.into_iter().map(|spec| (heading(spec), spec.about)).collect();
    lines.push(("--help".to_owned(), "print this help"));
    list(help, &lines);
}

/// Returns an option with its value, such as `-o, --output FILE`.
pub(crate) fn heading(spec: &OptionSpec) -> String {
    let short = spec.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("{short}{} {}", spec.name, spec.value).trim_end().to_owned()
}

fn list(help: &mut String, lines: &[(String, &str)]) {
    let width = lines.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
    for (heading, about) in lines {
        *help += &format!("  {heading:width$}  {about}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "\
A sentence that goes
on in the next line.

Options of commands:
  -u, --user ID  the identifier
  --wait         wait, and then wait
                 on

  - an item that
    goes on
  GET  /path     two columns before the text
";

    #[test]
    fn paragraphs_and_columns_have_the_width_of_the_terminal() {
        for (width, expected) in [
            (
                None,
                "A sentence that goes on in the next line.\n\nOptions of commands:\n  \
                 -u, --user ID  the identifier\n  --wait         wait, and then wait on\n\n  \
                 - an item that goes on\n  GET  /path     two columns before the text\n",
            ),
            (
                Some(34),
                "A sentence that goes on in the\nnext line.\n\nOptions of commands:\n  \
                 -u, --user ID  the identifier\n  \
                 --wait         wait, and then\n                 wait on\n\n  \
                 - an item that goes on\n  \
                 GET  /path     two columns\n                 before the text\n",
            ),
            (
                Some(20),
                "A sentence that goes\non in the next line.\n\nOptions of commands:\n  \
                 -u, --user ID\n      the identifier\n  --wait\n      wait, and then\n      \
                 wait on\n\n  - an item that\n    goes on\n  GET  /path\n      two columns\n      \
                 before the\n      text\n",
            ),
        ] {
            let look = Look::new(width.is_some(), false, width);
            assert_eq!(page(HELP, look), expected, "{width:?}");
        }
    }

    #[test]
    fn headings_are_strong() {
        let look = Look::new(true, true, None);
        let sentence = "A sentence that is no heading although it ends like one:\n";
        assert_eq!(page(sentence, look), sentence);
        assert_eq!(page("Options:\n  a:\n", look), "\x1b[1mOptions:\x1b[0m\n  a:\n");
    }
}
