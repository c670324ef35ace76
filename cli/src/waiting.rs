//! Waits for the service: until it responds, or until it is certain that it will not.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Error, PhaseFlagClient, RequestError};

use crate::progress::{self, Audience};

/// How often the results of the polls are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a service that cannot be reached is tried again, since it may be restarting.
const RESTART: Duration = Duration::from_secs(2);

/// How long the failure of the only request is waited for, which ends at the same time as the wait.
const LAST_FAILURE: Duration = Duration::from_secs(1);

/// The time between two tries of `Wait::fetch`.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Which service is waited for, and how long.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) timeout: Duration,
    /// Whether failures that will not pass by themselves are waited for, too.
    pub(crate) on: bool,
}

impl Wait<'_> {
    /// Waits for the first poll of a client. The first failure ends the wait if there are rules
    /// already, and otherwise one that will not pass.
    pub(crate) fn until_ready(&self, client: &PhaseFlagClient) -> Result<(), Error> {
        if client.is_ready() {
            return Ok(());
        }
        let what = || match client.wait_until_ready(Duration::ZERO) {
            Err(error) => format!("waiting for `{}`: {}", self.base_url, self.reason(&error)),
            Ok(()) => format!("waiting for `{}`", self.base_url),
        };
        progress::during(Audience::All, &what, || self.poll(client))
    }

    fn poll(&self, client: &PhaseFlagClient) -> Result<(), Error> {
        let start = Instant::now();
        let mut failing_since = None;
        loop {
            let left = self.timeout.saturating_sub(start.elapsed());
            let Err(error) = client.wait_until_ready(CHECK_INTERVAL) else {
                return Ok(());
            };
            let Error::NotReady { cause, .. } = &error else { return Err(error) };
            let ends = match cause {
                Some(failure) => {
                    let since = failing_since.get_or_insert_with(Instant::now);
                    let sure = client.has_rules() || since.elapsed() >= patience(failure, left);
                    left.is_zero() || sure && !self.on
                }
                // The request has the same time limit, and its failure says more.
                None => start.elapsed() >= self.timeout.saturating_add(LAST_FAILURE),
            };
            if ends {
                return Err(error);
            }
        }
    }

    /// Fetches the ruleset. Tries again as [`until_ready`](Wait::until_ready) does.
    pub(crate) fn fetch(&self, client: &PhaseFlagClient) -> Result<String, Error> {
        let last = Mutex::new(String::new());
        let lock = || last.lock().unwrap_or_else(PoisonError::into_inner);
        let what = || format!("fetching the rules from `{}`{}", self.base_url, lock());
        progress::during(Audience::All, &what, || {
            let start = Instant::now();
            let mut failing_since = None;
            loop {
                let failure = match client.fetch_ruleset() {
                    Err(Error::Request { cause, .. }) => cause,
                    fetched => return fetched,
                };
                let left = self.timeout.saturating_sub(start.elapsed());
                let since = failing_since.get_or_insert_with(Instant::now);
                let sure = since.elapsed() >= patience(&failure, left);
                let delay = match &failure {
                    RequestError::Status { retry_after: Some(delay), .. } => *delay,
                    _ => RETRY_INTERVAL,
                };
                if delay >= left || sure && !self.on {
                    return Err(failure.into());
                }
                *lock() = format!(": {failure:#}");
                thread::sleep(delay);
            }
        })
    }

    /// Returns why the service has sent no rules so far.
    pub(crate) fn reason(&self, error: &Error) -> String {
        match error {
            Error::NotReady { cause: Some(cause), .. } => format!("{cause:#}"),
            Error::NotReady { .. } => "no response yet".to_owned(),
            error => format!("{error:#}"),
        }
    }

    /// Returns why the service sent no rules in the time that was waited.
    pub(crate) fn failure(&self, error: &Error) -> String {
        match error {
            Error::NotReady { cause: None, .. } => {
                format!("`{}` did not respond within {:?}", self.base_url, self.timeout)
            }
            error => self.reason(error),
        }
    }
}

/// Returns how long a failure is tried again, if this much time is left.
fn patience(failure: &RequestError, left: Duration) -> Duration {
    match failure {
        RequestError::Status { retry_after: Some(delay), .. } if *delay > left => Duration::ZERO,
        RequestError::Status { status: 408 | 429 | 500.., .. } => Duration::MAX,
        RequestError::Timeout { .. } => Duration::MAX,
        RequestError::Transport { cause, .. } if is_timeout(cause) => Duration::MAX,
        RequestError::Transport { .. } => RESTART,
        _ => Duration::ZERO,
    }
}

fn is_timeout(cause: &Arc<dyn std::error::Error + Send + Sync>) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
