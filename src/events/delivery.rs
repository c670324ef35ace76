//! Decides which events the next request holds, and what becomes of them after it.
//!
//! Knows no thread, socket or clock: whoever sends the requests hands the time in. `DESIGN.md`
//! explains the rules.

use std::time::{Duration, Instant};

use super::ledger::Fate;
use super::outbox::{Entry, Lane, Outbox, OutgoingEvent};
use super::outcome::RequestOutcome;
use crate::http::{Backoff, Retry};

/// An event is dropped after the service has failed on it alone this often.
const MAX_FAILURES: u32 = 3;

/// After this many failures on single events in a row the service counts as failing altogether.
/// The last of them is the newest one, since bad events often come together.
const MANY_FAILURES: u32 = 3;

/// The most requests for suspects that may fail in one pass: services limit how many requests they
/// take a minute.
const MAX_REQUESTS: usize = 10;

/// The least time until the next pass over suspects after that many.
const AFTER_MAX_REQUESTS: Duration = Duration::from_secs(10);

/// Whose events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// Earlier clients', which go first.
    Backlog,
    /// This client's.
    Own,
}

/// What the next request holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Request {
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
pub(super) struct Settled {
    /// The events whose fate is known.
    pub(super) events: Vec<OutgoingEvent>,
    pub(crate) fate: Fate,
    /// Whether the next request has to wait.
    pub(super) pause: bool,
}

/// How the requests have gone, and when the next one may be made.
#[derive(Debug)]
pub(super) struct Delivery {
    /// How many requests the service has accepted.
    accepted: u64,
    /// How often it has failed on a single event since, except those that it is known to fail on.
    failures: u32,
    /// How many requests without events it has accepted.
    probed: u64,
    /// Whether it may accept a request without events.
    takes_probes: bool,
    backoff: Backoff,
    /// Unless somebody flushes, no request is made before this.
    retry_at: Option<Instant>,
    suspects_backoff: Backoff,
    /// Unless somebody flushes, no suspect is tried again before this.
    suspects_retry_at: Option<Instant>,
}

