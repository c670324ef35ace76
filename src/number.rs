//! `Number`: a finite number, exact over all integers of 64 bits.

use std::cmp::Ordering;
use std::fmt;

use miniserde::ser::{Fragment, Serialize};

/// A finite number: an integer over the whole of `i64` and `u64`, or a float.
#[derive(Clone, Copy)]
pub struct Number(Repr);

#[derive(Clone, Copy)]
enum Repr {
    Negative(i64),
    Nonnegative(u64),
    Float(f64),
}

impl Number {
    /// Returns the number, or `None` where it is NaN or infinite.
    pub fn from_f64(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number(Repr::Float(value)))
    }

    /// Returns the number, rounded to the nearest float.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Negative(value) => value as f64,
            Repr::Nonnegative(value) => value as f64,
            Repr::Float(value) => value,
        }
    }

    /// Returns the number where it is whole and fits, or `None`.
    pub fn as_i64(self) -> Option<i64> {
        i64::try_from(self.whole()?).ok()
    }

    /// Returns the number where it is whole, not negative and fits, or `None`.
    pub fn as_u64(self) -> Option<u64> {
        u64::try_from(self.whole()?).ok()
    }

    /// The exact integer, where this is one below 1e30 in size.
    fn whole(self) -> Option<i128> {
        match self.0 {
            Repr::Negative(value) => Some(value.into()),
            Repr::Nonnegative(value) => Some(value.into()),
            Repr::Float(value) if value.trunc() == value && value.abs() < 1e30 => {
                Some(value as i128)
            }
            Repr::Float(_) => None,
        }
    }

    /// Calls `read` with the string form: whole numbers below 1e21 without a decimal point,
    /// other floats in the shortest form that reads back.
    pub(crate) fn with_text<T>(self, read: impl FnOnce(&str) -> T) -> T {
        let mut text = StackText::default();
        // Writing to the stack cannot fail: no form is longer than the buffer.
        let _ = match self.0 {
            Repr::Negative(value) => fmt::write(&mut text, format_args!("{value}")),
            Repr::Nonnegative(value) => fmt::write(&mut text, format_args!("{value}")),
            Repr::Float(value) if value.trunc() == value && value.abs() < 1e21 => {
                fmt::write(&mut text, format_args!("{}", value as i128))
            }
            // miniserde brings a writer of floats; the standard library's would be a second one.
            Repr::Float(value) => {
                fmt::Write::write_str(&mut text, &miniserde::json::to_string(&value))
            }
        };
        read(text.as_str())
    }
}

/// By what they are worth, integers and floats alike, without rounding.
impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.whole(), other.whole()) {
            (Some(left), Some(right)) => left.cmp(&right),
            // A float with a fraction lies below 2^53, and one of 1e30 beyond every integer:
            // both compare rightly with the nearest float of any integer.
            _ => self.as_f64().total_cmp(&other.as_f64()),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whole numbers below 1e21 without a decimal point, other floats in the shortest form that
/// reads back.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.pad(text))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number(u64::try_from(value).map_or(Repr::Negative(value), Repr::Nonnegative))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(Repr::Nonnegative(value))
    }
}

/// Makes a type that has a variant `Number` from each of Rust's integers up to 64 bits.
macro_rules! from_integers {
    ($target:ident) => {
        $crate::number::from_integers!($target, i64: i8 i16 i32 i64 isize);
        $crate::number::from_integers!($target, u64: u8 u16 u32 u64 usize);
    };
    ($target:ident, $wide:ty: $($integer:ty)*) => {
        $(
            impl From<$integer> for $target {
                fn from(value: $integer) -> $target {
                    $target::Number(Number::from(value as $wide))
                }
            }
        )*
    };
}
pub(crate) use from_integers;

impl Serialize for Number {
    fn begin(&self) -> Fragment<'_> {
        match self.0 {
            Repr::Negative(value) => Fragment::I64(value),
            Repr::Nonnegative(value) => Fragment::U64(value),
            Repr::Float(value) => Fragment::F64(value),
        }
    }
}

/// Room for the longest string form of a number.
#[derive(Default)]
struct StackText {
    bytes: [u8; 32],
    length: usize,
}

impl StackText {
    fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
