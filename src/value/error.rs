//! Why a JSON value is not what a type of the program expects, and where.

use std::fmt;

/// A value that is not what a type of the program expects, with the place where it stops being so.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueError {
    path: String,
    reason: String,
}

impl ValueError {
    /// What is wrong with the whole value.
    pub(crate) fn new(reason: impl Into<String>) -> ValueError {
        ValueError { path: String::new(), reason: reason.into() }
    }

    /// The same error, seen from outside of the member or element where it arose.
    pub(super) fn within(mut self, step: Step<'_>) -> ValueError {
        let point = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{point}{}", self.path);
        self
    }

    /// Returns the path, such as `limits.retries[2]`; empty for the whole value. A key that is
    /// empty, or holds anything but letters, digits, `_` and `-`, is quoted: `limits["a.b"]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong there.
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

/// The sentence.
impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ValueError {}

/// A step into a value.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

/// As it stands in a path: no key is taken for a position, or for two keys.
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

/// A text that is not JSON, with the place where it stops being so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    fault: &'static str,
    line: usize,
    column: usize,
}

impl JsonError {
    /// The fault at a byte of the text.
    pub(crate) fn new(fault: &'static str, text: &str, position: usize) -> JsonError {
        let (mut line, mut column) = (1, 1);
        for byte in text.bytes().take(position) {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                // The rest of a character.
                0x80..=0xbf => {}
                _ => column += 1,
            }
        }
        JsonError { fault, line, column }
    }

    /// Returns the line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in characters, from 1.
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
