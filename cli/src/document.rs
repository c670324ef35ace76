//! The document of a ruleset, in either dialect: what it holds beside what a client evaluates.

use std::collections::HashMap;
use std::slice;

use phaseflag::{FlagInfo, Ruleset, Value};

/// A document, with the flags that clients see.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The flags in the order of the ruleset, each with its part of the document.
    pub(crate) flags: Vec<(FlagInfo, Part<'a>)>,
    /// The segments by name, in the order of the document.
    pub(crate) segments: Vec<(&'a str, Part<'a>)>,
    segment_ids: HashMap<&'a str, &'a Value>,
    segment_keys: HashMap<&'a str, &'a Value>,
}

/// A flag or a segment of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) value: &'a Value,
    /// What the parser reports: the path in the part, and the message.
    pub(crate) problems: Vec<(&'a str, &'a str)>,
}

impl<'a> Document<'a> {
    /// Reads the document of a ruleset.
    pub(crate) fn new(ruleset: &'a Ruleset, document: &'a Value) -> Document<'a> {
        let inner = match present(document, "flags") {
            Some(_) => document,
            None => present(document, "data").unwrap_or(document),
        };
        let flags = present(inner, "flags").unwrap_or(inner);
        // Of several flags with the same key, the parser takes the last one of the environment.
        let mut by_key = HashMap::new();
        for (index, flag) in flags.as_array().unwrap_or_default().iter().enumerate() {
            if let Some(key) = flag.get("key").and_then(Value::as_str) {
                by_key.insert((key, text_of(flag, "environment")), (index, flag));
            }
        }
        let mut problems = problems(ruleset);
        let mut part = |list, index, value| {
            let problems = problems.remove(&(list, index)).unwrap_or_default();
            Part { value, problems }
        };
        let listed = ruleset.flags().map(|info| {
            let found = by_key.get(&(info.key(), info.environment())).copied();
            let (index, value) = found.unwrap_or((usize::MAX, &Value::Null));
            (info, part("flags", index, value))
        });
        let flags = listed.collect();
        let segments = present(inner, "segments").or_else(|| present(document, "segments"));
        let segments = segments.and_then(Value::as_array).unwrap_or_default();
        let by = |name| segments.iter().filter_map(move |it| Some((text_of(it, name)?, it)));
        let (segment_ids, segment_keys) = (by("id").collect(), by("key").collect());
        let named = segments.iter().enumerate().filter_map(|(index, segment)| {
            Some((segment_name(segment)?, part("segments", index, segment)))
        });
        Document { flags, segments: named.collect(), segment_ids, segment_keys }
    }

    /// Returns the name of the segment that a rule names by id or key.
    pub(crate) fn segment_name(&self, reference: &str) -> Option<&'a str> {
        let found = self.segment_ids.get(reference).or_else(|| self.segment_keys.get(reference));
        segment_name(found?)
    }
}

/// Returns the problems of each element of both lists: the path in the element, and the message.
fn problems(ruleset: &Ruleset) -> HashMap<(&str, usize), Vec<(&str, &str)>> {
    let mut problems: HashMap<_, Vec<_>> = HashMap::new();
    for problem in ruleset.problems() {
        let element = problem.path().split_once('[').and_then(|(list, rest)| {
            let (index, path) = rest.split_once(']')?;
            Some((list, index.parse().ok()?, path.trim_start_matches('.')))
        });
        if let Some((list, index, path)) = element {
            problems.entry((list, index)).or_default().push((path, problem.message()));
        }
    }
    problems
}

fn segment_name(segment: &Value) -> Option<&str> {
    text_of(segment, "key").or_else(|| text_of(segment, "id"))
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
