//! Errors of JSON text and values: what is wrong, and where.

use std::fmt;

/// The error of a value that does not fit the type it is read as, with the path of the mismatch.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueError {
    path: String,
    reason: String,
}

impl ValueError {
    /// Returns the error of a whole value.
    pub(crate) fn new(reason: impl Into<String>) -> ValueError {
        ValueError { path: String::new(), reason: reason.into() }
    }

    /// Prepends a step to the path.
    pub(super) fn within(mut self, step: Step<'_>) -> ValueError {
        let point = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{point}{}", self.path);
        self
    }

    /// Returns the path, such as `limits.retries[2]`; empty for the whole value.
    ///
    /// A key is quoted if it is empty or contains anything but letters, digits, `_` and `-`:
    /// `limits["a.b"]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong at the path.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError { path, reason } if path.is_empty() => {
                write!(f, "failed to read the value: {reason}")
            }
            ValueError { path, reason } => write!(f, "failed to read `{path}`: {reason}"),
        }
    }
}

/// Writes the same text as `Display`.
impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ValueError {}

/// One step of a path into a value.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// Quotes a key that could be mistaken for a position or for two keys.
impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        match self {
            Step::Element(position) => write!(f, "[{position}]"),
            Step::Member(key) if !key.is_empty() && key.chars().all(plain) => f.write_str(key),
            Step::Member(key) => write!(f, "[{key:?}]"),
        }
    }
}

/// A syntax error in JSON text, with its line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    fault: &'static str,
    line: usize,
    column: usize,
}

impl JsonError {
    /// Returns the error at a byte of the text.
    pub(crate) fn new(fault: &'static str, text: &str, position: usize) -> JsonError {
        let (mut line, mut column) = (1, 1);
        for byte in text.bytes().take(position) {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                // A continuation byte of a character.
                0x80..=0xbf => {}
                _ => column += 1,
            }
        }
        JsonError { fault, line, column }
    }

    /// Returns the line, starting at 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in characters, starting at 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JsonError { fault, line, column } = self;
        write!(f, "{fault} at line {line}, column {column}")
    }
}

impl std::error::Error for JsonError {}
