//! The queue of events, and the thread that delivers them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use crate::backoff::{Backoff, Setback};
use crate::config::Config;
use crate::error::{Error, RequestError};
use crate::events::{Admission, EvaluationEvent, Ledger, body};
use crate::guard::guarded;
use crate::http::Http;
use crate::logging::log;
use crate::worker::{Never, StopSignal};

const EVENTS: &str = "/sdk/events";

/// The most events that the service takes in one request.
const MAX_REQUEST: usize = 500;

/// How long the thread lets events gather once it is awake. To wake it costs whoever tracks an
/// event a system call, and where many are tracked that must be rare.
const REST: Duration = Duration::from_millis(50);

/// The time before the second try while the client stops; each one after it is twice as long.
const LAST_RETRY: Duration = Duration::from_millis(200);

/// What travels to the thread; that a flush takes the same way keeps it behind earlier events.
enum Message {
    Event(EvaluationEvent),
    Flush(Sender<Result<(), Error>>),
}

/// The end of the queue that the client holds.
#[derive(Debug)]
pub(crate) struct EventQueue {
    messages: Sender<Message>,
    /// Tells the thread that a batch is complete, unless it rests.
    wake: Sender<()>,
    batch_size: usize,
    /// Ends its rest, too.
    hurry: Sender<()>,
    /// How many events are a reason to.
    many: usize,
    ledger: Arc<Ledger>,
    /// Closed when the client gives up on what is left.
    open: Mutex<Option<Sender<Never>>>,
    given_up: Receiver<Never>,
}

/// The end of the queue that the thread takes over.
#[derive(Clone, Debug)]
pub(crate) struct EventSource {
    messages: Receiver<Message>,
    wake: Receiver<()>,
    hurry: Receiver<()>,
    many: usize,
}

/// Opens a queue. The ledger bounds what is in it.
pub(crate) fn queue(config: &Config, ledger: Arc<Ledger>) -> (EventQueue, EventSource) {
    let (messages, received) = unbounded();
    let (wake, woken) = bounded(1);
    let (hurry, hurried) = bounded(1);
    let (open, given_up) = bounded(0);
    let open = Mutex::new(Some(open));
    let batch_size = config.event_batch_size;
    let many = batch_size.max(config.event_queue_capacity / 2);
    (
        EventQueue { messages, wake, batch_size, hurry, many, ledger, open, given_up },
        EventSource { messages: received, wake: woken, hurry: hurried, many },
    )
}

