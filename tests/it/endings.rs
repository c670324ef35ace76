//! `stop`, `stop_now` and `Drop`: their time limits, concurrency and the fate of events.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, channel};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient, Value};

use crate::support::{NEVER, Reply, Request, SOON, Server, SetOnDrop, block, ruleset, wait_until};
use crate::wire::{self, within};

/// The longest that an immediate call takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

const SHUTDOWN: Duration = Duration::from_millis(300);

/// The longest that `SHUTDOWN` takes on a busy machine.
const SHUTDOWN_AT_MOST: Duration = Duration::from_secs(4);

/// A wait that fails a test, and ends.
const TOO_LONG: Duration = Duration::from_secs(10 * SOON.as_secs());

fn builder(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1")
        .request_timeout(TOO_LONG)
        .shutdown_timeout(TOO_LONG)
        .polling_interval(NEVER)
        .event_flush_interval(NEVER)
}

fn started(builder: ClientBuilder) -> PhaseFlagClient {
    let client = builder.build().unwrap();
    client.start().unwrap();
    client
}

fn track(client: &PhaseFlagClient, count: usize) {
    for number in 0..count {
        client.track_event(EvaluationEvent::new(number.to_string()));
    }
}

/// Returns the keys of the events in requests, in order.
fn keys(requests: &[Request]) -> Vec<String> {
    let mut keys = Vec::new();
    for request in requests {
        let body: Value = request.body.parse().unwrap();
        let mut position = 0;
        while let Some(key) = body["events"][position]["flag_key"].as_str() {
            keys.push(key.to_owned());
            position += 1;
        }
    }
    keys
}

/// Starts a server with a ruleset for polls and this response for events.
fn for_events(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/api/v1/sdk/ruleset" => Reply::json(ruleset(1, &["a"])),
        _ => reply(request),
    })
}

fn dripping(status: u16) -> Reply {
    let head = format!("HTTP/1.1 {status} S\r\ncontent-length: 1000000\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(1_000_000, b' ');
    Reply::Drip(bytes, Duration::from_millis(5))
}

/// Runs many cases in parallel, because each spends its time waiting.
fn in_parallel<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    let run = &run;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || run(case));
        }
    });
}

/// Waits until the kernel tries to connect to the port.
#[cfg(target_os = "linux")]
fn wait_for_connecting(port: u16) {
    let remote = format!("0100007F:{port:04X} 02");
    wait_until("a connection is tried", || {
        std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&remote))
    });
}

