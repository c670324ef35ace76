//! The setters of `ClientBuilder` for events and for what sees evaluations.

use std::path::PathBuf;
use std::time::Duration;

use super::ClientBuilder;
use super::evaluation::Evaluation;
use super::hook::hook;
use crate::events::open_recorder;
#[cfg(feature = "http")]
use crate::events::open_spool;

impl ClientBuilder {
    /// Sets the longest time that an event waits for its batch to fill up. Must not be zero.
    ///
    /// Defaults to 30 s.
    pub fn event_flush_interval(mut self, interval: Duration) -> ClientBuilder {
        self.config.event_flush_interval = interval;
        self
    }

    /// Sets the number of events in a batch. Must not be zero or exceed
    /// [`event_queue_capacity`](ClientBuilder::event_queue_capacity). A request holds at most 500
    /// events.
    ///
    /// A full batch is sent within 50 ms, so that more events can join it. It is sent at once if
    /// the batch size is 1 or the queue is half full.
    ///
    /// Defaults to 100.
    pub fn event_batch_size(mut self, events: usize) -> ClientBuilder {
        self.config.event_batch_size = events;
        self
    }

    /// Sets the largest number of events that are tracked and not yet delivered. More are dropped
    /// and counted. Must not be zero or less than
    /// [`event_batch_size`](ClientBuilder::event_batch_size).
    ///
    /// Defaults to 10,000.
    pub fn event_queue_capacity(mut self, events: usize) -> ClientBuilder {
        self.config.event_queue_capacity = events;
        self
    }

    /// Sets whether the client tracks evaluations: one event for each flag, variation and
    /// identifier (the user or else the session) within an
    /// [`event_flush_interval`](ClientBuilder::event_flush_interval).
    ///
    /// The typed getters and `get_variation` record what they evaluate, on the client and on its
    /// snapshots. They do not record overrides, unknown flags and prerequisites. A client without a
    /// service records nothing.
    ///
    /// An event holds the keys of the flag and of the variation, the `user_id`, and the metadata
    /// `"source": "evaluation"` and `"reason"`. Without a user, it has the metadata `"session_id"`
    /// instead. The attributes of the context are not sent.
    ///
    /// An interval has room for
    /// [`event_queue_capacity`](ClientBuilder::event_queue_capacity) different evaluations, at most
    /// 1,048,576. More are not recorded, and are counted as `dropped_interval_full`. The client
    /// uses 16 to 32 bytes of memory for each, 256 KiB by default.
    ///
    /// Defaults to `false`.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let builder = PhaseFlagClient::without_service().record_evaluations(true);
    /// # builder.build()?;
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn record_evaluations(mut self, record: bool) -> ClientBuilder {
        self.extras.recorder = record.then_some(open_recorder);
        self
    }

    /// Sets a function that is called after each evaluation, for traces, metrics and logs. It
    /// receives the key, the context, the value that the caller received, the variation, and the
    /// reason or the error.
    ///
    /// It sees the evaluations of all getters, of the client and of its snapshots, also those of
    /// overrides and unknown flags, and each flag of `evaluate_all` once. It does not see
    /// prerequisites, and not [`evaluate`](crate::PhaseFlagClient::evaluate), which makes a request.
    ///
    /// The function runs on the thread of the caller, which waits for it. The client holds no lock
    /// then, so that the function may call any method, but evaluations inside of it are not
    /// reported. Evaluations on other threads are, so work that the function hands over must not evaluate
    /// flags: each evaluation would cause another one. A panic is caught, and the first one is logged.
    ///
    /// A function that owns a handle of its client keeps the client alive: call
    /// [`stop`](crate::PhaseFlagClient::stop) instead of relying on `Drop`.
    ///
    /// The context may identify a person: take care where you write its attributes.
    ///
    /// Defaults to no function. A second call replaces the first function.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let client = PhaseFlagClient::without_service()
    ///     .on_evaluation(|evaluation| match (evaluation.value(), evaluation.error()) {
    ///         (Some(value), None) => println!("{} is {value}", evaluation.key()),
    ///         (_, Some(error)) => println!("{error}"),
    ///         (None, None) => {}
    ///     })
    ///     .build()?;
    /// client.start()?;
    /// client.get_boolean_value("dark-mode", false, None); // there is no flag `dark-mode`
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn on_evaluation(
        mut self,
        function: impl Fn(&Evaluation<'_>) + Send + Sync + 'static,
    ) -> ClientBuilder {
        self.extras.hook = Some(hook(function));
        self
    }

    /// Sets a file that keeps undelivered events for the next run of the program.
    ///
    /// [`stop`](crate::PhaseFlagClient::stop) writes the events that it could not deliver, and
    /// [`stop_now`](crate::PhaseFlagClient::stop_now) all that are queued. The next client of the
    /// same service and key delivers them before its own events. Clients of any service and key, in
    /// any number of processes, may share one file. On Unix, only its owner can read it. Its folder
    /// must be writable, for the lock files beside it. The path must not be empty. A client without
    /// a service writes nothing.
    ///
    /// The file survives a crash of the program, but may be lost if the machine loses power.
    ///
    /// Defaults to dropping these events.
    pub fn event_spool(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.config.event_spool = Some(path.into());
        #[cfg(feature = "http")]
        {
            self.extras.spool = Some(open_spool);
        }
        self
    }

    /// Sets the largest size of the [`event_spool`](ClientBuilder::event_spool), in bytes. The
    /// oldest events are dropped and counted to make room. Must not be zero.
    ///
    /// Defaults to 8 MiB.
    pub fn event_spool_size(mut self, bytes: usize) -> ClientBuilder {
        self.config.event_spool_size = bytes;
        self
    }
}
