//! Decides which events the next request holds, and what becomes of them. Pure: the caller sends
//! the requests and passes the time.

use std::time::{Duration, Instant};

use super::ledger::Fate;
use super::outbox::{Entry, Lane, Outbox, OutgoingEvent};
use super::outcome::RequestOutcome;
use crate::http::{Backoff, Retry};

/// The number of failures on an event alone after which it is dropped.
const MAX_FAILURES: u32 = 3;

/// The number of failures on single events in a row that counts as an outage. The last of these
/// events is the newest one, since bad events often come together.
const OUTAGE_FAILURES: u32 = 3;

/// The most requests for suspects that may fail in one pass. It keeps a client below the rate limit
/// of the service.
const MAX_FAILED_REQUESTS: usize = 10;

/// The shortest time from a pass with that many failures to the next pass over suspects.
const AFTER_MAX_FAILED_REQUESTS: Duration = Duration::from_secs(10);

/// Where the events of a request come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// Earlier processes; these events go first.
    Backlog,
    /// This client.
    Own,
}

/// The content of the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Request {
    Events {
        source: Source,
        lane: Lane,
        count: usize,
    },
    /// No event. If the service accepts this, it does not fail on every request; see `is_at_fault`.
    Probe,
}

/// What becomes of the events of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settlement {
    /// The events that leave the outbox.
    pub(super) events: Vec<OutgoingEvent>,
    pub(super) fate: Fate,
    /// Whether the pass ends, because the next request has to wait.
    pub(super) pause: bool,
}

/// The state between requests: what the service accepted and failed on, and when to retry.
#[derive(Debug)]
pub(super) struct Delivery {
    /// How many requests with events the service accepted.
    accepted: u64,
    /// How often it failed on a single event since then, except on events known to be at fault.
    failures: u32,
    /// How many probes it accepted.
    probed: u64,
    /// False once it rejected a probe.
    accepts_probes: bool,
    backoff: Backoff,
    /// The time of the next request, unless a flush comes first.
    retry_at: Option<Instant>,
    suspects_backoff: Backoff,
    /// The time of the next request for suspects, unless a flush comes first.
    suspects_retry_at: Option<Instant>,
}

/// One pass over the events that may be sent.
#[derive(Debug)]
pub(super) struct Pass {
    /// How many regular events of this client may still be sent.
    pub(super) due: usize,
    /// How many suspects may still be sent, of the backlog and of this client.
    suspects: [usize; 2],
    /// Whether suspects are due.
    suspects_due: bool,
    /// How many requests for suspects may still fail.
    failures_allowed: usize,
}

impl Pass {
    fn suspects(&mut self, source: Source) -> &mut usize {
        let [backlog, own] = &mut self.suspects;
        match source {
            Source::Backlog => backlog,
            Source::Own => own,
        }
    }

    /// Deducts events that were sent.
    fn spend(&mut self, source: Source, lane: Lane, count: usize) {
        let remaining = match (lane, source) {
            (Lane::Regular, Source::Backlog) => return,
            (Lane::Regular, Source::Own) => &mut self.due,
            (Lane::Suspects, source) => self.suspects(source),
        };
        *remaining = remaining.saturating_sub(count);
    }
}

impl Delivery {
    /// Returns the state before the first request. `interval` is the flush interval.
    pub(super) fn new(interval: Duration) -> Delivery {
        Delivery {
            accepted: 0,
            failures: 0,
            probed: 0,
            accepts_probes: true,
            backoff: Backoff::new(interval),
            retry_at: None,
            suspects_backoff: Backoff::new(interval),
            suspects_retry_at: None,
        }
    }

    /// Returns the time of the next retry, or `None` if the next request need not wait.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Returns the time of the next retry of suspects, or `None` if none failed.
    pub(super) fn suspects_retry_at(&self) -> Option<Instant> {
        self.suspects_retry_at
    }

    /// Makes all events due now.
    pub(super) fn flush_now(&mut self) {
        self.retry_at = None;
        self.suspects_retry_at = None;
    }

