//! Events: when they are sent, what the service receives, and what happens if it fails.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use phaseflag::{ClientBuilder, Error, EvaluationEvent, Object, PhaseFlagClient, Value};

use crate::support::{
    NEVER, Reply, Request, SOON, Server, SetOnDrop, builder, ready, ruleset, started, wait_until,
};

const EVENTS: &str = "/sdk/events";

fn server() -> Server {
    Server::with_ruleset(ruleset(1, &["a"]))
}

/// Settings of a client that sends events by count or on a flush, but not by time.
fn patient(server: &Server) -> ClientBuilder {
    builder(server).event_flush_interval(NEVER)
}

/// Tracks events of the flags `"0"`, `"1"` and so on.
fn track(client: &PhaseFlagClient, numbers: std::ops::Range<usize>) {
    for number in numbers {
        client.track_event(EvaluationEvent::new(number.to_string()));
    }
}

/// Returns the events of a request.
fn events(request: &Request) -> Vec<Value> {
    let body = request.json();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["events"].as_array().unwrap().to_vec()
}

fn sizes(requests: &[Request]) -> Vec<usize> {
    requests.iter().map(|request| events(request).len()).collect()
}

/// Returns the flags of all events, in order.
fn flags(requests: &[Request]) -> Vec<String> {
    let events = requests.iter().flat_map(events);
    events.map(|event| event["flag_key"].as_str().unwrap().to_owned()).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn events_are_sent_by_count() {
    let server = server();
    let client = started(patient(&server).event_batch_size(3));
    track(&client, 0..3);
    wait_until("delivery", || client.statistics().events.delivered == 3);
    track(&client, 3..5);
    for _ in 0..5 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(client.statistics().events.queued, 2);
    track(&client, 5..6);
    wait_until("delivery", || client.statistics().events.delivered == 6);
    let requests = server.requests_to(EVENTS);
    assert_eq!(sizes(&requests), [3, 3]);
    assert_eq!(flags(&requests), numbers(0..6));
}

#[test]
fn a_batch_is_a_hundred_events_by_default() {
    let server = server();
    let client = patient(&server).build().unwrap();
    track(&client, 0..299);
    client.start().unwrap();
    wait_until("delivery", || client.statistics().events.delivered == 200);
    assert_eq!(client.statistics().events.queued, 99);
    track(&client, 299..300);
    wait_until("delivery", || client.statistics().events.delivered == 300);
    assert_eq!(sizes(&server.requests_to(EVENTS)), [100, 100, 100]);
}

#[test]
fn each_batch_is_sent_whole() {
    let server = server();
    // With such a small queue the thread never lingers.
    let client = started(patient(&server).event_batch_size(3).event_queue_capacity(6));
    for round in 0..300 {
        for number in 0..3 {
            client.track_event(EvaluationEvent::new(number.to_string()));
            // Different gaps from round to round, to meet the thread at different points.
            for _ in 0..round * 10 {
                std::hint::spin_loop();
            }
        }
        wait_until("delivery", || client.statistics().events.queued == 0);
    }
    let requests = server.requests_to(EVENTS);
    assert!(sizes(&requests).iter().all(|&size| size == 3));
}

/// The delay of the timers of this system.
const TIMERS: Duration = Duration::from_millis(if cfg!(windows) { 20 } else { 0 });

/// Measures until a time is below the limit: a busy machine makes a time longer, and none shorter.
#[track_caller]
fn assert_below(limit: Duration, mut measure: impl FnMut() -> Duration) {
    let deadline = Instant::now() + SOON;
    loop {
        let took = measure();
        if took < limit {
            return;
        }
        assert!(Instant::now() < deadline, "{took:?}");
    }
}

/// Calls a function that causes a request for events, and returns the time from the request before.
/// The client lingers after a request, so a slow test cannot miss that.
fn between_requests(server: &Server, cause: impl FnOnce()) -> Duration {
    let before = server.requests_to(EVENTS).len();
    cause();
    let requests = server.wait_for(before + 1, EVENTS);
    requests[before].at - requests[before - 1].at
}

#[test]
fn no_event_waits_longer_than_the_interval() {
    for (interval, at_most) in [(10, 35), (60, 90), (200, 230)] {
        let interval = Duration::from_millis(interval);
        // The interval, the linger, the server and the test each wait for a timer.
        assert_below(Duration::from_millis(at_most) + 4 * TIMERS, || {
            let server = server();
            let client = started(builder(&server).event_flush_interval(interval));
            let start = Instant::now();
            track(&client, 0..1);
            let took = server.wait_for(1, EVENTS)[0].at - start;
            assert!(took >= interval, "{took:?}");
            took
        });
    }
}

#[test]
fn a_flush_does_not_wait_for_the_linger() {
    let server = server();
    let client = started(patient(&server));
    track(&client, 0..1);
    client.flush_events().unwrap();
    assert_below(Duration::from_millis(45) + TIMERS, || {
        between_requests(&server, || {
            // The thread lingers by now.
            thread::sleep(Duration::from_millis(20));
            track(&client, 0..1);
            client.flush_events().unwrap();
        })
    });
}

#[test]
fn half_a_queue_ends_the_linger() {
    let server = server();
    let client = started(patient(&server).event_batch_size(5).event_queue_capacity(20));
    assert_below(Duration::from_millis(25) + TIMERS, || {
        // A linger follows the delivery of these events.
        track(&client, 0..5);
        wait_until("delivery", || client.statistics().events.queued == 0);
        let took = between_requests(&server, || track(&client, 0..10));
        wait_until("delivery", || client.statistics().events.queued == 0);
        took
    });
}

#[test]
fn a_complete_batch_is_sent_after_one_linger_at_most() {
    let server = server();
    let client = started(patient(&server).event_batch_size(5));
    let deliver = || {
        track(&client, 0..5);
        wait_until("delivery", || client.statistics().events.queued == 0);
    };
    deliver();
    assert_below(Duration::from_millis(80) + TIMERS, || between_requests(&server, deliver));
}

#[test]
fn a_batch_of_one_is_sent_at_once() {
    let server = server();
    let client = started(patient(&server).event_batch_size(1));
    let deliver = || {
        track(&client, 0..1);
        wait_until("delivery", || client.statistics().events.queued == 0);
    };
    deliver();
    assert_below(Duration::from_millis(25) + TIMERS, || between_requests(&server, deliver));
}

#[test]
fn events_are_sent_by_time() {
    let server = server();
    let interval = Duration::from_millis(60);
    let client = builder(&server).event_flush_interval(interval).build().unwrap();
    track(&client, 0..2);
    let start = Instant::now();
    client.start().unwrap();
    let requests = server.wait_for(1, EVENTS);
    assert!(requests[0].at - start >= interval);
    assert_eq!(flags(&requests), numbers(0..2));
    track(&client, 2..3);
    let requests = server.wait_for(2, EVENTS);
    assert_eq!(flags(&requests), numbers(0..3));
}

#[test]
fn no_request_holds_more_than_500() {
    let server = server();
    let client = patient(&server).event_batch_size(10_000).build().unwrap();
    track(&client, 0..1200);
    client.start().unwrap();
    client.flush_events().unwrap();
    let requests = server.requests_to(EVENTS);
    assert_eq!(sizes(&requests), [500, 500, 200]);
    assert_eq!(flags(&requests), numbers(0..1200));
}

#[test]
fn a_batch_of_more_than_500_is_sent_in_several_requests() {
    let server = server();
    let client = patient(&server).event_batch_size(700).build().unwrap();
    track(&client, 0..600);
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    for _ in 0..5 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(sizes(&server.requests_to(EVENTS)), [0; 0]);
    track(&client, 600..700);
    wait_until("delivery", || client.statistics().events.delivered == 700);
    assert_eq!(sizes(&server.requests_to(EVENTS)), [500, 200]);
}

#[test]
fn a_flush_keeps_the_order_and_the_size_of_a_batch() {
    let server = server();
    let client = patient(&server).event_batch_size(10).build().unwrap();
    track(&client, 0..25);
    client.start().unwrap();
    client.flush_events().unwrap();
    let requests = server.requests_to(EVENTS);
    assert_eq!(sizes(&requests), [10, 10, 5]);
    assert_eq!(flags(&requests), numbers(0..25));
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.delivered), (0, 25));
    assert_eq!(counts.dropped(), 0);
}

