//! The backlog: the events of earlier processes in the spool, claimed, read and released.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::outbox::{Lane, Outbox, OutgoingEvent};
use super::queue::MAX_REQUEST;
use super::spool::{Claim, ClaimedSpool, Spool};

/// The age of a client at which it claims the backlog, unless it delivers something or stops before
/// that. A process that exits sooner could send the backlog without seeing the response, so that
/// the next one would send it again.
const FIRST_CLAIM: Duration = Duration::from_secs(1);

/// The time between two claims while another client delivers the backlog, and between two reads of
/// the spool while the claimed backlog holds only suspects.
const RECHECK: Duration = Duration::from_secs(30);

/// The backlog of the spool, if there is a spool.
pub(super) struct Backlog {
    spool: Option<Arc<dyn Spool>>,
    /// The time of the next claim, or `None` if there is no further one.
    claim_at: Option<Instant>,
    /// Whether the spool was opened.
    opened: bool,
    claimed: Option<Claimed>,
    /// Whether the backlog is still to be tried. A client that stops waits for that.
    pending: Arc<AtomicBool>,
}

/// The spool while this client delivers from it.
struct Claimed {
    spool: Box<dyn ClaimedSpool>,
    outbox: Outbox,
    /// The time of the next read while the outbox holds only suspects.
    read_at: Instant,
}

impl Backlog {
    /// Returns a backlog that is not claimed yet.
    pub(super) fn new(spool: Option<Arc<dyn Spool>>, pending: Arc<AtomicBool>) -> Backlog {
        let claim_at = spool.is_some().then(|| Instant::now() + FIRST_CLAIM);
        Backlog { spool, claim_at, opened: false, claimed: None, pending }
    }

    /// Returns the time of the next claim, or `None` if there is no further one.
    pub(super) fn claim_at(&self) -> Option<Instant> {
        self.claim_at
    }

    /// Returns whether the backlog is still to be tried.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Claims the backlog and reads it, if `may_claim` is true and it is not claimed yet.
    pub(super) fn open(&mut self, may_claim: bool) {
        if may_claim {
            self.claim();
        }
        self.opened = true;
        let has_regular = self.read();
        self.pending.store(has_regular, Ordering::Release);
    }

    /// Reads the spool if the outbox has only suspects, and releases the spool if it is empty.
    /// Returns whether there are regular events.
    pub(super) fn read(&mut self) -> bool {
        let Some(Claimed { spool, outbox, read_at }) = &mut self.claimed else { return false };
        let now = Instant::now();
        if outbox.is_empty() || outbox.count(Lane::Regular) == 0 && *read_at <= now {
            for event in spool.read(&outbox.spooled_suspects()) {
                outbox.push(OutgoingEvent::Spooled(event));
            }
            *read_at = now + RECHECK;
        }
        if outbox.is_empty() {
            self.claimed = None;
        }
        self.has_regular()
    }

    /// Returns whether there are regular events.
    pub(super) fn has_regular(&self) -> bool {
        self.outbox().is_some_and(|outbox| outbox.count(Lane::Regular) > 0)
    }

    /// Returns the events of the claimed backlog, or `None` if it is not claimed.
    pub(super) fn outbox(&self) -> Option<&Outbox> {
        self.claimed.as_ref().map(|claimed| &claimed.outbox)
    }

    pub(super) fn outbox_mut(&mut self) -> Option<&mut Outbox> {
        self.claimed.as_mut().map(|claimed| &mut claimed.outbox)
    }

    /// Removes events from the spool, and releases the spool if that fails.
    pub(super) fn remove(&mut self, events: &[OutgoingEvent]) {
        let Some(claimed) = &mut self.claimed else { return };
        if !events.is_empty() && !claimed.spool.remove(events) {
            self.claimed = None;
        }
    }

    /// Notes the end of a pass: every event of an opened backlog was tried.
    pub(super) fn end_pass(&self) {
        if self.opened {
            self.pending.store(false, Ordering::Release);
        }
    }

    fn claim(&mut self) {
        if self.claim_at.take().is_none() {
            return;
        }
        match self.spool.as_ref().map_or(Claim::Empty, |spool| spool.claim()) {
            Claim::Claimed(spool) => {
                let outbox = Outbox::new(MAX_REQUEST);
                self.claimed = Some(Claimed { spool, outbox, read_at: Instant::now() });
            }
            // The other client may die before it has delivered everything.
            Claim::Busy => self.claim_at = Some(Instant::now() + RECHECK),
            Claim::Empty => {}
        }
    }
}
