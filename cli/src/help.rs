//! Renders and prints `--help`.

use crate::args::{COMMON, Command, OptionSpec};
use crate::client;
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look};

/// The variables that every command reads, with what they set.
pub(crate) const ENVIRONMENT: [(&str, &str); 5] = [
    ("PHASEFLAG_BASE_URL", "the service, such as https://api.phaseflag.com/api/v1"),
    ("PHASEFLAG_API_KEY", "its API key; arguments are visible to other users, so set it here"),
    ("PHASEFLAG_BOOTSTRAP", "a file of rules, used without a service or while it is down"),
    ("PHASEFLAG_ENVIRONMENT", "the environment; flags of other environments are ignored"),
    ("NO_COLOR", "disables colours; CLICOLOR_FORCE=1 enables them in pipes, too"),
];

/// The exit statuses, with what they are for.
pub(crate) const STATUSES: [(&str, &str); 3] =
    [("0", "success"), ("1", "false with --exit-code or problems found by check"), ("2", "errors")];

/// Examples of several commands.
pub(crate) const EXAMPLES: [&str; 3] = [
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
    examples(&mut help, &EXAMPLES);
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
        page += &look.paint(colour, &output::wrap(&line, width, hanging_indent(&line)));
        page.push('\n');
    }
    page
}

fn is_heading(line: &str) -> bool {
    line.ends_with(':') && !line.starts_with(' ')
}

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
    let content = line.trim_start_matches(' ');
    let indent = line.len() - content.len();
    if indent == 0 {
        return 0;
    }
    match content.split_once("  ") {
        Some((heading, rest)) => {
            indent + output::width(heading) + 2 + (rest.len() - rest.trim_start_matches(' ').len())
        }
        None => indent + 2,
    }
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
