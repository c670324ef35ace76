//! Changes of each part of the recorded documents: what clients see of them is never missed.

use phaseflag::{EvaluationContext, Object, Ruleset, Value};

use super::{Rules, between};

/// Replaces and removes each part of a document, and passes each result to `check`.
fn mutate(value: &Value, whole: &dyn Fn(Option<Value>) -> Value, check: &mut dyn FnMut(Value)) {
    check(whole(None));
    for other in ["null", "true", "40", "\"x\"", "[7]", "{}"] {
        check(whole(Some(other.parse().unwrap())));
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter() {
                let whole = |changed: Option<Value>| {
                    let mut members = members.clone();
                    match changed {
                        Some(changed) => members.insert(name, changed),
                        None => members.remove(name),
                    };
                    whole(Some(members.into()))
                };
                mutate(member, &whole, check);
            }
        }
        Value::Array(elements) => {
            for (position, element) in elements.iter().enumerate() {
                let whole = |changed: Option<Value>| {
                    let mut elements = elements.clone();
                    match changed {
                        Some(changed) => elements[position] = changed,
                        None => drop(elements.remove(position)),
                    }
                    whole(Some(Value::Array(elements)))
                };
                mutate(element, &whole, check);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What clients see of a flag: what they could serve, and why.
fn seen(ruleset: &Ruleset, key: &str) -> Option<String> {
    let contexts = [
        EvaluationContext::new(),
        EvaluationContext::new().user_id("ada").attribute("plan", "pro").attribute("country", "DE"),
        EvaluationContext::new().session_id("4711").attribute("n", 5).attribute("plan", "x"),
    ];
    let seen = contexts.map(|context| Some(ruleset.explain(key, &context)?.to_string()));
    let info = ruleset.flags().find(|flag| flag.key() == key)?;
    Some(format!("{info:?} {seen:?}"))
}

/// A change that clients see is a difference, whatever it makes of the document.
#[test]
fn no_change_is_missed() {
    let mut checked = 0;
    for text in [
        include_str!("../../../examples/flags.json"),
        include_str!("../../../tests/data/service/bootstrap.json"),
    ] {
        let all: Value = text.parse().unwrap();
        let flags = all["flags"].as_array().unwrap();
        for flag in flags {
            let with = |flag: Option<Value>| {
                let flags: Vec<_> = flag.into_iter().collect();
                let segments = all["segments"].clone();
                Value::from(Object::from([("flags", Value::from(flags)), ("segments", segments)]))
            };
            let old = with(Some(flag.clone()));
            let before = Ruleset::parse(&old.to_string()).unwrap();
            let key = flag["key"].as_str().unwrap();
            let seen_before = seen(&before, key);
            mutate(flag, &with, &mut |new| {
                checked += 1;
                let now = Ruleset::parse(&new.to_string()).unwrap();
                let differences = between(
                    Rules { ruleset: &before, document: &old },
                    Rules { ruleset: &now, document: &new },
                );
                let found = differences.iter().any(|one| one.name() == key);
                if seen(&now, key) != seen_before {
                    assert!(found, "{old} {new} {:?} {seen_before:?}", seen(&now, key));
                }
                for change in differences.iter().flat_map(|one| &one.changes) {
                    assert!(!change.text.is_empty(), "{old} {new}");
                }
            });
        }
    }
    assert!(checked > 5_000, "{checked}");
}
