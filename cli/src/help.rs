//! Renders and prints `--help`.

use crate::args::{COMMON, Command, OptionSpec};
use crate::client;
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look};

const ENVIRONMENT: &str = "\
Environment:
  PHASEFLAG_BASE_URL     the service, such as https://api.phaseflag.com/api/v1
  PHASEFLAG_API_KEY      its API key; arguments are visible to other users, so set it here
  PHASEFLAG_BOOTSTRAP    a file of rules, used without a service or while it is down
  PHASEFLAG_ENVIRONMENT  the environment; flags of other environments are ignored
  NO_COLOR               disables colours; CLICOLOR_FORCE=1 enables them in pipes, too
";

const STATUSES: &str = "\
Exit status: 0 for success, 1 for false with --exit-code or problems found by check, 2 for errors.
";

/// Returns the help for the program.
pub(crate) fn of_program(commands: &[&Command]) -> String {
    let mut help = "Feature flags of the Phase Flag service.\n\n\
                    Usage: phaseflag COMMAND [OPTION]…\n\nCommands:\n"
        .to_owned();
    let lines: Vec<_> = commands
        .iter()
        .map(|command| ([&[command.name], command.positionals].concat().join(" "), command.about))
        .collect();
    list(&mut help, &lines);
    help += "\nOptions of commands that need rules:\n";
    options(&mut help, client::OPTIONS.iter().chain(&COMMON));
    help += "\n";
    help += ENVIRONMENT;
    help += "\nExamples:\n  \
             phaseflag serve flags.json\n  \
             phaseflag get new-checkout-flow --user ada --attr plan=pro\n  \
             phaseflag list --bootstrap flags.json\n\n\
             Run `phaseflag COMMAND --help` for the options of a command.\n\n";
    help += STATUSES;
    help
}

/// Returns the help for a command.
pub(crate) fn of_command(command: &Command) -> String {
    let usage = [&["phaseflag", command.name], command.positionals].concat().join(" ");
    let mut help = format!("{}.\n\nUsage: {usage} [OPTION]…\n", command.about);
    if !command.details.is_empty() {
        help += "\n";
        help += command.details;
    }
    help += "\nOptions:\n";
    options(&mut help, command.option_specs());
    help += "\nExamples:\n";
    for example in command.examples {
        help += &format!("  {example}\n");
    }
    help += "\n";
    help += STATUSES;
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
fn paragraphs(text: &str) -> Vec<String> {
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
fn heading(spec: &OptionSpec) -> String {
    let short = spec.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("{short}{} {}", spec.name, spec.value).trim_end().to_owned()
}

fn list(help: &mut String, lines: &[(String, &str)]) {
    let width = lines.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
    for (heading, about) in lines {
        *help += &format!("  {heading:width$}  {about}\n");
    }
}
