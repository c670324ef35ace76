//! The client as a user sees it: settings, start and stop, and getters.

use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{
    ClientState, Error, EvaluationContext, EvaluationEvent, FlagKind, PhaseFlagClient, Reason,
    RequestError, Value,
};

#[cfg(target_os = "linux")]
use crate::alone::is_alone;
use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, flag, ready, ruleset, started, wait_until,
};

/// One flag of each kind, one that is off, and one that is `null`.
const KINDS: &str = r#"{"data": {"version": 1, "flags": [
    {"key": "boolean", "variations": [{"key": "v", "value": true}], "default_variation": "v"},
    {"key": "string", "flag_type": "string", "default_variation": "v",
     "variations": [{"key": "v", "value": "dark"}]},
    {"key": "number", "flag_type": "number", "default_variation": "v",
     "variations": [{"key": "v", "value": 2.5}]},
    {"key": "json", "flag_type": "json", "default_variation": "v",
     "variations": [{"key": "v", "value": {"limits": [1, 2]}}]},
    {"key": "null", "flag_type": "json", "default_variation": "v",
     "variations": [{"key": "v", "value": null}]},
    {"key": "mislabelled", "flag_type": "boolean", "default_variation": "v",
     "variations": [{"key": "v", "value": "text"}]},
    {"key": "odd", "flag_type": "colour", "default_variation": "v",
     "variations": [{"key": "v", "value": 0}]},
    {"key": "off", "enabled": false, "default_variation": "v",
     "variations": [{"key": "v", "value": false}]},
    {"key": "archived", "status": "archived", "default_variation": "v",
     "variations": [{"key": "v", "value": ""}]}]}}"#;

/// A flag for each reason that a ruleset can give.
const REASONS: &str = r#"{"data": {"version": 1, "flags": [
    {"key": "targeted", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "targeting_rules": [{"variation": "on",
        "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]}]},
    {"key": "rolled-out", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "targeting_rules": [{"conditions": [],
        "percentage_rollout": [{"variation": "on", "percentage": 100}]}]},
    {"key": "inactive", "enabled": false, "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]},
    {"key": "gated", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "prerequisites": [{"flag_key": "inactive", "variation_key": "off"}]},
    {"key": "dangling", "default_variation": "nowhere",
     "variations": [{"key": "on", "value": true}]}]}}"#;

fn pro() -> EvaluationContext {
    EvaluationContext::new().user_id("user-1").attribute("plan", "pro")
}

/// Starts a server with these rules and a client of it.
fn serving(rules: &str) -> (Server, PhaseFlagClient) {
    let server = Server::with_ruleset(rules);
    let client = ready(builder(&server).polling_interval(NEVER));
    (server, client)
}

#[test]
fn has_the_documented_defaults() {
    let text = format!("{:?}", PhaseFlagClient::builder("https://example.com", "sdk-dev-1"));
    for setting in [
        "environment: None",
        "polling_interval: 30s",
        "streaming: false",
        "event_flush_interval: 30s",
        "event_batch_size: 100",
        "event_queue_capacity: 10000",
        "event_spool_size: 8388608",
        "offline_mode: false",
        "bootstrap_watch: None",
        "cache_max_age: 0ns",
        "request_timeout: 10s",
        "shutdown_timeout: 5s",
        "conditional_fetch: None",
        "max_body_size: 67108864",
    ] {
        assert!(text.contains(&format!(" {setting}, ")), "{setting}: {text}");
    }
}

#[test]
fn keeps_its_settings_and_shows_no_secret() {
    let second = Duration::from_secs(1);
    let builder = PhaseFlagClient::builder("http://localhost:8000/api/v1", "sdk-dev-1")
        .environment("production")
        .polling_interval(second)
        .streaming(true)
        .event_flush_interval(second * 2)
        .event_batch_size(3)
        .event_queue_capacity(4)
        .bootstrap_file("bootstrap.json")
        .bootstrap_watch(second * 7)
        .bootstrap_url("/bootstrap.json")
        .cache_dir("cache")
        .cache_max_age(second * 8)
        .event_spool("events")
        .event_spool_size(9)
        .offline_mode(true)
        .request_timeout(second * 5)
        .shutdown_timeout(second * 6)
        .default_context(EvaluationContext::new().user_id("ada"))
        .conditional_fetch(false)
        .max_body_size(10)
        .proxy("http://user:pass@localhost:3128");
    let text = format!("{:?}", builder.clone());
    for setting in [
        "environment: Some(\"production\")",
        "polling_interval: 1s",
        "streaming: true",
        "event_flush_interval: 2s",
        "event_batch_size: 3",
        "event_queue_capacity: 4",
        "event_spool_size: 9",
        "offline_mode: true",
        "bootstrap_watch: Some(7s)",
        "cache_max_age: 8s",
        "request_timeout: 5s",
        "shutdown_timeout: 6s",
        "conditional_fetch: Some(false)",
        "max_body_size: 10",
    ] {
        assert!(text.contains(&format!(" {setting}, ")), "{setting}: {text}");
    }
    for secret in ["localhost", "sdk-dev", "bootstrap.json", "ada", "pass"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    builder.build().unwrap();
}

#[test]
fn has_rules_before_and_after_it_is_ready() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).build().unwrap();
    assert!(!client.has_rules());
    client.start().unwrap();
    assert!(!client.has_rules());
    let client = started(builder(&server).bootstrap_text(ruleset(1, &["a"])));
    assert!(client.has_rules() && !client.is_ready());
}

