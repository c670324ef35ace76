//! Converts values between Phase Flag and OpenFeature.
//!
//! OpenFeature has no `null`, and no integer beyond `i64`.

use open_feature::StructValue;
use phaseflag::{Number, Object, Value};

/// Converts a Phase Flag value to an OpenFeature value. Returns `None` for `null`, and for a value
/// with `null` in a list.
///
/// A member of an object that is `null` is left out. A whole number in the range of `i64` is an
/// integer, even if it is written as `1.0`; any other number is the nearest float.
///
/// ```
/// use open_feature::{StructValue, Value};
///
/// let value: phaseflag::Value = r#"{"title": "Sale", "limit": 50, "until": null}"#.parse()?;
/// let expected = StructValue::default().with_field("title", "Sale").with_field("limit", 50);
/// assert_eq!(phaseflag_openfeature::to_value(&value), Some(Value::Struct(expected)));
/// # Ok::<(), phaseflag::JsonError>(())
/// ```
pub fn to_value(value: &Value) -> Option<open_feature::Value> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(open_feature::Value::Bool(*value)),
        Value::Number(number) => Some(to_number(*number)),
        Value::String(value) => Some(open_feature::Value::String(value.clone())),
        Value::Array(elements) => {
            elements.iter().map(to_value).collect::<Option<_>>().map(open_feature::Value::Array)
        }
        Value::Object(object) => to_struct(object).map(open_feature::Value::Struct),
    }
}

/// Converts an object to an OpenFeature structure, by the rules of [`to_value`]. Returns `None` for
/// an object with `null` in a list.
pub fn to_struct(object: &Object) -> Option<StructValue> {
    let members = object.iter().filter(|(_, value)| !value.is_null());
    let fields = members.map(|(key, value)| Some((key.to_owned(), to_value(value)?)));
    fields.collect::<Option<_>>().map(|fields| StructValue { fields })
}

/// Converts an OpenFeature value to a Phase Flag value. A float that is NaN or infinite becomes
/// `null`, since JSON has no such numbers.
///
/// ```
/// let value = open_feature::Value::from(vec!["red", "green"]);
/// assert_eq!(phaseflag_openfeature::from_value(&value).to_string(), r#"["red","green"]"#);
/// ```
pub fn from_value(value: &open_feature::Value) -> Value {
    match value {
        open_feature::Value::Bool(value) => Value::from(*value),
        open_feature::Value::Int(value) => Value::from(*value),
        open_feature::Value::Float(value) => Value::from(*value),
        open_feature::Value::String(value) => Value::from(value),
        open_feature::Value::Array(elements) => elements.iter().map(from_value).collect(),
        open_feature::Value::Struct(structure) => Value::from(from_struct(structure)),
    }
}

/// Converts an OpenFeature structure to an object, by the rules of [`from_value`].
pub fn from_struct(structure: &StructValue) -> Object {
    structure.fields.iter().map(|(key, value)| (key, from_value(value))).collect()
}

fn to_number(number: Number) -> open_feature::Value {
    match number.as_i64() {
        Some(integer) => open_feature::Value::Int(integer),
        None => open_feature::Value::Float(number.as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use open_feature::Value::{Array, Bool, Float, Int, String as Text, Struct};

    use super::*;

    fn structure(fields: &[(&str, open_feature::Value)]) -> open_feature::Value {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Struct(StructValue { fields: fields.collect() })
    }

    /// Each case is JSON, the OpenFeature value, and the JSON of that value.
    #[test]
    fn values_convert_both_ways() {
        let text = |text: &str| Text(text.to_owned());
        let cases = [
            ("true", Bool(true), "true"),
            ("false", Bool(false), "false"),
            ("\"\"", text(""), "\"\""),
            ("\"süß\"", text("süß"), "\"süß\""),
            ("0", Int(0), "0"),
            ("1.0", Int(1), "1"),
            ("-2", Int(-2), "-2"),
            ("1.99", Float(1.99), "1.99"),
            ("9007199254740993", Int(9_007_199_254_740_993), "9007199254740993"),
            ("9223372036854775807", Int(i64::MAX), "9223372036854775807"),
            ("-9223372036854775808", Int(i64::MIN), "-9223372036854775808"),
            ("18446744073709551615", Float(18_446_744_073_709_551_615.0), "1.8446744073709552e+19"),
            ("[]", Array(vec![]), "[]"),
            (
                "[1, [\"a\", 0.5], {}]",
                Array(vec![Int(1), Array(vec![text("a"), Float(0.5)]), structure(&[])]),
                "[1,[\"a\",0.5],{}]",
            ),
            (
                "{\"b\": {\"c\": [true]}, \"a\": null}",
                structure(&[("b", structure(&[("c", Array(vec![Bool(true)]))]))]),
                "{\"b\":{\"c\":[true]}}",
            ),
        ];
        for (json, expected, again) in cases {
            let value: Value = json.parse().unwrap();
            let converted = to_value(&value).unwrap();
            assert_eq!(converted, expected, "{json}");
            assert_eq!(from_value(&converted).to_string(), again, "{json}");
        }
    }

    #[test]
    fn null_has_no_counterpart() {
        for json in ["null", "[null]", "[1, [null]]", "{\"a\": [1, null]}", "[{\"a\": [null]}]"] {
            assert_eq!(to_value(&json.parse().unwrap()), None, "{json}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(from_value(&Float(value)), Value::Null);
        }
    }
}
