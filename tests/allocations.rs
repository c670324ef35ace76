//! Tests how much memory an evaluation (none) and a ruleset allocate.

#[path = "../benches/src/realistic.rs"]
mod realistic;

#[cfg(feature = "http")]
mod support;

#[cfg(feature = "http")]
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
#[cfg(feature = "http")]
use phaseflag::{ClientBuilder, EvaluationEvent};
use phaseflag::{EvaluationContext, PhaseFlagClient, Ruleset, Value};

/// A flag of each kind.
const RULES: &str = r#"{"flags": [
    {"key": "plain", "default_variation": "on", "variations": [{"key": "on", "value": true}]},
    {"key": "off", "enabled": false, "default_variation": "on",
     "variations": [{"key": "on", "value": true}]},
    {"key": "one-of", "variations": [{"key": "on", "value": true}],
     "targeting_rules": [{"variation": "on", "conditions": [
        {"attribute": "plan", "operator": "one_of", "value": ["free", "team", "pro"]}]}]},
    {"key": "many", "variations": [{"key": "on", "value": true}],
     "targeting_rules": [{"variation": "on", "conditions": [{"attribute": "plan",
        "operator": "one_of", "value": ["a","b","c","d","e","f","g","h","i","j","k","pro"]}]}]},
    {"key": "operators", "variations": [{"key": "on", "value": true}],
     "targeting_rules": [{"variation": "on", "conditions": [
        {"attribute": "plan", "operator": "is", "value": "pro"},
        {"attribute": "plan", "operator": "is_not", "value": "free"},
        {"attribute": "plan", "operator": "contains", "value": "r"},
        {"attribute": "plan", "operator": "not_contains", "value": "x"},
        {"attribute": "age", "operator": "gt", "value": 17},
        {"attribute": "age", "operator": "lt", "value": "100"},
        {"attribute": "score", "operator": "gt", "value": "0.25"},
        {"attribute": "age", "operator": "is", "value": 30},
        {"attribute": "beta", "operator": "is", "value": true},
        {"attribute": "version", "operator": "version_gt", "value": "1.2.0-rc.1"},
        {"attribute": "version", "operator": "version_lt", "value": "v2"}]}]},
    {"key": "rollout-flag-0001", "variations": [{"key": "on", "value": true}],
     "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 100}]}]},
    {"key": "prerequisite", "default_variation": "on",
     "variations": [{"key": "on", "value": true}],
     "prerequisites": [{"flag_key": "one-of", "variation_key": "on"}]},
    {"key": "segment", "variations": [{"key": "on", "value": true}],
     "targeting_rules": [{"variation": "on", "segment_id": "s", "conditions": []}]},
    {"key": "string", "default_variation": "s", "variations": [{"key": "s", "value": "light"}]},
    {"key": "number", "default_variation": "n", "variations": [{"key": "n", "value": 1.5}]}],
    "segments": [{"id": "s", "conditions": [
        {"attribute": "plan", "operator": "is", "value": "pro"}]}]}"#;

/// The flags above that serve `true`.
const BOOLEANS: [&str; 8] =
    ["plain", "off", "one-of", "many", "operators", "rollout-flag-0001", "prerequisite", "segment"];

fn client() -> PhaseFlagClient {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(RULES).build().unwrap();
    client.start().unwrap();
    client
}

fn context() -> EvaluationContext {
    EvaluationContext::new()
        .user_id("user-001")
        .attribute("plan", "pro")
        .attribute("age", 30)
        .attribute("score", "0.75")
        .attribute("beta", true)
        .attribute("version", "1.10.3")
}

/// Counts the allocations of a call after a first one, in which the client meets the thread.
fn allocations<T>(call: impl Fn() -> T) -> u64 {
    drop(call());
    measure(|| drop(call())).count_total
}

#[test]
fn a_boolean_allocates_nothing() {
    let (client, context) = (client(), context());
    let snapshot = client.snapshot();
    for key in BOOLEANS {
        assert!(client.get_boolean_value(key, false, &context), "{key}");
        let count = allocations(|| client.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key}");
        let count = allocations(|| snapshot.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key} of a snapshot");
    }
    for key in ["no-such-flag", "string"] {
        assert_eq!(allocations(|| client.get_boolean_value(key, false, &context)), 0, "{key}");
    }
    assert_eq!(allocations(|| client.get_boolean_value("plain", false, None)), 0);
}

