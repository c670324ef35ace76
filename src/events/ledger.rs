//! The ledger: bounds the queued events, and counts the fate of each.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::atomic::AtomicU64;
use crate::error::RequestError;

/// The bit beside the count of queued events that is set once they are no longer delivered.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// The bit beside the count that is set once no more events are admitted.
const SEALED: usize = CLOSED >> 1;

/// The bits of the count itself.
const COUNT: usize = SEALED - 1;

/// Bounds the queued events, and counts the fate of each event.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: usize,
    /// The count of queued events, with the bits `CLOSED` and `SEALED`.
    queued: AtomicUsize,
    /// Held while events move from `queued` to the counter of their fate.
    settling: Mutex<()>,
    delivered: AtomicU64,
    dropped_queue_full: AtomicU64,
    /// Whether the queue was full and has not yet drained to half its capacity.
    full: AtomicBool,
    dropped_rejected: AtomicU64,
    dropped_server_error: AtomicU64,
    dropped_undelivered: AtomicU64,
    spooled: AtomicU64,
    dropped_spool_full: AtomicU64,
    delivered_spooled: AtomicU64,
    dropped_interval_full: AtomicU64,
    failed_requests: AtomicU64,
    last_failure: Mutex<Option<RequestError>>,
}

/// The counts of events since the client was built, by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventCounts {
    /// Tracked, and neither delivered nor dropped yet. Includes those in flight.
    pub queued: usize,
    /// Accepted by the service, or by the recorder of a test.
    pub delivered: u64,
    /// Dropped because the queue was full.
    pub dropped_queue_full: u64,
    /// Dropped because the service rejected them. Includes those from the spool.
    pub dropped_rejected: u64,
    /// Dropped because the service responded to each of these alone with a server error (a status
    /// of 500 to 599), or broke the connection, three times, while it accepted others. Includes
    /// those from the spool.
    pub dropped_server_error: u64,
    /// Dropped because the client stopped before it could deliver or spool them, or has no service.
    pub dropped_undelivered: u64,
    /// Written to the spool when the client stopped, for a later process.
    pub spooled: u64,
    /// In the spool now, for this service and key.
    /// [`statistics`](crate::PhaseFlagClient::statistics) reads the file to count them.
    pub in_spool: u64,
    /// Dropped from the spool, the oldest first, to keep its size limit. Includes those of earlier
    /// processes.
    pub dropped_spool_full: u64,
    /// Read from the spool and accepted by the service.
    pub delivered_spooled: u64,
    /// Evaluations that were not recorded because their interval was full; see
    /// [`record_evaluations`](crate::ClientBuilder::record_evaluations). Repeated evaluations count
    /// each time, so this exceeds the number of missing events.
    pub dropped_interval_full: u64,
}

impl EventCounts {
    /// Returns how many events were dropped for any reason. Excludes `dropped_interval_full`, which
    /// counts evaluations that did not become events.
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full
            + self.dropped_rejected
            + self.dropped_server_error
            + self.dropped_undelivered
            + self.dropped_spool_full
    }
}

/// What becomes of the events of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fate {
    /// They stay queued.
    #[default]
    Undecided,
    Delivered,
    /// The service rejected them.
    Rejected,
    /// The service fails on each of them alone, and accepts others.
    Failing,
}

/// The result of admitting an event to the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Admission {
    /// Admitted; holds the number of queued events, including this one.
    Queued(usize),
    /// Dropped, because the ledger is sealed.
    Closed,
    /// Dropped, because the queue is full. `first` is whether this is the first drop since the
    /// queue drained.
    Full { first: bool },
}

impl Ledger {
    /// Returns an empty ledger that admits up to `capacity` events at a time.
    pub(crate) fn new(capacity: usize) -> Ledger {
        Ledger {
            capacity: capacity.min(COUNT),
            queued: AtomicUsize::new(0),
            settling: Mutex::default(),
            delivered: AtomicU64::new(0),
            dropped_queue_full: AtomicU64::new(0),
            full: AtomicBool::new(false),
            dropped_rejected: AtomicU64::new(0),
            dropped_server_error: AtomicU64::new(0),
            dropped_undelivered: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
            dropped_spool_full: AtomicU64::new(0),
            delivered_spooled: AtomicU64::new(0),
            dropped_interval_full: AtomicU64::new(0),
            failed_requests: AtomicU64::new(0),
            last_failure: Mutex::default(),
        }
    }

