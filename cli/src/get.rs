//! `phaseflag get`: the value of one flag.

use phaseflag::{EvaluationResult, Object, PhaseFlagClient, Value};

use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::{client, context, output};

pub(crate) const COMMAND: Command = Command {
    name: "get",
    words: &["KEY"],
    about: "Prints the value of a flag",
    details: "A string is printed as it is, any other value as JSON. With `--exit-code` nothing is\n\
              printed: the exit status is 0 for true, 1 for false, and 2 for anything else.\n\
              Where the service gives no rules, or there is no such flag, the value of `--default`\n\
              stands in. Settings that are missing or wrong, and a bootstrap file that is needed and\n\
              cannot be used, are errors all the same.\n",
    options: &[
        &[
            Choice::with("--default", "VALUE", "what to print where the flag is not known"),
            Choice::switch("--json", "prints the whole result as one JSON object"),
            Choice::switch("--exit-code", "prints nothing, and ends with 0 for true, 1 for false"),
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

/// The longest key, in characters, for which a similar one is looked for.
const MAX_LENGTH: usize = 100;

/// How the value is given out.
#[derive(Clone, Copy)]
enum Form {
    Value,
    Json,
    ExitCode,
}

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.word(0)?;
    let context = context::read(arguments)?;
    let form = match (arguments.has("--json"), arguments.has("--exit-code")) {
        (true, true) => {
            return Err(arguments.usage("`--json` and `--exit-code` do not go together"));
        }
        (true, false) => Form::Json,
        (false, true) => Form::ExitCode,
        (false, false) => Form::Value,
    };
    let default = arguments.text("--default")?;
    let client = match (client::ready(arguments), default) {
        (Ok(client), _) => client,
        (Err(Failure::NoRules(message)), Some(default)) => {
            output::warn(message);
            return give_default(key, default, form);
        }
        (Err(failure), _) => return Err(failure),
    };
    match (client.get_variation(key, &context), default) {
        (Some(result), _) => give(key, &result, form),
        (None, Some(default)) => give_default(key, default, form),
        (None, None) => Err(unknown(key, &client)),
    }
}

fn give(key: &str, result: &EvaluationResult, form: Form) -> Result<Status, Failure> {
    match (form, result.value()) {
        (Form::Value, Value::String(text)) => output::line(text),
        (Form::Value, value) => output::line(value),
        (Form::Json, _) => output::line(object(key, result)),
        (Form::ExitCode, Value::Bool(true)) => Ok(Status::Success),
        (Form::ExitCode, Value::Bool(false)) => Ok(Status::No),
        (Form::ExitCode, value) => {
            Err(Failure::Other(format!("the flag `{key}` serves no boolean but {value}")))
        }
    }
}

fn give_default(key: &str, default: &str, form: Form) -> Result<Status, Failure> {
    match (form, default) {
        (Form::Value, _) => output::line(default),
        (Form::Json, _) => {
            let value = default.parse().unwrap_or_else(|_| Value::from(default));
            let members = [
                ("key", Value::from(key)),
                ("value", value),
                ("variation_key", Value::Null),
                ("reason", Value::from("flag_not_found")),
            ];
            output::line(Value::from(Object::from(members)))
        }
        (Form::ExitCode, "true") => Ok(Status::Success),
        (Form::ExitCode, "false") => Ok(Status::No),
        (Form::ExitCode, _) => {
            Err(Failure::Other(format!("the default is no boolean but `{default}`")))
        }
    }
}

/// Returns a result as an object: its members stand in the order of their names.
pub(crate) fn object(key: &str, result: &EvaluationResult) -> Value {
    Value::from(Object::from([
        ("key", Value::from(key)),
        ("value", result.value().clone()),
        ("variation_key", Value::from(result.variation_key())),
        ("reason", Value::from(result.reason().as_str())),
    ]))
}

/// Says that there is no such flag, and which one may have been meant.
pub(crate) fn unknown(key: &str, client: &PhaseFlagClient) -> Failure {
    let flags = client.flags();
    let keys = flags.iter().map(|flag| flag.key());
    match nearest(key, keys) {
        Some(near) => Failure::Other(format!("there is no flag `{key}`: did you mean `{near}`?")),
        None => Failure::Other(format!("there is no flag `{key}`")),
    }
}

/// Returns the key that differs least: by one character in three, or by what follows. A key that is
/// longer than a person types has none.
fn nearest<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = key.chars().count();
    if length > MAX_LENGTH {
        return None;
    }
    let limit = length.div_ceil(3);
    let near = keys.filter_map(|other| match length > 2 && other.starts_with(key) {
        true => Some((1, other)),
        // Counting what differs takes long for long texts.
        false if other.chars().take(length + limit + 1).count().abs_diff(length) > limit => None,
        false => Some((distance(key, other), other)),
    });
    let near = near.filter(|(distance, _)| *distance <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// Returns how many characters have to be added, removed or changed to make one text the other.
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
    fn counts_what_differs() {
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
    fn what_is_too_long_is_like_nothing() {
        let keys = |length: usize| ("a".repeat(length), "a".repeat(length - 1) + "b");
        let (key, other) = keys(100);
        assert_eq!(nearest(&key, [other.as_str()].into_iter()), Some(other.as_str()));
        let (key, other) = keys(101);
        assert_eq!(nearest(&key, [other.as_str()].into_iter()), None);
    }

    /// The lengths may differ by as much as the texts, and no more.
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
            assert_eq!(nearest("abcdef", [other].into_iter()), expected, "{other}");
        }
    }

    /// Counting what differs between them would take minutes.
    #[test]
    fn long_texts_take_no_time() {
        let long = "a".repeat(100_000);
        let longer = "b".repeat(1_000_000);
        let start = std::time::Instant::now();
        assert_eq!(nearest(&long, [longer.as_str()].into_iter()), None);
        assert_eq!(nearest("abcdef", vec![longer.as_str(); 100].into_iter()), None);
        assert!(start.elapsed().as_secs() < 10);
    }
}
