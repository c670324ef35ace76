//! `EvaluationError`: why a flag serves no value of the requested type.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, write_causes};
use crate::value::ValueError;

/// Why a flag serves no value of the requested type.
#[derive(Clone)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The client has no rules yet.
    #[non_exhaustive]
    NotReady {
        /// The key of the flag.
        flag: String,
        /// The reason, if it is known: the client is not started or is stopped, or the last poll
        /// failed, or the watched bootstrap file cannot be used.
        cause: Option<Arc<Error>>,
    },
    /// The rules have no flag with this key.
    #[non_exhaustive]
    FlagNotFound {
        /// The key of the flag.
        flag: String,
    },
    /// The flag serves a value of another type.
    #[non_exhaustive]
    WrongType {
        /// The key of the flag.
        flag: String,
        /// The type of the served value, with an article, such as `a string`.
        served: &'static str,
        /// The requested type, with an article, such as `a boolean`.
        asked: &'static str,
    },
    /// The served value does not fit the type that the program deserializes it into.
    #[non_exhaustive]
    WrongShape {
        /// The key of the flag.
        flag: String,
        /// The mismatch and its path in the value.
        cause: ValueError,
    },
}

impl EvaluationError {
    pub(super) fn not_ready(flag: &str, cause: Option<Error>) -> EvaluationError {
        EvaluationError::NotReady { flag: flag.to_owned(), cause: cause.map(Arc::new) }
    }

    pub(super) fn flag_not_found(flag: &str) -> EvaluationError {
        EvaluationError::FlagNotFound { flag: flag.to_owned() }
    }

    pub(super) fn wrong_type(
        flag: &str,
        served: &'static str,
        asked: &'static str,
    ) -> EvaluationError {
        EvaluationError::WrongType { flag: flag.to_owned(), served, asked }
    }

    pub(super) fn wrong_shape(flag: &str, cause: ValueError) -> EvaluationError {
        EvaluationError::WrongShape { flag: flag.to_owned(), cause }
    }

    /// Returns the key of the flag.
    pub fn flag(&self) -> &str {
        match self {
            EvaluationError::NotReady { flag, .. }
            | EvaluationError::FlagNotFound { flag }
            | EvaluationError::WrongType { flag, .. }
            | EvaluationError::WrongShape { flag, .. } => flag,
        }
    }

    /// Returns the name of the error, such as `flag_not_found`.
    pub fn as_str(&self) -> &'static str {
        match self {
            EvaluationError::NotReady { .. } => "not_ready",
            EvaluationError::FlagNotFound { .. } => "flag_not_found",
            EvaluationError::WrongType { .. } => "wrong_type",
            EvaluationError::WrongShape { .. } => "wrong_shape",
        }
    }
}

/// Writes a sentence that names the flag. `{:#}` adds the causes.
impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// Writes the sentence and the causes.
impl fmt::Debug for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        write_causes(f, self)
    }
}

impl EvaluationError {
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvaluationError::NotReady { flag, .. } => write!(f, "flag `{flag}`: no rules yet"),
            EvaluationError::FlagNotFound { flag } => write!(f, "there is no flag `{flag}`"),
            EvaluationError::WrongType { flag, served, asked } => {
                write!(f, "flag `{flag}` serves {served}, not {asked}")
            }
            EvaluationError::WrongShape { flag, cause } => write!(f, "flag `{flag}`: {cause}"),
        }
    }
}

/// The cause of `NotReady` is a source. The cause of `WrongShape` is part of the sentence.
impl std::error::Error for EvaluationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EvaluationError::NotReady { cause, .. } => cause.as_deref().map(|cause| cause as _),
            EvaluationError::FlagNotFound { .. }
            | EvaluationError::WrongType { .. }
            | EvaluationError::WrongShape { .. } => None,
        }
    }
}
