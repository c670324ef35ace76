//! Finds states, types and values of a flag that are probably mistakes.

use super::Severity;
use super::conditions::review_space;
use super::drafts::Drafts;
use super::near::{did_you_mean, nearest};
use crate::ruleset::problem::Path;
use crate::ruleset::tables::{TextMap, excerpt};
use crate::value::{Span, Value, elements, member, string};

/// The statuses of the service. Only the first one is on.
const STATUSES: [&str; 4] = ["active", "inactive", "archived", "draft"];

/// Words that other services have for a flag that is on.
const WORDS_FOR_ON: [&str; 7] = ["on", "enabled", "enable", "live", "true", "released", "running"];

const FLAG_TYPES: [&str; 4] = ["boolean", "string", "number", "json"];

/// Words that other services and languages have for a type.
const WORDS_FOR_TYPES: [(&str, &str); 10] = [
    ("bool", "boolean"),
    ("str", "string"),
    ("text", "string"),
    ("int", "number"),
    ("integer", "number"),
    ("float", "number"),
    ("double", "number"),
    ("object", "json"),
    ("dict", "json"),
    ("multivariate", "json"),
];

/// Returns whether a flag belongs to an environment, or to none. Any flag does if none is given.
pub(super) fn is_in_environment(text: &str, flag: &Span, environment: Option<&str>) -> bool {
    let Some(wanted) = environment else {
        return true;
    };
    let name = member(text, flag.clone(), "environment").and_then(|span| string(text, span));
    name.is_none_or(|name| name.is_empty() || name == wanted)
}

