//! Loggers that call the client, or panic.
#![cfg(feature = "http")]

mod support;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use phaseflag::{EvaluationEvent, PhaseFlagClient};
use support::{NEVER, SOON, Server, builder, ruleset, started};

/// What the logger does with a line.
type Whim = Box<dyn Fn()>;

thread_local! {
    /// Of the thread that logs.
    static WHIM: RefCell<Option<Whim>> = const { RefCell::new(None) };
}

struct Whimsical;

impl log::Log for Whimsical {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // Once: what it does may log, too.
        let whim = WHIM.with(|whim| whim.borrow_mut().take());
        if let (Some(whim), "phaseflag") = (whim, record.target()) {
            whim();
        }
    }

    fn flush(&self) {}
}

/// Ends a client that has an event on a thread whose logger has a whim, and returns whether that
/// returned, and without a panic.
fn ends(whim: fn(&PhaseFlagClient), end: fn(&PhaseFlagClient)) -> bool {
    let _ = log::set_logger(&Whimsical);
    log::set_max_level(log::LevelFilter::Trace);
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server).polling_interval(NEVER));
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        client.track_event(EvaluationEvent::new("e"));
        let logged = client.clone();
        WHIM.with(|place| *place.borrow_mut() = Some(Box::new(move || whim(&logged))));
        let ended = catch_unwind(AssertUnwindSafe(|| end(&client)));
        let _ = done.send(ended.is_ok());
    });
    outcome.recv_timeout(SOON).unwrap_or(false)
}

#[test]
fn an_end_without_patience_returns_whatever_its_logger_calls() {
    assert!(ends(
        |client| client.track_event(EvaluationEvent::new("e")),
        PhaseFlagClient::stop_now
    ));
    assert!(ends(PhaseFlagClient::stop, PhaseFlagClient::stop_now));
    assert!(ends(PhaseFlagClient::stop_now, PhaseFlagClient::stop_now));
}

#[test]
fn a_logger_that_panics_ends_with_its_line() {
    assert!(ends(|_| panic!("a logger"), PhaseFlagClient::stop_now));
    assert!(ends(|_| panic!("a logger"), PhaseFlagClient::stop));
}
