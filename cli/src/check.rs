//! `phaseflag check`: what is wrong or suspicious in a file of rules.

use std::fmt::Display;
use std::path::Path;

use phaseflag::{Finding, Ruleset, RulesetError, Severity};

use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::{client, input, output};

pub(crate) const COMMAND: Command = Command {
    name: "check",
    words: &["FILE"],
    about: "Says what is wrong or suspicious in a file of rules",
    details: "Each line says where: the file, the line, the column and the path. A problem is something\n\
              that clients cannot use; a warning is valid, and yet surely not meant. Nothing is printed\n\
              where there is neither. `-` is standard input. The exit status is 1 where there is a\n\
              problem. With an environment, flags that carry another one are not looked at.\n",
    options: &[&[Choice::switch("--strict", "ends with 1 for warnings, too"), client::ENVIRONMENT]],
    examples: &["phaseflag check flags.json", "phaseflag pull | phaseflag check --strict -"],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = Path::new(arguments.raw_word(0));
    let environment = client::environment(arguments)?;
    let text = input::read(path)?;
    let checked = match environment {
        Some(name) => Ruleset::check_for(text, &name),
        None => Ruleset::check_bytes(&text),
    };
    let findings = match checked {
        Ok(findings) => findings,
        Err(error) => {
            let (line, column) = match &error {
                RulesetError::Syntax { cause, .. } => (cause.line(), cause.column()),
                _ => (1, 1),
            };
            return print(spelled(path, line, column, Severity::Problem, error), Status::No);
        }
    };
    let lines = findings.iter().map(|finding| {
        let message = format!("{}: {}", finding.path(), finding.message());
        spelled(path, finding.line(), finding.column(), finding.severity(), message)
    });
    let bad =
        |finding: &Finding| finding.severity() == Severity::Problem || arguments.has("--strict");
    let status = if findings.iter().any(bad) { Status::No } else { Status::Success };
    print(lines.collect(), status)
}

/// Prints what was found. The status is the same for a reader that has enough of it.
fn print(text: String, status: Status) -> Result<Status, Failure> {
    match output::print(text) {
        Ok(_) | Err(Failure::OutputClosed) => Ok(status),
        Err(failure) => Err(failure),
    }
}

/// Returns a line as compilers write it, so that editors find the place.
fn spelled(
    path: &Path,
    line: usize,
    column: usize,
    severity: Severity,
    message: impl Display,
) -> String {
    let message = format!("{}:{line}:{column}: {severity}: {message}", path.display());
    output::plain(message) + "\n"
}