#[test]
fn a_flush_of_an_empty_queue_returns_at_once() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(patient(&server));
    let start = Instant::now();
    client.flush_events().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests_to(EVENTS).len(), 0);
}

#[test]
fn a_flush_waits_for_events_in_flight() {
    let server = Server::start(|_| {
        thread::sleep(Duration::from_millis(50));
        Reply::status(202)
    });
    let client = started(patient(&server).event_batch_size(2));
    track(&client, 0..2);
    server.wait_for(1, EVENTS);
    client.flush_events().unwrap();
    assert_eq!(client.statistics().events.delivered, 2);
    assert_eq!(server.requests_to(EVENTS).len(), 1);
}

#[test]
fn threads_can_flush_at_once() {
    let server = server();
    let client = started(patient(&server).event_batch_size(7));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    track(&client, 0..3);
                    client.flush_events().unwrap();
                }
            });
        }
    });
    assert_eq!(client.statistics().events.delivered, 240);
    let requests = server.requests_to(EVENTS);
    assert_eq!(flags(&requests).len(), 240);
    assert!(sizes(&requests).iter().all(|&size| size <= 7));
}

#[test]
fn a_failed_flush_keeps_the_queue() {
    let server = Server::start(|_| Reply::status(429));
    let client = started(patient(&server).event_batch_size(10));
    track(&client, 0..5);
    for _ in 0..3 {
        let before = server.requests_to(EVENTS).len();
        match client.flush_events() {
            Err(Error::Flush { queued, rejected, .. }) => assert_eq!((queued, rejected), (5, 0)),
            other => panic!("{other:?}"),
        }
        assert!(server.requests_to(EVENTS).len() > before);
    }
    assert_eq!(client.statistics().events.queued, 5);
    server.respond(|_| Reply::status(202));
    client.flush_events().unwrap();
    let requests = server.requests_to(EVENTS);
    assert_eq!(flags(&requests[requests.len() - 1..]), numbers(0..5));
    assert_eq!(client.statistics().events.delivered, 5);
}

