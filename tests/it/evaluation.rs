//! Evaluation, tested by cases in data files: `tests/data/*.json`, read by one adapter.
//!
//! A file is a list of groups. A group has `rulesets` (or one as verbatim `text`) that must all
//! evaluate its `cases` alike, and the paths of the `problems` that each of them must report. A
//! table has `attributes` and `rows` instead: a row is one condition with the list of the
//! attributes for which it holds.

use std::time::Duration;

use phaseflag::{AttributeValue, EvaluationContext, EvaluationResult, Ruleset, Value};

use crate::processor_time::ProcessorTime;

macro_rules! files {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                let file = concat!(stringify!($name), ".json");
                run(file, include_str!(concat!("../data/", stringify!($name), ".json")));
            }
        )*
    };
}

files! {
    documents
    numbers
    operators
    prerequisites
    references
    #[cfg(feature = "regex")]
    regexes
    rollouts
    rules
    segments
    versions
}

/// Runs every case of a file and reports each failure.
fn run(file: &str, text: &str) {
    let groups: Value = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut failures = Vec::new();
    let mut count = 0;
    for group in list(&groups) {
        let mut check = |name: String, outcome: Result<(), String>| {
            count += 1;
            if let Err(failure) = outcome {
                let group = string(&group["name"]);
                failures.push(format!("{file}: {group}: {name}: {failure}"));
            }
        };
        match group.get("rows") {
            Some(rows) => table(group, list(rows), &mut check),
            None => cases(group, &mut check),
        }
    }
    assert!(count > 0, "{file} has no case");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

type Check<'a> = &'a mut dyn FnMut(String, Result<(), String>);

fn cases(group: &Value, check: Check<'_>) {
    let texts = match group.get("text") {
        Some(text) => vec![string(text).to_owned()],
        None => list(&group["rulesets"]).iter().map(Value::to_string).collect(),
    };
    assert!(!texts.is_empty());
    for (number, text) in texts.iter().enumerate() {
        let ruleset = match Ruleset::parse(text) {
            Ok(ruleset) => ruleset,
            Err(error) => return check(format!("ruleset {number}"), Err(error.to_string())),
        };
        check(format!("problems of ruleset {number}"), same_problems(&ruleset, &group["problems"]));
        for case in list(&group["cases"]) {
            let context = context(&case["context"]);
            let flag = string(&case["flag"]);
            let result = ruleset.evaluate(flag, &context);
            let name = format!("{} (ruleset {number})", string(&case["name"]));
            check(name, same_result(case, result));
        }
    }
}

fn same_problems(ruleset: &Ruleset, expected: &Value) -> Result<(), String> {
    let mut found: Vec<&str> = ruleset.problems().iter().map(|it| it.path()).collect();
    let mut expected: Vec<&str> = list(expected).iter().map(string).collect();
    found.sort();
    expected.sort();
    if found == expected {
        return Ok(());
    }
    Err(format!("expected {expected:?}, found {:#?}", ruleset.problems()))
}

fn same_result(case: &Value, result: Option<EvaluationResult>) -> Result<(), String> {
    let answer = match &result {
        None => "unknown".to_owned(),
        Some(result) => {
            format!("{} {} {:?}", result.value(), result.reason(), result.variation_key())
        }
    };
    let expected = match case["unknown"].as_bool() {
        Some(true) => "unknown".to_owned(),
        _ => format!(
            "{} {} {:?}",
            case["value"],
            string(&case["reason"]),
            case["variation_key"].as_str()
        ),
    };
    if answer == expected {
        return Ok(());
    }
    Err(format!("expected {expected}, found {answer}"))
}

fn table(group: &Value, rows: &[Value], check: Check<'_>) {
    let attributes = group["attributes"].as_object().expect("attributes");
    let names = || {
        let named = attributes.iter().map(|(name, _)| name);
        named.chain(["missing"])
    };
    for row in rows {
        let operator = string(&row["operator"]);
        let target = row.get("target");
        let (mut expected, mut reported) = expectation(row, names().collect());
        if operator == "matches_regex" && cfg!(not(feature = "regex")) {
            (expected, reported) = (Vec::new(), true);
        }
        let ruleset = Ruleset::parse(&one_condition(operator, target)).unwrap();
        let name = match target {
            Some(target) => format!("{operator} {target}"),
            None => format!("{operator} without a value"),
        };
        let problems = match reported {
            true => Value::from(["flags[0].targeting_rules[0].conditions[0]"]),
            false => Value::from(Vec::<Value>::new()),
        };
        check(name.clone(), same_problems(&ruleset, &problems));
        for attribute in names() {
            let mut context = EvaluationContext::new();
            if let Some(value) = attributes.get(attribute) {
                context = context.attribute("subject", attribute_value(value));
            }
            let result = ruleset.evaluate("f", &context).unwrap();
            let held = result.value() == &Value::from(true);
            let outcome = match (held, expected.contains(&attribute)) {
                (true, false) => Err("it holds".to_owned()),
                (false, true) => Err("it does not hold".to_owned()),
                _ => Ok(()),
            };
            check(format!("{attribute} {name}"), outcome);
        }
    }
}

/// The attributes that a row holds for, and whether the condition must be reported.
fn expectation<'a>(row: &'a Value, names: Vec<&'a str>) -> (Vec<&'a str>, bool) {
    let listed = |field: &Value| -> Vec<String> {
        list(field).iter().map(|name| string(name).to_owned()).collect()
    };
    let (holds, fails) = (listed(&row["holds"]), listed(&row["holds_except"]));
    for name in holds.iter().chain(&fails) {
        assert!(names.contains(&name.as_str()), "no attribute `{name}`: {row}");
    }
    let all_but = row.get("holds_except").is_some();
    let expected = names.into_iter().filter(|name| match all_but {
        true => !fails.iter().any(|fails| fails == name),
        false => holds.iter().any(|holds| holds == name),
    });
    (expected.collect(), row["reported"] == Value::from(true))
}

