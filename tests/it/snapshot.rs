//! Snapshots of a client.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use phaseflag::{EvaluationContext, PhaseFlagClient, Snapshot, Value};

use crate::support::{RAPIDLY, Reply, Server, builder, flag, ready, ruleset, wait_until};

#[test]
fn a_snapshot_does_not_change_with_newer_rules() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    client.set_override("o", "before");
    let kept = client.snapshot();
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    wait_until("b", || client.get_boolean_value("b", false, None));
    client.set_override("o", "after");

    assert!(kept.get_boolean_value("a", false, None));
    assert_eq!(kept.get_variation("b", None), None);
    assert_eq!(kept.get_string_value("o", "", None), "before");
    assert_eq!(kept.ruleset().unwrap().version(), &Value::from(1));
    assert_eq!(kept.flags()[0].key(), "a");
    let keys: Vec<_> = kept.evaluate_all(None).into_keys().collect();
    assert_eq!(keys, ["a", "o"]);

    let now = client.snapshot();
    assert_eq!(now.get_variation("a", None), None);
    assert_eq!(now.get_string_value("o", "", None), "after");
    client.clear_all_overrides();
    assert_eq!(client.snapshot().get_variation("o", None), None);
}

#[test]
fn a_snapshot_agrees_with_its_client() {
    let flags = [
        flag("boolean", true),
        r#"{"key": "string", "variations": [{"key": "s", "value": "text"}],
            "default_variation": "s"}"#
            .to_owned(),
        r#"{"key": "number", "variations": [{"key": "n", "value": 1.5}],
            "default_variation": "n"}"#
            .to_owned(),
        r#"{"key": "json", "variations": [{"key": "j", "value": [1, 2]}],
            "default_variation": "j"}"#
            .to_owned(),
        r#"{"key": "vip", "variations": [{"key": "on", "value": true}],
            "targeting_rules": [{"variation": "on", "conditions": [
                {"attribute": "user_id", "operator": "is", "value": "vip"}]}]}"#
            .to_owned(),
    ];
    let server = Server::with_ruleset(format!("[{}]", flags.join(",")));
    let vip = EvaluationContext::new().user_id("vip");
    let client = ready(builder(&server).default_context(vip));
    client.set_override("overridden", 7);
    let now = client.snapshot();
    let no_user = EvaluationContext::new();
    for context in [None, Some(&no_user)] {
        assert_eq!(now.evaluate_all(context), client.evaluate_all(context));
        for key in ["boolean", "string", "number", "json", "vip", "overridden", "unknown"] {
            assert_eq!(now.get_variation(key, context), client.get_variation(key, context));
            assert_eq!(
                now.get_boolean_value(key, false, context),
                client.get_boolean_value(key, false, context)
            );
            assert_eq!(
                now.get_string_value(key, "default", context),
                client.get_string_value(key, "default", context)
            );
            assert_eq!(
                now.get_number_value(key, 0.5, context),
                client.get_number_value(key, 0.5, context)
            );
            assert_eq!(
                now.get_json_value(key, "default", context),
                client.get_json_value(key, "default", context)
            );
        }
    }
    assert!(now.get_boolean_value("vip", false, None));
    assert!(!now.get_boolean_value("vip", false, &no_user));
}

#[test]
fn a_snapshot_without_rules_gives_the_defaults() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    let now = client.snapshot();
    assert!(now.get_boolean_value("a", true, None));
    assert_eq!(now.get_variation("a", None), None);
    assert!(now.ruleset().is_none());
    assert!(now.flags().is_empty());
    assert!(now.evaluate_all(None).is_empty());
}

#[test]
fn a_snapshot_is_unwind_safe() {
    fn check<T: UnwindSafe + RefUnwindSafe>() {}
    check::<Snapshot>();
}

#[test]
fn a_snapshot_does_not_keep_its_client_running() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let kept = client.snapshot();
    let token = Arc::new(());
    let held = token.clone();
    client.on_flags_changed(move |_| drop(held.clone()));
    drop(client);
    wait_until("the poller lets go of the listener", || Arc::strong_count(&token) == 1);
    assert!(kept.get_boolean_value("a", false, None));
}
