//! The facade: what a program holds.

mod builder;
mod details;
mod evaluation_error;
mod extras;
mod getters;
mod lifecycle;
#[cfg(not(feature = "http"))]
mod no_service;
mod overrides;
#[cfg(feature = "http")]
mod service;
mod snapshot;

pub use builder::ClientBuilder;
pub use details::EvaluationDetails;
pub use evaluation_error::EvaluationError;
pub(crate) use extras::Extras;
pub(crate) use lifecycle::Inner;
pub use snapshot::Snapshot;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::getters::getters;
use self::lifecycle::Stage;
use self::overrides::{Overrides, overridden};
use crate::context::{EvaluationContext, NOBODY};
use crate::error::{Error, RequestError};
use crate::events::{EvaluationEvent, EventCounts};
use crate::rules::ClientState;
use crate::rules::{FlagsChanged, Subscription};
use crate::ruleset::{EvaluationResult, FlagInfo, Ruleset};
use crate::value::Value;

/// A client of the Phase Flag service.
///
/// It answers from its own memory, keeps the rules fresh on a thread of its own, and delivers
/// events on another. A clone is another handle of the same client; the last one that is dropped
/// stops it.
///
/// ```
/// use phaseflag::PhaseFlagClient;
///
/// # fn main() -> Result<(), phaseflag::Error> {
/// let client = PhaseFlagClient::builder("", "")
///     .bootstrap_text(r#"{"flags": [{"key": "greeting", "default_variation": "v",
///         "variations": [{"key": "v", "value": "Hello"}]}]}"#)
///     .build()?;
/// client.start()?;
/// assert_eq!(client.get_string_value("greeting", "Hi", None), "Hello");
/// # Ok(())
/// # }
/// ```
///
/// # How it ends
///
/// [`stop`](PhaseFlagClient::stop), or dropping the last handle, delivers what is queued within
/// `shutdown_timeout`. Rust drops nothing where a program ends by `std::process::exit`, where it
/// is built with `panic = "abort"` and panics, or where the client is in a `static`: such a
/// program calls `stop` before it ends.
#[derive(Clone)]
pub struct PhaseFlagClient {
    inner: Arc<Inner>,
}

impl PhaseFlagClient {
    pub(crate) fn new(inner: Inner) -> PhaseFlagClient {
        PhaseFlagClient { inner: Arc::new(inner) }
    }

    /// Serves the remembered ruleset, or else the bootstrap file or text, starts polling, and
    /// returns without waiting for the network. Delivering starts with the first event, those that
    /// earlier clients have left included. Calling it again does nothing more, nor does it wait for
    /// a start that is under way on another thread.
    ///
    /// # Errors
    ///
    /// Where nothing could ever be served: the bootstrap cannot be read and there is no service.
    /// Where the client was stopped, and where the system starts no thread.
    pub fn start(&self) -> Result<(), Error> {
        self.inner.start()
    }

