//! Compares evaluations with the recorded results of the Python SDK 0.1.0, and the guide with both.

use phaseflag::{AttributeValue, EvaluationContext, EvaluationResult, PhaseFlagClient, Value};

const RECORDED: &str = include_str!("../data/from_python.json");
const PAGE: &str = include_str!("../../src/guide/from_python_answers.md");

fn recorded() -> Value {
    RECORDED.parse().expect("JSON")
}

fn client(ruleset: &Value) -> PhaseFlagClient {
    let builder = PhaseFlagClient::without_service().bootstrap_text(ruleset.to_string());
    let client = builder.build().unwrap();
    client.start().unwrap();
    client
}

fn context(recorded: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::new();
    if let Some(user) = recorded["user_id"].as_str() {
        context = context.user_id(user);
    }
    let attributes = recorded["attributes"].as_object();
    for (name, value) in attributes.into_iter().flatten() {
        context = context.attribute(name, AttributeValue::try_from(value).unwrap());
    }
    context
}

/// Returns the result as a cell of the guide's table.
fn cell(result: Option<EvaluationResult>) -> String {
    let Some(result) = result else { return "unknown".to_owned() };
    match result.value().as_bool() {
        Some(true) => "`on`".to_owned(),
        Some(false) => "`off`".to_owned(),
        None => format!("`{}`", result.value()),
    }
}

#[test]
fn the_guide_lists_each_difference_as_it_is() {
    let recorded = recorded();
    let mut rows = Vec::new();
    for case in recorded["differences"].as_array().expect("a list") {
        let text = |name: &str| case[name].as_str().expect("a string").to_owned();
        let found = cell(client(&case["ruleset"]).get_variation("f", &context(&case["context"])));
        let (rule, user, python) = (text("rule"), text("user"), text("python"));
        let without_regex = cfg!(not(feature = "regex")) && rule.starts_with("pattern");
        if !without_regex {
            assert_eq!(found, text("rust"), "{rule}, {user}");
        }
        assert_ne!(python, text("rust"), "{rule}, {user}");
        rows.push(format!("| {rule} | {user} | {python} | {} |", text("rust")));
    }
    let table = PAGE.lines().filter(|line| line.starts_with('|')).skip(2);
    assert_eq!(Vec::from_iter(table), rows);
}

#[test]
fn every_user_keeps_the_variation() {
    let recorded = recorded();
    let rollout = &recorded["rollout"];
    let client = client(&rollout["ruleset"]);
    let mut compared = 0;
    for (kind, is_user) in [("users", true), ("sessions", false)] {
        for (identifier, variation) in rollout[kind].as_object().expect("an object") {
            let context = match is_user {
                true => EvaluationContext::new().user_id(identifier),
                false => EvaluationContext::new().user_id("").session_id(identifier),
            };
            let result = client.get_variation("checkout-é", &context).expect("a result");
            assert_eq!(result.variation_key(), variation.as_str(), "{kind}: {identifier}");
            compared += 1;
        }
    }
    assert_eq!(compared, 105 + 20);
}
