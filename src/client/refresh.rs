//! `refresh`: rules on demand, besides the polls.

use super::PhaseFlagClient;
use crate::error::Error;

impl PhaseFlagClient {
    /// Requests the rules now and uses them, for example after a SIGHUP or a deployment. Returns
    /// whether the call brought other rules: a flag or a segment was added, removed or changed.
    ///
    /// This is a poll like any other: it is counted, the rules are cached, and a failure is logged
    /// and shown by [`state`](PhaseFlagClient::state). Listeners run on this thread, before the
    /// call returns. It does not wait for the delay after a failure, not even for a `Retry-After`; a
    /// success ends that delay. It works with a `polling_interval` of zero, and before the start. Until
    /// the start, no poll is due, so the rules do not become stale by their age alone.
    ///
    /// If a request of a poll is under way, this waits for that poll and makes no request. The
    /// service may have read its rules for it shortly before the call.
    ///
    /// All requests together, and the wait for a poll, take at most one `request_timeout`. The call
    /// blocks: asynchronous code calls it from a blocking thread.
    ///
    /// ```no_run
    /// use phaseflag::PhaseFlagClient;
    ///
    /// # let client = PhaseFlagClient::builder("http://localhost:8000/api/v1", "sdk-dev-1").build()?;
    /// match client.refresh() {
    ///     Ok(true) => println!("other rules are in force"),
    ///     Ok(false) => println!("nothing has changed"),
    ///     Err(error) => eprintln!("the last rules stay in use: {error:#}"),
    /// }
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::KeyRefused`], [`Error::Request`] for any other failure, or if a poll that is
    /// under way does not end in time, for example because a listener blocks it. Rules that are in
    /// use stay; a client without rules may have those of the bootstrap URL, or rules without their
    /// segments. Returns [`Error::Busy`] inside a listener, or a logger that is called for new rules,
    /// [`Error::Stopped`] after or during [`stop`](PhaseFlagClient::stop), [`Error::NoService`] if
    /// the client has no `base_url`, and [`Error::Forked`] in a process that was forked after the
    /// start.
    pub fn refresh(&self) -> Result<bool, Error> {
        self.inner.service.as_ref().ok_or(Error::NoService)?.refresh()
    }
}
