//! The texts of `--help`.

use crate::args::{Choice, Command};
use crate::client;

const ENVIRONMENT: &str = "\
Environment:
  PHASEFLAG_BASE_URL     the service, such as https://api.phaseflag.com/api/v1
  PHASEFLAG_API_KEY      its key; others may see the arguments of a program, so set it here
  PHASEFLAG_BOOTSTRAP    a file of rules for when there is no service, or it does not answer
  PHASEFLAG_ENVIRONMENT  flags that carry another environment do not count
  NO_COLOR               no colours
";

const STATUSES: &str = "\
Exit status: 0 success; 1 the answer is no; 2 wrong use, or an error.
";

/// Returns the help of the program.
pub(crate) fn of_program(commands: &[&Command]) -> String {
    let mut help = "Feature flags of the Phase Flag service.\n\n\
                    Usage: phaseflag COMMAND [OPTION]…\n\nCommands:\n"
        .to_owned();
    let lines: Vec<_> = commands
        .iter()
        .map(|command| ([&[command.name], command.words].concat().join(" "), command.about))
        .collect();
    list(&mut help, &lines);
    help += "\nOptions of the commands that need rules:\n";
    options(&mut help, &client::OPTIONS);
    help += "\n";
    help += ENVIRONMENT;
    help += "\nExamples:\n  \
             phaseflag serve flags.json\n  \
             phaseflag get new-checkout-flow --user ada --attr plan=pro\n  \
             phaseflag list --bootstrap flags.json\n\n\
             `phaseflag COMMAND --help` says more of a command.\n";
    help += STATUSES;
    help
}

/// Returns the help of a command.
pub(crate) fn of_command(command: &Command) -> String {
    let words = [&["phaseflag", command.name], command.words].concat().join(" ");
    let mut help = format!("{}.\n\nUsage: {words} [OPTION]…\n", command.about);
    if !command.details.is_empty() {
        help += "\n";
        help += command.details;
    }
    help += "\nOptions:\n";
    let all: Vec<&Choice> = command.choices().collect();
    options(&mut help, all);
    help += "\nExamples:\n";
    for example in command.examples {
        help += &format!("  {example}\n");
    }
    help += "\n";
    help += STATUSES;
    help
}

fn options<'a>(help: &mut String, choices: impl IntoIterator<Item = &'a Choice>) {
    let mut lines: Vec<_> =
        choices.into_iter().map(|choice| (heading(choice), choice.about)).collect();
    lines.push(("--help".to_owned(), "prints this help"));
    list(help, &lines);
}

/// Returns an option with its value, such as `-o, --output FILE`.
fn heading(choice: &Choice) -> String {
    let short = choice.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("{short}{} {}", choice.name, choice.value).trim_end().to_owned()
}

fn list(help: &mut String, lines: &[(String, &str)]) {
    let width = lines.iter().map(|(heading, _)| heading.len()).max().unwrap_or_default();
    for (heading, about) in lines {
        *help += &format!("  {heading:width$}  {about}\n");
    }
}
