//! Decides which events the next request holds, and what its outcome means for them.
//!
//! Knows no thread, socket or clock: whoever sends the requests hands the time in. `DESIGN.md`
//! explains the rules.

use std::time::{Duration, Instant};

use crate::backoff::{Backoff, Setback};
use crate::error::RequestError;
use crate::events::Fate;
use crate::outbox::{Entry, Lane, Outbox, OutgoingEvent};

/// An event is dropped after the service has failed on it alone this often.
const MAX_FAILURES: u32 = 3;

/// After this many failures on single events in a row the service counts as failing altogether.
const MANY_FAILURES: u32 = 2;

/// The most requests for suspects that may fail in one pass: services limit how many requests they
/// take a minute.
const MAX_REQUESTS: usize = 10;

/// The least time until the next pass over suspects after that many.
const AFTER_MAX_REQUESTS: Duration = Duration::from_secs(10);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Accepted,
    /// The body was too large.
    TooLarge,
    /// The service does not want these events.
    Refused,
    /// The service failed, maybe on one of these events.
    Faulty(Setback),
    /// The answer took too long.
    Slow,
    /// The service cannot be reached, or takes nothing now.
    Failed(Setback),
}

impl Outcome {
    pub(crate) fn of(result: &Result<(), RequestError>) -> Outcome {
        let failure = match result {
            Ok(()) => return Outcome::Accepted,
            Err(failure) => failure,
        };
        let setback = setback(failure);
        match (failure, failure.status()) {
            (RequestError::Timeout { .. }, _) => Outcome::Slow,
            (_, Some(413)) => Outcome::TooLarge,
            (_, Some(401 | 403 | 404 | 408 | 429)) => Outcome::Failed(setback),
            (_, Some(400..=499)) => Outcome::Refused,
            (_, Some(500..=599)) => Outcome::Faulty(setback),
            (_, Some(_) | None) => Outcome::Failed(setback),
        }
    }
}

/// Returns what a failure means for the next try.
pub(crate) fn setback(failure: &RequestError) -> Setback {
    match failure {
        RequestError::Status { status: 401 | 403 | 404 | 300..=399, .. } => Setback::Hopeless,
        RequestError::Status { retry_after: Some(least), .. } => Setback::RetryAfter(*least),
        _ => Setback::Passing,
    }
}

/// Whose events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// Earlier clients', which go first.
    Backlog,
    /// This client's.
    Own,
}

/// What the next request holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Request {
    Events {
        source: Source,
        lane: Lane,
        count: usize,
    },
    /// No event: if the service accepts that, it is not failing altogether.
    Probe,
}

/// What a request led to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Settled {
    /// The events whose fate is known.
    pub(crate) events: Vec<OutgoingEvent>,
    pub(crate) fate: Fate,
    /// Whether the next request has to wait.
    pub(crate) pause: bool,
}

/// How the requests have gone, and when the next one may be made.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// How many requests the service has accepted.
    accepted: u64,
    /// How often it has failed on a single event since.
    failures: u32,
    /// Whether it may accept a request without events.
    takes_probes: bool,
    backoff: Backoff,
    /// Unless somebody flushes, no request is made before this.
    retry: Option<Instant>,
    suspects_backoff: Backoff,
    /// Unless somebody flushes, no suspect is tried again before this.
    suspects_retry: Option<Instant>,
}

/// One go through the events that may be sent.
#[derive(Debug)]
pub(crate) struct Pass {
    /// How many of this client's regular events may be sent.
    pub(crate) due: usize,
    /// How many suspects may be tried, of the backlog and of this client.
    tries: [usize; 2],
    /// Whether it is time for suspects.
    ready: bool,
    /// How many requests for suspects may still fail.
    requests: usize,
}

impl Pass {
    fn tries(&mut self, source: Source) -> &mut usize {
        let [backlog, own] = &mut self.tries;
        match source {
            Source::Backlog => backlog,
            Source::Own => own,
        }
    }

    /// Notes that events have had their turn.
    fn spend(&mut self, source: Source, lane: Lane, count: usize) {
        let left = match (lane, source) {
            (Lane::Regular, Source::Backlog) => return,
            (Lane::Regular, Source::Own) => &mut self.due,
            (Lane::Suspects, source) => self.tries(source),
        };
        *left = left.saturating_sub(count);
    }
}