fn one_condition(operator: &str, target: Option<&Value>) -> String {
    let target = match target {
        Some(target) => format!(r#", "value": {target}"#),
        None => String::new(),
    };
    let operator = Value::from(operator);
    format!(
        r#"[{{
            "key": "f",
            "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}],
            "default_variation": "off",
            "targeting_rules": [{{
                "variation": "on",
                "conditions": [{{"attribute": "subject", "operator": {operator}{target}}}]
            }}]
        }}]"#
    )
}

/// Objects have sorted members, so `attributes` come first.
fn context(document: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::new();
    let Some(members) = document.as_object() else {
        panic!("no context: {document}");
    };
    for (name, value) in members.iter() {
        context = match name {
            "user_id" => context.user_id(string(value)),
            "session_id" => context.session_id(string(value)),
            "attributes" => {
                let attributes = value.as_object().expect("attributes").iter();
                attributes.fold(context, |context, (name, value)| {
                    context.attribute(name, attribute_value(value))
                })
            }
            _ => panic!("a context has no `{name}`"),
        };
    }
    context
}

/// A scalar, or `{"float": "…"}` for the floats that JSON cannot spell.
fn attribute_value(value: &Value) -> AttributeValue {
    match value {
        Value::String(text) => text.into(),
        Value::Number(number) => (*number).into(),
        Value::Bool(value) => (*value).into(),
        _ => string(&value["float"]).parse::<f64>().unwrap().into(),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        _ => value.as_array().unwrap_or_else(|| panic!("no list: {value}")),
    }
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}"))
}

/// Returns a flag that serves `on` to every context and requires `on` of others. Its default is
/// `off`.
fn requiring(key: usize, required: &[usize]) -> String {
    let required =
        required.iter().map(|key| format!(r#"{{"flag_key": "{key}", "variation_key": "on"}}"#));
    format!(
        r#"{{
            "key": "{key}",
            "variations": [{{"key": "on", "value": 1}}, {{"key": "off", "value": 0}}],
            "default_variation": "off",
            "prerequisites": [{}],
            "targeting_rules": [{{"variation": "on"}}]
        }}"#,
        required.collect::<Vec<_>>().join(",")
    )
}

