//! The thread that delivers events: those that earlier clients have left, and those that are queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::select;

use super::delivery::{Delivery, Pass, Request, Settled, Source};
use super::ledger::{Fate, Ledger};
use super::outbox::{Lane, Outbox};
use super::outcome::{RequestOutcome, retry};
use super::queue::{EventSource, FlushReply, MAX_REQUEST};
use super::recorder::Recorder;
use super::spool::{Backlog, Claim, Spool};
use crate::config::Config;
use crate::error::{Error, RequestError};
use crate::http::Http;
use crate::http::Retry;
use crate::log::log;
use crate::worker::guarded;
use crate::worker::{StopSignal, pause};

const EVENTS: &str = "/sdk/events";

/// The body of a request that holds no event.
const PROBE: &str = r#"{"events":[]}"#;

/// How long the thread lets events gather once it is awake. To wake it costs whoever tracks an
/// event a system call, and where many are tracked that must be rare.
const LINGER: Duration = Duration::from_millis(50);

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
    /// Whether it has been looked into.
    looked: bool,
    /// What they have left.
    backlog: Option<Claimed>,
    /// Whether that is still to be tried: then the end waits for it.
    catching_up: Arc<AtomicBool>,
    /// What has intervals to end.
    recorder: Option<Arc<dyn Recorder>>,
    /// Those who wait for a flush.
    waiting: Vec<FlushReply>,
    batch_size: usize,
    interval: Duration,
    linger: Duration,
    /// Before this, no event was tracked that is still in the queue.
    since: Instant,
    /// When the events that are queued are due.
    due: Option<Instant>,
    delivery: Delivery,
    /// Whether timestamps end with a `Z`, since the service has shown that it wants that.
    zoned: bool,
    /// Whether it has accepted them without a `Z`, and none with one since.
    takes_unzoned: bool,
    /// Whether the last request failed, and that was logged.
    failing: bool,
    /// Whether the service refused the last events for good.
    rejecting: bool,
    shutdown_timeout: Duration,
    /// When the client will not wait any longer.
    deadline: Option<Instant>,
}

/// The spool while this client delivers from it.
struct Claimed {
    spool: Box<dyn Backlog>,
    outbox: Outbox,
    /// When it is read again while suspects alone are left of it.
    read_again: Instant,
}

