//! The document of a ruleset, in either dialect: what it holds beside what a client evaluates.

use std::mem;
use std::slice;

use phaseflag::{FlagInfo, Ruleset, Value};

use crate::names::Names;
use crate::{output, similar};

/// A document, with the flags that clients see.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The flags in the order of the ruleset, each with its part of the document.
    pub(crate) flags: Vec<(FlagInfo, Part<'a>)>,
    /// The segments by name, in the order of the document.
    pub(crate) segments: Vec<(&'a str, Part<'a>)>,
    /// Where a segment of this id or key is in the list.
    segment_ids: Names,
    segment_keys: Names,
}

/// A flag or a segment of a document.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) value: &'a Value,
    /// What the parser reports: the path in the part, and the message.
    pub(crate) problems: Vec<(&'a str, &'a str)>,
}

impl Default for Part<'_> {
    fn default() -> Self {
        Part { value: &Value::Null, problems: Vec::new() }
    }
}

impl<'a> Document<'a> {
    /// Reads the document of a ruleset.
    pub(crate) fn new(ruleset: &'a Ruleset, document: &'a Value) -> Document<'a> {
        let (inner, flags) = flags(document);
        // Of several flags with the same key, the parser takes the last one of the environment.
        let name = |key: &str, environment: Option<&str>| {
            format!("{}:{key}{}", key.len(), environment.unwrap_or_default())
        };
        let mut by_key = Names::new();
        for (index, flag) in flags.iter().enumerate() {
            if let Some(key) = flag.get("key").and_then(Value::as_str) {
                by_key.insert(name(key, text_of(flag, "environment")), index);
            }
        }
        let mut parts = parts("flags", flags, ruleset);
        let listed = ruleset.flags().map(|info| {
            let index = by_key.get(&name(info.key(), info.environment()));
            let part = index.and_then(|index| parts.get_mut(*index)).map(mem::take);
            (info, part.unwrap_or_default())
        });
        let flags = listed.collect();
        let segments = present(inner, "segments").or_else(|| present(document, "segments"));
        let segments = segments.and_then(Value::as_array).unwrap_or_default();
        let mut listed = Vec::new();
        let (mut segment_ids, mut segment_keys) = (Names::new(), Names::new());
        for part in self::parts("segments", segments, ruleset) {
            let (id, key) = (text_of(part.value, "id"), text_of(part.value, "key"));
            let Some(name) = key.or(id) else { continue };
            for (text, positions) in [(id, &mut segment_ids), (key, &mut segment_keys)] {
                if let Some(text) = text {
                    positions.insert(text.to_owned(), listed.len());
                }
            }
            listed.push((name, part));
        }
        Document { flags, segments: listed, segment_ids, segment_keys }
    }

    /// Returns the name of the segment that a rule names by id or key.
    pub(crate) fn segment_name(&self, reference: &str) -> Option<&'a str> {
        let found = self.segment_ids.get(reference).or_else(|| self.segment_keys.get(reference));
        self.segments.get(*found?).map(|(name, _)| *name)
    }
}

/// Returns the object of a document that has the list of flags, and the list.
fn flags(document: &Value) -> (&Value, &[Value]) {
    let inner = match present(document, "flags") {
        Some(_) => document,
        None => present(document, "data").unwrap_or(document),
    };
    (inner, present(inner, "flags").unwrap_or(inner).as_array().unwrap_or_default())
}

/// Warns if flags have environments, but none has this one. Flags without an environment may be all
/// that it has, so then it must be mistyped by a character. `rules` is what the message calls them.
pub(crate) fn warn_of_environment(document: &Value, wanted: &str, rules: &str) {
    let (_, flags) = flags(document);
    let names = || flags.iter().filter_map(|flag| text_of(flag, "environment"));
    let Some(first) = names().next() else { return };
    let is_near = |name: &str| {
        similar::distance(&name.to_ascii_lowercase(), &wanted.to_ascii_lowercase()) <= 1
    };
    if names().any(|name| name == wanted) || names().count() < flags.len() && !names().any(is_near)
    {
        return;
    }
    let hint = similar::hint(wanted, names());
    let hint = if hint.is_empty() { format!(": the first one is in `{first}`") } else { hint };
    output::warn(format_args!("no flag of {rules} is in the environment `{wanted}`{hint}"));
}

/// Returns the elements of a list, each with its problems.
fn parts<'a>(list: &str, elements: &'a [Value], ruleset: &'a Ruleset) -> Vec<Part<'a>> {
    let part = |value| Part { value, problems: Vec::new() };
    let mut parts: Vec<_> = elements.iter().map(part).collect();
    for problem in ruleset.problems() {
        let element = problem.path().strip_prefix(list).and_then(|rest| {
            let (index, path) = rest.strip_prefix('[')?.split_once(']')?;
            Some((parts.get_mut(index.parse::<usize>().ok()?)?, path.trim_start_matches('.')))
        });
        if let Some((part, path)) = element {
            part.problems.push((path, problem.message()));
        }
    }
    parts
}

/// Returns a member that is not `null`.
pub(crate) fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Returns a member that is text and not empty.
pub(crate) fn text_of<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns the elements of a member. A value that is no list counts as its only element.
pub(crate) fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    match present(object, name) {
        None => &[],
        Some(Value::Array(elements)) => elements,
        Some(other) => slice::from_ref(other),
    }
}

/// Returns the document of a ruleset; `null` if its text is not kept.
pub(crate) fn of(ruleset: &Ruleset) -> Value {
    ruleset.text().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Returns the tags of a flag.
pub(crate) fn tags(flag: &Value) -> Vec<&str> {
    list(flag, "tags").iter().filter_map(Value::as_str).collect()
}