#[test]
fn any_success_status_is_accepted() {
    for status in [200, 201, 202, 204, 299] {
        let server = Server::start(move |_| Reply::status(status));
        let client = started(patient(&server));
        track(&client, 0..1);
        client.flush_events().unwrap();
        assert_eq!(client.statistics().events.delivered, 1, "{status}");
    }
}

#[test]
fn the_body_is_as_the_service_documents() {
    let server = server();
    let client = ready(patient(&server));
    client.track_event(
        EvaluationEvent::new("checkout")
            .variation_key("on")
            .user_id("user-123")
            .timestamp(UNIX_EPOCH + Duration::from_millis(1_775_314_800_000))
            .metadata("page", "checkout")
            .metadata("amount", 12.5)
            .metadata("items", [1, 2])
            .metadata("guest", false)
            .metadata("coupon", Value::Null)
            .metadata("nested", Object::from_iter([("a", 1)])),
    );
    client.track_event(
        EvaluationEvent::new("quo\"te\n😀").timestamp(UNIX_EPOCH + Duration::from_millis(1)),
    );
    client.flush_events().unwrap();
    let requests = server.requests_to(EVENTS);
    let expected: Value = r#"{"events": [
        {"flag_key": "checkout", "variation_key": "on", "user_id": "user-123",
         "timestamp": "2026-04-04T15:00:00.000",
         "metadata": {"page": "checkout", "amount": 12.5, "items": [1, 2], "guest": false,
                      "coupon": null, "nested": {"a": 1}}},
        {"flag_key": "quo\"te\n😀", "timestamp": "1970-01-01T00:00:00.001"}]}"#
        .parse()
        .unwrap();
    assert_eq!(requests[0].json(), expected);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].path, "/api/v1/sdk/events");
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].header("x-api-key"), Some("sdk-dev-1"));
}

