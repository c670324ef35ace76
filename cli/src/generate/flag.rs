//! What the generated code has to know of a flag: its key, its type and its default.

use std::collections::HashMap;

use phaseflag::{FlagInfo, FlagKind, Ruleset, Value};

use super::layout::literal;
use super::names::{Case, unique};
use super::shape::Shape;
use crate::rules::Rules;

/// The longest literal and the longest name of a variant, in characters. Longer values are texts
/// rather than choices.
const MAX_VALUE: usize = 40;
const MAX_VARIANT: usize = 30;

/// The largest number of variants.
const MAX_VARIANTS: usize = 100;

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) key: String,
    /// The description of the document, or else its name; empty if it has neither.
    pub(super) description: String,
    /// The key of the default variation, if its value has the type of the flag.
    pub(super) default_variation: Option<String>,
    pub(super) kind: Kind,
}

/// The type of a flag, with the default.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean(bool),
    /// With a literal.
    Number(String),
    Text(String),
    /// The variants in the order of the flag, one of which is the default.
    Enum(Vec<Variant>),
    /// A JSON object with these members, and the default as JSON.
    Struct(Shape, String),
    /// Any value, and the default as JSON.
    Any(String),
}

/// A variant of an enum.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) is_default: bool,
}

/// A variation of a flag.
struct Variation {
    key: Option<String>,
    value: Value,
}

/// Returns the flags of a document, in its order.
pub(super) fn flags(rules: &Rules) -> Vec<Flag> {
    let Rules { ruleset, document } = rules;
    let descriptions = descriptions(document);
    let flag = |info: FlagInfo| {
        let variations = variations(ruleset, info.key());
        let default = info.default_variation();
        let of_default = |it: &&Variation| it.key.as_deref() == default;
        let default = default.and_then(|_| variations.iter().find(of_default));
        let kind = Kind::of(info.kind(), &variations, default.map(|it| &it.value));
        let fits = default.filter(|default| kind.has(&default.value));
        Flag {
            key: info.key().to_owned(),
            description: descriptions
                .get(&(info.key(), info.environment()))
                .copied()
                .unwrap_or_default()
                .to_owned(),
            default_variation: fits.and_then(|default| default.key.clone()),
            kind,
        }
    };
    ruleset.flags().map(flag).collect()
}

/// Returns the variations of a flag: the shares of no users.
fn variations(ruleset: &Ruleset, key: &str) -> Vec<Variation> {
    let split = ruleset.split(key, None, [""; 0]);
    let shares = split.iter().flat_map(|split| split.shares());
    let variation = |share: &phaseflag::Share| Variation {
        key: share.variation_key().map(str::to_owned),
        value: share.value().clone(),
    };
    shares.map(variation).collect()
}

/// Returns the description of each flag, or else its name, by its key and its environment. The last
/// flag counts.
fn descriptions(document: &Value) -> HashMap<(&str, Option<&str>), &str> {
    let data = &document["data"];
    let lists = [document, &document["flags"], data, &data["flags"]];
    let Some(list) = lists.into_iter().find_map(Value::as_array) else { return HashMap::new() };
    list.iter().filter_map(described).collect()
}

/// A flag by its key and its environment, with a text.
type Described<'a> = ((&'a str, Option<&'a str>), &'a str);

fn described(flag: &Value) -> Option<Described<'_>> {
    let texts = ["description", "name"].map(|name| flag[name].as_str());
    let mut texts = texts.into_iter().flatten().filter(|text| !text.trim().is_empty());
    let name = (flag["key"].as_str()?, flag["environment"].as_str());
    Some((name, texts.next().unwrap_or_default()))
}

impl Kind {
    /// Returns the type of the values that a flag serves. `null` is no value: programs get the
    /// default instead.
    fn of(declared: FlagKind, variations: &[Variation], default: Option<&Value>) -> Kind {
        let values = variations.iter().map(|it| &it.value).filter(|value| !value.is_null());
        let text = default.and_then(Value::as_str);
        match (Shape::of(values), declared) {
            (Shape::Bool, _) | (Shape::Unknown, FlagKind::Boolean) => {
                Kind::Boolean(default.and_then(Value::as_bool).unwrap_or_default())
            }
            (Shape::Integer | Shape::Float, _) | (Shape::Unknown, FlagKind::Number) => {
                Kind::Number(float(default.filter(|value| !value.is_null())))
            }
            (Shape::Text, _) | (Shape::Unknown, FlagKind::String) => {
                let variants = text.and_then(|text| variants(variations, text));
                variants.map_or_else(|| Kind::Text(text.unwrap_or_default().to_owned()), Kind::Enum)
            }
            (shape @ Shape::Struct(_), _) => match default.filter(|value| !value.is_null()) {
                Some(default) if !shape.is_empty() => Kind::Struct(shape, default.to_string()),
                default => Kind::Any(default.unwrap_or(&Value::Null).to_string()),
            },
            _ => Kind::Any(default.unwrap_or(&Value::Null).to_string()),
        }
    }

    /// Returns whether a value, which is one of the flag, has this type.
    fn has(&self, value: &Value) -> bool {
        matches!(self, Kind::Any(_)) || !value.is_null()
    }
}

/// Returns a number as a literal of a float.
fn float(number: Option<&Value>) -> String {
    let mut text = number.map_or_else(|| "0".to_owned(), Value::to_string);
    if !text.contains(['.', 'e']) {
        text += ".0";
    }
    text
}

/// Returns the variants of an enum; `None` if the values are too few, too many, too long or not
/// distinct.
fn variants(variations: &[Variation], default: &str) -> Option<Vec<Variant>> {
    if variations.len() > MAX_VARIANTS {
        return None;
    }
    let mut values = Vec::new();
    for value in variations.iter().filter_map(|it| it.value.as_str()) {
        if literal(value).chars().count() > MAX_VALUE || values.contains(&value) {
            return None;
        }
        values.push(value);
    }
    if values.len() < 2 || values.len() < variations.len() {
        return None;
    }
    let keys = variations.iter().zip(&values);
    let keys: Vec<&str> = keys.map(|(it, value)| it.key.as_deref().unwrap_or(value)).collect();
    let names = unique(&keys, Case::Camel, &[]).ok()?;
    if names.iter().any(|name| name.len() > MAX_VARIANT) {
        return None;
    }
    let variant = |(name, value): (String, &str)| Variant {
        name,
        value: value.to_owned(),
        is_default: value == default,
    };
    Some(names.into_iter().zip(values).map(variant).collect())
}