/// Which events a pass may send.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// Those that are due by time, and whole batches.
    Due,
    /// All that are queued, whatever an earlier failure asked for.
    All,
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
            looked: false,
            backlog: None,
            recorder,
            catching_up,
            waiting: Vec::new(),
            batch_size,
            interval: config.event_flush_interval,
            // Single events do not gather.
            linger: if batch_size == 1 { Duration::ZERO } else { LINGER },
            since: Instant::now(),
            due: None,
            delivery: Delivery::new(config.event_flush_interval),
            zoned: false,
            takes_unzoned: false,
            failing: false,
            rejecting: false,
            shutdown_timeout: config.shutdown_timeout,
            deadline: None,
        }
    }

    /// Delivers until the signal comes, and then what is left.
    pub(crate) fn run(mut self, stop: &StopSignal) {
        while self.linger(stop) && self.sleep(stop) {
            // A logger that panics does not end it.
            guarded(|| {
                self.collect();
                // A request takes its time.
                self.set_active(false);
                if let Some(recorder) = &self.recorder {
                    recorder.end(Instant::now());
                }
                self.answer_flushes();
                self.deliver_due();
            });
        }
        guarded(|| self.finish());
    }

    /// Lets events gather until some are due, unless there are many, or somebody is in a flush_now;
    /// false where it is time to stop.
    fn linger(&mut self, stop: &StopSignal) -> bool {
        let now = Instant::now();
        let many = self.delivery.retry_at().is_none() && self.ledger.queued() >= self.source.many;
        // An interval of recorded evaluations that begins meanwhile ends after that.
        let longest = now + self.interval;
        let first_due =
            earliest([self.delivery.retry_at().or(self.due), self.interval_ends(), Some(longest)]);
        let left = first_due.unwrap_or(longest).saturating_duration_since(now);
        self.set_active(true);
        select! {
            recv(stop) -> _ => false,
            recv(self.source.flush_now) -> _ => true,
            default(if many { Duration::ZERO } else { self.linger.min(left) }) => true,
        }
    }

    /// Waits until there may be something to do; false where that is to stop.
    fn sleep(&mut self, stop: &StopSignal) -> bool {
        let ready = self.collect();
        let retry = self.delivery.retry_at();
        let at_once = retry.is_none() && (ready >= self.batch_size || self.has_backlog());
        if at_once || !self.waiting.is_empty() {
            return true;
        }
        // An event that completes a batch may be counted before it is in the queue.
        let queued = self.ledger.queued();
        let on_its_way = queued > self.source.outbox().len() && retry.is_none();
        let complete = on_its_way && queued >= self.batch_size;
        let due = self.due.filter(|_| ready > 0 && !complete);
        // While it waits to try again, which may take long, it does not wake up for intervals.
        self.set_active(retry.is_none());
        let other =
            earliest([self.interval_ends(), self.catch_up, self.delivery.suspects_retry_at()]);
        let Some(due) = retry.or_else(|| due.and_then(|due| earliest([Some(due), other]))) else {
            let woken = self.source.wait(stop, other);
            self.since = Instant::now();
            return woken;
        };
        select! {
            recv(stop) -> _ => false,
            recv(self.source.wake) -> woken => woken.is_ok(),
            recv(self.source.flush_now) -> flushed => flushed.is_ok(),
            default(due.saturating_duration_since(Instant::now())) => true,
        }
    }

    /// Returns when the interval of recorded evaluations is over that has begun.
    fn interval_ends(&self) -> Option<Instant> {
        self.recorder.as_ref()?.ends()
    }

    /// Says whether the thread wakes up when an interval is over, one that begins meanwhile
    /// included: its first event wakes the thread, or some are due before its end.
    fn set_active(&self, attended: bool) {
        if let Some(recorder) = &self.recorder {
            recorder.set_active(attended);
        }
    }

    /// Takes everything out of the queue, and returns how many events wait for their turn.
    fn collect(&mut self) -> usize {
        // What is collected now was tracked after the time before.
        let since = std::mem::replace(&mut self.since, Instant::now());
        self.source.collect(&mut self.waiting);
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

    /// Returns whether there are events of earlier clients to be sent.
    fn has_backlog(&self) -> bool {
        let backlog = self.backlog.as_ref();
        backlog.is_some_and(|backlog| backlog.outbox.count(Lane::Regular) > 0)
    }

    /// Claims what earlier clients have left, unless that has been done. A client that has given up
    /// leaves it to others.
    fn claim(&mut self) {
        if self.ledger.is_closed() || self.catch_up.take().is_none() {
            return;
        }
        match self.spool.as_ref().map_or(Claim::Nothing, |spool| spool.claim()) {
            Claim::Taken(spool) => {
                let outbox = Outbox::new(MAX_REQUEST);
                self.backlog = Some(Claimed { spool, outbox, read_again: Instant::now() });
            }
            // The other client may die before it has delivered them.
            Claim::Busy => self.catch_up = Some(Instant::now() + LOOK_AGAIN),
            Claim::Nothing => {}
        }
    }

    /// Reads what the spool holds besides suspects, and gives it back if it holds nothing. Returns
    /// whether there is something to send.
    fn read_backlog(&mut self) -> bool {
        let Some(Claimed { spool, outbox, read_again }) = &mut self.backlog else { return false };
        let now = Instant::now();
        if outbox.is_empty() || outbox.count(Lane::Regular) == 0 && *read_again <= now {
            outbox.push_spooled(spool.read());
            *read_again = now + LOOK_AGAIN;
        }
        if outbox.is_empty() {
            self.backlog = None;
        }
        self.has_backlog()
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

    /// Delivers what is due by time, and whole batches, unless an earlier failure asks to wait.
    fn deliver_due(&mut self) {
        if self.delivery.retry_at().is_none_or(|retry| retry <= Instant::now()) {
            self.pass(Scope::Due);
        }
    }

    /// Tries everything at once, each batch and its halves one time; returns what went wrong. An
    /// earlier failure is no reason to wait.
    fn deliver_all(&mut self) -> Option<Undelivered> {
        self.delivery.flush_now();
        let (rejected, cause) = self.pass(Scope::All);
        let queued = self.source.outbox().len();
        let cause = cause.filter(|_| queued + rejected > 0 && !self.ledger.is_closed())?;
        Some(Undelivered { queued, rejected, cause })
    }

    /// Makes one request after another, until nothing is to be sent, or a failure asks to wait.
    /// Returns how many events of this client were dropped, and the last failure.
    fn pass(&mut self, scope: Scope) -> (usize, Option<RequestError>) {
        let (mut rejected, mut cause) = (0, None);
        let mut pass = self.begin(scope);
        loop {
            if scope == Scope::Due {
                let ready = self.collect();
                if !self.waiting.is_empty() {
                    // They take everything along.
                    self.end(&pass);
                    self.answer_flushes();
                    return (rejected, cause);
                }
                pass.due = pass.due.max(ready / self.batch_size * self.batch_size);
            }
            let request = {
                let backlog = self.backlog.as_mut().map(|backlog| &mut backlog.outbox);
                self.delivery.next(&mut pass, backlog, &mut self.source.outbox())
            };
            let Some(request) = request else { if self.read_backlog() { continue } else { break } };
            let Some((result, settled)) = self.make(request, &mut pass) else { break };
            let own = matches!(request, Request::Events { source: Source::Own, .. });
            if own && matches!(settled.fate, Fate::Rejected | Fate::Failing) {
                rejected += settled.events.len();
            }
            self.report(request, &result, &settled);
            cause = result.err().or(cause);
            if settled.pause {
                break;
            }
        }
        self.end(&pass);
        (rejected, cause)
    }

    fn begin(&mut self, scope: Scope) -> Pass {
        let now = Instant::now();
        let ready = self.collect();
        // After a failure everything is due.
        let by_time = self.due.is_some_and(|due| due <= now) || self.delivery.retry_at().is_some();
        let all = scope == Scope::All || by_time;
        if all {
            // What comes from now on waits for an interval of its own.
            self.due = None;
        }
        let some = all || ready >= self.batch_size;
        if some || self.catch_up.is_some_and(|at| at <= now) {
            self.claim();
            self.looked = true;
            let left = self.read_backlog();
            self.catching_up.store(left, Ordering::Release);
        }
        let mut own = self.source.outbox();
        let due = if all { own.count(Lane::Regular) } else { 0 };
        let backlog = self.backlog.as_mut().map(|backlog| &mut backlog.outbox);
        self.delivery.begin(now, due, some, backlog, &mut own)
    }

    fn end(&mut self, pass: &Pass) {
        // Whatever is left of it was tried.
        if self.looked {
            self.catching_up.store(false, Ordering::Release);
        }
        let own = self.source.outbox();
        let backlog = self.backlog.as_ref().map(|backlog| &backlog.outbox);
        self.delivery.end(Instant::now(), pass, backlog, &own);
    }

    fn backlog(&self) -> Option<&Outbox> {
        self.backlog.as_ref().map(|backlog| &backlog.outbox)
    }

    /// Makes a request and settles its events; `None` if the client has given up.
    fn make(
        &mut self,
        request: Request,
        pass: &mut Pass,
    ) -> Option<(Result<(), RequestError>, Settled)> {
        let result = match request {
            Request::Probe => self.post(PROBE)?,
            Request::Events { source, lane, count } => {
                let body = |zoned| match (source, &self.backlog) {
                    (Source::Backlog, Some(backlog)) => backlog.outbox.body(lane, count, zoned),
                    _ => self.source.outbox().body(lane, count, zoned),
                };
                let (result, zoned) = self.post_events(body)?;
                if result.is_ok() {
                    self.takes_unzoned = !zoned;
                }
                // A service that has changed may fail on that form.
                let fails_alone = count == 1
                    && matches!(RequestOutcome::of(&result), RequestOutcome::ServerError(_));
                self.zoned = zoned && !fails_alone;
                result
            }
        };
        let (outcome, now) = (RequestOutcome::of(&result), Instant::now());
        let settled = match (request, &mut self.backlog) {
            (Request::Probe, _) => {
                let pause = self.delivery.settle_probe(now, outcome);
                Settled { pause, ..Settled::default() }
            }
            (Request::Events { source: Source::Backlog, lane, count }, Some(backlog)) => {
                let from = (Source::Backlog, lane, count);
                let outbox = &mut backlog.outbox;
                let settled = self.delivery.settle(now, pass, from, outbox, outcome);
                // Before a logger may panic: a spool that cannot be written is logged.
                self.ledger.settle_spooled(settled.fate, settled.events.len());
                if !settled.events.is_empty() && !backlog.spool.remove(&settled.events) {
                    self.backlog = None;
                }
                settled
            }
            (Request::Events { source, lane, count }, _) => {
                let mut outbox = self.source.outbox();
                if self.ledger.is_closed() {
                    return None;
                }
                let from = (source, lane, count);
                let settled = self.delivery.settle(now, pass, from, &mut outbox, outcome);
                self.ledger.settle(settled.fate, settled.events.len());
                settled
            }
        };
        Some((result, settled))
    }

    /// Sends events, and once more with another form of timestamps if the service refuses them.
    /// Returns the result, and whether timestamps end with a `Z` from now on; `None` if the client
    /// has given up.
    fn post_events(
        &self,
        body: impl Fn(bool) -> String,
    ) -> Option<(Result<(), RequestError>, bool)> {
        let result = self.post(&body(self.zoned))?;
        if self.zoned
            || !matches!(&result, Err(failure) if matches!(failure.status(), Some(400 | 422)))
        {
            return Some((result, self.zoned));
        }
        let again = self.post(&body(true))?;
        Some(match RequestOutcome::of(&again) {
            RequestOutcome::Accepted => (again, true),
            // The form was not the reason.
            RequestOutcome::Rejected => (result, false),
            RequestOutcome::ServerError(_) if self.takes_unzoned => (result, false),
            // It may have been: a service that wants zones may fail now.
            RequestOutcome::ServerError(_)
            | RequestOutcome::TooLarge
            | RequestOutcome::TimedOut
            | RequestOutcome::Unavailable(_) => (again, false),
        })
    }

    fn post(&self, body: &str) -> Option<Result<(), RequestError>> {
        if self.ledger.is_closed() {
            return None;
        }
        Some(self.http.post_discarding_body(EVENTS, body, self.time_left()))
    }

    /// Counts and logs how a request went.
    fn report(&mut self, request: Request, result: &Result<(), RequestError>, settled: &Settled) {
        let failure = match result {
            Ok(()) if request == Request::Probe => return,
            Ok(()) => {
                self.rejecting = false;
                self.ledger.note_success();
                self.recover();
                log!(debug, "delivered events: {}", settled.events.len());
                return;
            }
            Err(failure) => failure,
        };
        match settled.fate {
            Fate::Rejected => {
                self.ledger.note(failure);
                self.recover();
                if !std::mem::replace(&mut self.rejecting, true) {
                    log!(warn, "the service refuses events, which are dropped: {failure}");
                }
            }
            Fate::Failing => {
                self.ledger.note(failure);
                for event in &settled.events {
                    log!(
                        warn,
                        "dropped an event of the flag `{}`: the service takes others, and fails on \
                         this one: {failure}",
                        event.flag_key()
                    );
                }
            }
            Fate::Delivered | Fate::Undecided if failure.status() == Some(413) => {}
            Fate::Delivered | Fate::Undecided => {
                self.ledger.note(failure);
                let alone = Request::Events { source: Source::Own, lane: Lane::Regular, count: 1 };
                if (settled.pause || request == alone)
                    && !std::mem::replace(&mut self.failing, true)
                {
                    log!(warn, "failed to deliver events: {failure:#}");
                }
            }
        }
    }

    fn recover(&mut self) {
        if std::mem::take(&mut self.failing) {
            log!(info, "events are delivered again");
        }
    }

    /// Delivers what is left while there is time.
    fn finish(&mut self) {
        self.deadline = Some(Instant::now() + self.shutdown_timeout);
        self.collect();
        let mut outcome = self.answer_flushes();
        if !matches!(outcome, Some(Undelivered { queued: 1.., .. })) {
            // Nobody waits for it otherwise, and the answer might come when the program has ended.
            if self.source.outbox().is_empty() && !self.catching_up.load(Ordering::Acquire) {
                return;
            }
            outcome = self.deliver_all();
        }
        let mut delay = LAST_RETRY;
        loop {
            let wait = match outcome.as_ref().map(|outcome| (outcome.queued, &outcome.cause)) {
                Some((1.., cause)) => match retry(cause) {
                    Retry::Transient => delay,
                    Retry::After(least) => delay.max(least),
                    Retry::Permanent => return,
                },
                // Otherwise each later client would find out the same.
                _ if self.backlog().is_some_and(|backlog| self.delivery.condemns(backlog)) => delay,
                _ => return,
            };
            // Nor does it wait longer than the client does.
            if wait >= self.time_left() || pause(&self.source.given_up, wait) {
                return;
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
