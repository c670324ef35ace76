//! Automatic recording of evaluations as events.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process};

use phaseflag::{ClientBuilder, EvaluationContext, EvaluationEvent, PhaseFlagClient};

use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, flag, ready, ruleset, started, wait_until,
};

const EVENTS: &str = "/sdk/events";

/// A flag of each kind. The second one requires the first.
const RULES: &str = r#"{"flags": [
    {"key": "gate", "default_variation": "open", "variations": [{"key": "open", "value": true}]},
    {"key": "checkout", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "prerequisites": [{"flag_key": "gate", "variation_key": "open"}],
     "targeting_rules": [{"variation": "on", "conditions": [
        {"attribute": "plan", "operator": "is", "value": "pro"}]}]},
    {"key": "rollout", "variations": [{"key": "in", "value": true}],
     "targeting_rules": [{"percentage_rollout": [{"variation": "in", "percentage": 100}]}]},
    {"key": "theme", "default_variation": "d", "variations": [{"key": "d", "value": "dark"}]},
    {"key": "limit", "default_variation": "l", "variations": [{"key": "l", "value": 1.5}]},
    {"key": "layout", "default_variation": "j", "variations": [{"key": "j", "value": [1, 2]}]},
    {"key": "off", "enabled": false, "default_variation": "o",
     "variations": [{"key": "o", "value": true}]},
    {"key": "shut", "default_variation": "s", "variations": [{"key": "s", "value": true}],
     "prerequisites": [{"flag_key": "gate", "variation_key": "closed"}]},
    {"key": "bare", "variations": []}]}"#;

fn user(id: &str) -> EvaluationContext {
    EvaluationContext::new().user_id(id)
}

/// Settings of a client that records evaluations and delivers on a flush.
fn recording(server: &Server) -> ClientBuilder {
    builder(server).record_evaluations(true).event_flush_interval(NEVER).polling_interval(NEVER)
}

/// Starts a server with the rules above and a client that records evaluations.
fn recorded() -> (Server, PhaseFlagClient) {
    let server = Server::with_ruleset(RULES);
    let client = ready(recording(&server));
    (server, client)
}

