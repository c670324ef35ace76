//! `PhaseFlagClient`: the handle that a program holds.

mod builder;
mod details;
mod evaluation;
mod evaluation_error;
mod event_settings;
mod extras;
mod from_env;
mod getters;
mod home;
mod hook;
mod lifecycle;
#[cfg(not(feature = "http"))]
mod no_service;
mod observer;
mod overrides;
mod reads;
mod refresh;
#[cfg(feature = "http")]
mod service;
mod snapshot;
mod source;
mod split;
mod statistics;

pub use builder::ClientBuilder;
pub use details::EvaluationDetails;
pub use evaluation::Evaluation;
pub use evaluation_error::EvaluationError;
pub(crate) use extras::Extras;
pub use from_env::EnvSettings;
pub(crate) use lifecycle::Inner;
pub(crate) use observer::Observer;
pub use snapshot::Snapshot;
pub use statistics::Statistics;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::getters::getters;
use self::observer::{Call, HookedGetters};
use self::overrides::{Overrides, overridden};
use self::source::Source;
use crate::context::{EMPTY_CONTEXT, EvaluationContext};
use crate::error::Error;
use crate::events::EvaluationEvent;
use crate::rules::{ClientState, FlagsChanged, Subscription};
use crate::ruleset::{EvaluationResult, FlagInfo, Ruleset};
use crate::value::{Value, ValueError};

/// A client of the Phase Flag service.
///
/// It evaluates flags in memory. One thread keeps the rules up to date, another delivers events. A
/// clone is another handle of the same client; dropping the last handle stops the client.
///
/// ```
/// use phaseflag::PhaseFlagClient;
///
/// # fn main() -> Result<(), phaseflag::Error> {
/// let client = PhaseFlagClient::without_service()
///     .bootstrap_text(r#"{"flags": [{"key": "greeting", "default_variation": "v",
///         "variations": [{"key": "v", "value": "Hello"}]}]}"#)
///     .build()?;
/// client.start()?;
/// assert_eq!(client.get_string_value("greeting", "Hi", None), "Hello");
/// # Ok(())
/// # }
/// ```
///
/// # Shutdown
///
/// [`stop`](PhaseFlagClient::stop), or dropping the last handle, delivers the queued events within
/// `shutdown_timeout`. No destructor runs if a program calls `std::process::exit`, panics with
/// `panic = "abort"`, or keeps its client in a `static`: call `stop` there. On Windows, nothing can be
/// delivered while a thread-local is destroyed: a client that is dropped there spools its events, or
/// counts them as dropped.
///
/// # Fork
///
/// Threads do not survive a fork. In a process that was forked after the start, getters serve the
/// last rules, [`state`](PhaseFlagClient::state) is [`ClientState::Stopped`], and requests return
/// [`Error::Forked`]; events are dropped and counted, and those that were queued before are
/// delivered by the other process alone. The client reports this once in the log. Start it after
/// the fork instead: see [production](crate::guide::production).
#[derive(Clone)]
pub struct PhaseFlagClient {
    inner: Arc<Inner>,
}

impl PhaseFlagClient {
    pub(crate) fn new(inner: Inner) -> PhaseFlagClient {
        PhaseFlagClient { inner: Arc::new(inner) }
    }

    /// Loads the cached ruleset, or else the bootstrap file or text, and starts polling. Does not
    /// wait for the network. Does nothing if the client is started. If another thread is starting
    /// it, this waits for that start, for at most 10 s.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Bootstrap`] if the bootstrap cannot be read and there is no service,
    /// [`Error::Stopped`] after [`stop`](PhaseFlagClient::stop), [`Error::Thread`] if the system
    /// cannot start a thread, and [`Error::Starting`] if the start of another thread did not end in
    /// time. After any of these but [`Error::Stopped`], the client can be started again. Returns
    /// [`Error::Forked`] in a process that was forked after the start.
    #[doc(alias = "initialize")]
    pub fn start(&self) -> Result<(), Error> {
        self.inner.start()
    }

