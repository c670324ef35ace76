//! Evaluates the flags for one context, explains one of them, and splits a thousand users.

use std::time::{Duration, Instant};

use phaseflag::{AttributeValue, EvaluationContext, Object, Share, Split, Value};

use super::{MAX_TEXT, cut, explanation};
use crate::context;
use crate::serve::document::member;
use crate::serve::flags_file::Rules;

/// How many users are split.
const USERS: u64 = 1000;

/// How long each of the values and the split may take. A flag with slow patterns may need a tenth of
/// a second.
const LIMIT: Duration = Duration::from_secs(1);

/// The length of a value in the list of flags, in characters.
const MAX_LISTED: usize = 80;

/// Returns the answer to a request: `key`, `user_id`, `session_id`, and a list of `attributes` with
/// `name`, `value` and `text`.
pub(super) fn answer(rules: &Rules, request: &Value) -> Object {
    let (context, kinds) = read_context(request);
    let key = member(request, "key").as_str().unwrap_or_default();
    let explained = rules.ruleset.explain(key, &context);
    Object::from([
        ("version", Value::from(rules.version)),
        ("kinds", kinds),
        ("values", values(rules, &context).into()),
        ("explanation", explained.as_ref().map(explanation::object).into()),
        ("split", split(rules, key, &context).into()),
    ])
}

/// Returns the context, and the type of each attribute. The values of attributes are read like those
/// of `--attr`, or of `--attr-text` if `text` is true. Empty identifiers and names count as missing.
fn read_context(request: &Value) -> (EvaluationContext, Value) {
    let mut context = EvaluationContext::new();
    let mut kinds = Vec::new();
    for attribute in member(request, "attributes").as_array().unwrap_or_default() {
        let text = |name| member(attribute, name).as_str().unwrap_or_default();
        let (name, value) = (text("name"), text("value"));
        let is_text = member(attribute, "text").as_bool() == Some(true)
            || matches!(name, "user_id" | "session_id");
        let value = if is_text { value.into() } else { context::value(value) };
        kinds.push(match &value {
            AttributeValue::Bool(_) => "boolean",
            AttributeValue::Number(_) => "number",
            _ => "text",
        });
        if !name.is_empty() {
            context = context.attribute(name, value);
        }
    }
    let given = |name| member(request, name).as_str().filter(|text| !text.is_empty());
    if let Some(user_id) = given("user_id") {
        context = context.user_id(user_id);
    }
    if let Some(session_id) = given("session_id") {
        context = context.session_id(session_id);
    }
    (context, Value::from(kinds))
}

/// Returns the value of each flag as text, cut for a list.
fn values(rules: &Rules, context: &EvaluationContext) -> Object {
    let start = Instant::now();
    let flags = rules.ruleset.flags().take_while(|_| start.elapsed() < LIMIT);
    let values = flags.filter_map(|flag| {
        let result = rules.ruleset.evaluate(flag.key(), context)?;
        let text = match result.value() {
            Value::String(text) => cut(text, MAX_LISTED),
            value => cut(&value.to_string(), MAX_LISTED),
        };
        Some((flag.key().to_owned(), text))
    });
    values.collect()
}

/// Splits the users `user-1` to `user-1000`, or as many of them as the time allows.
fn split(rules: &Rules, key: &str, context: &EvaluationContext) -> Option<Object> {
    let start = Instant::now();
    let users = (1..=USERS).take_while(|_| start.elapsed() < LIMIT);
    let users = users.map(|number| format!("user-{number}"));
    let split: Split = rules.ruleset.split(key, context, users)?;
    let share = |share: &Share| {
        Object::from([
            ("variation_key", Value::from(share.variation_key())),
            ("value", cut(&share.value().to_string(), MAX_TEXT).into()),
            ("count", share.count().into()),
        ])
    };
    Some(Object::from([
        ("total", Value::from(split.total())),
        ("shares", split.shares().iter().map(share).collect()),
    ]))
}