#[test]
fn fetches_and_serves() {
    let (server, client) = serving(&ruleset(1, &["a", "b"]));
    let context = EvaluationContext::new().user_id("u");
    assert!(client.get_boolean_value("a", false, &context));
    assert!(client.get_boolean_value("b", false, None));
    assert_eq!(server.requests_to("/api/v1/sdk/ruleset").len(), 1);
}

#[test]
fn trims_the_trailing_slash_of_the_base_url() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    ready(PhaseFlagClient::builder(server.url() + "/", "sdk-dev-1"));
    assert_eq!(server.requests()[0].path, "/api/v1/sdk/ruleset");
}

#[test]
fn sends_the_key_with_every_request() {
    let (server, client) = serving(&ruleset(1, &["a"]));
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap();
    client.evaluate("a", None).unwrap_err();
    let calls: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            let key = request.header("x-api-key").unwrap_or_default().to_owned();
            let kind = request.header("content-type").map(str::to_owned);
            (request.method.clone(), request.path.clone(), key, kind)
        })
        .collect();
    let call = |method: &str, path: &str, kind: Option<&str>| {
        let path = format!("/api/v1{path}");
        let kind = kind.map(str::to_owned);
        (method.to_owned(), path, "sdk-dev-1".to_owned(), kind)
    };
    let json = Some("application/json");
    assert_eq!(
        calls,
        [
            call("GET", "/sdk/ruleset", None),
            call("POST", "/sdk/events", json),
            call("POST", "/evaluate", json),
            call("POST", "/sdk/evaluate", json),
        ]
    );
}

#[test]
fn build_starts_no_thread_and_makes_no_request() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).bootstrap_file("/no/such/file").build().unwrap();
    assert!(!client.is_ready());
    drop(client);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn start_does_not_wait_for_the_network() {
    let server = Server::start(|_| Reply::Hang);
    let start = Instant::now();
    let client = started(builder(&server));
    client.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
#[cfg(target_os = "linux")]
fn its_threads_have_names() {
    // Runs in a separate process, because threads of other tests have the same names.
    if !is_alone("client::its_threads_have_names") {
        return;
    }
    let server = Server::start(|_| Reply::Hang);
    let watched = builder(&server)
        .bootstrap_file("examples/flags.json")
        .bootstrap_watch(Duration::from_secs(1))
        .streaming(true);
    let client = started(watched);
    client.track_event(EvaluationEvent::new("a"));
    let names = || -> Vec<String> {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
            .collect()
    };
    // The kernel keeps fifteen bytes of a name.
    let short = ["phaseflag-polle\n", "phaseflag-event\n", "phaseflag-file\n", "phaseflag-strea\n"];
    for name in short {
        wait_until(name, || names().iter().any(|other| other == name));
    }
}

/// Returns how many bytes of the stack of this thread are free.
#[cfg(target_os = "linux")]
fn stack_left() -> usize {
    let local = 0_u8;
    let here = std::ptr::from_ref(&local).addr();
    let address = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    // Below the mapping of a stack there are only guard pages.
    let start = maps.lines().find_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        (address(start)..address(end)).contains(&here).then(|| address(start))
    });
    here - start.unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn its_threads_have_stacks_of_a_mebibyte() {
    // Runs in a separate process, because a thread may reuse the larger stack of an ended one.
    if !is_alone("client::its_threads_have_stacks_of_a_mebibyte") {
        return;
    }
    let path = std::env::temp_dir().join(format!("phaseflag-stack-{}", std::process::id()));
    let settings = PhaseFlagClient::builder("", "").bootstrap_file(&path).bootstrap_watch(RAPIDLY);
    let client = started(settings);
    let (sender, left) = std::sync::mpsc::channel();
    client.on_flags_changed(move |_| sender.send(stack_left()).unwrap());
    std::fs::write(&path, ruleset(1, &["a"])).unwrap();
    let left = left.recv_timeout(SOON).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(left.abs_diff(1 << 20) < 1 << 18, "{left}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_event_thread_starts_with_the_first_event() {
    // Runs in a separate process, because threads of other tests have the same names.
    if !is_alone("client::the_event_thread_starts_with_the_first_event") {
        return;
    }
    let delivers = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names = threads
            .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.any(|name| name == "phaseflag-event\n")
    };
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server));
    client.flush_events().unwrap();
    assert!(!delivers());
    client.track_event(EvaluationEvent::new("a"));
    wait_until("the thread", delivers);
    client.flush_events().unwrap();
    assert_eq!(client.statistics().events.delivered, 1);

    client.stop();
    wait_until("the end of the thread", || !delivers());
    client.track_event(EvaluationEvent::new("a"));
    for _ in 0..20 {
        assert!(!delivers());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
}

