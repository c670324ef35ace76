//! Converts OpenFeature contexts to Phase Flag contexts.

use open_feature::EvaluationContextFieldValue as Field;
use phaseflag::{AttributeValue, EvaluationContext};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

const USER_ID: &str = "user_id";
const SESSION_ID: &str = "session_id";

/// The fields that replace a missing targeting key, the preferred one first.
const USER_ID_FIELDS: [&str; 3] = [USER_ID, "userId", "key"];

/// Converts an OpenFeature context to a Phase Flag context.
///
/// | OpenFeature | Phase Flag |
/// | --- | --- |
/// | targeting key | `user_id` |
/// | field `user_id` | `user_id`, if there is no targeting key |
/// | field `session_id` | `session_id` |
/// | field `userId`, otherwise `key` | an attribute, and `user_id` if none of the above sets it |
/// | any other boolean, integer, float or string | an attribute with the name of the field |
/// | any other date and time | an attribute with the name of the field: RFC 3339 text in UTC |
/// | any other structure that is a [`phaseflag::AttributeValue`] | that attribute |
///
/// Other structures are ignored, since an attribute is a single value. An identifier is text: a
/// number becomes text such as `42`, and a boolean becomes `true` or `false`. An empty identifier
/// counts as missing.
///
/// ```
/// use open_feature::EvaluationContext;
/// use phaseflag_openfeature::to_context;
///
/// let context = EvaluationContext::default()
///     .with_targeting_key("user-123")
///     .with_custom_field("plan", "pro");
/// let expected = phaseflag::EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
/// assert_eq!(to_context(&context), expected);
/// ```
pub fn to_context(context: &open_feature::EvaluationContext) -> EvaluationContext {
    let mut converted = EvaluationContext::new();
    for (name, field) in &context.custom_fields {
        if name == USER_ID || name == SESSION_ID {
            continue;
        }
        if let Some(value) = to_attribute(field) {
            converted = converted.attribute(name, value);
        }
    }
    let identifier = |name: &&str| {
        let value = context.custom_fields.get(*name).and_then(to_attribute);
        value.filter(is_identifier)
    };
    // The attributes `user_id` and `session_id` set the identifiers.
    let targeting_key = context.targeting_key.as_ref().map(AttributeValue::from);
    let user_id = targeting_key.filter(is_identifier);
    if let Some(user_id) = user_id.or_else(|| USER_ID_FIELDS.iter().find_map(identifier)) {
        converted = converted.attribute(USER_ID, user_id);
    }
    if let Some(session_id) = identifier(&SESSION_ID) {
        converted = converted.attribute(SESSION_ID, session_id);
    }
    converted
}

fn is_identifier(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::String(text) => !text.is_empty(),
        value => *value != AttributeValue::Missing,
    }
}