    /// Waits until the client is ready, for at most `timeout`.
    ///
    /// A client with a service is ready when a poll has succeeded, or if the cached ruleset is
    /// younger than `cache_max_age`. In `offline_mode` it is also ready with a cached ruleset of
    /// any age, with a bootstrap, or when every source of rules has failed. A client without a
    /// service is ready when it is started. Getters serve cached and bootstrap rules before the
    /// client is ready.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotReady`] with the last failure after the timeout, or
    /// [`Error::NotStarted`] if the client was not started by then, or [`Error::Starting`] if its
    /// start has not ended; [`Error::KeyRefused`] at once if the service refuses the key,
    /// [`Error::Stopped`] if the client is stopped, and [`Error::Forked`] if it is not ready in a
    /// process that was forked after the start.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), Error> {
        if self.inner.home.is_left() && !self.is_ready() {
            return Err(Error::Forked);
        }
        self.inner.flags.readiness.wait(timeout).map_err(|error| match error {
            error @ Error::NotReady { .. } => {
                self.inner.run_state().before_start().unwrap_or(error)
            }
            error => error,
        })
    }

    /// Returns whether the client is ready; see
    /// [`wait_until_ready`](PhaseFlagClient::wait_until_ready).
    pub fn is_ready(&self) -> bool {
        self.inner.flags.readiness.is_ready()
    }

    /// Stops polling and delivers the events in the queue and in the spool, for at most
    /// `shutdown_timeout`. Returns at once if there are no events. The remaining events go into the
    /// spool, or are dropped and counted if there is no spool. If another process is writing to the
    /// spool, this waits up to a second more.
    ///
    /// Getters keep serving the last rules. Any thread may call this, also from a listener, and more
    /// than once.
    #[doc(alias = "close")]
    #[doc(alias = "atexit")]
    pub fn stop(&self) {
        self.inner.stop(self.inner.config.shutdown_timeout);
    }

    /// Stops without using the network. The queued events go into the spool for a later client, or
    /// are dropped and counted if there is no spool. Events of a request in flight are among them,
    /// and may be delivered twice.
    ///
    /// Any thread may call this, also from a listener, and more than once.
    pub fn stop_now(&self) {
        self.inner.stop(Duration::ZERO);
    }

    getters!();

    /// Evaluates all flags for one context, with one ruleset. Includes overrides, even of flags that
    /// the ruleset does not have. Takes a context, or `None` for the default context.
    pub fn evaluate_all<'a>(
        &'a self,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> BTreeMap<String, EvaluationResult> {
        self.compiled_snapshot().evaluate_all(self.inner.context(context.into()))
    }

    /// Returns a summary of each flag of the current ruleset, in the order of the ruleset.
    #[doc(alias = "get_all_flags")]
    pub fn flags(&self) -> Vec<FlagInfo> {
        self.compiled_snapshot().flags()
    }

    /// Returns the current rules and overrides. The snapshot has the getters of the client, and does
    /// not change when the client does.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            started_without_service: self.started_without_service(),
            overrides: self.inner.overrides.all(),
            ruleset: self.inner.flags.current(),
            default_context: self.inner.config.default_context.clone(),
            observer: self.inner.observer.clone(),
            misses: self.inner.flags.misses.clone(),
        }
    }

    /// Returns whether the client has rules, ready or not.
    pub fn has_rules(&self) -> bool {
        self.inner.flags.have_rules()
    }

    /// Returns the current ruleset, or `None` if the client has no rules yet. It does not change
    /// when the client receives a newer one.
    pub fn ruleset(&self) -> Option<Ruleset> {
        self.inner.flags.compiled()
    }

    /// Calls a function each time a new ruleset adds, removes or changes a flag or a segment. This
    /// includes the first ruleset and a bootstrap, but not the ruleset that is in force when the
    /// listener is added.
    ///
    /// The function runs on the thread that loaded the ruleset, usually a thread of the client
    /// with a stack of 1 MiB (or `RUST_MIN_STACK`). While it runs, that thread loads no other
    /// ruleset: a function that blocks keeps newer rules out, and [`state`](PhaseFlagClient::state)
    /// becomes [`Stale`](ClientState::Stale). Hand long work to another thread.
    ///
    /// The function may call any method of the client, except that [`refresh`](Self::refresh) returns
    /// [`Error::Busy`]. Two calls may overlap. A panic of the function is caught and logged.
    ///
    /// A listener that owns a handle of the client keeps the client alive: call
    /// [`stop`](PhaseFlagClient::stop) or unsubscribe instead of relying on `Drop`.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let client = PhaseFlagClient::without_service().bootstrap_text("[]").build()?;
    /// let subscription = client.on_flags_changed(|flags| println!("{flags:?}"));
    /// client.start()?;
    /// # drop(subscription);
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn on_flags_changed(
        &self,
        listener: impl Fn(&FlagsChanged) + Send + Sync + 'static,
    ) -> Subscription {
        self.inner.flags.listen(Arc::new(listener))
    }

    /// Sets the value that a flag serves instead of evaluating its rules. Flags that have it as a
    /// prerequisite ignore the override. Listeners are not called. A value that nests deeper than
    /// 128 levels becomes `null`.
    pub fn set_override(&self, key: &str, value: impl Into<Value>) {
        self.inner.overrides.set(key, value.into());
    }

    /// Removes the override of a flag. One from the environment is in force again.
    pub fn clear_override(&self, key: &str) {
        self.inner.overrides.clear(key);
    }

    /// Removes all overrides, except those from the environment.
    pub fn clear_all_overrides(&self) {
        self.inner.overrides.clear_all();
    }

    /// Requests the evaluation of a flag from the service, for at most `request_timeout`. An
    /// override takes precedence and makes no request. Takes a context, or `None` for the default
    /// context. The client need not be started, and nothing is retried.
    ///
    /// Use this for flags with prerequisites if the service is self-hosted: it does not send
    /// prerequisites to clients, so that the getters ignore them.
    ///
    /// The first call may make two requests, since services differ in the path of this call. Later
    /// calls make one, also in later runs with the same
    /// [`cache_dir`](crate::ClientBuilder::cache_dir).
    ///
    /// # Errors
    ///
    /// Returns [`Error::FlagNotFound`], [`Error::FlagInactive`], [`Error::KeyRefused`],
    /// [`Error::Request`] for any other failure of the request, and [`Error::NoService`] if the
    /// client has no `base_url`.
    pub fn evaluate<'a>(
        &'a self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> Result<EvaluationResult, Error> {
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Ok(result);
        }
        let service = self.inner.service.as_ref().ok_or(Error::NoService)?;
        service.evaluate(key, self.inner.context(context.into()).unwrap_or(&EMPTY_CONTEXT))
    }

    /// Requests the ruleset from the service and returns its text, for use as a bootstrap file. The
    /// client does not use it. The client need not be started, and nothing is retried.
    ///
    /// If rules name segments that `/sdk/ruleset` does not hold, this returns the text of
    /// `/sdk/bootstrap`, or that of `/sdk/ruleset` if the service has no `/sdk/bootstrap`. Each of
    /// the two requests takes at most `request_timeout`. The text of a self-hosted service has no
    /// prerequisites: see [`evaluate`](PhaseFlagClient::evaluate).
    ///
    /// # Errors
    ///
    /// Returns [`Error::KeyRefused`], [`Error::Request`] for any other failure of the requests or
    /// if the response is not a ruleset, and [`Error::NoService`] if the client has no `base_url`.
    pub fn fetch_ruleset(&self) -> Result<String, Error> {
        self.inner.service.as_ref().ok_or(Error::NoService)?.fetch_ruleset()
    }

    /// Queues an event for delivery. Never blocks and never fails: if the queue is full or the
    /// client is stopped, the event is dropped and counted.
    pub fn track_event(&self, mut event: EvaluationEvent) {
        event.stamp();
        match &self.inner.service {
            Some(service) => service.track(event),
            None => match &self.inner.tracker {
                Some(tracker) => tracker.take(event),
                None => self.inner.ledger.abandon(1),
            },
        }
    }

    /// Delivers the events in the spool and all events tracked before the call, and waits until
    /// this is done. Returns at once if no events are queued.
    ///
    /// Each batch is sent once and takes at most `request_timeout`; one with a single event of more than
    /// 64 KiB may take three times as long on a slow network. If the service fails on a batch (status
    /// 500 to 599), the batch is halved, so that one bad event does not delay the others.
    /// The spool is skipped while another client delivers from it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Flush`] at the first failure that is not about single events, such as an
    /// outage or a refused key; the undelivered events stay queued. Events that the service
    /// rejects, or fails on for the third time, are dropped, and reported by [`Error::Flush`] after
    /// the others were sent. Returns [`Error::NotStarted`] before `start` and [`Error::Starting`]
    /// during it, [`Error::Stopped`] if the client is stopped meanwhile, [`Error::Forked`] in a process
    /// that was forked after the start, and [`Error::Thread`] if the system cannot start a thread, or
    /// on Windows while a thread-local is destroyed.
    pub fn flush_events(&self) -> Result<(), Error> {
        let Some(service) = &self.inner.service else { return Ok(()) };
        match self.inner.run_state().before_start() {
            Some(error) => Err(error),
            None => service.flush(),
        }
    }

    /// Returns the state of the connection to the service.
    pub fn state(&self) -> ClientState {
        if self.inner.home.is_left() {
            return ClientState::Stopped;
        }
        self.inner.flags.readiness.state()
    }

    /// Returns the last failure to get rules, or `None`: of a poll, of the bootstrap URL, or of the
    /// bootstrap. It stays when the source recovers.
    pub fn last_failure(&self) -> Option<Error> {
        self.inner.flags.readiness.polls().last_failure_of_any()
    }

    /// Returns what the client has done so far, and which rules it has. Reads the `event_spool`, if
    /// there is one, to count its events. Parses all of a cached ruleset.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.inner)
    }
}

/// Reports evaluations to the program. A trait, so that programs without a hook do not contain the
/// code.
pub(crate) trait Hook: HookedGetters<PhaseFlagClient> + HookedGetters<Snapshot> {
    /// Reports an evaluation, unless this thread is inside of a hook.
    fn report(&self, evaluation: Evaluation<'_>);
}

impl PhaseFlagClient {
    pub(crate) fn overrides(&self) -> &Overrides {
        &self.inner.overrides
    }

    /// Returns a snapshot in which all flags are compiled.
    fn compiled_snapshot(&self) -> Snapshot {
        self.inner.flags.compile();
        self.snapshot()
    }
}

impl fmt::Debug for PhaseFlagClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseFlagClient")
            .field("base_url", &self.inner.config.base_url)
            .field("run_state", &self.inner.run_state())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
