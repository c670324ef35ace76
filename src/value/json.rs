//! Parses JSON text with miniserde, limits the nesting, and finds the position of an error.
//!
//! miniserde does neither: visitors count the depth with `deeper`, and after a failure the scanner
//! reads the text again to find the position.

use miniserde::de::{Deserialize, Map, Seq, Visitor};

use super::error::JsonError;
use super::scan::{self, MAX_DEPTH};

/// The maximum length of a text in bytes; miniserde counts digits in 31 bits.
const MAX_LENGTH: usize = 1 << 30;

/// Parses a whole document.
pub(crate) fn read<T: Deserialize>(text: &str) -> Result<T, JsonError> {
    let text = without_mark(text);
    if text.len() > MAX_LENGTH {
        return Err(JsonError::new("a text longer than 1 GiB", text, MAX_LENGTH));
    }
    miniserde::json::from_str(text).map_err(|_| locate(text))
}

/// Returns the text without a byte-order mark.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Checks that bytes are UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (valid, _) = bytes.split_at(error.valid_up_to());
        JsonError::new("invalid UTF-8", &String::from_utf8_lossy(valid), valid.len())
    })
}

/// Returns the depth inside of an array or object at `depth`, or an error beyond the limit.
pub(crate) fn deeper(depth: u8) -> miniserde::Result<u8> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(miniserde::Error) }
}

/// A visitor that accepts any value and ignores it.
#[derive(Debug)]
pub(crate) struct Skip {
    depth: u8,
}

impl Skip {
    pub(crate) fn at(depth: u8) -> Skip {
        Skip { depth }
    }

    fn inside(&self) -> miniserde::Result<Box<Skip>> {
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }
}

impl Visitor for Skip {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn boolean(&mut self, _: bool) -> miniserde::Result<()> {
        Ok(())
    }

    fn string(&mut self, _: &str) -> miniserde::Result<()> {
        Ok(())
    }

    fn negative(&mut self, _: i64) -> miniserde::Result<()> {
        Ok(())
    }

    fn nonnegative(&mut self, _: u64) -> miniserde::Result<()> {
        Ok(())
    }

    fn float(&mut self, _: f64) -> miniserde::Result<()> {
        Ok(())
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        Ok(self.inside()?)
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        Ok(self.inside()?)
    }
}

impl Seq for Skip {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        Ok(self)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}

impl Map for Skip {
    fn key(&mut self, _: &str) -> miniserde::Result<&mut dyn Visitor> {
        Ok(self)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}

/// Finds the position of the first syntax error of a text that miniserde refused.
fn locate(text: &str) -> JsonError {
    let (fault, position) = match scan::check(text) {
        Err(fault) => fault,
        // miniserde and the scanner disagree: a test shows that no such text exists.
        Ok(()) => ("invalid JSON", text.len()),
    };
    JsonError::new(fault, text, position)
}
