//! The thread that delivers events: what earlier clients have left, and then what is queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::select;

use crate::backoff::{Backoff, Setback};
use crate::config::Config;
use crate::error::{Error, RequestError};
use crate::events::{Ledger, body};
use crate::guard::guarded;
use crate::http::Http;
use crate::logging::log;
use crate::queue::{EventSource, FlushReply};
use crate::recorder::Recorder;
use crate::spool::{Backlog, Claim, Spool};
use crate::worker::{StopSignal, pause};

const EVENTS: &str = "/sdk/events";

/// The most events that the service takes in one request.
const MAX_REQUEST: usize = 500;

/// How long the thread lets events gather once it is awake. To wake it costs whoever tracks an
/// event a system call, and where many are tracked that must be rare.
const REST: Duration = Duration::from_millis(50);

/// How long a client has lived when it delivers what earlier ones have left, unless it delivers
/// something before that, or ends. One that is gone in an instant could send it and never hear
/// the answer, and the next one would send it again.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How long another client that delivers what was left is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The time before the second try while the client stops; each one after it is twice as long.
const LAST_RETRY: Duration = Duration::from_millis(200);

/// What the thread needs and remembers.
pub(crate) struct Flusher {
    http: Arc<Http>,
    ledger: Arc<Ledger>,
    source: EventSource,
    /// Where earlier clients may have left events.
    spool: Option<Arc<dyn Spool>>,
    /// When that is looked into; `None` after that.
    catch_up: Option<Instant>,
    /// What they have left.
    backlog: Option<Box<dyn Backlog>>,
    /// What has intervals to end.
    recorder: Option<Arc<dyn Recorder>>,
    /// Whether that is still to be tried: then the end waits for it.
    catching_up: Arc<AtomicBool>,
    /// How many events of it the next request may hold.
    backlog_size: usize,
    /// Those who wait for a flush.
    waiting: Vec<FlushReply>,
    batch_size: usize,
    /// How many events the next request may hold; less than usual after one was too large,
    /// or took too long.
    request_size: usize,
    interval: Duration,
    rest: Duration,
    /// Before this, no event was tracked that is still in the queue.
    since: Instant,
    /// When the events that are queued are due.
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
    Done(usize),
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
        spool: Option<Arc<dyn Spool>>,
        recorder: Option<Arc<dyn Recorder>>,
        catching_up: Arc<AtomicBool>,
        config: &Config,
    ) -> Flusher {
        let batch_size = config.event_batch_size;
        Flusher {
            http,
            ledger,
            source,
            catch_up: spool.is_some().then(|| Instant::now() + CATCH_UP),
            spool,
            backlog: None,
            recorder,
            catching_up,
            backlog_size: MAX_REQUEST,
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
                // A request takes its time.
                self.attend(false);
                if let Some(recorder) = &self.recorder {
                    recorder.end(Instant::now());
                }
                if self.backlog.is_some() || self.catch_up.is_some_and(|at| at <= Instant::now()) {
                    self.deliver_backlog();
                }
                self.answer_flushes();
                self.deliver_due();
            });
        }
        guarded(|| self.finish());
    }

    /// Lets events gather until some are due, unless there are many, or somebody is in a hurry;
    /// false where it is time to stop.
    fn rest(&mut self, stop: &StopSignal) -> bool {
        self.since = Instant::now();
        let many = self.retry.is_none() && self.ledger.queued() >= self.source.many;
        // An interval of recorded evaluations that begins meanwhile ends after that.
        let longest = self.since + self.interval;
        let first_due = earliest([self.retry.or(self.due), self.interval_ends(), Some(longest)]);
        let left = first_due.unwrap_or(longest).saturating_duration_since(self.since);
        self.attend(true);
        select! {
            recv(stop) -> _ => false,
            recv(self.source.hurry) -> _ => true,
            default(if many { Duration::ZERO } else { self.rest.min(left) }) => true,
        }
    }

    /// Waits until there may be something to do; false where that is to stop.
    fn sleep(&mut self, stop: &StopSignal) -> bool {
        let seen = self.collect();
        let batch = self.retry.is_none() && seen >= self.batch_size;
        let backlog = self.retry.is_none() && self.backlog.is_some();
        if batch || backlog || !self.waiting.is_empty() {
            return true;
        }
        // An event that completes a batch may be counted before it is in the queue.
        let on_its_way = self.ledger.queued() > seen && self.retry.is_none();
        let due =
            if on_its_way && self.ledger.queued() >= self.batch_size { None } else { self.due };
        // While it waits to try again, which may take long, it does not wake up for intervals.
        self.attend(self.retry.is_none());
        let other = earliest([self.interval_ends(), self.catch_up]);
        let Some(due) = self.retry.or_else(|| due.and_then(|due| earliest([Some(due), other])))
        else {
            let woken = self.source.wait(stop, other);
            self.since = Instant::now();
            return woken;
        };
        select! {
            recv(stop) -> _ => false,
            recv(self.source.wake) -> woken => woken.is_ok(),
            recv(self.source.hurry) -> hurried => hurried.is_ok(),
            default(due.saturating_duration_since(Instant::now())) => true,
        }
    }

    /// Returns when the interval of recorded evaluations is over that has begun.
    fn interval_ends(&self) -> Option<Instant> {
        self.recorder.as_ref()?.ends()
    }

    /// Says whether the thread wakes up when an interval is over, one that begins meanwhile
    /// included: its first event wakes the thread, or some are due before its end.
    fn attend(&self, attended: bool) {
        if let Some(recorder) = &self.recorder {
            recorder.attend(attended);
        }
    }

    /// Takes everything out of the queue, and returns how many events are to be delivered.
    fn collect(&mut self) -> usize {
        let seen = self.source.collect(&mut self.waiting);
        if seen > 0 {
            self.due.get_or_insert(self.since + self.interval);
        }
        seen
    }

    fn seen(&self) -> usize {
        self.source.outbox().len()
    }

    /// Returns whether an earlier failure asks for patience.
    fn is_patient(&self) -> bool {
        self.retry.is_some_and(|retry| Instant::now() < retry)
    }

    /// Delivers what earlier clients have left, as far as it can be, unless an earlier failure
    /// asks for patience; returns what went wrong, which no event of this client may overtake.
    fn deliver_backlog(&mut self) -> Option<RequestError> {
        if self.ledger.is_closed() {
            return None;
        }
        if self.catch_up.take().is_some() {
            match self.spool.as_ref().map_or(Claim::Nothing, |spool| spool.claim()) {
                Claim::Taken(backlog) => self.backlog = Some(backlog),
                // Who may be killed before it has delivered all.
                Claim::Busy => self.catch_up = Some(Instant::now() + LOOK_AGAIN),
                Claim::Nothing => {}
            }
            self.catching_up.store(self.backlog.is_some(), Ordering::Release);
        }
        if self.is_patient() {
            return None;
        }
        let mut failed = None;
        while let Some(mut backlog) = self.backlog.take() {
            let events = backlog.next(self.backlog_size);
            if events.is_empty() {
                if self.seen() == 0 {
                    self.retry = None;
                }
                break;
            }
            let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
            let delivery = self.post(&body, events.len());
            match &delivery {
                Delivery::Done(count) => {
                    self.backlog_size = MAX_REQUEST.min(self.backlog_size * 2);
                    // Before a logger may panic: a spool that cannot be written says so.
                    self.ledger.deliver_spooled(*count);
                    backlog.settle(*count);
                }
                Delivery::Rejected(count, _) => {
                    self.ledger.reject_spooled(*count);
                    backlog.settle(*count);
                }
                Delivery::Split | Delivery::Failed(RequestError::Timeout { .. }) => {
                    self.backlog_size = half(events.len());
                }
                Delivery::Failed(_) | Delivery::Abandoned => {}
            }
            self.backlog = Some(backlog);
            self.report(&delivery);
            match delivery {
                Delivery::Failed(failure) => {
                    failed = Some(failure);
                    break;
                }
                Delivery::Abandoned => break,
                Delivery::Done(_) | Delivery::Rejected(..) | Delivery::Split => {}
            }
        }
        self.catching_up.store(false, Ordering::Release);
        failed
    }

    /// Delivers everything for those who wait for a flush, all of them at once; returns what went
    /// wrong.
    fn answer_flushes(&mut self) -> Option<Undelivered> {
        if self.waiting.is_empty() {
            return None;
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
        outcome
    }

    /// Delivers what is due by time, and whole batches, unless an earlier failure asks for
    /// patience.
    fn deliver_due(&mut self) {
        // What came while earlier clients' events were delivered is due from then on.
        self.collect();
        if self.is_patient() {
            return;
        }
        let by_time = self.due.is_some_and(|due| due <= Instant::now()) || self.retry.is_some();
        let mut due = if by_time { self.seen() } else { 0 };
        loop {
            let seen = self.seen();
            due = due.max(seen / self.batch_size * self.batch_size);
            if due == 0 {
                if self.backlog.is_none() {
                    // Nothing is left to be tried again.
                    self.retry = None;
                }
                return;
            }
            if self.deliver_backlog().is_some() {
                return;
            }
            if let Delivery::Failed(_) | Delivery::Abandoned = self.deliver(due) {
                return;
            }
            due = due.saturating_sub(seen.saturating_sub(self.seen()));
            self.collect();
            if !self.waiting.is_empty() {
                self.answer_flushes();
                return;
            }
        }
    }

    /// Tries everything at once, what earlier clients have left first, each batch one time; returns
    /// what went wrong. An earlier failure is no reason to wait.
    fn deliver_all(&mut self) -> Option<Undelivered> {
        self.retry = None;
        let failure = self.deliver_backlog();
        let queued = self.seen();
        if let Some(cause) = failure
            && queued > 0
        {
            return Some(Undelivered { queued, rejected: 0, cause });
        }
        let mut rejected = 0;
        let mut refusal = None;
        while self.seen() > 0 {
            match self.deliver(usize::MAX) {
                Delivery::Done(_) | Delivery::Split => {}
                Delivery::Rejected(count, cause) => {
                    rejected += count;
                    refusal = Some(cause);
                }
                Delivery::Failed(cause) => {
                    return Some(Undelivered { queued: self.seen(), rejected, cause });
                }
                Delivery::Abandoned => return None,
            }
        }
        refusal.map(|cause| Undelivered { queued: 0, rejected, cause })
    }

    /// Makes one request, of at most so many events.
    fn deliver(&mut self, at_most: usize) -> Delivery {
        let (count, body) = {
            let outbox = self.source.outbox();
            let count = outbox.len().min(self.request_size).min(at_most);
            (count, body(outbox.iter().take(count)))
        };
        let delivery = self.post(&body, count);
        match &delivery {
            Delivery::Done(_) => {
                self.request_size = self.batch_size.min(MAX_REQUEST).min(self.request_size * 2);
                self.settle(count, Ledger::deliver);
            }
            Delivery::Split | Delivery::Failed(RequestError::Timeout { .. }) => {
                self.request_size = half(count);
            }
            Delivery::Rejected(..) => self.settle(count, Ledger::reject),
            Delivery::Failed(_) | Delivery::Abandoned => {}
        }
        self.report(&delivery);
        delivery
    }

    /// Sends the body of so many events.
    fn post(&self, body: &str, count: usize) -> Delivery {
        if self.ledger.is_closed() {
            return Delivery::Abandoned;
        }
        match self.http.deliver(EVENTS, body, self.time_left()) {
            Ok(()) => Delivery::Done(count),
            Err(failure) => match failure.status() {
                Some(413) if count > 1 => Delivery::Split,
                Some(401 | 403 | 404 | 408 | 429) => Delivery::Failed(failure),
                Some(400..=499) => Delivery::Rejected(count, failure),
                Some(_) | None => Delivery::Failed(failure),
            },
        }
    }

    /// Forgets events whose fate is known, unless the client has taken them back.
    fn settle(&mut self, count: usize, fate: fn(&Ledger, usize)) {
        let mut outbox = self.source.outbox();
        if self.ledger.is_closed() {
            return;
        }
        fate(&self.ledger, count);
        let count = count.min(outbox.len());
        outbox.drain(..count);
        if outbox.is_empty() {
            self.due = None;
        }
    }

    /// Says how it went, and when to try again. What was delivered is settled before: a logger may
    /// panic.
    fn report(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Done(count) => {
                self.rejecting = false;
                self.recover();
                log!(debug, "delivered events: {count}");
            }
            Delivery::Rejected(_, failure) => {
                let first = !std::mem::replace(&mut self.rejecting, true);
                self.ledger.note(failure);
                self.recover();
                if first {
                    log!(warn, "the service refuses events, which are dropped: {failure}");
                }
            }
            Delivery::Failed(failure) => self.fail(failure),
            Delivery::Split | Delivery::Abandoned => {}
        }
    }

    fn recover(&mut self) {
        let recovered = self.backoff.is_failing();
        self.backoff.after_success();
        self.retry = None;
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

    /// Delivers what is left while there is time.
    fn finish(&mut self) {
        self.deadline = Some(Instant::now() + self.shutdown_timeout);
        self.collect();
        let mut outcome = self.answer_flushes();
        if !matches!(outcome, Some(Undelivered { queued: 1.., .. })) {
            // Nobody waits for it otherwise, and the answer might come when the program has ended.
            if self.seen() == 0 && !self.catching_up.load(Ordering::Acquire) {
                return;
            }
            outcome = self.deliver_all();
        }
        let mut delay = LAST_RETRY;
        while let Some(Undelivered { queued: 1.., cause, .. }) = outcome {
            let wait = match setback(&cause) {
                Setback::Passing => delay,
                Setback::RetryAfter(least) => delay.max(least),
                Setback::Hopeless => break,
            };
            // Nor does it wait longer than the client does.
            if wait >= self.time_left() || pause(&self.source.given_up, wait) {
                break;
            }
            delay *= 2;
            outcome = self.deliver_all();
        }
    }

    fn time_left(&self) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or(Duration::MAX)
    }
}

fn earliest<const N: usize>(times: [Option<Instant>; N]) -> Option<Instant> {
    times.into_iter().flatten().min()
}

/// Returns how many events to try next, where so many were too many at once.
fn half(count: usize) -> usize {
    (count / 2).max(1)
}

fn setback(failure: &RequestError) -> Setback {
    match failure {
        RequestError::Status { status: 401 | 403 | 404 | 300..=399, .. } => Setback::Hopeless,
        RequestError::Status { retry_after: Some(least), .. } => Setback::RetryAfter(*least),
        _ => Setback::Passing,
    }
}
