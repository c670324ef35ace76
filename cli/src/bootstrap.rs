//! The bootstrap of a command: a file, which the client reads, or a pipe, which is read only once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use phaseflag::{ClientBuilder, Error, PhaseFlagClient, Ruleset};

use crate::failure::Failure;
use crate::input;

/// Rules to use without a service, or until it responds.
pub(crate) enum Bootstrap {
    File(PathBuf),
    /// The content of a pipe or a terminal.
    Text(String),
}

impl Bootstrap {
    /// Returns the bootstrap at a path; `-` is standard input. A pipe is read for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the content of a pipe does not end in time or is not a ruleset. A file is not read yet.
    pub(crate) fn at(path: &Path, timeout: Duration) -> Result<Bootstrap, Failure> {
        if !input::is_stream(path) {
            return Ok(Bootstrap::File(path.to_owned()));
        }
        let failed = |reason: String| {
            Failure::Other(format!("failed to load bootstrap `{}`: {reason}", path.display()))
        };
        let content = input::read_within(timeout, path, input::MAX_RULES, failed)?;
        let text = String::from_utf8(content).map_err(|_| failed("it is not UTF-8".to_owned()))?;
        Ruleset::parse(&text).map_err(|error| failed(error.to_string()))?;
        Ok(Bootstrap::Text(text))
    }

    /// Adds the bootstrap to the settings of a client. A file is checked for changes at an interval
    /// that is not zero.
    pub(crate) fn add_to(&self, builder: ClientBuilder, interval: Duration) -> ClientBuilder {
        match self {
            Bootstrap::File(path) if interval.is_zero() => builder.bootstrap_file(path),
            Bootstrap::File(path) => builder.bootstrap_file(path).bootstrap_watch(interval),
            Bootstrap::Text(text) => builder.bootstrap_text(text),
        }
    }

    /// Returns why the bootstrap is invalid, or `None`.
    pub(crate) fn fault(&self) -> Option<Error> {
        let builder = self.add_to(PhaseFlagClient::without_service(), Duration::ZERO);
        builder.build().and_then(|client| client.start()).err()
    }
}