impl EventQueue {
    /// Queues an event, or counts it as dropped. Never blocks.
    pub(crate) fn push(&self, event: EvaluationEvent) {
        match self.ledger.admit() {
            Admission::Queued(count) => {
                // Cannot fail: the service holds the other end, too.
                let _ = self.messages.send(Message::Event(event));
                if count == self.many {
                    let _ = self.hurry.try_send(());
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
        let _ = self.hurry.try_send(());
        select! {
            recv(answer) -> outcome => outcome.unwrap_or(Err(Error::Stopped)),
            recv(self.given_up) -> _ => answer.try_recv().unwrap_or(Err(Error::Stopped)),
        }
    }

    /// Counts what is left as dropped, and lets those go who wait for a flush.
    pub(crate) fn give_up(&self) {
        self.ledger.close();
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What the thread needs and remembers.
pub(crate) struct Flusher {
    http: Arc<Http>,
    ledger: Arc<Ledger>,
    source: EventSource,
    outbox: VecDeque<EvaluationEvent>,
    /// Those who wait for a flush.
    waiting: Vec<Sender<Result<(), Error>>>,
    batch_size: usize,
    /// How many events the next request may hold; less than usual after one was too large.
    request_size: usize,
    interval: Duration,
    rest: Duration,
    /// Before this, no event was tracked that is still in the queue.
    since: Instant,
    /// When the events in the outbox are due.
    due: Option<Instant>,
    backoff: Backoff,
    /// Before this, nothing is tried that was not asked for.
    retry: Option<Instant>,
    /// Whether the service refused the last events for good.
    rejecting: bool,
    shutdown_timeout: Duration,
    /// When the client will not wait any longer.
    deadline: Option<Instant>,
}

/// What became of a request.
enum Delivery {
    Done,
    /// It was too large; the next one will be smaller.
    Split,
    /// The service does not want these events.
    Rejected(usize, RequestError),
    Failed(RequestError),
    /// The client has given up on what is left.
    Abandoned,
}

/// What a flush could not deliver.
#[derive(Clone)]
struct Undelivered {
    queued: usize,
    rejected: usize,
    cause: RequestError,
}

impl Flusher {
    pub(crate) fn new(
        http: Arc<Http>,
        ledger: Arc<Ledger>,
        source: EventSource,
        config: &Config,
    ) -> Flusher {
        let batch_size = config.event_batch_size;
        Flusher {
            http,
            ledger,
            source,
            outbox: VecDeque::new(),
            waiting: Vec::new(),
            batch_size,
            request_size: batch_size.min(MAX_REQUEST),
            interval: config.event_flush_interval,
            // Single events do not gather.
            rest: if batch_size == 1 { Duration::ZERO } else { REST },
            since: Instant::now(),
            due: None,
            backoff: Backoff::new(config.event_flush_interval),
            retry: None,
            rejecting: false,
            shutdown_timeout: config.shutdown_timeout,
            deadline: None,
        }
    }

    /// Delivers until the signal comes, and then what is left.
    pub(crate) fn run(mut self, stop: &StopSignal) {
        while self.rest(stop) && self.sleep(stop) {
            // A logger that panics does not end it.
            guarded(|| {
                self.collect();
                self.answer_flushes();
                self.deliver_due();
            });
        }
        self.finish();
    }

    /// Lets events gather until some are due, unless there are many, or somebody is in a hurry;
    /// false where it is time to stop.
    fn rest(&mut self, stop: &StopSignal) -> bool {
        self.since = Instant::now();
        let many = self.retry.is_none() && self.ledger.queued() >= self.source.many;
        let first_due = self.retry.or(self.due).unwrap_or(self.since + self.interval);
        let left = first_due.saturating_duration_since(self.since);
        select! {
            recv(stop) -> _ => false,
            recv(self.source.hurry) -> _ => true,
            default(if many { Duration::ZERO } else { self.rest.min(left) }) => true,
        }
    }

    /// Waits until there may be something to do; false where that is to stop.
    fn sleep(&mut self, stop: &StopSignal) -> bool {
        self.collect();
        let batch = self.retry.is_none() && self.outbox.len() >= self.batch_size;
        if batch || !self.waiting.is_empty() {
            return true;
        }
        // An event that completes a batch may be counted before it is in the queue.
        let on_its_way = self.ledger.queued() > self.outbox.len() && self.retry.is_none();
        let due =
            if on_its_way && self.ledger.queued() >= self.batch_size { None } else { self.due };
        let Some(due) = self.retry.or(due) else {
            return select! {
                recv(stop) -> _ => false,
                recv(self.source.messages) -> message => {
                    self.since = Instant::now();
                    message.is_ok_and(|message| { self.take(message); true })
                }
            };
        };
        select! {
            recv(stop) -> _ => false,
            recv(self.source.wake) -> woken => woken.is_ok(),
            recv(self.source.hurry) -> hurried => hurried.is_ok(),
            default(due.saturating_duration_since(Instant::now())) => true,
        }
    }

    /// Takes everything out of the queue.
    fn collect(&mut self) {
        while let Ok(message) = self.source.messages.try_recv() {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => {
                self.outbox.push_back(event);
                self.due.get_or_insert(self.since + self.interval);
            }
            Message::Flush(reply) => self.waiting.push(reply),
        }
    }

    /// Delivers everything for those who wait for a flush, all of them at once.
    fn answer_flushes(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let outcome = self.deliver_all();
        for reply in self.waiting.drain(..) {
            let outcome = match outcome.clone() {
                None if self.ledger.is_closed() => Err(Error::Stopped),
                None => Ok(()),
                Some(Undelivered { queued, rejected, cause }) => {
                    Err(Error::Flush { queued, rejected, cause })
                }
            };
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        }
        // What came meanwhile has waited since then.
        self.collect();
    }

    /// Delivers what is due by time, and whole batches, unless an earlier failure asks for
    /// patience.
    fn deliver_due(&mut self) {
        let now = Instant::now();
        if self.retry.is_some_and(|retry| now < retry) {
            return;
        }
        let by_time = self.due.is_some_and(|due| due <= now) || self.retry.is_some();
        let mut due = if by_time { self.outbox.len() } else { 0 };
        loop {
            due = due.max(self.outbox.len() / self.batch_size * self.batch_size);
            if due == 0 {
                return;
            }
            let before = self.outbox.len();
            if let Delivery::Failed(_) | Delivery::Abandoned = self.deliver(due) {
                return;
            }
            due = due.saturating_sub(before - self.outbox.len());
            self.collect();
            if !self.waiting.is_empty() {
                return self.answer_flushes();
            }
        }
    }

    /// Tries everything in the outbox at once, each batch one time; returns what went wrong.
    fn deliver_all(&mut self) -> Option<Undelivered> {
        let mut rejected = 0;
        let mut refusal = None;
        while !self.outbox.is_empty() {
            match self.deliver(usize::MAX) {
                Delivery::Done | Delivery::Split => {}
                Delivery::Rejected(count, cause) => {
                    rejected += count;
                    refusal = Some(cause);
                }
                Delivery::Failed(cause) => {
                    return Some(Undelivered { queued: self.outbox.len(), rejected, cause });
                }
                Delivery::Abandoned => return None,
            }
        }
        refusal.map(|cause| Undelivered { queued: 0, rejected, cause })
    }

    /// Makes one request, of at most so many events.
    fn deliver(&mut self, at_most: usize) -> Delivery {
        if self.ledger.is_closed() {
            self.outbox.clear();
            return Delivery::Abandoned;
        }
        let count = self.outbox.len().min(self.request_size).min(at_most);
        let body = body(self.outbox.iter().take(count));
        let delivery = match self.http.deliver(EVENTS, &body, self.time_left()) {
            Ok(()) => Delivery::Done,
            Err(failure) => match failure.status() {
                Some(413) if count > 1 => Delivery::Split,
                Some(401 | 403 | 404 | 408 | 429) => Delivery::Failed(failure),
                Some(400..=499) => Delivery::Rejected(count, failure),
                Some(_) | None => Delivery::Failed(failure),
            },
        };
        match &delivery {
            Delivery::Done => {
                self.rejecting = false;
                self.request_size = self.batch_size.min(MAX_REQUEST).min(self.request_size * 2);
                self.ledger.deliver(count);
                self.settle(count);
                log!(debug, "delivered events: {count}");
            }
            Delivery::Split => self.request_size = count / 2,
            Delivery::Rejected(_, failure) => {
                let first = !std::mem::replace(&mut self.rejecting, true);
                self.ledger.reject(count);
                self.ledger.note(failure);
                self.settle(count);
                if first {
                    log!(warn, "the service refuses events, which are dropped: {failure}");
                }
            }
            Delivery::Failed(failure) => self.fail(failure),
            Delivery::Abandoned => {}
        }
        delivery
    }

    /// Forgets events whose fate is known.
    fn settle(&mut self, count: usize) {
        let recovered = self.backoff.is_failing();
        self.backoff.after_success();
        self.retry = None;
        self.outbox.drain(..count);
        if self.outbox.is_empty() {
            self.due = None;
        }
        if recovered {
            log!(info, "events are delivered again");
        }
    }

    fn fail(&mut self, failure: &RequestError) {
        let first = !self.backoff.is_failing();
        self.ledger.note(failure);
        let delay = self.backoff.after_failure(setback(failure));
        self.retry = Some(Instant::now() + delay);
        if first {
            log!(warn, "failed to deliver events: {failure:#}");
        }
    }

    /// Delivers what is left while there is time, and counts what cannot be delivered.
    fn finish(mut self) {
        self.deadline = Some(Instant::now() + self.shutdown_timeout);
        self.collect();
        self.answer_flushes();
        let mut delay = LAST_RETRY;
        while let Some(Undelivered { queued: 1.., cause, .. }) = self.deliver_all() {
            let pause = match setback(&cause) {
                Setback::Passing => delay,
                Setback::RetryAfter(least) => delay.max(least),
                Setback::Hopeless => break,
            };
            if pause >= self.time_left() {
                break;
            }
            thread::sleep(pause);
            delay *= 2;
        }
        let lost = self.ledger.close();
        if lost > 0 {
            log!(warn, "events that could not be delivered before the end: {lost}");
        }
    }

    fn time_left(&self) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or(Duration::MAX)
    }
}

fn setback(failure: &RequestError) -> Setback {
    match failure {
        RequestError::Status { status: 401 | 403 | 404 | 300..=399, .. } => Setback::Hopeless,
        RequestError::Status { retry_after: Some(least), .. } => Setback::RetryAfter(*least),
        _ => Setback::Passing,
    }
}
