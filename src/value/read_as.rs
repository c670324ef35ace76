//! `Value::read_as`: converts a value into a type that derives miniserde's `Deserialize`.
//!
//! miniserde's errors have no path. So this file calls the visitors itself, and the first one that
//! fails gives the path.

use miniserde::de::{Deserialize, Visitor};

use super::Value;
use super::error::{Step, ValueError};
use super::number::Number;
use super::scan::MAX_DEPTH;

/// The reason if a visitor fails after its last member.
const INCOMPLETE: &str = "a member is missing or wrong";

impl Value {
    /// Converts the value into a type that derives miniserde's `Deserialize`. A whole number is
    /// read as an integer, whether it is written as `3` or as `3.0`.
    ///
    /// ```
    /// use miniserde::Deserialize;
    /// use phaseflag::Value;
    ///
    /// #[derive(Deserialize)]
    /// struct Limits {
    ///     items: u32,
    ///     retries: Vec<u32>,
    /// }
    ///
    /// let value: Value = r#"{"items": 50, "retries": [1, 2, "4"]}"#.parse()?;
    /// let error = value.read_as::<Limits>().err().unwrap();
    /// assert_eq!(error.path(), "retries[2]");
    /// assert_eq!(error.to_string(), "failed to read `retries[2]`: a string was not expected");
    /// # Ok::<(), phaseflag::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error with the path of the first mismatch if the value does not fit the type, or
    /// if arrays and objects nest deeper than 128 levels. Parsed text never nests that deep.
    pub fn read_as<T: Deserialize>(&self) -> Result<T, ValueError> {
        self.check_depth()?;
        let mut out = None;
        fill(self, T::begin(&mut out))?;
        out.ok_or_else(|| ValueError::new(INCOMPLETE))
    }

    /// Returns an error if recursion over the value could exhaust the stack.
    pub(super) fn check_depth(&self) -> Result<(), ValueError> {
        match self.is_deeper_than(MAX_DEPTH) {
            true => Err(ValueError::new(format!("it nests deeper than {MAX_DEPTH} levels"))),
            false => Ok(()),
        }
    }
}

/// Passes a value to a visitor.
fn fill(value: &Value, visitor: &mut dyn Visitor) -> Result<(), ValueError> {
    let unexpected = |_| ValueError::new(format!("{} was not expected", describe(value)));
    match value {
        Value::Null => visitor.null().map_err(unexpected),
        Value::Bool(value) => visitor.boolean(*value).map_err(unexpected),
        Value::Number(number) => fill_number(*number, visitor).map_err(unexpected),
        Value::String(text) => visitor.string(text).map_err(unexpected),
        Value::Array(elements) => {
            let mut list = visitor.seq().map_err(unexpected)?;
            for (position, element) in elements.iter().enumerate() {
                let filled = match list.element() {
                    Ok(visitor) => fill(element, visitor),
                    Err(_) => Err(ValueError::new("an element was not expected")),
                };
                filled.map_err(|error| error.within(Step::Element(position)))?;
            }
            list.finish().map_err(|_| ValueError::new("an element is missing or wrong"))
        }
        Value::Object(object) => {
            let mut members = visitor.map().map_err(unexpected)?;
            for (key, member) in object.iter() {
                let filled = match members.key(key) {
                    Ok(visitor) => fill(member, visitor),
                    Err(_) => Err(ValueError::new("a member of this name was not expected")),
                };
                filled.map_err(|error| error.within(Step::Member(key)))?;
            }
            members.finish().map_err(|_| ValueError::new(INCOMPLETE))
        }
    }
}

fn fill_number(number: Number, visitor: &mut dyn Visitor) -> miniserde::Result<()> {
    number.pass_to(visitor).or_else(|error| {
        // A visitor of integers accepts no float.
        match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => visitor.nonnegative(value),
            (None, Some(value)) => visitor.negative(value),
            (None, None) => Err(error),
        }
    })
}

/// Describes a value: its type, and for a number also the number, which may be out of range.
fn describe(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("the number {number}"),
        value => value.type_name().to_owned(),
    }
}
