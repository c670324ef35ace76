//! The details of an evaluation: value, reason and variation, or the cause of the default.

use std::error::Error as StdError;

use phaseflag::{
    EvaluationContext, EvaluationDetails, EvaluationError, PhaseFlagClient, Reason, Value,
};

/// One flag of each type, and one for each reason.
const RULES: &str = r#"{"flags": [
    {"key": "boolean", "default_variation": "on", "variations": [{"key": "on", "value": true}]},
    {"key": "string", "default_variation": "s", "variations": [{"key": "s", "value": "text"}]},
    {"key": "number", "default_variation": "n", "variations": [{"key": "n", "value": 1.5}]},
    {"key": "list", "default_variation": "l", "variations": [{"key": "l", "value": [1]}]},
    {"key": "object", "default_variation": "o", "variations": [{"key": "o", "value": {"a": 1}}]},
    {"key": "null", "default_variation": "0", "variations": [{"key": "0", "value": null}]},
    {"key": "no-key", "default_variation_id": "1", "variations": [{"id": "1", "value": true}]},
    {"key": "dangling", "default_variation": "gone", "variations": [{"key": "on", "value": true}]},
    {"key": "off", "enabled": false, "default_variation": "on",
     "variations": [{"key": "on", "value": true}]},
    {"key": "failed", "default_variation": "on", "variations": [{"key": "on", "value": true}],
     "prerequisites": [{"flag_key": "off", "variation_key": "on"}]},
    {"key": "targeted", "default_variation": "no",
     "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}],
     "targeting_rules": [{"variation": "yes",
        "conditions": [{"attribute": "user_id", "operator": "is", "value": "ada"}]}]},
    {"key": "rollout", "default_variation": "no",
     "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}],
     "targeting_rules": [{"percentage_rollout": [{"variation": "yes", "percentage": 100}]}]}]}"#;

/// Returns a client that serves these rules, without a service.
fn client() -> PhaseFlagClient {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(RULES).build().unwrap();
    client.start().unwrap();
    client
}

/// Formats value, reason, variation and error in one line.
fn line<T: std::fmt::Debug>(details: &EvaluationDetails<T>) -> String {
    let reason = details.reason().map_or("-".to_owned(), |reason| reason.to_string());
    let variation = details.variation_key().unwrap_or("-");
    let error = details.error().map_or("-".to_owned(), |error| error.as_str().to_owned());
    format!("{:?} {reason} {variation} {error}", details.value())
}

#[test]
fn details_have_value_reason_and_variation() {
    let client = client();
    let ada = EvaluationContext::new().user_id("ada");
    for (key, expected) in [
        ("boolean", "true default on -"),
        ("no-key", "true default - -"),
        ("off", "true flag_inactive on -"),
        ("failed", "true prerequisite_failed on -"),
        ("targeted", "true targeting_match yes -"),
        ("rollout", "true percentage_rollout yes -"),
    ] {
        assert_eq!(line(&client.get_boolean_details(key, false, &ada)), expected, "{key}");
        assert_eq!(line(&client.snapshot().get_boolean_details(key, false, &ada)), expected);
    }
    assert_eq!(line(&client.get_boolean_details("targeted", true, None)), "false default no -");
    assert_eq!(line(&client.get_string_details("string", "", None)), "\"text\" default s -");
    assert_eq!(line(&client.get_number_details("number", 0.0, None)), "1.5 default n -");
    let list = client.get_json_details("list", Value::Null, None);
    assert_eq!(list.value(), &Value::from([1]));
    assert_eq!(list.reason(), Some(Reason::Default));
    assert_eq!(list.into_value(), Value::from([1]));
}

#[test]
fn details_have_the_default_and_its_cause() {
    let client = client();
    let snapshot = client.snapshot();
    for (key, code, sentence) in [
        ("string", "wrong_type", "flag `string` serves a string, not a boolean"),
        ("number", "wrong_type", "flag `number` serves a number, not a boolean"),
        ("list", "wrong_type", "flag `list` serves a list, not a boolean"),
        ("object", "wrong_type", "flag `object` serves an object, not a boolean"),
        ("null", "wrong_type", "flag `null` serves null, not a boolean"),
        ("dangling", "wrong_type", "flag `dangling` serves null, not a boolean"),
        ("unknown", "flag_not_found", "there is no flag `unknown`"),
        ("", "flag_not_found", "there is no flag ``"),
    ] {
        for details in [
            client.get_boolean_details(key, true, None),
            snapshot.get_boolean_details(key, true, None),
        ] {
            let error = details.error().unwrap();
            assert_eq!((error.as_str(), error.to_string().as_str()), (code, sentence));
            assert_eq!(format!("{error:?}"), sentence);
            assert_eq!(error.flag(), key);
            assert!(error.source().is_none());
            assert_eq!(
                (details.value(), details.reason(), details.variation_key()),
                (&true, None, None)
            );
        }
    }
}

#[test]
fn each_getter_names_its_type() {
    let client = client();
    let sentence = |error: Option<&EvaluationError>| error.unwrap().to_string();
    let string = client.get_string_details("boolean", "default", None);
    assert_eq!(string.value(), "default");
    assert_eq!(sentence(string.error()), "flag `boolean` serves a boolean, not a string");
    let number = client.get_number_details("boolean", 2.5, None);
    assert_eq!(number.value(), &2.5);
    assert_eq!(sentence(number.error()), "flag `boolean` serves a boolean, not a number");
    let json = client.get_json_details("null", "default", None);
    assert_eq!(json.value(), &Value::from("default"));
    assert_eq!(sentence(json.error()), "flag `null` serves null, not a value");
    for key in ["boolean", "string", "number", "list", "object"] {
        assert!(client.get_json_details(key, Value::Null, None).error().is_none(), "{key}");
    }
}

