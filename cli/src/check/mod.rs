//! `phaseflag check`: reports problems and warnings in a file of rules.

mod formats;
mod reported;
mod snippet;

use std::path::Path;

use phaseflag::{Ruleset, Severity};

use self::reported::{Report, Reported};
use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output::Look;
use crate::{client, document, input, output};

pub(crate) const COMMAND: Command = Command {
    name: "check",
    positionals: &["FILE"],
    about: "Report problems and warnings in a file of rules",
    details: "A problem is something that clients cannot use; a warning is valid, but probably a\n\
              mistake. On a terminal, each comes with its line of the file. Elsewhere, each is a line\n\
              with file, line, column and path. The exit status is 1 if there is a problem. `-` is\n\
              standard input. With an environment, flags of other environments are not checked.\n",
    options: &[&[
        OptionSpec::switch(
            "--strict",
            "report unknown fields and statuses, too, and exit with 1 for all findings",
        ),
        OptionSpec::with_value(
            "--format",
            "FORMAT",
            "the format: text, json, or github for annotations [default: text]",
        ),
        OptionSpec::switch("--json", "print a JSON object, as --format json does"),
        client::ENVIRONMENT,
    ]],
    examples: &[
        "phaseflag check flags.json",
        "phaseflag pull | phaseflag check --strict -",
        "phaseflag check flags.json --json | jq -r '.findings[].message'",
        "phaseflag check flags.json --format github       # in a workflow of GitHub Actions",
    ],
    run,
};

/// How findings are printed.
enum Format {
    Text,
    Json,
    Github,
}

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let file = Path::new(arguments.raw_positional(0));
    let format = format(arguments)?;
    let environment = client::environment(arguments)?;
    let bytes = input::read(file, input::MAX_RULES)?;
    let text = String::from_utf8_lossy(&bytes);
    let checked = match environment {
        Some(name) => {
            let rules = format!("`{}`", file.display());
            document::warn_of_environment(&text.parse().unwrap_or_default(), &name, &rules);
            Ruleset::check_for(&bytes, &name)
        }
        None => Ruleset::check_bytes(&bytes),
    };
    let strict = arguments.has("--strict");
    let findings = match checked {
        Ok(findings) => {
            let shown = |severity| strict || severity != Severity::Note;
            let findings = findings.iter().filter(|finding| shown(finding.severity()));
            findings.map(Reported::of_finding).collect()
        }
        Err(error) => vec![Reported::of_error(&error, &text)],
    };
    let report = Report { file, text: &text, findings };
    let bad = |finding: &Reported| strict || finding.severity == Severity::Problem;
    let status = if report.findings.iter().any(bad) { Status::Negative } else { Status::Success };
    let look = Look::of_stdout();
    let printed = match format {
        Format::Json => output::json(formats::json(&report)),
        Format::Github => output::print(formats::github(&report)),
        Format::Text if look.is_terminal() => output::print(snippet::snippets(&report, look)),
        Format::Text => output::print(formats::lines(&report, look)),
    };
    match printed {
        // The reader has closed the output.
        Ok(_) | Err(Failure::OutputClosed) => Ok(status),
        Err(failure) => Err(failure),
    }
}

/// Returns the format; the last option wins.
fn format(arguments: &Arguments) -> Result<Format, Failure> {
    let mut format = Format::Text;
    for (name, value) in arguments.options() {
        format = match (name, value.to_str()) {
            ("--json", _) | ("--format", Some("json")) => Format::Json,
            ("--format", Some("text")) => Format::Text,
            ("--format", Some("github")) => Format::Github,
            ("--format", _) => {
                let given = value.display();
                return Err(arguments
                    .usage(format!("`--format` needs text, json or github, not `{given}`")));
            }
            _ => format,
        };
    }
    Ok(format)
}
