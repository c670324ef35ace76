//! Converts contexts of requests, and evaluation results to the two response formats.

use phaseflag::{AttributeValue, EvaluationContext, EvaluationResult, Object, Reason, Value};

/// Returns the context of a request. The identifiers win over attributes of the same names.
pub(crate) fn context(
    user_id: Option<&str>,
    session_id: Option<&str>,
    attributes: &Value,
) -> EvaluationContext {
    let mut context = EvaluationContext::new();
    for (name, value) in attributes.as_object().into_iter().flat_map(Object::iter) {
        let value = match value {
            Value::String(text) => AttributeValue::from(text),
            Value::Number(number) => AttributeValue::from(*number),
            Value::Bool(value) => AttributeValue::from(*value),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        context = context.attribute(name, value);
    }
    if let Some(user_id) = user_id {
        context = context.user_id(user_id);
    }
    if let Some(session_id) = session_id {
        context = context.session_id(session_id);
    }
    context
}

/// Returns a result as an entry of the response to `POST /evaluate`; `None` is an unknown flag.
pub(crate) fn entry(result: Option<&EvaluationResult>) -> Value {
    let (value, variation_key, reason) = match result {
        Some(result) => (result.value().clone(), result.variation_key(), reason(&result.reason())),
        None => (Value::Null, None, "FLAG_NOT_FOUND"),
    };
    Value::from(Object::from([
        ("value", value),
        ("variation_key", Value::from(variation_key)),
        ("reason", Value::from(reason)),
    ]))
}

/// Returns a result as the response to `POST /sdk/evaluate`.
pub(crate) fn single(key: &str, variation_id: Value, result: &EvaluationResult) -> Object {
    Object::from([
        ("flag_key", Value::from(key)),
        ("variation_id", variation_id),
        ("variation_key", Value::from(result.variation_key())),
        ("value", result.value().clone()),
        ("reason", Value::from(result.reason().as_str())),
    ])
}

/// Returns the name of a reason in `POST /evaluate`.
fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::TargetingMatch => "TARGETING_RULE",
        Reason::PercentageRollout => "PERCENTAGE_ROLLOUT",
        Reason::FlagInactive => "DISABLED",
        Reason::PrerequisiteFailed => "PREREQUISITE",
        _ => "DEFAULT",
    }
}
