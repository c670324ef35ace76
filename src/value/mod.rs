//! JSON values: the type `Value`, its parser and its conversions.

mod error;
pub(crate) mod json;
mod number;
mod object;
mod parse;
mod read_as;
#[cfg(feature = "serde")]
mod read_as_serde;
mod scan;
#[cfg(feature = "serde")]
mod serde_impls;
mod spans;

pub use error::{JsonError, ValueError};
pub use number::Number;
pub(crate) use number::{NumberText, from_integers};
pub use object::Object;
pub(crate) use object::sort_members;
pub(crate) use parse::Slot;
pub(crate) use scan::{MAX_DEPTH, Span};
#[cfg(feature = "http")]
pub(crate) use spans::members;
pub(crate) use spans::{document, elements, entries, member, string};

use std::borrow::Cow;
use std::fmt;
use std::ops::Index;

use miniserde::ser::{Fragment, Serialize};

/// A JSON value.
///
/// Parsed values nest at most 128 levels. A value that a program builds may nest deeper, but to drop,
/// copy or compare some thousand levels exhausts the stack.
///
/// Numbers compare by value: `Value::from(1) == Value::from(1.0)`. Integers are exact over the
/// whole range of `i64` and `u64`. Any other number in JSON is read as the nearest `f64`.
///
/// ```
/// use phaseflag::Value;
///
/// let value: Value = "{\"plan\": \"pro\", \"seats\": [1, 2]}".parse()?;
/// assert_eq!(value["plan"], Value::from("pro"));
/// assert_eq!(value["seats"][1].as_i64(), Some(2));
/// assert_eq!(value["no"]["such"], Value::Null);
/// assert_eq!(value.to_string(), r#"{"plan":"pro","seats":[1,2]}"#);
/// # Ok::<(), phaseflag::JsonError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// The JSON `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// A string.
    String(String),
    /// A list of values.
    Array(Vec<Value>),
    /// A set of members: values by key.
    Object(Object),
}

impl Value {
    /// Returns the boolean, or `None` for any other type.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the string, or `None` for any other type.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the number, rounded to the nearest float, or `None` for any other type.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    /// Returns the number if it is whole and fits into an `i64`, or `None`.
    ///
    /// ```
    /// # use phaseflag::Value;
    /// assert_eq!(Value::from(2.0).as_i64(), Some(2));
    /// assert_eq!(Value::from(1.99).as_i64(), None);
    /// ```
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Returns the number if it is whole and fits into a `u64`, or `None`.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// Returns the elements, or `None` for any other type.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns the object, or `None` for any other type.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Returns a member of an object; `None` if it does not exist or the value is not an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// Returns whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Returns whether arrays and objects nest deeper than `levels`.
    pub(crate) fn is_deeper_than(&self, levels: u8) -> bool {
        let too_deep = |inner: &Value| match levels.checked_sub(1) {
            Some(levels) => inner.is_deeper_than(levels),
            None => true,
        };
        match self {
            Value::Array(elements) => levels == 0 || elements.iter().any(too_deep),
            Value::Object(object) => levels == 0 || object.iter().any(|(_, value)| too_deep(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    /// Returns the value, or `None` if its arrays and objects nest deeper than `levels`.
    pub(crate) fn up_to(self, levels: u8) -> Option<Value> {
        if !self.is_deeper_than(levels) {
            return Some(self);
        }
        // Without recursion, for which the stack may be too small.
        let mut remaining = vec![self];
        while let Some(value) = remaining.pop() {
            match value {
                Value::Array(elements) => remaining.extend(elements),
                Value::Object(object) => remaining.extend(object.into_values()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        None
    }

    /// Returns the name of the value's type with its article, for use in messages: `null`,
    /// `a boolean`, `a number`, `a string`, `a list` or `an object`.
    ///
    /// ```
    /// let value: phaseflag::Value = r#"[null, true, 1.5, "a", [], {}]"#.parse()?;
    /// let names: Vec<_> = value.as_array().unwrap().iter().map(|it| it.type_name()).collect();
    /// assert_eq!(names, ["null", "a boolean", "a number", "a string", "a list", "an object"]);
    /// # Ok::<(), phaseflag::JsonError>(())
    /// ```
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// The value of a missing member or element.
pub(crate) static NULL: Value = Value::Null;

/// The member of an object; `null` if it does not exist or the value is not an object.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&NULL)
    }
}

/// The element of an array; `null` if it does not exist or the value is not an array.
impl Index<usize> for Value {
    type Output = Value;

    fn index(&self, position: usize) -> &Value {
        self.as_array().and_then(|elements| elements.get(position)).unwrap_or(&NULL)
    }
}

/// Writes JSON text without white space.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&miniserde::json::to_string(self))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Value {
        Value::String(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value)
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(value: Cow<'_, str>) -> Value {
        Value::String(value.into_owned())
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Value {
        Value::Number(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Value {
        Value::Object(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Value {
        elements.into_iter().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Value {
        elements.into_iter().collect()
    }
}

impl<T: Clone + Into<Value>> From<&[T]> for Value {
    fn from(elements: &[T]) -> Value {
        elements.iter().cloned().collect()
    }
}

/// `None` becomes `null`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Value {
        Value::Array(elements.into_iter().map(Into::into).collect())
    }
}

/// NaN and the infinities, which JSON does not have, become `null`.
impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Number::from_f64(value).into()
    }
}

/// NaN and the infinities, which JSON does not have, become `null`.
impl From<f32> for Value {
    fn from(value: f32) -> Value {
        f64::from(value).into()
    }
}

from_integers!(Value);

impl Serialize for Value {
    fn begin(&self) -> Fragment<'_> {
        match self {
            Value::Null => Fragment::Null,
            Value::Bool(value) => Fragment::Bool(*value),
            Value::Number(number) => number.begin(),
            Value::String(value) => Fragment::Str(Cow::Borrowed(value)),
            Value::Array(elements) => elements.begin(),
            Value::Object(object) => object.begin(),
        }
    }
}
