//! Delivery to a service that fails on some events or on all, as recorded from the self-hosted
//! service.

#[path = "../support/database.rs"]
mod database;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use database::Database;
use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient, Value};

use crate::logger;
use crate::support::{NEVER, Reply, SOON, Server, builder, ruleset, started, wait_until};

const EVENTS: &str = "/sdk/events";

/// Returns the log lines so far that contain this text.
fn lines_with(part: &str) -> Vec<String> {
    let lines = logger::lines();
    let lines = lines.iter().map(|line| format!("{} {}", line.level, line.text));
    lines.filter(|line| line.contains(part)).collect()
}

/// A service that keeps what it accepts.
struct Service {
    server: Server,
    stored: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Service {
        logger::listen();
        let service =
            Service { server: Server::start(|_| Reply::status(503)), stored: Arc::default() };
        service.respond(reply);
        service
    }

    fn over(database: Database) -> Service {
        Service::start(move |body| database.respond(body))
    }

    /// Changes the response to events from now on.
    fn respond(&self, reply_to: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        let stored = self.stored.clone();
        self.server.respond(move |request| {
            if !request.path.ends_with(EVENTS) {
                return Reply::json(ruleset(1, &["a"]));
            }
            let reply = reply_to(&request.body);
            if matches!(&reply, Reply::Response { status: 200..=299, .. }) {
                let events = request.json()["events"].as_array().expect("events").to_vec();
                stored.lock().unwrap().extend(events);
            }
            reply
        });
    }