/// Returns the received events, each as text without its time.
fn events(server: &Server) -> Vec<String> {
    let mut events = Vec::new();
    for request in server.requests_to(EVENTS) {
        for event in request.json()["events"].as_array().unwrap() {
            let time = event["timestamp"].as_str().unwrap();
            events.push(event.to_string().replace(&format!(r#""timestamp":"{time}","#), ""));
        }
    }
    events
}

/// Flushes the queue, and returns all received events.
fn delivered(client: &PhaseFlagClient, server: &Server) -> Vec<String> {
    client.flush_events().unwrap();
    events(server)
}

/// Returns the event of a flag that serves its default variation `v` to a user.
fn event(flag: &str, user: &str) -> String {
    format!(
        r#"{{"flag_key":"{flag}","metadata":{{"reason":"default","source":"evaluation"}},"user_id":"{user}","variation_key":"v"}}"#
    )
}

#[test]
fn an_event_has_user_variation_and_reason() {
    let (server, client) = recorded();
    let context = user("u").session_id("s").attribute("plan", "pro");
    assert!(client.get_boolean_value("checkout", false, &context));
    assert!(client.get_boolean_value("rollout", false, &context));
    assert_eq!(client.get_string_value("theme", "", &context), "dark");
    assert_eq!(client.get_number_value("limit", 0.0, &context), 1.5);
    assert_eq!(client.get_json_value("layout", 0, &context).to_string(), "[1,2]");
    assert!(client.get_variation("off", &context).is_some());
    assert!(client.get_boolean_value("shut", false, &context));
    assert_eq!(client.get_number_value("bare", 7.0, &context), 7.0);
    // The type differs from that of the getter.
    assert_eq!(client.get_string_value("gate", "x", &context), "x");
    let expected = [
        r#"{"flag_key":"checkout","metadata":{"reason":"targeting_match","source":"evaluation"},"user_id":"u","variation_key":"on"}"#,
        r#"{"flag_key":"rollout","metadata":{"reason":"percentage_rollout","source":"evaluation"},"user_id":"u","variation_key":"in"}"#,
        r#"{"flag_key":"theme","metadata":{"reason":"default","source":"evaluation"},"user_id":"u","variation_key":"d"}"#,
        r#"{"flag_key":"limit","metadata":{"reason":"default","source":"evaluation"},"user_id":"u","variation_key":"l"}"#,
        r#"{"flag_key":"layout","metadata":{"reason":"default","source":"evaluation"},"user_id":"u","variation_key":"j"}"#,
        r#"{"flag_key":"off","metadata":{"reason":"flag_inactive","source":"evaluation"},"user_id":"u","variation_key":"o"}"#,
        r#"{"flag_key":"shut","metadata":{"reason":"prerequisite_failed","source":"evaluation"},"user_id":"u","variation_key":"s"}"#,
        r#"{"flag_key":"bare","metadata":{"reason":"default","source":"evaluation"},"user_id":"u"}"#,
        r#"{"flag_key":"gate","metadata":{"reason":"default","source":"evaluation"},"user_id":"u","variation_key":"open"}"#,
    ];
    assert_eq!(delivered(&client, &server), expected);
}

#[test]
fn evaluations_of_different_identifiers_are_recorded() {
    let (server, client) = recorded();
    let no_user = EvaluationContext::new();
    let contexts = [
        user("1"),
        user("2"),
        user("1").session_id("s").attribute("plan", "free"),
        no_user.clone().session_id("1"),
        user("").session_id("2"),
        no_user.clone(),
        user("").session_id("").attribute("plan", "free"),
    ];
    for context in contexts.iter().chain(&contexts) {
        client.get_boolean_value("gate", false, context);
    }
    let expected = [
        r#"{"flag_key":"gate","metadata":{"reason":"default","source":"evaluation"},"user_id":"1","variation_key":"open"}"#,
        r#"{"flag_key":"gate","metadata":{"reason":"default","source":"evaluation"},"user_id":"2","variation_key":"open"}"#,
        r#"{"flag_key":"gate","metadata":{"reason":"default","session_id":"1","source":"evaluation"},"variation_key":"open"}"#,
        r#"{"flag_key":"gate","metadata":{"reason":"default","session_id":"2","source":"evaluation"},"variation_key":"open"}"#,
        r#"{"flag_key":"gate","metadata":{"reason":"default","source":"evaluation"},"variation_key":"open"}"#,
    ];
    assert_eq!(delivered(&client, &server), expected);
}

#[test]
fn each_variation_is_recorded() {
    let (server, client) = recorded();
    for plan in ["pro", "free", "pro"] {
        client.get_boolean_value("checkout", false, &user("u").attribute("plan", plan));
    }
    let events = delivered(&client, &server);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].contains(r#""variation_key":"on""#), "{events:?}");
    assert!(events[1].contains(r#""variation_key":"off""#), "{events:?}");
}

#[test]
fn a_variation_is_one_event_whatever_the_reason() {
    let server = Server::with_ruleset(
        r#"{"flags": [{"key": "a", "default_variation": "v",
            "variations": [{"key": "v", "value": true}],
            "targeting_rules": [{"variation": "v", "conditions": [
                {"attribute": "plan", "operator": "is", "value": "pro"}]}]}]}"#,
    );
    let client = ready(recording(&server));
    for (id, plans) in [("1", ["free", "pro"]), ("2", ["pro", "free"])] {
        for plan in plans {
            assert!(client.get_boolean_value("a", false, &user(id).attribute("plan", plan)));
        }
    }
    let expected = [event("a", "1"), event("a", "2").replace("default", "targeting_match")];
    assert_eq!(delivered(&client, &server), expected);
}

#[test]
fn the_default_context_is_recorded() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server).default_context(user("u")));
    client.get_boolean_value("a", false, None);
    client.snapshot().get_boolean_value("a", false, None);
    assert_eq!(delivered(&client, &server), [event("a", "u")]);
}