#[test]
#[cfg(feature = "regex")]
fn a_pattern_of_plain_text_allocates_nothing() {
    let long = "pro".repeat(100);
    for pattern in ["pro", "^pro", "pro$", "^(pro|free)", "(pro|free)$", "^.*pro.*$", "free|pro"] {
        let ruleset = Ruleset::parse(&format!(
            r#"[{{"key": "f", "variations": [{{"key": "on"}}],
                "targeting_rules": [{{"variation": "on", "conditions": [
                    {{"attribute": "plan", "operator": "matches_regex", "value": "{pattern}"}}]}}]}}]"#
        ));
        let ruleset = ruleset.unwrap();
        for plan in ["pro", &long] {
            let context = EvaluationContext::new().attribute("plan", plan);
            let count = measure(|| {
                let result = ruleset.evaluate("f", &context).unwrap();
                assert_eq!(result.reason().as_str(), "targeting_match", "{pattern}");
            });
            assert_eq!(count.count_total, 0, "{pattern}");
        }
    }
}

#[test]
fn a_variation_allocates_nothing() {
    let (client, context) = (client(), context());
    for key in BOOLEANS {
        let result = client.get_variation(key, &context).unwrap();
        assert_eq!(result.value(), &Value::from(true), "{key}");
        let count = allocations(|| client.get_variation(key, &context));
        assert_eq!(count, 0, "{key}");
        assert_eq!(allocations(|| result.reason()), 0, "{key}");
    }
}

#[test]
fn a_hook_allocates_nothing_for_booleans_and_variations() {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(RULES).on_evaluation(|it| {
        assert!(it.value().is_some() && it.error().is_none() && it.reason().is_some());
        assert!(it.variation_key().is_some());
    });
    let client = client.build().unwrap();
    client.start().unwrap();
    let (snapshot, context) = (client.snapshot(), context());
    for key in BOOLEANS {
        assert!(client.get_boolean_value(key, false, &context), "{key}");
        let count = allocations(|| client.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key}");
        let count = allocations(|| snapshot.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key} of a snapshot");
        assert_eq!(allocations(|| client.get_variation(key, &context)), 0, "{key}");
    }
    assert_eq!(allocations(|| client.get_number_value("number", 0.0, &context)), 0);
}

#[test]
fn a_number_allocates_nothing_and_a_string_only_its_text() {
    let (client, context) = (client(), context());
    assert_eq!(client.get_number_value("number", 0.0, &context), 1.5);
    assert_eq!(allocations(|| client.get_number_value("number", 0.0, &context)), 0);
    assert_eq!(client.get_string_value("string", "", &context), "light");
    assert_eq!(allocations(|| client.get_string_value("string", "", &context)), 1);
}

#[test]
fn a_context_allocates_only_its_texts() {
    // The identifier, the list of attributes, and the name and text of each attribute.
    let context = || EvaluationContext::new().user_id("user-001").attribute("plan", "pro");
    assert_eq!(allocations(context), 4);
}

#[test]
#[cfg(feature = "http")]
fn tracking_allocates_less_than_once_an_event() {
    let server = support::Server::start(|_| support::Reply::Hang);
    let client = support::started(support::builder(&server).shutdown_timeout(Duration::ZERO));
    // The first event starts the delivery thread.
    client.track_event(EvaluationEvent::new("plain"));
    let events: Vec<_> = (0..1000).map(|_| EvaluationEvent::new("plain")).collect();
    let count = measure(|| events.into_iter().for_each(|event| client.track_event(event)));
    assert_eq!(client.statistics().events.queued, 1001);
    // The channel allocates blocks of 31 slots.
    assert!(count.count_total <= 1000 / 31 + 2, "{count:?}");
}

