//! Describes the flags of the file as JSON, without a context.

use std::collections::HashMap;

use phaseflag::{FlagInfo, Object, Value};

use super::{MAX_TEXT, Page, cut};
use crate::serve::document::{hash, member};

/// How many problems are shown.
const MAX_PROBLEMS: usize = 100;

pub(super) fn describe(page: &Page) -> Object {
    let rules = &page.rules;
    let listed = rules.document.get("flags").and_then(Value::as_array).unwrap_or_default();
    // Of several flags with the same key, the last one is used.
    let by_key: HashMap<&str, &Value> =
        listed.iter().filter_map(|flag| Some((member(flag, "key").as_str()?, flag))).collect();
    let flags = rules.ruleset.flags().map(|info| {
        let document = by_key.get(info.key()).copied().unwrap_or(&Value::Null);
        flag(&info, document)
    });
    let problems = rules.ruleset.problems();
    let shown = problems.iter().take(MAX_PROBLEMS).map(|problem| cut(&problem.to_string(), 1000));
    Object::from([
        ("file", Value::from(&page.file)),
        ("version", Value::from(rules.version)),
        ("edits", Value::from(page.edits)),
        ("trouble", Value::from(page.trouble.as_deref())),
        ("flags", flags.collect()),
        ("problems", shown.collect()),
        ("problem_count", Value::from(problems.len())),
    ])
}

fn flag(info: &FlagInfo, document: &Value) -> Object {
    let text = |name| member(document, name).as_str().map(|text| cut(text, MAX_TEXT));
    let tags = member(document, "tags").as_array().unwrap_or_default();
    let tags = tags.iter().filter_map(Value::as_str).map(|tag| cut(tag, 100));
    Object::from([
        ("key", Value::from(info.key())),
        ("name", Value::from(text("name"))),
        ("description", Value::from(text("description"))),
        ("tags", tags.take(20).collect()),
        ("kind", Value::from(info.kind().as_str())),
        ("environment", Value::from(info.environment())),
        ("on", Value::from(info.is_on())),
        ("rules", Value::from(info.rule_count())),
        ("default_variation", Value::from(info.default_variation())),
        // It differs if anything in the flag does.
        ("fingerprint", Value::from(format!("{:016x}", hash(&document.to_string())))),
    ])
}