#[test]
fn the_timestamp_is_the_time_of_tracking() {
    let server = server();
    let client = started(patient(&server));
    let event = EvaluationEvent::new("tracked");
    thread::sleep(Duration::from_millis(5));
    let now = |key: &str| EvaluationEvent::new(key).timestamp(SystemTime::now());
    client.track_event(now("before"));
    client.track_event(event);
    client.track_event(now("after"));
    thread::sleep(Duration::from_millis(5));
    client.flush_events().unwrap();
    let events = events(&server.requests_to(EVENTS)[0]);
    let times: Vec<_> = events.iter().map(|event| event["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for time in times {
        assert_eq!(time.len(), "2026-04-04T15:00:00.000".len(), "{time}");
        assert!(
            time.starts_with("20") && time.ends_with(|end: char| end.is_ascii_digit()),
            "{time}"
        );
    }
}

#[test]
fn an_event_tracked_twice_is_sent_twice() {
    let server = server();
    let client = started(patient(&server));
    let event = EvaluationEvent::new("a");
    client.track_event(event.clone());
    client.track_event(event);
    client.flush_events().unwrap();
    assert_eq!(flags(&server.requests_to(EVENTS)), ["a", "a"]);
}

#[test]
fn events_wait_for_the_start() {
    let server = server();
    let client = patient(&server).build().unwrap();
    track(&client, 0..3);
    assert!(matches!(client.flush_events(), Err(Error::NotStarted)));
    assert_eq!(client.statistics().events.queued, 3);
    assert_eq!(server.requests().len(), 0);
    client.start().unwrap();
    client.flush_events().unwrap();
    assert_eq!(flags(&server.requests_to(EVENTS)), numbers(0..3));
}

#[test]
fn a_flush_before_start_is_an_error_even_with_an_empty_queue() {
    let server = server();
    let client = patient(&server).build().unwrap();
    assert!(matches!(client.flush_events(), Err(Error::NotStarted)));
}

#[test]
fn events_after_stop_are_dropped_and_counted() {
    let server = server();
    let client = started(patient(&server));
    client.stop();
    track(&client, 0..3);
    client.flush_events().unwrap();
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.delivered, counts.dropped_undelivered), (0, 0, 3));
    assert_eq!(counts.dropped(), 3);
    drop(client);
    assert_eq!(server.requests_to(EVENTS).len(), 0);
}

#[test]
fn events_without_a_service_are_dropped_and_counted() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    track(&client, 0..2);
    client.flush_events().unwrap();
    client.start().unwrap();
    track(&client, 0..1);
    client.flush_events().unwrap();
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_undelivered), (0, 3));
}

#[test]
fn a_full_queue_drops_the_newest_and_counts() {
    let server = server();
    let client = patient(&server).event_queue_capacity(3).event_batch_size(3).build().unwrap();
    track(&client, 0..5);
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_queue_full), (3, 2));
    client.start().unwrap();
    client.flush_events().unwrap();
    assert_eq!(flags(&server.requests_to(EVENTS)), numbers(0..3));
    track(&client, 5..6);
    client.flush_events().unwrap();
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.dropped()), (4, 2));
}

#[test]
fn the_queue_holds_ten_thousand_events_by_default() {
    let server = server();
    let client = patient(&server).shutdown_timeout(SOON).build().unwrap();
    track(&client, 0..10_001);
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_queue_full), (10_000, 1));
    client.stop();
    assert_eq!(flags(&server.requests_to(EVENTS)), numbers(0..10_000));
}