    /// Waits until the client is ready, at most `timeout`.
    ///
    /// A client is ready when a ruleset was fetched, or a remembered one is younger than
    /// `cache_max_age`; in `offline_mode` also when any was remembered, a bootstrap was loaded, or
    /// everything that could be tried has failed; without a service as soon as it is started.
    /// Remembered rules and those of a bootstrap are served before that, too.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] when the time is over, with the last failure; [`Error::KeyRefused`] at
    /// once when the service refuses the key; [`Error::Stopped`] when the client is stopped.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.flags.readiness.wait(timeout)
    }

    /// Returns whether the client is ready; see
    /// [`wait_until_ready`](PhaseFlagClient::wait_until_ready).
    pub fn is_ready(&self) -> bool {
        self.inner.flags.readiness.is_ready()
    }

    /// Stops polling, and delivers the events that are queued, and those that earlier clients have
    /// left in the spool, for at most `shutdown_timeout`. Returns at once where there are none.
    /// What cannot be delivered goes into the spool, or is dropped where there is none; another
    /// process that is writing to the spool is waited for, for a second more. Getters go on with
    /// the last rules.
    ///
    /// May be called from anywhere, a listener included, and more than once.
    pub fn stop(&self) {
        self.inner.stop(self.inner.config.shutdown_timeout);
    }

    /// Stops without trying the network: the events that are queued go into the spool at once, for
    /// a later client to deliver, or are dropped where there is none. Those of a request that is
    /// under way are among them, and may be delivered twice.
    ///
    /// May be called where [`stop`](PhaseFlagClient::stop) may.
    pub fn stop_now(&self) {
        self.inner.stop(Duration::ZERO);
    }

    getters!();

    /// Evaluates every flag for one context, all by the same ruleset; overrides included, also of
    /// flags that the ruleset does not have. Takes a context, or `None` for the default context.
    pub fn evaluate_all<'a>(
        &'a self,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> BTreeMap<String, EvaluationResult> {
        self.snapshot().evaluate_all(self.inner.context(context.into()))
    }

    /// Returns what is known of each flag of the ruleset in use, in its order.
    pub fn flags(&self) -> Vec<FlagInfo> {
        self.snapshot().flags()
    }

    /// Returns the rules and overrides of now, which answer as the client does and stay as they
    /// are while newer ones come.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            complete: self.is_complete(),
            overrides: self.inner.overrides.all(),
            ruleset: self.ruleset(),
            default_context: self.inner.config.default_context.clone(),
            recorder: self.inner.recorder.clone(),
        }
    }

    /// Returns whether there are rules to answer from, ready or not.
    pub fn has_rules(&self) -> bool {
        self.inner.flags.have_rules()
    }

    /// Returns the ruleset in use; `None` where there are no rules yet. It stays as it is while
    /// newer ones come.
    pub fn ruleset(&self) -> Option<Ruleset> {
        self.inner.flags.current()
    }

    /// Calls a function whenever a ruleset comes into force that differs from the one before: a
    /// flag or a segment was added, removed or changed. The first one counts, too, a bootstrap
    /// included; one that is in force already does not.
    ///
    /// The function runs on the thread that brought the ruleset, and may call any method of the
    /// client. The threads of polls and of `bootstrap_watch` have a stack of 1 MiB (or
    /// `RUST_MIN_STACK`); around the first fetch both may bring rules, and two calls overlap. If
    /// it panics, nothing else is the worse for it.
    ///
    /// A listener that holds a handle of its own client keeps that client alive: call
    /// [`stop`](PhaseFlagClient::stop) at the end, or unsubscribe, instead of relying on `Drop`.
    pub fn on_flags_changed(
        &self,
        listener: impl Fn(&FlagsChanged) + Send + Sync + 'static,
    ) -> Subscription {
        self.inner.flags.listen(Arc::new(listener))
    }

    /// Makes a flag serve a value, whatever the rules say. Prerequisites do not see it, and
    /// listeners do not hear of it.
    pub fn set_override(&self, key: &str, value: impl Into<Value>) {
        self.inner.overrides.set(key, value.into());
    }

    /// Makes the rules count again for a flag.
    pub fn clear_override(&self, key: &str) {
        self.inner.overrides.clear(key);
    }

    /// Makes the rules count again for all flags.
    pub fn clear_all_overrides(&self) {
        self.inner.overrides.clear_all();
    }

    /// Asks the service to evaluate a flag. Waits for the answer for at most `request_timeout`;
    /// nothing is retried. Takes a context, or `None` for the default context. The client need not
    /// be started.
    ///
    /// A self-hosted service sends the prerequisites of flags to no client: the getters cannot know
    /// of them. Ask for a flag with prerequisites by this method.
    ///
    /// The first call finds out which of two paths the service has, and may make two requests;
    /// later ones make one. With a [`cache_dir`](crate::ClientBuilder::cache_dir), the path is
    /// remembered for the next run.
    ///
    /// # Errors
    ///
    /// [`Error::FlagNotFound`], [`Error::FlagInactive`], [`Error::KeyRefused`],
    /// [`Error::Request`] for anything else that goes wrong on the way, and [`Error::NoService`]
    /// for a client without a `base_url`.
    pub fn evaluate<'a>(
        &'a self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> Result<EvaluationResult, Error> {
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Ok(result);
        }
        let service = self.inner.service.as_ref().ok_or(Error::NoService)?;
        service.evaluate(key, self.inner.context(context.into()).unwrap_or(&NOBODY))
    }

    /// Asks the service for its ruleset, now and on this thread, and returns the text: what a
    /// bootstrap file may hold. Nothing is retried, and nothing comes into force. The client need
    /// not be started.
    ///
    /// If rules name segments that `/sdk/ruleset` does not hold, the text is that of
    /// `/sdk/bootstrap`, which has them; or of `/sdk/ruleset` if the service has no other document.
    /// Waits for each of the two answers for at most `request_timeout`. Neither holds prerequisites
    /// if the service is self-hosted: see [`evaluate`](PhaseFlagClient::evaluate).
    ///
    /// # Errors
    ///
    /// [`Error::KeyRefused`]; [`Error::Request`] for anything else that goes wrong on the way, an
    /// answer that is no ruleset and segments that cannot be fetched for the moment included; and [`Error::NoService`] for a client without a
    /// `base_url`.
    pub fn fetch_ruleset(&self) -> Result<String, Error> {
        self.inner.service.as_ref().ok_or(Error::NoService)?.fetch_ruleset()
    }

    /// Queues an event. Never blocks and never fails: where the queue is full the event is
    /// dropped, and counted.
    pub fn track_event(&self, mut event: EvaluationEvent) {
        event.stamp();
        match &self.inner.service {
            Some(service) => service.track(event),
            None => match &self.inner.sink {
                Some(sink) => sink.take(event),
                None => self.inner.ledger.abandon(1),
            },
        }
    }

    /// Delivers every event that was tracked before, those in flight included, and waits for that;
    /// those that earlier clients have left in the spool go first, unless another client is
    /// delivering them. Each batch is tried once, at once, and takes at most `request_timeout`; one
    /// that the service fails on (a status of 500 or more) is halved, so that one bad event holds
    /// up no other. Returns immediately if nothing is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Flush`] at the first failure that may pass: what was not delivered stays queued. A
    /// batch that the service refuses, and an event that it fails on for the third time, are
    /// dropped, and reported when the others have been tried. [`Error::NotStarted`] before `start`; [`Error::Stopped`] where the client is stopped
    /// meanwhile; [`Error::Thread`] where the system starts no thread.
    pub fn flush_events(&self) -> Result<(), Error> {
        match &self.inner.service {
            None => Ok(()),
            Some(_) if matches!(self.inner.stage(), Stage::New | Stage::Starting) => {
                Err(Error::NotStarted)
            }
            Some(service) => service.flush(),
        }
    }

    /// Returns how the connection to the service is.
    pub fn state(&self) -> ClientState {
        self.inner.flags.readiness.state()
    }

    /// Returns how polls and events have gone so far. If there is an `event_spool`, reads it to count
    /// the events that wait in it.
    pub fn statistics(&self) -> Statistics {
        let polls = self.inner.flags.readiness.polls();
        let mut events = self.inner.ledger.counts();
        events.in_spool = self.inner.service.as_ref().map_or(0, |service| service.in_spool());
        Statistics {
            polls: polls.made,
            rulesets_accepted: polls.accepted,
            rulesets_refused: polls.refused,
            last_failure: polls.last_failure,
            events,
            failed_deliveries: self.inner.ledger.failed_requests(),
            last_delivery_failure: self.inner.ledger.last_failure(),
        }
    }
}