#[test]
fn stop_and_drop_do_not_wait_for_a_poll_that_hangs() {
    for (what, reply) in
        [("a response that never comes", Reply::Hang), ("a body that drips", dripping(200))]
    {
        for explicitly in [true, false] {
            let reply = reply.clone();
            let server = Server::start(move |_| reply.clone());
            let client = started(builder(&server.url()));
            server.wait_for(1, "/sdk/ruleset");
            within(AT_ONCE, what, || {
                if explicitly {
                    client.stop();
                }
                drop(client);
            });
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn stop_and_drop_do_not_wait_for_a_connection_that_hangs() {
    let blackhole = wire::Blackhole::open();
    for explicitly in [true, false] {
        let client = started(builder(&blackhole.url()));
        wait_for_connecting(blackhole.address().port());
        within(AT_ONCE, "a connection that hangs", || {
            if explicitly {
                client.stop();
            }
            drop(client);
        });
    }
}

#[test]
fn stop_and_drop_do_not_wait_for_a_bootstrap_url_that_hangs() {
    let server = Server::start(|request| match request.path.as_str() {
        "/bootstrap.json" => Reply::Hang,
        _ => Reply::status(500),
    });
    let client = started(builder(&server.url()).bootstrap_url("/bootstrap.json"));
    server.wait_for(1, "/bootstrap.json");
    within(AT_ONCE, "a bootstrap URL that hangs", || drop(client));
}

#[test]
fn stop_and_drop_keep_their_timeout_if_the_server_accepts_no_events() {
    in_parallel(
        [
            ("no response", Reply::Hang),
            ("a complaint that drips", dripping(503)),
            ("a failure each time", Reply::status(503)),
            ("a failure with a long wait", Reply::status(429).with("retry-after", "600")),
        ],
        |(what, reply)| {
            for request_timeout in [NEVER, SHUTDOWN / 3] {
                for in_flight in [true, false] {
                    let reply = reply.clone();
                    let server = for_events(move |_| reply.clone());
                    let batch = if in_flight { 1 } else { 100 };
                    let client = started(
                        builder(&server.url())
                            .request_timeout(request_timeout)
                            .shutdown_timeout(SHUTDOWN)
                            .event_batch_size(batch),
                    );
                    track(&client, 7);
                    if in_flight {
                        server.wait_for(1, "/sdk/events");
                    }
                    within(SHUTDOWN_AT_MOST, what, || client.stop());
                    let events = client.statistics().events;
                    assert_eq!((events.queued, events.delivered), (0, 0), "{what}");
                    assert_eq!(events.dropped_undelivered, 7, "{what}");
                    within(AT_ONCE, "dropping what is stopped", || drop(client));
                }
            }
        },
    );
}

#[test]
#[cfg(target_os = "linux")]
fn stop_keeps_its_timeout_if_the_port_accepts_no_connection() {
    let blackhole = wire::Blackhole::open();
    let client = started(builder(&blackhole.url()).shutdown_timeout(SHUTDOWN));
    track(&client, 3);
    within(SHUTDOWN_AT_MOST, "stop", || client.stop());
    assert_eq!(client.statistics().events.dropped_undelivered, 3);
}

#[test]
fn a_shutdown_timeout_of_zero_does_not_wait() {
    let server = for_events(|_| Reply::Hang);
    let client = started(builder(&server.url()).shutdown_timeout(Duration::ZERO));
    track(&client, 3);
    within(AT_ONCE, "stop", || client.stop());
    assert_eq!(client.statistics().events.dropped_undelivered, 3);
}

#[test]
fn stop_delivers_queued_events_once() {
    let server = for_events(|_| Reply::status(202));
    let client = started(builder(&server.url()));
    track(&client, 250);
    within(AT_ONCE, "delivery", || client.stop());
    let expected: Vec<_> = (0..250).map(|number| number.to_string()).collect();
    assert_eq!(keys(&server.requests_to("/sdk/events")), expected);
    assert_eq!(client.statistics().events.delivered, 250);
}

#[test]
fn stop_delivers_the_events_of_a_client_that_was_never_started() {
    let server = for_events(|_| Reply::status(202));
    let client = builder(&server.url()).build().unwrap();
    track(&client, 3);
    drop(client);
    assert_eq!(keys(&server.requests()), ["0", "1", "2"]);
}

/// Events that stop has counted as dropped must not be sent later.
#[test]
fn nothing_is_delivered_after_stop_has_given_up() {
    enum Trigger {
        Count,
        Time,
        Flush,
    }
    in_parallel(
        [("by count", Trigger::Count), ("by time", Trigger::Time), ("by a flush", Trigger::Flush)],
        |(what, trigger)| {
            let server = for_events(|_| {
                thread::sleep(Duration::from_millis(100));
                Reply::status(202)
            });
            let settings = builder(&server.url()).shutdown_timeout(SHUTDOWN).event_batch_size(10);
            let client = started(match trigger {
                Trigger::Time => settings.event_flush_interval(Duration::from_millis(1)),
                Trigger::Count | Trigger::Flush => settings,
            });
            if matches!(trigger, Trigger::Flush) {
                // Fewer than a batch at first, so that the flush sends them.
                track(&client, 9);
                let flushing = client.clone();
                thread::spawn(move || flushing.flush_events());
            }
            track(&client, 2000);
            server.wait_for(1, "/sdk/events");
            within(SHUTDOWN_AT_MOST, what, || client.stop());
            let events = client.statistics().events;
            let arrived = server.requests_to("/sdk/events").len();
            assert!(arrived < 150, "{what}: the server was too fast to tell");
            // The request in flight may arrive. Then no request follows for ten times the time of a
            // request.
            let quiet = Duration::from_secs(1);
            let (mut last, mut since) = (arrived, Instant::now());
            while since.elapsed() < quiet {
                thread::sleep(Duration::from_millis(10));
                let now = server.requests_to("/sdk/events").len();
                if now != last {
                    (last, since) = (now, Instant::now());
                }
            }
            assert!(last <= arrived + 1, "{what}: {} requests came after stop", last - arrived);
            assert_eq!(events.queued, 0, "{what}");
            assert_eq!(client.statistics().events, events, "{what}");
        },
    );
}

#[test]
fn a_second_stop_does_nothing() {
    let server = for_events(|_| Reply::status(202));
    let client = started(builder(&server.url()));
    track(&client, 2);
    client.stop();
    let events = client.statistics().events;
    within(AT_ONCE, "the second stop", || client.stop());
    assert_eq!(client.statistics().events, events);
    assert_eq!(events.delivered, 2);
}

#[test]
fn eight_threads_can_stop_at_once() {
    for (what, reply, timeout, delivered) in [
        ("a server that responds", Reply::status(202), NEVER, 5),
        ("a server that hangs", Reply::Hang, SHUTDOWN, 0),
    ] {
        let server = for_events(move |_| reply.clone());
        let client = started(builder(&server.url()).shutdown_timeout(timeout));
        track(&client, 5);
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    within(SHUTDOWN_AT_MOST, what, || client.stop());
                });
            }
        });
        let events = client.statistics().events;
        assert_eq!(events.delivered, delivered, "{what}");
        assert_eq!(events.delivered + events.dropped_undelivered, 5, "{what}");
        assert_eq!(events.queued, 0, "{what}");
    }
}