    fn flags(&self) -> Vec<String> {
        let stored = self.stored.lock().unwrap();
        stored.iter().map(|event| event["flag_key"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the number of events of each request.
    fn sizes(&self) -> Vec<usize> {
        let requests = self.server.requests_to(EVENTS).into_iter();
        requests.map(|request| request.json()["events"].as_array().unwrap().len()).collect()
    }

    fn client(&self) -> ClientBuilder {
        builder(&self.server).polling_interval(NEVER).event_flush_interval(NEVER)
    }
}

/// Starts a service that fails on the events of these flags, at any position.
fn failing_on(flags: &'static [&'static str]) -> impl Fn(&str) -> Reply + Send + Sync {
    move |body| match flags.iter().any(|flag| body.contains(&format!("\"{flag}\""))) {
        true => Reply::status(500),
        false => Reply::status(202),
    }
}

fn track(client: &PhaseFlagClient, names: impl IntoIterator<Item = impl Into<String>>) {
    names.into_iter().for_each(|name| client.track_event(EvaluationEvent::new(name)));
}

fn names(numbers: Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("e{number}")).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_by_key(|name| name.trim_start_matches('e').parse::<usize>().ok());
    names
}

/// A path that is removed when the test ends.
struct Spool(PathBuf);

impl Spool {
    fn new(name: &str) -> Spool {
        let name = format!("phaseflag-bad-events-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        Spool(folder.join("events"))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn the_simulated_service_responds_like_the_recorded_one() {
    let recorded: Value = include_str!("../data/service/events.json").parse().unwrap();
    let recorded = recorded.as_array().unwrap();
    assert_eq!(recorded.len(), 48);
    for exchange in recorded {
        let name = exchange["name"].as_str().unwrap();
        let database = match exchange["database"].as_str().unwrap() {
            "postgres" => Database::Postgres,
            "sqlite" => Database::Sqlite,
            other => panic!("{other}"),
        };
        let events =
            |count| format!("{{\"events\":[{}]}}", vec![r#"{"flag_key":"a"}"#; count].join(","));
        // The recording omits texts that are too long.
        let request = match name {
            "metadata big 1 MB" => {
                let text = "y".repeat(1 << 20);
                format!(r#"{{"events":[{{"flag_key":"a","metadata":{{"x":"{text}"}}}}]}}"#)
            }
            "501 events" => events(501),
            "500 events" => events(500),
            _ => exchange["request"].as_str().unwrap().to_owned(),
        };
        let Reply::Response { status, body, .. } = database.respond(&request) else {
            panic!("no response");
        };
        assert_eq!(Value::from(status), exchange["status"], "{database:?} {name}");
        let body: Value = String::from_utf8(body).unwrap().parse().unwrap();
        assert_eq!(body, exchange["answer"], "{database:?} {name}");
    }
}

#[test]
fn forty_events_arrive_with_every_database() {
    for database in [Database::Postgres, Database::Sqlite, Database::WantsZone] {
        let service = Service::over(database);
        let client = started(service.client().event_batch_size(10));
        let time = |number: u64| UNIX_EPOCH + Duration::from_millis(1_775_314_800_000 + number);
        for (number, name) in (0..).zip(names(0..40)) {
            client.track_event(EvaluationEvent::new(name).timestamp(time(number)));
        }
        wait_until("all are delivered", || client.statistics().events.delivered == 40);
        assert_eq!(service.flags(), names(0..40), "{database:?}");
        let zone = if database == Database::WantsZone { "Z" } else { "" };
        for (number, event) in service.stored.lock().unwrap().iter().enumerate() {
            let expected = format!("2026-04-04T15:00:00.{number:03}{zone}");
            assert_eq!(event["timestamp"].as_str(), Some(expected.as_str()), "{database:?}");
        }
        // The accepted form is kept: only the first request is made twice.
        let requests = if database == Database::WantsZone { 5 } else { 4 };
        assert_eq!(service.sizes().len(), requests, "{database:?}");
        assert_eq!(client.statistics().events.dropped(), 0, "{database:?}");
    }
}

#[test]
fn events_refused_in_both_forms_do_not_change_the_form() {
    let service = Service::start(|body| match body {
        body if body.contains("bad") => Reply::status(422),
        body => Database::Postgres.respond(body),
    });
    let client = started(service.client());
    track(&client, ["bad"]);
    client.flush_events().expect_err("it is refused");
    track(&client, names(0..2));
    client.flush_events().expect("a flush");
    let bodies = service.server.requests_to(EVENTS);
    let zoned: Vec<_> = bodies.iter().map(|request| request.body.contains("Z\"")).collect();
    assert_eq!(zoned, [false, true, false]);
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.dropped_rejected, events.dropped()), (2, 1, 1));
}

#[test]
fn an_outage_after_a_refusal_keeps_the_events() {
    let refused = Mutex::new(false);
    let service =
        Service::start(move |_| match std::mem::replace(&mut *refused.lock().unwrap(), true) {
            false => Reply::status(422),
            true => Reply::status(429),
        });
    let client = started(service.client());
    track(&client, names(0..3));
    client.flush_events().expect_err("it is not known whether they are refused");
    assert_eq!(client.statistics().events.queued, 3);
    service.respond(|body| Database::WantsZone.respond(body));
    client.flush_events().expect("a flush");
    assert_eq!(service.flags(), names(0..3));
}

#[test]
fn a_service_that_changes_its_timestamp_form_gets_all_events() {
    let service = Service::over(Database::WantsZone);
    let client = started(service.client());
    track(&client, names(0..2));
    client.flush_events().expect("a flush");
    service.respond(|body| Database::Postgres.respond(body));
    track(&client, names(2..4));
    let _ = client.flush_events();
    wait_until("all are delivered", || client.statistics().events.delivered == 4);
    assert_eq!(sorted(service.flags()), names(0..4));
}

/// Events in the order that a user reported: good ones, two that PostgreSQL cannot store, good
/// ones.
#[test]
fn two_bad_events_do_not_delay_the_others() {
    for (database, stored) in [(Database::Postgres, 40), (Database::Sqlite, 42)] {
        let service = Service::over(database);
        let settings = service.client().event_flush_interval(Duration::from_millis(200));
        let client = settings.build().unwrap();
        let long = format!("flag-long-{database:?}");
        let nul = format!("flag-nul-{database:?}");
        track(&client, names(0..20));
        client.track_event(EvaluationEvent::new(&long).user_id("secret-user".repeat(30)));
        client.track_event(EvaluationEvent::new(&nul).user_id("secret-user\0"));
        track(&client, names(20..40));
        client.start().unwrap();
        wait_until("the others are delivered", || client.statistics().events.delivered == stored);
        wait_until("nothing waits", || client.statistics().events.queued == 0);
        let events = client.statistics().events;
        let dropped = 42 - stored;
        assert_eq!((events.dropped_server_error, events.dropped()), (dropped, dropped));
        let flags = service.flags();
        assert_eq!(flags[..40], names(0..40));
        // They are sent in separate requests, which other services accept.
        assert_eq!(service.sizes()[..2], [40, 2]);
        for flag in [long, nul] {
            // A drop is logged after it is counted.
            let lines = || lines_with(&format!("`{flag}`"));
            wait_until("it is logged", || lines().len() as u64 >= dropped / 2);
            assert_eq!(lines().len() as u64, dropped / 2, "{:?}", lines());
            assert_eq!(u64::from(flags.contains(&flag)), 1 - dropped / 2);
        }
        assert_eq!(lines_with("secret-user"), [""; 0]);
    }
}

#[test]
fn an_event_beyond_other_limits_is_dropped_at_any_position() {
    for position in [0, 1, 17, 39] {
        let service = Service::start(failing_on(&["bad"]));
        let settings = service.client().event_flush_interval(Duration::from_millis(100));
        let client = settings.build().unwrap();
        let mut events = names(0..40);
        events.insert(position, "bad".to_owned());
        track(&client, events);
        client.start().unwrap();
        wait_until("the others are delivered", || client.statistics().events.delivered == 40);
        assert_eq!(service.flags(), names(0..40), "{position}");
        // Another event shows that the service accepts others.
        track(&client, ["e40"]);
        wait_until("nothing waits", || client.statistics().events.queued == 0);
        let events = client.statistics().events;
        assert_eq!((events.delivered, events.dropped_server_error, events.dropped()), (41, 1, 1));
        assert!(service.sizes().len() < 30, "{position}: {:?}", service.sizes());
    }
}

#[test]
fn consecutive_bad_events_are_dropped_and_no_others() {
    let service = Service::start(failing_on(&["bad-1", "bad-2", "bad-3"]));
    let client = started(service.client().event_flush_interval(Duration::from_millis(100)));
    track(&client, names(0..5));
    track(&client, ["bad-1", "bad-2", "bad-3"]);
    track(&client, names(5..10));
    wait_until("the others are delivered", || client.statistics().events.delivered == 10);
    wait_until("nothing waits", || client.statistics().events.queued == 0);
    let events = client.statistics().events;
    assert_eq!((events.dropped_server_error, events.dropped()), (3, 3));
    assert_eq!(sorted(service.flags()), names(0..10));
}

#[test]
fn a_flush_delivers_around_a_bad_event_and_returns_an_error() {
    // Queued and rejected events: the event fails for the third time and is dropped.
    let expected = [(1, 0), (1, 0), (0, 1)];
    // Between two flushes, the client may have tried the event by itself.
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| *last != expected) {
        assert!(seen.len() < 10, "{seen:?}");
        let service = Service::start(failing_on(&["bad"]));
        let client = started(service.client());
        track(&client, names(0..20));
        track(&client, ["bad"]);
        track(&client, names(20..40));
        let mut flushes = Vec::new();
        while let Err(error) = client.flush_events() {
            let Error::Flush { queued, rejected, .. } = error else { panic!("{error:?}") };
            flushes.push((queued, rejected));
            assert!(flushes.len() <= expected.len(), "{flushes:?}");
            assert_eq!(service.flags(), names(0..40));
        }
        assert_eq!(client.statistics().events.dropped_server_error, 1);
        let bodies = service.server.requests_to(EVENTS).into_iter().map(|request| request.body);
        let alone = bodies
            .zip(service.sizes())
            .filter(|(body, size)| body.contains("\"bad\"") && *size == 1);
        assert_eq!(alone.count(), 3);
        seen.push(flushes);
    }
}

#[test]
fn stop_delivers_around_a_bad_event() {
    let service = Service::start(failing_on(&["bad"]));
    let client = started(service.client().shutdown_timeout(SOON));
    track(&client, ["bad"]);
    track(&client, names(0..40));
    client.stop();
    assert_eq!(service.flags(), names(0..40));
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.dropped_server_error, events.dropped()), (40, 1, 1));
}

#[test]
fn an_outage_drops_nothing() {
    // Once for all requests, and once for events only.
    for polls_fail in [true, false] {
        let service = Service::start(|_| Reply::status(500));
        if polls_fail {
            service.server.respond(|_| Reply::status(500));
        }
        let settings = service.client().event_flush_interval(Duration::from_millis(50));
        let client = settings.build().unwrap();
        track(&client, names(0..100));
        client.track_event(EvaluationEvent::new("e100").user_id("x".repeat(300)));
        client.start().unwrap();
        if !polls_fail {
            client.wait_until_ready(SOON).unwrap();
        }
        wait_until("it is known", || client.statistics().failed_deliveries > 8);
        for _ in 0..5 {
            let error = client.flush_events().unwrap_err();
            assert!(matches!(error, Error::Flush { queued: 101, rejected: 0, .. }), "{error:?}");
        }
        let statistics = client.statistics();
        assert_eq!((statistics.events.queued, statistics.events.dropped()), (101, 0));
        assert_eq!(statistics.last_delivery_failure.unwrap().status(), Some(500));
        assert!(!lines_with("failed to deliver events").is_empty());
        // The batch is split down to single events.
        let sizes = service.sizes();
        assert_eq!(sizes[..7], [100, 50, 25, 12, 6, 3, 1]);
        assert!(sizes[7..].iter().all(|size| *size == 1), "{sizes:?}");
        service.respond(|_| Reply::status(202));
        client.flush_events().expect("a flush");
        assert_eq!(sorted(service.flags()), names(0..101));
        let statistics = client.statistics();
        assert_eq!((statistics.events.delivered, statistics.events.dropped()), (101, 0));
        assert_eq!(statistics.failed_deliveries, 0);
        wait_until("it is logged", || !lines_with("events are delivered again").is_empty());
    }
}

#[test]
fn a_bad_event_in_the_spool_does_not_delay_later_processes() {
    let spool = Spool::new("later");
    let service = Service::start(failing_on(&["bad"]));
    let client = started(service.client().event_spool(&spool.0));
    track(&client, names(0..20));
    track(&client, ["bad"]);
    track(&client, names(20..40));
    client.stop_now();
    assert_eq!(client.statistics().events.in_spool, 41);
    let client = started(service.client().event_spool(&spool.0).shutdown_timeout(SOON));
    track(&client, names(40..42));
    client.stop();
    assert_eq!(sorted(service.flags()), names(0..42));
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.delivered_spooled), (2, 40));
    assert_eq!((events.dropped_server_error, events.dropped()), (1, 1));
    // The next process finds an empty spool.
    assert_eq!(events.in_spool, 0);
    let before = service.sizes().len();
    drop(started(service.client().event_spool(&spool.0)));
    assert_eq!(service.sizes().len(), before);
}