#[test]
fn an_event_has_the_time_of_its_evaluation() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server));
    // The times of tracked events enclose it.
    client.track_event(EvaluationEvent::new("before"));
    client.get_boolean_value("a", false, &user("u"));
    client.track_event(EvaluationEvent::new("after"));
    let flushed = SystemTime::now() + Duration::from_millis(20);
    wait_until("another time", || SystemTime::now() > flushed);
    client.get_boolean_value("a", false, &user("u"));
    client.flush_events().unwrap();
    let body = server.requests_to(EVENTS)[0].json();
    let times: Vec<_> = body["events"].as_array().unwrap().iter().collect();
    let [before, recorded, after] = &*times else { panic!("{body}") };
    let time = |event: &phaseflag::Value| event["timestamp"].as_str().unwrap().to_owned();
    assert!(time(before) <= time(recorded) && time(recorded) <= time(after), "{body}");
}

#[test]
fn neither_a_flush_nor_a_batch_begins_an_interval() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b", "c"]));
    let client = ready(recording(&server).event_batch_size(2));
    for _ in 0..3 {
        for key in ["a", "b", "c"] {
            client.get_boolean_value(key, false, &user("u"));
            client.get_json_value(key, false, &user("u"));
            client.get_variation(key, &user("u")).unwrap();
        }
        wait_until("a batch", || client.statistics().events.delivered >= 2);
        client.flush_events().unwrap();
    }
    assert_eq!(events(&server), ["a", "b", "c"].map(|key| event(key, "u")));
}

/// Evaluates until that many events have arrived, and returns how many there are per interval.
fn rate(client: &PhaseFlagClient, interval: Duration, count: usize) -> f64 {
    let begin = Instant::now();
    let recorded = || {
        let counts = client.statistics().events;
        counts.queued + counts.delivered as usize
    };
    wait_until("the next interval", || {
        client.get_boolean_value("a", false, &user("u"));
        recorded() >= count
    });
    recorded() as f64 / (begin.elapsed().as_secs_f64() / interval.as_secs_f64() + 1.0)
}

#[test]
fn the_next_interval_records_again() {
    let interval = Duration::from_millis(60);
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server).event_flush_interval(interval));
    let rate = rate(&client, interval, 4);
    assert!(rate <= 1.0, "{rate}");
    client.flush_events().unwrap();
    assert!(events(&server).iter().all(|event| *event == self::event("a", "u")));
}

#[test]
fn intervals_end_while_the_service_refuses_events() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let interval = Duration::from_millis(60);
    let client = ready(recording(&server).event_flush_interval(interval).event_batch_size(1));
    let rules = ruleset(1, &["a"]);
    server.respond(move |request| match request.path.ends_with(EVENTS) {
        true => Reply::status(401),
        false => Reply::json(rules.clone()),
    });
    let rate = rate(&client, interval, 4);
    assert!(rate <= 1.0, "{rate}");
    client.stop_now();
}

/// Lets the service hang on events.
fn hang(server: &Server, rules: String) {
    server.respond(move |request| match request.path.ends_with(EVENTS) {
        true => Reply::Hang,
        false => Reply::json(rules.clone()),
    });
}

#[test]
fn intervals_end_while_a_delivery_hangs() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let interval = Duration::from_millis(60);
    let client = ready(recording(&server).event_flush_interval(interval).request_timeout(NEVER));
    hang(&server, ruleset(1, &["a"]));
    let rate = rate(&client, interval, 6);
    assert!(rate <= 1.0, "{rate}");
    client.stop_now();
}

#[test]
fn an_interval_that_is_full_ends_while_a_delivery_hangs() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let settings = recording(&server).event_queue_capacity(1).event_batch_size(1);
    let settings = settings.event_flush_interval(Duration::from_millis(50));
    let client = ready(settings.request_timeout(NEVER));
    hang(&server, ruleset(1, &["a"]));
    // The queue has room for only the first, and each interval for one.
    wait_until("three more intervals", || {
        client.get_boolean_value("a", false, &user("1"));
        client.get_boolean_value("a", false, &user("2"));
        client.statistics().events.dropped_queue_full >= 3
    });
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped()), (1, counts.dropped_queue_full));
    assert!(counts.dropped_interval_full >= 3, "{counts:?}");
    client.stop_now();
}

