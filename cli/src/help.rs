//! Renders `--help`.

use crate::args::{Command, OptionSpec};
use crate::client;

const ENVIRONMENT: &str = "\
Environment:
  PHASEFLAG_BASE_URL     the service, such as https://api.phaseflag.com/api/v1
  PHASEFLAG_API_KEY      its API key; arguments are visible to other users, so set it here
  PHASEFLAG_BOOTSTRAP    a file of rules, used without a service or while it is down
  PHASEFLAG_ENVIRONMENT  the environment; flags of other environments are ignored
  NO_COLOR               disables colours
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
    options(&mut help, &client::OPTIONS);
    help += "\n";
    help += ENVIRONMENT;
    help += "\nExamples:\n  \
             phaseflag serve flags.json\n  \
             phaseflag get new-checkout-flow --user ada --attr plan=pro\n  \
             phaseflag list --bootstrap flags.json\n\n\
             Run `phaseflag COMMAND --help` for the options of a command.\n";
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
