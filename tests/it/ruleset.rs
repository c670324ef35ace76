//! Malformed and hostile rulesets: what is refused, what is skipped and reported, and the cost.

use std::collections::HashSet;
use std::time::Duration;

use phaseflag::{EvaluationContext, FlagKind, Ruleset, Value};

use crate::processor_time::ProcessorTime;

#[track_caller]
fn parse(text: &str) -> Ruleset {
    match Ruleset::parse(text) {
        Ok(ruleset) => ruleset,
        Err(error) => panic!("{}: {error}", text.get(..1000).unwrap_or(text)),
    }
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    match Ruleset::parse(text) {
        Ok(ruleset) => panic!("{text} is accepted as {ruleset:?}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
    }
}

/// Returns the result in one line, such as `true targeting_match on`.
fn answer(ruleset: &Ruleset, key: &str) -> String {
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
    match ruleset.evaluate(key, &context) {
        None => "unknown".to_owned(),
        Some(result) => {
            let key = result.variation_key().map(|key| format!(" {key}"));
            format!("{} {}{}", result.value(), result.reason(), key.unwrap_or_default())
        }
    }
}

fn problems(ruleset: &Ruleset) -> Vec<String> {
    let problems = ruleset.problems().iter();
    problems.map(ToString::to_string).collect()
}

/// Runs a closure with a limit of its processor time far above what it takes.
#[track_caller]
fn within<T>(limit: Duration, run: impl FnOnce() -> T) -> T {
    let start = ProcessorTime::now();
    let result = run();
    let took = start.elapsed();
    assert!(took < limit, "took {took:?}");
    result
}

const MINUTE: Duration = Duration::from_secs(60);

/// `tests/data/malformed.json`: one malformed part each, in a flag between valid flags.
#[test]
fn one_malformed_part_does_not_affect_the_others() {
    let file = include_str!("../data/malformed.json");
    let cases: Value = file.parse().unwrap();
    let cases = cases.as_array().unwrap();
    assert!(!cases.is_empty());
    let mut failures = Vec::new();
    for case in cases {
        let flag = match case.get("flag") {
            Some(flag) => flag.to_string(),
            None => broken(&case["members"]),
        };
        let segments = case.get("segments").cloned().unwrap_or_default();
        let ruleset = parse(&format!(
            r#"{{"segments": {segments}, "flags": [
                {{"key": "before", "default_variation": "yes", "variations": [{{"key": "yes", "value": 1}}]}},
                {{"key": "behind", "default_variation": "no",
                  "variations": [{{"key": "yes", "value": 2}}, {{"key": "no", "value": 3}}],
                  "prerequisites": [{{"flag_key": "before", "variation_key": "yes"}}],
                  "targeting_rules": [{{"variation": "yes", "conditions": [
                    {{"attribute": "plan", "operator": "is", "value": "pro"}}]}}]}},
                {flag},
                {{"key": "after", "variations": [{{"key": "yes", "value": 4}}],
                  "targeting_rules": [{{"percentage_rollout": [{{"variation": "yes", "percentage": 100}}]}}]}}
            ]}}"#
        ));
        let found = [
            answer(&ruleset, "before"),
            answer(&ruleset, "behind"),
            answer(&ruleset, "broken"),
            answer(&ruleset, "after"),
            problems(&ruleset).join("\n"),
        ];
        let reported: Vec<&str> = case["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem.as_str().unwrap())
            .collect();
        let expected = [
            "1 default yes",
            "2 targeting_match yes",
            case["answer"].as_str().unwrap(),
            "4 percentage_rollout yes",
            &reported.join("\n"),
        ];
        if found != expected {
            let name = case["name"].as_str().unwrap();
            failures.push(format!("{name}:\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Returns a flag with some members replaced: the last of two members of one name counts.
fn broken(members: &Value) -> String {
    let members = members.as_object().unwrap().iter();
    let members = members.map(|(name, value)| format!(", {}: {value}", Value::from(name)));
    format!(
        r#"{{"key": "broken", "default_variation": "off",
            "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}]{}}}"#,
        members.collect::<String>()
    )
}

#[test]
fn documents_without_a_list_of_flags_are_refused() {
    for (text, at, found) in [
        ("null", "", "null"),
        ("true", "", "a boolean"),
        ("0", "", "a number"),
        ("-1", "", "a number"),
        ("1.5", "", "a number"),
        ("\"flags\"", "", "a string"),
        ("{}", "flags", "nothing"),
        (r#"{"flag": []}"#, "flags", "nothing"),
        (r#"{"flags": null}"#, "flags", "nothing"),
        (r#"{"flags": [], "flags": null}"#, "flags", "nothing"),
        (r#"{"flags": false}"#, "flags", "a boolean"),
        (r#"{"flags": 3}"#, "flags", "a number"),
        (r#"{"flags": "[]"}"#, "flags", "a string"),
        (r#"{"flags": {"checkout": {}}}"#, "flags", "an object"),
        (r#"{"flags": 3, "data": {"flags": []}}"#, "flags", "a number"),
        (r#"{"data": {}}"#, "data.flags", "nothing"),
        (r#"{"data": {"flags": null}}"#, "data.flags", "nothing"),
        (r#"{"data": {"flags": {}}}"#, "data.flags", "an object"),
        (r#"{"data": {"flags": 3}}"#, "data.flags", "a number"),
        (r#"{"data": {"data": {"flags": []}}}"#, "data.flags", "nothing"),
        (r#"{"data": 5}"#, "data", "a number"),
        (r#"{"data": "[]"}"#, "data", "a string"),
        (r#"{"data": true}"#, "data", "a boolean"),
    ] {
        let at = match at {
            "" => String::new(),
            path => format!(" at `{path}`"),
        };
        refused(
            text,
            &format!("failed to parse ruleset: expected a list of flags{at}, found {found}"),
        );
    }
    refused(
        r#"{"error": {"code": 404, "message": "not here"}}"#,
        "failed to parse ruleset: expected a list of flags at `flags`, found nothing",
    );
    refused(
        "<!doctype html>",
        "failed to parse ruleset: \
         an unexpected character where a value was expected at line 1, column 1",
    );
    refused(
        "{\"flags\": [\n  {\"key\": \"ü\" \"enabled\": true}\n]}",
        "failed to parse ruleset: a missing `,` or `}` at line 2, column 15",
    );
    refused(
        "{\"flags\": [{\"key\": \"f\", \"variations\": [{\"value\": 1e999}]}]}",
        "failed to parse ruleset: a number out of range at line 1, column 50",
    );
}

#[test]
fn empty_documents_are_rulesets_without_flags() {
    for text in [
        "[]",
        r#"{"flags": []}"#,
        r#"{"data": {"flags": []}}"#,
        r#"{"data": []}"#,
        r#"{"data": {"flags": 5}, "flags": []}"#,
        "\u{feff}[]",
        "\u{feff}\r\n\t{\"flags\": [\n]}\n",
    ] {
        let ruleset = parse(text);
        assert!(ruleset.is_empty(), "{text}");
        assert_eq!(ruleset.len(), 0);
        assert_eq!(ruleset.problems(), []);
        assert!(ruleset.evaluate_all(None).is_empty());
        assert_eq!(answer(&ruleset, ""), "unknown");
    }
    assert!(Ruleset::default().is_empty());
    assert_eq!(Ruleset::default().version(), &Value::Null);
}

#[test]
fn the_version_is_kept_unchanged() {
    for (text, version) in [
        (r#"{"version": 42, "flags": []}"#, Value::from(42)),
        (r#"{"version": "42", "flags": []}"#, Value::from("42")),
        (r#"{"data": {"version": 42, "flags": []}}"#, Value::from(42)),
        (r#"{"version": null, "flags": []}"#, Value::Null),
        (r#"{"flags": []}"#, Value::Null),
        ("[]", Value::Null),
        (r#"{"version": 18446744073709551615, "flags": []}"#, Value::from(u64::MAX)),
    ] {
        assert_eq!(parse(text).version(), &version, "{text}");
    }
}

#[test]
fn flags_are_listed_in_the_order_of_the_document() {
    let ruleset = parse(
        r#"[{"key": "b"}, {"key": "a", "flag_type": "string"}, {"key": "off", "enabled": false},
            {"key": "n", "flag_type": "number", "status": "active"}, {"key": "j", "flag_type": "json"},
            {"key": "odd", "flag_type": "color", "status": "archived"}, {"key": "odder", "flag_type": []}]"#,
    );
    let flags: Vec<_> =
        ruleset.flags().map(|flag| (flag.key().to_owned(), flag.kind(), flag.is_on())).collect();
    let expected = [
        ("b", FlagKind::Boolean, true),
        ("a", FlagKind::String, true),
        ("off", FlagKind::Boolean, false),
        ("n", FlagKind::Number, true),
        ("j", FlagKind::Json, true),
        ("odd", FlagKind::Unknown, false),
        ("odder", FlagKind::Unknown, true),
    ];
    assert_eq!(flags, expected.map(|(key, kind, on)| (key.to_owned(), kind, on)));
    assert_eq!(ruleset.flags().len(), 7);
    assert_eq!(ruleset.problems(), []);
}

#[test]
fn the_last_of_two_flags_of_one_key_wins_and_is_reported() {
    let flag = |value: i32| {
        format!(
            r#"{{"key": "f", "default_variation": "v", "variations": [{{"key": "v", "value": {value}}}]}}"#
        )
    };
    let ruleset = parse(&format!("[{}, {}, 5, {}]", flag(1), r#"{"key": "g"}"#, flag(2)));
    assert_eq!(answer(&ruleset, "f"), "2 default v");
    assert_eq!(ruleset.len(), 2);
    assert_eq!(
        problems(&ruleset),
        [
            "flags[2]: expected an object, found a number: the flag is left out",
            "flags[3]: a flag `f` stands before this one: the last one wins",
        ]
    );
    let ruleset = parse(&format!("[{}]", vec![flag(1); 1000].join(",")));
    assert_eq!((ruleset.len(), ruleset.problems().len()), (1, 999));
}

#[test]
fn two_variations_of_one_name_are_both_served_by_their_own_ids() {
    let ruleset = parse(
        r#"[{"key": "f", "default_variation_id": "2", "variations":
            [{"id": "1", "key": "v", "value": 1}, {"id": "2", "key": "v", "value": 2}]}]"#,
    );
    assert_eq!(answer(&ruleset, "f"), "2 default v");
}

#[test]
fn a_malformed_segment_does_not_affect_the_others() {
    let ruleset = parse(
        r#"{"segments": [7, {"id": 7}, {"id": "pro", "conditions": [
                {"attribute": "plan", "operator": "is", "value": "pro"}]}, null],
            "flags": [{"key": "f", "variations": [{"key": "on", "value": true}],
                "targeting_rules": [{"segment_id": "pro", "variation": "on"}]}]}"#,
    );
    assert_eq!(answer(&ruleset, "f"), "true targeting_match on");
    assert_eq!(
        problems(&ruleset),
        [
            "segments[0]: expected an object, found a number: the segment holds nobody",
            "segments[3]: expected an object, found null: the segment holds nobody",
            "segments[1].id: expected a string, found a number: the segment holds nobody",
            "segments[1]: the segment has neither id nor key: the segment holds nobody",
        ]
    );
}

#[test]
fn paths_of_problems_do_not_depend_on_the_envelope() {
    let expected = "flags[1].variations[0]: expected an object, found a number: \
                    the variation is left out";
    let flags = r#"[{"key": "a"}, {"key": "b", "variations": [5]}]"#;
    for text in [
        flags.to_owned(),
        format!(r#"{{"flags": {flags}}}"#),
        format!(r#"{{"data": {{"flags": {flags}}}}}"#),
    ] {
        assert_eq!(problems(&parse(&text)), [expected]);
    }
}

/// Every position that may hold nested values, and its depth.
const PLACES: [(&str, &str, usize); 26] = [
    (r#"{"flags": [], "ignored": "#, "}", 1),
    (r#"{"flags": [], "version": "#, "}", 1),
    (r#"{"flags": [], "data": {"x": "#, "}}", 2),
    (r#"{"flags": [], "segments": "#, "}", 1),
    (r#"{"flags": [], "segments": [{"id": "#, "}]}", 3),
    (r#"{"flags": [], "segments": [{"ignored": "#, "}]}", 3),
    (r#"{"data": {"flags": [{"key": "f", "variations": [{"value": "#, "}]}]}}", 6),
    (r#"{"data": {"flags": [{"key": "f", "ignored": "#, "}]}}", 4),
    ("[", "]", 1),
    (r#"[{"key": "#, "}]", 2),
    (r#"[{"flag_type": "#, "}]", 2),
    (r#"[{"enabled": "#, "}]", 2),
    (r#"[{"key": "f", "ignored": "#, "}]", 2),
    (r#"[{"key": "f", "variations": "#, "}]", 2),
    (r#"[{"key": "f", "variations": ["#, "]}]", 3),
    (r#"[{"key": "f", "variations": [{"value": "#, "}]}]", 4),
    (r#"[{"key": "f", "variations": [{"key": "#, "}]}]", 4),
    (r#"[{"key": "f", "prerequisites": [{"flag_key": "#, "}]}]", 4),
    (r#"[{"key": "f", "targeting_rules": ["#, "]}]", 3),
    (r#"[{"key": "f", "targeting_rules": [{"priority": "#, "}]}]", 4),
    (r#"[{"key": "f", "targeting_rules": [{"segment_id": "#, "}]}]", 4),
    (r#"[{"key": "f", "targeting_rules": [{"conditions": [{"value": "#, "}]}]}]", 6),
    (r#"[{"key": "f", "targeting_rules": [{"conditions": [{"attribute": "#, "}]}]}]", 6),
    (r#"[{"key": "f", "targeting_rules": [{"percentage_rollout": "#, "}]}]", 4),
    (r#"[{"key": "f", "targeting_rules": [{"percentage_rollout": {"variations": "#, "}}]}]", 5),
    (r#"[{"key": "f", "targeting_rules": [{"percentage_rollout": [{"weight": "#, "}]}]}]", 6),
];

#[test]
fn nesting_of_128_is_accepted_and_129_refused_at_every_position() {
    for (before, after, depth) in PLACES {
        for (open, close) in [("[", "]"), ("{\"x\": ", "}"), ("[{\"data\":", "}]")] {
            let levels = open.matches(['[', '{']).count();
            let nested = |more: usize| {
                let text = format!("{}0{}", open.repeat(more), close.repeat(more));
                format!("{before}{text}{after}")
            };
            let deepest = (128 - depth) / levels;
            let text = nested(deepest);
            assert!(Ruleset::parse(&text).is_ok(), "{text}");
            let text = nested(deepest + 1);
            let error = Ruleset::parse(&text).unwrap_err().to_string();
            assert!(
                error.starts_with("failed to parse ruleset: nesting deeper than 128 at line 1"),
                "{error}: {text}"
            );
        }
    }
}

#[test]
fn a_million_levels_do_not_exhaust_the_stack() {
    for (before, after, _) in PLACES {
        for (open, close) in [("[", "]"), ("{\"data\":", "}"), ("{\"flags\":[", "]}")] {
            let deep = open.repeat(1_000_000);
            assert!(Ruleset::parse(&format!("{before}{deep}")).is_err());
            let closed = format!("{before}{deep}0{}{after}", close.repeat(1_000_000));
            assert!(Ruleset::parse(&closed).is_err());
        }
    }
    assert!(Ruleset::parse(&"[".repeat(1_000_000)).is_err());
    assert!(Ruleset::parse(&"{\"data\":".repeat(1_000_000)).is_err());
}

#[test]
fn lists_of_five_million_numbers_are_read_in_time() {
    let zeros = "0,".repeat(5_000_000);
    let ruleset = within(MINUTE, || parse(&format!(r#"{{"ignored": [{zeros}0], "flags": []}}"#)));
    assert_eq!(ruleset.problems(), []);

    let ruleset = within(MINUTE, || parse(&format!(r#"[{zeros}{{"key": "f"}}]"#)));
    assert_eq!(answer(&ruleset, "f"), "null default");
    assert_eq!(ruleset.problems().len(), 10_001);
    assert_eq!(
        ruleset.problems()[9_999].to_string(),
        "flags[9999]: expected an object, found a number: the flag is left out"
    );
    assert_eq!(
        ruleset.problems()[10_000].to_string(),
        "flags: 4990000 more problems were left out of this list"
    );

    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"[{{"key": "f", "default_variation": "v", "variations": [{{"key": "v", "value": [{zeros}0]}}]}}]"#
        ))
    });
    let result = ruleset.evaluate("f", None).unwrap();
    assert_eq!(result.value().as_array().unwrap().len(), 5_000_001);
}

#[test]
fn problems_are_kept_up_to_ten_thousand() {
    for (count, kept, last) in [
        (9_999, 9_999, None),
        (10_000, 10_000, None),
        (10_001, 10_001, Some("flags: 1 more problems were left out of this list")),
        (30_000, 10_001, Some("flags: 20000 more problems were left out of this list")),
    ] {
        for (before, one, after) in [
            ("[", "5", "]"),
            ("[", "{}", "]"),
            (r#"[{"key": "f", "variations": ["#, "null", "]}]"),
            (r#"[{"key": "f", "targeting_rules": ["#, r#"{"variation": "gone"}"#, "]}]"),
            (
                r#"[{"key": "f", "prerequisites": ["#,
                r#"{"flag_key": "gone", "variation_key": ""}"#,
                "]}]",
            ),
            (r#"{"flags": [], "segments": ["#, "[]", "]}"),
        ] {
            let ruleset = parse(&format!("{before}{}{after}", vec![one; count].join(",")));
            assert_eq!(ruleset.problems().len(), kept, "{before}");
            let found = ruleset.problems().last().unwrap().to_string();
            match last {
                Some(last) => assert_eq!(found, last, "{before}"),
                None => assert!(found.contains(&format!("[{}]", count - 1)), "{found}"),
            }
        }
    }
}

#[test]
fn a_million_flags_are_read_in_time() {
    let count = 1_000_000;
    let mut text = String::from("[");
    for number in 0..count {
        text += &format!(r#"{{"key":"flag-{number}"}},"#);
    }
    text += r#"{"key": "last"}]"#;
    let ruleset = within(2 * MINUTE, || parse(&text));
    assert_eq!(ruleset.len(), count + 1);
    assert_eq!(answer(&ruleset, "flag-999999"), "null default");
    assert_eq!(answer(&ruleset, "last"), "null default");
    assert_eq!(answer(&ruleset, "flag-1000000"), "unknown");
}

#[test]
fn a_flag_with_a_hundred_thousand_rules_is_read_in_time() {
    let rules = (0..100_000).rev().map(|priority| {
        format!(
            r#"{{"priority": {priority}, "variation": "off", "conditions": [
                {{"attribute": "number", "operator": "is", "value": {priority}}}]}}"#
        )
    });
    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"[{{"key": "f", "default_variation": "on",
                "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}],
                "targeting_rules": [{}]}}]"#,
            rules.collect::<Vec<_>>().join(",")
        ))
    });
    assert_eq!(ruleset.problems(), []);
    within(MINUTE, || {
        assert_eq!(answer(&ruleset, "f"), "true default on");
        let context = EvaluationContext::new().attribute("number", 99_999);
        let result = ruleset.evaluate("f", &context).unwrap();
        assert_eq!(result.reason().as_str(), "targeting_match");
    });
}

#[test]
fn a_hundred_thousand_targets_are_looked_up_and_not_scanned() {
    let targets: Vec<String> = (0..100_000).map(|number| format!("\"user-{number}\"")).collect();
    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"[{{"key": "f", "default_variation": "off",
                "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}],
                "targeting_rules": [{{"variation": "on", "conditions": [
                    {{"attribute": "user_id", "operator": "one_of", "value": [{}]}}]}}]}}]"#,
            targets.join(",")
        ))
    });
    let ask = |user: &str| {
        let context = EvaluationContext::new().user_id(user);
        ruleset.evaluate("f", &context).unwrap().value().as_bool()
    };
    // A scan would take 10^9 comparisons.
    within(MINUTE, || {
        for _ in 0..10_000 {
            assert_eq!(ask("user-99999"), Some(true));
            assert_eq!(ask("user-100000"), Some(false));
        }
    });
}

#[test]
fn many_variations_and_references_to_them_are_read_in_time() {
    let count = 50_000;
    let variations: Vec<String> =
        (0..count).map(|number| format!(r#"{{"key": "v{number}", "value": {number}}}"#)).collect();
    let rules: Vec<String> = (0..count)
        .map(|number| format!(r#"{{"variation": "v{number}", "conditions": [{{}}]}}"#))
        .collect();
    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"[{{"key": "f", "default_variation": "v49999", "variations": [{}], "targeting_rules": [{}]}}]"#,
            variations.join(","),
            rules.join(",")
        ))
    });
    assert_eq!(answer(&ruleset, "f"), "49999 default v49999");
}

#[test]
fn a_long_segment_that_many_flags_name_is_read_in_time() {
    let count = 100_000;
    let flags: Vec<String> = (0..count)
        .map(|number| {
            format!(r#"{{"key": "f{number}", "targeting_rules": [{{"segment_id": "s"}}]}}"#)
        })
        .collect();
    let condition = r#"{"attribute": "a", "operator": "is", "value": "b"}"#;
    let conditions = vec![condition; count].join(",");
    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"{{"flags": [{}], "segments": [{{"id": "s", "conditions": [{conditions}]}}]}}"#,
            flags.join(",")
        ))
    });
    assert_eq!(ruleset.len(), count);
}

/// Twice the prerequisites on a flag with twice the variations must not take four times as long.
#[test]
fn many_prerequisites_on_a_flag_of_many_variations_take_linear_time() {
    let count = 10_000;
    let variations: Vec<String> =
        (0..count).map(|number| format!(r#"{{"key": "v{number}"}}"#)).collect();
    let last = format!(r#"{{"flag_key": "leaf", "variation_key": "v{}"}}"#, count - 1);
    let text = |prerequisites: &str| {
        format!(
            r#"[{{"key": "leaf", "default_variation": "v0", "variations": [{}]}},
                {{"key": "top", "prerequisites": [{prerequisites}]}}]"#,
            variations.join(",")
        )
    };
    let first = last.replace(&format!("v{}", count - 1), "v0");
    let (to_first, to_last) =
        (text(&vec![first; count].join(",")), text(&vec![last; count].join(",")));
    let time = |text: &str| {
        let start = ProcessorTime::now();
        let ruleset = parse(text);
        assert_eq!(ruleset.problems(), []);
        (start.elapsed(), ruleset)
    };
    let (base, ruleset) = time(&to_first);
    assert_eq!(answer(&ruleset, "top"), "null default");
    let (took, ruleset) = time(&to_last);
    assert_eq!(answer(&ruleset, "top"), "null prerequisite_failed");
    assert!(took < 10 * base, "{took:?} and {base:?}");
}

#[test]
fn keys_of_a_megabyte_are_accepted() {
    let long = "k".repeat(1 << 20);
    let ruleset = within(MINUTE, || {
        parse(&format!(
            r#"[{{"key": "{long}", "default_variation": "{long}", "variations": [{{"key": "{long}", "value": 1}}]}},
                {{"key": "top", "default_variation": "{long}?", "variations": [],
                  "prerequisites": [{{"flag_key": "{long}", "variation_key": "{long}"}}]}}]"#
        ))
    });
    assert_eq!(answer(&ruleset, &long), format!("1 default {long}"));
    assert_eq!(answer(&ruleset, &long[1..]), "unknown");
    assert_eq!(
        problems(&ruleset),
        [format!(
            "flags[1].default_variation: there is no variation `{}…`: the value served is null",
            "k".repeat(100)
        )]
    );
}

#[test]
fn a_key_may_contain_any_character() {
    let ruleset = parse(
        r#"[{"key": "a\u0000b", "default_variation": "\u0000", "variations": [{"key": "\u0000", "value": 1}]},
            {"key": "a", "default_variation": "v", "variations": [{"key": "v", "value": 2}]},
            {"key": "", "default_variation": "v", "variations": [{"key": "v", "value": 3}]},
            {"key": "\ud83d\ude00\n\"`", "default_variation": "v", "variations": [{"key": "v", "value": 4}]},
            {"key": "ü", "default_variation": "v", "variations": [{"key": "v", "value": 5}]},
            {"key": "u\u0308", "default_variation": "v", "variations": [{"key": "v", "value": 6}]}]"#,
    );
    for (key, expected) in [
        ("a\0b", "1 default \0"),
        ("a", "2 default v"),
        ("", "3 default v"),
        ("😀\n\"`", "4 default v"),
        ("ü", "5 default v"),
        ("u\u{308}", "6 default v"),
        ("a\0", "unknown"),
    ] {
        assert_eq!(answer(&ruleset, key), expected, "{key:?}");
    }
    for text in
        [r#"[{"key": "\ud800"}]"#, r#"[{"key": "\udc00\ud800"}]"#, r#"[{"key": "\ud800x"}]"#]
    {
        refused(
            text,
            "failed to parse ruleset: an invalid escape in a string at line 1, column 11",
        );
    }
}

#[test]
fn numbers_of_a_thousand_digits_are_accepted_everywhere() {
    let zeros = "0".repeat(1000);
    let ruleset = parse(&format!(
        r#"[{{"key": "f", "default_variation": "off",
            "variations": [{{"key": "on", "value": 1.{zeros}}}, {{"key": "off", "value": 0}}],
            "targeting_rules": [
                {{"priority": 1{zeros}e-1000, "variation": "off"}},
                {{"priority": 0.{zeros}1, "percentage_rollout": [{{"variation": "on", "percentage": 1.{zeros}e2}}]}}
            ]}}]"#
    ));
    assert_eq!(answer(&ruleset, "f"), "1.0 percentage_rollout on");
    refused(
        &format!(r#"[{{"key": "f", "targeting_rules": [{{"priority": 1{zeros}}}]}}]"#),
        "failed to parse ruleset: a number out of range at line 1, column 48",
    );
}

/// Computes the 64-bit FNV-1a hash from its published initial state.
fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

const FNV_PRIME: u64 = 0x100_0000_01b3;
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Whole numbers `e` with `sum(e[i] * FNV_PRIME^(9 - i)) == 0` modulo 2^64, found by lattice
/// reduction. If the steps of two texts of ten bytes differ by exactly these numbers, both texts
/// end in the same state.
const RELATION: [i64; 10] = [40, -15, 7, -5, -18, 34, 10, 11, -41, 5];

/// Returns two texts of ten printable bytes that take the hash from one state to the same next
/// state.
///
/// A step is `(state ^ byte) * FNV_PRIME`, and `state ^ byte` is `state` plus a small number that
/// depends on the byte. The number of the second text must be larger than that of the first by the
/// next number of the relation. Bytes are tried in turn, with backtracking if none fits.
fn colliding_pair(state: u64) -> (String, String) {
    fn extend(states: (u64, u64), texts: &mut (Vec<u8>, Vec<u8>)) -> bool {
        let Some(difference) = RELATION.get(texts.0.len()) else {
            return states.0 == states.1;
        };
        let printable = |byte: u64| (0x20..0x7f).contains(&byte) && byte != 0x22 && byte != 0x5c;
        for byte in (0x20..0x7f).filter(|byte| printable(*byte)) {
            let step = (states.0 ^ byte).wrapping_sub(states.0);
            let target = states.1.wrapping_add(step).wrapping_add_signed(*difference);
            let other = states.1 ^ target;
            if printable(other) {
                texts.0.push(byte as u8);
                texts.1.push(other as u8);
                let next =
                    ((states.0 ^ byte).wrapping_mul(FNV_PRIME), target.wrapping_mul(FNV_PRIME));
                if extend(next, texts) {
                    return true;
                }
                texts.0.pop();
                texts.1.pop();
            }
        }
        false
    }
    let mut texts = Default::default();
    assert!(extend((state, state), &mut texts));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(texts.0), text(texts.1))
}

/// Returns 2^18 texts with the same hash: each is a path through 18 pairs. Both texts of a pair
/// lead to the state for which the next pair was made.
fn colliding_keys() -> Vec<String> {
    let mut state = FNV_START;
    let mut keys = vec![String::new()];
    for _ in 0..18 {
        let (one, other) = colliding_pair(state);
        state = fnv1a(state, one.as_bytes());
        let longer = keys.iter().flat_map(|key| [format!("{key}{one}"), format!("{key}{other}")]);
        keys = longer.collect();
    }
    assert_eq!(keys.len(), 262_144);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    assert!(keys.iter().all(|key| fnv1a(FNV_START, key.as_bytes()) == state));
    keys
}

/// In a table hashed by plain FNV-1a these would take 3 * 10^10 comparisons.
#[test]
fn colliding_keys_cost_the_same_as_other_keys() {
    let colliding = colliding_keys();
    let ordinary: Vec<String> =
        (0..colliding.len()).map(|number| format!("{number:0180}")).collect();
    assert_eq!(colliding[0].len(), ordinary[0].len());

    let flags = |keys: &[String]| {
        let flags = keys.iter().map(|key| format!(r#"{{"key":"{key}"}}"#));
        format!("[{}]", flags.collect::<Vec<_>>().join(","))
    };
    let segments = |keys: &[String]| {
        let segments = keys.iter().map(|key| format!(r#"{{"key":"{key}"}}"#));
        let segments = segments.collect::<Vec<_>>().join(",");
        format!(r#"{{"flags": [{{"key": "f"}}], "segments": [{segments}]}}"#)
    };
    let targets = |keys: &[String]| {
        let keys = keys.join("\",\"");
        format!(
            r#"[{{"key": "f", "targeting_rules": [{{"conditions": [
                {{"attribute": "a", "operator": "one_of", "value": ["{keys}"]}}]}}]}}]"#
        )
    };
    let members = |keys: &[String]| {
        let keys = keys.join("\":0,\"");
        format!(r#"[{{"key": "f", "variations": [{{"value": {{"{keys}":0}}}}]}}]"#)
    };
    type Document<'a> = &'a dyn Fn(&[String]) -> String;
    let (all, some) = (colliding.len(), colliding.len() / 8);
    let documents: [(&str, Document<'_>, usize, usize); 4] = [
        ("segments", &segments, some, 1),
        ("targets", &targets, some, 1),
        ("members", &members, some, 1),
        ("flags", &flags, all, all),
    ];
    for (name, document, keys, count) in documents {
        let time = |keys: &[String]| {
            let text = document(keys);
            let start = ProcessorTime::now();
            let ruleset = parse(&text);
            let took = start.elapsed();
            assert_eq!(ruleset.len(), count);
            assert_eq!(ruleset.problems(), []);
            took
        };
        let (ordinary, colliding) = (time(&ordinary[..keys]), time(&colliding[..keys]));
        assert!(
            colliding < 10 * ordinary,
            "{name}: {colliding:?} for keys that collide, {ordinary:?} for others"
        );
    }
}

#[test]
fn the_envelope_supplies_members_that_the_data_lacks() {
    let ruleset = Ruleset::parse(
        r#"{"version": 7, "segments": [{"key": "all"}], "data": {"flags": [{"key": "f",
            "variations": [{"key": "v", "value": 1}],
            "targeting_rules": [{"variation": "v", "segment_id": "all"}]}]}}"#,
    )
    .unwrap();
    assert_eq!(ruleset.version(), &Value::from(7));
    let result = ruleset.evaluate("f", None).unwrap();
    assert_eq!(result.reason().as_str(), "targeting_match");
    assert!(ruleset.problems().is_empty());
}

#[test]
fn invalid_patterns_do_not_use_up_the_limit() {
    let pattern = |pattern: &str| {
        format!(
            r#"{{"variation": "v", "conditions": [
                {{"attribute": "a", "operator": "matches_regex", "value": "{pattern}"}}]}}"#
        )
    };
    let mut rules: Vec<_> = (0..5000).map(|number| pattern(&format!("({number}"))).collect();
    rules.push(pattern("good"));
    let rules = rules.join(",");
    let text = format!(
        r#"[{{"key": "f", "variations": [{{"key": "v", "value": 1}}], "targeting_rules": [{rules}]}}]"#
    );
    let context = EvaluationContext::new().attribute("a", "good");
    let result = Ruleset::parse(&text).unwrap().evaluate("f", &context).unwrap();
    let expected = if cfg!(feature = "regex") { "targeting_match" } else { "default" };
    assert_eq!(result.reason().as_str(), expected);
}

#[test]
#[cfg(feature = "regex")]
fn patterns_of_plain_text_use_little_of_the_limit() {
    let condition = |number| {
        format!(r#"{{"attribute": "a", "operator": "matches_regex", "value": "^({number}|x)$"}}"#)
    };
    let conditions: Vec<_> = (0..20_000).map(condition).collect();
    let conditions = conditions.join(",");
    let ruleset = parse(&format!(
        r#"[{{"key": "f", "variations": [{{"key": "v", "value": 1}}],
            "targeting_rules": [{{"variation": "v", "conditions": [{conditions}]}}]}}]"#
    ));
    assert_eq!(ruleset.problems(), []);
    let context = EvaluationContext::new().attribute("a", "x");
    assert_eq!(ruleset.evaluate("f", &context).unwrap().reason().as_str(), "targeting_match");
}

#[test]
fn a_flag_says_how_many_rules_it_has_and_its_default() {
    let ruleset = parse(
        r#"[{"key": "plain"},
            {"key": "by id", "default_variation_id": "2",
             "variations": [{"id": "1", "key": "a"}, {"id": "2", "key": "b"}],
             "targeting_rules": [{"variation": "a"}, {"variation": "b"}, {"priority": "first"}]},
            {"key": "keyless", "default_variation_id": "1", "variations": [{"id": "1"}]},
            {"key": "dangling", "default_variation": "no", "targeting_rules": [{"variation": "no"}]}]"#,
    );
    let flags: Vec<_> = ruleset.flags().collect();
    let known: Vec<_> =
        flags.iter().map(|flag| (flag.rule_count(), flag.default_variation())).collect();
    assert_eq!(known, [(0, None), (2, Some("b")), (0, None), (1, None)]);
    assert_eq!(
        format!("{:?}", flags[1]),
        "FlagInfo { key: \"by id\", kind: Boolean, environment: None, on: true, rules: 2, default_variation: Some(\"b\") }"
    );
    // Flags are compared by value and outlive the ruleset.
    drop(ruleset);
    let other = parse(r#"[{"key": "before"}, {"key": "plain"}]"#);
    assert!(other.flags().nth(1).as_ref() == flags.first());
    assert_ne!(flags[0], flags[1]);
}