#[test]
fn a_new_ruleset_changes_nothing() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = ready(recording(&server).polling_interval(RAPIDLY));
    for key in ["a", "b"] {
        client.get_boolean_value(key, false, &user("u"));
    }
    // The same flags in another order, and one of them serves another variation.
    let other = r#"{"key": "b", "variations": [{"key": "w", "value": true}],
        "default_variation": "w"}"#;
    let rules = format!("[{}, {other}, {}]", flag("c", true), flag("a", true));
    server.respond(move |request| match request.path.ends_with(EVENTS) {
        true => Reply::status(202),
        false => Reply::json(rules.clone()),
    });
    wait_until("the new ruleset", || client.ruleset().unwrap().len() == 3);
    for key in ["a", "b", "c"] {
        client.get_boolean_value(key, false, &user("u"));
    }
    let changed = event("b", "u").replace(r#""v""#, r#""w""#);
    let expected = [event("a", "u"), event("b", "u"), changed, event("c", "u")];
    assert_eq!(delivered(&client, &server), expected);
}

#[test]
fn only_evaluations_of_getters_by_rules_are_recorded() {
    let (server, client) = recorded();
    client.set_override("theme", "light");
    client.set_override("no-such-flag", 1);
    let context = user("u").attribute("plan", "pro");
    for now in [&client.snapshot(), &client.snapshot()] {
        assert_eq!(now.get_string_value("theme", "", &context), "light");
        assert!(now.get_variation("no-such-flag", &context).is_some());
        assert_eq!(now.get_variation("unknown", &context), None);
        assert!(now.get_boolean_value("unknown", true, &context));
        now.evaluate_all(&context);
    }
    assert_eq!(client.get_string_value("theme", "", &context), "light");
    assert!(client.get_variation("no-such-flag", &context).is_some());
    assert_eq!(client.get_variation("unknown", &context), None);
    assert!(client.get_boolean_value("unknown", true, &context));
    client.evaluate_all(&context);
    client.evaluate("checkout", &context).unwrap_err();
    let ruleset = client.ruleset().unwrap();
    ruleset.evaluate("checkout", &context).unwrap();
    ruleset.explain("checkout", &context).unwrap();
    ruleset.split("checkout", &context, ["1", "2"]).unwrap();
    assert_eq!(client.statistics().events.queued, 0);
    // The flag that it requires is missing.
    client.get_boolean_value("checkout", false, &context);
    assert_eq!(client.statistics().events.queued, 1);
    assert_eq!(delivered(&client, &server).len(), 1);
}

#[test]
fn a_snapshot_and_its_client_record_an_evaluation_once() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = ready(recording(&server));
    let now = client.snapshot();
    now.get_boolean_value("a", false, &user("u"));
    now.clone().get_variation("b", &user("u")).unwrap();
    assert_eq!(client.statistics().events.queued, 2);
    for key in ["a", "b"] {
        client.get_boolean_value(key, false, &user("u"));
        now.get_boolean_value(key, false, &user("u"));
    }
    assert_eq!(delivered(&client, &server), [event("a", "u"), event("b", "u")]);
}

#[test]
fn nothing_is_recorded_after_stop() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = ready(recording(&server));
    let now = client.snapshot();
    now.get_boolean_value("a", false, &user("u"));
    client.stop();
    assert!(client.get_boolean_value("b", false, &user("u")));
    assert!(now.get_boolean_value("b", false, &user("v")));
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.delivered, counts.dropped()), (0, 1, 0));
    drop(client);
    assert!(now.get_boolean_value("b", false, &user("w")));
    assert_eq!(events(&server), [event("a", "u")]);
}

#[test]
fn a_snapshot_does_not_keep_its_client_running() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server));
    let now = client.snapshot();
    now.get_boolean_value("a", false, &user("u"));
    drop(client);
    assert_eq!(events(&server), [event("a", "u")]);
    assert!(now.get_boolean_value("a", false, &user("v")));
    assert_eq!(events(&server).len(), 1);
}

#[test]
fn an_interval_records_a_limited_number_of_evaluations() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let settings = recording(&server).event_queue_capacity(3).event_batch_size(3);
    let client = ready(settings);
    let users = ["1", "2", "3", "4", "5"];
    for id in users.into_iter().chain(users) {
        client.get_boolean_value("a", false, &user(id));
    }
    let counts = client.statistics().events;
    assert_eq!((counts.dropped_interval_full, counts.dropped()), (4, 0));
    let expected = ["1", "2", "3"].map(|id| event("a", id));
    assert_eq!(delivered(&client, &server), expected);
    // The queue has room, but the interval does not.
    client.get_boolean_value("a", false, &user("6"));
    assert_eq!(client.statistics().events.dropped_interval_full, 5);
    assert_eq!(client.statistics().events.queued, 0);
}

