//! Finds conditions that never or always hold, and what an unusable one probably means.

use std::cmp::Ordering;

use super::Severity;
use super::drafts::Drafts;
use super::near::{did_you_mean, nearest};
use crate::ruleset::problem::Path;
use crate::ruleset::tables::{OPERATORS, compare_versions, excerpt};
use crate::value::{Span, Value, elements, string};

/// Names that other services and languages have for an operator.
const OTHER_NAMES: [(&str, &str); 22] = [
    ("==", "is"),
    ("=", "is"),
    ("eq", "is"),
    ("equal", "is"),
    ("equals", "is"),
    ("!=", "is_not"),
    ("neq", "is_not"),
    ("not_equals", "is_not"),
    ("in", "one_of"),
    ("any_of", "one_of"),
    ("not_in", "not_one_of"),
    ("none_of", "not_one_of"),
    (">", "gt"),
    ("greater_than", "gt"),
    ("<", "lt"),
    ("less_than", "lt"),
    ("regex", "matches_regex"),
    ("matches", "matches_regex"),
    ("starts_with", "matches_regex"),
    ("ends_with", "matches_regex"),
    ("semver_gt", "version_gt"),
    ("semver_lt", "version_lt"),
];

/// Reviews the operator and the value of a condition.
pub(super) fn review_condition(
    text: &str,
    path: Path<'_>,
    members: &[(&'static str, Span)],
    drafts: &mut Drafts<'_>,
) {
    let given = |name: &str| {
        let found = members.iter().find(|(field, _)| *field == name);
        let span = found.map(|(_, span)| span.clone())?;
        let source = text.get(span.clone())?;
        (source != "null").then_some((source, span))
    };
    if let Some((_, span)) = given("attribute") {
        review_space(text, span, path.field("attribute"), drafts);
    }
    let Some((_, span)) = given("operator") else { return };
    let Some(operator) = string(text, span.clone()) else { return };
    let known = OPERATORS.into_iter().find(|known| *known == operator);
    let Some(operator) = known else {
        let meant = other_name(&operator).or_else(|| nearest(&operator, OPERATORS));
        return drafts.hint(path, Some(span), meant.map(did_you_mean));
    };
    let (name, (source, span)) = match (given("value"), given("values")) {
        (Some(value), _) => ("value", value),
        (None, Some(values)) => ("values", values),
        (None, None) => return,
    };
    let Ok(value) = source.parse::<Value>() else { return };
    match warning(operator, source, &value) {
        Some((message, help)) => {
            drafts.add(Severity::Warning, path.field(name), None, message, help);
        }
        None => {
            let meant = better_operator(operator, &value).map(did_you_mean);
            drafts.hint(path, Some(span), meant);
        }
    }
}

fn other_name(operator: &str) -> Option<&'static str> {
    let mut names = OTHER_NAMES.into_iter();
    names.find(|(other, _)| other.eq_ignore_ascii_case(operator)).map(|(_, name)| name)
}

/// Returns the warning for a condition that is valid, and help.
fn warning(operator: &str, source: &str, value: &Value) -> Option<(String, Option<String>)> {
    let message = |message: &str| Some((message.to_owned(), None));
    match (operator, value) {
        ("one_of", Value::Array(list)) if list.is_empty() => {
            message("the list is empty: the condition never holds")
        }
        ("not_one_of", Value::Array(list)) if list.is_empty() => {
            message("the list is empty: the condition always holds")
        }
        ("one_of" | "not_one_of", Value::String(one)) if one.contains(',') => {
            let parts: Value = one.split(',').map(str::trim).collect();
            let message = "the value is one text, not a list: it is compared as a whole";
            Some((message.to_owned(), Some(did_you_mean(&parts.to_string()))))
        }
        ("one_of" | "not_one_of", Value::Array(list)) => {
            let mut texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            texts.sort();
            elements(source, 0..source.len()).into_iter().find_map(|span| {
                let source = source.get(span)?;
                inexact(source, &source.parse().ok()?, &texts)
            })
        }
        ("contains" | "matches_regex", Value::String(text)) if text.is_empty() => {
            message("the value is empty: the condition holds whenever the attribute is present")
        }
        ("not_contains", Value::String(text)) if text.is_empty() => {
            message("the value is empty: the condition holds only if the attribute is missing")
        }
        ("version_gt" | "version_lt", Value::Number(number)) => {
            let read = number.to_string();
            if !is_version(&read) || compare_versions(source, &read) == Some(Ordering::Equal) {
                return None;
            }
            let message = format!(
                "the value {} is a number, which is read as the version `{read}`",
                excerpt(source)
            );
            Some((message, Some(did_you_mean(&format!("\"{source}\"")))))
        }
        ("is" | "is_not" | "one_of" | "not_one_of", _) => inexact(source, value, &[]),
        _ => None,
    }
}

/// Returns the warning for a value that few attributes equal: a number that loses a zero, such as
/// `1.10`, or a text with white space around it. The other `texts` of its list are sorted: if the
/// exact form is one of them, both are meant.
fn inexact(source: &str, value: &Value, texts: &[&str]) -> Option<(String, Option<String>)> {
    match value {
        Value::Number(number) if source.ends_with('0') && source.contains('.') => {
            let read = number.to_string();
            // Programs that write numbers write `2.0`, too.
            let loses_zero = source.strip_suffix(".0") != Some(&read) && source.starts_with(&read);
            if !loses_zero || texts.binary_search(&source).is_ok() {
                return None;
            }
            let number = excerpt(source);
            let message = format!("the value {number} is a number, which equals the text `{read}`");
            // It may be a price, which programs write without the zero.
            Some((message, Some(format!("if it is a version, write `\"{number}\"`"))))
        }
        Value::String(text) if text.trim() != text => {
            let trimmed = text.trim();
            let is_meant = trimmed.is_empty() || texts.binary_search(&trimmed).is_ok();
            (!is_meant).then(|| (space_around(text), Some(did_you_mean(trimmed))))
        }
        _ => None,
    }
}

/// Warns of a name with white space around it.
pub(super) fn review_space(text: &str, name: Span, path: Path<'_>, drafts: &mut Drafts<'_>) {
    if let Some(name) = string(text, name)
        && name.trim() != name
    {
        let trimmed = name.trim();
        let help = (!trimmed.is_empty()).then(|| did_you_mean(trimmed));
        drafts.add(Severity::Warning, path, None, space_around(&name), help);
    }
}

fn space_around(text: &str) -> String {
    format!("`{}` begins or ends with white space, which counts", excerpt(text))
}

/// Returns the operator that can use a value which this one cannot.
fn better_operator(operator: &str, value: &Value) -> Option<&'static str> {
    match (operator, value) {
        ("is", Value::Array(_)) => Some("one_of"),
        ("is_not", Value::Array(_)) => Some("not_one_of"),
        ("gt", Value::String(text)) if is_version(text) => Some("version_gt"),
        ("lt", Value::String(text)) if is_version(text) => Some("version_lt"),
        _ => None,
    }
}

fn is_version(text: &str) -> bool {
    compare_versions(text, text).is_some()
}
