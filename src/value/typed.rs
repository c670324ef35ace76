//! JSON values into types of the program, by the places that miniserde makes for them.
//!
//! miniserde does not say where a value is wrong. So the places are filled from here, and the
//! first one that refuses is the path.

use miniserde::de::{Deserialize, Visitor};

use super::Value;
use super::error::{Step, ValueError};
use super::number::{Number, Repr};
use super::scan::MAX_DEPTH;

/// The reason where a place is complete, and lacks something.
const INCOMPLETE: &str = "a member is missing or wrong there";

impl Value {
    /// Reads the value as a type of the program that derives miniserde's `Deserialize`. A whole
    /// number is read as an integer, whether it stands as `3` or as `3.0`.
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
    /// assert_eq!(error.to_string(), "failed to read `retries[2]`: a string was not expected there");
    /// # Ok::<(), phaseflag::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the value is not what the type expects; with the path of the first such place. Also
    /// where arrays and objects nest deeper than 128 levels, which no text that is parsed does.
    pub fn read_as<T: Deserialize>(&self) -> Result<T, ValueError> {
        self.check_depth()?;
        let mut out = None;
        fill(self, T::begin(&mut out))?;
        out.ok_or_else(|| ValueError::new(INCOMPLETE))
    }

    /// Refuses what would exhaust the stack of whoever reads it.
    pub(super) fn check_depth(&self) -> Result<(), ValueError> {
        match self.is_deeper_than(MAX_DEPTH) {
            true => Err(ValueError::new(format!("it nests deeper than {MAX_DEPTH} levels"))),
            false => Ok(()),
        }
    }
}

/// Fills a place with a value.
fn fill(value: &Value, place: &mut dyn Visitor) -> Result<(), ValueError> {
    let unexpected = |_| ValueError::new(format!("{} was not expected there", name(value)));
    match value {
        Value::Null => place.null().map_err(unexpected),
        Value::Bool(value) => place.boolean(*value).map_err(unexpected),
        Value::Number(number) => fill_number(*number, place).map_err(unexpected),
        Value::String(text) => place.string(text).map_err(unexpected),
        Value::Array(elements) => {
            let mut list = place.seq().map_err(unexpected)?;
            for (position, element) in elements.iter().enumerate() {
                let filled = match list.element() {
                    Ok(place) => fill(element, place),
                    Err(_) => Err(ValueError::new("an element was not expected there")),
                };
                filled.map_err(|error| error.within(Step::Element(position)))?;
            }
            list.finish().map_err(|_| ValueError::new("an element is missing or wrong there"))
        }
        Value::Object(object) => {
            let mut members = place.map().map_err(unexpected)?;
            for (key, member) in object.iter() {
                let filled = match members.key(key) {
                    Ok(place) => fill(member, place),
                    Err(_) => Err(ValueError::new("a member of this name was not expected")),
                };
                filled.map_err(|error| error.within(Step::Member(key)))?;
            }
            members.finish().map_err(|_| ValueError::new(INCOMPLETE))
        }
    }
}

fn fill_number(number: Number, place: &mut dyn Visitor) -> miniserde::Result<()> {
    match number.repr() {
        Repr::Negative(value) => place.negative(value),
        Repr::Nonnegative(value) => place.nonnegative(value),
        Repr::Float(value) => place.float(value).or_else(|error| {
            // A place for integers takes no float.
            match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => place.nonnegative(value),
                (None, Some(value)) => place.negative(value),
                (None, None) => Err(error),
            }
        }),
    }
}

/// Returns the type of a value with its article, and of a number its worth: it may be the right
/// type and too large.
fn name(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("the number {number}"),
        value => value.type_name().to_owned(),
    }
}
