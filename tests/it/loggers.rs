//! Loggers that call the client, or panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient};

use crate::alone::is_alone;
use crate::logger::{self, WHIM};
use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, ready, ruleset, started, wait_until,
};

/// Ends a client with a queued event on a thread whose logger calls `whim`. Returns whether the
/// call returned without a panic.
fn ends(whim: fn(&PhaseFlagClient), end: fn(&PhaseFlagClient)) -> bool {
    logger::listen();
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

/// Records evaluations until a line reports that the queue or the interval is full, on a thread
/// whose logger calls `whim`. Returns whether the call returned.
fn records(events: usize, whim: fn(&PhaseFlagClient)) -> bool {
    logger::listen();
    let server = Server::with_ruleset(ruleset(1, &["a", "b", "c", "d"]));
    let client = builder(&server).polling_interval(NEVER).event_flush_interval(NEVER);
    let client = client.event_queue_capacity(2).event_batch_size(2).record_evaluations(true);
    let client = ready(client);
    server.respond(|_| Reply::Hang);
    let (done, outcome) = mpsc::channel();
    let recording = client.clone();
    thread::spawn(move || {
        let logged = recording.clone();
        WHIM.with(|place| *place.borrow_mut() = Some(Box::new(move || whim(&logged))));
        for _ in 0..events {
            recording.track_event(EvaluationEvent::new("e"));
        }
        let served = ["a", "b", "c"].map(|key| recording.get_boolean_value(key, false, None));
        assert!(WHIM.with(|place| place.borrow().is_none()), "nothing was logged");
        let _ = done.send(served == [true; 3]);
    });
    let returned = outcome.recv_timeout(SOON).unwrap_or(false);
    client.stop_now();
    returned
}

#[test]
fn an_evaluation_is_recorded_whatever_the_logger_calls() {
    for events in [0, 2] {
        assert!(records(events, |client| {
            for key in ["a", "b", "c", "d"] {
                assert!(client.get_boolean_value(key, false, None));
                assert!(client.snapshot().get_boolean_value(key, false, None));
            }
            client.statistics();
        }));
        assert!(records(events, PhaseFlagClient::stop_now));
        assert!(records(events, |_| panic!("a logger")));
    }
}

#[test]
fn stop_now_returns_whatever_the_logger_calls() {
    assert!(ends(
        |client| client.track_event(EvaluationEvent::new("e")),
        PhaseFlagClient::stop_now
    ));
    assert!(ends(PhaseFlagClient::stop, PhaseFlagClient::stop_now));
    assert!(ends(PhaseFlagClient::stop_now, PhaseFlagClient::stop_now));
}

#[test]
fn a_panic_of_the_logger_does_not_reach_the_caller() {
    assert!(ends(|_| panic!("a logger"), PhaseFlagClient::stop_now));
    assert!(ends(|_| panic!("a logger"), PhaseFlagClient::stop));
}

/// The line about new rules is logged before the listeners are called.
#[test]
fn a_new_listener_does_not_hear_of_the_rules_in_use() {
    logger::listen();
    let text = |flag: &str| format!(r#"{{"flags": [{{"key": "{flag}"}}]}}"#);
    let client = PhaseFlagClient::builder("", "").bootstrap_text(text("a")).build().unwrap();
    let (sender, changes) = mpsc::channel();
    let listen = {
        let client = client.clone();
        move |name: &'static str| {
            let sender = sender.clone();
            client.on_flags_changed(move |change| {
                let _ = sender.send((name, change.added().to_vec()));
            });
        }
    };
    listen("early");
    WHIM.with(|place| *place.borrow_mut() = Some(Box::new(move || listen("late"))));
    client.start().unwrap();
    assert!(WHIM.with(|place| place.borrow().is_none()), "nothing was logged");
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), [("early", vec!["a".to_owned()])]);
}

/// Returns the warnings that this thread has logged.
fn own_warnings() -> Vec<String> {
    let lines = logger::lines();
    let own = lines.iter().filter(|line| line.thread == thread::current().id());
    own.filter(|line| line.level == Level::Warn).map(|line| line.text.clone()).collect()
}

/// Returns the warnings of a start, and of a second one.
fn starts(settings: ClientBuilder) -> Vec<String> {
    logger::listen();
    let before = own_warnings().len();
    let client = settings.build().unwrap();
    assert_eq!(own_warnings().len(), before, "a warning by `build`");
    client.start().unwrap();
    client.start().unwrap();
    client.stop();
    own_warnings().split_off(before)
}

