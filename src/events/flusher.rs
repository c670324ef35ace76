//! The thread that delivers events: waits until some are due, and sends them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam_channel::select;

use super::backlog::Backlog;
use super::delivery::{Delivery, Pass, Request, Settlement, Source};
use super::delivery_log::DeliveryLog;
use super::ledger::{Fate, Ledger};
use super::outbox::Lane;
use super::outcome::{RequestOutcome, retry};
use super::queue::{EventSource, FlushReply};
use super::recorder::Recorder;
use super::schedule::{Schedule, Step, Times, Work, retry_at_stop};
use super::sender::EventSender;
use super::spool::Spool;
use crate::config::Config;
use crate::error::{Error, RequestError};
use crate::http::{Http, MAX_WRITE};
use crate::worker::{StopSignal, guarded, pause};

/// The delay before the first retry while the client stops. It doubles with each further failure.
const FIRST_RETRY_AT_STOP: Duration = Duration::from_millis(200);

/// The state of the thread.
pub(crate) struct Flusher {
    ledger: Arc<Ledger>,
    source: EventSource,
    backlog: Backlog,
    sender: EventSender,
    delivery: Delivery,
    log: DeliveryLog,
    /// The recorder, whose intervals this thread ends.
    recorder: Option<Arc<dyn Recorder>>,
    /// The flushes that wait for a reply.
    flushes: Vec<FlushReply>,
    batch_size: usize,
    interval: Duration,
    schedule: Schedule,
    shutdown_timeout: Duration,
    /// No event in the channel was tracked before this.
    since: Instant,
    /// The time at which the collected events are due.
    due: Option<Instant>,
}

/// Which events a pass may send.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// Events that are due, and whole batches.
    Due,
    /// All events.
    All,
}