#[test]
fn the_interval_after_a_full_one_records_again() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let settings = recording(&server).event_queue_capacity(1).event_batch_size(1);
    let client = ready(settings.event_flush_interval(Duration::from_millis(50)));
    client.get_boolean_value("a", false, &user("0"));
    wait_until("room", || {
        client.get_boolean_value("a", false, &user("1"));
        client.get_boolean_value("a", false, &user("2"));
        client.statistics().events.delivered >= 3
    });
    let events = delivered(&client, &server);
    assert!(events.contains(&event("a", "1")), "{events:?}");
    assert!(client.statistics().events.dropped_interval_full > 0);
}

#[test]
fn an_evaluation_without_room_in_the_queue_is_counted_once() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server).event_queue_capacity(2).event_batch_size(2));
    hang(&server, ruleset(1, &["a"]));
    for _ in 0..2 {
        client.track_event(EvaluationEvent::new("e"));
    }
    for _ in 0..3 {
        client.get_boolean_value("a", false, &user("u"));
    }
    let counts = client.statistics().events;
    assert_eq!((counts.dropped_queue_full, counts.dropped()), (1, 1));
    client.stop_now();
}

#[test]
fn racing_threads_record_each_evaluation_once() {
    const THREADS: usize = 8;
    const USERS: usize = 500;
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server));
    let now = client.snapshot();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (client, now, start) = (&client, &now, &start);
            scope.spawn(move || {
                start.wait();
                for id in 0..USERS {
                    let context = user(&id.to_string());
                    match number % 2 {
                        0 => client.get_boolean_value("a", false, &context),
                        _ => now.get_boolean_value("a", false, &context),
                    };
                }
            });
        }
    });
    let mut found = delivered(&client, &server);
    found.sort();
    let mut expected: Vec<_> = (0..USERS).map(|id| event("a", &id.to_string())).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn undelivered_evaluations_are_spooled() {
    let folder = env::temp_dir().join(format!("phaseflag-recorded-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("spool");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(recording(&server).event_spool(&path));
    client.get_boolean_value("a", false, &user("u"));
    client.stop_now();
    assert_eq!(client.statistics().events.spooled, 1);
    assert!(events(&server).is_empty());
    let later = started(builder(&server).event_spool(&path));
    later.stop();
    assert_eq!(events(&server), [event("a", "u")]);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_way_to_end_delivers_recorded_evaluations() {
    let ends: [fn(PhaseFlagClient); 2] = [|client| client.stop(), drop];
    for end in ends {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = ready(recording(&server));
        client.get_boolean_value("a", false, &user("u"));
        let begin = Instant::now();
        end(client);
        assert!(begin.elapsed() < SOON);
        assert_eq!(events(&server), [event("a", "u")]);
    }
}

#[test]
fn nothing_is_recorded_by_default() {
    let settings: [fn(ClientBuilder) -> ClientBuilder; 2] = [
        |settings| settings,
        |settings| settings.record_evaluations(true).record_evaluations(false),
    ];
    for set in settings {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = ready(set(builder(&server)));
        client.get_boolean_value("a", false, &user("u"));
        client.get_variation("a", &user("u")).unwrap();
        client.snapshot().get_boolean_value("a", false, &user("u"));
        assert_eq!(client.statistics().events.queued, 0);
        client.stop();
        assert!(events(&server).is_empty());
    }
}

#[test]
fn nothing_is_recorded_without_a_service() {
    let settings = PhaseFlagClient::builder("", "").record_evaluations(true);
    let client = started(settings.bootstrap_text(ruleset(1, &["a"])));
    assert!(client.get_boolean_value("a", false, &user("u")));
    assert!(client.snapshot().get_boolean_value("a", false, &user("u")));
    assert_eq!(client.statistics().events, phaseflag::EventCounts::default());
}
