//! Delivery of events under failures: bounded, in order, once each, and counted.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use phaseflag::{ClientBuilder, Error, EvaluationEvent, Object, PhaseFlagClient, Value};

use crate::alone::is_alone;
use crate::logger;
use crate::support::{NEVER, Reply, Request, Server, ruleset, wait_until};
use crate::wire::within;

/// Returns how often this thread has logged that the queue is full.
fn said_full() -> usize {
    let lines = logger::lines();
    let own = lines.iter().filter(|line| {
        line.thread == thread::current().id() && line.text.contains("the event queue is full")
    });
    own.count()
}

fn builder(url: &str) -> ClientBuilder {
    logger::listen();
    PhaseFlagClient::builder(url, "sdk-dev-1")
        .polling_interval(NEVER)
        .event_flush_interval(NEVER)
        .request_timeout(Duration::from_secs(10))
        .shutdown_timeout(Duration::from_millis(100))
}

fn started(builder: ClientBuilder) -> PhaseFlagClient {
    let client = builder.build().unwrap();
    client.start().unwrap();
    client
}

fn track(client: &PhaseFlagClient, numbers: std::ops::Range<usize>) {
    for number in numbers {
        client.track_event(EvaluationEvent::new(number.to_string()));
    }
}

fn keys_of(body: &str) -> Vec<String> {
    let body: Value = body.parse().unwrap();
    let Value::Array(events) = &body["events"] else {
        panic!("no list of events: {body}");
    };
    let key = |event: &Value| event["flag_key"].as_str().unwrap().to_owned();
    events.iter().map(key).collect()
}

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// A service whose responses to events come from a script, by the number of earlier requests.
/// Events of a successful response have arrived.
struct Service {
    server: Server,
    arrived: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Service {
        let arrived: Arc<Mutex<Vec<String>>> = Arc::default();
        let (taken, count) = (arrived.clone(), Mutex::new(0));
        let server = Server::start(move |request| {
            if !request.path.ends_with("/sdk/events") {
                return Reply::json(ruleset(1, &["a"]));
            }
            let mut count = count.lock().unwrap();
            let reply = script(*count, request);
            *count += 1;
            if matches!(&reply, Reply::Response { status: 200..=299, .. }) {
                taken.lock().unwrap().extend(keys_of(&request.body));
            }
            reply
        });
        Service { server, arrived }
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<String> {
        let requests = self.server.requests_to("/sdk/events").into_iter();
        requests.map(|request| request.body).collect()
    }
}

/// Returns the resident memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_million_events_in_an_outage_take_the_memory_of_one_queue() {
    // Runs in a separate process, because memory of other tests would count.
    if !is_alone("delivery::a_million_events_in_an_outage_take_the_memory_of_one_queue") {
        return;
    }
    const CAPACITY: usize = 10_000;
    let down = Arc::new(Mutex::new(true));
    let state = down.clone();
    let service = Service::start(move |_, _| match *state.lock().unwrap() {
        true => Reply::status(503),
        false => Reply::status(202),
    });
    let client = started(builder(&service.server.url()));
    #[cfg(target_os = "linux")]
    let before = resident();
    within(Duration::from_secs(30), "a million events", || {
        track(&client, 0..1_000_000);
    });
    #[cfg(target_os = "linux")]
    assert!(resident().saturating_sub(before) < 50_000_000);
    let events = client.statistics().events;
    assert_eq!((events.queued, events.delivered), (CAPACITY, 0));
    assert_eq!(events.dropped_queue_full, 990_000);
    assert_eq!(events.dropped(), 990_000);
    assert_eq!(said_full(), 1);
    let Err(Error::Flush { queued, .. }) = client.flush_events() else {
        panic!("the service is down");
    };
    assert_eq!(queued, CAPACITY);
    *down.lock().unwrap() = false;
    // The client recovers by itself; the flush only shortens a long backoff.
    client.flush_events().unwrap();
    // Only events that failed alone have lost their position.
    let mut arrived = service.arrived();
    arrived.sort_by_key(|number| number.parse::<usize>().unwrap());
    assert!(arrived == numbers(0..CAPACITY));
    let events = client.statistics().events;
    assert_eq!((events.queued, events.delivered), (0, CAPACITY as u64));
    // The next time that the queue is full is logged again.
    *down.lock().unwrap() = true;
    track(&client, 0..CAPACITY + 7);
    assert_eq!(said_full(), 2);
    assert_eq!(client.statistics().events.dropped_queue_full, 990_007);
}

