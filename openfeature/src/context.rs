//! Contexts of OpenFeature as contexts of Phase Flag.

use open_feature::EvaluationContextFieldValue as Field;
use phaseflag::{AttributeValue, EvaluationContext};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

const USER_ID: &str = "user_id";
const SESSION_ID: &str = "session_id";

/// Returns a context of OpenFeature as one of Phase Flag.
///
/// | OpenFeature | Phase Flag |
/// | --- | --- |
/// | targeting key | `user_id` |
/// | field `user_id`, a string or an integer | `user_id`, where there is no targeting key |
/// | field `session_id`, a string or an integer | `session_id` |
/// | any other boolean, integer, float or string | an attribute of the field's name |
/// | any other date and time | the same, as RFC 3339 text in UTC |
/// | any other structure that is a [`phaseflag::AttributeValue`] | that attribute |
///
/// Everything else is ignored, and so counts as missing: other structures, since attributes are
/// single values, and fields `user_id` and `session_id` of other types. An empty targeting key, and
/// an empty `user_id` or `session_id`, count as absent.
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
    let identifier = |name| context.custom_fields.get(name).and_then(to_identifier);
    let targeting_key = context.targeting_key.clone().filter(|key| !key.is_empty());
    let mut converted = EvaluationContext::new();
    if let Some(user_id) = targeting_key.or_else(|| identifier(USER_ID)) {
        converted = converted.user_id(user_id);
    }
    if let Some(session_id) = identifier(SESSION_ID) {
        converted = converted.session_id(session_id);
    }
    for (name, field) in &context.custom_fields {
        // Conditions on these read the context's own, and never an attribute.
        if name == USER_ID || name == SESSION_ID {
            continue;
        }
        if let Some(value) = to_attribute(field) {
            converted = converted.attribute(name, value);
        }
    }
    converted
}

fn to_identifier(field: &Field) -> Option<String> {
    match field {
        Field::String(value) => Some(value.clone()).filter(|value| !value.is_empty()),
        Field::Int(value) => Some(value.to_string()),
        Field::Bool(_) | Field::Float(_) | Field::DateTime(_) | Field::Struct(_) => None,
    }
}

fn to_attribute(field: &Field) -> Option<AttributeValue> {
    match field {
        Field::Bool(value) => Some(AttributeValue::from(*value)),
        Field::Int(value) => Some(AttributeValue::from(*value)),
        Field::Float(value) => Some(AttributeValue::from(*value)),
        Field::String(value) => Some(AttributeValue::from(value)),
        // In one zone, so that one moment has one text. Years beyond four digits have none.
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
    fn what_is_no_single_value_is_ignored() {
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
            (with("user_id", 1.5.into()), new()),
            (with("session_id", "s".into()), new().session_id("s")),
            (with("session_id", 42.into()), new().session_id("42")),
            (with("session_id", true.into()), new()),
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
