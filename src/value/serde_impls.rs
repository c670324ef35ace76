//! `From` conversions between `Value` and `serde_json::Value`, and serde's `Serialize` and
//! `Deserialize`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::{Number, Repr};
use super::{Object, Value};

/// Integers stay integers, and floats stay floats.
///
/// The depth of nesting is not limited: a value built with some thousand levels exhausts the
/// stack, as with any use of serde.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => match number.repr() {
                Repr::Negative(value) => value.into(),
                Repr::Nonnegative(value) => value.into(),
                Repr::Float(value) => value.into(),
            },
            Value::String(text) => text.as_str().into(),
            Value::Array(elements) => elements.iter().map(serde_json::Value::from).collect(),
            Value::Object(object) => {
                object.iter().map(|(key, value)| (key, serde_json::Value::from(value))).collect()
            }
        }
    }
}

/// Converts as from a reference.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<Value> for serde_json::Value {
    fn from(value: Value) -> serde_json::Value {
        serde_json::Value::from(&value)
    }
}

/// 64-bit integers stay integers, and floats stay floats. With serde_json's feature
/// `arbitrary_precision`, any other number is rounded to the nearest float, or becomes `null` if
/// it is out of range.
///
/// ```
/// use phaseflag::PhaseFlagClient;
/// use serde_json::json;
///
/// let client = PhaseFlagClient::without_service().build()?;
/// client.set_override("limits", json!({"items": 50, "retries": [1, 2, 4]}));
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => from_number(&number),
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(elements) => elements.into_iter().collect(),
            serde_json::Value::Object(members) => members.into_iter().collect::<Object>().into(),
        }
    }
}

/// Converts as from an owned value.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Value {
        value.clone().into()
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(elements) => serializer.collect_seq(elements),
            Value::Object(object) => object.serialize(serializer),
        }
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.repr() {
            Repr::Negative(value) => serializer.serialize_i64(value),
            Repr::Nonnegative(value) => serializer.serialize_u64(value),
            Repr::Float(value) => serializer.serialize_f64(value),
        }
    }
}

/// Accepts any value that `serde_json::Value` accepts. The format limits the depth of nesting.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Value::from)
    }
}

/// Accepts any object that `serde_json::Map` accepts. The format limits the depth of nesting.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        serde_json::Map::deserialize(deserializer).map(Object::from_iter)
    }
}

fn from_number(number: &serde_json::Number) -> Value {
    if let Some(value) = number.as_u64() {
        return value.into();
    }
    if let Some(value) = number.as_i64() {
        return value.into();
    }
    number.as_f64().into()
}