/// Returns a chain of flags: each except flag 0 requires the one before it.
fn chain(length: usize) -> Ruleset {
    let flags =
        (0..length).map(|key| requiring(key, &key.checked_sub(1).map_or(vec![], |it| vec![it])));
    Ruleset::parse(&format!("[{}]", flags.collect::<Vec<_>>().join(","))).unwrap()
}

fn reason(ruleset: &Ruleset, key: usize) -> String {
    let result = ruleset.evaluate(&key.to_string(), None).unwrap();
    format!("{} {}", result.value(), result.reason())
}

#[test]
fn chains_of_prerequisites_up_to_a_hundred_flags_hold() {
    for length in [100, 101] {
        let ruleset = chain(length);
        assert_eq!(ruleset.problems(), [], "{length}");
        assert_eq!(reason(&ruleset, length - 1), "1 targeting_match");
    }
}

#[test]
fn longer_chains_of_prerequisites_fail_from_the_first_flag_beyond_the_limit() {
    for length in [102, 10_000] {
        let ruleset = chain(length);
        assert_eq!(
            ruleset.problems()[0].to_string(),
            "flags[101].prerequisites: the chain of prerequisites is longer than 100 flags: \
             the flag's default variation is served",
        );
        assert_eq!(reason(&ruleset, 100), "1 targeting_match");
        assert_eq!(reason(&ruleset, 101), "0 prerequisite_failed");
        assert_eq!(reason(&ruleset, length - 1), "0 prerequisite_failed");
    }
}

#[test]
fn the_order_of_flags_does_not_change_the_length_of_a_chain() {
    let mut flags: Vec<String> = (0..102)
        .map(|key| requiring(key, &key.checked_sub(1).map_or(vec![], |it| vec![it])))
        .collect();
    flags.reverse();
    let ruleset = Ruleset::parse(&format!("[{}]", flags.join(","))).unwrap();
    assert_eq!(reason(&ruleset, 100), "1 targeting_match");
    assert_eq!(reason(&ruleset, 101), "0 prerequisite_failed");
    assert_eq!(ruleset.problems().len(), 1);
}

#[test]
fn a_prerequisite_beyond_the_limit_counts_as_its_default() {
    let mut flags: Vec<String> = (0..102)
        .map(|key| requiring(key, &key.checked_sub(1).map_or(vec![], |it| vec![it])))
        .collect();
    let wants_off = requiring(102, &[101])
        .replace(r#""variation_key": "on""#, r#""variation_key": "off""#)
        .to_owned();
    flags.extend([wants_off, requiring(103, &[102])]);
    let ruleset = Ruleset::parse(&format!("[{}]", flags.join(","))).unwrap();
    assert_eq!(reason(&ruleset, 101), "0 prerequisite_failed");
    assert_eq!(reason(&ruleset, 102), "1 targeting_match");
    assert_eq!(reason(&ruleset, 103), "1 targeting_match");
}

#[test]
fn a_cycle_of_ten_thousand_flags_serves_defaults() {
    let length = 10_000;
    let flags = (0..length).map(|key| requiring(key, &[(key + 1) % length]));
    let text = format!("[{}]", flags.collect::<Vec<_>>().join(","));
    let ruleset = Ruleset::parse(&text).unwrap();
    assert_eq!(ruleset.problems().len(), length);
    let results = ruleset.evaluate_all(None);
    assert!(results.values().all(|it| it.reason().as_str() == "prerequisite_failed"));
}

#[test]
fn sixty_layers_that_require_the_layer_below_twice_take_sixty_evaluations() {
    // Two ways to require a layer twice: one flag named twice, and two flags per layer.
    let one_flag = (0..60).map(|key: usize| match key.checked_sub(1) {
        None => requiring(key, &[]),
        Some(below) => requiring(key, &[below, below]),
    });
    let two_flags = (0..120).map(|key: usize| match (key / 2).checked_sub(1) {
        None => requiring(key, &[]),
        Some(below) => requiring(key, &[below * 2, below * 2 + 1]),
    });
    for flags in [one_flag.collect::<Vec<_>>().join(","), two_flags.collect::<Vec<_>>().join(",")] {
        let ruleset = Ruleset::parse(&format!("[{flags}]")).unwrap();
        let start = ProcessorTime::now();
        let results = ruleset.evaluate_all(None);
        assert_eq!(reason(&ruleset, 59), "1 targeting_match");
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(results.values().all(|it| it.value() == &Value::from(1)));
    }
}

#[test]
fn a_flag_that_is_required_many_times_is_evaluated_once() {
    let count = 3_000;
    let rule = r#"{"variation": "off", "conditions": [{"attribute": "no", "operator": "is", "value": "such"}]}"#;
    let leaf = format!(
        r#"{{"key": "leaf", "default_variation": "on",
            "variations": [{{"key": "on", "value": 1}}, {{"key": "off", "value": 0}}],
            "targeting_rules": [{}]}}"#,
        vec![rule; count].join(",")
    );
    let top = requiring(0, &vec![7; count]).replace(r#""flag_key": "7""#, r#""flag_key": "leaf""#);
    let ruleset = Ruleset::parse(&format!("[{leaf}, {top}]")).unwrap();

    let start = ProcessorTime::now();
    assert_eq!(ruleset.evaluate("leaf", None).unwrap().value(), &Value::from(1));
    let once = start.elapsed();
    let start = ProcessorTime::now();
    assert_eq!(reason(&ruleset, 0), "1 targeting_match");
    let many = start.elapsed();
    assert!(
        many < 100 * once + Duration::from_millis(50),
        "{many:?} for {count} requirements, {once:?} for one evaluation"
    );
}