    /// Begins a pass over `due` regular events of this client, and over the suspects if their retry
    /// is due. `new_suspects_due` is whether they are due if no retry is set.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        due: usize,
        new_suspects_due: bool,
        backlog: Option<&mut Outbox>,
        own: &mut Outbox,
    ) -> Pass {
        self.retry_at = None;
        let suspects_due = self.suspects_retry_at.map_or(new_suspects_due, |retry| retry <= now);
        let suspects = |outbox: &mut Outbox| {
            if !suspects_due {
                return 0;
            }
            // Those that failed come first, so that it is soon known whether they are dropped.
            outbox.sort_suspects();
            outbox.count(Lane::Suspects)
        };
        Pass {
            due,
            suspects: [backlog.map_or(0, suspects), suspects(own)],
            suspects_due,
            failures_allowed: MAX_FAILED_REQUESTS,
        }
    }

    /// Returns the next request of a pass, or `None` at its end. Suspects come last.
    pub(super) fn next(
        &self,
        pass: &mut Pass,
        backlog: Option<&mut Outbox>,
        own: &mut Outbox,
    ) -> Option<Request> {
        let mut backlog = backlog;
        if self.failures % OUTAGE_FAILURES == OUTAGE_FAILURES - 1 {
            let newest = if pass.due > 0 { Some(&mut *own) } else { backlog.as_deref_mut() };
            if let Some(newest) = newest.filter(|newest| newest.count(Lane::Regular) > 0) {
                newest.move_last_to_front(Lane::Regular);
                let source = if pass.due > 0 { Source::Own } else { Source::Backlog };
                return Some(Request::Events { source, lane: Lane::Regular, count: 1 });
            }
        }
        let (backlog, own) = (backlog.as_deref(), &*own);
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
            let count = self.count(outbox, Lane::Suspects).min(*pass.suspects(source));
            let Some(first) = outbox.first(Lane::Suspects) else { continue };
            if count == 0 || pass.failures_allowed == 0 {
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

    /// Returns how many events of a lane the next request may hold.
    fn count(&self, outbox: &Outbox, lane: Lane) -> usize {
        let limit = if self.failures >= OUTAGE_FAILURES { 1 } else { outbox.limit(lane) };
        outbox.count(lane).min(limit)
    }

    /// Returns whether a probe could prove that an event is at fault: the event exceeds the limits
    /// of some services, and the service has accepted nothing since it failed on it.
    fn needs_probe(&self, suspect: &Entry) -> bool {
        self.accepts_probes
            && suspect.failures > 0
            && suspect.event.exceeds_limits()
            && !self.is_at_fault(suspect)
    }

    /// Returns whether the service failed on an event alone, and accepted others since. An accepted
    /// probe is proof only for events that exceed the limits of some services.
    fn is_at_fault(&self, suspect: &Entry) -> bool {
        suspect.failures > 0
            && (self.accepted > suspect.accepted_before
                || self.probed > suspect.probed_before && suspect.event.exceeds_limits())
    }

    /// Settles a request that held the first `count` events of a lane.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        pass: &mut Pass,
        sent: (Source, Lane, usize),
        outbox: &mut Outbox,
        outcome: RequestOutcome,
    ) -> Settlement {
        let (source, lane, count) = sent;
        if lane == Lane::Suspects && outcome != RequestOutcome::Accepted {
            pass.failures_allowed = pass.failures_allowed.saturating_sub(1);
        }
        match outcome {
            RequestOutcome::Accepted => {
                self.accept();
                outbox.grow(lane);
                pass.spend(source, lane, count);
                Settlement { events: outbox.take(lane, count), fate: Fate::Delivered, pause: false }
            }
            RequestOutcome::TooLarge if count > 1 => {
                outbox.shrink(lane, count);
                Settlement::default()
            }
            RequestOutcome::TooLarge | RequestOutcome::Rejected => {
                self.recover();
                pass.spend(source, lane, count);
                Settlement { events: outbox.take(lane, count), fate: Fate::Rejected, pause: false }
            }
            RequestOutcome::ServerError(retry) => self.fail(now, pass, sent, outbox, retry),
            RequestOutcome::Broken => self.fail(now, pass, sent, outbox, Retry::Transient),
            RequestOutcome::NoResponse => {
                outbox.shrink(lane, count);
                self.pause(now, Lane::Regular, Retry::Transient);
                Settlement { pause: true, ..Settlement::default() }
            }
            RequestOutcome::Unavailable(retry) => {
                self.pause(now, Lane::Regular, retry);
                Settlement { pause: true, ..Settlement::default() }
            }
        }
    }

    /// Settles a request that failed, possibly because of its events: the next one is half as
    /// large.
    fn fail(
        &mut self,
        now: Instant,
        pass: &mut Pass,
        (source, lane, count): (Source, Lane, usize),
        outbox: &mut Outbox,
        retry: Retry,
    ) -> Settlement {
        outbox.shrink(lane, count);
        let before = self.failures;
        if count == 1 {
            pass.spend(source, lane, 1);
            if let Some(event) = self.fail_alone(lane, outbox) {
                return Settlement { events: vec![event], fate: Fate::Failing, pause: false };
            }
        }
        let is_outage = self.failures > before && self.failures >= OUTAGE_FAILURES;
        let pause = retry != Retry::Transient || is_outage;
        if pause {
            self.pause(now, lane, retry);
        }
        Settlement { pause, ..Settlement::default() }
    }

    /// Settles a probe. Returns whether the pass ends, because the next request has to wait.
    pub(super) fn settle_probe(&mut self, now: Instant, outcome: RequestOutcome) -> bool {
        match outcome {
            RequestOutcome::Accepted => self.probed += 1,
            RequestOutcome::TooLarge | RequestOutcome::Rejected => self.accepts_probes = false,
            RequestOutcome::ServerError(retry) => self.pause(now, Lane::Suspects, retry),
            RequestOutcome::Broken | RequestOutcome::NoResponse => {
                self.pause(now, Lane::Regular, Retry::Transient);
            }
            RequestOutcome::Unavailable(retry) => self.pause(now, Lane::Regular, retry),
        }
        !matches!(
            outcome,
            RequestOutcome::Accepted | RequestOutcome::TooLarge | RequestOutcome::Rejected
        )
    }

    /// Ends a pass: sets the time of the next retry of suspects.
    pub(super) fn end(
        &mut self,
        now: Instant,
        pass: &Pass,
        backlog: Option<&Outbox>,
        own: &Outbox,
    ) {
        let outboxes = [backlog, Some(own)].into_iter().flatten();
        let failed = outboxes.map(Outbox::failed).sum::<usize>() > 0;
        let cut_short = pass.failures_allowed == 0;
        if !failed && !cut_short {
            self.suspects_retry_at = None;
            self.suspects_backoff.after_success();
        } else if self.suspects_retry_at.is_none_or(|retry| pass.suspects_due && retry <= now) {
            let delay = self.suspects_backoff.after_failure(Retry::Transient);
            let least = if cut_short { AFTER_MAX_FAILED_REQUESTS } else { Duration::ZERO };
            self.suspects_retry_at = Some(now + delay.max(least));
        }
    }

    /// Returns whether a few more requests would prove that one of these events is at fault.
    pub(super) fn is_about_to_drop(&self, outbox: &Outbox) -> bool {
        outbox.suspects().any(|suspect| self.is_at_fault(suspect) || self.needs_probe(suspect))
    }

    /// Notes that the service failed on the first event of a lane alone. Returns the event if it is
    /// dropped.
    fn fail_alone(&mut self, lane: Lane, outbox: &mut Outbox) -> Option<OutgoingEvent> {
        let mut entry = outbox.take_first(lane)?;
        if entry.failures == 0 {
            (entry.accepted_before, entry.probed_before) = (self.accepted, self.probed);
        }
        entry.failures += 1;
        let is_at_fault = self.is_at_fault(&entry);
        if is_at_fault && entry.failures >= MAX_FAILURES {
            return Some(entry.event);
        }
        outbox.push_suspect(entry);
        if !is_at_fault {
            self.failures += 1;
        }
        None
    }

    /// Notes that the service accepted events.
    fn accept(&mut self) {
        self.accepted += 1;
        self.failures = 0;
        self.recover();
    }

    /// Ends the backoff.
    fn recover(&mut self) {
        self.backoff.after_success();
        self.retry_at = None;
    }

    /// Sets the time of the next retry. A transient failure on suspects delays only suspects.
    fn pause(&mut self, now: Instant, lane: Lane, retry: Retry) {
        if lane == Lane::Suspects && retry == Retry::Transient {
            self.suspects_retry_at = Some(now + self.suspects_backoff.after_failure(retry));
        } else {
            self.retry_at = Some(now + self.backoff.after_failure(retry));
        }
    }
}
