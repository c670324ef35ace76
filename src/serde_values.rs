//! Values to and from `serde_json`, and into types of the program by serde.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::evaluation_error::ValueError;
use crate::number::{Number, Repr};
use crate::value::{Object, Value};

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Value {
    /// Reads the value as a type of the program that derives serde's `Deserialize`. A whole number
    /// is read as an integer, whether it stands as `3` or as `3.0`.
    ///
    /// ```
    /// use phaseflag::Value;
    /// use serde::Deserialize;
    ///
    /// #[derive(Debug, Deserialize)]
    /// struct Limits {
    ///     items: u32,
    ///     #[serde(default)]
    ///     retries: Vec<u32>,
    /// }
    ///
    /// let value: Value = r#"{"items": 50, "retries": [1, 2, "4"]}"#.parse()?;
    /// let error = value.read_as_serde::<Limits>().unwrap_err();
    /// assert_eq!(error.path(), "retries[2]");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "failed to read `retries[2]`: invalid type: string \"4\", expected u32"
    /// );
    /// # Ok::<(), phaseflag::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the value is not what the type expects; with the path of the first such place.
    pub fn read_as_serde<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        serde_path_to_error::deserialize(to_json(self, worth)).map_err(|error| {
            let path = match error.path().iter().next() {
                Some(_) => error.path().to_string(),
                None => String::new(),
            };
            ValueError::new(path, error.inner().to_string())
        })
    }
}

/// Numbers keep their worth: integers and floats stay what they are.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> serde_json::Value {
        to_json(value, exact)
    }
}

/// As from a reference.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl From<Value> for serde_json::Value {
    fn from(value: Value) -> serde_json::Value {
        serde_json::Value::from(&value)
    }
}

/// Integers of 64 bits and floats stay what they are. With serde_json's feature
/// `arbitrary_precision`, other numbers are rounded to the nearest float, and those beyond any
/// are `null`.
///
/// ```
/// use phaseflag::PhaseFlagClient;
/// use serde_json::json;
///
/// let client = PhaseFlagClient::builder("", "").build()?;
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

/// As from an owned value.
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

/// Any value that `serde_json::Value` takes. It bounds no nesting: that is up to the format.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Value::from)
    }
}

fn to_json(value: &Value, number: fn(Number) -> serde_json::Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(value) => number(*value),
        Value::String(text) => text.as_str().into(),
        Value::Array(elements) => elements.iter().map(|value| to_json(value, number)).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key, to_json(value, number))).collect()
        }
    }
}

/// The number as it is kept.
fn exact(number: Number) -> serde_json::Value {
    match number.repr() {
        Repr::Negative(value) => value.into(),
        Repr::Nonnegative(value) => value.into(),
        Repr::Float(value) => value.into(),
    }
}

/// The integer where it is one in worth: types for integers take no float.
fn worth(number: Number) -> serde_json::Value {
    match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => value.into(),
        (None, Some(value)) => value.into(),
        (None, None) => number.as_f64().into(),
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
