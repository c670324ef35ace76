//! `Value::read_as_serde`: converts a value into a type that derives serde's `Deserialize`.
//!
//! Each level adds its step to the path of an error on the way out.

use std::fmt;
use std::iter::Enumerate;
use std::slice;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Value;
use super::error::{Step, ValueError};
use super::number::{Number, Repr};

#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Value {
    /// Converts the value into a type that derives serde's `Deserialize`. A whole number is read
    /// as an integer, whether it is written as `3` or as `3.0`. The type may contain [`Value`]s.
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
    /// Returns an error with the path of the first mismatch if the value does not fit the type, or
    /// if arrays and objects nest deeper than 128 levels. Parsed text never nests that deep.
    ///
    /// Serde buffers structs with `#[serde(flatten)]`, untagged enums and internally tagged enums.
    /// Inside of such a type, the path ends at the buffered object, and `-0.0` is not an integer.
    pub fn read_as_serde<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        self.check_depth()?;
        T::deserialize(Reader::Value(self))
    }
}

/// Builds errors without a path; the path is added on the way out.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl de::Error for ValueError {
    fn custom<T: fmt::Display>(reason: T) -> ValueError {
        ValueError::new(reason.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ValueError {
        let found = match found {
            Unexpected::Unit => Unexpected::Other("null"),
            found => found,
        };
        ValueError::new(format!("invalid type: {found}, expected {expected}"))
    }
}

/// Implements methods of `Deserializer` by another one.
macro_rules! forward {
    ($to:ident: $($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
                self.$to(visitor)
            }
        )*
    };
}

/// A deserializer of a value, or of a member's key, whose type need not be a string.
#[derive(Clone, Copy)]
enum Reader<'a> {
    Value(&'a Value),
    Key(&'a str),
}

impl<'de> Reader<'de> {
    fn boolean<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Reader::Key("true") => visitor.visit_bool(true),
            Reader::Key("false") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Reader::Value(Value::Number(number)) => visit_number(*number, visitor),
            Reader::Key(key) => match (as_integer(key), as_integer(key), as_integer(key)) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, Some(value)) => visitor.visit_i128(value),
                (None, None, None) => visitor.visit_borrowed_str(key),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let number = match self {
            Reader::Value(Value::Number(number)) => Some(*number),
            Reader::Value(_) => None,
            Reader::Key(key) => Number::read(key),
        };
        match number {
            Some(number) => visitor.visit_f64(number.as_f64()),
            None => self.deserialize_any(visitor),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Reader::Value(Value::Null) => visitor.visit_unit(),
            Reader::Value(Value::Bool(value)) => visitor.visit_bool(*value),
            Reader::Value(Value::Number(number)) => match number.repr() {
                // Only a float can hold the sign of zero.
                Repr::Float(value) if value == 0.0 && value.is_sign_negative() => {
                    visitor.visit_f64(value)
                }
                _ => visit_number(*number, visitor),
            },
            Reader::Value(Value::String(text)) => visitor.visit_borrowed_str(text),
            Reader::Key(key) => visitor.visit_borrowed_str(key),
            Reader::Value(Value::Array(elements)) => {
                let mut elements = Elements(elements.iter().enumerate());
                let read = visitor.visit_seq(&mut elements)?;
                match elements.0.next() {
                    None => Ok(read),
                    Some((position, _)) => {
                        let error = ValueError::new("an element was not expected");
                        Err(error.within(Step::Element(position)))
                    }
                }
            }
            Reader::Value(Value::Object(object)) => {
                let mut members = Members { rest: object.iter(), read: None };
                let read = visitor.visit_map(&mut members)?;
                match members.rest.next() {
                    None => Ok(read),
                    Some((key, _)) => {
                        let error = ValueError::new("a member of this name was not expected");
                        Err(error.within(Step::Member(key)))
                    }
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Reader::Value(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self {
            Reader::Key(name) => visitor.visit_enum(name.into_deserializer()),
            Reader::Value(Value::String(name)) => {
                visitor.visit_enum(name.as_str().into_deserializer())
            }
            Reader::Value(Value::Object(object)) if object.len() == 1 => {
                let members = Members { rest: object.iter(), read: None };
                visitor.visit_enum(MapAccessDeserializer::new(members))
            }
            Reader::Value(other) => {
                let found = Unexpected::Other(other.type_name());
                Err(de::Error::invalid_type(found, &"a string, or an object with one member"))
            }
        }
    }

    /// The name of a member or a variant. Not a number, although serde accepts that too.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Reader::Key(_) | Reader::Value(Value::String(_)) => self.deserialize_any(visitor),
            Reader::Value(other) => {
                Err(de::Error::invalid_type(Unexpected::Other(other.type_name()), &visitor))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward!(boolean: deserialize_bool);
    forward!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    forward!(integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    forward!(integer: deserialize_i128 deserialize_u128);
    forward!(float: deserialize_f32 deserialize_f64);

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
    }
}

/// Parses a member's key as an integer. Only the canonical form counts, so that different keys
/// are different integers.
fn as_integer<T: FromStr + ToString>(key: &str) -> Option<T> {
    key.parse().ok().filter(|integer: &T| integer.to_string() == key)
}

/// Passes a whole number as an integer: visitors of integers accept no float.
fn visit_number<'de, V: Visitor<'de>>(number: Number, visitor: V) -> Result<V::Value, ValueError> {
    match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => visitor.visit_u64(value),
        (None, Some(value)) => visitor.visit_i64(value),
        (None, None) => visitor.visit_f64(number.as_f64()),
    }
}

/// The remaining elements of an array.
struct Elements<'a>(Enumerate<slice::Iter<'a, Value>>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some((position, element)) = self.0.next() else { return Ok(None) };
        let read = seed.deserialize(Reader::Value(element));
        read.map(Some).map_err(|error| error.within(Step::Element(position)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The remaining members of an object, and the one whose key was read last.
struct Members<'a, I> {
    rest: I,
    read: Option<(&'a str, &'a Value)>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> MapAccess<'de> for Members<'de, I> {
    type Error = ValueError;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        self.read = self.rest.next();
        let Some((key, _)) = self.read else { return Ok(None) };
        let read = seed.deserialize(Reader::Key(key));
        read.map(Some).map_err(|error| error.within(Step::Member(key)))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        let Some((key, value)) = self.read.take() else {
            return Err(ValueError::new("the value of a member was read before its key"));
        };
        seed.deserialize(Reader::Value(value)).map_err(|error| error.within(Step::Member(key)))
    }
}
