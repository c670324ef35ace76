//! Whether the client is ready, and how the polls have gone.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, RequestError};

/// What a user can see of the connection to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientState {
    /// No ruleset has been fetched, and nothing else makes the client ready.
    NotReady,
    /// The rules are as fresh as they can be.
    Ready,
    /// The last poll failed; the rules of before are in use, or, if there were none, those that
    /// came without their segments.
    #[non_exhaustive]
    Stale {
        /// How long ago the service last answered; `None` where it never did.
        age: Option<Duration>,
    },
    /// The service refused the API key; the rules of before are in use, where there are any.
    KeyRefused,
    /// The client was stopped; the last rules are in use, where there are any.
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

/// How the polls have gone, shared between the poller and the users.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    ready: AtomicBool,
    polls: Mutex<Polls>,
    changed: Condvar,
}

/// What the polls have led to so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polls {
    pub(crate) made: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) last_failure: Option<RequestError>,
    answered: Option<Instant>,
    failing: bool,
    key_refused: bool,
    stopped: bool,
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Makes the client ready without an answer of the service.
    pub(crate) fn make_ready(&self) {
        self.update(|_| self.ready.store(true, Ordering::Release));
    }

    /// Notes that rules are in force which the service last confirmed so long ago.
    pub(crate) fn remembered(&self, age: Option<Duration>, ready: bool) {
        self.update(|polls| {
            polls.answered = age.and_then(|age| Instant::now().checked_sub(age));
            if ready {
                self.ready.store(true, Ordering::Release);
            }
        });
    }

    /// Notes an answer that is in force; `new` where it was a ruleset, and not the news that there
    /// is none.
    pub(crate) fn answered(&self, new: bool) {
        self.update(|polls| {
            polls.made += 1;
            polls.accepted += u64::from(new);
            polls.answered = Some(Instant::now());
            polls.failing = false;
            polls.key_refused = false;
            self.ready.store(true, Ordering::Release);
        });
    }

    /// Notes a poll that failed, and yet brought rules into force where there were none.
    pub(super) fn answered_in_part(&self, failure: &RequestError) {
        self.update(|polls| {
            polls.made += 1;
            polls.accepted += 1;
            polls.answered = Some(Instant::now());
            polls.failing = true;
            polls.key_refused = false;
            polls.last_failure = Some(failure.clone());
            self.ready.store(true, Ordering::Release);
        });
    }

    /// Notes a poll that failed, and with that whether the client is ready all the same.
    pub(super) fn failed(&self, failure: &RequestError, ready: bool) {
        self.update(|polls| {
            if ready {
                self.ready.store(true, Ordering::Release);
            }
            polls.made += 1;
            polls.refused += u64::from(matches!(failure, RequestError::Ruleset { .. }));
            polls.failing = true;
            polls.key_refused = matches!(failure.status(), Some(401 | 403));
            polls.last_failure = Some(failure.clone());
        });
    }

    /// Lets those who wait know that there is no use.
    pub(crate) fn stopped(&self) {
        self.update(|polls| polls.stopped = true);
    }

    /// Returns what the polls have led to so far.
    pub(crate) fn polls(&self) -> Polls {
        self.lock().clone()
    }

    pub(crate) fn state(&self) -> ClientState {
        let polls = self.lock();
        if polls.stopped {
            ClientState::Stopped
        } else if polls.key_refused {
            ClientState::KeyRefused
        } else if !self.is_ready() {
            ClientState::NotReady
        } else if polls.failing {
            ClientState::Stale { age: polls.answered.map(|answered| answered.elapsed()) }
        } else {
            ClientState::Ready
        }
    }

    /// Waits until the client is ready, or there is no use in waiting.
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

    fn update(&self, change: impl FnOnce(&mut Polls)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Polls> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
