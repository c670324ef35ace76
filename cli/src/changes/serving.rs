//! What a flag and its rules serve: variations, and references to them.
//!
//! Names are resolved as the parser resolves them. What the parser refuses is kept as it stands, so
//! that each difference of it shows.

use phaseflag::Value;

use super::text;
use crate::document::{list, present, text_of};
use crate::names::Names;
use crate::output;

/// The variations of a flag.
pub(super) struct Variations<'a> {
    /// In the order of the document, each with its index and its name: its key if no other has it,
    /// else its id.
    pub(super) listed: Vec<(usize, String, &'a Value)>,
    ids: Names,
    keys: Names,
}

impl<'a> Variations<'a> {
    pub(super) fn of(flag: &'a Value) -> Variations<'a> {
        let (mut ids, mut keys) = (Names::new(), Names::new());
        let mut listed = Vec::new();
        for (index, variation) in list(flag, "variations").iter().enumerate() {
            let (id, key) = (text_of(variation, "id"), text_of(variation, "key"));
            let new_key = key.filter(|key| !keys.contains_key(*key));
            let name = new_key.or(id).or(key).map_or_else(|| variation.to_string(), str::to_owned);
            if let Some(id) = id {
                ids.entry(id.to_owned()).or_insert(index);
            }
            if let Some(key) = key {
                keys.entry(key.to_owned()).or_insert(index);
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
                    output::object(vec![
                        ("variation", variation.value()),
                        ("weight", weight.clone()),
                    ])
                };
                entries.iter().map(entry).collect()
            }
        }
    }
}
