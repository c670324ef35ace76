//! Why an evaluation gives no value of the type that was asked for.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, write_causes};
use crate::value::ValueError;

/// Why a flag serves no value that was asked for.
#[derive(Clone)]
#[non_exhaustive]
pub enum EvaluationError {
    /// There are no rules: the client was not started, or its service has not sent any yet.
    #[non_exhaustive]
    NotReady {
        /// The key that was asked for.
        flag: String,
        /// Why there are none, where that is known: the client was not started, or the service
        /// has not answered as it should.
        cause: Option<Arc<Error>>,
    },
    /// There is no flag of this key.
    #[non_exhaustive]
    FlagNotFound {
        /// The key that was asked for.
        flag: String,
    },
    /// The flag serves a value of another type.
    #[non_exhaustive]
    WrongType {
        /// The key that was asked for.
        flag: String,
        /// The type of the value that it serves, with its article, such as `a string`.
        served: &'static str,
        /// What was asked for, with its article, such as `a boolean`.
        asked: &'static str,
    },
    /// The flag serves a value that is not what a type of the program expects.
    #[non_exhaustive]
    WrongShape {
        /// The key that was asked for.
        flag: String,
        /// What is wrong with the value, and where.
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

    /// Returns the key of the flag that was asked for.
    pub fn flag(&self) -> &str {
        match self {
            EvaluationError::NotReady { flag, .. }
            | EvaluationError::FlagNotFound { flag }
            | EvaluationError::WrongType { flag, .. }
            | EvaluationError::WrongShape { flag, .. } => flag,
        }
    }

    /// Returns the name, such as `flag_not_found`.
    pub fn as_str(&self) -> &'static str {
        match self {
            EvaluationError::NotReady { .. } => "not_ready",
            EvaluationError::FlagNotFound { .. } => "flag_not_found",
            EvaluationError::WrongType { .. } => "wrong_type",
            EvaluationError::WrongShape { .. } => "wrong_shape",
        }
    }
}

/// The sentence, which names the flag and, in its value, the path. With `{:#}`, the causes follow.
impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// The sentence and the causes.
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

/// Why there are no rules is a source; what is wrong with a value is in the sentence.
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
