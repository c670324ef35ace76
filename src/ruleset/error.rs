//! `RulesetError`: a text is not JSON, or has no list of flags.

use std::fmt;

use crate::value::JsonError;

/// A document is not a ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesetError {
    /// The text is not JSON.
    #[non_exhaustive]
    Syntax {
        /// The fault and its position.
        cause: JsonError,
    },
    /// The text is JSON, but has no list of flags.
    #[non_exhaustive]
    Shape {
        /// The path where the list was expected; empty for the whole document.
        path: String,
        /// The type that was found instead, with its article, such as `a string`.
        found: &'static str,
    },
}

impl RulesetError {
    pub(super) fn syntax(cause: JsonError) -> RulesetError {
        RulesetError::Syntax { cause }
    }

    pub(super) fn shape(path: &str, found: &'static str) -> RulesetError {
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
