//! The test helpers of the crate for programs that use it.

use std::error::Error as StdError;
use std::sync::Barrier;
use std::thread;
use std::time::SystemTime;

use phaseflag::testing::{EventRecorder, ScopedOverride, TestFlags, override_scoped};
use phaseflag::{
    ClientState, Error, EvaluationContext, EvaluationEvent, FlagKind, Object, PhaseFlagClient,
    Reason, Value,
};

#[cfg(target_os = "linux")]
use crate::alone::is_alone;

/// Two flags, one of them with a rule, and a segment.
const RULES: &str = r#"{
    "segments": [{"key": "pros", "conditions": [
        {"attribute": "plan", "operator": "is", "value": "pro"}]}],
    "flags": [
        {"key": "beta", "default_variation": "no",
         "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}],
         "targeting_rules": [{"variation": "yes", "segment_id": "pros"}]},
        {"key": "theme", "default_variation": "v",
         "variations": [{"key": "v", "value": "light"}]}]}"#;

fn user(user_id: &str) -> EvaluationContext {
    EvaluationContext::new().user_id(user_id)
}

fn theme(client: &PhaseFlagClient) -> String {
    client.get_string_value("theme", "default", None)
}

fn keys(events: &[EvaluationEvent]) -> Vec<&str> {
    events.iter().map(EvaluationEvent::get_flag_key).collect()
}

#[test]
fn flags_of_each_type_are_served_at_once() {
    let client = TestFlags::new()
        .boolean("boolean", true)
        .string("string", "text")
        .number("number", 2.5)
        .json("json", [1, 2])
        .json("null", Value::Null)
        .build()
        .unwrap();
    assert_eq!((client.is_ready(), client.state()), (true, ClientState::Ready));
    assert!(client.get_boolean_value("boolean", false, None));
    assert_eq!(client.get_string_value("string", "", None), "text");
    assert_eq!(client.get_number_value("number", 0.0, None), 2.5);
    assert_eq!(client.get_json_value("json", Value::Null, None), Value::from([1, 2]));
    assert_eq!(client.get_json_value("null", 7, None), Value::from(7));
    assert_eq!(client.get_variation("unknown", None), None);
    let kinds: Vec<_> =
        client.flags().iter().map(|flag| (flag.key().to_owned(), flag.kind())).collect();
    assert_eq!(
        kinds,
        [
            ("boolean".to_owned(), FlagKind::Boolean),
            ("json".to_owned(), FlagKind::Json),
            ("null".to_owned(), FlagKind::Json),
            ("number".to_owned(), FlagKind::Number),
            ("string".to_owned(), FlagKind::String),
        ]
    );
    for (key, result) in client.evaluate_all(None) {
        assert_eq!(result.reason(), Reason::Default, "{key}");
        assert_eq!(result.variation_key(), Some("default"), "{key}");
    }
    assert_eq!(client.ruleset().unwrap().problems(), []);
}

#[test]
fn a_client_without_flags_has_rules() {
    let client = TestFlags::new().build().unwrap();
    assert!(client.is_ready() && client.has_rules());
    let details = client.get_boolean_details("a", true, None);
    assert_eq!(details.error().unwrap().to_string(), "there is no flag `a`");
}

#[test]
fn a_number_may_have_any_type_that_fits() {
    let client = TestFlags::new().number("i32", -20).number("u8", 7u8).number("f32", 0.5f32);
    let client = client.number("u32", u32::MAX).number("f64", 2.5).build().unwrap();
    let number = |key| client.get_number_value(key, 0.0, None);
    assert_eq!(
        ["i32", "u8", "f32", "u32", "f64"].map(number),
        [-20.0, 7.0, 0.5, 4294967295.0, 2.5]
    );
}

/// Returns the message of a panic, or an empty text if there is none.
fn panic_of<T>(call: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(_) => String::new(),
        Err(panic) => panic.downcast_ref::<String>().unwrap().clone(),
    }
}