#[test]
fn stop_does_not_wait_to_retry_after_stop_now() {
    let server = for_events(|_| Reply::status(503).with("retry-after", "30"));
    let client = started(builder(&server.url()));
    track(&client, 1);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| within(SOON, "stop", || client.stop()));
        wait_until("the failure", || client.statistics().last_delivery_failure.is_some());
        client.stop_now();
        stopping.join().unwrap();
    });
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
}

#[test]
fn stop_does_not_wait_for_a_request_after_stop_now() {
    let server = for_events(|_| Reply::Hang);
    let patient = Duration::from_secs(30);
    let settings = builder(&server.url()).request_timeout(patient).shutdown_timeout(patient);
    let client = started(settings);
    track(&client, 1);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| within(SOON, "stop", || client.stop()));
        server.wait_for(1, "/sdk/events");
        client.stop_now();
        stopping.join().unwrap();
    });
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
}

#[test]
fn a_listener_can_stop_the_client() {
    // On the poller thread, and on the thread that calls start.
    for bootstrapped in [false, true] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let mut settings = builder(&server.url()).polling_interval(Duration::from_millis(10));
        if bootstrapped {
            settings = settings.bootstrap_text(ruleset(0, &["b"]));
        }
        let client = settings.build().unwrap();
        track(&client, 2);
        let (said, heard) = channel();
        let own = client.clone();
        let subscription = client.on_flags_changed(move |_| {
            let begun = Instant::now();
            own.stop();
            let _ = said.send(begun.elapsed());
        });
        match client.start() {
            Err(Error::Stopped) => assert!(bootstrapped),
            started => {
                started.unwrap();
                assert!(!bootstrapped);
            }
        }
        assert!(heard.recv_timeout(SOON).unwrap() < SHUTDOWN_AT_MOST);
        assert_eq!(client.statistics().events.delivered, 2);
        assert_eq!(client.statistics().events.queued, 0);
        let polls = server.requests_to("/sdk/ruleset").len();
        assert_eq!(polls, usize::from(!bootstrapped));
        // The listener and the client hold each other.
        subscription.unsubscribe();
    }
}