#[test]
fn rapid_polling_is_warned_of_once_at_the_start() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let millis = Duration::from_millis;
    for (interval, warning) in [
        (millis(10), "`polling_interval` is 10ms: that makes 6000 requests per minute"),
        (millis(500), "`polling_interval` is 500ms: that makes 120 requests per minute"),
        (millis(999), "`polling_interval` is 999ms: that makes 60 requests per minute"),
    ] {
        let settings = builder(&server).polling_interval(interval);
        assert_eq!(starts(settings), [warning]);
        let without = PhaseFlagClient::builder("", "").polling_interval(interval);
        assert_eq!(starts(without), [""; 0]);
    }
    for interval in [Duration::ZERO, millis(1000), millis(1500), NEVER, Duration::MAX] {
        assert_eq!(starts(builder(&server).polling_interval(interval)), [""; 0], "{interval:?}");
    }
}

#[test]
fn start_returns_whatever_the_logger_calls() {
    logger::listen();
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let whims: [fn(&PhaseFlagClient); 3] = [
        PhaseFlagClient::stop,
        |client| client.start().unwrap(),
        |client| {
            client.track_event(EvaluationEvent::new("e"));
            let _ = client.flush_events();
        },
    ];
    for whim in whims {
        let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
        let (done, outcome) = mpsc::channel();
        thread::spawn(move || {
            let logged = client.clone();
            WHIM.with(|place| *place.borrow_mut() = Some(Box::new(move || whim(&logged))));
            let started = client.start().is_ok();
            let _ = done.send(started && WHIM.with(|place| place.borrow().is_none()));
        });
        assert_eq!(outcome.recv_timeout(SOON), Ok(true));
    }
}

/// A logger that prints to a closed terminal panics at each line.
struct Panicking;

impl Log for Panicking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // A panic inside of a panic would abort the test.
        if record.target() == "phaseflag" && !thread::panicking() {
            panic!("a logger");
        }
    }

    fn flush(&self) {}
}

/// Runs `check` in a process whose logger panics at each line.
fn with_a_panicking_logger(test: &str, check: impl FnOnce()) {
    if is_alone(&format!("loggers::{test}")) {
        log::set_logger(&Panicking).unwrap();
        log::set_max_level(LevelFilter::Trace);
        check();
    }
}

#[test]
fn rules_arrive_after_an_outage_although_each_line_panics() {
    with_a_panicking_logger("rules_arrive_after_an_outage_although_each_line_panics", || {
        let server = Server::start(|_| Reply::status(503));
        let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
        let (sender, changes) = mpsc::channel();
        client.on_flags_changed(move |change| sender.send(change.added().to_vec()).unwrap());
        client.start().unwrap();
        wait_until("two failures", || client.statistics().polls >= 2);
        server.respond(|_| Reply::json(ruleset(1, &["a"])));
        client.wait_until_ready(SOON).unwrap();
        assert_eq!(changes.recv_timeout(SOON), Ok(vec!["a".to_owned()]));
    });
}

#[test]
fn a_refused_key_is_noticed_although_each_line_panics() {
    with_a_panicking_logger("a_refused_key_is_noticed_although_each_line_panics", || {
        let server = Server::start(|_| Reply::status(401));
        let error = started(builder(&server)).wait_until_ready(SOON).unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
    });
}

#[test]
fn a_bootstrap_is_served_although_each_line_panics() {
    with_a_panicking_logger("a_bootstrap_is_served_although_each_line_panics", || {
        let settings = PhaseFlagClient::builder("", "").bootstrap_text(ruleset(1, &["a"]));
        let client = settings.build().unwrap();
        let (sender, changes) = mpsc::channel();
        client.on_flags_changed(move |change| sender.send(change.added().to_vec()).unwrap());
        client.start().unwrap();
        assert_eq!(changes.try_recv(), Ok(vec!["a".to_owned()]));

        let server = Server::start(|_| Reply::status(503));
        let client = started(builder(&server).bootstrap_text("[oops").offline_mode(true));
        client.wait_until_ready(SOON).unwrap();
        assert!(matches!(client.last_failure(), Some(Error::Request { .. })));
    });
}
