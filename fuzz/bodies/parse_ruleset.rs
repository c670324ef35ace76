//! Parses arbitrary bytes as a ruleset: an error has a position, and a valid ruleset evaluates.

use phaseflag::{EvaluationContext, JsonError, Ruleset, RulesetError, Severity, Value};

/// Parses the bytes, and evaluates a valid ruleset.
pub fn run(data: &[u8]) {
    let parsed = Ruleset::parse_bytes(data);
    checks(data, &parsed);
    selects(data, &parsed);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(parsed.is_err());
        return;
    };
    let value = text.parse::<Value>();
    agrees(text, &value);
    let ruleset = match parsed {
        Ok(ruleset) => ruleset,
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains("invalid JSON"), "{error}");
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

/// Asserts that serde_json accepts the same texts, with the same values. It accepts one level less,
/// and no byte-order mark.
fn agrees(text: &str, ours: &Result<Value, JsonError>) {
    match (ours, serde_json::from_str::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) => assert!(equal(ours, &theirs), "{ours} and {theirs}"),
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => assert!(
            text.starts_with('\u{feff}') || error.to_string().starts_with("recursion limit"),
            "{error}"
        ),
        (Err(error), Ok(_)) => panic!("{error}"),
    }
}

fn equal(ours: &Value, theirs: &serde_json::Value) -> bool {
    match theirs {
        serde_json::Value::Null => ours.is_null(),
        serde_json::Value::Bool(theirs) => ours.as_bool() == Some(*theirs),
        serde_json::Value::Number(theirs) => {
            ours.as_f64() == theirs.as_f64()
                && (!theirs.is_u64() || ours.as_u64() == theirs.as_u64())
                && (!theirs.is_i64() || ours.as_i64() == theirs.as_i64())
        }
        serde_json::Value::String(theirs) => ours.as_str() == Some(theirs),
        serde_json::Value::Array(theirs) => ours.as_array().is_some_and(|ours| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| equal(a, b))
        }),
        serde_json::Value::Object(theirs) => ours.as_object().is_some_and(|ours| {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, a)| theirs.get(key).is_some_and(|b| equal(a, b)))
        }),
    }
}

/// Asserts that a check finds the problems that parsing reports, each at a position in the text.
fn checks(data: &[u8], parsed: &Result<Ruleset, RulesetError>) {
    let findings = Ruleset::check_bytes(data);
    let (ruleset, findings) = match (parsed, findings) {
        (Ok(ruleset), Ok(findings)) => (ruleset, findings),
        (Err(expected), Err(error)) => return assert_eq!(*expected, error),
        (parsed, findings) => panic!("{parsed:?} and {findings:?}"),
    };
    let mut problems: Vec<_> =
        ruleset.problems().iter().map(|it| (it.path(), it.message())).collect();
    let mut found: Vec<_> = findings
        .iter()
        .filter(|it| it.severity() == Severity::Problem)
        .map(|it| (it.path(), it.message()))
        .collect();
    problems.sort();
    found.sort();
    assert_eq!(found, problems);

    let whole = std::str::from_utf8(data).expect("what is accepted is UTF-8");
    let text = whole.trim_start_matches('\u{feff}');
    let lines: Vec<_> = text.split('\n').collect();
    let mut last = (1, 1);
    for finding in &findings {
        let place = (finding.line(), finding.column());
        assert!(place >= last, "{finding}");
        last = place;
        let line = lines.get(place.0 - 1).expect("a line of the text");
        let character = line.chars().nth(place.1 - 1).expect("a column of the line");
        assert!("{[\"-0123456789tfn".contains(character), "{finding}: {character:?}");
        let part = whole.get(finding.span()).expect("a part of the text");
        assert!(part.starts_with(character), "{finding}: {part}");
        let lines_in_part = part.matches('\n').count();
        assert_eq!(finding.end_line(), finding.line() + lines_in_part, "{finding}: {part}");
        if lines_in_part == 0 {
            let end = finding.column() + part.chars().count();
            assert_eq!(finding.end_column(), end, "{finding}: {part}");
        }
    }
}

/// Asserts that an environment removes flags, and changes nothing else.
fn selects(data: &[u8], parsed: &Result<Ruleset, RulesetError>) {
    let of_one = Ruleset::parse_for(data, "production");
    let (ruleset, of_one) = match (parsed, of_one) {
        (Ok(ruleset), Ok(of_one)) => (ruleset, of_one),
        (Err(expected), Err(error)) => return assert_eq!(*expected, error),
        (parsed, of_one) => panic!("{parsed:?} and {of_one:?}"),
    };
    assert!(of_one.len() <= ruleset.len());
    let text = std::str::from_utf8(data).expect("what is accepted is UTF-8");
    // An escaped name may be `environment`.
    if !text.contains("environment") && !text.contains('\\') {
        assert_eq!(of_one.problems(), ruleset.problems());
        assert_eq!(of_one.evaluate_all(None), ruleset.evaluate_all(None));
        assert_eq!(of_one.version(), ruleset.version());
    }
}
