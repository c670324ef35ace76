//! The function of `on_evaluation`: what it sees, when, and on which thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use miniserde::Deserialize;
use phaseflag::{ClientBuilder, Evaluation, EvaluationContext, PhaseFlagClient, Snapshot, Value};

use crate::support::SOON;

/// A flag of each type, and one for each reason.
const RULES: &str = r#"{"flags": [
    {"key": "boolean", "default_variation": "on", "variations": [{"key": "on", "value": true}]},
    {"key": "string", "default_variation": "s", "variations": [{"key": "s", "value": "text"}]},
    {"key": "number", "default_variation": "n", "variations": [{"key": "n", "value": 1.5}]},
    {"key": "large", "default_variation": "n",
     "variations": [{"key": "n", "value": 18446744073709551615}]},
    {"key": "zero", "default_variation": "n", "variations": [{"key": "n", "value": -0.0}]},
    {"key": "list", "default_variation": "l", "variations": [{"key": "l", "value": [1, "a"]}]},
    {"key": "null", "default_variation": "0", "variations": [{"key": "0", "value": null}]},
    {"key": "dangling", "default_variation": "gone"},
    {"key": "off", "enabled": false, "default_variation": "on",
     "variations": [{"key": "on", "value": true}]},
    {"key": "failed", "default_variation": "on", "variations": [{"key": "on", "value": true}],
     "prerequisites": [{"flag_key": "off", "variation_key": "on"}]},
    {"key": "targeted", "default_variation": "no",
     "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}],
     "prerequisites": [{"flag_key": "boolean", "variation_key": "on"}],
     "targeting_rules": [{"variation": "yes",
        "conditions": [{"attribute": "user_id", "operator": "is", "value": "ada"}]}]}]}"#;