#[test]
fn tracking_does_not_wait_for_a_service_that_hangs() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server.url()).event_queue_capacity(100).request_timeout(NEVER));
    track(&client, 0..100);
    server.wait_for(1, "/sdk/events");
    within(Duration::from_secs(5), "100,000 events", || {
        track(&client, 100..100_100);
    });
    // Events in flight count toward the queue.
    let events = client.statistics().events;
    assert_eq!((events.queued, events.dropped_queue_full), (100, 100_000));
    assert_eq!(said_full(), 1);
}

#[test]
fn a_transient_failure_retries_the_same_batch() {
    let cases: Vec<(&str, Reply)> = vec![
        ("408", Reply::status(408)),
        ("429", Reply::status(429)),
        ("429 with a wait", Reply::status(429).with("retry-after", "1")),
        ("500", Reply::status(500)),
        ("501", Reply::status(501)),
        ("502", Reply::status(502).with_body("<html>")),
        ("503", Reply::status(503)),
        ("503 with a wait", Reply::status(503).with("retry-after", "1")),
        ("504", Reply::status(504)),
        ("599", Reply::status(599)),
        ("an end before the response", Reply::Raw(Vec::new())),
        ("half a response", Reply::Raw(b"HTTP/1.1 20".to_vec())),
        ("something else", Reply::Raw(b"220 mail.example ESMTP\r\n".to_vec())),
        ("no response", Reply::Hang),
    ];
    thread::scope(|scope| {
        for (name, failure) in cases {
            scope.spawn(move || {
                let service = Service::start(move |number, _| match number {
                    0 | 2 => failure.clone(),
                    _ => Reply::status(202),
                });
                let client = builder(&service.server.url())
                    .request_timeout(Duration::from_secs(4))
                    .event_flush_interval(Duration::from_millis(100))
                    .event_batch_size(2)
                    .build()
                    .unwrap();
                track(&client, 0..5);
                client.start().unwrap();
                // Each failure may take the whole time limit of a request.
                wait_until(name, || client.statistics().events.queued < 5);
                wait_until(name, || client.statistics().events.queued == 0);
                assert_eq!(service.arrived(), numbers(0..5), "{name}");
                let bodies: Vec<_> = service.bodies().iter().map(|body| keys_of(body)).collect();
                for failed in [0, 2] {
                    let (first, again) = (&bodies[failed], &bodies[failed + 1]);
                    // After a server error or without a response, the next request is smaller.
                    let unanswered =
                        ["an end before the response", "half a response", "no response"];
                    let smaller = unanswered.contains(&name) || name.starts_with('5');
                    let same = match smaller {
                        true => *again == first[..(first.len() / 2).max(1)],
                        false => again.starts_with(first),
                    };
                    assert!(same, "{name}: {bodies:?}");
                }
                let events = client.statistics().events;
                assert_eq!((events.delivered, events.dropped()), (5, 0), "{name}");
            });
        }
    });
}

#[test]
fn a_permanent_failure_keeps_the_batch_and_is_not_retried_soon() {
    let cases = [301, 302, 304, 307, 308, 401, 403, 404];
    thread::scope(|scope| {
        for status in cases {
            scope.spawn(move || {
                logger::listen();
                let since = logger::lines().len();
                let service = Service::start(move |number, _| match number {
                    0 | 1 => Reply::status(status),
                    _ => Reply::status(202),
                });
                let client = started(
                    builder(&service.server.url())
                        .event_batch_size(2)
                        .event_flush_interval(Duration::from_millis(1)),
                );
                track(&client, 0..2);
                service.server.wait_for(1, "/sdk/events");
                // Any other failure is retried within a second.
                thread::sleep(Duration::from_millis(1200));
                track(&client, 2..3);
                assert_eq!(service.bodies().len(), 1, "{status}");
                let error = client.flush_events().unwrap_err();
                assert!(
                    matches!(&error, Error::Flush { queued: 3, rejected: 0, .. }),
                    "{status}: {error:?}"
                );
                client.flush_events().unwrap();
                assert_eq!(service.arrived(), numbers(0..3), "{status}");
                let warning = format!("failed to deliver events: `{}", service.server.url());
                let lines = &logger::lines()[since..];
                let warnings = lines.iter().filter(|line| line.text.starts_with(&warning));
                assert_eq!(warnings.count(), 1, "{status}");
            });
        }
    });
}