#[test]
fn events_in_flight_count_toward_the_capacity() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(
        patient(&server)
            .event_queue_capacity(2)
            .event_batch_size(2)
            .shutdown_timeout(Duration::ZERO),
    );
    track(&client, 0..2);
    server.wait_for(1, EVENTS);
    track(&client, 2..4);
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_queue_full), (2, 2));
}

#[test]
fn tracking_never_blocks() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(patient(&server).event_batch_size(1).shutdown_timeout(Duration::ZERO));
    let start = Instant::now();
    track(&client, 0..20_000);
    assert!(start.elapsed() < Duration::from_secs(10));
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_queue_full), (10_000, 10_000));
}

#[test]
fn stop_delivers_events() {
    let server = server();
    let client = ready(patient(&server));
    track(&client, 0..250);
    client.stop();
    let requests = server.requests_to(EVENTS);
    assert_eq!(flags(&requests), numbers(0..250));
    assert_eq!(client.statistics().events.delivered, 250);
    client.stop();
    drop(client);
    assert_eq!(server.requests_to(EVENTS).len(), requests.len());
}

#[test]
fn drop_delivers_events() {
    let server = server();
    let client = ready(patient(&server));
    track(&client, 0..2);
    drop(client);
    assert_eq!(flags(&server.requests_to(EVENTS)), numbers(0..2));
}

#[test]
fn drop_right_after_start_delivers_events() {
    let server = server();
    for _ in 0..50 {
        let before = server.requests_to(EVENTS).len();
        let client = started(patient(&server));
        track(&client, 0..1);
        drop(client);
        assert_eq!(server.requests_to(EVENTS).len(), before + 1);
    }
}

#[test]
fn a_client_that_was_never_started_delivers_events_when_it_ends() {
    let server = server();
    let client = patient(&server).build().unwrap();
    track(&client, 0..2);
    client.stop();
    assert_eq!(client.statistics().events.delivered, 2);
    let client = patient(&server).build().unwrap();
    track(&client, 2..4);
    drop(client);
    let requests = server.requests();
    assert_eq!(flags(&requests), numbers(0..4));
}

#[test]
fn stop_does_not_wait_if_nothing_is_queued() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(patient(&server).request_timeout(NEVER).shutdown_timeout(SOON));
    server.wait_for(1, "/sdk/ruleset");
    let start = Instant::now();
    client.stop();
    drop(client);
    assert!(start.elapsed() < SOON);
}

#[test]
fn stop_waits_no_longer_than_the_shutdown_timeout() {
    let server = Server::start(|_| Reply::Hang);
    let timeout = Duration::from_millis(100);
    let client = started(patient(&server).shutdown_timeout(timeout));
    track(&client, 0..3);
    let start = Instant::now();
    client.stop();
    // The default is five seconds.
    assert!(start.elapsed() < timeout * 40);
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_undelivered), (0, 3));
}

#[test]
fn clones_share_the_queue() {
    let server = server();
    let client = ready(patient(&server));
    let clone = client.clone();
    clone.track_event(EvaluationEvent::new("clone"));
    client.track_event(EvaluationEvent::new("client"));
    assert_eq!(clone.statistics().events.queued, 2);
    drop(client);
    assert_eq!(server.requests_to(EVENTS).len(), 0);
    drop(clone);
    assert_eq!(flags(&server.requests_to(EVENTS)), ["clone", "client"]);
}

#[test]
fn evaluations_send_no_events_by_default() {
    let server = server();
    let client = ready(patient(&server));
    client.get_boolean_value("a", false, None);
    client.get_variation("a", None);
    client.evaluate_all(None);
    client.evaluate("a", None).unwrap_err();
    assert_eq!(client.statistics().events.queued, 0);
    drop(client);
    assert_eq!(server.requests_to(EVENTS).len(), 0);
}