#[test]
#[cfg(feature = "http")]
fn a_repeated_recorded_evaluation_allocates_nothing() {
    let server = support::Server::with_ruleset(RULES);
    let settings = support::builder(&server).record_evaluations(true);
    let client = support::ready(settings.event_flush_interval(support::NEVER));
    let (snapshot, context) = (client.snapshot(), context());
    for key in BOOLEANS {
        let first = measure(|| _ = client.get_boolean_value(key, false, &context));
        assert!(first.count_total > 0, "{key}");
        let count = allocations(|| client.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key}");
        let count = allocations(|| client.get_variation(key, &context));
        assert_eq!(count, 0, "{key}");
        let count = allocations(|| snapshot.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key} of a snapshot");
        let count = allocations(|| snapshot.get_variation(key, &context));
        assert_eq!(count, 0, "{key} of a snapshot");
    }
    assert_eq!(allocations(|| client.get_number_value("number", 0.0, &context)), 0);
    assert_eq!(allocations(|| client.get_string_value("string", "", &context)), 1);
    assert_eq!(client.statistics().events.queued, BOOLEANS.len() + 2);
}

/// A folder with the cached rules of a service.
#[cfg(feature = "http")]
struct Cache {
    server: support::Server,
    folder: std::path::PathBuf,
}

