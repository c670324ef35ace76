//! Sends event requests, with timestamps in the form that the service accepts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::outcome::RequestOutcome;
use crate::error::RequestError;
use crate::http::Http;

const PATH: &str = "/sdk/events";

/// The body of a request without events.
const PROBE: &str = r#"{"events":[]}"#;

/// Sends event requests until the client gives up.
pub(super) struct EventSender {
    http: Arc<Http>,
    ledger: Arc<Ledger>,
    /// The end of the last request, or `None` while the client runs.
    deadline: Option<Instant>,
    /// Whether timestamps end with a `Z`, which some services require.
    zoned: bool,
    /// Whether the service accepted timestamps without a `Z`, and none with a `Z` since.
    accepts_unzoned: bool,
}

impl EventSender {
    pub(super) fn new(http: Arc<Http>, ledger: Arc<Ledger>) -> EventSender {
        EventSender { http, ledger, deadline: None, zoned: false, accepts_unzoned: false }
    }

    /// Sets the time at which every request has ended.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Returns the time until the deadline.
    pub(super) fn time_left(&self) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or(Duration::MAX)
    }

    /// Sends a request without events, or returns `None` if the client has given up.
    pub(super) fn send_probe(&self) -> Option<Result<(), RequestError>> {
        self.post(PROBE)
    }

    /// Returns whether the timestamps of the next request end with a `Z`.
    pub(super) fn is_zoned(&self) -> bool {
        self.zoned
    }

    /// Sends `count` events, or returns `None` if the client has given up. `zoned_body` returns the
    /// body with timestamps that end with a `Z`.
    pub(super) fn send(
        &mut self,
        count: usize,
        body: &str,
        zoned_body: impl FnOnce() -> String,
    ) -> Option<Result<(), RequestError>> {
        let (result, zoned) = self.send_in_either_form(body, zoned_body)?;
        if result.is_ok() {
            self.accepts_unzoned = !zoned;
        }
        // If the service was replaced, the new one may fail on the `Z`.
        let fails_alone =
            count == 1 && matches!(RequestOutcome::of(&result), RequestOutcome::ServerError(_));
        self.zoned = zoned && !fails_alone;
        Some(result)
    }

    /// Sends events without a `Z` and, if the service rejects them, with it. Returns the result
    /// that counts, and whether to use the `Z` from now on.
    fn send_in_either_form(
        &self,
        body: &str,
        zoned_body: impl FnOnce() -> String,
    ) -> Option<(Result<(), RequestError>, bool)> {
        let first = self.post(body)?;
        let is_rejected =
            matches!(&first, Err(failure) if matches!(failure.status(), Some(400 | 422)));
        if self.zoned || !is_rejected {
            return Some((first, self.zoned));
        }
        let second = self.post(&zoned_body())?;
        Some(match RequestOutcome::of(&second) {
            RequestOutcome::Accepted => (second, true),
            // The form was not the reason.
            RequestOutcome::Rejected => (first, false),
            RequestOutcome::ServerError(_) if self.accepts_unzoned => (first, false),
            // The form may have been the reason: the failure of the second request counts.
            RequestOutcome::ServerError(_)
            | RequestOutcome::TooLarge
            | RequestOutcome::Broken
            | RequestOutcome::NoResponse
            | RequestOutcome::Unavailable(_) => (second, false),
        })
    }

    fn post(&self, body: &str) -> Option<Result<(), RequestError>> {
        if self.ledger.is_closed() {
            return None;
        }
        Some(self.http.post_discarding_body(PATH, body, self.time_left()))
    }
}
