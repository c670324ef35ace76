//! `Number`: a finite number that holds every 64-bit integer exactly.

use std::cmp::Ordering;
use std::fmt;

use miniserde::de::Visitor;
use miniserde::ser::{Fragment, Serialize};

/// A finite number: an integer of the range of `i64` or `u64`, or a float.
#[derive(Clone, Copy)]
pub struct Number(Repr);

/// The representation of a number.
#[derive(Clone, Copy)]
pub(super) enum Repr {
    Negative(i64),
    Nonnegative(u64),
    Float(f64),
}

impl Number {
    /// Returns the number, or `None` if the float is NaN or infinite.
    pub fn from_f64(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number(Repr::Float(value)))
    }

    /// Parses a number, with or without surrounding white space: a 64-bit integer, or the float
    /// that is nearest to any finite number that `str::parse::<f64>` accepts.
    pub(crate) fn read(text: &str) -> Option<Number> {
        let text = text.trim();
        let integer = text.parse::<i64>().map(Number::from);
        let integer = integer.or_else(|_| text.parse::<u64>().map(Number::from));
        integer.ok().or_else(|| Number::from_f64(text.parse().ok()?))
    }

    /// Returns the number, rounded to the nearest float.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Negative(value) => value as f64,
            Repr::Nonnegative(value) => value as f64,
            Repr::Float(value) => value,
        }
    }

    /// Returns the number if it is whole and fits into an `i64`, or `None`.
    pub fn as_i64(self) -> Option<i64> {
        i64::try_from(self.whole()?).ok()
    }

    /// Returns the number if it is whole and fits into a `u64`, or `None`.
    pub fn as_u64(self) -> Option<u64> {
        u64::try_from(self.whole()?).ok()
    }

    /// Returns the representation.
    #[cfg(feature = "serde")]
    pub(super) fn repr(self) -> Repr {
        self.0
    }

    /// Passes the number to a visitor.
    pub(super) fn pass_to(self, visitor: &mut dyn Visitor) -> miniserde::Result<()> {
        match self.0 {
            Repr::Negative(value) => visitor.negative(value),
            Repr::Nonnegative(value) => visitor.nonnegative(value),
            Repr::Float(value) => visitor.float(value),
        }
    }

    /// Returns the exact integer if the number is whole and its absolute value is below 1e30.
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

    /// Returns the string form: whole numbers below 1e21 without a decimal point, other floats in
    /// the shortest form that reads back.
    pub(crate) fn text(self) -> NumberText {
        let mut text = NumberText::default();
        // Cannot fail: the buffer holds the longest form.
        let _ = match self.0 {
            Repr::Negative(value) => fmt::write(&mut text, format_args!("{value}")),
            Repr::Nonnegative(value) => fmt::write(&mut text, format_args!("{value}")),
            Repr::Float(value) if value.trunc() == value && value.abs() < 1e21 => {
                fmt::write(&mut text, format_args!("{}", value as i128))
            }
            // The program contains miniserde's float formatter anyway; the standard library's
            // would add to its size.
            Repr::Float(value) => {
                let json = miniserde::json::to_string(&value);
                json.split('+').try_for_each(|part| fmt::Write::write_str(&mut text, part))
            }
        };
        text
    }
}

/// Compares by value without rounding, integers and floats alike.
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
            // A float with a fraction is below 2^53, and one of 1e30 is beyond every integer:
            // both compare correctly with the nearest float of any integer.
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
        f.pad(self.text().as_str())
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

/// Implements `From` of every integer type up to 64 bits for a type with a variant `Number`.
macro_rules! from_integers {
    ($target:ident) => {
        $crate::value::from_integers!($target, i64: i8 i16 i32 i64 isize);
        $crate::value::from_integers!($target, u64: u8 u16 u32 u64 usize);
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

/// The string form of a number, on the stack.
#[derive(Default)]
pub(crate) struct NumberText {
    bytes: [u8; 32],
    length: usize,
}

impl NumberText {
    pub(crate) fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Write for NumberText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let buffer = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        buffer.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<f64> {
        Number::read(text).map(Number::as_f64)
    }

    #[test]
    fn reads_what_the_standard_library_reads() {
        for text in [
            "0",
            "-0",
            "+0",
            "00",
            "1",
            "+1",
            "-1",
            "007",
            "1.",
            ".5",
            "-.5",
            "+.5",
            "1.5",
            "00.50",
            "1e5",
            "1E5",
            "1e+5",
            "1e-5",
            "1.e5",
            ".5e1",
            "-1.25e2",
            "1e308",
            "1e-308",
            "1e-400",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "1e21",
            "123456789012345.6",
            "0.1",
            "0.000001",
            "99999999999999.9",
            "",
            " ",
            ".",
            "-",
            "+",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "+-1",
            "--1",
            "1.2.3",
            "1e5e5",
            "1e5.5",
            "0x10",
            "1_000",
            "1,5",
            "one",
            "1 2",
            "inf",
            "-inf",
            "nan",
            "infinity",
            "NaN",
            "1e400",
            "-1e400",
            "1e99999999999999999999",
            "\u{661}",
            "1\u{0}",
        ] {
            let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
            assert_eq!(read(text), expected, "{text}");
            assert_eq!(read(&format!(" \t{text}\u{a0}\n")), expected, "{text}");
        }
    }

    /// Returns 200,000 finite floats: half of them of any bits, one in eight subnormal, the others
    /// of a common size.
    fn floats() -> impl Iterator<Item = f64> {
        let mut state = 1_u64;
        let floats = (0..100_000).flat_map(move |turn| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bits = if turn % 4 == 0 { state & !(0x7ff << 52) } else { state };
            [f64::from_bits(bits), (state >> 11) as f64 / ((state >> 58) + 1) as f64]
        });
        floats.map(|float| if float.is_finite() { float } else { 0.1 })
    }

    #[test]
    fn floats_are_read_exactly() {
        assert_eq!(floats().count(), 200_000);
        for float in floats() {
            for text in [format!("{float:e}"), format!("{float:.16e}"), format!("+{float:?} ")] {
                let text = text.replace("+-", "-");
                assert_eq!(read(&text).map(f64::to_bits), Some(float.to_bits()), "{text}");
            }
        }
    }

    /// Counts the significant digits.
    fn digits(text: &str) -> usize {
        let mantissa = text.split('e').next().unwrap();
        let digits = mantissa.trim_start_matches(['-', '0', '.']).trim_end_matches(".0");
        digits.bytes().filter(u8::is_ascii_digit).count()
    }

    #[test]
    fn writes_whole_numbers_exactly_and_others_in_the_shortest_form() {
        for value in floats() {
            let text = Number::from_f64(value).unwrap().to_string();
            if value.trunc() == value && value.abs() < 1e21 {
                assert_eq!(text, (value as i128).to_string());
            } else {
                assert_eq!(text.parse().map(f64::to_bits), Ok(value.to_bits()), "{text}");
                assert_eq!(digits(&text), digits(&format!("{value:e}")), "{text}");
            }
        }
    }
}
