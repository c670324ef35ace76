//! Overrides: values that a program sets for flags.

use phaseflag::{EvaluationContext, EvaluationEvent, Object, PhaseFlagClient, Reason, Value};

/// Flags of which one requires another.
const RULES: &str = r#"{"version": 1, "flags": [
    {"key": "gate", "default_variation": "on",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]},
    {"key": "gated", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
     "targeting_rules": [{"variation": "on", "conditions": []}]},
    {"key": "off", "enabled": false, "default_variation": "off",
     "variations": [{"key": "off", "value": "no"}]}]}"#;

/// Returns a client that serves these rules, without a service.
fn client() -> PhaseFlagClient {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(RULES).build().unwrap();
    client.start().unwrap();
    client
}

#[test]
fn overrides_win_over_the_rules() {
    let client = client();
    client.set_override("gate", false);
    client.set_override("off", "yes");
    assert!(!client.get_boolean_value("gate", true, None));
    assert_eq!(client.get_string_value("off", "default", None), "yes");
    let context = EvaluationContext::new().user_id("anybody");
    assert!(!client.get_boolean_value("gate", true, &context));
}

#[test]
fn overrides_need_no_rules_and_no_start() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    client.set_override("boolean", true);
    client.set_override("string", "text");
    client.set_override("number", 3);
    client.set_override("json", [1, 2]);
    assert!(client.get_boolean_value("boolean", false, None));
    assert_eq!(client.get_string_value("string", "", None), "text");
    assert_eq!(client.get_number_value("number", 0.0, None), 3.0);
    assert_eq!(client.get_json_value("json", Value::Null, None), Value::from([1, 2]));
    let keys: Vec<_> = client.evaluate_all(None).into_keys().collect();
    assert_eq!(keys, ["boolean", "json", "number", "string"]);
}

#[test]
fn an_override_of_another_type_gives_the_default() {
    let client = client();
    client.set_override("gate", "true");
    assert!(!client.get_boolean_value("gate", false, None));
    assert_eq!(client.get_number_value("gate", 7.0, None), 7.0);
    assert_eq!(client.get_string_value("gate", "", None), "true");
    client.set_override("gate", 1);
    assert!(!client.get_boolean_value("gate", false, None));
    assert_eq!(client.get_string_value("gate", "default", None), "default");
    client.set_override("gate", Value::Null);
    assert!(!client.get_boolean_value("gate", false, None));
    assert_eq!(client.get_json_value("gate", "default", None), Value::from("default"));
}

#[test]
fn overrides_have_their_own_reason() {
    let client = client();
    for (key, value) in
        [("gate", Value::from(false)), ("unknown", Value::from("x")), ("off", Value::Null)]
    {
        client.set_override(key, value.clone());
        for result in [
            client.get_variation(key, None).unwrap(),
            client.evaluate_all(None)[key].clone(),
            client.evaluate(key, None).unwrap(),
        ] {
            assert_eq!(result.value(), &value);
            assert_eq!(result.reason(), Reason::Override);
            assert_eq!(result.reason().to_string(), "override");
            assert_eq!(result.variation_key(), None);
        }
    }
}

#[test]
fn all_flags_include_overrides() {
    let client = client();
    client.set_override("gate", 1);
    client.set_override("extra", 2);
    let all: Vec<_> = client
        .evaluate_all(None)
        .into_iter()
        .map(|(key, result)| format!("{key} {} {}", result.value(), result.reason()))
        .collect();
    assert_eq!(
        all,
        [
            "extra 2 override",
            "gate 1 override",
            "gated true targeting_match",
            "off \"no\" flag_inactive",
        ]
    );
}

#[test]
fn prerequisites_ignore_overrides() {
    let client = client();
    client.set_override("gate", false);
    let result = client.get_variation("gated", None).unwrap();
    assert_eq!(result.reason(), Reason::TargetingMatch);
    assert_eq!(client.evaluate_all(None)["gated"].reason(), Reason::TargetingMatch);
}

#[test]
fn overrides_can_be_set_again_and_cleared() {
    let client = client();
    client.set_override("gate", false);
    client.set_override("gate", "again");
    client.set_override("off", "yes");
    client.set_override("extra", 1);
    assert_eq!(client.get_string_value("gate", "", None), "again");

    client.clear_override("gate");
    client.clear_override("gate");
    client.clear_override("never set");
    assert!(client.get_boolean_value("gate", false, None));
    assert_eq!(client.get_string_value("off", "", None), "yes");

    client.clear_all_overrides();
    assert_eq!(client.get_string_value("off", "", None), "no");
    assert_eq!(client.get_variation("extra", None), None);
    assert_eq!(client.evaluate_all(None).len(), 3);
    client.clear_all_overrides();

    client.set_override("gate", false);
    assert!(!client.get_boolean_value("gate", true, None));
}

#[test]
fn clones_share_overrides() {
    let client = client();
    let clone = client.clone();
    clone.set_override("gate", false);
    drop(clone);
    assert!(!client.get_boolean_value("gate", true, None));
}

#[test]
fn every_kind_of_value_can_be_set() {
    let client = client();
    for (value, json) in [
        (Value::from(true), "true"),
        (Value::from(-1), "-1"),
        (Value::from(0.5), "0.5"),
        (Value::from(u64::MAX), "18446744073709551615"),
        (Value::from(String::from("text")), "\"text\""),
        (Value::from(vec!["a", "b"]), r#"["a","b"]"#),
        (r#"{"a": {"b": [null]}}"#.parse().unwrap(), r#"{"a":{"b":[null]}}"#),
    ] {
        client.set_override("gate", value.clone());
        let result = client.get_variation("gate", None).unwrap();
        assert_eq!(result.value(), &value);
        assert_eq!(client.get_json_value("gate", Value::Null, None).to_string(), json);
    }
}

/// To drop such a value level by level would exhaust the stack.
#[test]
fn a_value_that_nests_too_deeply_becomes_null() {
    let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::from([inner]));
    let client = client();
    client.set_override("gate", nested(128));
    assert_eq!(client.get_json_value("gate", 0, None), nested(128));
    for levels in [129, 100_000] {
        client.set_override("gate", nested(levels));
        assert_eq!(client.get_variation("gate", None).unwrap().value(), &Value::Null);
        let object = Object::from([("a", nested(levels))]);
        let _scoped = phaseflag::testing::override_scoped(&client, "off", object);
        assert_eq!(client.get_json_value("off", 0, None), Value::from(0));
        let event = EvaluationEvent::new("gate").metadata("deep", nested(levels));
        assert_eq!(event.get_metadata().get("deep"), Some(&Value::Null));
    }
}
