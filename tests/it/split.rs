//! `split`: how a rollout divides identifiers into counts, shares and reasons.

use phaseflag::{EvaluationContext, Reason, Ruleset, Split, Value};

const RULESET: &str = r#"[
    {"key": "rollout", "default_variation": "none",
     "variations": [{"key": "none", "value": 0}, {"key": "a", "value": 1}, {"key": "b", "value": "two"},
                    {"id": "x", "value": [3]}, {"key": "never", "value": 4}],
     "targeting_rules": [
        {"conditions": [{"attribute": "user_id", "operator": "is", "value": "user-123"}], "variation_id": "x"},
        {"conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}], "variation": "gone"},
        {"percentage_rollout": [{"variation": "a", "percentage": 50}, {"variation": "b", "percentage": 25}]}]},
    {"key": "off", "enabled": false, "default_variation": "no",
     "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}]},
    {"key": "empty"}]"#;

#[track_caller]
fn split(key: &str, context: &EvaluationContext, identifiers: &[&str]) -> Split {
    let ruleset = Ruleset::parse(RULESET).unwrap();
    ruleset.split(key, context, identifiers).unwrap()
}

/// Formats each share in one line, such as `a 1: 2, 0.5`.
fn shares(split: &Split) -> Vec<String> {
    let line = |share: &phaseflag::Share| {
        let key = share.variation_key().unwrap_or("-");
        format!("{key} {}: {}, {}", share.value(), share.count(), share.fraction())
    };
    split.shares().iter().map(line).collect()
}

fn reasons(split: &Split) -> Vec<String> {
    split.reasons().map(|(reason, count)| format!("{reason} {count}")).collect()
}

#[test]
fn every_identifier_is_counted() {
    // Buckets 41, 41, 14 and 68; the last but one has its own rule, and "" has no bucket.
    let identifiers = ["user-1", "user-1", "user-33", "cy", "user-123", ""];
    let split = split("rollout", &EvaluationContext::new(), &identifiers);
    assert_eq!(split.total(), 6);
    let expected = [
        "none 0: 1, 0.16666666666666666",
        "a 1: 3, 0.5",
        r#"b "two": 1, 0.16666666666666666"#,
        "- [3]: 1, 0.16666666666666666",
        "never 4: 0, 0",
    ];
    assert_eq!(shares(&split), expected);
    assert_eq!(reasons(&split), ["percentage_rollout 4", "targeting_match 1", "default 1"]);
}

#[test]
fn the_attributes_of_the_context_are_used_but_not_its_user() {
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
    let split = split("rollout", &context, &["user-1", "user-123"]);
    assert_eq!(
        shares(&split),
        [
            "none 0: 0, 0",
            "a 1: 0, 0",
            r#"b "two": 0, 0"#,
            "- [3]: 1, 0.5",
            "never 4: 0, 0",
            "- null: 1, 0.5"
        ]
    );
    assert_eq!(reasons(&split), ["targeting_match 2"]);
}

/// As in an evaluation, the session replaces an empty user identifier.
#[test]
fn an_empty_identifier_counts_as_none() {
    let context = EvaluationContext::new().session_id("user-1");
    let by_session = split("rollout", &context, &["", ""]);
    assert_eq!(by_session.shares(), split("rollout", &context, &["user-1"; 2]).shares());
    let no_user = split("rollout", &EvaluationContext::new(), &["", ""]);
    assert_eq!(reasons(&no_user), ["default 2"]);
}

#[test]
fn without_identifiers_all_shares_are_zero() {
    let none = split("off", &EvaluationContext::new(), &[]);
    assert_eq!(none.total(), 0);
    assert_eq!(shares(&none), ["yes true: 0, 0", "no false: 0, 0"]);
    assert_eq!(none.reasons().len(), 0);
    let off = split("off", &EvaluationContext::new(), &["a", "b"]);
    assert_eq!(shares(&off), ["yes true: 0, 0", "no false: 2, 1"]);
    assert_eq!(off.reasons().collect::<Vec<_>>(), [(Reason::FlagInactive, 2)]);
    let empty = split("empty", &EvaluationContext::new(), &["a"]);
    assert_eq!(shares(&empty), ["- null: 1, 1"]);
    assert_eq!(empty.shares()[0].value(), &Value::Null);
}

#[test]
fn identifiers_may_be_owned_or_borrowed_and_an_unknown_flag_reads_none() {
    let ruleset = Ruleset::parse(RULESET).unwrap();
    let owned = ruleset.split("rollout", None, vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(owned, ruleset.split("rollout", &EvaluationContext::new(), ["a", "b"]));
    let lines = ruleset.split("rollout", None, "a\nb\n".lines());
    assert_eq!(lines, owned);
    let never = std::iter::from_fn(|| -> Option<String> { panic!("asked") });
    assert!(ruleset.split("unknown", None, never).is_none());
}

#[test]
fn a_client_splits_with_its_overrides_and_its_default_context() {
    let text = r#"[{"key": "f", "default_variation": "off",
        "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "targeting_rules": [{"variation": "on",
            "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]}]}]"#;
    let pro = phaseflag::EvaluationContext::new().attribute("plan", "pro");
    let builder = phaseflag::PhaseFlagClient::builder("", "").bootstrap_text(text);
    let client = builder.default_context(pro).build().unwrap();
    assert_eq!(client.split("f", None, ["a"]), None);
    client.start().unwrap();
    let shares = |users: &[&str]| {
        let split = client.split("f", None, users).unwrap();
        let shares = split.shares().iter();
        let shares =
            shares.map(|it| format!("{:?} {} {}", it.variation_key(), it.value(), it.count()));
        let reasons = split.reasons().map(|(reason, count)| format!("{reason} {count}"));
        (split.total(), shares.chain(reasons).collect::<Vec<_>>().join(", "))
    };
    let expected = r#"Some("on") true 2, Some("off") false 0, targeting_match 2"#;
    assert_eq!(shares(&["a", "b"]), (2, expected.to_owned()));
    let free = phaseflag::EvaluationContext::new();
    assert_eq!(client.split("f", &free, ["a"]).unwrap().shares()[0].count(), 0);
    client.set_override("f", "x");
    assert_eq!(shares(&["a", "a", ""]), (3, r#"None "x" 3, override 3"#.to_owned()));
    assert_eq!(shares(&[]), (0, r#"None "x" 0"#.to_owned()));
    client.set_override("g", 1);
    assert!(client.split("g", None, ["a"]).is_some());
    assert_eq!(client.split("h", None, ["a"]), None);
}
