//! Reads flags and segments of a document, in either dialect.
//!
//! Names are resolved as the parser resolves them. What the parser refuses is kept as it stands, so
//! that each difference of it shows.

use std::collections::HashMap;
use std::slice;

use phaseflag::{FlagInfo, Object, Ruleset, Value};

use super::condition::Condition;
use super::text;

/// A document, with the flags that clients see.
pub(super) struct Document<'a> {
    /// The flags in the order of the ruleset, each with its part of the document.
    pub(super) flags: Vec<(FlagInfo, &'a Value)>,
    /// The segments by name, in the order of the document.
    pub(super) segments: Vec<(&'a str, &'a Value)>,
    segment_ids: HashMap<&'a str, &'a Value>,
    segment_keys: HashMap<&'a str, &'a Value>,
}

impl<'a> Document<'a> {
    pub(super) fn new(ruleset: &Ruleset, document: &'a Value) -> Document<'a> {
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
    pub(super) fn segment(&self, reference: &str) -> Option<(&'a str, &'a Value)> {
        let found = self.segment_ids.get(reference).or_else(|| self.segment_keys.get(reference));
        let segment = found.copied()?;
        Some((segment_name(segment)?, segment))
    }
}

fn segment_name(segment: &Value) -> Option<&str> {
    text_of(segment, "key").or_else(|| text_of(segment, "id"))
}

/// Returns a member that is not `null`.
pub(super) fn present<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Returns a member that is text and not empty.
pub(super) fn text_of<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns the elements of a member. A value that is no list counts as its only element.
pub(super) fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    match present(object, name) {
        None => &[],
        Some(Value::Array(elements)) => elements,
        Some(other) => slice::from_ref(other),
    }
}

/// Returns the conditions of a rule or a segment.
pub(super) fn conditions(object: &Value) -> Vec<Condition> {
    list(object, "conditions").iter().map(Condition::read).collect()
}

/// The variations of a flag.
pub(super) struct Variations<'a> {
    /// In the order of the document, each with its index and its name: its key if no other has it,
    /// else its id.
    pub(super) listed: Vec<(usize, String, &'a Value)>,
    ids: HashMap<&'a str, usize>,
    keys: HashMap<&'a str, usize>,
}

impl<'a> Variations<'a> {
    pub(super) fn of(flag: &'a Value) -> Variations<'a> {
        let (mut ids, mut keys) = (HashMap::new(), HashMap::new());
        let mut listed = Vec::new();
        for (index, variation) in list(flag, "variations").iter().enumerate() {
            let (id, key) = (text_of(variation, "id"), text_of(variation, "key"));
            let new_key = key.filter(|key| !keys.contains_key(key));
            let name = new_key.or(id).or(key).map_or_else(|| variation.to_string(), str::to_owned);
            if let Some(id) = id {
                ids.entry(id).or_insert(index);
            }
            if let Some(key) = key {
                keys.entry(key).or_insert(index);
            }
            listed.push((index, name, variation));
        }
        Variations { listed, ids, keys }
    }

    /// Returns the variation that an object refers to by the first of these members.
    pub(super) fn referred(&self, object: &Value, members: &[&str]) -> Reference {
        let Some(name) = members.iter().find_map(|member| text_of(object, member)) else {
            return Reference::default();
        };
        let found = self.ids.get(name).or_else(|| self.keys.get(name));
        match found.and_then(|index| self.listed.get(*index)) {
            Some((_, name, _)) => Reference { name: Some(name.clone()), exists: true },
            None => Reference { name: Some(name.to_owned()), exists: false },
        }
    }
}

/// A reference to a variation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reference {
    /// `None` if no variation is named.
    pub(super) name: Option<String>,
    pub(super) exists: bool,
}

impl Reference {
    pub(super) fn text(&self) -> String {
        match &self.name {
            Some(name) if self.exists => text::code(name),
            Some(name) => format!("{} (missing)", text::code(name)),
            None => "none".to_owned(),
        }
    }

    pub(super) fn value(&self) -> Value {
        Value::from(self.name.as_deref())
    }
}

/// What a rule serves.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Serves {
    Variation(Reference),
    /// Variations with their weights.
    Rollout(Vec<(Reference, Value)>),
    Nothing,
}

impl Serves {
    pub(super) fn read(rule: &Value, variations: &Variations<'_>) -> Serves {
        let members = ["variation_id", "variation"];
        let variation = variations.referred(rule, &members);
        if variation.name.is_some() {
            return Serves::Variation(variation);
        }
        let entries = match present(rule, "percentage_rollout") {
            None => return Serves::Nothing,
            Some(rollout @ Value::Object(_)) => list(rollout, "variations"),
            Some(_) => list(rule, "percentage_rollout"),
        };
        let entry = |entry: &Value| {
            let weight = present(entry, "weight").or_else(|| present(entry, "percentage"));
            (variations.referred(entry, &members), weight.cloned().unwrap_or(Value::from(0)))
        };
        Serves::Rollout(entries.iter().map(entry).collect())
    }

    pub(super) fn text(&self) -> String {
        match self {
            Serves::Variation(variation) => format!("serves {}", variation.text()),
            Serves::Nothing => "serves nothing".to_owned(),
            Serves::Rollout(entries) => {
                let entry = |(variation, weight): &(Reference, Value)| {
                    format!("{} {}", variation.text(), text::value(weight))
                };
                format!("rollout {}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns what is served as JSON, in the same form for both dialects.
    pub(super) fn value(&self) -> Value {
        match self {
            Serves::Variation(variation) => variation.value(),
            Serves::Nothing => Value::Null,
            Serves::Rollout(entries) => {
                let entry = |(variation, weight): &(Reference, Value)| {
                    Object::from([("variation", variation.value()), ("weight", weight.clone())])
                };
                entries.iter().map(entry).collect()
            }
        }
    }
}
