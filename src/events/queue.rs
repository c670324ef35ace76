//! The event queue between the client and the flusher: a channel, and the outbox that it empties
//! into.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, bounded, select, unbounded};

use super::event::EvaluationEvent;
use super::ledger::{Admission, Ledger};
use super::outbox::{Outbox, OutgoingEvent};
use crate::config::Config;
use crate::error::Error;
use crate::log::log;
use crate::worker::{Never, StopSignal};

/// How often `give_up` looks for events that are counted but not queued yet, because another thread
/// is inside `push`.
const DRAIN_ATTEMPTS: u32 = 100;

/// The time between two of these attempts.
const DRAIN_INTERVAL: Duration = Duration::from_millis(1);

/// An item of the channel. A flush takes the same channel, so that it stays behind earlier events.
enum QueueItem {
    Event(EvaluationEvent),
    Flush(FlushReply),
}

impl QueueItem {
    /// Moves the item to the outbox or to the waiting flushes.
    fn move_to(self, outbox: &mut Outbox, waiting: &mut Vec<FlushReply>) {
        match self {
            QueueItem::Event(event) => outbox.push(OutgoingEvent::Tracked(event)),
            QueueItem::Flush(reply) => waiting.push(reply),
        }
    }
}

/// The channel for the result of a flush.
pub(super) type FlushReply = Sender<Result<(), Error>>;

/// The most events that the service accepts in one request.
pub(super) const MAX_REQUEST: usize = 500;

/// The client's end of the queue.
#[derive(Debug)]
pub(crate) struct EventQueue {
    items: Sender<QueueItem>,
    /// Wakes the sleeping flusher, because a batch is complete.
    wake: Sender<()>,
    batch_size: usize,
    /// Wakes the flusher even while it lingers.
    flush_now: Sender<()>,
    ledger: Arc<Ledger>,
    /// `None` once the client has given up on the queued events; closes `given_up`.
    open: Mutex<Option<Sender<Never>>>,
    source: EventSource,
}

/// The flusher's end of the queue.
#[derive(Clone, Debug)]
pub(crate) struct EventSource {
    items: Receiver<QueueItem>,
    outbox: Arc<Mutex<Outbox>>,
    pub(super) wake: Receiver<()>,
    pub(super) flush_now: Receiver<()>,
    /// Signals that the client has given up on the queued events.
    pub(crate) given_up: StopSignal,
    /// The number of queued events that interrupts the flusher's linger.
    pub(super) flush_threshold: usize,
}

/// Returns a queue that the ledger bounds.
pub(crate) fn queue(config: &Config, ledger: Arc<Ledger>) -> EventQueue {
    let (items, received) = unbounded();
    let (wake, woken) = bounded(1);
    let (flush_now, flushed) = bounded(1);
    let (open, given_up) = bounded(0);
    let open = Mutex::new(Some(open));
    let batch_size = config.event_batch_size;
    let source = EventSource {
        items: received,
        outbox: Arc::new(Mutex::new(Outbox::new(batch_size.min(MAX_REQUEST)))),
        wake: woken,
        flush_now: flushed,
        given_up,
        flush_threshold: batch_size.max(config.event_queue_capacity / 2),
    };
    EventQueue { items, wake, batch_size, flush_now, ledger, open, source }
}

impl EventQueue {
    /// Returns the flusher's end.
    pub(crate) fn source(&self) -> EventSource {
        self.source.clone()
    }

    /// Returns the signal that the client has given up on the queued events.
    pub(crate) fn given_up(&self) -> &StopSignal {
        &self.source.given_up
    }

    /// Queues an event, or counts it as dropped. Never blocks.
    pub(crate) fn push(&self, event: EvaluationEvent) {
        match self.ledger.admit() {
            Admission::Queued(count) => {
                // Cannot fail: `self.source` holds a receiver.
                let _ = self.items.send(QueueItem::Event(event));
                if count == self.source.flush_threshold {
                    let _ = self.flush_now.try_send(());
                } else if count == self.batch_size {
                    let _ = self.wake.try_send(());
                }
            }
            Admission::Full { first: true } => {
                log!(warn, "the event queue is full: new events are dropped until it drains");
            }
            Admission::Full { first: false } | Admission::Closed => {}
        }
    }

    /// Waits until every event queued before was tried.
    ///
    /// # Errors
    ///
    /// If events were not delivered, or the client stops meanwhile.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        if self.ledger.queued() == 0 {
            return Ok(());
        }
        let (reply, result) = bounded(1);
        self.items.send(QueueItem::Flush(reply)).map_err(|_| Error::Stopped)?;
        let _ = self.flush_now.try_send(());
        select! {
            recv(result) -> result => result.unwrap_or(Err(Error::Stopped)),
            recv(self.source.given_up) -> _ => result.try_recv().unwrap_or(Err(Error::Stopped)),
        }
    }

    /// Takes the queued events from the flusher, including those of a request in flight, and ends
    /// waiting flushes. Returns no events the second time. Must not be called by two threads at
    /// once.
    pub(crate) fn give_up(&self) -> Vec<EvaluationEvent> {
        let mut events = Vec::new();
        if self.ledger.is_closed() {
            return events;
        }
        let count = {
            let _outbox = self.source.outbox();
            self.ledger.close()
        };
        for attempt in 0..DRAIN_ATTEMPTS {
            self.source.take_all(&mut events);
            if events.len() >= count {
                break;
            }
            if attempt > 0 {
                thread::sleep(DRAIN_INTERVAL);
            }
        }
        self.ledger.abandon(count.saturating_sub(events.len()));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        events
    }
}

impl EventSource {
    /// Waits for an item, or until `deadline` if there is one. Returns false if the stop signal
    /// came instead. Leaves the item in the channel, where `give_up` finds it.
    pub(crate) fn wait(&self, stop: &StopSignal, deadline: Option<Instant>) -> bool {
        let mut select = Select::new();
        let stopped = select.recv(stop);
        select.recv(&self.items);
        let ready = match deadline {
            Some(deadline) => select.ready_deadline(deadline).ok(),
            None => Some(select.ready()),
        };
        ready != Some(stopped)
    }

    /// Moves the events in the channel to the outbox, and the flushes to `waiting`.
    pub(super) fn collect(&self, waiting: &mut Vec<FlushReply>) {
        let mut outbox = self.outbox();
        while let Ok(item) = self.items.try_recv() {
            item.move_to(&mut outbox, waiting);
        }
    }

    /// Moves all events of the channel and the outbox to `events`. Drops the replies of flushes,
    /// which ends them.
    fn take_all(&self, events: &mut Vec<EvaluationEvent>) {
        let mut outbox = self.outbox();
        while let Ok(item) = self.items.try_recv() {
            item.move_to(&mut outbox, &mut Vec::new());
        }
        events.extend(outbox.take_all().into_iter().filter_map(|event| match event {
            OutgoingEvent::Tracked(event) => Some(event),
            OutgoingEvent::Spooled(_) => None,
        }));
    }

    /// Locks the outbox. The caller must not queue an event, log or wait while it holds the lock.
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_takes_no_event() {
        let config = Config::default();
        let queue = queue(&config, Arc::new(Ledger::new(config.event_queue_capacity)));
        let source = queue.source();
        let (_running, stop) = bounded(0);
        for key in ["a", "b"] {
            queue.push(EvaluationEvent::new(key));
        }
        assert!(source.wait(&stop, None));
        assert_eq!((source.items.len(), source.outbox().len()), (2, 0));
        let events = queue.give_up();
        assert!(events.iter().map(EvaluationEvent::get_flag_key).eq(["a", "b"]));
    }
}