#[test]
fn a_strict_client_panics_on_an_unknown_flag() {
    let flags = TestFlags::new().rules(RULES).boolean("a", true).for_user("b", "ada", 1);
    let client = flags.strict().build().unwrap();
    type Call = fn(&PhaseFlagClient, &str);
    let calls: [Call; 9] = [
        |client, key| {
            let _ = client.get_boolean_value(key, false, None);
        },
        |client, key| {
            let _ = client.get_string_value(key, "", None);
        },
        |client, key| {
            let _ = client.get_number_value(key, 0.0, None);
        },
        |client, key| {
            let _ = client.get_json_value(key, 0, None);
        },
        |client, key| {
            let _ = client.get_variation(key, None);
        },
        |client, key| {
            let _ = client.get_boolean_details(key, false, None);
        },
        |client, key| {
            let _ = client.get_json_as::<bool>(key, None);
        },
        |client, key| {
            let _ = client.snapshot().get_boolean_value(key, false, None);
        },
        |client, key| {
            let _ = client.snapshot().get_variation(key, None);
        },
    ];
    for call in calls {
        // Each time, not only the first one.
        for _ in 0..2 {
            assert_eq!(panic_of(|| call(&client, "c\n")), r"`TestFlags` has no flag `c\n`");
        }
        // Values of other types, and a flag without a value for everybody, are known.
        for key in ["a", "b", "beta", "theme"] {
            assert_eq!(panic_of(|| call(&client, key)), "");
        }
        let _overridden = override_scoped(&client, "c\n", true);
        assert_eq!(panic_of(|| call(&client, "c\n")), "");
    }
    let long = "k".repeat(300);
    assert_ne!(panic_of(|| client.get_boolean_value(&long, false, None)), "");
    // The client works on.
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(client.evaluate_all(None).len(), 4);
    let lenient = TestFlags::new().build().unwrap();
    assert!(calls.iter().all(|call| panic_of(|| call(&lenient, "c")).is_empty()));
}

#[test]
fn a_user_may_be_served_another_value() {
    let client = TestFlags::new()
        .for_user("beta", "ada", true)
        .boolean("beta", false)
        .for_user("beta", "default", true)
        .for_user("theme", "ada", "light")
        .for_user("theme", "ada", "dark")
        .build()
        .unwrap();
    for (key, context, expected) in [
        ("beta", user("ada"), "true targeting_match for ada"),
        ("beta", user("default"), "true targeting_match for default"),
        ("beta", user("bob"), "false default default"),
        ("theme", user("ada"), "\"dark\" targeting_match for ada"),
        ("theme", user("bob"), "null default -"),
    ] {
        let result = client.get_variation(key, &context).unwrap();
        let variation = result.variation_key().unwrap_or("-");
        assert_eq!(format!("{} {} {variation}", result.value(), result.reason()), expected);
    }
    assert_eq!(client.get_string_value("theme", "default", &user("bob")), "default");
    assert_eq!(client.ruleset().unwrap().problems(), []);
}

#[test]
fn the_default_context_is_for_calls_that_pass_none() {
    let flags = TestFlags::new().boolean("beta", false).for_user("beta", "ada", true);
    let client = flags.default_context(user("ada")).build().unwrap();
    assert!(client.get_boolean_value("beta", false, None));
    assert!(client.snapshot().get_boolean_value("beta", false, None));
    assert!(!client.get_boolean_value("beta", true, &user("bob")));
    assert!(!client.get_boolean_value("beta", true, &EvaluationContext::new()));
}

#[test]
fn the_last_value_of_a_key_wins() {
    let base = TestFlags::new().boolean("a", true).for_user("a", "ada", "x");
    let client = base.clone().string("a", "one").string("a", "two").build().unwrap();
    assert_eq!(client.get_string_value("a", "", None), "two");
    assert_eq!(client.get_string_value("a", "", &user("ada")), "x");
    assert_eq!(client.flags().len(), 1);
    assert!(base.build().unwrap().get_boolean_value("a", false, None));
}

