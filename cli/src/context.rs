//! Builds the evaluation context from the options.

use std::ffi::OsStr;

use phaseflag::{AttributeValue, EvaluationContext, Value};

use crate::args::{Arguments, OptionSpec};
use crate::failure::Failure;

/// The options that identify a user or a session.
pub(crate) const IDENTIFIERS: [OptionSpec; 2] = [
    OptionSpec::with_value("--user", "ID", "the identifier of the user").short('u'),
    OptionSpec::with_value("--session", "ID", "the identifier of the session"),
];

/// The options that set attributes.
pub(crate) const ATTRIBUTES: [OptionSpec; 2] = [
    OptionSpec::with_value(
        "--attr",
        "NAME=VALUE",
        "an attribute: a number, true or false, or text",
    )
    .short('a'),
    OptionSpec::with_value("--attr-text", "NAME=VALUE", "an attribute that is always text"),
];

/// Returns the context of the options. They apply in order: `--user ID` equals `--attr user_id=ID`,
/// and the last one wins.
pub(crate) fn read(arguments: &Arguments) -> Result<EvaluationContext, Failure> {
    let mut context = EvaluationContext::new();
    for (option, given) in arguments.options() {
        let identifier = || {
            let not_utf8 = || arguments.usage(format!("the value of `{option}` is not UTF-8"));
            given.to_str().ok_or_else(not_utf8)
        };
        match option {
            "--user" => context = context.user_id(identifier()?),
            "--session" => context = context.session_id(identifier()?),
            "--attr" | "--attr-text" => {
                let (name, value) = attribute(arguments, option, given)?;
                context = context.attribute(name, value);
            }
            _ => {}
        }
    }
    Ok(context)
}

/// Returns the names of the attributes that the options set.
pub(crate) fn attribute_names(arguments: &Arguments) -> impl Iterator<Item = &str> {
    let pairs =
        arguments.options().filter(|(option, _)| matches!(*option, "--attr" | "--attr-text"));
    let names = pairs.filter_map(|(_, pair)| Some(pair.to_str()?.split_once('=')?.0));
    names.filter(|name| !matches!(*name, "user_id" | "session_id"))
}

/// Parses NAME=VALUE.
fn attribute<'a>(
    arguments: &Arguments,
    option: &str,
    given: &'a OsStr,
) -> Result<(&'a str, AttributeValue), Failure> {
    let pair = given.to_str().and_then(|given| given.split_once('='));
    let Some((name, text)) = pair.filter(|(name, _)| !name.is_empty()) else {
        let given = given.display();
        return Err(arguments.usage(format!("`{option}` needs NAME=VALUE, not `{given}`")));
    };
    // An identifier is text: `1e3` must not become `1000`.
    let is_text = option == "--attr-text" || matches!(name, "user_id" | "session_id");
    Ok((name, if is_text { text.into() } else { value(text) }))
}

/// Parses a value: a number or a boolean if it is exactly a JSON one, text otherwise.
pub(crate) fn value(text: &str) -> AttributeValue {
    // The JSON parser accepts white space and a byte order mark around a value: these are text.
    let bare = !text.starts_with('\u{feff}') && !text.contains(|c: char| c.is_ascii_whitespace());
    match text.parse() {
        Ok(Value::Bool(value)) if bare => value.into(),
        Ok(Value::Number(number)) if bare => number.into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_json_is_not_text() {
        for (text, expected) in [
            ("true", AttributeValue::Bool(true)),
            ("false", AttributeValue::Bool(false)),
            ("0", 0.into()),
            ("-1", (-1).into()),
            ("18446744073709551615", u64::MAX.into()),
            ("2.5", 2.5.into()),
            ("1e3", 1000.into()),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        for text in [
            "",
            "True",
            "null",
            "01",
            "+1",
            ".5",
            "1.",
            " 1",
            "1 ",
            "\u{feff}1",
            "1e999",
            "\"1\"",
            "[1]",
            "{}",
            "pro",
            "1.2.3",
        ] {
            assert_eq!(value(text), AttributeValue::from(text), "{text}");
        }
    }
}
