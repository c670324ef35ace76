//! Why a text is no ruleset: it is not JSON, or has no list of flags.

use std::fmt;

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

/// A document that is no ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesetError {
    /// The text is not JSON.
    #[non_exhaustive]
    Syntax {
        /// What is wrong, and where.
        cause: JsonError,
    },
    /// The text is JSON, and has no list of flags.
    #[non_exhaustive]
    Shape {
        /// Where the list was expected; empty for the whole document.
        path: String,
        /// What was found there, with its article.
        found: &'static str,
    },
}

impl RulesetError {
    pub(crate) fn syntax(cause: JsonError) -> RulesetError {
        RulesetError::Syntax { cause }
    }

    pub(crate) fn shape(path: &str, found: &'static str) -> RulesetError {
        RulesetError::Shape { path: path.to_owned(), found }
    }
}

impl fmt::Display for RulesetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesetError::Syntax { cause } => write!(f, "failed to parse ruleset: {cause}"),
            RulesetError::Shape { path, found } if path.is_empty() => {
                write!(f, "failed to parse ruleset: expected a list of flags, found {found}")
            }
            RulesetError::Shape { path, found } => {
                write!(
                    f,
                    "failed to parse ruleset: expected a list of flags at `{path}`, found {found}"
                )
            }
        }
    }
}

impl std::error::Error for RulesetError {}
