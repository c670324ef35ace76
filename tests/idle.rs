//! Tests that the threads sleep between polls and flushes.
//!
//! The only test of its program, because it inspects all threads of the process.
#![cfg(all(feature = "http", target_os = "linux"))]

#[path = "support/asleep.rs"]
mod asleep;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use asleep::others_sleep;
use phaseflag::{ClientBuilder, EvaluationEvent};
use support::{NEVER, Reply, SOON, Server, builder, ready, ruleset, wait_until};

/// Returns how often each thread of the client was scheduled.
fn switches() -> BTreeMap<String, u64> {
    let mut switches = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        if field("Name:").starts_with("phaseflag-") {
            let count = |name| field(name).parse::<u64>().unwrap();
            let total = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
            switches.insert(field("Name:"), total);
        }
    }
    switches
}

#[test]
fn threads_sleep_between_polls_and_flushes() {
    check(202, 0, |settings| settings.event_flush_interval(NEVER));
    wait_until("the end of the threads", || switches().is_empty());
    // A silent stream wakes no thread, either.
    check(202, 1, |settings| settings.event_flush_interval(NEVER).streaming(true));
    wait_until("the end of the threads", || switches().is_empty());
    // The recording interval ends once.
    let interval = Duration::from_millis(50);
    check(202, 0, |settings| settings.event_flush_interval(interval).record_evaluations(true));
    wait_until("the end of the threads", || switches().is_empty());
    // The interval does not end repeatedly while nothing can be delivered.
    check(401, 0, |settings| settings.event_flush_interval(interval).record_evaluations(true));
}

/// Checks that all threads sleep if a service responds to events with this status.
fn check(events: u16, streams: usize, set: impl Fn(ClientBuilder) -> ClientBuilder) {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let (_silent, pieces) = channel();
    let pieces = Arc::new(Mutex::new(pieces));
    server.respond(move |request| match request.path.as_str() {
        "/api/v1/sdk/events" => Reply::status(events),
        "/api/v1/sdk/stream" => Reply::Stream(pieces.clone()),
        _ => Reply::json(ruleset(1, &["a"])),
    });
    let settings = set(builder(&server).polling_interval(NEVER));
    let client = ready(settings.shutdown_timeout(Duration::from_millis(100)));
    client.get_boolean_value("a", false, None);
    client.track_event(EvaluationEvent::new("a"));
    assert_eq!(client.flush_events().is_ok(), events == 202);

    server.wait_for(streams, "/sdk/stream");
    // The threads go to sleep.
    let deadline = Instant::now() + SOON;
    let mut before = switches();
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = switches();
        if now == before && others_sleep() {
            break;
        }
        assert!(Instant::now() < deadline, "{before:?} {now:?}");
        before = now;
    }
    let names = ["phaseflag-event", "phaseflag-polle", "phaseflag-strea"];
    assert_eq!(Vec::from_iter(before.keys()), names[..2 + streams]);

    thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(), before);
    assert_eq!(server.requests_to("/sdk/ruleset").len(), 1);
}
