//! Parses and evaluates rulesets in WebAssembly, without any system below it.

use std::hint::black_box;

use phaseflag::{EvaluationContext, Ruleset};

const FLAGS: &str = include_str!("../../examples/flags.json");

/// A rollout that the bucket of `user-123`, which is 55, is in or not.
const ROLLOUT: &str = r#"{"flags": [{"key": "new-checkout-flow", "default_variation": "off",
    "variations": [{"key": "on", "value": 0.1}, {"key": "off", "value": 18446744073709551615}],
    "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": SHARE}]}]}]}"#;

/// Returns 0, or the number of the first check that fails.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    let checks = [
        Ruleset::parse(FLAGS).is_ok_and(|flags| flags.len() == 8 && flags.problems().is_empty()),
        evaluates(FLAGS, "ui-theme", r#""light""#, "default"),
        evaluates(FLAGS, "new-checkout-flow", "true", "targeting_match"),
        evaluates(
            &ROLLOUT.replace("SHARE", "55"),
            "new-checkout-flow",
            "18446744073709551615",
            "default",
        ),
        evaluates(
            &ROLLOUT.replace("SHARE", "56"),
            "new-checkout-flow",
            "0.1",
            "percentage_rollout",
        ),
        Ruleset::parse("{").is_err(),
        Ruleset::parse(&"[".repeat(1_000_000)).is_err(),
    ];
    checks.iter().position(|passed| !passed).map_or(0, |position| position as i32 + 1)
}

/// Evaluates a flag with a rule this many times, and returns how often it is on.
#[unsafe(no_mangle)]
pub extern "C" fn evaluations(count: u32) -> u32 {
    let Ok(ruleset) = Ruleset::parse(FLAGS) else { return 0 };
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
    (0..count).map(|_| u32::from(is_on(&ruleset, black_box(&context)))).sum()
}

fn is_on(ruleset: &Ruleset, context: &EvaluationContext) -> bool {
    ruleset
        .evaluate("new-checkout-flow", context)
        .is_some_and(|result| result.value().as_bool() == Some(true))
}

fn evaluates(rules: &str, key: &str, value: &str, reason: &str) -> bool {
    let context = EvaluationContext::new()
        .user_id("user-123")
        .attribute("plan", "pro")
        .attribute("country", "GB");
    let Ok(ruleset) = Ruleset::parse(rules) else { return false };
    ruleset.evaluate(key, &context).is_some_and(|result| {
        result.value().to_string() == value && result.reason().as_str() == reason
    })
}
