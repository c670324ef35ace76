//! Any bytes as a ruleset: a refusal says where, and what is accepted also evaluates.

use phaseflag::{EvaluationContext, Ruleset, Value};

/// Reads the bytes and evaluates what comes of them.
pub fn run(data: &[u8]) {
    let parsed = Ruleset::parse_bytes(data);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(parsed.is_err());
        return;
    };
    let value = text.parse::<Value>();
    let ruleset = match parsed {
        Ok(ruleset) => ruleset,
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains("a document that is not JSON"), "{error}");
            assert_eq!(error.contains(" at line "), value.is_err(), "{error}");
            return;
        }
    };
    let value = value.expect("a ruleset is JSON");
    let written = value.to_string();
    assert!(written.parse::<Value>().is_ok(), "{written}");

    assert_eq!(ruleset.flags().len(), ruleset.len());
    for problem in ruleset.problems() {
        assert!(!problem.path().is_empty() && !problem.message().is_empty());
    }
    let again = Ruleset::parse(text).expect("what was accepted is accepted again");
    assert_eq!(again.problems(), ruleset.problems());
    let contexts = [
        EvaluationContext::new(),
        EvaluationContext::new()
            .user_id("user-123")
            .session_id("sess-abc")
            .attribute("plan", "pro")
            .attribute("country", "US")
            .attribute("age", 42)
            .attribute("version", "1.2.3-rc.1")
            .attribute("beta", true),
    ];
    for context in &contexts {
        let all = ruleset.evaluate_all(context);
        assert_eq!(all.len(), ruleset.len());
        assert_eq!(again.evaluate_all(context), all);
        for flag in ruleset.flags().take(100) {
            let result = ruleset.evaluate(flag.key(), context);
            assert_eq!(result.as_ref(), all.get(flag.key()));
        }
    }
}
