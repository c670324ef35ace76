//! One field of a document: a scalar, or any value.
//!
//! A field of the wrong type is recorded instead of failing the document.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use miniserde::de::{Map, Seq, Visitor};

use crate::value::{Number, Slot, Value};

/// The type of a value that is not of the expected type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
    /// An object without any of its required fields.
    EmptyObject,
}

impl Found {
    /// Returns the name of the type, with its article.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Found::Null => "null",
            Found::Boolean => "a boolean",
            Found::Number => "a number",
            Found::String => "a string",
            Found::List => "a list",
            Found::Object => "an object",
            Found::EmptyObject => "one that says nothing",
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a list or an object is present and of the expected type.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Shape {
    #[default]
    Absent,
    Given,
    /// Holds the type that was found instead.
    Malformed(Found),
}

/// A scalar field.
#[derive(Debug, Default)]
pub(crate) enum Field<T> {
    /// Missing, or `null`.
    #[default]
    Absent,
    Given(T),
    /// Holds the type that was found instead.
    Malformed(Found),
}

impl<T: Scalar> Field<T> {
    pub(super) fn begin(&mut self) -> &mut dyn Visitor {
        *self = Field::Absent;
        self
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }

    fn set(&mut self, value: Option<T>, found: Found) -> miniserde::Result<()> {
        *self = value.map_or(Field::Malformed(found), Field::Given);
        Ok(())
    }
}

/// A type that a scalar field can be read as.
pub(crate) trait Scalar: Sized {
    /// The JSON type that is expected, with its article.
    const EXPECTED: &'static str;

    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_number(_: Number) -> Option<Self> {
        None
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_bool(value: bool) -> Option<bool> {
        Some(value)
    }
}

impl Scalar for Box<str> {
    const EXPECTED: &'static str = "a string";

    fn from_text(value: &str) -> Option<Box<str>> {
        Some(value.into())
    }
}

impl Scalar for Arc<str> {
    const EXPECTED: &'static str = "a string";

    fn from_text(value: &str) -> Option<Arc<str>> {
        Some(value.into())
    }
}

impl Scalar for Number {
    const EXPECTED: &'static str = "a number";

    fn from_number(value: Number) -> Option<Number> {
        Some(value)
    }
}

impl<T: Scalar> Visitor for Field<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> miniserde::Result<()> {
        self.set(T::from_bool(value), Found::Boolean)
    }

    fn string(&mut self, value: &str) -> miniserde::Result<()> {
        self.set(T::from_text(value), Found::String)
    }

    fn negative(&mut self, value: i64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), Found::Number)
    }

    fn nonnegative(&mut self, value: u64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), Found::Number)
    }

    fn float(&mut self, value: f64) -> miniserde::Result<()> {
        self.set(Number::from_f64(value).and_then(T::from_number), Found::Number)
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        *self = Field::Malformed(Found::List);
        <dyn Visitor>::ignore().seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        *self = Field::Malformed(Found::Object);
        <dyn Visitor>::ignore().map()
    }
}

/// A string with few different values. The common ones take no memory.
#[derive(Debug)]
pub(crate) struct Word(Cow<'static, str>);

/// The strings that most documents repeat for each flag.
const COMMON_WORDS: [&str; 19] = [
    "active",
    "production",
    "development",
    "staging",
    "boolean",
    "string",
    "number",
    "json",
    "is",
    "one_of",
    "is_not",
    "not_one_of",
    "contains",
    "not_contains",
    "gt",
    "lt",
    "matches_regex",
    "version_gt",
    "version_lt",
];

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for Word {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Word> {
        let common = COMMON_WORDS.into_iter().find(|word| *word == text);
        Some(Word(common.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)))
    }
}

/// A field that may hold any value.
#[derive(Debug, Default)]
pub(crate) struct AnyField(Slot);

impl AnyField {
    pub(super) fn begin(&mut self) -> &mut dyn Visitor {
        self.0 = Slot::default();
        &mut self.0
    }

    /// Returns whether the field is missing or `null`.
    pub(super) fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    /// Takes the value; `null` if the field is absent.
    pub(crate) fn take_value(&mut self) -> Value {
        self.0.take().unwrap_or_default()
    }
}