#[test]
fn a_listener_can_drop_the_last_handle_on_the_poller_thread() {
    for (what, reply, batch, timeout) in [
        ("a server that responds", Reply::status(202), 100, NEVER),
        ("a server that hangs", Reply::Hang, 3, SHUTDOWN),
    ] {
        let server = for_events(move |_| reply.clone());
        let client = builder(&server.url())
            .polling_interval(Duration::from_millis(10))
            .event_batch_size(batch)
            .shutdown_timeout(timeout)
            .build()
            .unwrap();
        track(&client, 3);
        let (give, given) = channel::<PhaseFlagClient>();
        let given = Mutex::new(given);
        let (said, heard) = channel();
        client.on_flags_changed(move |_| {
            // The last handle: the test gives its own away.
            let Ok(handle) = given.lock().unwrap().recv() else { return };
            let begun = Instant::now();
            drop(handle);
            let name = thread::current().name().map(str::to_owned);
            let _ = said.send((begun.elapsed(), name));
        });
        client.start().unwrap();
        if batch == 3 {
            // Otherwise the client might give up before it makes the request.
            server.wait_for(1, "/sdk/events");
        }
        give.send(client).unwrap();
        let (took, name) = heard.recv_timeout(SOON).unwrap();
        assert!(took < SHUTDOWN_AT_MOST, "{what} took {took:?}");
        assert_eq!(name.as_deref(), Some("phaseflag-poller"));
        assert_eq!(keys(&server.requests_to("/sdk/events")).len(), 3);
        assert_eq!(server.requests_to("/sdk/ruleset").len(), 1, "{what}");
    }
}

#[test]
fn start_and_stop_can_race() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for _ in 0..100 {
        let client = builder(&server.url()).build().unwrap();
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                let _ = client.start();
            });
            barrier.wait();
            client.stop();
        });
        assert!(matches!(client.start(), Err(Error::Stopped)));
    }
}

#[test]
fn a_stopped_client_serves_its_last_rules() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server.url()));
    client.wait_until_ready(SOON).unwrap();
    client.stop();
    let requests = server.requests().len();
    assert!(client.get_boolean_value("a", false, None));
    assert!(client.get_variation("a", None).is_some());
    assert_eq!(client.flags().len(), 1);
    client.set_override("b", true);
    assert!(client.get_boolean_value("b", false, None));
    assert_eq!(client.evaluate_all(None).len(), 2);
    track(&client, 4);
    assert_eq!(client.statistics().events.dropped_undelivered, 4);
    assert_eq!(client.statistics().events.queued, 0);
    within(AT_ONCE, "a flush", || client.flush_events().unwrap());
    assert!(client.is_ready());
    within(AT_ONCE, "the wait", || {
        client.wait_until_ready(NEVER).unwrap();
    });
    assert!(matches!(client.start(), Err(Error::Stopped)));
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn a_client_stopped_before_start_stays_stopped() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server.url()).build().unwrap();
    within(AT_ONCE, "stop", || client.stop());
    assert!(matches!(client.start(), Err(Error::Stopped)));
    assert!(!client.get_boolean_value("a", false, None));
    track(&client, 4);
    assert_eq!(client.statistics().events.dropped_undelivered, 4);
    within(AT_ONCE, "a flush", || client.flush_events().unwrap());
    assert!(matches!(
        within(AT_ONCE, "the wait", || client.wait_until_ready(NEVER)),
        Err(Error::Stopped)
    ));
    drop(client);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn stop_wakes_threads_in_wait_until_ready() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server.url()));
    let waiting = client.clone();
    let (said, heard) = channel();
    thread::spawn(move || said.send(waiting.wait_until_ready(NEVER).is_err()));
    server.wait_for(1, "/sdk/ruleset");
    client.stop();
    assert!(heard.recv_timeout(SOON).unwrap());
}

#[test]
fn every_event_tracked_while_the_client_stops_is_counted() {
    for _ in 0..10 {
        let server = for_events(|_| Reply::status(202));
        let client = started(builder(&server.url()).event_batch_size(10));
        let tracked = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        client.track_event(EvaluationEvent::new("a"));
                        tracked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            wait_until("some are tracked", || tracked.load(Ordering::Relaxed) > 50);
            client.stop();
        });
        wait_until("each event has its fate", || {
            let events = client.statistics().events;
            events.delivered + events.dropped() == 2000
        });
        let events = client.statistics().events;
        let arrived = keys(&server.requests_to("/sdk/events")).len();
        assert_eq!((events.queued, events.delivered), (0, arrived as u64));
    }
}

