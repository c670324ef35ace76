//! `phaseflag get`: prints the value of one flag, or returns it as the exit status.

use phaseflag::{EvaluationResult, Object, PhaseFlagClient, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{attributes, client, context, output, similar};

pub(crate) const COMMAND: Command = Command {
    name: "get",
    positionals: &["KEY"],
    about: "Print the value of a flag",
    details: "A string is printed without quotes, any other value as JSON. With `--exit-code` nothing is\n\
              printed: the exit status is 0 for true, 1 for false, and 2 for anything else.\n\
              `--default` is used if the flag is unknown, or if the service sends no rules and there\n\
              are no others. It does not apply if a setting is missing or invalid, or if the bootstrap\n\
              file is needed and invalid: these are errors.\n",
    options: &[
        &[
            OptionSpec::with_value("--default", "VALUE", "the value of an unknown flag"),
            OptionSpec::switch("--json", "print the whole result as a JSON object"),
            OptionSpec::switch("--exit-code", "print nothing; exit with 0 for true, 1 for false"),
        ],
        &context::IDENTIFIERS,
        &context::ATTRIBUTES,
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag get ui-theme --user ada --default light",
        "phaseflag get checkout-config --attr plan=team --json",
        "if phaseflag get --exit-code new-checkout-flow --attr plan=pro; then …; fi",
    ],
    run,
};

/// The reason of a result for an unknown flag.
const FLAG_NOT_FOUND: &str = "flag_not_found";

/// How the value is returned.
#[derive(Clone, Copy)]
enum Format {
    Value,
    Json,
    ExitCode,
}

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.positional(0)?;
    let context = context::read(arguments)?;
    let format = match (arguments.has("--json"), arguments.has("--exit-code")) {
        (true, true) => {
            return Err(arguments.usage("`--json` and `--exit-code` cannot be combined"));
        }
        (true, false) => Format::Json,
        (false, true) => Format::ExitCode,
        (false, false) => Format::Value,
    };
    let default = arguments.text("--default")?;
    let client = match client::ready(arguments) {
        Ok(client) => client,
        Err(failure) => {
            return match (client::overridden_without_rules(key, failure), default) {
                (Ok(result), _) => print_result(key, &result, format),
                (Err(Failure::NoRules { message, reason }), Some(default)) => {
                    output::warn(message);
                    print_default(key, default, format, reason)
                }
                (Err(failure), _) => Err(failure),
            };
        }
    };
    attributes::warn_of_unread(arguments, &client, [key]);
    match (client.get_variation(key, &context), default) {
        (Some(result), _) => print_result(key, &result, format),
        (None, Some(default)) => print_default(key, default, format, FLAG_NOT_FOUND),
        (None, None) => Err(unknown_flag(key, &client)),
    }
}

fn print_result(key: &str, result: &EvaluationResult, format: Format) -> Result<Status, Failure> {
    match (format, result.value()) {
        (Format::Value, Value::String(text)) => output::line(text),
        (Format::Value, value) => output::json(value.clone()),
        (Format::Json, _) => output::json(object(key, result)),
        (Format::ExitCode, Value::Bool(true)) => Ok(Status::Success),
        (Format::ExitCode, Value::Bool(false)) => Ok(Status::Negative),
        (Format::ExitCode, value) => {
            Err(Failure::Other(format!("the flag `{key}` serves {value}, which is not a boolean")))
        }
    }
}

/// Prints the default, for a reason.
fn print_default(
    key: &str,
    default: &str,
    format: Format,
    reason: &str,
) -> Result<Status, Failure> {
    match (format, default) {
        (Format::Value, _) => output::line(default),
        (Format::Json, _) => {
            let value = default.parse().unwrap_or_else(|_| Value::from(default));
            let members = [
                ("key", Value::from(key)),
                ("value", value),
                ("variation_key", Value::Null),
                ("reason", Value::from(reason)),
            ];
            output::json(Object::from(members))
        }
        (Format::ExitCode, "true") => Ok(Status::Success),
        (Format::ExitCode, "false") => Ok(Status::Negative),
        (Format::ExitCode, _) => {
            Err(Failure::Other(format!("the default `{default}` is not a boolean")))
        }
    }
}

/// Returns a result as a JSON object.
pub(crate) fn object(key: &str, result: &EvaluationResult) -> Object {
    Object::from([
        ("key", Value::from(key)),
        ("value", result.value().clone()),
        ("variation_key", Value::from(result.variation_key())),
        ("reason", Value::from(result.reason().as_str())),
    ])
}

/// Returns the error for an unknown flag, with a suggestion if a known key is similar.
pub(crate) fn unknown_flag(key: &str, client: &PhaseFlagClient) -> Failure {
    let flags = client.flags();
    let keys = flags.iter().map(|flag| flag.key());
    Failure::Other(format!("there is no flag `{key}`{}", similar::hint(key, keys)))
}
