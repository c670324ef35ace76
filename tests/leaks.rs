//! Tests that a thousand clients leak no thread, socket or file descriptor.
//!
//! The only test of its program, because it counts the resources of the process.
#![cfg(all(feature = "http", target_os = "linux"))]

mod support;
#[path = "support/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{EvaluationEvent, PhaseFlagClient};
use support::{SOON, ruleset, wait_until};
use wire::{Wire, hang, read_request, write_response};

const CLIENTS: usize = 1000;
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// Returns how many resources of each kind this process holds.
fn held() -> BTreeMap<String, usize> {
    let mut held = BTreeMap::new();
    let mut count = |kind: String| *held.entry(kind).or_default() += 1;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
            count(format!("thread {}", name.trim()));
        }
    }
    for descriptor in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if let Ok(target) = fs::read_link(descriptor.path()) {
            let target = target.to_string_lossy().into_owned();
            let kind = target.split_once(':').map_or("file", |(kind, _)| kind);
            count(format!("descriptor of a {kind}"));
        }
    }
    held
}

/// Waits until the process holds no more than before.
fn wait_until_nothing_is_left_open(before: &BTreeMap<String, usize>) {
    let begun = Instant::now();
    loop {
        let now = held();
        let more: Vec<_> = now
            .iter()
            .filter(|(kind, count)| before.get(*kind).is_none_or(|before| before < *count))
            .collect();
        if more.is_empty() {
            return;
        }
        assert!(begun.elapsed() < SOON, "more than before: {more:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Responds, hangs, drips or closes, in turn.
fn serve(mut stream: TcpStream, number: usize) {
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    match number % 4 {
        0 => hang(stream),
        1 => {
            for _ in 0..1000 {
                if !write_response(&mut stream, 102, "") {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        2 => {}
        _ => {
            let status = if request.starts_with("GET") { 200 } else { 202 };
            let body = ruleset(1, &["a"]);
            while write_response(&mut stream, status, &body) && read_request(&mut stream).is_some()
            {
            }
        }
    }
}

#[test]
fn a_thousand_clients_leak_nothing() {
    let wire = Wire::start(serve);
    // Memory and files that the first use keeps are no leak.
    run(&wire, 0);
    thread::sleep(Duration::from_millis(100));
    let before = held();
    for number in 0..CLIENTS {
        run(&wire, number);
        // A few at once, to limit the threads of the server.
        if number % 100 == 0 {
            wait_until_nothing_is_left_open(&before);
        }
    }
    wait_until_nothing_is_left_open(&before);
    assert!(wire.connections() >= CLIENTS / 3);
}

fn run(wire: &Wire, number: usize) {
    let connections = wire.connections();
    let client = PhaseFlagClient::builder(wire.url(), "sdk-dev-1")
        .request_timeout(REQUEST_TIMEOUT)
        .shutdown_timeout(Duration::from_millis(5))
        .polling_interval(Duration::from_millis(10))
        .build()
        .unwrap();
    client.start().unwrap();
    if number.is_multiple_of(5) {
        client.track_event(EvaluationEvent::new("a"));
    }
    match number % 3 {
        0 => client.stop(),
        // Some clients are dropped during a request.
        1 => wait_until("a connection", || wire.connections() > connections),
        _ => {}
    }
}