#[test]
fn every_form_of_rules_can_be_the_base() {
    let list = Value::from(RULES.parse::<Value>().unwrap()["flags"].as_array().unwrap());
    let segments = RULES.parse::<Value>().unwrap()["segments"].clone();
    let around = |flags: Value| {
        Object::from([("segments", segments.clone()), ("data", flags), ("version", 7.into())])
    };
    let forms = [
        RULES.to_owned(),
        format!("\u{feff}{{\"data\": {RULES}, \"flags\": null}}"),
        Value::from(around(list.clone())).to_string(),
        Value::from(around(Object::from([("flags", list)]).into())).to_string(),
    ];
    let pro = EvaluationContext::new().attribute("plan", "pro");
    for rules in forms {
        let flags = TestFlags::new().boolean("extra", true).string("theme", "dark").rules(&rules);
        let client = flags.build().unwrap();
        assert!(client.get_boolean_value("beta", false, &pro), "{rules}");
        assert!(!client.get_boolean_value("beta", true, None), "{rules}");
        assert!(client.get_boolean_value("extra", false, None), "{rules}");
        assert_eq!(theme(&client), "dark", "{rules}");
        assert_eq!(client.flags().len(), 3, "{rules}");
        assert_eq!(client.ruleset().unwrap().problems(), [], "{rules}");
    }
}

/// Returns a value of that many nested lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

#[test]
fn a_value_may_nest_as_deeply_as_rules_allow() {
    for rules in ["[]", r#"{"flags": []}"#, r#"{"data": {"flags": []}}"#] {
        let flags = TestFlags::new().rules(rules);
        let flags = flags.json("deep", nested(122)).for_user("theirs", "ada", nested(122));
        let client = flags.build().unwrap();
        assert_eq!(client.get_json_value("deep", 0, None), nested(122));
        assert_eq!(client.get_json_value("theirs", 0, &user("ada")), nested(122));
    }
    for flags in [
        TestFlags::new().json("deep", nested(123)),
        TestFlags::new().json("deep", 1).for_user("deep", "ada", nested(100_000)),
    ] {
        let error = flags.build().unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { setting: "TestFlags", .. }));
        assert_eq!(
            error.to_string(),
            "failed to build client: `TestFlags` has a value that nests deeper than 122 levels, \
             for the flag `deep`"
        );
    }
}

#[test]
fn a_number_is_exact() {
    for number in
        [0.1, -0.1, 0.1 + 0.2, 1.0 / 3.0, 123_456_789.123_456_79, 1e300 / 3.0, f64::MAX, 5e-324]
    {
        let client = TestFlags::new().number("n", number).build().unwrap();
        let served = client.get_number_value("n", 0.0, None);
        assert_eq!(served.to_bits(), number.to_bits());
    }
}

#[test]
fn a_non_finite_number_is_null() {
    let client = TestFlags::new()
        .json("json", f64::INFINITY)
        .number("number", 1.0)
        .for_user("number", "ada", f64::NAN)
        .build()
        .unwrap();
    assert_eq!(client.get_variation("json", None).unwrap().value(), &Value::Null);
    assert_eq!(client.get_number_value("json", 7.0, None), 7.0);
    assert_eq!(client.get_number_value("number", 7.0, &user("ada")), 7.0);
    assert_eq!(client.get_number_value("number", 7.0, None), 1.0);
}

#[test]
fn a_value_that_cannot_be_served_is_an_error() {
    let sentence = |flags: TestFlags| format!("{:#}", flags.build().unwrap_err());
    let no_key = "failed to build client: `TestFlags` has a flag without a key";
    assert_eq!(sentence(TestFlags::new().boolean("", true)), no_key);
    assert_eq!(sentence(TestFlags::new().for_user("", "ada", true)), no_key);
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            sentence(TestFlags::new().number("n", number)),
            "failed to build client: `TestFlags` has a number that is not finite, for the flag `n`"
        );
    }
    for (rules, cause) in [
        ("{\n  nonsense", "a missing key at line 2, column 3"),
        ("{}", "expected a list of flags at `flags`, found nothing"),
        ("7", "expected a list of flags, found a number"),
    ] {
        let error = TestFlags::new().rules(rules).build().unwrap_err();
        assert!(matches!(error, Error::Bootstrap { .. }));
        assert_eq!(error.to_string(), "failed to load bootstrap `TestFlags::rules`");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, format!("failed to parse ruleset: {cause}"));
    }
}