#[test]
fn no_context_equals_an_empty_context() {
    let ruleset = Ruleset::parse(&one_condition("is_not", Some(&Value::from("such")))).unwrap();
    let no_user = EvaluationContext::new();
    assert_eq!(ruleset.evaluate("f", None), ruleset.evaluate("f", &no_user));
    assert_eq!(ruleset.evaluate_all(None), ruleset.evaluate_all(&no_user));
    assert_eq!(ruleset.evaluate("f", None).unwrap().reason().to_string(), "targeting_match");
}

#[cfg(feature = "regex")]
mod patterns {
    use super::*;

    fn found(pattern: &str, subject: &str) -> bool {
        let ruleset =
            Ruleset::parse(&one_condition("matches_regex", Some(&Value::from(pattern)))).unwrap();
        let context = EvaluationContext::new().attribute("subject", subject);
        let result = ruleset.evaluate("f", &context).unwrap();
        result.value() == &Value::from(true)
    }

    fn problem(pattern: &str) -> Option<String> {
        let ruleset =
            Ruleset::parse(&one_condition("matches_regex", Some(&Value::from(pattern)))).unwrap();
        ruleset.problems().first().map(|it| it.message().to_owned())
    }

    #[test]
    fn have_at_most_500_characters() {
        // Plain text is compared, and other patterns are searched for.
        for (start, character) in [("", "a"), ("", "ü"), ("a?", "a"), ("a?", "ü")] {
            let pattern = |length| format!("{start}{}", character.repeat(length - start.len()));
            let longest = pattern(500);
            let text = character.repeat(500);
            assert_eq!(problem(&longest), None);
            assert!(found(&longest, &text));
            let too_long = pattern(501);
            assert!(!found(&too_long, &text));
            assert_eq!(
                problem(&too_long).unwrap(),
                "the pattern is longer than 500 characters: the condition never holds"
            );
        }
    }

    #[test]
    fn see_the_first_10_000_characters() {
        for filler in ["x", "ü", "😀"] {
            let inside = format!("{}!", filler.repeat(9_999));
            let outside = format!("{}!", filler.repeat(10_000));
            // Plain text is compared, and other patterns are searched for.
            for pattern in ["!", "[!]", "!$", "[!]$", r"(!|\?)", "^.*!", ".*!$"] {
                assert!(found(pattern, &inside), "{pattern} {filler}");
                assert!(!found(pattern, &outside), "{pattern} {filler}");
                assert!(found(pattern, &format!("{inside}{filler}")), "{pattern} {filler}");
            }
            let end = format!("^{filler}.*{filler}$");
            assert!(found(&end, &outside), "{filler}");
            assert!(found(&format!("{filler}$"), &outside), "{filler}");
        }
    }

