//! The errors of clients, bootstraps and requests.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::ruleset::RulesetError;

/// An error of a client.
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// A setting is invalid.
    #[non_exhaustive]
    InvalidSetting {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The bootstrap cannot be read, and the client has no other source of rules.
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
        cause: Arc<io::Error>,
    },
    /// The client has not been started.
    NotStarted,
    /// A start of the client has begun and not ended: it may read a slow disk, or wait for a listener
    /// or a logger.
    Starting,
    /// The client has been stopped.
    Stopped,
    /// The thread is in a listener of the client, or in a logger that is called for new rules, and
    /// would wait for itself.
    Busy,
    /// This process was forked after the start of the client, so it has none of the client's
    /// threads. Build and start another client.
    Forked,
    /// The client did not become ready in time.
    #[non_exhaustive]
    NotReady {
        /// How long the caller waited.
        waited: Duration,
        /// The last failure, or `None`.
        cause: Option<RequestError>,
    },
    /// The service refused the API key.
    #[non_exhaustive]
    KeyRefused {
        /// The response of the service.
        cause: RequestError,
    },
    /// The service does not know the flag.
    #[non_exhaustive]
    FlagNotFound {
        /// The key of the flag.
        flag: String,
    },
    /// The service does not evaluate the flag because it is not active.
    #[non_exhaustive]
    FlagInactive {
        /// The key of the flag.
        flag: String,
    },
    /// The client has no `base_url`, so it cannot send requests.
    NoService,
    /// A request failed.
    #[non_exhaustive]
    Request {
        /// The failure of the request.
        cause: RequestError,
    },
    /// Some events were not delivered.
    #[non_exhaustive]
    Flush {
        /// The number of events that wait for the next try.
        queued: usize,
        /// The number of events that the service rejected. They are dropped.
        rejected: usize,
        /// The failure of the last request.
        cause: RequestError,
    },
}

impl Error {
    pub(crate) fn setting(setting: &'static str, reason: impl Into<String>) -> Error {
        Error::InvalidSetting { setting, reason: reason.into() }
    }

    /// Returns the error of a request for rules.
    #[cfg(feature = "http")]
    pub(crate) fn of_rules(cause: RequestError) -> Error {
        match cause {
            RequestError::Status { status: 401 | 403, .. } => Error::KeyRefused { cause },
            cause => Error::Request { cause },
        }
    }

    pub(crate) fn thread(cause: io::Error) -> Error {
        Error::Thread { cause: Arc::new(cause) }
    }
}

impl From<RequestError> for Error {
    fn from(cause: RequestError) -> Error {
        Error::Request { cause }
    }
}

/// Writes the error without its causes; `{:#}` appends them.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// Writes the error and its causes as text, because `unwrap`, and a `main` that returns an error,
/// show the `Debug` form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        write_causes(f, self)
    }
}

impl Error {
    fn write_message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidSetting { setting, reason } => {
                write!(f, "failed to build client: `{setting}` {reason}")
            }
            Error::Bootstrap { location, .. } => write!(f, "failed to load bootstrap `{location}`"),
            Error::Thread { .. } => f.write_str("failed to start thread"),
            Error::NotStarted => f.write_str("the client has not been started"),
            Error::Starting => f.write_str("the start of the client has not ended"),
            Error::Stopped => f.write_str("the client has been stopped"),
            Error::Busy => f.write_str("a listener or a logger of the client cannot refresh it"),
            Error::Forked => f.write_str("the client was started before this process was forked"),
            Error::NotReady { waited, cause: None } => {
                write!(f, "the client was not ready within {waited:?}: no response yet")
            }
            Error::NotReady { waited, cause: Some(_) } => {
                write!(f, "the client was not ready within {waited:?}")
            }
            Error::KeyRefused { .. } => f.write_str("the service refused the API key"),
            Error::FlagNotFound { flag } => write!(f, "the service has no flag `{flag}`"),
            Error::FlagInactive { flag } => write!(f, "the flag `{flag}` is not active"),
            Error::NoService => f.write_str("the client has no `base_url`"),
            Error::Request { cause } => cause.write_message(f),
            Error::Flush { queued, rejected: 0, .. } => {
                write!(f, "failed to deliver events: {queued} wait for the next try")
            }
            Error::Flush { queued, rejected, .. } => write!(
                f,
                "failed to deliver events: {queued} wait for the next try, {rejected} were rejected and dropped"
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
            | Error::Starting
            | Error::Stopped
            | Error::Busy
            | Error::Forked
            | Error::FlagNotFound { .. }
            | Error::FlagInactive { .. }
            | Error::NoService => None,
        }
    }
}