#[test]
fn a_spool_of_bad_events_alone_waits_for_an_event_that_is_accepted() {
    let spool = Spool::new("alone");
    let service = Service::start(failing_on(&["bad"]));
    let client = started(service.client().event_spool(&spool.0));
    track(&client, ["bad"]);
    client.stop_now();
    // Each of three processes makes one request and does not wait for it. One that runs for more than
    // a second makes others.
    for _ in 0..3 {
        wait_until("a process makes one request", || {
            let before = service.sizes().len();
            let client = started(service.client().event_spool(&spool.0));
            client.stop();
            let events = client.statistics().events;
            assert_eq!((events.in_spool, events.dropped()), (1, 0));
            service.sizes().len() == before + 1
        });
    }
    assert!(service.sizes().iter().all(|size| *size == 1));
}

#[test]
fn events_spooled_in_an_outage_keep_their_order() {
    let spool = Spool::new("order");
    let requests = AtomicUsize::new(0);
    let service = Service::start(move |_| match requests.fetch_add(1, Ordering::Relaxed) {
        // 30, 15, 7, 3 and two single events.
        0..6 => Reply::status(500),
        // The client gives up at once, so that no request arrives after the stop.
        _ => Reply::status(503).with("retry-after", "3600"),
    });
    let settings = service.client().event_spool(&spool.0);
    let client = started(settings.shutdown_timeout(SOON));
    track(&client, names(0..30));
    client.stop();
    assert_eq!(client.statistics().events.in_spool, 30);
    service.respond(|body| Database::Postgres.respond(body));
    let client = started(service.client().event_spool(&spool.0));
    client.stop();
    assert_eq!(service.flags(), names(0..30));
    assert_eq!(client.statistics().events.in_spool, 0);
}