#[test]
fn a_second_start_does_nothing() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(NEVER));
    for _ in 0..10 {
        client.start().unwrap();
    }
    // A second poller would have made a request before these responses.
    for _ in 0..5 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(server.requests_to("/sdk/ruleset").len(), 1);
    assert_eq!(client.statistics().polls, 1);
}

#[test]
fn concurrent_starts_start_one_client() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.start().unwrap());
        }
    });
    client.wait_until_ready(SOON).unwrap();
    for _ in 0..5 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(server.requests_to("/sdk/ruleset").len(), 1);
}

#[test]
fn a_stopped_client_cannot_be_started() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for client in [
        builder(&server).build().unwrap(),
        ready(builder(&server)),
        PhaseFlagClient::builder("", "").build().unwrap(),
    ] {
        client.stop();
        client.stop();
        assert!(matches!(client.start(), Err(Error::Stopped)));
    }
}

#[test]
fn a_stopped_client_serves_the_last_rules() {
    let (_server, client) = serving(&ruleset(1, &["a"]));
    client.stop();
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(client.flags().len(), 1);
    client.set_override("a", false);
    assert!(!client.get_boolean_value("a", true, None));
}

#[test]
fn a_stopped_client_no_longer_polls() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    server.wait_for(5, "/sdk/ruleset");
    client.stop();
    // A poll in flight may still arrive; these responses come after it.
    client.evaluate("a", None).unwrap_err();
    let polls = server.requests_to("/sdk/ruleset").len();
    for _ in 0..10 {
        thread::sleep(RAPIDLY);
        client.evaluate("a", None).unwrap_err();
    }
    assert!(server.requests_to("/sdk/ruleset").len() <= polls + 1);
}

#[test]
fn wait_until_ready_ends_after_its_timeout() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server));
    let waited = Duration::from_millis(30);
    let start = Instant::now();
    let error = client.wait_until_ready(waited).unwrap_err();
    assert!((waited..waited + SOON).contains(&start.elapsed()));
    assert_eq!(error.to_string(), "the client was not ready within 30ms: no response yet");
    assert!(matches!(
        client.wait_until_ready(Duration::ZERO),
        Err(Error::NotReady { cause: None, .. })
    ));
}

#[test]
fn wait_until_ready_waits_for_a_start_and_says_that_none_came() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    let waited = Duration::from_millis(30);
    let start = Instant::now();
    let error = client.wait_until_ready(waited).unwrap_err();
    assert!((waited..waited + SOON).contains(&start.elapsed()));
    assert!(matches!(error, Error::NotStarted));
    client.start().unwrap();
    client.wait_until_ready(Duration::ZERO).unwrap();
}

