//! What goes wrong with clients, bootstraps and requests, and its text.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::ruleset::RulesetError;

/// What can go wrong between a program and its flags.
#[non_exhaustive]
pub enum Error {
    /// The client cannot be built as it was asked for.
    #[non_exhaustive]
    InvalidSetting {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The bootstrap cannot be read, and there is nothing else that could ever be served.
    #[non_exhaustive]
    Bootstrap {
        /// The path of the file, or `bootstrap_text`.
        location: String,
        /// Why it cannot be read.
        cause: BootstrapError,
    },
    /// The system refused to start a thread.
    #[non_exhaustive]
    Thread {
        /// The system's reason.
        cause: io::Error,
    },
    /// The client has not been started.
    NotStarted,
    /// The client has been stopped.
    Stopped,
    /// The client did not become ready in time.
    #[non_exhaustive]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// The last failure, where there was one.
        cause: Option<RequestError>,
    },
    /// The service refused the API key.
    #[non_exhaustive]
    KeyRefused {
        /// The service's answer.
        cause: RequestError,
    },
    /// The service does not know the flag.
    #[non_exhaustive]
    FlagNotFound {
        /// The key that was asked for.
        flag: String,
    },
    /// The service does not evaluate the flag because it is not active.
    #[non_exhaustive]
    FlagInactive {
        /// The key that was asked for.
        flag: String,
    },
    /// The client has no `base_url`, and so no service to ask.
    NoService,
    /// A request failed.
    #[non_exhaustive]
    Request {
        /// Which request, and how.
        cause: RequestError,
    },
    /// Some events were not delivered.
    #[non_exhaustive]
    Flush {
        /// How many events wait for the next try.
        queued: usize,
        /// How many events the service refused for good; they are dropped.
        rejected: usize,
        /// The failure of the last request.
        cause: RequestError,
    },
}

impl Error {
    pub(crate) fn setting(setting: &'static str, reason: impl Into<String>) -> Error {
        Error::InvalidSetting { setting, reason: reason.into() }
    }
}

impl From<RequestError> for Error {
    fn from(cause: RequestError) -> Error {
        Error::Request { cause }
    }
}

/// With `{:#}`, the causes follow.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// The sentence and the causes: what `unwrap`, or a `main` that returns an error, shows people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        write_causes(f, self)
    }
}

impl Error {
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidSetting { setting, reason } => {
                write!(f, "failed to build client: `{setting}` {reason}")
            }
            Error::Bootstrap { location, .. } => write!(f, "failed to load bootstrap `{location}`"),
            Error::Thread { .. } => f.write_str("failed to start thread"),
            Error::NotStarted => f.write_str("the client has not been started"),
            Error::Stopped => f.write_str("the client has been stopped"),
            Error::NotReady { waited, cause: None } => {
                write!(f, "the client was not ready within {waited:?}: no answer yet")
            }
            Error::NotReady { waited, cause: Some(_) } => {
                write!(f, "the client was not ready within {waited:?}")
            }
            Error::KeyRefused { .. } => f.write_str("the service refused the API key"),
            Error::FlagNotFound { flag } => write!(f, "the service has no flag `{flag}`"),
            Error::FlagInactive { flag } => write!(f, "the flag `{flag}` is not active"),
            Error::NoService => {
                f.write_str("the client has no `base_url`: there is no service to ask")
            }
            Error::Request { cause } => cause.write_sentence(f),
            Error::Flush { queued, rejected: 0, .. } => {
                write!(f, "failed to deliver events: {queued} wait for the next try")
            }
            Error::Flush { queued, rejected, .. } => write!(
                f,
                "failed to deliver events: {queued} wait for the next try, {rejected} were refused and dropped"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Bootstrap { cause, .. } => Some(cause),
            Error::Thread { cause } => Some(cause),
            Error::NotReady { cause, .. } => cause.as_ref().map(|cause| cause as _),
            Error::KeyRefused { cause } | Error::Flush { cause, .. } => Some(cause),
            Error::Request { cause } => cause.source(),
            Error::InvalidSetting { .. }
            | Error::NotStarted
            | Error::Stopped
            | Error::FlagNotFound { .. }
            | Error::FlagInactive { .. }
            | Error::NoService => None,
        }
    }
}

