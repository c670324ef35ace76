//! The queue of events: the end that the client holds, and the end of the thread that delivers.
//!
//! An event is in the channel, or, once the thread has seen it, in the outbox, which it leaves
//! when its fate is known. So whoever ends the client finds all that are left, whatever the thread
//! is doing.

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

/// How often whoever ends the client looks for events that are counted and not there yet, since
/// another thread is about to queue them.
const LOOKS: u32 = 100;

/// The time between two of them.
const LOOK: Duration = Duration::from_millis(1);

/// What travels to the thread; that a flush takes the same way keeps it behind earlier events.
enum Message {
    Event(EvaluationEvent),
    Flush(FlushReply),
}

impl Message {
    fn put(self, outbox: &mut Outbox, waiting: &mut Vec<FlushReply>) {
        match self {
            Message::Event(event) => outbox.push(OutgoingEvent::Tracked(event)),
            Message::Flush(reply) => waiting.push(reply),
        }
    }
}

/// Where the outcome of a flush goes.
pub(super) type FlushReply = Sender<Result<(), Error>>;

/// The most events that the service takes in one request.
pub(super) const MAX_REQUEST: usize = 500;

/// The end of the queue that the client holds.
#[derive(Debug)]
pub(crate) struct EventQueue {
    messages: Sender<Message>,
    /// Tells the thread that a batch is complete, unless it rests.
    wake: Sender<()>,
    batch_size: usize,
    /// Ends its rest, too.
    flush_now: Sender<()>,
    ledger: Arc<Ledger>,
    /// Closed when the client gives up on what is left.
    open: Mutex<Option<Sender<Never>>>,
    source: EventSource,
}

/// The end of the queue that the thread has.
#[derive(Clone, Debug)]
pub(crate) struct EventSource {
    messages: Receiver<Message>,
    outbox: Arc<Mutex<Outbox>>,
    pub(super) wake: Receiver<()>,
    pub(super) flush_now: Receiver<()>,
    /// Says that the client has given up on what is left.
    pub(crate) given_up: StopSignal,
    /// How many events are a reason to flush_now.
    pub(super) many: usize,
}

/// Opens a queue. The ledger bounds what is in it.
pub(crate) fn queue(config: &Config, ledger: Arc<Ledger>) -> EventQueue {
    let (messages, received) = unbounded();
    let (wake, woken) = bounded(1);
    let (flush_now, flushed) = bounded(1);
    let (open, given_up) = bounded(0);
    let open = Mutex::new(Some(open));
    let batch_size = config.event_batch_size;
    let source = EventSource {
        messages: received,
        outbox: Arc::new(Mutex::new(Outbox::new(batch_size.min(MAX_REQUEST)))),
        wake: woken,
        flush_now: flushed,
        given_up,
        many: batch_size.max(config.event_queue_capacity / 2),
    };
    EventQueue { messages, wake, batch_size, flush_now, ledger, open, source }
}

impl EventQueue {
    /// Returns the other end.
    pub(crate) fn source(&self) -> EventSource {
        self.source.clone()
    }

    /// Returns the signal that the client has given up on what is left.
    pub(crate) fn given_up(&self) -> &StopSignal {
        &self.source.given_up
    }

    /// Queues an event, or counts it as dropped. Never blocks.
    pub(crate) fn push(&self, event: EvaluationEvent) {
        match self.ledger.admit() {
            Admission::Queued(count) => {
                // Cannot fail: the other end is here, too.
                let _ = self.messages.send(Message::Event(event));
                if count == self.source.many {
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

    /// Waits until everything queued before has been tried.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        if self.ledger.queued() == 0 {
            return Ok(());
        }
        let (reply, answer) = bounded(1);
        self.messages.send(Message::Flush(reply)).map_err(|_| Error::Stopped)?;
        let _ = self.flush_now.try_send(());
        select! {
            recv(answer) -> outcome => outcome.unwrap_or(Err(Error::Stopped)),
            recv(self.source.given_up) -> _ => answer.try_recv().unwrap_or(Err(Error::Stopped)),
        }
    }

    /// Takes what is left away from the thread, and lets those go who wait for a flush. Events of
    /// a request that is under way are among it. The second time, nothing is left. Not to be
    /// called by two threads at once.
    pub(crate) fn give_up(&self) -> Vec<EvaluationEvent> {
        let mut left = Vec::new();
        if self.ledger.is_closed() {
            return left;
        }
        let count = {
            let _outbox = self.source.outbox();
            self.ledger.close()
        };
        for look in 0..LOOKS {
            self.source.take_all(&mut left);
            if left.len() >= count {
                break;
            }
            if look > 0 {
                thread::sleep(LOOK);
            }
        }
        self.ledger.abandon(count.saturating_sub(left.len()));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        left
    }
}

impl EventSource {
    /// Waits for a message, until a time where there is one; false where the signal to stop came
    /// instead. Takes none: between the channel and the outbox, whoever ends the client would not
    /// find it, and then find it behind later ones.
    pub(crate) fn wait(&self, stop: &StopSignal, until: Option<Instant>) -> bool {
        let mut select = Select::new();
        let stopped = select.recv(stop);
        select.recv(&self.messages);
        let ready = match until {
            Some(until) => select.ready_deadline(until).ok(),
            None => Some(select.ready()),
        };
        ready != Some(stopped)
    }

    /// Moves everything that is queued to the outbox, and the flushes to those who wait.
    pub(super) fn collect(&self, waiting: &mut Vec<FlushReply>) {
        let mut outbox = self.outbox();
        while let Ok(message) = self.messages.try_recv() {
            message.put(&mut outbox, waiting);
        }
    }

    /// Takes all events that are queued or have been seen. Whoever waits for a flush hears of it
    /// by the end of the queue.
    fn take_all(&self, left: &mut Vec<EvaluationEvent>) {
        let mut outbox = self.outbox();
        while let Ok(message) = self.messages.try_recv() {
            message.put(&mut outbox, &mut Vec::new());
        }
        left.extend(outbox.take_all().into_iter().filter_map(|event| match event {
            OutgoingEvent::Tracked(event) => Some(event),
            OutgoingEvent::Spooled(_) => None,
        }));
    }

    /// Returns the events that have been seen and whose fate is not known. Nothing may be queued,
    /// logged or waited for while they are held.
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_an_event_takes_none() {
        let config = Config::default();
        let queue = queue(&config, Arc::new(Ledger::new(config.event_queue_capacity)));
        let source = queue.source();
        let (_running, stop) = bounded(0);
        for key in ["a", "b"] {
            queue.push(EvaluationEvent::new(key));
        }
        assert!(source.wait(&stop, None));
        assert_eq!((source.messages.len(), source.outbox().len()), (2, 0));
        let left = queue.give_up();
        assert!(left.iter().map(EvaluationEvent::get_flag_key).eq(["a", "b"]));
    }
}