#[test]
fn an_event_tracked_during_stop_is_counted() {
    let server = for_events(|_| Reply::status(202));
    for round in 0..100 {
        let client = builder(&server.url()).event_queue_capacity(200).build().unwrap();
        if round % 2 == 0 {
            client.start().unwrap();
        }
        let (tracked, stopped) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let end = SetOnDrop(&stopped);
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stopped.load(Ordering::Acquire) {
                        track(&client, 1);
                        tracked.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            wait_until("they track", || tracked.load(Ordering::Acquire) > 10);
            client.stop();
            drop(end);
        });
        let events = client.statistics().events;
        let fates = events.delivered + events.dropped();
        let expected = (0, u64::from(tracked.into_inner()));
        assert_eq!((events.queued, fates), expected, "round {round}: {events:?}");
    }
}

#[test]
fn a_client_works_inside_an_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = started(builder(&server.url()));
        client.wait_until_ready(SOON).unwrap();
        assert!(client.get_boolean_value("a", false, None));
        assert!(client.evaluate("a", None).is_err());
        track(&client, 1);
        client.flush_events().unwrap();
        within(AT_ONCE, "drop", || drop(client));
        server.respond(|_| Reply::Hang);
        let client = started(builder(&server.url()));
        server.wait_for(2, "/sdk/ruleset");
        within(AT_ONCE, "drop", || drop(client));
    });
}

#[test]
fn dropping_a_clone_does_not_affect_the_others() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server.url()).polling_interval(Duration::from_millis(10)));
    client.wait_until_ready(SOON).unwrap();
    track(&client, 1);
    within(AT_ONCE, "drop", || drop(client.clone()));
    assert_eq!(server.requests_to("/sdk/events").len(), 0);
    server.respond(|request| match request.path.as_str() {
        "/api/v1/sdk/ruleset" => Reply::json(ruleset(2, &["b"])),
        _ => Reply::status(202),
    });
    wait_until("it polls on", || client.get_boolean_value("b", false, None));
    track(&client, 1);
    client.flush_events().unwrap();
    assert_eq!(client.statistics().events.delivered, 2);
}

#[test]
fn a_flush_of_an_empty_queue_returns_at_once() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server.url()));
    server.wait_for(1, "/sdk/ruleset");
    within(AT_ONCE, "a flush", || client.flush_events().unwrap());
    assert_eq!(server.requests_to("/sdk/events").len(), 0);
}

#[test]
fn a_flush_waits_at_most_for_one_request() {
    let hung = AtomicBool::new(false);
    let server = for_events(move |_| match hung.swap(true, Ordering::AcqRel) {
        false => Reply::Hang,
        // A flush that went on after the first request would deliver events.
        true => Reply::status(202),
    });
    let client = started(
        builder(&server.url())
            .request_timeout(SHUTDOWN)
            .shutdown_timeout(Duration::ZERO)
            .event_batch_size(1000),
    );
    track(&client, 600); // two requests
    let start = Instant::now();
    let error = within(SHUTDOWN_AT_MOST, "a flush", || client.flush_events().unwrap_err());
    assert!(start.elapsed() >= SHUTDOWN);
    assert!(matches!(error, Error::Flush { queued: 600, .. }), "{error:#}");
}

#[test]
fn a_flush_includes_events_in_flight() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let server = for_events(move |_| {
        let _ = gate.lock().unwrap().recv();
        Reply::status(202)
    });
    let client = started(builder(&server.url()).event_batch_size(1));
    track(&client, 1);
    server.wait_for(1, "/sdk/events");
    let (said, heard) = channel();
    let flushing = client.clone();
    thread::spawn(move || {
        let outcome = flushing.flush_events();
        said.send((outcome.is_ok(), flushing.statistics().events.delivered))
    });
    assert_eq!(
        heard.recv_timeout(Duration::from_millis(200)),
        Err(mpsc::RecvTimeoutError::Timeout)
    );
    drop(open);
    assert_eq!(heard.recv_timeout(SOON), Ok((true, 1)));
}