#[test]
fn many_threads_lose_no_event() {
    let server = server();
    let client = started(patient(&server));
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || track(client, thread * 500..(thread + 1) * 500));
        }
    });
    client.flush_events().unwrap();
    let keys = flags(&server.requests_to(EVENTS));
    assert_eq!(keys.len(), 4000);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 4000);
    for thread in 0..8 {
        let own = |key: &&String| key.parse::<usize>().unwrap() / 500 == thread;
        let own: Vec<_> = keys.iter().filter(own).cloned().collect();
        assert_eq!(own, numbers(thread * 500..(thread + 1) * 500));
    }
}

#[test]
fn every_event_is_accounted_for_if_stop_comes_during_tracking() {
    let server = server();
    for _ in 0..100 {
        let client = started(patient(&server).event_queue_capacity(100));
        let (tracked, ended) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let end = SetOnDrop(&ended);
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Acquire) {
                        client.track_event(EvaluationEvent::new("a"));
                        tracked.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            wait_until("a few", || tracked.load(Ordering::Acquire) > 20);
            client.stop();
            drop(end);
        });
        let counts = client.statistics().events;
        assert_eq!(counts.queued, 0, "{counts:?}");
        let settled = counts.delivered + counts.dropped();
        assert_eq!(settled, u64::from(tracked.into_inner()), "{counts:?}");
    }
}

#[test]
fn a_flush_during_stop_returns() {
    let server = server();
    for _ in 0..50 {
        let client = started(patient(&server));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        client.track_event(EvaluationEvent::new("a"));
                        if let Err(error) = client.flush_events() {
                            assert!(matches!(error, Error::Stopped), "{error:?}");
                        }
                        if client.start().is_err() {
                            return;
                        }
                    }
                });
            }
            wait_until("a few", || client.statistics().events.delivered > 2);
            client.stop();
        });
    }
}

#[test]
fn concurrent_flushes_fail_together() {
    let server = Server::start(|_| Reply::Hang);
    let limit = Duration::from_secs(1);
    let client = started(patient(&server).request_timeout(limit));
    track(&client, 0..3);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| client.flush_events().unwrap_err());
        }
    });
    // One request for the first flushes, and one for all flushes that came during it.
    assert!(start.elapsed() < limit * 10, "{:?}", start.elapsed());
}

#[test]
fn stop_retries_until_its_timeout() {
    let server = Server::start(|request| match request.number {
        0..4 => Reply::status(503),
        _ => Reply::status(202),
    });
    let client = patient(&server).shutdown_timeout(SOON).build().unwrap();
    track(&client, 0..3);
    client.stop();
    assert_eq!(client.statistics().events.delivered, 3);
}

#[test]
fn stop_honors_retry_after() {
    let server = Server::start(|request| match request.number {
        0 => Reply::status(429).with("retry-after", "1"),
        _ => Reply::status(202),
    });
    let client = patient(&server).shutdown_timeout(SOON).build().unwrap();
    track(&client, 0..3);
    let start = Instant::now();
    client.stop();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(client.statistics().events.delivered, 3);
}

#[test]
fn a_success_status_without_its_body_is_a_success() {
    let head = b"HTTP/1.1 202 Accepted\r\ncontent-length: 20\r\n\r\n ".to_vec();
    let server = Server::start(move |_| Reply::Drip(head.clone(), Duration::ZERO));
    let client = started(patient(&server));
    track(&client, 0..3);
    client.stop();
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.dropped()), (3, 0));
}

#[test]
fn the_last_failure_can_be_read() {
    let server = Server::start(|_| Reply::status(401).with_body(r#"{"detail": "bad key"}"#));
    let client = started(patient(&server));
    track(&client, 0..1);
    client.flush_events().unwrap_err();
    let failure = client.statistics().last_delivery_failure.unwrap();
    let url = format!("{}/sdk/events", server.url());
    assert_eq!(failure.to_string(), format!("`{url}` responded with status 401: bad key"));
}
