//! `phaseflag get`: prints the value of one flag, or returns it as the exit status.

use phaseflag::{EvaluationResult, Object, PhaseFlagClient, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, context, output};

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

/// The longest key, in characters, that gets a suggestion.
const MAX_SUGGESTION_LENGTH: usize = 100;

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
    let client = match (client::ready(arguments), default) {
        (Ok(client), _) => client,
        (Err(Failure::NoRules(message)), Some(default)) => {
            output::warn(message);
            return print_default(key, default, format);
        }
        (Err(failure), _) => return Err(failure),
    };
    match (client.get_variation(key, &context), default) {
        (Some(result), _) => print_result(key, &result, format),
        (None, Some(default)) => print_default(key, default, format),
        (None, None) => Err(unknown_flag(key, &client)),
    }
}

fn print_result(key: &str, result: &EvaluationResult, format: Format) -> Result<Status, Failure> {
    match (format, result.value()) {
        (Format::Value, Value::String(text)) => output::line(text),
        (Format::Value, value) => output::line(value),
        (Format::Json, _) => output::line(object(key, result)),
        (Format::ExitCode, Value::Bool(true)) => Ok(Status::Success),
        (Format::ExitCode, Value::Bool(false)) => Ok(Status::Negative),
        (Format::ExitCode, value) => {
            Err(Failure::Other(format!("the flag `{key}` serves {value}, which is not a boolean")))
        }
    }
}

fn print_default(key: &str, default: &str, format: Format) -> Result<Status, Failure> {
    match (format, default) {
        (Format::Value, _) => output::line(default),
        (Format::Json, _) => {
            let value = default.parse().unwrap_or_else(|_| Value::from(default));
            let members = [
                ("key", Value::from(key)),
                ("value", value),
                ("variation_key", Value::Null),
                ("reason", Value::from("flag_not_found")),
            ];
            output::line(Value::from(Object::from(members)))
        }
        (Format::ExitCode, "true") => Ok(Status::Success),
        (Format::ExitCode, "false") => Ok(Status::Negative),
        (Format::ExitCode, _) => {
            Err(Failure::Other(format!("the default `{default}` is not a boolean")))
        }
    }
}

/// Returns a result as a JSON object.
pub(crate) fn object(key: &str, result: &EvaluationResult) -> Value {
    Value::from(Object::from([
        ("key", Value::from(key)),
        ("value", result.value().clone()),
        ("variation_key", Value::from(result.variation_key())),
        ("reason", Value::from(result.reason().as_str())),
    ]))
}

/// Returns the error for an unknown flag, with a suggestion if a known key is similar.
pub(crate) fn unknown_flag(key: &str, client: &PhaseFlagClient) -> Failure {
    let flags = client.flags();
    let keys = flags.iter().map(|flag| flag.key());
    match suggestion(key, keys) {
        Some(near) => Failure::Other(format!("there is no flag `{key}`: did you mean `{near}`?")),
        None => Failure::Other(format!("there is no flag `{key}`")),
    }
}

/// Returns the most similar key. It may differ in one character of three, or have the given key as
/// a prefix.
fn suggestion<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = key.chars().count();
    if length > MAX_SUGGESTION_LENGTH {
        return None;
    }
    let limit = length.div_ceil(3);
    let near = keys.filter_map(|other| match length > 2 && other.starts_with(key) {
        true => Some((1, other)),
        // The distance of long texts takes long to compute.
        false if other.chars().take(length + limit + 1).count().abs_diff(length) > limit => None,
        false => Some((distance(key, other), other)),
    });
    let near = near.filter(|(distance, _)| *distance <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// Returns the Levenshtein distance of two texts, in characters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (position, character) in one.chars().enumerate() {
        let (mut left, mut above_left) = (position + 1, position);
        let mut next = vec![left];
        for (above, wanted) in row.iter().skip(1).zip(&other) {
            let changed = above_left + usize::from(character != *wanted);
            left = changed.min(above + 1).min(left + 1);
            above_left = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("ui-theme", "ui-theme", 0),
            ("ui-teme", "ui-theme", 1),
            ("ui-tehme", "ui-theme", 2),
            ("kitten", "sitting", 3),
            ("naïve", "naive", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_long_key_gets_no_suggestion() {
        let keys = |length: usize| ("a".repeat(length), "a".repeat(length - 1) + "b");
        let (key, other) = keys(100);
        assert_eq!(suggestion(&key, [other.as_str()].into_iter()), Some(other.as_str()));
        let (key, other) = keys(101);
        assert_eq!(suggestion(&key, [other.as_str()].into_iter()), None);
    }

    #[test]
    fn a_length_may_differ_by_one_in_three() {
        for (other, expected) in [
            ("bcdef", Some("bcdef")),
            ("xxabcdef", Some("xxabcdef")),
            ("cdef", Some("cdef")),
            ("def", None),
            ("xxxabcdef", None),
            ("abcdefghijkl", Some("abcdefghijkl")),
        ] {
            assert_eq!(suggestion("abcdef", [other].into_iter()), expected, "{other}");
        }
    }

    /// Computing their distance would take minutes.
    #[test]
    fn long_keys_are_skipped_quickly() {
        let long = "a".repeat(100_000);
        let longer = "b".repeat(1_000_000);
        let start = std::time::Instant::now();
        assert_eq!(suggestion(&long, [longer.as_str()].into_iter()), None);
        assert_eq!(suggestion("abcdef", vec![longer.as_str(); 100].into_iter()), None);
        assert!(start.elapsed().as_secs() < 10);
    }
}
