//! `EventRecorder`: keeps the events that a client tracks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::events::{Admission, EvaluationEvent, Fate, Ledger, Tracker};

/// Keeps the events that a client tracks, in their order.
///
/// A clone is another handle of the same recorder, and several clients may share one. Each event
/// counts as delivered. After [`stop`](crate::PhaseFlagClient::stop), events are dropped and counted.
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

    /// Returns all events.
    pub fn all(&self) -> Vec<EvaluationEvent> {
        self.lock().clone()
    }

    /// Returns all events and removes them from the recorder.
    pub fn take(&self) -> Vec<EvaluationEvent> {
        std::mem::take(&mut *self.lock())
    }

    /// Returns the events of one flag.
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

/// Adds the events of one client to a recorder, and counts them.
pub(super) struct TestTracker {
    pub(super) events: EventRecorder,
    pub(super) ledger: Arc<Ledger>,
}

impl Tracker for TestTracker {
    fn take(&self, event: EvaluationEvent) {
        if let Admission::Queued(_) = self.ledger.admit() {
            self.events.lock().push(event);
            self.ledger.settle(Fate::Delivered, 1);
        }
    }
}