    /// Notes a request that failed.
    pub(super) fn note_failure(&self, failure: &RequestError) {
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

    /// Returns the last failure of a request, or `None`.
    pub(crate) fn last_failure(&self) -> Option<RequestError> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Admits an event, or counts it as dropped.
    pub(crate) fn admit(&self) -> Admission {
        let room = |queued| (queued < self.capacity).then_some(queued + 1);
        match self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, room) {
            Ok(before) => Admission::Queued(before + 1),
            Err(before) if before >= SEALED => {
                self.abandon(1);
                Admission::Closed
            }
            Err(_) => {
                self.dropped_queue_full.fetch_add(1, Ordering::AcqRel);
                Admission::Full { first: !self.full.swap(true, Ordering::AcqRel) }
            }
        }
    }

    /// Returns how many events are queued.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire) & COUNT
    }

    /// Returns whether queued events are no longer delivered.
    pub(super) fn is_closed(&self) -> bool {
        self.queued.load(Ordering::Acquire) >= CLOSED
    }

    /// Counts the fate of queued events.
    pub(crate) fn settle(&self, fate: Fate, count: usize) {
        let Some(counter) = self.counter(fate) else { return };
        let _settling = self.lock_settling();
        let subtract = |queued: usize| {
            let remaining = (queued & COUNT).saturating_sub(count);
            (queued & CLOSED == 0).then_some(queued & SEALED | remaining)
        };
        if let Ok(before) = self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, subtract)
        {
            let before = before & COUNT;
            counter.fetch_add(before.min(count) as u64, Ordering::AcqRel);
            if before.saturating_sub(count) <= self.capacity / 2 {
                self.full.store(false, Ordering::Release);
            }
        }
    }

    /// Counts the fate of spooled events.
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
            Fate::Rejected => Some(&self.dropped_rejected),
            Fate::Failing => Some(&self.dropped_server_error),
        }
    }

    /// Admits no more events: later ones are counted as dropped.
    pub(crate) fn seal(&self) {
        self.queued.fetch_or(SEALED, Ordering::AcqRel);
    }

    /// Stops counting, and returns how many events were queued. The caller counts their fate; the
    /// result of a request in flight is ignored.
    pub(crate) fn close(&self) -> usize {
        self.queued.swap(CLOSED | SEALED, Ordering::AcqRel) & COUNT
    }

    /// Counts events as dropped because they will not be delivered.
    pub(crate) fn abandon(&self, count: usize) {
        self.dropped_undelivered.fetch_add(count as u64, Ordering::AcqRel);
    }

    /// Counts events as spooled, and others as dropped from the full spool.
    pub(crate) fn spool(&self, kept: usize, dropped: usize) {
        self.spooled.fetch_add(kept as u64, Ordering::AcqRel);
        self.dropped_spool_full.fetch_add(dropped as u64, Ordering::AcqRel);
    }

    /// Counts an evaluation that is not recorded because its interval is full.
    pub(super) fn count_unrecorded(&self) {
        self.dropped_interval_full.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns the counts. `in_spool` is 0, since the ledger does not read the spool.
    pub(crate) fn counts(&self) -> EventCounts {
        let _settling = self.lock_settling();
        EventCounts {
            queued: self.queued(),
            delivered: self.delivered.load(Ordering::Acquire),
            dropped_queue_full: self.dropped_queue_full.load(Ordering::Acquire),
            dropped_rejected: self.dropped_rejected.load(Ordering::Acquire),
            dropped_server_error: self.dropped_server_error.load(Ordering::Acquire),
            dropped_undelivered: self.dropped_undelivered.load(Ordering::Acquire),
            spooled: self.spooled.load(Ordering::Acquire),
            in_spool: 0,
            dropped_spool_full: self.dropped_spool_full.load(Ordering::Acquire),
            delivered_spooled: self.delivered_spooled.load(Ordering::Acquire),
            dropped_interval_full: self.dropped_interval_full.load(Ordering::Acquire),
        }
    }

    fn lock_settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_sealed_ledger_settles_its_events() {
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
    fn each_event_has_one_fate_at_any_time() {
        const EVENTS: usize = 100_000;
        let ledger = Ledger::new(EVENTS);
        for _ in 0..EVENTS {
            ledger.admit();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..EVENTS {
                    ledger.settle(Fate::Delivered, 1);
                }
            });
            loop {
                let counts = ledger.counts();
                assert_eq!(counts.queued as u64 + counts.delivered, EVENTS as u64);
                if counts.queued == 0 {
                    break;
                }
            }
        });
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
