//! Compares arbitrary texts as versions, and checks that the order is consistent.

use std::cmp::Ordering;

use phaseflag::{EvaluationContext, Ruleset, Value};

/// Splits the bytes at line ends, and compares the first three lines.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (a, b, c) = (line(), line(), line());

    let forward = compare(a, b);
    assert_eq!(forward, compare(b, a).map(Ordering::reverse), "{a} and {b}");
    assert_eq!(compare(a, a), None, "{a}");
    let longer = format!("v{a}");
    if !a.starts_with('v') && forward.is_some() {
        assert_eq!(compare(&longer, b), forward, "{longer} and {b}");
    }
    if let (Some(first), Some(second)) = (forward, compare(b, c))
        && first == second
    {
        assert_eq!(compare(a, c), forward, "{a}, {b} and {c}");
    }
}

fn compare(attribute: &str, target: &str) -> Option<Ordering> {
    let target = Value::from(target);
    let flag = |operator: &str| {
        format!(
            r#"{{"key": "{operator}", "targeting_rules": [{{"variation": "yes", "conditions": [
                {{"attribute": "v", "operator": "{operator}", "value": {target}}}]}}]}}"#
        )
    };
    let text = format!("[{}, {}]", flag("version_gt"), flag("version_lt"));
    let ruleset = Ruleset::parse(&text).expect("a ruleset");
    let context = EvaluationContext::new().attribute("v", attribute);
    let holds = |operator| {
        let result = ruleset.evaluate(operator, &context).expect("a flag");
        result.reason().as_str() == "targeting_match"
    };
    match (holds("version_gt"), holds("version_lt")) {
        (true, true) => panic!("{attribute} is newer and older than {target}"),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => None,
    }
}