/// Why a bootstrap cannot be read.
#[derive(Clone)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The file cannot be read.
    #[non_exhaustive]
    Io {
        /// The system's reason.
        cause: Arc<io::Error>,
    },
    /// The text is not a ruleset.
    #[non_exhaustive]
    Ruleset {
        /// What is wrong with it, and where.
        cause: RulesetError,
    },
}

impl BootstrapError {
    pub(crate) fn io(cause: io::Error) -> BootstrapError {
        BootstrapError::Io { cause: Arc::new(cause) }
    }
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootstrapError::Io { cause } => fmt::Display::fmt(cause, f),
            BootstrapError::Ruleset { cause } => fmt::Display::fmt(cause, f),
        }
    }
}

/// Writes the same text as `Display`.
impl fmt::Debug for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BootstrapError {}

/// A failed request. Its text never contains the API key.
#[derive(Clone)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection failed, or took too long: name resolution, TCP, TLS or HTTP itself.
    #[non_exhaustive]
    Transport {
        /// The address of the request.
        url: String,
        /// The error of the HTTP library, or its text with the proxy of the request.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The request took longer than `request_timeout`.
    #[non_exhaustive]
    Timeout {
        /// The address of the request.
        url: String,
        /// The time limit of the request.
        limit: Duration,
    },
    /// The response has a status other than success.
    #[non_exhaustive]
    Status {
        /// The address of the request.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The error code of the service, such as `FLAG_NOT_FOUND`; empty if the response has none.
        code: String,
        /// The error message of the service; empty if the response has none.
        message: String,
        /// The delay before the next request, by the header `Retry-After`, or `None`.
        retry_after: Option<Duration>,
    },
    /// The body is larger than `max_body_size`.
    #[non_exhaustive]
    TooLarge {
        /// The address of the request.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body has an encoding that the client does not support.
    #[non_exhaustive]
    Encoding {
        /// The address of the request.
        url: String,
        /// The value of `Content-Encoding`.
        encoding: String,
    },
    /// The body is not a ruleset.
    #[non_exhaustive]
    Ruleset {
        /// The address of the request.
        url: String,
        /// What is wrong with it, and where.
        cause: RulesetError,
    },
    /// The body does not have the documented form.
    #[non_exhaustive]
    InvalidResponse {
        /// The address of the request.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RequestError {
    /// Returns the HTTP status of a [`RequestError::Status`], or `None`.
    pub fn status(&self) -> Option<u16> {
        match self {
            RequestError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Writes the error without its cause; `{:#}` appends it.
impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        if f.alternate() { write_causes(f, self) } else { Ok(()) }
    }
}

/// Writes the error and its cause as text.
impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        write_causes(f, self)
    }
}

impl RequestError {
    fn write_message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Transport { url, .. } => write!(f, "failed to reach `{url}`"),
            RequestError::Timeout { url, limit } => {
                write!(f, "failed to get a response from `{url}` within {:?}", rounded(*limit))
            }
            RequestError::Status { url, status, message, .. } => {
                write!(f, "`{url}` responded with status {status}")?;
                match (status, message.as_str()) {
                    (304, "") => f.write_str(" to a request without a condition"),
                    (300..=399, "") => f.write_str(", and redirects are not followed"),
                    (_, "") => Ok(()),
                    (_, message) => write!(f, ": {message}"),
                }
            }
            RequestError::TooLarge { url, limit } => {
                write!(f, "`{url}` responded with more than {limit} bytes")
            }
            RequestError::Encoding { url, encoding } => {
                write!(
                    f,
                    "`{url}` responded with a body in the encoding `{encoding}`, which was not requested"
                )
            }
            RequestError::Ruleset { url, .. } => {
                write!(f, "`{url}` responded with an invalid ruleset")
            }
            RequestError::InvalidResponse { url, reason } => {
                write!(f, "`{url}` responded with an invalid body: {reason}")
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
            | RequestError::InvalidResponse { .. } => None,
        }
    }
}

/// Writes the causes of an error, each after a colon.
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

/// Returns a time in milliseconds, as settings are. The rest of a time limit has nanoseconds.
pub(crate) fn rounded(limit: Duration) -> Duration {
    match limit.as_nanos().saturating_add(500_000) / 1_000_000 {
        0 => limit,
        millis => u64::try_from(millis).map_or(limit, Duration::from_millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_shown_in_milliseconds() {
        for (limit, shown) in [
            (Duration::from_secs(10), "10s"),
            (Duration::from_nanos(9_999_991_658), "10s"),
            (Duration::from_nanos(312_499_999), "312ms"),
            (Duration::from_micros(20), "20µs"),
            (Duration::MAX, "18446744073709551615.999999999s"),
        ] {
            let error = RequestError::Timeout { url: "http://a".to_owned(), limit };
            let expected = format!("failed to get a response from `http://a` within {shown}");
            assert_eq!(error.to_string(), expected);
        }
    }
}
