//! Exit statuses, and the errors that end a command.

use std::fmt;

/// The outcome of a command that did its work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Status {
    Success,
    /// Exit status 1: a flag is false, or the command has found what it looks for.
    Negative,
}

/// An error, with exit status 2.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// Invalid arguments; `command` is empty if no command was recognized.
    Usage {
        message: String,
        command: &'static str,
    },
    /// The service sent no rules, and there is no usable fallback.
    NoRules {
        message: String,
        /// The reason of a result that `--default` replaces.
        reason: &'static str,
    },
    Other(String),
    /// The reader of the output has closed it. `main` ends with success.
    OutputClosed,
}

impl Failure {
    pub(crate) fn other(message: impl Into<String>) -> Failure {
        Failure::Other(message.into())
    }
}

/// Includes the causes of the error in the message.
impl From<phaseflag::Error> for Failure {
    fn from(error: phaseflag::Error) -> Failure {
        Failure::Other(format!("{error:#}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage { message, command: "" } => {
                write!(f, "{message} (see `phaseflag --help`)")
            }
            Failure::Usage { message, command } => {
                write!(f, "{message} (see `phaseflag {command} --help`)")
            }
            Failure::NoRules { message, .. } | Failure::Other(message) => f.write_str(message),
            Failure::OutputClosed => f.write_str("the output is closed"),
        }
    }
}