/// The events that a flush could not deliver.
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
        backlog_pending: Arc<AtomicBool>,
        config: &Config,
    ) -> Flusher {
        let (batch_size, interval) = (config.event_batch_size, config.event_flush_interval);
        Flusher {
            schedule: Schedule::new(batch_size, interval, source.flush_threshold),
            source,
            backlog: Backlog::new(spool, backlog_pending),
            sender: EventSender::new(http, ledger.clone()),
            delivery: Delivery::new(interval),
            log: DeliveryLog::new(ledger.clone()),
            ledger,
            recorder,
            flushes: Vec::new(),
            batch_size,
            interval,
            shutdown_timeout: config.shutdown_timeout,
            since: Instant::now(),
            due: None,
        }
    }

    /// Delivers events until the stop signal, and then the remaining ones.
    pub(crate) fn run(mut self, stop: &StopSignal) {
        while self.linger(stop) && self.sleep(stop) {
            // A logger that panics does not end the thread.
            guarded(|| {
                self.collect();
                // A request may take longer than an interval.
                self.set_timer_active(false);
                if let Some(recorder) = &self.recorder {
                    recorder.end_due_interval(Instant::now());
                }
                self.reply_to_flushes();
                self.deliver_due();
            });
        }
        guarded(|| self.finish());
    }

    /// Lets events gather. Returns false on the stop signal.
    fn linger(&self, stop: &StopSignal) -> bool {
        let delay = self.schedule.linger(self.times(), self.ledger.queued());
        self.set_timer_active(true);
        select! {
            recv(stop) -> _ => false,
            recv(self.source.flush_now) -> _ => true,
            default(delay) => true,
        }
    }

    /// Sleeps until there may be something to do. Returns false on the stop signal.
    fn sleep(&mut self, stop: &StopSignal) -> bool {
        let ready = self.collect();
        let times = self.times();
        let collected = self.source.outbox().len();
        let work = Work {
            ready,
            collected,
            queued: self.ledger.queued(),
            has_backlog: self.backlog.has_regular(),
            has_flush: !self.flushes.is_empty(),
        };
        let step = self.schedule.next(times, work);
        if step != Step::Send {
            // A long wait for a retry is not interrupted to end intervals.
            self.set_timer_active(times.retry.is_none());
        }
        match step {
            Step::Send => true,
            Step::WaitUntil(time) => select! {
                recv(stop) -> _ => false,
                recv(self.source.wake) -> woken => woken.is_ok(),
                recv(self.source.flush_now) -> flushed => flushed.is_ok(),
                default(time.saturating_duration_since(Instant::now())) => true,
            },
            Step::WaitForEvent(deadline) => {
                let is_running = self.source.wait(stop, deadline);
                self.since = Instant::now();
                is_running
            }
        }
    }

    fn times(&self) -> Times {
        Times {
            now: Instant::now(),
            due: self.due,
            retry: self.delivery.retry_at(),
            suspects_retry: self.delivery.suspects_retry_at(),
            claim: self.backlog.claim_at(),
            interval_end: self.recorder.as_ref().and_then(|recorder| recorder.interval_end()),
        }
    }

    /// Sets whether this thread ends the intervals of the recorder on time. That includes an
    /// interval that begins later: its first event wakes the thread, or some event is due before
    /// its end.
    fn set_timer_active(&self, active: bool) {
        if let Some(recorder) = &self.recorder {
            recorder.set_timer_active(active);
        }
    }

    /// Empties the channel, and returns how many collected events may be sent once they are due.
    fn collect(&mut self) -> usize {
        // The events collected now were tracked after the previous time.
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.source.collect(&mut self.flushes);
        let ready = {
            let outbox = self.source.outbox();
            match self.delivery.suspects_retry_at() {
                Some(_) => outbox.count(Lane::Regular),
                None => outbox.len(),
            }
        };
        if ready > 0 {
            self.due.get_or_insert(since + self.interval);
        } else {
            self.due = None;
        }
        ready
    }

    /// Delivers all events for the waiting flushes, and replies to them. Returns the failure, if
    /// any.
    fn reply_to_flushes(&mut self) -> Option<Undelivered> {
        if self.flushes.is_empty() {
            return None;
        }
        let undelivered = self.deliver_all();
        for reply in self.flushes.drain(..) {
            let result = match undelivered.clone() {
                None if self.ledger.is_closed() => Err(Error::Stopped),
                None => Ok(()),
                Some(Undelivered { queued, rejected, cause }) => {
                    Err(Error::Flush { queued, rejected, cause })
                }
            };
            // Fails if the caller no longer waits.
            let _ = reply.send(result);
        }
        // The interval of events that came meanwhile begins now.
        self.collect();
        undelivered
    }

    /// Delivers the events that are due, and whole batches, unless a retry is set for later.
    fn deliver_due(&mut self) {
        if self.delivery.retry_at().is_none_or(|retry| retry <= Instant::now()) {
            self.pass(Scope::Due);
        }
    }

    /// Tries to deliver all events once, even if a retry is set for later. Returns the failure, if
    /// any.
    fn deliver_all(&mut self) -> Option<Undelivered> {
        self.delivery.flush_now();
        let (rejected, cause) = self.pass(Scope::All);
        let queued = self.source.outbox().len();
        let cause = cause.filter(|_| queued + rejected > 0 && !self.ledger.is_closed())?;
        Some(Undelivered { queued, rejected, cause })
    }

    /// Makes requests until no event is due, or a failure requires a pause. Returns how many events
    /// of this client were dropped, and the last failure.
    fn pass(&mut self, scope: Scope) -> (usize, Option<RequestError>) {
        let (mut rejected, mut cause) = (0, None);
        let mut pass = self.begin(scope);
        loop {
            if scope == Scope::Due {
                let ready = self.collect();
                if !self.flushes.is_empty() {
                    // A flush delivers all events.
                    self.end(&pass);
                    self.reply_to_flushes();
                    return (rejected, cause);
                }
                pass.due = pass.due.max(ready / self.batch_size * self.batch_size);
            }
            let request = {
                let backlog = self.backlog.outbox_mut();
                self.delivery.next(&mut pass, backlog, &mut self.source.outbox())
            };
            let Some(mut request) = request else {
                if self.backlog.read() { continue } else { break }
            };
            let Some((result, settlement)) = self.make(&mut request, &mut pass) else { break };
            let is_own = matches!(request, Request::Events { source: Source::Own, .. });
            if is_own && matches!(settlement.fate, Fate::Rejected | Fate::Failing) {
                rejected += settlement.events.len();
            }
            self.log.report(request, &result, &settlement);
            cause = result.err().or(cause);
            if settlement.pause {
                break;
            }
        }
        self.end(&pass);
        (rejected, cause)
    }

    fn begin(&mut self, scope: Scope) -> Pass {
        let now = Instant::now();
        let ready = self.collect();
        // After a failure, all events are due.
        let is_due = self.due.is_some_and(|due| due <= now) || self.delivery.retry_at().is_some();
        let all = scope == Scope::All || is_due;
        if all {
            // The next event begins a new interval.
            self.due = None;
        }
        let any = all || ready >= self.batch_size;
        if any || self.backlog.claim_at().is_some_and(|at| at <= now) {
            self.backlog.open(!self.ledger.is_closed());
        }
        let mut own = self.source.outbox();
        let due = if all { own.count(Lane::Regular) } else { 0 };
        self.delivery.begin(now, due, any, self.backlog.outbox_mut(), &mut own)
    }

    fn end(&mut self, pass: &Pass) {
        self.backlog.end_pass();
        let own = self.source.outbox();
        self.delivery.end(Instant::now(), pass, self.backlog.outbox(), &own);
    }

    /// Makes a request and settles its events, or returns `None` if the client has given up. The
    /// request may hold fewer events than planned, because its size is limited.
    fn make(
        &mut self,
        request: &mut Request,
        pass: &mut Pass,
    ) -> Option<(Result<(), RequestError>, Settlement)> {
        let result = match request {
            Request::Probe => self.sender.send_probe()?,
            Request::Events { source, lane, count } => {
                let backlog = self.backlog.outbox().filter(|_| *source == Source::Backlog);
                let body = |count, max_bytes, zoned| match backlog {
                    Some(outbox) => outbox.body(*lane, count, max_bytes, zoned),
                    None => self.source.outbox().body(*lane, count, max_bytes, zoned),
                };
                let (first, held) = body(*count, MAX_WRITE, self.sender.is_zoned());
                *count = held;
                self.sender.send(held, &first, || body(held, usize::MAX, true).0)?
            }
        };
        let (outcome, now) = (RequestOutcome::of(&result), Instant::now());
        let settlement = match *request {
            Request::Probe => {
                let pause = self.delivery.settle_probe(now, outcome);
                Settlement { pause, ..Settlement::default() }
            }
            Request::Events { source: Source::Backlog, lane, count } => {
                let sent = (Source::Backlog, lane, count);
                let outbox = self.backlog.outbox_mut()?;
                let settlement = self.delivery.settle(now, pass, sent, outbox, outcome);
                // First: the removal may log a failure, and a logger may panic.
                self.ledger.settle_spooled(settlement.fate, settlement.events.len());
                self.backlog.remove(&settlement.events);
                settlement
            }
            Request::Events { source: Source::Own, lane, count } => {
                let sent = (Source::Own, lane, count);
                let mut outbox = self.source.outbox();
                if self.ledger.is_closed() {
                    return None;
                }
                let settlement = self.delivery.settle(now, pass, sent, &mut outbox, outcome);
                self.ledger.settle(settlement.fate, settlement.events.len());
                settlement
            }
        };
        Some((result, settlement))
    }

    /// Delivers the remaining events within the shutdown timeout.
    fn finish(&mut self) {
        self.sender.set_deadline(Instant::now() + self.shutdown_timeout);
        self.collect();
        let mut undelivered = self.reply_to_flushes();
        if !matches!(undelivered, Some(Undelivered { queued: 1.., .. })) {
            // Otherwise the client does not wait, and the program may exit before the response.
            if self.source.outbox().is_empty() && !self.backlog.is_pending() {
                return;
            }
            undelivered = self.deliver_all();
        }
        let mut delay = FIRST_RETRY_AT_STOP;
        loop {
            let failure = undelivered.as_ref().map(|it| (it.queued, retry(&it.cause)));
            let left = self.sender.time_left();
            let Some(wait) = retry_at_stop(failure, self.is_about_to_drop(), delay, left) else {
                return;
            };
            if pause(&self.source.given_up, wait) {
                return;
            }
            delay *= 2;
            undelivered = self.deliver_all();
        }
    }

    /// Returns whether an event of the backlog is about to be dropped.
    fn is_about_to_drop(&self) -> bool {
        let backlog = self.backlog.outbox();
        backlog.is_some_and(|outbox| self.delivery.is_about_to_drop(outbox))
    }
}
