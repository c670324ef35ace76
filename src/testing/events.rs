//! `EventRecorder`: the events that were tracked.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::events::Tracker;
use crate::events::{Admission, EvaluationEvent, Fate, Ledger};

/// The events that a client was told to track, in their order.
///
/// A clone is another handle of the same recorder. Clients may share one. Each event counts as
/// delivered; after [`stop`](crate::PhaseFlagClient::stop) they are dropped, and counted, as ever.
///
/// ```
/// use phaseflag::EvaluationEvent;
/// use phaseflag::testing::{EventRecorder, TestFlags};
///
/// let events = EventRecorder::new();
/// let client = TestFlags::new().events(&events).build()?;
/// client.track_event(EvaluationEvent::new("checkout").metadata("page", 2));
///
/// let event = &events.take()[0];
/// assert_eq!(event.get_flag_key(), "checkout");
/// assert_eq!(event.get_metadata().get("page").unwrap().as_i64(), Some(2));
/// assert!(events.all().is_empty());
/// assert_eq!(client.statistics().events.delivered, 1);
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct EventRecorder {
    events: Arc<Mutex<Vec<EvaluationEvent>>>,
}

impl EventRecorder {
    /// Returns a recorder without events.
    pub fn new() -> EventRecorder {
        EventRecorder::default()
    }

    /// Returns all events, and keeps them.
    pub fn all(&self) -> Vec<EvaluationEvent> {
        self.lock().clone()
    }

    /// Returns all events, and forgets them.
    pub fn take(&self) -> Vec<EvaluationEvent> {
        std::mem::take(&mut *self.lock())
    }

    /// Returns the events of one flag, and keeps them.
    pub fn of(&self, flag_key: &str) -> Vec<EvaluationEvent> {
        let events = self.lock();
        events.iter().filter(|event| event.get_flag_key() == flag_key).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EvaluationEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder").field("events", &self.lock().len()).finish()
    }
}

/// A recorder at the end of one client, whose ledger counts.
pub(super) struct Sink {
    pub(super) events: EventRecorder,
    pub(super) ledger: Arc<Ledger>,
}

impl Tracker for Sink {
    fn take(&self, event: EvaluationEvent) {
        if let Admission::Queued(_) = self.ledger.admit() {
            self.events.lock().push(event);
            self.ledger.settle(Fate::Delivered, 1);
        }
    }
}