/// What a hook saw, each evaluation as a line.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// Returns a hook that adds a line for each evaluation.
    fn hook(&self) -> impl Fn(&Evaluation<'_>) + Send + Sync + use<> {
        let seen = self.clone();
        move |evaluation| seen.0.lock().unwrap().push(line(evaluation))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Formats the key, the value, the variation, and the reason or the error.
fn line(evaluation: &Evaluation<'_>) -> String {
    let value = evaluation.value().map_or("-".to_owned(), Value::to_string);
    let variation = evaluation.variation_key().unwrap_or("-");
    let cause = match (evaluation.reason(), evaluation.error()) {
        (Some(reason), None) => reason.to_string(),
        (None, Some(error)) => error.to_string(),
        both => panic!("{both:?}"),
    };
    format!("{}: {value} {variation} {cause}", evaluation.key())
}

fn settings() -> ClientBuilder {
    PhaseFlagClient::builder("", "").bootstrap_text(RULES)
}

fn start(settings: ClientBuilder) -> PhaseFlagClient {
    let client = settings.build().unwrap();
    client.start().unwrap();
    client
}

/// Returns a client with these rules and a hook.
fn client() -> (PhaseFlagClient, Seen) {
    let seen = Seen::default();
    (start(settings().on_evaluation(seen.hook())), seen)
}

fn user(id: &str) -> EvaluationContext {
    EvaluationContext::new().user_id(id)
}

/// Calls all getters with the same defaults, of a client or a snapshot.
macro_rules! all_getters {
    ($flags:expr, $key:expr, $context:expr) => {{
        let (flags, key, context) = ($flags, $key, $context);
        vec![
            format!("{:?}", flags.get_boolean_value(key, false, context)),
            format!("{:?}", flags.get_string_value(key, "none", context)),
            format!("{:?}", flags.get_number_value(key, 7.0, context)),
            format!("{:?}", flags.get_number_value(key, f64::NAN, context)),
            format!("{:?}", flags.get_json_value(key, [0], context)),
            format!("{:?}", flags.get_variation(key, context)),
            format!("{:?}", flags.get_boolean_details(key, false, context)),
            format!("{:?}", flags.get_string_details(key, "none", context)),
            format!("{:?}", flags.get_number_details(key, 7.0, context)),
            format!("{:?}", flags.get_json_details(key, [0], context)),
            format!("{:?}", flags.get_json_as::<f64>(key, context)),
        ]
    }};
}

const KEYS: [&str; 12] = [
    "boolean", "string", "number", "large", "zero", "list", "null", "dangling", "off", "failed",
    "targeted", "unknown",
];

#[test]
fn a_hook_sees_what_the_callers_of_all_getters_received() {
    let (client, seen) = client();
    let snapshot = client.snapshot();
    for (key, expected) in [
        (
            "boolean",
            [
                "true on default",
                r#""none" - flag `boolean` serves a boolean, not a string"#,
                "7.0 - flag `boolean` serves a boolean, not a number",
                "null - flag `boolean` serves a boolean, not a number",
                "true on default",
                "true on default",
                "true on default",
                r#""none" - flag `boolean` serves a boolean, not a string"#,
                "7.0 - flag `boolean` serves a boolean, not a number",
                "true on default",
                "- - flag `boolean`: failed to read the value: a boolean was not expected",
            ],
        ),
        (
            "large",
            [
                "false - flag `large` serves a number, not a boolean",
                r#""none" - flag `large` serves a number, not a string"#,
                // The caller received the nearest float.
                "1.8446744073709552e+19 n default",
                "1.8446744073709552e+19 n default",
                "18446744073709551615 n default",
                "18446744073709551615 n default",
                "false - flag `large` serves a number, not a boolean",
                r#""none" - flag `large` serves a number, not a string"#,
                "1.8446744073709552e+19 n default",
                "18446744073709551615 n default",
                "18446744073709551615 n default",
            ],
        ),
        (
            "null",
            [
                "false - flag `null` serves null, not a boolean",
                r#""none" - flag `null` serves null, not a string"#,
                "7.0 - flag `null` serves null, not a number",
                "null - flag `null` serves null, not a number",
                "[0] - flag `null` serves null, not a value",
                "null 0 default",
                "false - flag `null` serves null, not a boolean",
                r#""none" - flag `null` serves null, not a string"#,
                "7.0 - flag `null` serves null, not a number",
                "[0] - flag `null` serves null, not a value",
                "- - flag `null`: failed to read the value: null was not expected",
            ],
        ),
        (
            "unknown",
            [
                "false - there is no flag `unknown`",
                r#""none" - there is no flag `unknown`"#,
                "7.0 - there is no flag `unknown`",
                "null - there is no flag `unknown`",
                "[0] - there is no flag `unknown`",
                "- - there is no flag `unknown`",
                "false - there is no flag `unknown`",
                r#""none" - there is no flag `unknown`"#,
                "7.0 - there is no flag `unknown`",
                "[0] - there is no flag `unknown`",
                "- - there is no flag `unknown`",
            ],
        ),
    ] {
        let expected = expected.map(|line| format!("{key}: {line}"));
        all_getters!(&client, key, None);
        assert_eq!(seen.take(), expected);
        all_getters!(&snapshot, key, None);
        assert_eq!(seen.take(), expected);
    }
    client.get_string_value("string", "", None);
    client.get_boolean_value("off", false, None);
    client.get_boolean_value("failed", false, None);
    client.get_boolean_value("targeted", false, &user("ada"));
    client.set_override("targeted", "always");
    client.get_string_value("targeted", "", None);
    client.get_boolean_value("targeted", false, None);
    client.snapshot().get_variation("targeted", None);
    assert_eq!(
        seen.take(),
        [
            r#"string: "text" s default"#,
            "off: true on flag_inactive",
            "failed: true on prerequisite_failed",
            "targeted: true yes targeting_match",
            r#"targeted: "always" - override"#,
            "targeted: false - flag `targeted` serves a string, not a boolean",
            r#"targeted: "always" - override"#,
        ]
    );
}

/// Returns what the getters return and count, with these settings.
fn returned(settings: ClientBuilder) -> Vec<String> {
    let client = start(settings);
    client.set_override("list", Value::from([Value::Null]));
    let ada = user("ada");
    let mut returned = Vec::new();
    for context in [None, Some(&ada)] {
        for key in KEYS {
            returned.extend(all_getters!(&client, key, context));
            returned.extend(all_getters!(&client.snapshot(), key, context));
        }
        returned.push(format!("{:?}", client.evaluate_all(context)));
    }
    let statistics = client.statistics();
    returned.push(format!("{} {:?}", statistics.defaults_served, statistics.unknown_flags));
    returned
}

#[test]
fn a_hook_changes_nothing_that_callers_receive() {
    let without = returned(settings());
    assert!(without.contains(&"-0.0".to_owned()) && without.contains(&"NaN".to_owned()));
    assert_eq!(returned(settings().on_evaluation(|_| {})), without);
    assert_eq!(returned(settings().on_evaluation(|_| panic!("a hook"))), without);
}

#[test]
fn a_hook_sees_the_context_of_the_evaluation() {
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let kept = contexts.clone();
    let settings = settings()
        .default_context(user("default"))
        .on_evaluation(move |it| kept.lock().unwrap().push(it.context().clone()));
    let client = start(settings);
    let passed = user("passed").attribute("plan", "pro");
    for context in [None, Some(&passed)] {
        all_getters!(&client, "boolean", context);
        all_getters!(&client.snapshot(), "unknown", context);
        client.evaluate_all(context);
        let seen = std::mem::take(&mut *contexts.lock().unwrap());
        // Each of the flags but `unknown`.
        assert_eq!(seen.len(), 11 + 11 + KEYS.len() - 1);
        let expected = context.cloned().unwrap_or_else(|| user("default"));
        assert!(seen.iter().all(|context| *context == expected), "{seen:?}");
    }
    let (client, seen) = self::client();
    client.get_boolean_value("boolean", false, None);
    assert_eq!(seen.take().len(), 1);
}

#[test]
fn a_hook_sees_each_flag_of_evaluate_all_once_and_no_prerequisites() {
    let (client, seen) = client();
    client.get_boolean_value("targeted", true, None);
    assert_eq!(seen.take(), ["targeted: false no default"]);
    client.set_override("number", 2);
    client.set_override("extra", true);
    let expected = [
        "boolean: true on default",
        "dangling: null - default",
        "extra: true - override",
        "failed: true on prerequisite_failed",
        "large: 18446744073709551615 n default",
        r#"list: [1,"a"] l default"#,
        "null: null 0 default",
        "number: 2 - override",
        "off: true on flag_inactive",
        r#"string: "text" s default"#,
        "targeted: true yes targeting_match",
        "zero: -0.0 n default",
    ];
    assert_eq!(client.evaluate_all(&user("ada")).len(), expected.len());
    assert_eq!(seen.take(), expected);
    client.snapshot().evaluate_all(&user("ada"));
    assert_eq!(seen.take(), expected);
}

#[test]
fn a_hook_sees_evaluations_before_the_start_and_after_the_stop() {
    let seen = Seen::default();
    let client = settings().on_evaluation(seen.hook()).build().unwrap();
    client.get_boolean_value("boolean", false, None);
    client.set_override("boolean", true);
    client.get_boolean_value("boolean", false, None);
    client.clear_override("boolean");
    client.start().unwrap();
    client.stop();
    client.get_boolean_value("boolean", false, None);
    assert_eq!(
        seen.take(),
        [
            "boolean: false - flag `boolean`: no rules yet",
            "boolean: true - override",
            "boolean: true on default",
        ]
    );
}

#[test]
fn a_hook_runs_on_the_thread_of_the_caller() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let kept = threads.clone();
    let hook = move |_: &Evaluation<'_>| kept.lock().unwrap().push(thread::current().id());
    let client = start(settings().on_evaluation(hook));
    let own = thread::current().id();
    client.get_boolean_value("boolean", false, None);
    let other = thread::spawn(move || {
        client.get_boolean_value("boolean", false, None);
        thread::current().id()
    });
    let other = other.join().unwrap();
    assert_eq!(*threads.lock().unwrap(), [own, other]);
}