#[test]
fn details_use_overrides_and_the_default_context() {
    let ada = EvaluationContext::new().user_id("ada");
    let client = PhaseFlagClient::builder("", "")
        .bootstrap_text(RULES)
        .default_context(ada)
        .build()
        .unwrap();
    client.set_override("extra", 7);
    // Overrides need no start.
    assert_eq!(line(&client.get_number_details("extra", 0.0, None)), "7.0 override - -");
    assert_eq!(line(&client.get_boolean_details("extra", true, None)), "true - - wrong_type");
    client.start().unwrap();
    client.set_override("boolean", false);
    let snapshot = client.snapshot();
    for (key, expected) in
        [("boolean", "false override - -"), ("targeted", "true targeting_match yes -")]
    {
        assert_eq!(line(&client.get_boolean_details(key, true, None)), expected);
        assert_eq!(line(&snapshot.get_boolean_details(key, true, None)), expected);
    }
}

#[test]
fn details_agree_with_the_getters() {
    let client = client();
    client.set_override("string", true);
    for key in ["boolean", "string", "number", "list", "object", "null", "dangling", "unknown"] {
        let boolean = client.get_boolean_details(key, true, None).into_value();
        assert_eq!(boolean, client.get_boolean_value(key, true, None));
        let string = client.get_string_details(key, "default", None).into_value();
        assert_eq!(string, client.get_string_value(key, "default", None));
        let number = client.get_number_details(key, 0.5, None).into_value();
        assert_eq!(number, client.get_number_value(key, 0.5, None));
        let json = client.get_json_details(key, "default", None).into_value();
        assert_eq!(json, client.get_json_value(key, "default", None));
    }
}

#[test]
fn without_rules_details_name_the_cause() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    let why = |client: &PhaseFlagClient| {
        let details = client.get_boolean_details("a", true, None);
        assert!(details.value());
        format!("{:#}", details.error().unwrap())
    };
    assert_eq!(why(&client), "flag `a`: no rules yet: the client has not been started");
    let details = client.get_boolean_details("a", true, None);
    let error = details.error().unwrap();
    assert_eq!(error.to_string(), "flag `a`: no rules yet");
    assert_eq!(error.source().unwrap().to_string(), "the client has not been started");
    assert_eq!(format!("{error:?}"), why(&client));
    let snapshot = client.snapshot();
    client.start().unwrap();
    // The client is ready without flags, and so is a snapshot of it.
    assert_eq!(why(&client), "there is no flag `a`");
    let later = client.snapshot().get_boolean_details("a", true, None);
    assert_eq!(later.error().unwrap().to_string(), "there is no flag `a`");
    let details = snapshot.get_boolean_details("a", true, None);
    let error = details.error().unwrap();
    assert_eq!(error.as_str(), "not_ready");
    assert_eq!(format!("{error:#}"), "flag `a`: no rules yet");
    assert!(error.source().is_none());

    let stopped = PhaseFlagClient::builder("", "").build().unwrap();
    stopped.stop();
    assert_eq!(why(&stopped), "flag `a`: no rules yet: the client has been stopped");
}

#[cfg(feature = "http")]
#[test]
fn without_a_response_details_name_the_last_failure() {
    use crate::support::{RAPIDLY, Reply, Server, builder, ready, ruleset, started, wait_until};

    let server = Server::start(|_| Reply::status(503));
    let client = started(builder(&server).polling_interval(RAPIDLY));
    wait_until("a failure", || client.statistics().last_failure.is_some());
    let details = client.get_boolean_details("a", true, None);
    let error = details.error().unwrap();
    assert_eq!(error.as_str(), "not_ready");
    let url = format!("{}/sdk/ruleset", server.url());
    assert_eq!(error.to_string(), "flag `a`: no rules yet");
    let whole = format!("flag `a`: no rules yet: `{url}` responded with status 503");
    assert_eq!((format!("{error:#}"), format!("{error:?}")), (whole.clone(), whole.clone()));
    let EvaluationError::NotReady { cause: Some(cause), .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(**cause, phaseflag::Error::Request { .. }));

    // Also after the wait for readiness has ended.
    let client = started(builder(&server).offline_mode(true));
    wait_until("ready without rules", || client.is_ready());
    for details in [
        client.get_boolean_details("a", true, None),
        client.snapshot().get_boolean_details("a", true, None),
    ] {
        assert_eq!(details.error().unwrap().to_string(), "flag `a`: no rules yet");
    }
    assert_eq!(
        format!("{:#}", client.get_boolean_details("a", true, None).error().unwrap()),
        whole
    );

    // After the first response, a flag that is not found is unknown.
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server));
    assert_eq!(line(&client.get_boolean_details("a", false, None)), "true default v -");
    assert_eq!(line(&client.get_boolean_details("b", false, None)), "false - - flag_not_found");
}

#[cfg(feature = "http")]
#[test]
fn details_use_the_bootstrap_before_the_client_is_ready() {
    use crate::support::{Reply, Server, builder, started};

    let server = Server::start(|_| Reply::status(503));
    let client = started(builder(&server).bootstrap_text(RULES));
    assert!(!client.is_ready());
    assert_eq!(line(&client.get_boolean_details("boolean", false, None)), "true default on -");
    assert_eq!(line(&client.get_boolean_details("b", false, None)), "false - - flag_not_found");
}