#[test]
fn only_a_delivery_is_logged_as_a_recovery() {
    logger::listen();
    let service = Service::start(|number, _| match number {
        // The client does not retry by itself.
        0 | 2 => Reply::status(429).with("retry-after", "3600"),
        1 => Reply::status(409),
        _ => Reply::status(202),
    });
    let client = started(builder(&service.server.url()));
    track(&client, 0..1);
    client.flush_events().unwrap_err();
    client.flush_events().unwrap_err();
    track(&client, 1..2);
    client.flush_events().unwrap_err();
    client.flush_events().unwrap();
    let url = format!("{}/sdk/events", service.server.url());
    let about = || -> Vec<String> {
        let lines = logger::lines();
        let lines = lines.iter();
        let thread = lines.clone().find(|line| line.text.contains(&url)).map(|line| line.thread);
        let lines = lines.filter(|line| Some(line.thread) == thread);
        lines.map(|line| line.text.clone()).collect()
    };
    wait_until("the recovery is logged", || about().len() >= 3);
    let expected = [
        format!("failed to deliver events: `{url}` responded with status 429"),
        format!("the service rejects events, which are dropped: `{url}` responded with status 409"),
        "events are delivered again".to_owned(),
    ];
    assert_eq!(about(), expected);
}

#[test]
fn a_permanently_refused_batch_does_not_affect_others() {
    for status in [400, 402, 405, 406, 409, 410, 411, 414, 415, 418, 422, 451, 499] {
        let refused: Arc<Mutex<Vec<String>>> = Arc::default();
        let bad = refused.clone();
        let service = Service::start(move |_, request| {
            let keys = keys_of(&request.body);
            if !keys.contains(&"2".to_owned()) {
                return Reply::status(202);
            }
            // A batch may be sent twice, in two forms of timestamps.
            let mut bad = bad.lock().unwrap();
            bad.retain(|key| !keys.contains(key));
            bad.extend(keys);
            Reply::status(status).with_body(r#"{"detail": [{"msg": "bad event"}]}"#)
        });
        let client = started(builder(&service.server.url()).event_batch_size(2));
        track(&client, 0..6);
        // The batch may have been sent before.
        let _ = client.flush_events();
        let refused = refused.lock().unwrap().clone();
        assert!(matches!(refused.len(), 1 | 2), "{status}: {refused:?}");
        let mut others = numbers(0..6);
        others.retain(|key| !refused.contains(key));
        assert_eq!(service.arrived(), others, "{status}");
        let events = client.statistics().events;
        assert_eq!(events.dropped_rejected, refused.len() as u64, "{status}");
        assert_eq!(events.delivered, others.len() as u64, "{status}");
        assert_eq!(events.queued, 0, "{status}");
    }
}

#[test]
fn a_batch_that_is_too_large_is_split_down_to_single_events() {
    struct Case {
        name: &'static str,
        fits: fn(&[String]) -> bool,
        arrives: fn(usize) -> bool,
        at_most: usize,
    }
    for case in [
        Case {
            name: "half a batch fits",
            fits: |keys| keys.len() <= 50,
            arrives: |_| true,
            at_most: 20,
        },
        Case {
            name: "single events fit",
            fits: |keys| keys.len() <= 1,
            arrives: |_| true,
            at_most: 500,
        },
        Case {
            name: "one event is too large",
            fits: |keys| !keys.contains(&"77".to_owned()),
            arrives: |number| number != 77,
            at_most: 50,
        },
        Case {
            name: "every event is too large",
            fits: |_| false,
            arrives: |_| false,
            at_most: 500,
        },
    ] {
        let Case { name, fits, arrives, at_most } = case;
        let service = Service::start(move |_, request| match fits(&keys_of(&request.body)) {
            true => Reply::status(202),
            false => Reply::status(413),
        });
        let client = started(builder(&service.server.url()));
        track(&client, 0..200);
        let _ = client.flush_events();
        wait_until(name, || client.statistics().events.queued == 0);
        let expected: Vec<_> =
            (0..200).filter(|number| arrives(*number)).map(|number| number.to_string()).collect();
        assert_eq!(service.arrived(), expected, "{name}");
        let events = client.statistics().events;
        assert_eq!(events.delivered, expected.len() as u64, "{name}");
        assert_eq!(events.dropped_rejected, 200 - events.delivered, "{name}");
        let requests = service.bodies().len();
        assert!(requests <= at_most, "{name}: {requests} requests");
    }
}

#[test]
fn a_request_timeout_makes_the_next_request_smaller() {
    let service = Service::start(|_, request| match keys_of(&request.body).len() {
        0..=10 => Reply::status(202),
        _ => Reply::Hang,
    });
    let timeout = Duration::from_secs(4);
    let client = started(builder(&service.server.url()).request_timeout(timeout));
    track(&client, 0..20);
    let error = client.flush_events().unwrap_err();
    assert!(matches!(error, Error::Flush { queued: 20, rejected: 0, .. }), "{error:?}");
    client.flush_events().unwrap();
    let sizes: Vec<_> = service.bodies().iter().map(|body| keys_of(body).len()).collect();
    assert_eq!(sizes, [20, 10, 10]);
}

#[test]
fn a_request_holds_at_most_500_events() {
    for explicitly in [true, false] {
        let service = Service::start(|_, request| match keys_of(&request.body).len() {
            0..=500 => Reply::status(202),
            _ => Reply::status(422),
        });
        let client = started(builder(&service.server.url()).event_batch_size(2000));
        track(&client, 0..2000);
        if explicitly {
            client.flush_events().unwrap();
        }
        wait_until("delivered", || client.statistics().events.queued == 0);
        assert_eq!(service.arrived(), numbers(0..2000));
        assert_eq!(service.bodies().len(), 4);
    }
}

/// The rest of the response is lost, but its status shows that the events have arrived.
#[test]
fn a_success_status_counts_even_if_the_body_is_lost() {
    let cases: Vec<(&str, Reply)> = vec![
        ("200", Reply::status(200)),
        ("201", Reply::status(201)),
        ("204", Reply::status(204)),
        ("299", Reply::status(299)),
        ("a page", Reply::status(202).with_body("<html>")),
        ("no text", Reply::status(202).with_body(b"\xff".to_vec())),
        (
            "an encoding that nobody reads",
            Reply::status(202).with("content-encoding", "br").with_body("?"),
        ),
        ("a body beyond the limit", Reply::status(202).with_body(" ".repeat(2000))),
        (
            "a body shorter than its length",
            Reply::Raw(b"HTTP/1.1 202 A\r\ncontent-length: 20\r\n\r\n{".to_vec()),
        ),
        (
            "a broken chunk",
            Reply::Raw(b"HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\nzz".to_vec()),
        ),
        (
            "a body that drips",
            Reply::Drip(
                [b"HTTP/1.1 202 A\r\ncontent-length: 9999\r\n\r\n", [b' '; 9999].as_slice()]
                    .concat(),
                Duration::from_millis(3),
            ),
        ),
    ];
    let mut repeated = Vec::new();
    for (name, reply) in cases {
        let service = Service::start(move |number, _| match number {
            0 => reply.clone(),
            _ => Reply::status(202),
        });
        let client = started(builder(&service.server.url()).max_body_size(1000));
        track(&client, 0..3);
        let first = client.flush_events();
        let _ = client.flush_events();
        if service.bodies().len() != 1 || first.is_err() {
            repeated.push(name);
        }
    }
    assert_eq!(repeated, [""; 0], "delivered, and sent again");
}

#[test]
fn order_and_count_survive_any_mix_of_failures() {
    let service = Service::start(|number, _| match number * 7 % 11 {
        0 => Reply::status(503),
        1 => Reply::status(429),
        2 => Reply::Raw(Vec::new()),
        3 => Reply::status(413),
        4 => Reply::status(404),
        _ => Reply::status(202),
    });
    let client = started(builder(&service.server.url()).event_batch_size(10));
    for start in (0..1000).step_by(25) {
        track(&client, start..start + 25);
        let _ = client.flush_events();
    }
    for _ in 0..1000 {
        if client.flush_events().is_ok() {
            break;
        }
    }
    assert_eq!(service.arrived(), numbers(0..1000));
    let events = client.statistics().events;
    assert_eq!((events.queued, events.delivered, events.dropped()), (0, 1000, 0));
}

#[test]
fn delivery_recovers_by_itself() {
    let service = Service::start(|number, _| match number {
        0 => Reply::status(503),
        _ => Reply::status(202),
    });
    let client = started(builder(&service.server.url()).event_batch_size(5));
    track(&client, 0..23);
    wait_until("all are delivered", || client.statistics().events.delivered >= 20);
    let arrived = service.arrived();
    assert_eq!(arrived, numbers(0..arrived.len()));
}

#[test]
fn a_flush_returns_the_error_of_a_batch_in_the_middle() {
    let service = Service::start(|number, _| match number {
        // In both forms of timestamps.
        0 | 1 => Reply::status(422).with_body(r#"{"error": {"message": "no such flag"}}"#),
        _ => Reply::status(202),
    });
    let client = started(builder(&service.server.url()));
    track(&client, 0..5);
    let error = client.flush_events().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        error.to_string(),
        "failed to deliver events: 0 wait for the next try, 5 were rejected and dropped"
    );
    let url = service.server.url();
    assert_eq!(cause, format!("`{url}/sdk/events` responded with status 422: no such flag"));
    client.flush_events().unwrap();
}

#[test]
fn a_body_is_valid_json_whatever_the_metadata_holds() {
    let every: String = (0..0x250)
        .chain([0x7ff, 0x800, 0x2028, 0x2029, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xffff])
        .chain([0x1_0000, 0x1_f600, 0x10_ffff])
        .filter_map(char::from_u32)
        .collect();
    let nested = |levels: usize| {
        (0..levels).fold(Value::from(every.as_str()), |inner, level| match level % 2 {
            0 => [inner].into_iter().collect(),
            _ => Value::from(Object::from_iter([(every.as_str(), inner)])),
        })
    };
    let values: Vec<Value> = vec![
        Value::Null,
        true.into(),
        0.into(),
        i64::MIN.into(),
        u64::MAX.into(),
        9_007_199_254_740_993_i64.into(),
        1e308.into(),
        5e-324.into(),
        (-0.0).into(),
        0.1.into(),
        "".into(),
        every.as_str().into(),
        Object::new().into(),
        nested(90),
    ];
    let service = Service::start(|_, _| Reply::status(202));
    let client = started(builder(&service.server.url()));
    for (number, value) in values.iter().enumerate() {
        client.track_event(
            EvaluationEvent::new(every.as_str())
                .variation_key(every.as_str())
                .user_id(every.as_str())
                .metadata(every.as_str(), value.clone())
                .metadata(number.to_string(), value.clone())
                .metadata("", f64::NAN)
                .metadata("endless", f64::INFINITY),
        );
    }
    client.flush_events().unwrap();
    let bodies = service.bodies();
    let events = bodies.iter().flat_map(|body| {
        let body: Value = body.parse().unwrap();
        body["events"].as_array().unwrap().to_vec()
    });
    let events: Vec<Value> = events.collect();
    for (number, value) in values.iter().enumerate() {
        let event = &events[number];
        for field in ["flag_key", "variation_key", "user_id"] {
            assert_eq!(event[field], Value::from(every.as_str()), "{field}");
        }
        assert_eq!(&event["metadata"][every.as_str()], value);
        assert_eq!(&event["metadata"][number.to_string().as_str()], value);
        assert_eq!(event["metadata"][""], Value::Null);
        assert_eq!(event["metadata"]["endless"], Value::Null);
    }
    assert!(bodies.concat().bytes().all(|byte| byte >= b' '));
}

#[test]
fn metadata_nested_too_deeply_is_omitted() {
    let deep = (0..2_000).fold(Value::Null, |inner, _| [inner].into_iter().collect());
    let service = Service::start(|_, _| Reply::status(202));
    let client = started(builder(&service.server.url()));
    client.track_event(EvaluationEvent::new("a").metadata("deep", deep).metadata("b", 1));
    client.flush_events().unwrap();
    let body: Value = service.bodies()[0].parse().unwrap();
    assert_eq!(body["events"][0]["metadata"]["deep"], Value::Null);
    assert_eq!(body["events"][0]["metadata"]["b"], Value::from(1));
}