/// Calls a client on another thread. Returns whether the call returned.
fn returns(call: impl FnOnce() + Send + 'static) -> bool {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        call();
        let _ = done.send(());
    });
    outcome.recv_timeout(SOON).is_ok()
}

/// Returns a client whose hook calls `act` with the client.
fn acting(
    settings: ClientBuilder,
    act: impl Fn(&PhaseFlagClient, &Evaluation<'_>) + Send + Sync + 'static,
) -> PhaseFlagClient {
    let handle = Arc::new(OnceLock::<PhaseFlagClient>::new());
    let own = handle.clone();
    let client = start(settings.on_evaluation(move |evaluation| {
        if let Some(client) = own.get() {
            act(client, evaluation);
        }
    }));
    handle.set(client.clone()).unwrap();
    client
}

#[test]
fn a_hook_may_call_any_method_and_its_evaluations_are_not_reported() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let (other, seen) = client();
    let client = acting(settings(), move |client, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        all_getters!(client, "boolean", None);
        all_getters!(&client.snapshot(), "unknown", None);
        client.evaluate_all(None);
        // A hook of another client, which could call this one.
        other.get_boolean_value("boolean", false, None);
        client.set_override("extra", 1);
        client.clear_override("extra");
        client.clear_all_overrides();
        client.on_flags_changed(|_| {}).unsubscribe();
        let _ = client.statistics();
        let _ = client.flush_events();
        client.stop();
    });
    client.set_override("overridden", true);
    let caller = client.clone();
    assert!(returns(move || _ = caller.get_boolean_value("overridden", false, None)));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let caller = client.clone();
    assert!(returns(move || _ = all_getters!(&caller, "string", None)));
    assert_eq!(calls.load(Ordering::Relaxed), 12);
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn a_hook_on_one_thread_hides_no_evaluation_of_another() {
    let seen = Seen::default();
    let lines = seen.clone();
    let client = acting(settings(), move |client, evaluation| {
        lines.0.lock().unwrap().push(evaluation.key().to_owned());
        if evaluation.key() == "boolean" {
            let client = client.clone();
            assert!(returns(move || _ = client.get_string_value("string", "", None)));
        }
    });
    let caller = client.clone();
    assert!(returns(move || _ = caller.get_boolean_value("boolean", false, None)));
    assert_eq!(seen.take(), ["boolean", "string"]);
}