#[cfg(feature = "http")]
impl Cache {
    fn of(rules: &str, name: &str) -> Cache {
        let name = format!("phaseflag-allocations-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let cache = Cache { server: support::Server::with_ruleset(rules), folder };
        support::ready(cache.settings()).stop();
        cache
    }

    /// Returns the settings of a client that uses the cached rules and never polls.
    fn settings(&self) -> ClientBuilder {
        let settings = support::builder(&self.server).cache_dir(&self.folder);
        settings.cache_max_age(support::NEVER).polling_interval(Duration::ZERO)
    }
}

#[cfg(feature = "http")]
impl Drop for Cache {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
#[cfg(feature = "http")]
fn a_cached_flag_allocates_nothing_after_its_first_use() {
    let cache = Cache::of(RULES, "uses");
    let (client, context) = (support::started(cache.settings()), context());
    for key in BOOLEANS {
        let first = measure(|| assert!(client.get_boolean_value(key, false, &context), "{key}"));
        assert!(first.count_total > 0, "{key}");
        let snapshot = client.snapshot();
        let count = allocations(|| client.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key}");
        assert_eq!(allocations(|| client.get_variation(key, &context)), 0, "{key}");
        let count = allocations(|| snapshot.get_boolean_value(key, false, &context));
        assert_eq!(count, 0, "{key} of a snapshot");
    }
    assert_eq!(allocations(|| client.get_boolean_value("no-such-flag", false, &context)), 0);
}

#[test]
#[cfg(feature = "http")]
fn the_text_of_cached_rules_is_freed_when_all_flags_are_compiled() {
    let text = realistic::ruleset(10_000);
    let mut compiled = None;
    let compiled_size = measure(|| compiled = Some(Ruleset::parse(&text))).bytes_current;
    let cache = Cache::of(&text, "text");
    let length = text.len() as i64;
    let compile: [fn(&PhaseFlagClient); 3] = [
        |client| assert_eq!(client.flags().len(), 10_000),
        |client| assert_eq!(client.ruleset().map_or(0, |ruleset| ruleset.len()), 10_000),
        |client| assert_eq!(client.evaluate_all(None).len(), 10_000),
    ];
    for compile in compile {
        let mut client = None;
        let started = measure(|| client = Some(support::started(cache.settings()))).bytes_current;
        let client = client.expect("a client");
        assert!((length..2 * length).contains(&started), "{started} of {length}");
        let key = realistic::key(0);
        let used = measure(|| _ = client.get_variation(&key, &context())).bytes_current;
        assert!(used < length / 100, "{used} of {length}");
        let more = measure(|| compile(&client)).bytes_current;
        let kept = started + used + more;
        assert!(kept < compiled_size + length / 20, "{kept}, compiled {compiled_size}");
    }
}

/// Returns how many bytes a client keeps allocated.
#[cfg(feature = "http")]
fn kept(settings: ClientBuilder) -> i64 {
    let mut client = None;
    measure(|| client = Some(settings.build().unwrap())).bytes_current
}

/// The guide has the figure.
#[test]
#[cfg(feature = "http")]
fn a_queued_event_takes_a_few_hundred_bytes() {
    let client = PhaseFlagClient::builder("http://127.0.0.1:9/api/v1", "sdk-dev-1");
    let client = client.build().unwrap();
    let track = |count| {
        for user in 0..count {
            let event = EvaluationEvent::new("new-checkout-flow").variation_key("enabled");
            client.track_event(event.user_id(format!("user-{user:06}")));
        }
    };
    track(1);
    let each = measure(|| track(9_000)).bytes_current / 9_000;
    assert!((50..=250).contains(&each), "{each}");
    assert_eq!(client.statistics().events.queued, 9_001);
}

#[test]
#[cfg(feature = "http")]
fn the_memory_of_recorded_evaluations_is_bounded() {
    let settings = || PhaseFlagClient::builder("http://127.0.0.1:9/api/v1", "sdk-dev-1");
    // Allocations that the first client makes for all others are not counted.
    kept(settings());
    for (settings, table) in
        [(settings(), 256 << 10), (settings().event_queue_capacity(usize::MAX), 16 << 20)]
    {
        let without = kept(settings.clone());
        let more = kept(settings.record_evaluations(true)) - without;
        assert!((table..=table + 4096).contains(&more), "{more} for {table}");
    }
}

#[test]
fn a_ruleset_takes_about_as_much_as_its_text() {
    let text = realistic::ruleset(10_000);
    let mut ruleset = None;
    let AllocationInfo { bytes_current, bytes_max, count_total, .. } =
        measure(|| ruleset = Some(Ruleset::parse(&text).unwrap()));
    // Without the feature `regex`, each pattern is a problem.
    assert_eq!(ruleset.unwrap().problems().is_empty(), cfg!(feature = "regex"));
    let times = |bytes: u64| bytes as f64 / text.len() as f64;
    let (kept, peak) = (times(bytes_current.unsigned_abs()), times(bytes_max));
    assert!(kept < 0.9, "{kept}");
    assert!(peak < 1.1, "{peak}");
    assert!(count_total < 50 * 10_000, "{count_total}");
}

/// Long lists of small items, which take the most memory for each byte of text. At most 10,000
/// problems are kept.
#[test]
fn the_memory_of_any_ruleset_is_bounded() {
    let of_rule = |rule: &str| {
        let variations = r#""variations": [{"key": "a", "value": 1}]"#;
        format!(r#"[{{"key": "f", {variations}, "targeting_rules": [{rule}]}}]"#)
    };
    let of_value = |value: &str| {
        let variations = format!(r#""variations": [{{"key": "a", "value": {value}}}]"#);
        format!(r#"[{{"key": "f", "default_variation": "a", {variations}}}]"#)
    };
    let one_of = r#"{"conditions": [{"attribute": "a", "operator": "one_of", "value": [LIST]}]}"#;
    let texts = [
        "[LIST]",
        r#"{"flags": [], "segments": [LIST]}"#,
        r#"[{"key": "f", "variations": [LIST]}]"#,
        r#"[{"key": "f", "prerequisites": [LIST]}]"#,
        &of_rule("LIST"),
        &of_rule(r#"{"conditions": [LIST]}"#),
        &of_rule(r#"{"percentage_rollout": [LIST]}"#),
        &of_rule(one_of),
        &of_value("[LIST]"),
    ];
    for (count, text) in [10_000, 40_000].into_iter().flat_map(|count| texts.map(|it| (count, it)))
    {
        for element in ["0", "{}", "[0]", r#"{"":0}"#, r#"{"key":"a"}"#] {
            let text = text.replace("LIST", &vec![element; count].join(","));
            let of_all = || Ruleset::parse(&text).unwrap();
            let of_one = || Ruleset::parse_for(&text, "production").unwrap();
            for parse in [&of_all as &dyn Fn() -> Ruleset, &of_one] {
                let mut ruleset = None;
                let AllocationInfo { bytes_current, bytes_max, .. } =
                    measure(|| ruleset = Some(parse()));
                let (kept, peak) = (bytes_current.unsigned_abs(), bytes_max);
                let length = text.len() as u64;
                let of = format!("of {length}: {:?}, {element}", text.get(..60));
                assert!(kept <= 25 * length + 2_000_000, "{kept} {of}");
                assert!(peak <= 50 * length + 3_000_000, "{peak} {of}");
            }
        }
    }
}
