//! Whether the client is ready, and the results of its polls and of its bootstrap.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{BootstrapError, Error, RequestError};

/// The state of a client and its connection to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientState {
    /// No ruleset was fetched, and no other source made the client ready.
    NotReady,
    /// The rules are up to date: the last poll succeeded, or none is due yet.
    Ready,
    /// The last poll failed, or the next one is overdue: more than twice the sum of
    /// `polling_interval` and `request_timeout` has passed, because a listener blocks the thread
    /// that polls. The rules before it stay in use; if there were none, rules without their
    /// segments may be in use.
    ///
    /// Until the service has responded, and without a service: a watched bootstrap file is missing or
    /// cannot be used. Without a service, the next check of the file may be overdue, too, by the same
    /// rule with `bootstrap_watch` as the interval.
    #[non_exhaustive]
    Stale {
        /// The time since the last response of the service, or since the bootstrap file was last
        /// usable. `None` if there was no such time.
        age: Option<Duration>,
    },
    /// The service refused the API key. The rules before it stay in use.
    KeyRefused,
    /// The client was stopped, or this process was forked after the start. The last rules stay in
    /// use.
    Stopped,
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientState::NotReady => f.pad("not ready"),
            ClientState::Ready => f.pad("ready"),
            ClientState::Stale { age: None } => f.pad("stale"),
            ClientState::Stale { age: Some(age) } => {
                f.pad(&format!("stale for {}s", age.as_secs()))
            }
            ClientState::KeyRefused => f.pad("key refused"),
            ClientState::Stopped => f.pad("stopped"),
        }
    }
}

/// The readiness and the results of the polls, shared between the poller and the client.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    ready: AtomicBool,
    /// How long the next response, or check of a file, may take; `None` if none is expected.
    patience: Option<Duration>,
    /// Whether the bootstrap cannot be used.
    bootstrap_failing: AtomicBool,
    polls: Mutex<Polls>,
    changed: Condvar,
}

/// The results of the polls and of the bootstrap so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polls {
    pub(crate) made: u64,
    /// Those among them that another process has made.
    pub(crate) shared: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) last_failure: Option<RequestError>,
    bootstrap_failure: Option<BootstrapFailure>,
    /// Whether the bootstrap failed after the last failed poll.
    bootstrap_failed_last: bool,
    /// When the bootstrap was last loaded or found to be unchanged.
    last_bootstrap: Option<Instant>,
    /// When the age of the last response was noted, and its age then. The time of the response may
    /// be before the boot of the machine, which not every system has an `Instant` for.
    last_response: Option<(Instant, Duration)>,
    /// The time from which the next response, or check of a file, is overdue; `None` if none is
    /// expected.
    overdue_at: Option<Instant>,
    started: bool,
    failing: bool,
    key_refused: bool,
    stopped: bool,
}

/// Why the bootstrap at this location could not be used.
#[derive(Clone, Debug)]
struct BootstrapFailure {
    location: String,
    cause: BootstrapError,
}

impl Polls {
    /// Returns the last failure to get rules, from any source.
    pub(crate) fn last_failure_of_any(&self) -> Option<Error> {
        if self.bootstrap_failed_last {
            return self.last_bootstrap_failure();
        }
        self.last_failure.clone().map(Error::from)
    }

    /// Returns the last failure to load the bootstrap.
    pub(crate) fn last_bootstrap_failure(&self) -> Option<Error> {
        let BootstrapFailure { location, cause } = self.bootstrap_failure.clone()?;
        Some(Error::Bootstrap { location, cause })
    }

    /// Returns the time since the service or the bootstrap last confirmed the rules.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.response_age().or_else(|| self.last_bootstrap.map(|time| time.elapsed()))
    }

    fn response_age(&self) -> Option<Duration> {
        self.last_response.map(|(noted, age)| noted.elapsed().saturating_add(age))
    }

    fn note_failure(&mut self, failure: &RequestError) {
        self.failing = true;
        self.last_failure = Some(failure.clone());
        self.bootstrap_failed_last = false;
    }
}

impl Readiness {
    /// Returns the readiness of a client that is not ready. `patience` is how long the next response,
    /// or check of a file, may take; `None` if none is expected.
    pub(crate) fn with_patience(patience: Option<Duration>) -> Readiness {
        Readiness { patience, ..Readiness::default() }
    }

    /// Returns whether the client is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Makes the client ready without a response of the service.
    pub(crate) fn make_ready(&self) {
        self.update(|polls| self.note_ready(polls));
    }

    /// Notes that cached rules are in use. `age` is the time since the service confirmed them.
    pub(super) fn rules_cached(&self, age: Option<Duration>, ready: bool) {
        self.update(|polls| {
            polls.last_response = age.map(|age| (Instant::now(), age));
            if ready {
                self.note_ready(polls);
            }
        });
    }

    /// Notes a poll that succeeded; `new` is whether it returned a new ruleset.
    pub(super) fn poll_succeeded(&self, new: bool) {
        self.update(|polls| self.note_success(polls, new, Duration::ZERO));
    }

    /// Notes a poll that another process has made, at this time before now.
    pub(super) fn poll_shared(&self, new: bool, age: Duration) {
        self.update(|polls| {
            polls.shared += 1;
            self.note_success(polls, new, age);
        });
    }

    /// Notes a poll that failed, but returned rules without their segments, which are now in use.
    pub(super) fn poll_incomplete(&self, failure: &RequestError) {
        self.update(|polls| {
            polls.made += 1;
            polls.accepted += 1;
            polls.last_response = Some((Instant::now(), Duration::ZERO));
            polls.note_failure(failure);
            polls.key_refused = false;
            self.ready.store(true, Ordering::Release);
        });
    }