#[test]
fn events_are_recorded_in_order() {
    let events = EventRecorder::new();
    let client = TestFlags::new().events(&events).build().unwrap();
    assert_eq!(events.all(), []);
    let before = SystemTime::now();
    client.track_event(
        EvaluationEvent::new("checkout")
            .variation_key("on")
            .user_id("ada")
            .metadata("page", "basket")
            .metadata("items", 3),
    );
    let then = SystemTime::UNIX_EPOCH;
    client.clone().track_event(EvaluationEvent::new("theme").timestamp(then));
    client.track_event(EvaluationEvent::new("checkout"));
    client.flush_events().unwrap();

    let all = events.all();
    assert_eq!(keys(&all), ["checkout", "theme", "checkout"]);
    let first = &all[0];
    assert_eq!(first.get_variation_key(), Some("on"));
    assert_eq!(first.get_user_id(), Some("ada"));
    assert_eq!(
        first.get_metadata(),
        &Object::from([("page", Value::from("basket")), ("items", 3.into())])
    );
    let tracked = first.get_timestamp().unwrap();
    assert!(before <= tracked && tracked <= SystemTime::now());
    assert_eq!(all[1].get_timestamp(), Some(then));
    assert_eq!((all[2].get_variation_key(), all[2].get_user_id()), (None, None));
    assert!(all[2].get_metadata().is_empty());
    assert_eq!(EvaluationEvent::new("checkout").get_timestamp(), None);

    assert_eq!(events.of("checkout"), [all[0].clone(), all[2].clone()]);
    assert_eq!(events.of("unknown"), []);
    assert_eq!(events.clone().take(), all);
    assert_eq!(events.take(), []);
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.queued, counts.dropped()), (3, 0, 0));
}

#[test]
fn events_after_stop_are_dropped_and_counted() {
    let events = EventRecorder::new();
    let client = TestFlags::new().boolean("a", true).events(&events).build().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    client.stop();
    client.track_event(EvaluationEvent::new("b"));
    client.stop_now();
    assert_eq!(keys(&events.all()), ["a"]);
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.dropped_undelivered), (1, 1));
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn without_a_recorder_events_are_dropped_and_counted() {
    let client = TestFlags::new().build().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
    client.stop();
    client.track_event(EvaluationEvent::new("a"));
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_undelivered), (0, 2));
}

#[test]
fn evaluations_may_be_recorded() {
    let events = EventRecorder::new();
    let flags = TestFlags::new().boolean("beta", false).for_user("beta", "ada", true);
    let flags = flags.string("theme", "dark").events(&events);
    let client = flags.clone().record_evaluations(true).build().unwrap();
    let snapshot = client.snapshot();
    for _ in 0..2 {
        assert!(client.get_boolean_value("beta", false, &user("ada")));
        assert!(!snapshot.get_boolean_value("beta", true, &user("bob")));
        assert_eq!(theme(&client), "dark");
        assert_eq!(client.get_variation("unknown", None), None);
    }
    let light = override_scoped(&client, "theme", "light");
    assert_eq!(client.get_string_value("theme", "", &user("ada")), "light");
    client.track_event(EvaluationEvent::new("beta"));

    let lines: Vec<_> = events
        .take()
        .iter()
        .map(|event| {
            let [user, variation] = [event.get_user_id(), event.get_variation_key()];
            let reason = event.get_metadata().get("reason").and_then(Value::as_str);
            let parts = [Some(event.get_flag_key()), user, variation, reason];
            parts.map(|part| part.unwrap_or("-")).join(" ")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "beta ada for ada targeting_match",
            "beta bob default default",
            "theme - default default",
            "beta - - -"
        ]
    );
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.queued, counts.dropped()), (4, 0, 0));

    // After stop, evaluations are neither recorded nor counted as dropped.
    client.stop();
    assert!(!client.get_boolean_value("beta", true, &user("eve")));
    assert_eq!((events.all(), client.statistics().events.dropped()), (vec![], 0));
    drop(light);

    // Recording needs both the setting and a recorder.
    for flags in [flags, TestFlags::new().boolean("beta", true).record_evaluations(true)] {
        let client = flags.build().unwrap();
        client.get_boolean_value("beta", false, None);
        assert_eq!((events.all(), client.statistics().events.dropped()), (vec![], 0));
    }
}