#[test]
fn wait_until_ready_returns_the_last_failure() {
    let server = Server::start(|_| Reply::status(500));
    let client = started(builder(&server));
    wait_until("a failure", || client.statistics().last_failure.is_some());
    match client.wait_until_ready(Duration::ZERO) {
        Err(Error::NotReady { cause: Some(RequestError::Status { status: 500, .. }), .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn wait_until_ready_ends_at_once_if_the_key_is_refused() {
    for status in [401, 403] {
        let server =
            Server::start(move |_| Reply::status(status).with_body(r#"{"detail": "no such key"}"#));
        let client = started(builder(&server));
        let start = Instant::now();
        match client.wait_until_ready(NEVER) {
            Err(Error::KeyRefused { cause, .. }) => assert_eq!(cause.status(), Some(status)),
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < SOON);
        assert_eq!(client.state(), ClientState::KeyRefused);
        assert!(!client.is_ready());
    }
}

#[test]
fn wait_until_ready_ends_when_the_client_stops() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.wait_until_ready(NEVER));
        client.stop();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Stopped)));
    });
    assert!(matches!(client.wait_until_ready(NEVER), Err(Error::Stopped)));
}

#[test]
fn wait_until_ready_can_be_called_before_start() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.wait_until_ready(Duration::MAX));
        client.start().unwrap();
        waiting.join().unwrap().unwrap();
    });
    assert!(client.is_ready());
}

