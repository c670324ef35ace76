//! `phaseflag check`: reports problems and warnings in a file of rules.

use std::fmt::Display;
use std::path::Path;

use phaseflag::{Finding, Ruleset, RulesetError, Severity};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, input, output};

pub(crate) const COMMAND: Command = Command {
    name: "check",
    positionals: &["FILE"],
    about: "Report problems and warnings in a file of rules",
    details: "Each line has the file, the line, the column and the path of a finding. A problem is\n\
              something that clients cannot use; a warning is valid, but probably a mistake. The exit\n\
              status is 1 if there is a problem. `-` is standard input. With an environment, flags of\n\
              other environments are not checked.\n",
    options: &[&[
        OptionSpec::switch("--strict", "exit with 1 for warnings, too"),
        client::ENVIRONMENT,
    ]],
    examples: &["phaseflag check flags.json", "phaseflag pull | phaseflag check --strict -"],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = Path::new(arguments.raw_positional(0));
    let environment = client::environment(arguments)?;
    let text = input::read(path, input::MAX_RULES)?;
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
            return print(
                format_finding(path, line, column, Severity::Problem, error),
                Status::Negative,
            );
        }
    };
    let lines = findings.iter().map(|finding| {
        let message = format!("{}: {}", finding.path(), finding.message());
        format_finding(path, finding.line(), finding.column(), finding.severity(), message)
    });
    let bad =
        |finding: &Finding| finding.severity() == Severity::Problem || arguments.has("--strict");
    let status = if findings.iter().any(bad) { Status::Negative } else { Status::Success };
    print(lines.collect(), status)
}

/// Prints the findings. Returns the status even if the reader has closed the output.
fn print(text: String, status: Status) -> Result<Status, Failure> {
    match output::print(text) {
        Ok(_) | Err(Failure::OutputClosed) => Ok(status),
        Err(failure) => Err(failure),
    }
}

/// Returns a finding in the format of compilers, which editors understand.
fn format_finding(
    path: &Path,
    line: usize,
    column: usize,
    severity: Severity,
    message: impl Display,
) -> String {
    let message = format!("{}:{line}:{column}: {severity}: {message}", path.display());
    output::escape_line(message) + "\n"
}