    #[test]
    fn that_are_too_large_do_not_compile() {
        assert_eq!(problem("a{500}"), None);
        let problem = problem("(a{500}){500}").unwrap();
        assert!(problem.starts_with("the pattern does not compile: "), "{problem}");
    }

    #[test]
    fn with_hundreds_of_texts_take_linear_time() {
        let texts = |length: usize| (1..=length).map(|it| "a".repeat(it)).collect::<Vec<_>>();
        for pattern in [
            vec!["a"; 200].join("|"),
            format!("({})b", vec!["aa"; 160].join("|")),
            format!("({})b", texts(30).join("|")),
            format!("{}({})b", "a".repeat(250), vec!["a"; 120].join("|")),
            format!("({})", vec![""; 499].join("|")),
        ] {
            let expected = !pattern.ends_with('b');
            let start = ProcessorTime::now();
            for length in [30, 10_000] {
                assert_eq!(found(&pattern, &"a".repeat(length)), expected, "{pattern}");
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{pattern}");
        }
    }

    #[test]
    fn match_in_linear_time_without_backtracking() {
        for pattern in ["(a+)+$", "(a|aa)+$", "(.*)*!", "^(a?){100}a{100}$"] {
            let subject = format!("{}b", "a".repeat(9_999));
            let start = ProcessorTime::now();
            assert!(!found(pattern, &subject), "{pattern}");
            assert!(start.elapsed() < Duration::from_secs(10), "{pattern}");
        }
    }
}

#[cfg(not(feature = "regex"))]
#[test]
fn without_the_feature_patterns_never_hold_and_are_reported() {
    let ruleset = Ruleset::parse(&one_condition("matches_regex", Some(&Value::from("")))).unwrap();
    let context = EvaluationContext::new().attribute("subject", "text");
    let result = ruleset.evaluate("f", &context).unwrap();
    assert_eq!(result.value(), &Value::from(false));
    assert_eq!(
        ruleset.problems()[0].to_string(),
        "flags[0].targeting_rules[0].conditions[0]: \
         the crate was built without the feature `regex`: the condition never holds"
    );
}

#[cfg(feature = "regex")]
#[test]
fn the_searches_of_one_evaluation_are_bounded_together() {
    let rule = |pattern: &str| {
        format!(
            r#"{{"variation": "v", "conditions": [
                {{"attribute": "text", "operator": "matches_regex", "value": "{pattern}"}}]}}"#
        )
    };
    let flag = |pattern: &str, misses: usize| {
        let mut rules = vec![rule(pattern); misses];
        rules.push(rule("a"));
        let rules = rules.join(",");
        format!(
            r#"[{{"key": "f", "variations": [{{"key": "v", "value": 1}}], "targeting_rules": [{rules}]}}]"#
        )
    };
    let reason = |pattern, misses, length: usize| {
        let context = EvaluationContext::new().attribute("text", "a".repeat(length));
        let ruleset = Ruleset::parse(&flag(pattern, misses)).unwrap();
        ruleset.evaluate("f", &context).unwrap().reason().to_string()
    };
    for (pattern, misses, length, expected) in [
        ("[x]", 40, 10_000, "targeting_match"),
        ("[x]", 60, 10_000, "default"),
        ("[x]", 1000, 100, "targeting_match"),
        // Plain text costs little.
        ("x", 10_000, 10_000, "targeting_match"),
        ("x", 13_000, 10_000, "default"),
        ("x", 20_000, 10, "targeting_match"),
        ("x(1|2|3|4|5|6|7|8)", 1_000, 10_000, "targeting_match"),
        ("x(1|2|3|4|5|6|7|8)", 1_600, 10_000, "default"),
    ] {
        let found = reason(pattern, misses, length);
        assert_eq!(found, expected, "{misses} times {pattern} in {length} characters");
    }
}
