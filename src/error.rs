//! Every public error and its text.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

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

/// A value that is not what a type of the program expects, with the place where it stops being so.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueError {
    path: String,
    reason: String,
}

impl ValueError {
    pub(crate) fn new(path: impl Into<String>, reason: impl Into<String>) -> ValueError {
        ValueError { path: path.into(), reason: reason.into() }
    }

    /// The same error, seen from outside of the member or element where it arose.
    pub(crate) fn within(mut self, outer: &str) -> ValueError {
        let point = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{point}{}", self.path);
        self
    }

    /// Returns the path, such as `limits.retries[2]`; empty for the whole value.
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

/// Why a flag serves no value that was asked for.
#[derive(Clone)]
#[non_exhaustive]
pub enum EvaluationError {
    /// There are no rules at all, and the client is not ready.
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
    pub(crate) fn not_ready(flag: &str, cause: Option<Error>) -> EvaluationError {
        EvaluationError::NotReady { flag: flag.to_owned(), cause: cause.map(Arc::new) }
    }

    pub(crate) fn flag_not_found(flag: &str) -> EvaluationError {
        EvaluationError::FlagNotFound { flag: flag.to_owned() }
    }

    pub(crate) fn wrong_type(
        flag: &str,
        served: &'static str,
        asked: &'static str,
    ) -> EvaluationError {
        EvaluationError::WrongType { flag: flag.to_owned(), served, asked }
    }

    pub(crate) fn wrong_shape(flag: &str, cause: ValueError) -> EvaluationError {
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

/// The whole sentence, with what led to it.
impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvaluationError::NotReady { flag, cause: None } => {
                write!(f, "flag `{flag}`: no rules yet")
            }
            EvaluationError::NotReady { flag, cause: Some(cause) } => {
                write!(f, "flag `{flag}`: no rules yet: {cause:#}")
            }
            EvaluationError::FlagNotFound { flag } => write!(f, "there is no flag `{flag}`"),
            EvaluationError::WrongType { flag, served, asked } => {
                write!(f, "flag `{flag}` serves {served}, not {asked}")
            }
            EvaluationError::WrongShape { flag, cause } => write!(f, "flag `{flag}`: {cause}"),
        }
    }
}

/// The sentence.
impl fmt::Debug for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for EvaluationError {}

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
fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn std::error::Error) -> fmt::Result {
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