#[test]
fn the_first_ten_thousand_evaluations_are_recorded() {
    let events = EventRecorder::new();
    let flags = TestFlags::new().boolean("beta", true).events(&events);
    let client = flags.record_evaluations(true).build().unwrap();
    for number in 0..=10_000 {
        assert!(client.get_boolean_value("beta", false, &user(&number.to_string())));
    }
    assert_eq!(events.all().len(), 10_000);
    let counts = client.statistics().events;
    assert_eq!((counts.dropped_interval_full, counts.dropped()), (1, 0));
}

#[test]
fn many_threads_and_clients_share_a_recorder() {
    const EACH: usize = 1000;
    let events = EventRecorder::new();
    let clients: Vec<_> =
        (0..2).map(|_| TestFlags::new().events(&events).build().unwrap()).collect();
    thread::scope(|scope| {
        for (number, client) in clients.iter().chain(&clients).enumerate() {
            scope.spawn(move || {
                for count in 0..EACH {
                    let event = EvaluationEvent::new(format!("thread-{number}"));
                    client.track_event(event.metadata("count", count));
                }
            });
        }
    });
    assert_eq!(events.all().len(), 4 * EACH);
    for number in 0..4 {
        let counts: Vec<_> = events
            .of(&format!("thread-{number}"))
            .iter()
            .map(|event| event.get_metadata().get("count").unwrap().as_u64().unwrap())
            .collect();
        assert_eq!(counts, (0..EACH as u64).collect::<Vec<_>>());
    }
    for client in clients {
        let counts = client.statistics().events;
        assert_eq!((counts.delivered, counts.queued), (2 * EACH as u64, 0));
    }
}

#[test]
fn scoped_overrides_undo_themselves() {
    let client = TestFlags::new().string("theme", "light").build().unwrap();
    let dark = override_scoped(&client, "theme", "dark");
    assert_eq!(theme(&client), "dark");
    assert_eq!(client.get_variation("theme", None).unwrap().reason(), Reason::Override);
    drop(dark);
    assert_eq!(theme(&client), "light");
    assert_eq!(client.get_variation("theme", None).unwrap().reason(), Reason::Default);

    // The earlier override is back.
    client.set_override("theme", "dim");
    drop(override_scoped(&client, "theme", "dark"));
    assert_eq!(theme(&client), "dim");
    // The override of another flag is unchanged.
    let extra = override_scoped(&client, "extra", true);
    client.clear_override("theme");
    drop(extra);
    assert_eq!(theme(&client), "light");
    assert_eq!(client.get_variation("extra", None), None);
}

#[test]
fn nested_scoped_overrides_can_be_dropped_in_any_order() {
    for before in [None, Some("before")] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let client = TestFlags::new().build().unwrap();
            if let Some(before) = before {
                client.set_override("theme", before);
            }
            let values = ["zero", "one", "two"];
            let mut guards = values.map(|value| Some(override_scoped(&client, "theme", value)));
            for dropped in order {
                guards[dropped] = None;
                let latest = guards.iter().rposition(Option::is_some);
                let expected = latest.map(|latest| values[latest]).or(before);
                assert_eq!(theme(&client), expected.unwrap_or("default"), "{order:?}");
            }
            assert_eq!(client.evaluate_all(None).len(), usize::from(before.is_some()));
        }
    }
}