#[test]
fn timestamps_survive_the_spool_in_the_form_that_the_service_accepts() {
    for database in [Database::Postgres, Database::WantsZone] {
        let spool = Spool::new("instants");
        let service = Service::over(database);
        let client = started(service.client().event_spool(&spool.0));
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_775_314_800_123);
        let event = EvaluationEvent::new("flag").user_id("\"timestamp\":\"x\"").timestamp(time);
        client.track_event(event.metadata("timestamp", "2026-01-01T00:00:00.000Z"));
        client.stop_now();
        drop(started(service.client().event_spool(&spool.0)));
        let stored = service.stored.lock().unwrap();
        let zone = if database == Database::WantsZone { "Z" } else { "" };
        let expected = format!("2026-04-04T15:00:00.123{zone}");
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0]["timestamp"].as_str(), Some(expected.as_str()));
        let metadata = &stored[0]["metadata"]["timestamp"];
        assert_eq!(metadata.as_str(), Some("2026-01-01T00:00:00.000Z"));
    }
}

#[test]
fn steady_events_are_sent_once_an_interval() {
    let service = Service::start(|_| {
        std::thread::sleep(Duration::from_millis(60));
        Reply::status(202)
    });
    let interval = Duration::from_secs(1);
    let client = started(service.client().event_flush_interval(interval).event_batch_size(1000));
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(3500) {
        track(&client, ["steady"]);
        std::thread::sleep(Duration::from_millis(10));
    }
    service.server.wait_for(1, EVENTS);
    let sizes = service.sizes();
    assert!((1..=5).contains(&sizes.len()), "{sizes:?}");
}