/// Reviews a flag, except for its rules.
pub(super) fn review_flag(
    text: &str,
    path: Path<'_>,
    members: &[(&'static str, Span)],
    drafts: &mut Drafts<'_>,
) {
    let given = |name: &str| {
        let found = members.iter().find(|(field, _)| *field == name);
        found.map(|(_, span)| span.clone()).filter(|span| kind(text, span) != "null")
    };
    if let Some(span) = given("key") {
        review_space(text, span, path.field("key"), drafts);
    }
    if let Some(span) = given("status") {
        review_status(&string(text, span).unwrap_or_default(), path.field("status"), drafts);
    }
    if let Some(span) = given("environment")
        && kind(text, &span) != "a string"
    {
        let found = kind(text, &span);
        let message =
            format_args!("expected a string, found {found}: the flag is in all environments");
        drafts.warn(path.field("environment"), message);
    }
    let flag_type = given("flag_type").and_then(|span| flag_type(text, span, path, drafts));
    if let Some(variations) = given("variations") {
        let (path, variations) = (path.field("variations"), elements(text, variations));
        review_values(text, path, &variations, flag_type, drafts);
        review_names(text, path, &variations, drafts);
    }
}

fn review_status(status: &str, path: Path<'_>, drafts: &mut Drafts<'_>) {
    if STATUSES.contains(&status) {
        return;
    }
    let word = status.trim();
    // An absent status is on, and an empty one is not.
    let is_on = word.is_empty() || WORDS_FOR_ON.iter().any(|on| on.eq_ignore_ascii_case(word));
    let meant = if is_on { Some("active") } else { nearest(status, STATUSES) };
    let severity = if meant.is_some() { Severity::Warning } else { Severity::Note };
    let message = format_args!("the status `{}` is not known: the flag is off", excerpt(status));
    drafts.add(severity, path, None, message, meant.map(did_you_mean));
}

/// Returns the type of a flag. Reports one that is not known, and returns `None`.
fn flag_type(
    text: &str,
    span: Span,
    path: Path<'_>,
    drafts: &mut Drafts<'_>,
) -> Option<&'static str> {
    const CONSEQUENCE: &str = "only the types of the values count";
    let path = path.field("flag_type");
    let Some(name) = string(text, span.clone()) else {
        let found = kind(text, &span);
        drafts.warn(path, format_args!("expected a string, found {found}: {CONSEQUENCE}"));
        return None;
    };
    let known = FLAG_TYPES.into_iter().find(|known| *known == name);
    if known.is_none() {
        let mut words = WORDS_FOR_TYPES.into_iter();
        let other = words.find(|(word, _)| word.eq_ignore_ascii_case(&name)).map(|(_, it)| it);
        let meant = other.or_else(|| nearest(&name, FLAG_TYPES)).map(did_you_mean);
        let message =
            format_args!("the flag type `{}` is not known: {CONSEQUENCE}", excerpt(&name));
        drafts.add(Severity::Warning, path, None, message, meant);
    }
    known
}

/// Warns of values of another type than the flag's, or if that is not known, than the first value's.
fn review_values(
    text: &str,
    path: Path<'_>,
    variations: &[Span],
    flag_type: Option<&str>,
    drafts: &mut Drafts<'_>,
) {
    let expected = match flag_type {
        Some("json") => Some("an object"),
        Some("boolean") => Some("a boolean"),
        Some("string") => Some("a string"),
        Some("number") => Some("a number"),
        _ => None,
    };
    let mut values = Vec::new();
    for (index, variation) in variations.iter().enumerate() {
        if has_a_name(text, variation) && !drafts.is_reported(path.item(index)) {
            let value = member(text, variation.clone(), "value");
            values.push((index, value.as_ref().map_or("null", |it| kind(text, it)), value));
        }
    }
    let is_quoted = |value: &Option<Span>, expected| {
        value.as_ref().is_some_and(|value| is_quoted(text, value, expected))
    };
    let unquoted = || Some("did you mean the value without quotation marks?".to_owned());
    // A value of `null` is the odd one, even if it is the first.
    let first = values.iter().find(|(_, kind, _)| *kind != "null").or(values.first());
    let Some(&(first_index, first_kind, _)) = first else { return };
    if expected.is_none() && values.iter().all(|(.., value)| is_quoted(value, "a boolean")) {
        let message = "the value is a string: a getter of booleans returns its default";
        let item = path.item(first_index);
        return drafts.add(Severity::Warning, item.field("value"), None, message, unquoted());
    }
    for (index, found, value) in values {
        let item = path.item(index);
        if flag_type == Some("json") {
            if is_quoted(&value, "an object") {
                let message = "the value is a string that holds JSON: a program gets the string";
                drafts.add(Severity::Warning, item.field("value"), None, message, unquoted());
            }
        } else if let Some(expected) = expected {
            if found != expected {
                let flag_type = flag_type.unwrap_or_default();
                let message = format_args!(
                    "the value is {found}, but the flag type is `{flag_type}`: \
                     a getter for that type returns its default"
                );
                let help = is_quoted(&value, expected).then(unquoted).flatten();
                drafts.add(Severity::Warning, item.field("value"), None, message, help);
            }
        } else if found != first_kind {
            let message = format_args!(
                "the value is {found}, but that of variations[{first_index}] is {first_kind}: \
                 a typed getter returns its default for one of them"
            );
            return drafts.warn(item.field("value"), message);
        }
    }
}

/// Warns of variations with the id or the key of an earlier one.
fn review_names(text: &str, path: Path<'_>, variations: &[Span], drafts: &mut Drafts<'_>) {
    for field in ["id", "key"] {
        let mut first: TextMap<usize> = TextMap::default();
        for (index, variation) in variations.iter().enumerate() {
            if drafts.is_reported(path.item(index)) {
                continue;
            }
            let name = member(text, variation.clone(), field).and_then(|span| string(text, span));
            let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
            let Some(other) = first.get(&name) else {
                first.insert((*name).into(), index);
                continue;
            };
            let message = format_args!(
                "variations[{other}] has the {field} `{}`, too: a reference by {field} finds only \
                 that one",
                excerpt(&name)
            );
            drafts.warn(path.item(index).field(field), message);
        }
    }
}

/// Returns whether a variation is an object with an id or a key. Others do not count.
fn has_a_name(text: &str, variation: &Span) -> bool {
    ["id", "key"].iter().any(|name| {
        member(text, variation.clone(), name).is_some_and(|span| kind(text, &span) != "null")
    })
}

/// Returns whether a value is the text of a boolean, a number or an object, which is expected. A list
/// counts as an object.
fn is_quoted(text: &str, value: &Span, expected: &str) -> bool {
    let Some(inside) = string(text, value.clone()) else {
        return false;
    };
    let parse = || inside.parse::<Value>().ok();
    match expected {
        "a boolean" => matches!(&*inside, "true" | "false"),
        "a number" => parse().is_some_and(|it| it.as_f64().is_some()),
        "an object" => inside.trim_start().starts_with(['{', '[']) && parse().is_some(),
        _ => false,
    }
}

/// Returns the name of a value's type, with its article.
pub(super) fn kind(text: &str, value: &Span) -> &'static str {
    match text.as_bytes().get(value.start) {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "null",
    }
}
