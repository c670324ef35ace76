//! A minimal evaluator with the same data structures, as the baseline for the client.
//!
//! It checks nothing, reads only the output of `realistic`, has two operators, and cannot replace
//! the rules while other threads read them.

use fnv::FnvHashMap;
use miniserde::json::{self, Value};
use miniserde::{Deserialize, Error};

#[derive(Deserialize)]
pub struct Document {
    pub version: String,
    pub flags: Vec<FlagDocument>,
    pub segments: Vec<SegmentDocument>,
}

#[derive(Deserialize)]
pub struct FlagDocument {
    pub id: String,
    pub key: String,
    pub flag_type: String,
    pub status: String,
    pub default_variation_id: String,
    pub variations: Vec<VariationDocument>,
    pub prerequisites: Vec<PrerequisiteDocument>,
    pub targeting_rules: Vec<RuleDocument>,
}

#[derive(Deserialize)]
pub struct VariationDocument {
    pub id: String,
    pub key: String,
    pub value: Value,
}

#[derive(Deserialize)]
pub struct PrerequisiteDocument {
    pub flag_key: String,
    pub variation_key: String,
}

#[derive(Deserialize)]
pub struct RuleDocument {
    pub priority: i64,
    pub conditions: Vec<ConditionDocument>,
    pub variation_id: Option<String>,
    pub segment_id: Option<String>,
    pub percentage_rollout: Option<RolloutDocument>,
}

#[derive(Deserialize)]
pub struct ConditionDocument {
    pub attribute: String,
    pub operator: String,
    pub value: Value,
}

#[derive(Deserialize)]
pub struct RolloutDocument {
    pub variations: Vec<EntryDocument>,
}

#[derive(Deserialize)]
pub struct EntryDocument {
    pub variation_id: String,
    pub weight: f64,
}

#[derive(Deserialize)]
pub struct SegmentDocument {
    pub id: String,
    pub key: String,
    pub conditions: Vec<ConditionDocument>,
}

/// Reads a ruleset into strings and lists.
pub fn parse(text: &str) -> Result<Document, Error> {
    json::from_str(text)
}

/// A context: the identifier for rollouts, and a few attributes in any order.
pub struct Context {
    pub user_id: String,
    pub attributes: Vec<(String, String)>,
}

/// The flags, by their keys.
pub struct Flags(FnvHashMap<String, Flag>);

struct Flag {
    seed: u32,
    values: Vec<Value>,
    default: usize,
    rules: Vec<Rule>,
}

struct Rule {
    /// Attributes, and their accepted values.
    conditions: Vec<(String, Vec<String>)>,
    serves: Serves,
}

enum Serves {
    Variation(usize),
    /// Each with the sum of the weights up to it.
    Rollout(Vec<(f64, usize)>),
}

impl Flags {
    /// Resolves references to variations. Prerequisites and segments are ignored.
    pub fn new(document: &Document) -> Flags {
        Flags(document.flags.iter().map(|flag| (flag.key.clone(), Flag::new(flag))).collect())
    }

    /// Returns the boolean that a flag serves.
    pub fn get_boolean_value(&self, key: &str, default: bool, context: &Context) -> bool {
        match self.0.get(key).map(|flag| flag.evaluate(context)) {
            Some(Value::Bool(value)) => *value,
            _ => default,
        }
    }
}

impl Flag {
    fn new(document: &FlagDocument) -> Flag {
        let position = |id: &str| document.variations.iter().position(|one| one.id == id).unwrap();
        let rules = document.targeting_rules.iter().map(|rule| Rule {
            conditions: rule.conditions.iter().map(condition).collect(),
            serves: match (&rule.variation_id, &rule.percentage_rollout) {
                (None, Some(rollout)) => {
                    let mut sum = 0.0;
                    let entries = rollout.variations.iter().map(|entry| {
                        sum += entry.weight;
                        (sum, position(&entry.variation_id))
                    });
                    Serves::Rollout(entries.collect())
                }
                (id, _) => Serves::Variation(position(id.as_deref().unwrap())),
            },
        });
        Flag {
            seed: djb2(djb2(5381, &document.key), ":"),
            values: document.variations.iter().map(|one| one.value.clone()).collect(),
            default: position(&document.default_variation_id),
            rules: rules.collect(),
        }
    }

    fn evaluate(&self, context: &Context) -> &Value {
        for rule in &self.rules {
            if !rule.conditions.iter().all(|(name, targets)| holds(context, name, targets)) {
                continue;
            }
            match &rule.serves {
                Serves::Variation(position) => return &self.values[*position],
                Serves::Rollout(entries) => {
                    let bucket = f64::from(djb2(self.seed, &context.user_id) % 100);
                    if let Some((_, position)) = entries.iter().find(|(sum, _)| bucket < *sum) {
                        return &self.values[*position];
                    }
                }
            }
        }
        &self.values[self.default]
    }
}

/// Converts `is` and `one_of`. Any other operator gets no targets, so it never holds.
fn condition(document: &ConditionDocument) -> (String, Vec<String>) {
    let targets = match (document.operator.as_str(), &document.value) {
        ("is", Value::String(target)) => vec![target.clone()],
        ("one_of", Value::Array(targets)) => targets.iter().filter_map(text).collect(),
        _ => Vec::new(),
    };
    (document.attribute.clone(), targets)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn holds(context: &Context, name: &str, targets: &[String]) -> bool {
    let found = context.attributes.iter().find(|(other, _)| other == name);
    found.is_some_and(|(_, value)| targets.iter().any(|target| target == value))
}

fn djb2(start: u32, text: &str) -> u32 {
    text.chars().fold(start, |hash, one| hash.wrapping_mul(33).wrapping_add(u32::from(one)))
}