#[test]
fn a_value_of_another_type_gives_the_default() {
    let (_server, client) = serving(KINDS);
    let values = ["boolean", "string", "number", "json", "null", "mislabelled"].map(|key| {
        (
            client.get_boolean_value(key, false, None),
            client.get_string_value(key, "light", None),
            client.get_number_value(key, -1.0, None),
            client.get_json_value(key, "default", None).to_string(),
        )
    });
    let row = |boolean, string: &str, number, json: &str| {
        (boolean, string.to_owned(), number, json.to_owned())
    };
    assert_eq!(
        values,
        [
            row(true, "light", -1.0, "true"),
            row(false, "dark", -1.0, r#""dark""#),
            row(false, "light", 2.5, "2.5"),
            row(false, "light", -1.0, r#"{"limits":[1,2]}"#),
            row(false, "light", -1.0, r#""default""#),
            row(false, "text", -1.0, r#""text""#),
        ]
    );
}

#[test]
fn falsy_values_are_values() {
    let (_server, client) = serving(KINDS);
    assert!(!client.get_boolean_value("off", true, None));
    assert_eq!(client.get_number_value("odd", 7.0, None), 0.0);
    assert_eq!(client.get_string_value("archived", "default", None), "");
    assert_eq!(client.get_json_value("off", Value::Null, None), Value::from(false));
}

#[test]
fn an_unknown_flag_gives_the_default() {
    let (_server, client) = serving(KINDS);
    let not_started = PhaseFlagClient::builder("", "").build().unwrap();
    for client in [client, not_started] {
        assert!(client.get_boolean_value("unknown", true, None));
        assert_eq!(client.get_string_value("unknown", "x", None), "x");
        assert_eq!(client.get_number_value("unknown", 1.5, None), 1.5);
        assert_eq!(client.get_json_value("unknown", [1, 2], None), Value::from([1, 2]));
        assert_eq!(client.get_json_value("", Value::Null, None), Value::Null);
        assert_eq!(client.get_variation("unknown", None), None);
    }
}

#[test]
fn no_rules_give_the_default() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server));
    assert!(client.get_boolean_value("a", true, None));
    assert_eq!(client.get_variation("a", None), None);
    assert!(client.flags().is_empty());
    assert!(client.evaluate_all(None).is_empty());
    assert!(client.ruleset().is_none());
}

#[test]
fn the_default_context_is_for_calls_without_one() {
    let server = Server::with_ruleset(REASONS);
    let client = ready(builder(&server).default_context(pro()));
    let no_user = EvaluationContext::new();
    let other = EvaluationContext::new().user_id("user-2");
    assert!(client.get_boolean_value("targeted", false, None));
    assert!(!client.get_boolean_value("targeted", true, &no_user));
    assert!(!client.get_boolean_value("targeted", true, &other));
    assert!(client.get_boolean_value("targeted", false, &pro()));
    let reason = |context| client.get_variation("rolled-out", context).unwrap().reason();
    assert_eq!(reason(None), Reason::PercentageRollout);
    assert_eq!(reason(Some(&no_user)), Reason::Default);
    let all = |context| client.evaluate_all(context)["targeted"].reason();
    assert_eq!(all(None), Reason::TargetingMatch);
    assert_eq!(all(Some(&no_user)), Reason::Default);
}

#[test]
fn without_a_default_context_there_is_no_user() {
    let (_server, client) = serving(REASONS);
    assert!(!client.get_boolean_value("targeted", true, None));
    assert!(client.get_boolean_value("targeted", false, &pro()));
}

#[test]
fn a_variation_has_value_reason_and_key() {
    let (_server, client) = serving(REASONS);
    for (key, value, reason, variation_key) in [
        ("targeted", Value::from(true), "targeting_match", Some("on")),
        ("rolled-out", Value::from(true), "percentage_rollout", Some("on")),
        ("inactive", Value::from(false), "flag_inactive", Some("off")),
        ("gated", Value::from(false), "prerequisite_failed", Some("off")),
        ("dangling", Value::Null, "default", None),
    ] {
        let result = client.get_variation(key, &pro()).unwrap();
        assert_eq!(result.value(), &value, "{key}");
        assert_eq!(result.reason().as_str(), reason, "{key}");
        assert_eq!(result.reason().to_string(), reason, "{key}");
        assert_eq!(result.variation_key(), variation_key, "{key}");
    }
    assert_eq!(client.get_variation("unknown", &pro()), None);
}

#[test]
fn a_result_outlives_its_client() {
    let (_server, client) = serving(REASONS);
    let result = client.get_variation("targeted", &pro()).unwrap();
    drop(client);
    assert_eq!(result.value(), &Value::from(true));
    assert_eq!(result.variation_key(), Some("on"));
}

#[test]
fn flags_have_key_kind_and_state() {
    let (_server, client) = serving(KINDS);
    let flags = client.flags();
    let flags: Vec<_> = flags.iter().map(|flag| (flag.key(), flag.kind(), flag.is_on())).collect();
    assert_eq!(
        flags,
        [
            ("boolean", FlagKind::Boolean, true),
            ("string", FlagKind::String, true),
            ("number", FlagKind::Number, true),
            ("json", FlagKind::Json, true),
            ("null", FlagKind::Json, true),
            ("mislabelled", FlagKind::Boolean, true),
            ("odd", FlagKind::Unknown, true),
            ("off", FlagKind::Boolean, false),
            ("archived", FlagKind::Boolean, false),
        ]
    );
}

#[test]
fn all_flags_agree_with_single_evaluations() {
    for rules in [KINDS, REASONS] {
        let (_server, client) = serving(rules);
        let all = client.evaluate_all(&pro());
        assert_eq!(all.len(), client.flags().len());
        for (key, result) in all {
            assert_eq!(client.get_variation(&key, &pro()), Some(result), "{key}");
        }
    }
}

#[test]
fn all_flags_come_from_one_ruleset() {
    let keys: Vec<_> = (0..40).map(|number| format!("flag-{number}")).collect();
    let rules = [true, false].map(|value| {
        let flags: Vec<_> = keys.iter().map(|key| flag(key, value)).collect();
        let version = u64::from(value);
        format!(r#"{{"version": {version}, "flags": [{}]}}"#, flags.join(","))
    });
    let server = Server::start(move |request| Reply::json(rules[request.number % 2].clone()));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let mut seen = [0, 0];
    let deadline = Instant::now() + SOON;
    while seen.iter().any(|&count| count < 50) {
        assert!(Instant::now() < deadline, "{seen:?}");
        let all = client.evaluate_all(None);
        let first = all["flag-0"].value().clone();
        assert_eq!(all.len(), keys.len());
        assert!(all.values().all(|result| result.value() == &first));
        seen[usize::from(first == Value::from(true))] += 1;
    }
}

#[test]
fn the_ruleset_in_use_can_be_kept() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let kept = client.ruleset().unwrap();
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    wait_until("b", || client.get_boolean_value("b", false, None));
    assert!(kept.evaluate("a", None).is_some());
    assert_eq!(kept.version(), &Value::from(1));
    assert_eq!(client.ruleset().unwrap().version(), &Value::from(2));
    assert_eq!(client.get_variation("a", None), None);
}

#[test]
fn clones_share_one_client() {
    let (_server, client) = serving(&ruleset(1, &["a"]));
    let clone = client.clone();
    client.set_override("a", false);
    assert!(!clone.get_boolean_value("a", true, None));
    clone.stop();
    assert!(matches!(client.start(), Err(Error::Stopped)));
}

#[test]
fn a_dropped_clone_stops_nothing() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    drop(client.clone());
    let polls = server.requests_to("/sdk/ruleset").len();
    server.wait_for(polls + 3, "/sdk/ruleset");
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap();
}

