//! The ledger that bounds events and counts what becomes of each.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::RequestError;

/// The bit beside the count of queued events that says that nobody delivers any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// The bit beside the count that says that no more are taken.
const SEALED: usize = CLOSED >> 1;

/// The bits of the count itself.
const COUNT: usize = SEALED - 1;

/// Bounds the events that are tracked and neither delivered nor dropped, and counts what becomes
/// of each.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: usize,
    /// How many there are, and whether the ledger is sealed or closed.
    queued: AtomicUsize,
    delivered: AtomicU64,
    overflowed: AtomicU64,
    /// Whether the queue has been full, and not yet drained to its half.
    full: AtomicBool,
    rejected: AtomicU64,
    server_errors: AtomicU64,
    abandoned: AtomicU64,
    spooled: AtomicU64,
    crowded_out: AtomicU64,
    delivered_spooled: AtomicU64,
    passed_over: AtomicU64,
    failed_requests: AtomicU64,
    last_failure: Mutex<Option<RequestError>>,
}

/// What became of the events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventCounts {
    /// Tracked, and neither delivered nor dropped yet; those in flight included.
    pub queued: usize,
    /// Accepted by the service, or by the recorder of a test.
    pub delivered: u64,
    /// Dropped because the queue was full.
    pub dropped_queue_full: u64,
    /// Dropped because the service refused them for good; those of earlier clients included.
    pub dropped_rejected: u64,
    /// Dropped because the service answered each of these alone with a server error (a status of
    /// 500 or more) three times, while it accepted others; those of earlier clients included.
    pub dropped_server_error: u64,
    /// Dropped because the client was stopped before they could be delivered, or has no service.
    pub dropped_undelivered: u64,
    /// Left in the spool at the end, for a later client.
    pub spooled: u64,
    /// In the spool now, of this service and key. [`statistics`](crate::PhaseFlagClient::statistics)
    /// reads the file to count them.
    pub in_spool: u64,
    /// Dropped from the spool, the oldest first, to keep its size; those of earlier clients
    /// included.
    pub dropped_spool_full: u64,
    /// Accepted by the service, of those that earlier clients had left in the spool.
    pub delivered_spooled: u64,
    /// Evaluations that were not recorded because their interval had no room for more different
    /// ones; see [`record_evaluations`](crate::ClientBuilder::record_evaluations). Each counts,
    /// repeated ones too, so that there are more of them than events that are missing.
    pub dropped_interval_full: u64,
}

impl EventCounts {
    /// Returns how many events were dropped, for whatever reason. Evaluations that were not
    /// recorded, `dropped_interval_full`, are not among them: those are no events yet.
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full
            + self.dropped_rejected
            + self.dropped_server_error
            + self.dropped_undelivered
            + self.dropped_spool_full
    }
}

/// What becomes of events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fate {
    /// They stay.
    #[default]
    Undecided,
    Delivered,
    /// The service refuses them.
    Rejected,
    /// The service fails on each of them alone, and takes others.
    Failing,
}

/// Whether an event may enter the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Admission {
    /// It may; this many are queued with it.
    Queued(usize),
    /// No more are taken.
    Closed,
    /// The queue is full; `first` where it has been drained since it last was.
    Full { first: bool },
}

impl Ledger {
    pub(crate) fn new(capacity: usize) -> Ledger {
        Ledger {
            capacity: capacity.min(COUNT),
            queued: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            full: AtomicBool::new(false),
            rejected: AtomicU64::new(0),
            server_errors: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
            crowded_out: AtomicU64::new(0),
            delivered_spooled: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            failed_requests: AtomicU64::new(0),
            last_failure: Mutex::default(),
        }
    }

    /// Notes a request that delivered no events, and why.
    pub(super) fn note(&self, failure: &RequestError) {
        self.failed_requests.fetch_add(1, Ordering::AcqRel);
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(failure.clone());
    }

    /// Notes a request that delivered events.
    pub(super) fn note_success(&self) {
        self.failed_requests.store(0, Ordering::Release);
    }

    /// Returns how many requests have failed since the last success.
    pub(crate) fn failed_requests(&self) -> u64 {
        self.failed_requests.load(Ordering::Acquire)
    }