/// What the getters ask.
impl PhaseFlagClient {
    fn read<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.inner.overrides.read(key, &read) {
            return value;
        }
        let (ruleset, context) = (self.inner.flags.find(key)?, self.inner.context(context));
        match &self.inner.recorder {
            None => ruleset.read_value(key, context, read),
            Some(recorder) => read(recorder.read(&ruleset, key, context)?),
        }
    }

    fn variation(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Some(result);
        }
        let (ruleset, context) = (self.inner.flags.find(key)?, self.inner.context(context));
        match &self.inner.recorder {
            None => ruleset.evaluate(key, context),
            Some(recorder) => recorder.evaluate(&ruleset, key, context),
        }
    }

    pub(crate) fn overrides(&self) -> &Overrides {
        &self.inner.overrides
    }

    /// Returns whether a flag that is not found is one that does not exist.
    fn has_answers(&self) -> bool {
        self.is_complete() || self.has_rules()
    }

    /// Returns whether there is nothing more to come: a service is yet to send its rules.
    fn is_complete(&self) -> bool {
        self.inner.service.is_none() && self.is_ready()
    }

    /// Says why there are no rules yet.
    fn not_ready(&self, key: &str) -> EvaluationError {
        let cause = match self.inner.stage() {
            Stage::New => Some(Error::NotStarted),
            Stage::Stopped => Some(Error::Stopped),
            Stage::Starting | Stage::Started => {
                self.inner.flags.readiness.polls().last_failure.map(Error::from)
            }
        };
        EvaluationError::not_ready(key, cause)
    }
}

/// How polls and events have gone so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Polls that have ended. A poll that has to fetch segments makes two requests.
    pub polls: u64,
    /// Rulesets that came into force by a poll, one without its segments included.
    pub rulesets_accepted: u64,
    /// Answers that were no ruleset.
    pub rulesets_refused: u64,
    /// The last failure of a poll; it stays when the service recovers.
    pub last_failure: Option<RequestError>,
    /// What became of the events.
    pub events: EventCounts,
    /// How many requests for events have failed since the last that was accepted; 0 while
    /// deliveries succeed.
    pub failed_deliveries: u64,
    /// The last failure to deliver events; it stays when deliveries succeed again.
    pub last_delivery_failure: Option<RequestError>,
}

impl fmt::Debug for PhaseFlagClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseFlagClient")
            .field("base_url", &self.inner.config.base_url)
            .field("stage", &self.inner.stage())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
