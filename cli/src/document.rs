//! The document of a ruleset, in either dialect: what it holds beside what a client evaluates.

use std::collections::HashMap;
use std::slice;

use phaseflag::{FlagInfo, Ruleset, Value};

/// A document, with the flags that clients see.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The flags in the order of the ruleset, each with its part of the document.
    pub(crate) flags: Vec<(FlagInfo, &'a Value)>,
    /// The segments by name, in the order of the document.
    pub(crate) segments: Vec<(&'a str, &'a Value)>,
    segment_ids: HashMap<&'a str, &'a Value>,
    segment_keys: HashMap<&'a str, &'a Value>,
}

impl<'a> Document<'a> {
    /// Reads the document of a ruleset.
    pub(crate) fn new(ruleset: &Ruleset, document: &'a Value) -> Document<'a> {
        let inner = match present(document, "flags") {
            Some(_) => document,
            None => present(document, "data").unwrap_or(document),
        };
        let flags = present(inner, "flags").unwrap_or(inner);
        // Of several flags with the same key, the parser takes the last one of the environment.
        let mut by_key = HashMap::new();
        for flag in flags.as_array().unwrap_or_default() {
            if let Some(key) = flag.get("key").and_then(Value::as_str) {
                by_key.insert((key, text_of(flag, "environment")), flag);
            }
        }
        let listed = ruleset.flags().map(|info| {
            let found = by_key.get(&(info.key(), info.environment())).copied();
            (info, found.unwrap_or(&Value::Null))
        });
        let flags = listed.collect();
        let segments = present(inner, "segments").or_else(|| present(document, "segments"));
        let segments = segments.and_then(Value::as_array).unwrap_or_default();
        let by = |name| segments.iter().filter_map(move |it| Some((text_of(it, name)?, it)));
        let (segment_ids, segment_keys) = (by("id").collect(), by("key").collect());
        let named = segments.iter().filter_map(|it| Some((segment_name(it)?, it)));
        Document { flags, segments: named.collect(), segment_ids, segment_keys }
    }

    /// Returns the segment that a rule names by id or key, with its name.
    pub(crate) fn segment(&self, reference: &str) -> Option<(&'a str, &'a Value)> {
        let found = self.segment_ids.get(reference).or_else(|| self.segment_keys.get(reference));
        let segment = found.copied()?;
        Some((segment_name(segment)?, segment))
    }
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