fn to_attribute(field: &Field) -> Option<AttributeValue> {
    match field {
        Field::Bool(value) => Some(AttributeValue::from(*value)),
        Field::Int(value) => Some(AttributeValue::from(*value)),
        Field::Float(value) => Some(AttributeValue::from(*value)),
        Field::String(value) => Some(AttributeValue::from(value)),
        // One zone, so that equal times are equal text. RFC 3339 has no years beyond four digits.
        Field::DateTime(at) => {
            let text = at.checked_to_offset(UtcOffset::UTC)?.format(&Rfc3339).ok()?;
            Some(AttributeValue::from(text))
        }
        Field::Struct(value) => value.downcast_ref::<AttributeValue>().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use open_feature::{EvaluationContext as Given, StructValue};
    use time::OffsetDateTime;

    use super::*;

    fn moment(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn fields_become_attributes() {
        let one_hour_east = UtcOffset::from_hms(1, 0, 0).unwrap();
        let half = time::Duration::milliseconds(500);
        let cases = [
            (Field::from(true), AttributeValue::from(true)),
            (Field::from(i64::MIN), AttributeValue::from(i64::MIN)),
            (Field::from(1.5), AttributeValue::from(1.5)),
            (Field::from(f64::NAN), AttributeValue::Missing),
            (Field::from("pro"), AttributeValue::from("pro")),
            (Field::from(""), AttributeValue::from("")),
            (Field::from(moment(1_775_314_800)), AttributeValue::from("2026-04-04T15:00:00Z")),
            (
                Field::from(moment(1_775_314_800).to_offset(one_hour_east)),
                AttributeValue::from("2026-04-04T15:00:00Z"),
            ),
            (
                Field::from(moment(1_775_314_800) + half),
                AttributeValue::from("2026-04-04T15:00:00.5Z"),
            ),
            (Field::new_struct(AttributeValue::from(u64::MAX)), AttributeValue::from(u64::MAX)),
            (Field::from(Arc::new(AttributeValue::from("a"))), AttributeValue::from("a")),
        ];
        for (field, expected) in cases {
            let converted = to_context(&Given::default().with_custom_field("name", field.clone()));
            let expected = EvaluationContext::new().attribute("name", expected);
            assert_eq!(converted, expected, "{field:?}");
        }
    }

    #[test]
    fn other_structures_and_years_are_ignored() {
        let one_hour_west = UtcOffset::from_hms(-1, 0, 0).unwrap();
        let fields = [
            Field::new_struct(StructValue::default().with_field("city", "Berlin")),
            Field::new_struct("text".to_owned()),
            Field::from(moment(-62_167_219_201)),
            Field::from(moment(253_402_300_799).replace_offset(one_hour_west)),
        ];
        for field in fields {
            let given = Given::default().with_custom_field("name", field.clone());
            assert_eq!(to_context(&given), EvaluationContext::new(), "{field:?}");
        }
    }

    #[test]
    fn identifiers_come_from_the_targeting_key_and_from_fields() {
        let none = Given::default();
        let with = |name: &str, value: Field| none.clone().with_custom_field(name, value);
        let new = EvaluationContext::new;
        let cases = [
            (none.clone(), new()),
            (none.clone().with_targeting_key("a"), new().user_id("a")),
            (none.clone().with_targeting_key(""), new()),
            (with("user_id", "b".into()).with_targeting_key(""), new().user_id("b")),
            (with("user_id", "".into()), new()),
            (with("session_id", "".into()), new()),
            (with("user_id", "b".into()), new().user_id("b")),
            (with("user_id", 7.into()), new().user_id("7")),
            (with("user_id", "b".into()).with_targeting_key("a"), new().user_id("a")),
            (with("user_id", 1.5.into()), new().user_id("1.5")),
            (with("user_id", f64::NAN.into()), new()),
            (with("user_id", false.into()), new().user_id("false")),
            (
                with("user_id", Field::new_struct(AttributeValue::from(u64::MAX))),
                new().user_id("18446744073709551615"),
            ),
            (with("user_id", Field::new_struct("ada".to_owned())), new()),
            (with("userId", "b".into()), new().user_id("b").attribute("userId", "b")),
            (with("key", 7.into()), new().user_id("7").attribute("key", 7)),
            (with("userId", "".into()), new().attribute("userId", "")),
            (with("userid", "b".into()), new().attribute("userid", "b")),
            (
                with("key", "b".into()).with_targeting_key("a"),
                new().user_id("a").attribute("key", "b"),
            ),
            (
                with("key", "b".into()).with_targeting_key(""),
                new().user_id("b").attribute("key", "b"),
            ),
            (
                with("key", "c".into()).with_custom_field("userId", "b"),
                new().user_id("b").attribute("userId", "b").attribute("key", "c"),
            ),
            (
                with("key", "c".into()).with_custom_field("userId", ""),
                new().user_id("c").attribute("userId", "").attribute("key", "c"),
            ),
            (
                with("userId", "b".into()).with_custom_field("user_id", "a"),
                new().user_id("a").attribute("userId", "b"),
            ),
            (with("session_id", "s".into()), new().session_id("s")),
            (with("session_id", 42.into()), new().session_id("42")),
            (with("session_id", true.into()), new().session_id("true")),
            (with("sessionId", "s".into()), new().attribute("sessionId", "s")),
            (
                with("session_id", "s".into()).with_targeting_key("a"),
                new().user_id("a").session_id("s"),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(to_context(&given), expected, "{given:?}");
        }
    }
}
