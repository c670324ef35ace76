//! Reports event requests: counts failures in the ledger, and logs each change once.

use std::sync::Arc;

use super::delivery::{Request, Settlement, Source};
use super::ledger::{Fate, Ledger};
use super::outbox::Lane;
use crate::error::RequestError;
use crate::log::log;

/// What was logged about event requests.
pub(super) struct DeliveryLog {
    ledger: Arc<Ledger>,
    /// Whether a failure was logged, and no events were delivered since.
    failing: bool,
    /// Whether the service rejected the last events.
    rejecting: bool,
}

impl DeliveryLog {
    pub(super) fn new(ledger: Arc<Ledger>) -> DeliveryLog {
        DeliveryLog { ledger, failing: false, rejecting: false }
    }

    /// Counts and logs the result of a request.
    pub(super) fn report(
        &mut self,
        request: Request,
        result: &Result<(), RequestError>,
        settlement: &Settlement,
    ) {
        let failure = match result {
            Ok(()) if request == Request::Probe => return,
            Ok(()) => {
                self.rejecting = false;
                self.ledger.note_success();
                if std::mem::take(&mut self.failing) {
                    log!(info, "events are delivered again");
                }
                log!(debug, "delivered events: {}", settlement.events.len());
                return;
            }
            Err(failure) => failure,
        };
        match settlement.fate {
            Fate::Rejected => {
                self.ledger.note_failure(failure);
                if !std::mem::replace(&mut self.rejecting, true) {
                    log!(warn, "the service rejects events, which are dropped: {failure}");
                }
            }
            Fate::Failing => {
                self.ledger.note_failure(failure);
                for event in &settlement.events {
                    log!(
                        warn,
                        "dropped an event of the flag `{}`: the service fails on it but accepts \
                         others: {failure}",
                        event.flag_key()
                    );
                }
            }
            // The next request is smaller.
            Fate::Undecided | Fate::Delivered if failure.status() == Some(413) => {}
            Fate::Undecided | Fate::Delivered => {
                self.ledger.note_failure(failure);
                let single = Request::Events { source: Source::Own, lane: Lane::Regular, count: 1 };
                if (settlement.pause || request == single)
                    && !std::mem::replace(&mut self.failing, true)
                {
                    log!(warn, "failed to deliver events: {failure:#}");
                }
            }
        }
    }
}