    /// Returns why events were last not delivered.
    pub(crate) fn last_failure(&self) -> Option<RequestError> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes an event in, or counts it as dropped.
    pub(crate) fn admit(&self) -> Admission {
        let room = |queued| (queued < self.capacity).then_some(queued + 1);
        match self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, room) {
            Ok(before) => Admission::Queued(before + 1),
            Err(before) if before >= SEALED => {
                self.abandon(1);
                Admission::Closed
            }
            Err(_) => {
                self.overflowed.fetch_add(1, Ordering::AcqRel);
                Admission::Full { first: !self.full.swap(true, Ordering::AcqRel) }
            }
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire) & COUNT
    }

    /// Returns whether nobody delivers any more.
    pub(super) fn is_closed(&self) -> bool {
        self.queued.load(Ordering::Acquire) >= CLOSED
    }

    /// Counts events of this client whose fate is known.
    pub(crate) fn settle(&self, fate: Fate, count: usize) {
        let Some(counter) = self.counter(fate) else { return };
        let rest = |queued: usize| {
            let left = (queued & COUNT).saturating_sub(count);
            (queued & CLOSED == 0).then_some(queued & SEALED | left)
        };
        if let Ok(before) = self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest) {
            let before = before & COUNT;
            counter.fetch_add(before.min(count) as u64, Ordering::AcqRel);
            if before.saturating_sub(count) <= self.capacity / 2 {
                self.full.store(false, Ordering::Release);
            }
        }
    }

    /// Counts events of earlier clients whose fate is known.
    pub(crate) fn settle_spooled(&self, fate: Fate, count: usize) {
        let counter = match fate {
            Fate::Delivered => Some(&self.delivered_spooled),
            fate => self.counter(fate),
        };
        if let Some(counter) = counter {
            counter.fetch_add(count as u64, Ordering::AcqRel);
        }
    }

    fn counter(&self, fate: Fate) -> Option<&AtomicU64> {
        match fate {
            Fate::Undecided => None,
            Fate::Delivered => Some(&self.delivered),
            Fate::Rejected => Some(&self.rejected),
            Fate::Failing => Some(&self.server_errors),
        }
    }

    /// Takes no more events: those that come later are counted as dropped.
    pub(crate) fn seal(&self) {
        self.queued.fetch_or(SEALED, Ordering::AcqRel);
    }

    /// Lets nothing be settled any more, and returns how many events are left: whoever closes it
    /// counts what becomes of them. What a request in flight may still achieve is not counted.
    pub(super) fn close(&self) -> usize {
        self.queued.swap(CLOSED | SEALED, Ordering::AcqRel) & COUNT
    }

    /// Counts events as dropped that nobody will deliver.
    pub(crate) fn abandon(&self, count: usize) {
        self.abandoned.fetch_add(count as u64, Ordering::AcqRel);
    }

    /// Counts events as spooled, and others as dropped to make room for them.
    pub(crate) fn spool(&self, kept: usize, dropped: usize) {
        self.spooled.fetch_add(kept as u64, Ordering::AcqRel);
        self.crowded_out.fetch_add(dropped as u64, Ordering::AcqRel);
    }

    /// Counts an evaluation that is not recorded, for want of room.
    pub(super) fn pass_over(&self) {
        self.passed_over.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn counts(&self) -> EventCounts {
        EventCounts {
            queued: self.queued(),
            delivered: self.delivered.load(Ordering::Acquire),
            dropped_queue_full: self.overflowed.load(Ordering::Acquire),
            dropped_rejected: self.rejected.load(Ordering::Acquire),
            dropped_server_error: self.server_errors.load(Ordering::Acquire),
            dropped_undelivered: self.abandoned.load(Ordering::Acquire),
            spooled: self.spooled.load(Ordering::Acquire),
            in_spool: 0,
            dropped_spool_full: self.crowded_out.load(Ordering::Acquire),
            delivered_spooled: self.delivered_spooled.load(Ordering::Acquire),
            dropped_interval_full: self.passed_over.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_admits_up_to_its_capacity() {
        let ledger = Ledger::new(2);
        assert_eq!(ledger.admit(), Admission::Queued(1));
        assert_eq!(ledger.admit(), Admission::Queued(2));
        assert_eq!(ledger.admit(), Admission::Full { first: true });
        assert_eq!(ledger.admit(), Admission::Full { first: false });
        ledger.settle(Fate::Delivered, 1);
        assert_eq!(ledger.admit(), Admission::Queued(2));
        assert_eq!(ledger.admit(), Admission::Full { first: true });
        let counts = ledger.counts();
        assert_eq!((counts.queued, counts.delivered, counts.dropped_queue_full), (2, 1, 3));
    }

    #[test]
    fn a_sealed_ledger_settles_what_it_holds() {
        let ledger = Ledger::new(10);
        for _ in 0..5 {
            ledger.admit();
        }
        ledger.seal();
        assert_eq!(ledger.admit(), Admission::Closed);
        assert!(!ledger.is_closed());
        ledger.settle(Fate::Delivered, 3);
        assert_eq!(ledger.queued(), 2);
        assert_eq!(ledger.admit(), Admission::Closed);
        assert_eq!(ledger.close(), 2);
        ledger.abandon(2);
        let counts = ledger.counts();
        assert_eq!((counts.queued, counts.delivered, counts.dropped()), (0, 3, 4));
    }

    #[test]
    fn nothing_is_counted_twice() {
        let ledger = Ledger::new(10);
        for _ in 0..5 {
            ledger.admit();
        }
        assert_eq!(ledger.close(), 5);
        ledger.abandon(5);
        assert_eq!(ledger.admit(), Admission::Closed);
        ledger.settle(Fate::Delivered, 3);
        ledger.settle(Fate::Rejected, 3);
        let counts = ledger.counts();
        assert_eq!((counts.queued, counts.delivered, counts.dropped()), (0, 0, 6));
    }
}