/// One go through the events that may be sent.
#[derive(Debug)]
pub(super) struct Pass {
    /// How many of this client's regular events may be sent.
    pub(super) due: usize,
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
            probed: 0,
            takes_probes: true,
            backoff: Backoff::new(interval),
            retry_at: None,
            suspects_backoff: Backoff::new(interval),
            suspects_retry_at: None,
        }
    }

    /// Returns when the next request may be made; `None` for at once.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Returns when suspects are tried again; `None` if none has failed.
    pub(super) fn suspects_retry_at(&self) -> Option<Instant> {
        self.suspects_retry_at
    }

    /// Lets every event be tried at once.
    pub(super) fn flush_now(&mut self) {
        self.retry_at = None;
        self.suspects_retry_at = None;
    }

    /// Begins a pass over `due` regular events of this client and, if it is time for them, over
    /// suspects. `fresh` says whether that includes those that no request has held.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        due: usize,
        fresh: bool,
        backlog: Option<&mut Outbox>,
        own: &mut Outbox,
    ) -> Pass {
        self.retry_at = None;
        let ready = self.suspects_retry_at.map_or(fresh, |retry| retry <= now);
        let tries = |outbox: &mut Outbox| {
            if !ready {
                return 0;
            }
            // It is decided soon whether they are dropped.
            outbox.order_suspects();
            outbox.count(Lane::Suspects)
        };
        Pass { due, tries: [backlog.map_or(0, tries), tries(own)], ready, requests: MAX_REQUESTS }
    }

    /// Returns what the next request of a pass holds; `None` at the end of the pass. Suspects go
    /// last.
    pub(super) fn next(
        &self,
        pass: &mut Pass,
        backlog: Option<&mut Outbox>,
        own: &mut Outbox,
    ) -> Option<Request> {
        let mut backlog = backlog;
        if self.failures % MANY_FAILURES == MANY_FAILURES - 1 {
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
            && suspect.event.exceeds_limits()
            && !self.is_at_fault(suspect)
    }

    /// Returns whether the service has failed on an event alone, and accepted others since. A probe
    /// proves too little for events that any service should take.
    fn is_at_fault(&self, suspect: &Entry) -> bool {
        suspect.failures > 0
            && (self.accepted > suspect.accepted_before
                || self.probed > suspect.probed_before && suspect.event.exceeds_limits())
    }

    /// Settles a request of a pass that held the first `count` events of a lane.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        pass: &mut Pass,
        (source, lane, count): (Source, Lane, usize),
        outbox: &mut Outbox,
        outcome: RequestOutcome,
    ) -> Settled {
        if lane == Lane::Suspects && outcome != RequestOutcome::Accepted {
            pass.requests = pass.requests.saturating_sub(1);
        }
        match outcome {
            RequestOutcome::Accepted => {
                self.accept();
                outbox.grow(lane);
                pass.spend(source, lane, count);
                Settled { events: outbox.take(lane, count), fate: Fate::Delivered, pause: false }
            }
            RequestOutcome::TooLarge if count > 1 => {
                outbox.shrink(lane, count);
                Settled::default()
            }
            RequestOutcome::TooLarge | RequestOutcome::Rejected => {
                self.recover();
                pass.spend(source, lane, count);
                Settled { events: outbox.take(lane, count), fate: Fate::Rejected, pause: false }
            }
            RequestOutcome::ServerError(retry) => {
                outbox.shrink(lane, count);
                let before = self.failures;
                if count == 1 {
                    pass.spend(source, lane, 1);
                    if let Some(event) = self.fail_alone(lane, outbox) {
                        return Settled { events: vec![event], fate: Fate::Failing, pause: false };
                    }
                }
                let is_outage = self.failures > before && self.failures >= MANY_FAILURES;
                let pause = retry != Retry::Transient || is_outage;
                if pause {
                    self.pause(now, lane, retry);
                }
                Settled { pause, ..Settled::default() }
            }
            RequestOutcome::TimedOut => {
                outbox.shrink(lane, count);
                self.pause(now, Lane::Regular, Retry::Transient);
                Settled { pause: true, ..Settled::default() }
            }
            RequestOutcome::Unavailable(retry) => {
                self.pause(now, Lane::Regular, retry);
                Settled { pause: true, ..Settled::default() }
            }
        }
    }

    /// Settles a probe, and returns whether the next request has to wait.
    pub(super) fn settle_probe(&mut self, now: Instant, outcome: RequestOutcome) -> bool {
        match outcome {
            RequestOutcome::Accepted => self.probed += 1,
            RequestOutcome::TooLarge | RequestOutcome::Rejected => self.takes_probes = false,
            RequestOutcome::ServerError(retry) => self.pause(now, Lane::Suspects, retry),
            RequestOutcome::TimedOut => self.pause(now, Lane::Regular, Retry::Transient),
            RequestOutcome::Unavailable(retry) => self.pause(now, Lane::Regular, retry),
        }
        !matches!(
            outcome,
            RequestOutcome::Accepted | RequestOutcome::TooLarge | RequestOutcome::Rejected
        )
    }

    /// Ends a pass: decides when the suspects are tried again.
    pub(super) fn end(
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
            self.suspects_retry_at = None;
            self.suspects_backoff.after_success();
        } else if self.suspects_retry_at.is_none_or(|retry| pass.ready && retry <= now) {
            let delay = self.suspects_backoff.after_failure(Retry::Transient);
            let least = if cut_short { AFTER_MAX_REQUESTS } else { Duration::ZERO };
            self.suspects_retry_at = Some(now + delay.max(least));
        }
    }

    /// Returns whether a few more tries will tell that one of these events is to be dropped.
    pub(super) fn condemns(&self, outbox: &Outbox) -> bool {
        outbox.suspects().any(|suspect| self.is_at_fault(suspect) || self.needs_probe(suspect))
    }

    /// Notes that the service failed on the first event of a lane alone, and returns the event if
    /// that was the last time.
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
        outbox.set_aside(entry);
        if !is_at_fault {
            self.failures += 1;
        }
        None
    }

    fn accept(&mut self) {
        self.accepted += 1;
        self.failures = 0;
        self.recover();
    }

    fn recover(&mut self) {
        self.backoff.after_success();
        self.retry_at = None;
    }

    /// Waits. A service that fails on suspects may take other events.
    fn pause(&mut self, now: Instant, lane: Lane, retry: Retry) {
        if lane == Lane::Suspects && retry == Retry::Transient {
            self.suspects_retry_at = Some(now + self.suspects_backoff.after_failure(retry));
        } else {
            self.retry_at = Some(now + self.backoff.after_failure(retry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EvaluationEvent;

    const INTERVAL: Duration = Duration::from_secs(30);

    /// A client and a service, and a clock that a test moves.
    struct Simulation {
        delivery: Delivery,
        own: Outbox,
        now: Instant,
        delivered: Vec<String>,
        dropped: Vec<String>,
        /// The flags of the events of each request, and when it was made.
        requests: Vec<(Instant, Vec<String>)>,
    }

    impl Simulation {
        fn new(flags: impl IntoIterator<Item = String>) -> Simulation {
            let mut own = Outbox::new(100);
            for flag in flags {
                own.push(OutgoingEvent::Tracked(EvaluationEvent::new(flag)));
            }
            Simulation {
                delivery: Delivery::new(INTERVAL),
                own,
                now: Instant::now(),
                delivered: Vec::new(),
                dropped: Vec::new(),
                requests: Vec::new(),
            }
        }

        /// Makes requests until a failure asks to wait, each of which takes a millisecond.
        fn pass(&mut self, answer: &impl Fn(&[String]) -> RequestOutcome) {
            let due = self.own.count(Lane::Regular);
            let mut pass = self.delivery.begin(self.now, due, true, None, &mut self.own);
            while let Some(request) = self.delivery.next(&mut pass, None, &mut self.own) {
                self.now += Duration::from_millis(1);
                let Request::Events { source, lane, count } = request else {
                    self.requests.push((self.now, Vec::new()));
                    if self.delivery.settle_probe(self.now, answer(&[])) {
                        break;
                    }
                    continue;
                };
                let flags: Vec<_> = self.own.flags(lane).into_iter().take(count).collect();
                self.requests.push((self.now, flags.clone()));
                let (from, outcome) = ((source, lane, count), answer(&flags));
                let settled =
                    self.delivery.settle(self.now, &mut pass, from, &mut self.own, outcome);
                let keys = settled.events.iter().map(OutgoingEvent::flag_key);
                match settled.fate {
                    Fate::Delivered => self.delivered.extend(keys),
                    Fate::Rejected | Fate::Failing => self.dropped.extend(keys),
                    Fate::Undecided => assert!(settled.events.is_empty()),
                }
                if settled.pause {
                    break;
                }
            }
            self.delivery.end(self.now, &pass, None, &self.own);
        }

        /// Lets the time pass until the next try.
        fn wait(&mut self) {
            let next = self.delivery.retry_at().or(self.delivery.suspects_retry_at());
            self.now = self.now.max(next.expect("a next try"));
        }

        /// Lets the time pass, and makes requests whenever that is allowed.
        fn run(&mut self, time: Duration, answer: impl Fn(&[String]) -> RequestOutcome) {
            let end = self.now + time;
            while self.now < end && !self.own.is_empty() {
                self.pass(&answer);
                if !self.own.is_empty() {
                    self.wait();
                }
            }
        }
    }

    fn flags(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:05}")).collect()
    }

    const FAULT: RequestOutcome = RequestOutcome::ServerError(Retry::Transient);

    #[test]
    fn ten_minutes_of_outage_drop_nothing_and_cost_one_event_a_try() {
        for count in [1, 3, 250, 10_000] {
            let mut simulation = Simulation::new(flags(count));
            let begin = simulation.now;
            simulation.run(Duration::from_secs(600), |_| FAULT);
            assert!(simulation.now - begin >= Duration::from_secs(600));
            assert_eq!((simulation.own.len(), simulation.dropped.len()), (count, 0));
            let requests = std::mem::take(&mut simulation.requests);
            // Halves at the beginning, and then one event each time, less and less often.
            let halves = requests.iter().take_while(|(_, flags)| flags.len() > 1).count();
            assert!(halves <= 7, "{halves}");
            let probes = &requests[halves..];
            assert!(probes.iter().all(|(_, flags)| flags.len() == 1));
            assert!((10..80).contains(&probes.len()), "{}", probes.len());
            // Three are at once, to tell bad events from an outage.
            let pauses: Vec<_> = probes.windows(2).skip(2).map(|two| two[1].0 - two[0].0).collect();
            assert!(pauses.iter().all(|pause| *pause > Duration::from_millis(1)), "{pauses:?}");
            simulation.run(Duration::from_secs(600), |_| RequestOutcome::Accepted);
            assert!(simulation.own.is_empty());
            assert_eq!(simulation.delivered.len(), count);
            simulation.delivered.sort();
            assert_eq!(simulation.delivered, flags(count));
        }
    }

    #[test]
    fn a_bad_event_that_is_alone_is_kept_until_another_is_accepted() {
        let mut simulation = Simulation::new(["bad".to_owned()]);
        let answer = |flags: &[String]| match flags.contains(&"bad".to_owned()) {
            true => FAULT,
            false => RequestOutcome::Accepted,
        };
        simulation.run(Duration::from_secs(3600), answer);
        assert_eq!(simulation.own.len(), 1);
        simulation.own.push(OutgoingEvent::Tracked(EvaluationEvent::new("good")));
        simulation.run(Duration::from_secs(3600), answer);
        assert_eq!((simulation.delivered, simulation.dropped), (flags_of("good"), flags_of("bad")));
    }

    #[test]
    fn an_event_beyond_the_known_limits_is_dropped_after_a_probe() {
        let long = "x".repeat(256);
        let answer = |flags: &[String]| match flags.is_empty() {
            true => RequestOutcome::Accepted,
            false => FAULT,
        };
        let mut simulation = Simulation::new([long.clone()]);
        simulation.run(Duration::from_secs(60), answer);
        assert_eq!(simulation.dropped, std::slice::from_ref(&long));
        // A service that fails on probes, too, or refuses them, proves nothing.
        for probed in [FAULT, RequestOutcome::Rejected, RequestOutcome::TimedOut] {
            let mut simulation = Simulation::new([long.clone()]);
            simulation.run(Duration::from_secs(3600), |flags| match flags.is_empty() {
                true => probed,
                false => FAULT,
            });
            assert_eq!((simulation.own.len(), simulation.dropped.len()), (1, 0), "{probed:?}");
        }
    }

    #[test]
    fn many_bad_events_make_few_requests_a_minute() {
        let mut events = flags(50);
        events.extend((0..200).map(|number| format!("{}{number}", "x".repeat(256))));
        let mut simulation = Simulation::new(events);
        let begin = simulation.now;
        simulation.run(Duration::from_secs(36_000), |flags| {
            match flags.iter().any(|flag| flag.len() > 255) {
                true => FAULT,
                false => RequestOutcome::Accepted,
            }
        });
        assert_eq!(simulation.delivered, flags(50));
        assert_eq!(simulation.dropped.len(), 200);
        for minute in 0..600 {
            let start = begin + Duration::from_secs(60 * minute);
            let within = |time: Instant| time >= start && time < start + Duration::from_secs(60);
            let count = simulation.requests.iter().filter(|(time, _)| within(*time)).count();
            assert!(count <= 80, "minute {minute}: {count} requests");
        }
    }

    #[test]
    fn a_service_that_asks_for_time_gets_it() {
        let least = Duration::from_secs(40);
        let mut simulation = Simulation::new(flags(100));
        simulation.pass(&|_| RequestOutcome::ServerError(Retry::After(least)));
        assert_eq!(simulation.requests.len(), 1);
        assert!(simulation.delivery.retry_at().unwrap() >= simulation.now + least);
        // The next request is half as large all the same.
        simulation.wait();
        simulation.pass(&|_| RequestOutcome::Accepted);
        assert_eq!(simulation.requests[1].1.len(), 50);
        assert_eq!(simulation.delivered, flags(100));
    }

    fn flags_of(flag: &str) -> Vec<String> {
        vec![flag.to_owned()]
    }
}