#[test]
fn scoped_overrides_of_different_flags_are_independent() {
    let client = TestFlags::new().build().unwrap();
    let values = || ["a", "b", "c"].map(|key| client.get_number_value(key, 0.0, None));
    let a = override_scoped(&client, "a", 1);
    let b = override_scoped(&client, "b", 2);
    drop(a);
    assert_eq!(values(), [0.0, 2.0, 0.0]);
    let c = override_scoped(&client, "c", 3);
    assert_eq!(values(), [0.0, 2.0, 3.0]);
    drop(c);
    assert_eq!(values(), [0.0, 2.0, 0.0]);
    drop(b);
    assert!(client.evaluate_all(None).is_empty());
}

#[test]
fn a_later_override_lasts_until_the_latest_scope_is_dropped() {
    let client = TestFlags::new().build().unwrap();
    let first = override_scoped(&client, "theme", "first");
    let second = override_scoped(&client, "theme", "second");
    client.set_override("theme", "meanwhile");
    drop(first);
    assert_eq!(theme(&client), "meanwhile");
    drop(second);
    assert_eq!(theme(&client), "default");

    let first = override_scoped(&client, "theme", "first");
    client.clear_all_overrides();
    assert_eq!(theme(&client), "default");
    let second = override_scoped(&client, "theme", "second");
    drop(second);
    assert_eq!(theme(&client), "default");
    drop(first);
    assert_eq!(theme(&client), "default");
    assert!(client.evaluate_all(None).is_empty());
}

#[test]
fn a_scoped_override_can_be_kept_and_sent() {
    struct Fixture {
        client: PhaseFlagClient,
        theme: Option<ScopedOverride>,
    }
    let client = TestFlags::new().build().unwrap();
    let mut fixture = Fixture { theme: None, client };
    fixture.theme = Some(override_scoped(&fixture.client, "theme", "dark"));
    assert_eq!(theme(&fixture.client), "dark");
    let guard = fixture.theme.take();
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(theme(&fixture.client), "default");

    // A failed test leaves no override behind.
    let clone = fixture.client.clone();
    let failed = thread::spawn(move || {
        let _theme = override_scoped(&clone, "theme", "dark");
        assert_eq!(theme(&clone), "light", "a failure on purpose");
    });
    assert!(failed.join().is_err());
    assert_eq!(theme(&fixture.client), "default");

    // A scoped override keeps its client running.
    let guard = override_scoped(&fixture.client, "theme", "dark");
    drop(fixture);
    drop(guard);
}

#[test]
fn many_threads_override_at_once_and_leave_nothing() {
    const THREADS: i32 = 4;
    let client = TestFlags::new().build().unwrap();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (client, start) = (&client, &start);
            scope.spawn(move || {
                start.wait();
                for _ in 0..500 {
                    let own = format!("own-{number}");
                    let _shared = override_scoped(client, "shared", number);
                    let _own = override_scoped(client, &own, number);
                    let inner = override_scoped(client, &own, -1);
                    assert_eq!(client.get_number_value(&own, 0.5, None), -1.0);
                    drop(inner);
                    assert_eq!(client.get_number_value(&own, 0.5, None), f64::from(number));
                    assert_ne!(client.get_number_value("shared", 0.5, None), 0.5);
                }
            });
        }
    });
    assert!(client.evaluate_all(None).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_test_client_starts_no_thread() {
    // Runs in a separate process, because other tests start threads.
    if !is_alone("testing::a_test_client_starts_no_thread") {
        return;
    }
    let events = EventRecorder::new();
    let client = TestFlags::new().boolean("a", true).events(&events).build().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    let _a = override_scoped(&client, "a", false);
    let own = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .find(|name| name.starts_with("phaseflag"));
    assert_eq!(own, None);
}
