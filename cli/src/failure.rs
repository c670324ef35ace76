//! How a command ends: its exit status, or why it could not do its work.

use std::fmt;

/// An end that is no failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Status {
    Success,
    /// The answer is no: exit status 1.
    No,
}

/// An end with exit status 2.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// The command line was not understood; holds the command, or nothing.
    Usage { message: String, command: &'static str },
    /// There are no rules: the service gave none, and nothing was named that stands in for it.
    NoRules(String),
    /// Anything else.
    Other(String),
    /// Nobody reads the output any more. No failure to whoever stopped reading.
    OutputClosed,
}

impl Failure {
    pub(crate) fn other(message: impl Into<String>) -> Failure {
        Failure::Other(message.into())
    }
}

/// With its causes.
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
            Failure::NoRules(message) | Failure::Other(message) => f.write_str(message),
            Failure::OutputClosed => f.write_str("the output is closed"),
        }
    }
}