#[test]
fn an_outage_that_accepts_empty_lists_drops_no_valid_event() {
    let service = Service::start(|body| match body {
        r#"{"events":[]}"# => Reply::status(202),
        _ => Reply::status(500),
    });
    let client = started(service.client());
    track(&client, names(0..3));
    client.track_event(EvaluationEvent::new("long").user_id("x".repeat(300)));
    for _ in 0..12 {
        client.flush_events().expect_err("an outage");
    }
    let events = client.statistics().events;
    assert_eq!((events.queued + events.dropped() as usize, events.delivered), (4, 0));
    service.respond(|_| Reply::status(202));
    client.flush_events().expect("a flush");
    let mut flags = service.flags();
    flags.retain(|flag| flag != "long");
    assert_eq!(sorted(flags), names(0..3));
}

#[test]
fn an_outage_of_a_service_that_requires_zones_drops_nothing() {
    for known in [true, false] {
        let service = Service::over(Database::WantsZone);
        let client = started(service.client());
        if known {
            track(&client, ["e0"]);
            client.flush_events().expect("a flush");
        }
        // It refuses the form as before, and fails on all other requests.
        service.respond(|body| match body.contains("Z\"") {
            true => Reply::status(500),
            false => Reply::status(422),
        });
        track(&client, names(1..21));
        for _ in 0..6 {
            client.flush_events().expect_err("an outage");
        }
        let events = client.statistics().events;
        assert_eq!((events.queued, events.dropped()), (20, 0), "{known}");
        service.respond(|body| Database::WantsZone.respond(body));
        client.flush_events().expect("a flush");
        assert_eq!(client.statistics().events.delivered, if known { 21 } else { 20 });
    }
}

#[test]
fn many_bad_events_in_a_spool_do_not_delay_a_short_program() {
    let spool = Spool::new("many");
    let service = Service::start(|body| match body.contains("\"bad-") {
        true => Reply::status(500),
        false => Reply::status(202),
    });
    let client = started(service.client().event_spool(&spool.0));
    track(&client, (0..12).map(|number| format!("bad-{number}")));
    track(&client, names(0..20));
    client.stop_now();
    for run in 0..4 {
        let client = started(service.client().event_spool(&spool.0).shutdown_timeout(SOON));
        track(&client, names(20 + run..21 + run));
        client.stop();
        assert_eq!(client.statistics().events.delivered, 1, "{run}");
    }
    assert_eq!(sorted(service.flags()), names(0..24));
    let last = started(service.client().event_spool(&spool.0));
    assert_eq!(last.statistics().events.in_spool, 0);
}