#[test]
fn dropping_the_last_clone_stops_the_client() {
    let (server, client) = serving(&ruleset(1, &["a"]));
    let clones = [client.clone(), client.clone()];
    client.track_event(EvaluationEvent::new("a"));
    drop(client);
    drop(clones);
    assert_eq!(server.requests_to("/sdk/events").len(), 1);
}

#[test]
fn the_state_follows_the_service() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server)
        .polling_interval(RAPIDLY)
        .request_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    assert_eq!(client.state(), ClientState::NotReady);
    client.start().unwrap();
    assert_eq!(client.state(), ClientState::NotReady);
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    server.wait_for(1, "/sdk/ruleset");
    server.close_connections();
    wait_until("ready", || client.state() == ClientState::Ready);
    server.respond(|_| Reply::status(500).with("retry-after", "0"));
    let is_stale = |state| matches!(state, ClientState::Stale { age: Some(_), .. });
    wait_until("stale", || is_stale(client.state()));
    assert!(client.is_ready());
    assert!(client.get_boolean_value("a", false, None));
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    wait_until("ready again", || client.state() == ClientState::Ready);
    server.respond(|_| Reply::status(401));
    wait_until("refused", || client.state() == ClientState::KeyRefused);
    assert!(client.is_ready());
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn statistics_count_polls_and_events() {
    let server = Server::start(|request| match request.number {
        0 => Reply::json("[oops"),
        1 => Reply::status(503).with("retry-after", "0"),
        2 => Reply::json(ruleset(1, &["a"])),
        3 => Reply::json(ruleset(1, &["a"])),
        4 => Reply::json(ruleset(2, &["a", "b"])),
        _ => Reply::Hang,
    });
    let client = builder(&server)
        .polling_interval(RAPIDLY)
        .shutdown_timeout(Duration::ZERO)
        .build()
        .unwrap();
    let before = client.statistics();
    assert_eq!((before.polls, before.rulesets_accepted, before.rulesets_refused), (0, 0, 0));
    assert!(before.last_failure.is_none());
    assert_eq!(before.events.dropped(), 0);
    client.start().unwrap();
    server.wait_for(6, "/sdk/ruleset");
    client.track_event(EvaluationEvent::new("a"));
    let after = client.statistics();
    assert_eq!((after.polls, after.rulesets_accepted, after.rulesets_refused), (5, 2, 1));
    assert!(matches!(after.last_failure, Some(RequestError::Status { status: 503, .. })));
    assert_eq!((after.events.queued, after.events.delivered), (1, 0));
}

#[test]
fn everything_public_can_be_sent_and_shared() {
    fn check<T: std::fmt::Debug + Send + Sync>() {}
    check::<PhaseFlagClient>();
    check::<phaseflag::ClientBuilder>();
    check::<phaseflag::EvaluationContext>();
    check::<phaseflag::AttributeValue>();
    check::<phaseflag::EvaluationEvent>();
    check::<phaseflag::EvaluationResult>();
    check::<phaseflag::EvaluationDetails<phaseflag::Value>>();
    check::<phaseflag::Evaluation<'_>>();
    check::<phaseflag::Reason>();
    check::<phaseflag::FlagInfo>();
    check::<phaseflag::FlagsChanged>();
    check::<phaseflag::Subscription>();
    check::<phaseflag::Ruleset>();
    check::<phaseflag::Problem>();
    check::<phaseflag::Statistics>();
    check::<phaseflag::EventCounts>();
    check::<phaseflag::ClientState>();
    check::<phaseflag::Value>();
    check::<phaseflag::Number>();
    check::<phaseflag::Object>();
    check::<phaseflag::Error>();
    check::<phaseflag::BootstrapError>();
    check::<phaseflag::EvaluationError>();
    check::<phaseflag::RequestError>();
    check::<phaseflag::RulesetError>();
    check::<phaseflag::JsonError>();
    check::<phaseflag::ValueError>();
    check::<phaseflag::testing::TestFlags>();
    check::<phaseflag::testing::EventRecorder>();
    check::<phaseflag::testing::ScopedOverride>();
}