#[test]
fn a_flush_never_overtakes_earlier_events() {
    let server = for_events(|_| Reply::status(202));
    let client = started(builder(&server.url()).event_batch_size(7));
    let arrived = || -> BTreeSet<String> {
        let requests = server.requests_to("/sdk/events");
        keys(&requests).into_iter().collect()
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            let (client, arrived) = (&client, &arrived);
            scope.spawn(move || {
                for round in 0..10 {
                    let own = |number| format!("{thread}:{round}:{number:02}");
                    for number in 0..20 {
                        client.track_event(EvaluationEvent::new(own(number)));
                    }
                    client.flush_events().unwrap();
                    let arrived = arrived();
                    assert!((0..20).all(|number| arrived.contains(&own(number))));
                }
            });
        }
    });
    let all = keys(&server.requests_to("/sdk/events"));
    assert_eq!(all.len(), 4 * 10 * 20);
    for thread in 0..4 {
        let prefix = format!("{thread}:");
        let own = all.iter().filter(|key| key.starts_with(&prefix));
        assert!(own.is_sorted(), "the order of thread {thread} is lost");
    }
}

#[test]
fn stop_does_not_wait_for_a_listener_that_blocks() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server.url()).build().unwrap();
    let (proceed, begun) = block(&client);
    client.start().unwrap();
    begun.recv_timeout(SOON).unwrap();
    track(&client, 2);
    within(AT_ONCE, "stop", || client.stop());
    assert_eq!(client.statistics().events.delivered, 2);
    within(AT_ONCE, "drop", || drop(client));
    drop(proceed);
}

/// A panic payload that panics on drop.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("the payload");
        }
    }
}

#[test]
fn a_panic_payload_that_panics_on_drop_does_not_end_polling() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client =
        builder(&server.url()).polling_interval(Duration::from_millis(10)).build().unwrap();
    client.on_flags_changed(|_| std::panic::panic_any(Bomb));
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    wait_until("the next rules", || client.get_boolean_value("b", false, None));
}

#[test]
fn a_client_can_be_dropped_while_its_thread_panics() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let url = server.url();
    let panicked = thread::spawn(move || {
        let client = started(builder(&url));
        track(&client, 3);
        panic!("something else");
    });
    assert!(panicked.join().is_err());
    assert_eq!(keys(&server.requests_to("/sdk/events")), ["0", "1", "2"]);
}

#[test]
fn the_shortest_and_longest_durations_work() {
    for duration in [Duration::ZERO, Duration::MAX] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let not_zero = duration.max(Duration::from_nanos(1));
        let client = started(
            PhaseFlagClient::builder(server.url(), "sdk-dev-1")
                .polling_interval(duration)
                .request_timeout(not_zero)
                .shutdown_timeout(duration)
                .event_flush_interval(not_zero),
        );
        let ready = client.wait_until_ready(duration);
        assert_eq!(ready.is_ok(), !duration.is_zero());
        track(&client, 3);
        let flushed = within(SOON, "a flush", || client.flush_events());
        assert_eq!(flushed.is_ok(), !duration.is_zero());
        within(AT_ONCE, "stop", || client.stop());
        assert_eq!(client.statistics().events.queued, 0);
    }
}

#[test]
fn a_server_that_reads_nothing_blocks_neither_flush_nor_stop() {
    // The streams stay open and unread.
    let kept = Mutex::new(Vec::new());
    let wire = wire::Wire::start(move |stream, _| kept.lock().unwrap().push(stream));
    let client = started(builder(&wire.url()).request_timeout(SHUTDOWN).shutdown_timeout(SHUTDOWN));
    let huge = "x".repeat(12_000_000);
    client.track_event(EvaluationEvent::new("a").metadata("huge", huge));
    let flushed = within(SOON, "a flush", || client.flush_events());
    assert!(matches!(flushed, Err(Error::Flush { queued: 1, .. })));
    within(SOON, "stop", || client.stop());
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
}