/// Why a bootstrap cannot be read.
#[non_exhaustive]
pub enum BootstrapError {
    /// The file cannot be read.
    #[non_exhaustive]
    Io {
        /// The system's reason.
        cause: io::Error,
    },
    /// The text is no ruleset.
    #[non_exhaustive]
    Ruleset {
        /// What is wrong with it, and where.
        cause: RulesetError,
    },
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootstrapError::Io { cause } => fmt::Display::fmt(cause, f),
            BootstrapError::Ruleset { cause } => fmt::Display::fmt(cause, f),
        }
    }
}

/// The sentence.
impl fmt::Debug for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BootstrapError {}

/// A request to the service that failed. Holds no key.
#[derive(Clone)]
#[non_exhaustive]
pub enum RequestError {
    /// There was no connection, or it broke: name resolution, TCP, TLS or HTTP itself.
    #[non_exhaustive]
    Transport {
        /// The address that was asked.
        url: String,
        /// What the HTTP library says.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The whole request took longer than it may.
    #[non_exhaustive]
    Timeout {
        /// The address that was asked.
        url: String,
        /// How long the request may take.
        limit: Duration,
    },
    /// The service answered with a status that is no success.
    #[non_exhaustive]
    Status {
        /// The address that was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The service's own code for it, such as `FLAG_NOT_FOUND`; empty where it gives none.
        code: String,
        /// What the service says of it; empty where it says nothing.
        message: String,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// The body is larger than `max_body_size`.
    #[non_exhaustive]
    TooLarge {
        /// The address that was asked.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is compressed in a way that the client does not read.
    #[non_exhaustive]
    Encoding {
        /// The address that was asked.
        url: String,
        /// The value of `Content-Encoding`.
        encoding: String,
    },
    /// The body is no ruleset.
    #[non_exhaustive]
    Ruleset {
        /// The address that was asked.
        url: String,
        /// What is wrong with it, and where.
        cause: RulesetError,
    },
    /// The body is not what the service documents.
    #[non_exhaustive]
    Answer {
        /// The address that was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RequestError {
    /// Returns the HTTP status where that is what went wrong.
    pub fn status(&self) -> Option<u16> {
        match self {
            RequestError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// With `{:#}`, the cause follows.
impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// The sentence and the cause.
impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        write_causes(f, self)
    }
}

impl RequestError {
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Transport { url, .. } => write!(f, "failed to reach `{url}`"),
            RequestError::Timeout { url, limit } => {
                write!(f, "failed to get an answer from `{url}` within {limit:?}")
            }
            RequestError::Status { url, status, message, .. } => {
                write!(f, "`{url}` answered with status {status}")?;
                match (status, message.as_str()) {
                    (304, "") => f.write_str(" to a request without a condition"),
                    (300..=399, "") => f.write_str(", and redirects are not followed"),
                    (_, "") => Ok(()),
                    (_, message) => write!(f, ": {message}"),
                }
            }
            RequestError::TooLarge { url, limit } => {
                write!(f, "`{url}` answered with more than {limit} bytes")
            }
            RequestError::Encoding { url, encoding } => {
                write!(
                    f,
                    "`{url}` answered with a body in the encoding `{encoding}`, which was not asked for"
                )
            }
            RequestError::Ruleset { url, .. } => write!(f, "`{url}` answered with no ruleset"),
            RequestError::Answer { url, reason } => {
                write!(f, "`{url}` answered with something else than documented: {reason}")
            }
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RequestError::Transport { cause, .. } => Some(cause),
            RequestError::Ruleset { cause, .. } => Some(cause),
            RequestError::Timeout { .. }
            | RequestError::Status { .. }
            | RequestError::TooLarge { .. }
            | RequestError::Encoding { .. }
            | RequestError::Answer { .. } => None,
        }
    }
}

/// Writes what led to an error.
pub(crate) fn write_causes(
    f: &mut fmt::Formatter<'_>,
    error: &dyn std::error::Error,
) -> fmt::Result {
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