    /// Notes a poll that failed; `ready` is whether the client is ready nevertheless.
    pub(super) fn poll_failed(&self, failure: &RequestError, ready: bool) {
        self.update(|polls| {
            if ready {
                self.ready.store(true, Ordering::Release);
            }
            polls.made += 1;
            polls.refused += u64::from(matches!(failure, RequestError::Ruleset { .. }));
            polls.note_failure(failure);
            polls.key_refused = matches!(failure.status(), Some(401 | 403));
        });
    }

    /// Notes that the bootstrap is in use, or unchanged.
    pub(super) fn bootstrap_confirmed(&self) {
        let mut polls = self.lock();
        polls.last_bootstrap = Some(Instant::now());
        if polls.made == 0 {
            self.expect_next(&mut polls);
        }
        drop(polls);
        self.bootstrap_failing.store(false, Ordering::Release);
    }

    /// Notes that the bootstrap cannot be used.
    pub(crate) fn bootstrap_failed(&self, location: &str, cause: &BootstrapError) {
        let mut polls = self.lock();
        let failure = BootstrapFailure { location: location.to_owned(), cause: cause.clone() };
        polls.bootstrap_failure = Some(failure);
        polls.bootstrap_failed_last = true;
        self.bootstrap_failing.store(true, Ordering::Release);
    }

    /// Returns whether the bootstrap cannot be used.
    pub(crate) fn is_bootstrap_failing(&self) -> bool {
        self.bootstrap_failing.load(Ordering::Acquire)
    }

    /// Notes the start of the client. Before it, nothing is overdue.
    pub(crate) fn start(&self) {
        let mut polls = self.lock();
        polls.started = true;
        self.expect_next(&mut polls);
    }

    /// Notes the end of the client, and wakes the threads that wait for it to be ready.
    pub(crate) fn stop(&self) {
        self.update(|polls| polls.stopped = true);
    }

    /// Returns the results of the polls so far.
    pub(crate) fn polls(&self) -> Polls {
        self.lock().clone()
    }

    /// Returns the state of the client.
    pub(crate) fn state(&self) -> ClientState {
        let polls = self.lock();
        if polls.stopped {
            ClientState::Stopped
        } else if polls.key_refused {
            ClientState::KeyRefused
        } else if !self.is_ready() {
            ClientState::NotReady
        } else if polls.failing {
            ClientState::Stale { age: polls.response_age() }
        } else if polls.overdue_at.is_some_and(|time| time <= Instant::now()) {
            ClientState::Stale { age: polls.age() }
        } else if self.is_bootstrap_failing() && polls.last_response.is_none() {
            ClientState::Stale { age: polls.last_bootstrap.map(|time| time.elapsed()) }
        } else {
            ClientState::Ready
        }
    }

    /// Waits until the client is ready, stopped, or its key is refused.
    ///
    /// # Errors
    ///
    /// The reason why the client is not ready.
    pub(crate) fn wait(&self, timeout: Duration) -> Result<(), Error> {
        let undecided =
            |polls: &mut Polls| !self.is_ready() && !polls.stopped && !polls.key_refused;
        let (polls, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, undecided)
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_ready() {
            return Ok(());
        }
        let cause = polls.last_failure.clone();
        match cause {
            _ if polls.stopped => Err(Error::Stopped),
            Some(cause) if polls.key_refused => Err(Error::KeyRefused { cause }),
            cause => Err(Error::NotReady { waited: timeout, cause }),
        }
    }

    fn expect_next(&self, polls: &mut Polls) {
        let patience = self.patience.filter(|_| polls.started);
        polls.overdue_at = patience.and_then(|patience| Instant::now().checked_add(patience));
    }

    fn note_success(&self, polls: &mut Polls, new: bool, age: Duration) {
        polls.made += 1;
        polls.accepted += u64::from(new);
        polls.last_response = Some((Instant::now(), age));
        polls.failing = false;
        polls.key_refused = false;
        self.note_ready(polls);
    }

    fn note_ready(&self, polls: &mut Polls) {
        self.expect_next(polls);
        self.ready.store(true, Ordering::Release);
    }

    fn update(&self, change: impl FnOnce(&mut Polls)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Polls> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Event = fn(&Readiness);

    #[test]
    fn the_state_is_stale_if_the_next_response_is_overdue() {
        let (past, future) = (Duration::ZERO, Duration::from_secs(3600));
        for (patience, is_stale) in
            [(None, false), (Some(past), true), (Some(future), false), (Some(Duration::MAX), false)]
        {
            let events: [(&str, Event); 4] = [
                ("a poll", |readiness| readiness.poll_succeeded(true)),
                ("an equal response", |readiness| readiness.poll_succeeded(false)),
                ("cached rules", |readiness| readiness.rules_cached(None, true)),
                ("a bootstrap", Readiness::make_ready),
            ];
            for (what, event) in events {
                let readiness = Readiness::with_patience(patience);
                assert_eq!(readiness.state(), ClientState::NotReady);
                event(&readiness);
                // Such as a refresh before the start.
                assert_eq!(readiness.state(), ClientState::Ready, "{what}");
                readiness.start();
                event(&readiness);
                let state = readiness.state();
                assert_eq!(matches!(state, ClientState::Stale { .. }), is_stale, "{what} {state}");
                assert!(is_stale || state == ClientState::Ready, "{what} {state}");
                assert!(readiness.is_ready(), "{what}");
            }
        }
    }

    #[test]
    fn rules_may_be_older_than_the_uptime_of_the_machine() {
        let readiness = Readiness::default();
        readiness.rules_cached(Some(Duration::MAX), true);
        let failure = RequestError::TooLarge { url: String::new(), limit: 0 };
        readiness.poll_failed(&failure, false);
        assert_eq!(readiness.state(), ClientState::Stale { age: Some(Duration::MAX) });
    }
}