#[test]
fn the_evaluation_after_a_panic_is_reported() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let client = start(settings().on_evaluation(move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) < 2 {
            panic!("a hook");
        }
    }));
    for call in 1..=4 {
        assert!(client.get_boolean_value("boolean", false, None));
        assert_eq!(calls.load(Ordering::Relaxed), call);
    }
    assert_eq!(client.evaluate_all(None).len(), KEYS.len() - 1);
    assert_eq!(calls.load(Ordering::Relaxed), 4 + KEYS.len() - 1);
}

#[test]
fn a_panic_of_the_payload_does_not_reach_the_caller() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a payload");
        }
    }
    let client = start(settings().on_evaluation(|_| std::panic::panic_any(Bomb)));
    assert!(client.get_boolean_value("boolean", false, None));
    assert!(client.snapshot().get_boolean_value("boolean", false, None));
}

/// Evaluates a flag when its thread ends.
struct Late(PhaseFlagClient, mpsc::Sender<bool>);

impl Drop for Late {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.get_boolean_value("boolean", false, None));
    }
}

thread_local! {
    static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn an_evaluation_in_the_destructor_of_a_thread_local_is_reported() {
    let (client, seen) = client();
    let (sender, value) = mpsc::channel();
    let late = Late(client, sender);
    thread::spawn(move || LATE.with(|place| *place.borrow_mut() = Some(late))).join().unwrap();
    assert_eq!(value.recv_timeout(SOON), Ok(true));
    assert_eq!(seen.take(), ["boolean: true on default"]);
}

#[test]
fn a_hook_lives_as_long_as_its_client_and_snapshots() {
    let token = Arc::new(());
    let held = token.clone();
    let client = start(settings().on_evaluation(move |_| drop(held.clone())));
    assert_eq!(Arc::strong_count(&token), 2);
    let snapshot: Snapshot = client.snapshot();
    drop(client);
    assert!(snapshot.get_boolean_value("boolean", false, None));
    assert_eq!(Arc::strong_count(&token), 2);
    drop(snapshot);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_second_hook_replaces_the_first_and_clones_of_a_builder_share_it() {
    let (first, second) = (Seen::default(), Seen::default());
    let settings = settings().on_evaluation(first.hook()).on_evaluation(second.hook());
    for settings in [settings.clone(), settings] {
        start(settings).get_boolean_value("boolean", false, None);
    }
    assert_eq!(first.take(), [""; 0]);
    assert_eq!(second.take().len(), 2);
}

#[test]
fn a_hook_sees_the_value_before_it_is_deserialized() {
    #[derive(Debug, Deserialize)]
    struct Limits {
        most: u32,
    }
    let (client, seen) = client();
    client.set_override("limits", phaseflag::Object::from([("most", 50), ("least", 1)]));
    assert_eq!(client.get_json_as::<Limits>("limits", None).unwrap().most, 50);
    client.set_override("limits", phaseflag::Object::from([("most", -1)]));
    client.get_json_as::<Limits>("limits", None).unwrap_err();
    let lines = seen.take();
    assert_eq!(lines[0], r#"limits: {"least":1,"most":50} - override"#);
    assert!(lines[1].starts_with("limits: - - flag `limits`: failed to read `most`"), "{lines:?}");
}

#[cfg(feature = "serde")]
#[test]
fn a_hook_sees_values_that_serde_deserializes() {
    let (client, seen) = client();
    assert_eq!(client.get_json_as_serde::<f64>("number", None).unwrap(), 1.5);
    client.snapshot().get_json_as_serde::<bool>("number", None).unwrap_err();
    let lines = seen.take();
    assert_eq!(lines[0], "number: 1.5 n default");
    assert!(lines[1].starts_with("number: - - flag `number`: "), "{lines:?}");
}

#[cfg(feature = "http")]
mod with_a_service {
    use std::time::Duration;

    use log::Level;

    use super::*;
    use crate::logger;
    use crate::support::{
        NEVER, RAPIDLY, Reply, Server, builder, ready, ruleset, started, wait_until,
    };

    /// New rules come into force only if no thread holds a lock of the rules.
    #[test]
    fn new_rules_come_into_force_while_a_hook_runs() {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = acting(builder(&server).polling_interval(RAPIDLY), |client, _| {
            let before = client.statistics().rulesets_loaded;
            wait_until("new rules", || client.statistics().rulesets_loaded > before);
        });
        client.wait_until_ready(SOON).unwrap();
        let version = AtomicUsize::new(1);
        server.respond(move |_| {
            Reply::json(ruleset(version.fetch_add(1, Ordering::Relaxed) as u64, &["a", "b"]))
        });
        let getters: [fn(&PhaseFlagClient); 5] = [
            |client| assert!(client.get_boolean_value("a", false, None)),
            |client| assert!(client.get_variation("a", None).is_some()),
            |client| assert!(*client.get_boolean_details("a", false, None).value()),
            |client| assert_eq!(client.get_string_value("a", "none", None), "none"),
            |client| assert!(!client.get_boolean_value("unknown", false, None)),
        ];
        // Each set of rules differs from the one before.
        let flags = AtomicUsize::new(0);
        server.respond(move |_| {
            let other = format!("flag-{}", flags.fetch_add(1, Ordering::Relaxed));
            Reply::json(ruleset(2, &["a", &other]))
        });
        for getter in getters {
            let caller = client.clone();
            assert!(returns(move || getter(&caller)));
        }
        client.stop();
    }

    #[test]
    fn recorded_evaluations_are_the_same_with_a_hook() {
        let record = |hook: bool| {
            let server = Server::with_ruleset(RULES);
            let seen = Seen::default();
            let settings = builder(&server).record_evaluations(true).event_flush_interval(NEVER);
            let settings = match hook {
                true => settings.on_evaluation(seen.hook()),
                false => settings,
            };
            let client = ready(settings.polling_interval(NEVER));
            for key in KEYS {
                all_getters!(&client, key, &user("ada"));
                all_getters!(&client.snapshot(), key, &user("bob"));
            }
            client.set_override("boolean", false);
            client.get_boolean_value("boolean", true, &user("eve"));
            client.evaluate_all(&user("eve"));
            client.flush_events().unwrap();
            let seen = seen.take().len();
            assert_eq!(seen, if hook { 22 * KEYS.len() + 1 + KEYS.len() - 1 } else { 0 });
            let request = &server.requests_to("/sdk/events")[0];
            let body = request.json();
            let events = body["events"].as_array().unwrap();
            let name = |event: &Value| {
                format!("{} {} {}", event["flag_key"], event["variation_key"], event["user_id"])
            };
            events.iter().map(name).collect::<Vec<_>>()
        };
        let without = record(false);
        assert_eq!(without.len(), 2 * (KEYS.len() - 1), "{without:?}");
        assert_eq!(record(true), without);
    }

    #[test]
    fn the_first_panic_of_a_hook_is_logged() {
        logger::listen();
        let client = start(settings().on_evaluation(|_| panic!("a hook")));
        let own = thread::current().id();
        for _ in 0..3 {
            client.get_boolean_value("boolean", false, None);
            client.snapshot().get_boolean_value("boolean", false, None);
        }
        let lines = logger::lines();
        let own = lines.iter().filter(|line| line.thread == own && line.level == Level::Warn);
        let panics: Vec<_> = own.map(|line| &line.text).filter(|it| it.contains("panic")).collect();
        assert_eq!(panics, ["the function of `on_evaluation` panicked"]);
    }

    #[test]
    fn a_remote_evaluation_is_not_reported() {
        let server = Server::start(|_| {
            Reply::json(r#"{"flag_key": "a", "value": true, "reason": "default"}"#)
        });
        let seen = Seen::default();
        let client = started(builder(&server).polling_interval(NEVER).on_evaluation(seen.hook()));
        assert_eq!(client.evaluate("a", None).unwrap().value(), &Value::from(true));
        client.set_override("a", false);
        assert_eq!(client.evaluate("a", None).unwrap().value(), &Value::from(false));
        assert_eq!(seen.take(), [""; 0]);
    }

    /// The cause is the failure of the service.
    #[test]
    fn a_hook_sees_why_there_are_no_rules() {
        let server = Server::start(|_| Reply::status(403));
        let causes = Arc::new(Mutex::new(Vec::new()));
        let kept = causes.clone();
        let client = started(builder(&server).on_evaluation(move |evaluation| {
            let error = evaluation.error().map(|error| format!("{error:#}"));
            kept.lock().unwrap().push(error);
        }));
        client.wait_until_ready(Duration::from_secs(60)).unwrap_err();
        client.get_boolean_value("a", false, None);
        let causes = causes.lock().unwrap();
        let [Some(cause)] = &**causes else { panic!("{causes:?}") };
        assert!(cause.starts_with("flag `a`: no rules yet: ") && cause.contains("403"), "{cause}");
    }
}
