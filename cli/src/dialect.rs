//! Rules in the form in which the self-hosted service sends them: variations by id, active flags
//! only, no prerequisites.

use phaseflag::{EvaluationContext, Object, Reason, Ruleset, Value};

use crate::rules::{Rules, member};

/// The members that refer to a variation, in the order in which they count.
const DEFAULTS: [&str; 3] = ["default_variation_id", "default_variation", "default_variation_key"];
const VARIATIONS: [&str; 3] = ["variation_id", "variation", "variation_key"];

/// Returns the flags that are active.
pub(crate) fn flags(rules: &Rules) -> Vec<Value> {
    let active = listed(rules).filter(|flag| {
        let key = member(flag, "key").as_str();
        key.is_some_and(|key| is_active(&rules.ruleset, key))
    });
    active.map(|flag| self::flag(flag).into()).collect()
}

/// Returns the segments.
pub(crate) fn segments(rules: &Rules) -> Value {
    each(rules.document.get("segments").unwrap_or(&Value::Null), segment)
}

/// Returns the flag of a key as it stands in the file: the last one, or `null`.
pub(crate) fn find<'a>(rules: &'a Rules, key: &str) -> &'a Value {
    let mut of_key = listed(rules).rev().filter(|flag| member(flag, "key").as_str() == Some(key));
    of_key.next().unwrap_or(&Value::Null)
}

/// Returns what makes a flag inactive.
pub(crate) fn inactive_status(flag: &Value) -> &str {
    // A flag with `"enabled": false` may be active otherwise.
    let status = member(flag, "status").as_str();
    status.filter(|status| *status != "active").unwrap_or("inactive")
}

/// Returns the id of a flag's variation, or `null`.
pub(crate) fn variation_id(flag: &Value, key: Option<&str>) -> Value {
    let variations = member(flag, "variations").as_array().unwrap_or_default();
    let mut found = variations.iter().map(variation).filter(|variation| {
        let other = variation.get("key").and_then(Value::as_str);
        other.is_some() && other == key
    });
    found.next().and_then(|mut variation| variation.remove("id")).unwrap_or(Value::Null)
}

fn is_active(ruleset: &Ruleset, key: &str) -> bool {
    let result = ruleset.evaluate(key, &EvaluationContext::new());
    result.is_some_and(|result| result.reason() != Reason::FlagInactive)
}

fn flag(flag: &Value) -> Object {
    let mut object = Object::from([
        ("id", first(flag, &["id", "key"])),
        ("key", member(flag, "key").clone()),
        ("name", first(flag, &["name", "key"])),
        ("flag_type", or(first(flag, &["flag_type"]), "boolean")),
        ("status", Value::from("active")),
        ("default_variation_id", first(flag, &DEFAULTS)),
        ("variations", each(member(flag, "variations"), variation)),
        ("targeting_rules", each(member(flag, "targeting_rules"), rule)),
        ("tags", or(member(flag, "tags").clone(), Vec::<Value>::new())),
    ]);
    give(&mut object, "environment", member(flag, "environment").clone());
    object
}

fn variation(variation: &Value) -> Object {
    Object::from([
        ("id", first(variation, &["id", "key"])),
        ("key", first(variation, &["key", "id"])),
        ("name", first(variation, &["name", "key", "id"])),
        ("value", member(variation, "value").clone()),
        ("description", member(variation, "description").clone()),
    ])
}

fn rule(rule: &Value) -> Object {
    let mut object = Object::from([
        ("priority", or(member(rule, "priority").clone(), 0)),
        ("conditions", each(member(rule, "conditions"), condition)),
    ]);
    give(&mut object, "variation_id", first(rule, &VARIATIONS));
    give(&mut object, "segment_id", first(rule, &["segment_id"]));
    let rollout = match member(rule, "percentage_rollout") {
        Value::Object(rollout) => rollout.get("variations").unwrap_or(&Value::Null),
        entries => entries,
    };
    if !rollout.is_null() {
        object.insert("percentage_rollout", Object::from([("variations", each(rollout, entry))]));
    }
    object
}

fn entry(entry: &Value) -> Object {
    let weight = or(first(entry, &["weight", "percentage"]), 0);
    Object::from([("variation_id", first(entry, &VARIATIONS)), ("weight", weight)])
}

fn condition(condition: &Value) -> Object {
    let value = or(member(condition, "value").clone(), member(condition, "values").clone());
    Object::from([
        ("attribute", member(condition, "attribute").clone()),
        ("operator", member(condition, "operator").clone()),
        ("value", value),
    ])
}

fn segment(segment: &Value) -> Object {
    Object::from([
        ("id", first(segment, &["id", "key"])),
        ("key", first(segment, &["key", "id"])),
        ("name", first(segment, &["name", "key", "id"])),
        ("conditions", each(member(segment, "conditions"), condition)),
    ])
}

/// Translates the objects of a list. Anything else stays, for the client to report.
fn each(value: &Value, translate: fn(&Value) -> Object) -> Value {
    match value {
        Value::Null => Value::Array(Vec::new()),
        Value::Array(elements) => {
            let translated = elements.iter().map(|element| match element {
                Value::Object(_) => translate(element).into(),
                other => other.clone(),
            });
            translated.collect()
        }
        other => other.clone(),
    }
}

/// Returns the first of these members that is neither absent nor empty.
fn first(value: &Value, names: &[&str]) -> Value {
    let given = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    let mut members = names.iter().map(|name| member(value, name)).filter(given);
    members.next().cloned().unwrap_or(Value::Null)
}

fn or(value: Value, default: impl Into<Value>) -> Value {
    if value.is_null() { default.into() } else { value }
}

/// Sets a member unless it is `null`.
fn give(object: &mut Object, name: &str, value: Value) {
    if !value.is_null() {
        object.insert(name, value);
    }
}

fn listed(rules: &Rules) -> std::slice::Iter<'_, Value> {
    rules.document.get("flags").and_then(Value::as_array).unwrap_or_default().iter()
}
