//! Tests of `delivery.rs` against a simulated service and clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::delivery::{Delivery, Request};
use super::event::EvaluationEvent;
use super::ledger::Fate;
use super::outbox::{Lane, Outbox, OutgoingEvent};
use super::outcome::RequestOutcome;
use crate::http::Retry;

const INTERVAL: Duration = Duration::from_secs(30);

/// A client whose clock the test moves.
struct Simulation {
    delivery: Delivery,
    own: Outbox,
    now: Instant,
    delivered: Vec<String>,
    dropped: Vec<String>,
    /// The time and the flag keys of each request.
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

    /// Makes the requests of one pass, each of which takes a millisecond.
    fn pass(&mut self, respond: &impl Fn(&[String]) -> RequestOutcome) {
        let due = self.own.count(Lane::Regular);
        let mut pass = self.delivery.begin(self.now, due, true, None, &mut self.own);
        while let Some(request) = self.delivery.next(&mut pass, None, &mut self.own) {
            self.now += Duration::from_millis(1);
            let Request::Events { source, lane, count } = request else {
                self.requests.push((self.now, Vec::new()));
                if self.delivery.settle_probe(self.now, respond(&[])) {
                    break;
                }
                continue;
            };
            let flags: Vec<_> = self.own.flags(lane).into_iter().take(count).collect();
            self.requests.push((self.now, flags.clone()));
            let (from, outcome) = ((source, lane, count), respond(&flags));
            let settled = self.delivery.settle(self.now, &mut pass, from, &mut self.own, outcome);
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

    /// Moves the clock to the next retry.
    fn wait(&mut self) {
        let next = self.delivery.retry_at().or(self.delivery.suspects_retry_at());
        self.now = self.now.max(next.expect("a next retry"));
    }

    /// Moves the clock by `time`, and makes a pass whenever one is due.
    fn run(&mut self, time: Duration, respond: impl Fn(&[String]) -> RequestOutcome) {
        let end = self.now + time;
        while self.now < end && !self.own.is_empty() {
            self.pass(&respond);
            if !self.own.is_empty() {
                self.wait();
            }
        }
    }
}

fn flags(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:05}")).collect()
}

const SERVER_ERROR: RequestOutcome = RequestOutcome::ServerError(Retry::Transient);

#[test]
fn ten_minutes_of_outage_drop_nothing_and_send_one_event_a_request() {
    for count in [1, 3, 250, 10_000] {
        let mut simulation = Simulation::new(flags(count));
        let begin = simulation.now;
        simulation.run(Duration::from_secs(600), |_| SERVER_ERROR);
        assert!(simulation.now - begin >= Duration::from_secs(600));
        assert_eq!((simulation.own.len(), simulation.dropped.len()), (count, 0));
        let requests = std::mem::take(&mut simulation.requests);
        // Halves at first, then single events at growing intervals.
        let halves = requests.iter().take_while(|(_, flags)| flags.len() > 1).count();
        assert!(halves <= 7, "{halves}");
        let single = &requests[halves..];
        assert!(single.iter().all(|(_, flags)| flags.len() == 1));
        assert!((10..80).contains(&single.len()), "{}", single.len());
        // Three in a row without a pause, to tell bad events from an outage.
        let pauses: Vec<_> = single.windows(2).skip(2).map(|two| two[1].0 - two[0].0).collect();
        assert!(pauses.iter().all(|pause| *pause > Duration::from_millis(1)), "{pauses:?}");
        simulation.run(Duration::from_secs(600), |_| RequestOutcome::Accepted);
        assert!(simulation.own.is_empty());
        assert_eq!(simulation.delivered.len(), count);
        simulation.delivered.sort();
        assert_eq!(simulation.delivered, flags(count));
    }
}

#[test]
fn a_single_bad_event_is_kept_until_another_is_accepted() {
    let mut simulation = Simulation::new(["bad".to_owned()]);
    let respond = |flags: &[String]| match flags.contains(&"bad".to_owned()) {
        true => SERVER_ERROR,
        false => RequestOutcome::Accepted,
    };
    simulation.run(Duration::from_secs(3600), respond);
    assert_eq!(simulation.own.len(), 1);
    simulation.own.push(OutgoingEvent::Tracked(EvaluationEvent::new("good")));
    simulation.run(Duration::from_secs(3600), respond);
    assert_eq!((simulation.delivered, simulation.dropped), (flags_of("good"), flags_of("bad")));
}

#[test]
fn an_event_beyond_the_known_limits_is_dropped_after_a_probe() {
    let long = "x".repeat(256);
    let respond = |flags: &[String]| match flags.is_empty() {
        true => RequestOutcome::Accepted,
        false => SERVER_ERROR,
    };
    let mut simulation = Simulation::new([long.clone()]);
    simulation.run(Duration::from_secs(60), respond);
    assert_eq!(simulation.dropped, std::slice::from_ref(&long));
    // A probe that fails or is rejected proves nothing.
    for probed in [SERVER_ERROR, RequestOutcome::Rejected, RequestOutcome::NoResponse] {
        let mut simulation = Simulation::new([long.clone()]);
        simulation.run(Duration::from_secs(3600), |flags| match flags.is_empty() {
            true => probed,
            false => SERVER_ERROR,
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
            true => SERVER_ERROR,
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
fn retry_after_is_obeyed() {
    let least = Duration::from_secs(40);
    let mut simulation = Simulation::new(flags(100));
    simulation.pass(&|_| RequestOutcome::ServerError(Retry::After(least)));
    assert_eq!(simulation.requests.len(), 1);
    assert!(simulation.delivery.retry_at().unwrap() >= simulation.now + least);
    // The next request is half as large nevertheless.
    simulation.wait();
    simulation.pass(&|_| RequestOutcome::Accepted);
    assert_eq!(simulation.requests[1].1.len(), 50);
    assert_eq!(simulation.delivered, flags(100));
}

#[test]
fn a_broken_connection_halves_requests_until_one_succeeds() {
    let mut simulation = Simulation::new(flags(100));
    simulation.pass(&|flags| match flags.len() {
        0..=10 => RequestOutcome::Accepted,
        _ => RequestOutcome::Broken,
    });
    assert_eq!(simulation.delivered, flags(100));
    let sizes: Vec<_> = simulation.requests.iter().map(|(_, flags)| flags.len()).collect();
    assert_eq!(sizes[..7], [100, 50, 25, 12, 6, 12, 6]);
    // One event that breaks each connection is dropped in the end, and holds up no other.
    let mut simulation = Simulation::new(flags(100));
    let bad = "00031".to_owned();
    simulation.run(Duration::from_secs(3600), |flags| match flags.contains(&bad) {
        true => RequestOutcome::Broken,
        false => RequestOutcome::Accepted,
    });
    assert_eq!(simulation.dropped, std::slice::from_ref(&bad));
    let mut expected = flags(100);
    expected.retain(|flag| *flag != bad);
    assert_eq!(simulation.delivered, expected);
}

#[test]
fn ten_minutes_of_broken_connections_drop_nothing() {
    let mut simulation = Simulation::new(flags(100));
    simulation.run(Duration::from_secs(600), |_| RequestOutcome::Broken);
    assert_eq!((simulation.own.len(), simulation.dropped.len()), (100, 0));
    // Halves, three single events, and then one for each pause.
    let sizes: Vec<_> = simulation.requests.iter().map(|(_, flags)| flags.len()).collect();
    assert_eq!(sizes[..8], [100, 50, 25, 12, 6, 3, 1, 1]);
    assert!(sizes[8..].iter().all(|size| *size == 1) && sizes.len() < 90, "{}", sizes.len());
}

#[test]
fn an_unreachable_service_changes_no_order() {
    let mut simulation = Simulation::new(flags(20));
    // After two failures on single events, the newest one is next.
    let singles = Cell::new(0);
    simulation.pass(&|flags| {
        if flags.len() == 1 {
            singles.set(singles.get() + 1);
        }
        match singles.get() {
            0..=2 => SERVER_ERROR,
            _ => RequestOutcome::Unavailable(Retry::Transient),
        }
    });
    for _ in 0..10 {
        simulation.wait();
        simulation.pass(&|_| RequestOutcome::Unavailable(Retry::Transient));
    }
    simulation.run(Duration::from_secs(600), |_| RequestOutcome::Accepted);
    let mut expected = flags(20);
    let newest = expected.pop().unwrap();
    let failed = expected.drain(..2).collect::<Vec<_>>();
    assert_eq!(simulation.delivered, [vec![newest], expected, failed].concat());
}

fn flags_of(flag: &str) -> Vec<String> {
    vec![flag.to_owned()]
}