impl Delivery {
    /// Returns the state before the first request, for events that go at least once an interval.
    pub(crate) fn new(interval: Duration) -> Delivery {
        Delivery {
            accepted: 0,
            failures: 0,
            takes_probes: true,
            backoff: Backoff::new(interval),
            retry: None,
            suspects_backoff: Backoff::new(interval),
            suspects_retry: None,
        }
    }

    /// Returns when the next request may be made; `None` for at once.
    pub(crate) fn retry(&self) -> Option<Instant> {
        self.retry
    }

    /// Returns when suspects are tried again; `None` if none has failed.
    pub(crate) fn suspects_retry(&self) -> Option<Instant> {
        self.suspects_retry
    }

    /// Lets every event be tried at once.
    pub(crate) fn hurry(&mut self) {
        self.retry = None;
        self.suspects_retry = None;
    }

    /// Begins a pass over `due` regular events of this client and, if it is time for them, over
    /// suspects. `fresh` says whether that includes those that no request has held.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        due: usize,
        fresh: bool,
        backlog: Option<&Outbox>,
        own: &Outbox,
    ) -> Pass {
        self.retry = None;
        let ready = self.suspects_retry.map_or(fresh, |retry| retry <= now);
        let tries = |outbox: &Outbox| if ready { outbox.count(Lane::Suspects) } else { 0 };
        Pass { due, tries: [backlog.map_or(0, tries), tries(own)], ready, requests: MAX_REQUESTS }
    }

    /// Returns what the next request of a pass holds; `None` at the end of the pass. Suspects go
    /// last.
    pub(crate) fn next(
        &self,
        pass: &mut Pass,
        backlog: Option<&Outbox>,
        own: &Outbox,
    ) -> Option<Request> {
        let sources = [(Source::Backlog, backlog), (Source::Own, Some(own))];
        let sources = sources.map(|(source, outbox)| Some((source, outbox?)));
        for (source, outbox) in sources.into_iter().flatten() {
            let due = if source == Source::Own { pass.due } else { usize::MAX };
            let count = self.count(outbox, Lane::Regular).min(due);
            if count > 0 {
                return Some(Request::Events { source, lane: Lane::Regular, count });
            }
        }
        for (source, outbox) in sources.into_iter().flatten() {
            let count = self.count(outbox, Lane::Suspects).min(*pass.tries(source));
            let Some(first) = outbox.first(Lane::Suspects) else { continue };
            if count == 0 || pass.requests == 0 {
                continue;
            }
            let others =
                sources.into_iter().flatten().any(|(_, outbox)| outbox.count(Lane::Regular) > 0);
            if self.needs_probe(first) && !others {
                return Some(Request::Probe);
            }
            return Some(Request::Events { source, lane: Lane::Suspects, count });
        }
        None
    }

    fn count(&self, outbox: &Outbox, lane: Lane) -> usize {
        let limit = if self.failures >= MANY_FAILURES { 1 } else { outbox.limit(lane) };
        outbox.count(lane).min(limit)
    }

    /// Returns whether the service has accepted nothing since it failed on an event that is
    /// likely to be at fault: without another event, only a probe can tell.
    fn needs_probe(&self, suspect: &Entry) -> bool {
        self.takes_probes
            && suspect.failures > 0
            && suspect.accepted_before == self.accepted
            && suspect.event.exceeds_limits()
    }

    /// Settles a request of a pass that held the first `count` events of a lane.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        pass: &mut Pass,
        (source, lane, count): (Source, Lane, usize),
        outbox: &mut Outbox,
        outcome: Outcome,
    ) -> Settled {
        if lane == Lane::Suspects && outcome != Outcome::Accepted {
            pass.requests = pass.requests.saturating_sub(1);
        }
        match outcome {
            Outcome::Accepted => {
                self.accept();
                outbox.grow(lane);
                pass.spend(source, lane, count);
                Settled { events: outbox.take(lane, count), fate: Fate::Delivered, pause: false }
            }
            Outcome::TooLarge if count > 1 => {
                outbox.shrink(lane, count);
                Settled::default()
            }
            Outcome::TooLarge | Outcome::Refused => {
                self.recover();
                pass.spend(source, lane, count);
                Settled { events: outbox.take(lane, count), fate: Fate::Refused, pause: false }
            }
            Outcome::Faulty(setback) => {
                outbox.shrink(lane, count);
                let event = if count == 1 {
                    pass.spend(source, lane, 1);
                    self.fail_alone(lane, outbox)
                } else {
                    None
                };
                if let Some(event) = event {
                    return Settled { events: vec![event], fate: Fate::Failing, pause: false };
                }
                let pause = setback != Setback::Passing || self.failures >= MANY_FAILURES;
                if pause {
                    self.pause(now, lane, setback);
                }
                Settled { pause, ..Settled::default() }
            }
            Outcome::Slow => {
                outbox.shrink(lane, count);
                self.pause(now, Lane::Regular, Setback::Passing);
                Settled { pause: true, ..Settled::default() }
            }
            Outcome::Failed(setback) => {
                self.pause(now, Lane::Regular, setback);
                Settled { pause: true, ..Settled::default() }
            }
        }
    }

    /// Settles a probe, and returns whether the next request has to wait.
    pub(crate) fn settle_probe(&mut self, now: Instant, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Accepted => self.accept(),
            Outcome::TooLarge | Outcome::Refused => self.takes_probes = false,
            Outcome::Faulty(setback) => self.pause(now, Lane::Suspects, setback),
            Outcome::Slow => self.pause(now, Lane::Regular, Setback::Passing),
            Outcome::Failed(setback) => self.pause(now, Lane::Regular, setback),
        }
        !matches!(outcome, Outcome::Accepted | Outcome::TooLarge | Outcome::Refused)
    }

    /// Ends a pass: decides when the suspects are tried again.
    pub(crate) fn end(
        &mut self,
        now: Instant,
        pass: &Pass,
        backlog: Option<&Outbox>,
        own: &Outbox,
    ) {
        let outboxes = [backlog, Some(own)].into_iter().flatten();
        let failed = outboxes.map(Outbox::failed).sum::<usize>() > 0;
        let cut_short = pass.requests == 0;
        if !failed && !cut_short {
            self.suspects_retry = None;
            self.suspects_backoff.after_success();
        } else if self.suspects_retry.is_none_or(|retry| pass.ready && retry <= now) {
            let delay = self.suspects_backoff.after_failure(Setback::Passing);
            let least = if cut_short { AFTER_MAX_REQUESTS } else { Duration::ZERO };
            self.suspects_retry = Some(now + delay.max(least));
        }
    }

    /// Returns whether the service takes others, and fails on an event of these.
    pub(crate) fn condemns(&self, outbox: &Outbox) -> bool {
        outbox.suspects().any(|suspect| {
            suspect.failures > 0
                && (self.accepted > suspect.accepted_before || self.needs_probe(suspect))
        })
    }

    /// Notes that the service failed on the first event of a lane alone, and returns the event if
    /// that was the last time.
    fn fail_alone(&mut self, lane: Lane, outbox: &mut Outbox) -> Option<OutgoingEvent> {
        let mut entry = outbox.take_first(lane)?;
        if entry.failures == 0 {
            entry.accepted_before = self.accepted;
        }
        entry.failures += 1;
        let takes_others = self.accepted > entry.accepted_before;
        if takes_others && entry.failures >= MAX_FAILURES {
            return Some(entry.event);
        }
        if !takes_others {
            self.failures += 1;
        }
        outbox.set_aside(entry);
        None
    }

    fn accept(&mut self) {
        self.accepted += 1;
        self.failures = 0;
        self.recover();
    }

    fn recover(&mut self) {
        self.backoff.after_success();
        self.retry = None;
    }

    /// Waits. A service that fails on suspects may take other events.
    fn pause(&mut self, now: Instant, lane: Lane, setback: Setback) {
        if lane == Lane::Suspects && setback == Setback::Passing {
            self.suspects_retry = Some(now + self.suspects_backoff.after_failure(setback));
        } else {
            self.retry = Some(now + self.backoff.after_failure(setback));
        }
    }
}
