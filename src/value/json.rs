//! Parses JSON text with visitors, and returns the line and column of an error.

use miniserde::de::Visitor;

use super::error::JsonError;
use super::scan::Scanner;

/// The maximum length of a text in bytes. Positions of flags and rules have 32 bits.
const MAX_LENGTH: usize = 1 << 30;

/// Parses a whole document.
pub(crate) fn read<T: Visitor + Default>(text: &str) -> Result<T, JsonError> {
    let mut document = T::default();
    read_into(text, &mut document)?;
    Ok(document)
}

/// Parses a whole document into a visitor. A byte-order mark is skipped.
pub(crate) fn read_into(text: &str, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
    let text = without_mark(text);
    if text.len() > MAX_LENGTH {
        return Err(JsonError::new("a text longer than 1 GiB", text, 0));
    }
    let mut scanner = Scanner::at(text, 0);
    scanner.document(visitor).map_err(|_| {
        let (fault, position) = scanner.fault();
        JsonError::new(fault, text, position)
    })
}

/// Returns the text without a byte-order mark.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the bytes of a text without its byte-order mark.
#[cfg(feature = "http")]
pub(crate) fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// Checks that bytes are UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (valid, _) = bytes.split_at(error.valid_up_to());
        JsonError::new("invalid UTF-8", &String::from_utf8_lossy(valid), valid.len())
    })
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use crate::value::Value;

    /// The text is never written, so that it takes no memory on most systems.
    #[test]
    fn a_text_has_at_most_a_gibibyte() {
        let text = String::from_utf8(vec![0; MAX_LENGTH + 1]).unwrap();
        let refused = |text: &str| text.parse::<Value>().unwrap_err().to_string();
        assert_eq!(refused(&text), "a text longer than 1 GiB at line 1, column 1");
        let (_, shorter) = text.split_at(1);
        assert_ne!(refused(shorter), refused(&text));
        assert_eq!(shorter.len(), 1024 * 1024 * 1024);
    }
}
