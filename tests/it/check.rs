//! The findings of `Ruleset::check`: problems and warnings, with line and column.

use std::time::Duration;

use phaseflag::{Ruleset, Severity};

use crate::processor_time::ProcessorTime;

fn check(text: &str) -> Vec<String> {
    let findings = Ruleset::check(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let line = |it: &phaseflag::Finding| format!("{} {it}", it.severity());
    findings.iter().map(line).collect()
}

/// Asserts the findings in a flag with the key `f`, without `line 1, column …: flags[0]`.
#[track_caller]
fn assert_findings(members: &str, expected: &[&str]) {
    let text = format!(
        r#"{{"flags": [{{"key": "f", "default_variation": "off",
            "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}], {members}}}],
            "segments": [{{"id": "s", "conditions": [{{"attribute": "a", "operator": "is", "value": 1}}]}}]}}"#
    );
    let findings = Ruleset::check(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let found = findings.iter().filter(|it| !it.path().starts_with("segments")).map(|it| {
        let path = it.path().strip_prefix("flags[0]").unwrap();
        let path = path.trim_start_matches('.').replace("targeting_rules", "rules");
        let help = it.help().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{} {path}: {}{help}", it.severity(), it.message())
    });
    assert_eq!(found.collect::<Vec<_>>(), expected, "{members}");
}

#[test]
fn findings_are_in_text_order() {
    let text = "\u{feff}{\n  \"data\": {\"segments\": [\n    {\"key\": \"unused\"},\n    {\"key\": \"ü\", \"id\": 7}],\n\
        \t\"flags\": [\n    {\"key\": \"ä😀\", \"flag_type\": \"color\", \"targeting_rules\": [{}, 5,\n      \
        {\"percentage_rollout\": {\"variations\": [{\"weight\": 150, \"variation\": \"x\"}]}}]},\n    \
        {\"key\": 5}, null,\r\n    {\"key\": \"g\", \"enabled\": false, \"prerequisites\": [{\"flag_key\": \"h\"}]}\n  ]}}";
    let expected = [
        "warning line 3, column 5: segments[0]: no active rule uses the segment `unused`",
        "problem line 4, column 24: segments[1].id: expected a string, found a number: \
         the segment holds nobody",
        "warning line 6, column 5: flags[0].variations: the flag is on and has no variations: \
         the value served is null",
        "warning line 6, column 32: flags[0].flag_type: the flag type `color` is not known: \
         only the types of the values count",
        "warning line 6, column 61: flags[0].targeting_rules[0]: the rule serves nothing: \
         the next rule is evaluated",
        "problem line 6, column 65: flags[0].targeting_rules[1]: \
         expected an object, found a number: the rule matches nobody",
        "warning line 7, column 30: flags[0].targeting_rules[2].percentage_rollout: \
         the weights sum to 150: the part beyond 100 is never served",
        "problem line 7, column 75: \
         flags[0].targeting_rules[2].percentage_rollout.variations[0].variation: \
         there is no variation `x`: the value served is null",
        "problem line 8, column 13: flags[1].key: expected a string, found a number: \
         the flag is left out",
        "problem line 8, column 17: flags[2]: expected an object, found null: the flag is left out",
        "problem line 9, column 67: flags[3].prerequisites[0].flag_key: there is no flag `h`: \
         the prerequisite fails",
    ];
    assert_eq!(check(text), expected);
    assert_eq!(Ruleset::check_bytes(text.as_bytes()), Ruleset::check(text));
    assert_eq!(check("[]"), [""; 0]);
}

#[test]
fn a_finding_can_be_read_in_parts() {
    let text = "[{\"key\": \"f\",\n\"enabled\": false, \"variations\": [7]}]";
    let findings = Ruleset::check(text).unwrap();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.line(), finding.column()), (2, 34));
    assert_eq!(finding.path(), "flags[0].variations[0]");
    assert_eq!(finding.message(), "expected an object, found a number: the variation is left out");
    assert_eq!(finding.severity(), Severity::Problem);
    assert_eq!((Severity::Warning.as_str(), Severity::Problem.as_str()), ("warning", "problem"));
}

#[test]
fn check_refuses_what_parse_refuses() {
    for text in ["", "{", "{\"flags\": 5}", "[1e999]", "{\"data\": {}}"] {
        assert_eq!(Ruleset::check(text).unwrap_err(), Ruleset::parse(text).unwrap_err());
    }
    let error = Ruleset::check_bytes(b"[\n\xff]").unwrap_err();
    assert_eq!(error.to_string(), "failed to parse ruleset: invalid UTF-8 at line 2, column 1");
}

#[test]
fn a_valid_flag_has_no_findings() {
    assert_findings(r#""targeting_rules": []"#, &[]);
}

#[test]
fn weights_are_summed() {
    let sums = "warning rules[0].percentage_rollout: the weights sum to ";
    for (weights, expected) in [
        (vec![50.0, 50.0], None),
        (vec![33.3, 33.3, 33.4], None),
        (vec![33.33, 33.33, 33.33], None),
        (vec![33.34, 33.34, 33.34], None),
        (vec![100.0, 0.0], None),
        (vec![1.0, 2.0], Some("3: buckets 3 to 99 fall through to the default variation")),
        (vec![], Some("0: everyone falls through to the default variation")),
        (vec![98.5], Some("98.5: bucket 99 falls through to the default variation")),
        (vec![10.0, 30.0], Some("40: buckets 40 to 99 fall through to the default variation")),
        (vec![60.0, 60.0], Some("120: the part beyond 100 is never served")),
        (vec![100.0, 0.5], Some("100.5: the entry of `off` is beyond 100 and never served")),
        (
            vec![100.0, 50.0, 0.0, 50.0],
            Some("200: the entry of `off` and 1 after it are beyond 100 and never served"),
        ),
        (vec![1e308, 1e308], Some("infinity: the entry of `off` is beyond 100 and never served")),
    ] {
        let entries = weights.iter().zip(["on", "off", "on", "off"]);
        let entries =
            entries.map(|(it, name)| format!(r#"{{"variation": "{name}", "weight": {it:e}}}"#));
        let entries = entries.collect::<Vec<_>>().join(",");
        let members = format!(r#""targeting_rules": [{{"percentage_rollout": [{entries}]}}]"#);
        let expected: Vec<_> = expected.map(|it| format!("{sums}{it}")).into_iter().collect();
        assert_findings(&members, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_findings(
        r#""targeting_rules": [
            {"priority": 2, "variation": "on"},
            {"priority": 1, "percentage_rollout": {"variations": [{"variation": "on", "weight": 10}]}}]"#,
        &["warning rules[1].percentage_rollout: the weights sum to 10: \
           buckets 10 to 99 fall through to the next rule"],
    );
}

/// A bucket is served as a whole, to the entry that contains its start.
#[test]
fn weights_that_fall_between_buckets_are_reported_with_the_share_that_is_served() {
    let served = |entry, weight, share| format!("`{entry}` has the weight {weight} and is {share}");
    let one = |entry, weight| served(entry, weight, "served to 1 %");
    let none = |entry, weight| served(entry, weight, "never served");
    for (weights, expected) in [
        (vec![0.1, 99.9], Some(one("on", "0.1"))),
        (vec![99.9, 0.1], Some(none("off", "0.1"))),
        (vec![0.5, 99.5], Some(one("on", "0.5"))),
        (vec![99.5, 0.5], Some(none("off", "0.5"))),
        (vec![99.0, 0.5], Some(one("off", "0.5"))),
        (vec![99.0, 0.5, 0.0], Some(one("off", "0.5"))),
        (vec![1.5, 98.5], Some(served("on", "1.5", "served to 2 %"))),
        (vec![98.5, 1.5], Some(served("off", "1.5", "served to 1 %"))),
        (vec![50.25, 0.5, 49.25], Some(none("off", "0.5"))),
        (vec![50.0, 49.5, 0.75, 0.0], Some(none("on", "0.75"))),
        (vec![0.5, 0.5, 99.0], Some(format!("{}, {}", one("on", "0.5"), none("off", "0.5")))),
        (
            vec![0.25, 0.25, 99.25, 0.25],
            Some(format!(
                "{}, {}, {}",
                one("on", "0.25"),
                none("off", "0.25"),
                none("off", "0.25")
            )),
        ),
        (
            vec![0.2, 0.2, 0.2, 0.2, 99.2],
            Some(format!(
                "{}, {}, {}, and 1 more entry",
                one("on", "0.2"),
                none("off", "0.2"),
                none("on", "0.2")
            )),
        ),
        (
            vec![0.2, 0.2, 0.2, 0.2, 0.2, 99.0],
            Some(format!(
                "{}, {}, {}, and 2 more entries",
                one("on", "0.2"),
                none("off", "0.2"),
                none("on", "0.2")
            )),
        ),
        // Off by a quarter or less.
        (vec![49.5, 1.0, 49.5], None),
        (vec![0.8, 99.2], None),
        (vec![2.5, 97.5], None),
        (vec![33.3, 33.3, 33.4], None),
        (vec![12.5, 12.5, 12.5, 12.5, 12.5, 12.5, 12.5, 12.5], None),
    ] {
        let entries = weights.iter().zip(["on", "off"].into_iter().cycle());
        let entries =
            entries.map(|(it, name)| format!(r#"{{"variation": "{name}", "weight": {it}}}"#));
        let entries = entries.collect::<Vec<_>>().join(",");
        let members = format!(r#""targeting_rules": [{{"percentage_rollout": [{entries}]}}]"#);
        let expected = expected.map(|it| {
            format!("warning rules[0].percentage_rollout: a bucket is 1 % of all users: {it}")
        });
        assert_findings(&members, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn unreachable_rules_are_reported_with_the_rule_before_them() {
    let pro = r#"{"attribute": "plan", "operator": "is", "value": "pro"}"#;
    let us = r#"{"attribute": "country", "operator": "one_of", "value": ["US", "CA"]}"#;
    let same_us = r#"{"attribute": "country", "operator": "one_of", "value": ["CA", "US", "CA"]}"#;
    let never = r#"{"attribute": "plan", "operator": "is", "value": null}"#;
    let none = r#"{"attribute": "plan", "operator": "one_of", "value": []}"#;
    let serving = r#""variation": "on""#;
    let rollout = r#""percentage_rollout": [{"variation": "on", "percentage": 100}]"#;
    let rule = |conditions: &[&str], rest: &str| {
        format!(r#"{{"conditions": [{}], {rest}}}"#, conditions.join(","))
    };
    let in_segment = |rest: &str| format!(r#"{rest}, "segment_id": "s""#);
    for (rules, unreached) in [
        (vec![rule(&[], serving), rule(&[pro], serving), rule(&[], rollout)], vec![(1, 0), (2, 0)]),
        (vec![rule(&[pro], serving), rule(&[us, pro], serving)], vec![(1, 0)]),
        (vec![rule(&[us, pro], serving), rule(&[pro, same_us], rollout)], vec![(1, 0)]),
        (vec![rule(&[us, pro], serving), rule(&[pro], serving)], vec![]),
        (vec![rule(&[pro], serving), rule(&[us], serving)], vec![]),
        // A rollout does not match contexts without an identifier.
        (vec![rule(&[], rollout), rule(&[pro], serving)], vec![]),
        // Rules are in the order of their priorities.
        (
            vec![rule(&[pro], r#""variation": "on", "priority": 2"#), rule(&[pro], serving)],
            vec![(0, 1)],
        ),
        (vec![rule(&[pro], serving), rule(&[pro], &in_segment(serving))], vec![(1, 0)]),
        (vec![rule(&[], &in_segment(serving)), rule(&[pro], &in_segment(rollout))], vec![(1, 0)]),
        // A segment without conditions contains every context.
        (vec![rule(&[], &in_segment(serving)), rule(&[pro], serving)], vec![(1, 0)]),
        (vec![rule(&[pro], &in_segment(serving)), rule(&[pro, us], serving)], vec![(1, 0)]),
        (vec![rule(&[], r#""variation": "on", "segment_id": "u""#), rule(&[], serving)], vec![]),
        (vec![rule(&[none], serving), rule(&[none, pro], serving)], vec![]),
        // The first rule matches no context, but the second is still behind it.
        (vec![rule(&[never], serving), rule(&[never, pro], serving)], vec![]),
        // The second rule is unreachable, so it hides no other rule.
        (
            vec![rule(&[pro], serving), rule(&[pro, us], serving), rule(&[pro, us, us], serving)],
            vec![(1, 0), (2, 0)],
        ),
    ] {
        let members = format!(r#""targeting_rules": [{}]"#, rules.join(","));
        let text = format!(
            r#"{{"segments": [{{"id": "s"}}, {{"id": "t"}}, {{"id": "u", "conditions": [{pro}]}}],
                "flags": [{{"key": "f", "default_variation": "on",
                "variations": [{{"key": "on"}}], {members}}}]}}"#
        );
        let findings = Ruleset::check(&text).unwrap();
        let found = findings.iter().filter(|it| it.message().ends_with("never reached"));
        let found: Vec<_> =
            found.map(|it| (it.path().to_owned(), it.message().to_owned())).collect();
        let expected: Vec<_> = unreached
            .iter()
            .map(|(rule, obstacle)| {
                let message = format!(
                    "targeting_rules[{obstacle}] comes first and serves everyone whom this rule \
                     matches: the rule is never reached"
                );
                (format!("flags[0].targeting_rules[{rule}]"), message)
            })
            .collect();
        assert_eq!(found, expected, "{members}");
    }
}

/// A rollout with a weight of 100 serves every context with an identifier.
#[test]
fn rules_behind_a_full_rollout_are_reported() {
    let rule = |conditions: &[&str], rest: &str| {
        format!(r#"{{"conditions": [{}], {rest}}}"#, conditions.join(","))
    };
    let condition = |attribute: &str, operator: &str, value: &str| {
        format!(r#"{{"attribute": "{attribute}", "operator": "{operator}", "value": {value}}}"#)
    };
    let rollout = |weight: f64| {
        format!(r#""percentage_rollout": [{{"variation": "on", "percentage": {weight}}}]"#)
    };
    let (serving, whole, part) = (r#""variation": "on""#, &*rollout(99.5), &*rollout(99.0));
    let pro = &*condition("plan", "is", r#""pro""#);
    let behind = |attribute, operator, value| {
        vec![rule(&[], whole), rule(&[&condition(attribute, operator, value)], serving)]
    };
    let in_segment = |rest: &str, segment: &str| format!(r#"{rest}, "segment_id": "{segment}""#);
    let mut cases = vec![
        (vec![rule(&[], whole), rule(&[pro], part)], true),
        (vec![rule(&[pro], whole), rule(&[pro], whole)], true),
        (vec![rule(&[], whole), rule(&[], &in_segment(serving, "known"))], true),
        (vec![rule(&[], &in_segment(whole, "all")), rule(&[pro], part)], true),
        (vec![rule(&[pro], whole), rule(&[], whole)], false),
        (vec![rule(&[], part), rule(&[], whole)], false),
        (vec![rule(&[], whole), rule(&[pro], serving)], false),
        (vec![rule(&[], whole), rule(&[], &in_segment(serving, "all"))], false),
        (vec![rule(&[], whole), rule(&[], &in_segment(serving, "pro"))], false),
        (vec![rule(&[], &in_segment(whole, "gone")), rule(&[], whole)], false),
    ];
    for (attribute, operator, value, expected) in [
        ("user_id", "is", r#""u""#, true),
        ("session_id", "contains", r#""u""#, true),
        ("user_id", "one_of", r#"["u", "v"]"#, true),
        ("user_id", "gt", "5", true),
        ("session_id", "version_lt", "5", true),
        // An empty identifier counts as missing.
        ("user_id", "is", r#""""#, false),
        ("user_id", "contains", r#""""#, false),
        ("session_id", "one_of", r#"["u", ""]"#, false),
        // These match no context either.
        ("user_id", "is_not", r#""""#, false),
        ("user_id", "not_contains", r#""u""#, false),
        ("session_id", "not_one_of", r#"["u"]"#, false),
        // This is another attribute, so the rule is reachable.
        ("plan", "is", r#""u""#, false),
        ("user_id", "one_of", "[]", false),
    ] {
        cases.push((behind(attribute, operator, value), expected));
    }
    #[cfg(feature = "regex")]
    {
        cases.push((behind("user_id", "matches_regex", r#""^u""#), true));
        cases.push((behind("user_id", "matches_regex", r#""^u*$""#), false));
    }
    for (rules, expected) in cases {
        let rules = rules.join(",");
        let known = condition("user_id", "contains", r#""@""#);
        let text = format!(
            r#"{{"segments": [{{"id": "all"}}, {{"id": "known", "conditions": [{pro}, {known}]}},
                {{"id": "pro", "conditions": [{pro}]}}],
                "flags": [{{"key": "f", "default_variation": "on", "variations": [{{"key": "on"}}],
                "targeting_rules": [{rules}]}}]}}"#
        );
        let findings = Ruleset::check(&text).unwrap();
        let found = findings.iter().filter(|it| it.message().contains("comes first"));
        let found: Vec<_> = found.map(|it| (it.path(), it.message())).collect();
        let message = "targeting_rules[0] comes first and serves everyone whom this rule \
                       can serve: the rule never decides";
        let warning = expected.then_some(("flags[0].targeting_rules[1]", message));
        assert_eq!(found, warning.into_iter().collect::<Vec<_>>(), "{rules}");
    }
}

#[test]
fn rules_that_serve_nothing_are_reported() {
    let message = "the rule serves nothing: the next rule is evaluated";
    assert_findings(
        r#""targeting_rules": [{}, {"priority": 1}, {"variation": "on"}, {"conditions": []},
            {"conditions": [{"attribute": "a", "operator": "is", "value": 1}]},
            {"percentage_rollout": null, "variation": ""}]"#,
        &[0, 1, 3, 4, 5]
            .map(|rule| format!("warning rules[{rule}]: {message}"))
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn conditions_that_contradict_each_other_are_reported() {
    let texts = Some("; did you mean `one_of`?");
    for (conditions, help) in [
        (r#"["a", "is", "x"], ["a", "is", "y"]"#, texts),
        (r#"["a", "is", 1], ["b", "one_of", ["x"]], ["a", "is", 2]"#, texts),
        // It is there already.
        (r#"["a", "one_of", ["x"]], ["a", "one_of", ["y"]]"#, Some("")),
        (r#"["a", "is", "x"], ["a", "one_of", ["y", "z"]]"#, Some("")),
        (r#"["a", "one_of", ["x", "y"]], ["b", "is", "x"], ["a", "is", "z"]"#, Some("")),
        (r#"["a", "one_of", ["x", "y"]], ["a", "one_of", ["y", "z"]], ["a", "is", "x"]"#, Some("")),
        (r#"["user_id", "is", "x"], ["user_id", "is", "y"]"#, texts),
        (r#"["a", "gt", 10], ["a", "lt", 10]"#, Some("")),
        (r#"["a", "lt", 9], ["a", "lt", "5"], ["a", "gt", 7]"#, Some("")),
        (r#"["a", "is", "x"], ["b", "is", "y"]"#, None),
        (r#"["a", "is", "1"], ["a", "is", 1]"#, None),
        (r#"["a", "is", "x"], ["a", "is_not", "y"]"#, None),
        (r#"["a", "one_of", ["x", "y"]], ["a", "one_of", ["z", "y"]]"#, None),
        (r#"["a", "gt", 5], ["a", "lt", 10]"#, None),
        (r#"["a", "gt", 5], ["b", "lt", 1]"#, None),
    ] {
        let lists: phaseflag::Value = format!("[{conditions}]").parse().unwrap();
        let lists = lists.as_array().unwrap().iter().map(|it| it.as_array().unwrap());
        let objects: Vec<_> = lists
            .map(|it| {
                let [attribute, operator, value] = it else { panic!("{it:?}") };
                format!(r#"{{"attribute": {attribute}, "operator": {operator}, "value": {value}}}"#)
            })
            .collect();
        let attribute = if conditions.contains("user_id") { "user_id" } else { "a" };
        let conditions = format!(r#""conditions": [{}]"#, objects.join(", "));
        let message = format!("no value of `{attribute}` meets all conditions on it");
        let expected = help.map(|help| {
            format!("warning rules[0].conditions: {message}: the rule matches nobody{help}")
        });
        assert_findings(
            &format!(r#""targeting_rules": [{{"variation": "on", {conditions}}}]"#),
            &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let found = check(&format!(
            r#"{{"flags": [{{"key": "f", "enabled": false, "targeting_rules": [
                {{"segment_id": "s", "variation": "v"}}], "variations": [{{"key": "v"}}]}}],
                "segments": [{{"id": "s", {conditions}}}]}}"#
        ));
        let reported = found.iter().any(|it| it.contains(&format!("{message}: the segment holds")));
        assert_eq!(reported, help.is_some(), "{found:?}");
    }
}

#[test]
fn a_rollout_that_a_variation_replaces_is_reported() {
    let ignored = "warning rules[0].percentage_rollout: the rule names a variation, which everyone \
                   it matches gets: the rollout is ignored";
    for (rollout, expected) in [
        (r#"[{"variation": "off", "weight": 10}]"#, &[ignored][..]),
        (r#"{"variations": [{"variation": "off", "weight": 10}]}"#, &[ignored]),
        (r#"[{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]"#, &[ignored]),
        (r#"[{"variation_id": "off", "percentage": 0.5}]"#, &[ignored]),
        (r#"[{"variation": "off", "weight": null, "percentage": 1}]"#, &[ignored]),
        // Not everyone should get `on`.
        (r#"[{"variation": "on", "weight": 10}]"#, &[ignored]),
        (r#"[{"variation": "on", "weight": 99}]"#, &[ignored]),
        // What a service writes for no rollout.
        ("null", &[]),
        ("[]", &[]),
        ("{}", &[]),
        (r#"{"variations": []}"#, &[]),
        (r#"[{"variation": "on", "weight": 0}, {"variation": "off", "weight": 0}]"#, &[]),
        (r#"[{"variation": "on"}, {"variation": "off"}]"#, &[]),
        (r#"[{"variation": "off", "weight": 0, "percentage": 50}]"#, &[]),
        // What it writes for everyone.
        (r#"[{"variation": "on", "weight": 100}]"#, &[]),
        (r#"[{"variation": "on", "percentage": 100}, {"variation": "off", "percentage": 0}]"#, &[]),
        (r#"[{"variation": "on", "weight": 33.3}, {"variation": "on", "weight": 66.6}]"#, &[]),
        (r#"{"variations": [{"variation_id": "", "variation": "\u006fn", "weight": 100}]}"#, &[]),
    ] {
        let members = format!(
            r#""targeting_rules": [{{"variation": "on", "percentage_rollout": {rollout}}}]"#
        );
        assert_findings(&members, expected);
        let empty = members.replacen(r#""variation": "on""#, r#""variation": """#, 1);
        let found = Ruleset::check(&format!("[{{{empty}}}]")).unwrap();
        assert!(!found.iter().any(|it| it.message().contains("is ignored")), "{found:?}");
    }
    // The rule and the entry may name the variation by id and by key.
    for (rule, entry, is_reported) in [
        (r#""variation_id": "1""#, r#""variation_id": "1""#, false),
        (r#""variation_id": "1""#, r#""variation": "on""#, false),
        (r#""variation_id": "1", "variation": "on""#, r#""variation": "on""#, false),
        (r#""variation_id": "1""#, r#""variation_id": "2""#, true),
        (r#""variation_id": "1""#, r#""variation": "off""#, true),
        // An empty reference counts as absent.
        (
            r#""variation_id": "", "variation": "on""#,
            r#""variation_id": "", "variation": "off""#,
            true,
        ),
    ] {
        let text = format!(
            r#"[{{"key": "f", "default_variation": "on",
                "variations": [{{"id": "1", "key": "on"}}, {{"id": "2", "key": "off"}}],
                "targeting_rules": [{{{rule}, "percentage_rollout": [{{{entry}, "weight": 100}}]}}]}}]"#
        );
        let found = check(&text);
        assert_eq!(found.iter().any(|it| it.contains("is ignored")), is_reported, "{found:?}");
        assert_eq!(found.len(), usize::from(is_reported), "{found:?}");
    }
}

#[test]
fn a_flag_that_is_on_should_have_variations_and_a_default() {
    for (flag, expected) in [
        (
            r#"{"key": "f"}"#,
            vec![
                "warning line 1, column 2: flags[0].variations: \
                  the flag is on and has no variations: the value served is null",
            ],
        ),
        (r#"{"key": "f", "enabled": false}"#, vec![]),
        (r#"{"key": "f", "status": "archived"}"#, vec![]),
        (
            r#"{"key": "f", "variations": [{"key": "on"}], "default_variation": ""}"#,
            vec![
                "warning line 1, column 67: flags[0].default_variation: \
                  the flag is on and names no default variation: \
                  the value served is null if no rule decides",
            ],
        ),
        // Already reported as a problem.
        (
            r#"{"key": "f", "variations": [{"key": "on"}], "default_variation_id": "off"}"#,
            vec![
                "problem line 1, column 70: flags[0].default_variation_id: \
                  there is no variation `off`: the value served is null",
            ],
        ),
        (
            r#"{"key": "f", "variations": [{"key": "on"}], "default_variation_key": "off"}"#,
            vec![
                "problem line 1, column 71: flags[0].default_variation_key: \
                  there is no variation `off`: the value served is null",
            ],
        ),
        (r#"{"key": "f", "variations": [{"key": "on"}], "default_variation_key": "on"}"#, vec![]),
        (
            r#"{"key": "f", "variations": [5]}"#,
            vec![
                "problem line 1, column 30: flags[0].variations[0]: \
                  expected an object, found a number: the variation is left out",
            ],
        ),
        (
            r#"{"key": "f", "default_variation": "off"}"#,
            vec![
                "problem line 1, column 36: flags[0].default_variation: \
                  there is no variation `off`: the value served is null",
            ],
        ),
        // The last of two flags with one key is in use.
        (
            r#"{"key": "f"}, {"key": "f", "enabled": false}"#,
            vec![
                "problem line 1, column 16: flags[1]: \
                  a flag `f` stands before this one: the last one wins",
            ],
        ),
    ] {
        assert_eq!(check(&format!("[{flag}]")), expected, "{flag}");
    }
}

#[test]
fn unknown_flag_types_are_reported() {
    for kind in ["boolean", "json"] {
        assert_findings(&format!(r#""flag_type": "{kind}""#), &[]);
    }
    let counts = "only the types of the values count";
    let meant = |kind, known| {
        format!("the flag type `{kind}` is not known: {counts}; did you mean `{known}`?")
    };
    for (kind, expected) in [
        (r#""Boolean""#, meant("Boolean", "boolean")),
        (r#""bool""#, meant("bool", "boolean")),
        (r#""boolaen""#, meant("boolaen", "boolean")),
        (r#""numbers""#, meant("numbers", "number")),
        (r#""Object""#, meant("Object", "json")),
        (r#""color""#, format!("the flag type `color` is not known: {counts}")),
        (r#""""#, format!("the flag type `` is not known: {counts}")),
        ("[[5]]", format!("expected a string, found a list: {counts}")),
        ("7", format!("expected a string, found a number: {counts}")),
    ] {
        assert_findings(
            &format!(r#""flag_type": {kind}"#),
            &[&format!("warning flag_type: {expected}")],
        );
    }
}

#[test]
fn flags_with_the_same_environment_variable_are_reported() {
    let flag = |key: &str| format!(r#"{{"enabled": false, "key": "{key}"}}"#);
    let document = |keys: &[&str]| {
        format!("[{}]", keys.iter().map(|key| flag(key)).collect::<Vec<_>>().join(",\n"))
    };
    let text = document(&["a-b", "ab", "A_b", "a--b", "c", "a.b", "ä", "-", "C+"]);
    let shared = |line, path, name, other| {
        format!(
            "warning line {line}, column 27: flags[{path}].key: \
             the environment variable `PHASEFLAG_FLAG_{name}` overrides this flag and `{other}`"
        )
    };
    let expected = [(3, 2, "A_B", "a-b"), (6, 5, "A_B", "a-b"), (8, 7, "_", "ä")];
    assert_eq!(check(&text), expected.map(|(line, path, name, key)| shared(line, path, name, key)));

    // The same flag in two environments is another matter.
    let text = r#"[{"key": "a", "environment": "x", "enabled": false}, 7,
        {"key": "a", "environment": "y", "enabled": false}, {"key": "A", "enabled": false}]"#;
    let found = |environment| {
        let findings = Ruleset::check_for(text, environment).unwrap();
        let paths = findings.iter().map(|it| it.path().to_owned());
        paths.filter(|path| path.ends_with("key")).collect::<Vec<_>>()
    };
    assert_eq!(found("x"), ["flags[3].key"]);
    assert_eq!(found("z"), [""; 0]);
}

#[test]
fn unused_segments_are_reported() {
    let text = r#"{"flags": [{"key": "f", "enabled": false, "targeting_rules": [
            {"segment_id": "by-id", "variation": "v"}, {"segment_id": "by-key", "variation": "v"}],
            "variations": [{"key": "v"}]}],
        "segments": [{"id": "by-id", "key": "a", "conditions": [
            {"attribute": "a", "operator": "is", "value": 1}]}, {"id": "b", "key": "by-key"},
            {"id": "c"}, {"key": "d"}, {"id": "d"}, 5, {"id": "e", "conditions": 5}]}"#;
    assert_eq!(
        check(text),
        [
            "warning line 6, column 13: segments[2]: no active rule uses the segment `c`",
            "warning line 6, column 40: segments[4]: no active rule uses the segment `d`",
            "problem line 6, column 53: segments[5]: expected an object, found a number: \
             the segment holds nobody",
            "problem line 6, column 82: segments[6].conditions: expected a list, found a number: \
             the segment holds nobody",
        ]
    );
    assert_eq!(
        check(r#"{"flags": [], "segments": 5}"#),
        [
            "problem line 1, column 27: segments: expected a list, found a number: there are no segments"
        ]
    );
}

#[test]
fn the_last_of_repeated_members_counts() {
    let text = "[{\"key\": \"f\", \"enabled\": false, \"variations\": [5, {\"key\": 6}],\n\
                 \"v\\u0061riations\": [{\"key\": 7, \"key\": 8}]}]";
    assert_eq!(
        check(text),
        [
            "warning line 2, column 1: flags[0]: the field `variations` is repeated: the last one counts",
            "warning line 2, column 32: flags[0].variations[0]: \
             the field `key` is repeated: the last one counts",
            "problem line 2, column 39: flags[0].variations[0].key: \
             expected a string, found a number: the variation is left out"
        ]
    );
}

/// The maximum of findings: in one flag, in many flags, and in a deep part of a flag.
#[test]
fn many_findings_in_a_large_text_are_found_in_time() {
    let filler = " ".repeat(700);
    let rule = format!(r#"{{"variation": "gone",{filler}"conditions": [{{"operator": 1}}]}}"#);
    let rules = vec![rule.as_str(); 9000].join(",\n");
    let flag = |key: usize| format!(r#"{{"key": {key},{filler}"flag_type": 1}}"#);
    let flags: Vec<_> = (0..12_000).map(flag).collect();
    let value = format!(r#"{{"key": 5, "value": [{}]}}"#, "0,".repeat(1 << 20) + "0");
    let omitted = |at: &str, count: usize, what: &str| {
        format!("{at}: flags: {count} more {what} were left out of this list")
    };
    for (text, problems, warnings, expected) in [
        (
            format!(r#"[{{"key": "f", "targeting_rules": [{rules}]}}]"#),
            10_001,
            1,
            omitted("line 1, column 1", 8_000, "problems"),
        ),
        (
            format!("\n[{}]", flags.join(",\n")),
            10_001,
            0,
            omitted("line 2, column 1", 2_000, "problems"),
        ),
        (
            format!(r#"[{{"key": "f", "enabled": false, "variations": [{value}]}}]"#),
            1,
            0,
            String::new(),
        ),
        (
            format!(r#" [{{"key": "f", "targeting_rules": [{}{{}}]}}]"#, "{},".repeat(1 << 18)),
            0,
            10_001,
            omitted("line 1, column 2", (1 << 18) + 2 - 10_000, "warnings"),
        ),
    ] {
        let start = ProcessorTime::now();
        let findings = Ruleset::check(&text).unwrap();
        let took = start.elapsed();
        let count = |severity| findings.iter().filter(|it| it.severity() == severity).count();
        assert_eq!((count(Severity::Problem), count(Severity::Warning)), (problems, warnings));
        // Omitted findings are reported once, at the list.
        let omitted = findings.iter().filter(|it| it.path() == "flags");
        let omitted: Vec<_> = omitted.map(ToString::to_string).collect();
        assert_eq!(omitted.join(""), expected, "{}", text.len());
        let lines: Vec<_> = findings.iter().map(|it| (it.line(), it.column())).collect();
        assert!(lines.is_sorted());
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}

/// The comparison of rules that might hide each other is bounded.
#[test]
fn similar_rules_are_compared_in_time() {
    let condition =
        |value: usize| format!(r#"{{"attribute": "a", "operator": "is_not", "value": {value}}}"#);
    let common = condition(0);
    let rules: Vec<_> = (1..20_000)
        .map(|it| format!(r#"{{"conditions": [{}, {common}], "variation": "on"}}"#, condition(it)))
        .collect();
    let text = format!(
        r#"[{{"key": "f", "targeting_rules": [{{"conditions": [{}]}}, {}]}}]"#,
        (1..=20_000).rev().map(condition).collect::<Vec<_>>().join(","),
        rules.join(",")
    );
    let start = ProcessorTime::now();
    Ruleset::check(&text).unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// A name in a message can neither start a line nor control a terminal.
#[test]
fn control_characters_in_messages_are_escaped() {
    let evil = r"\n\u001b[1m\u007f\u0085é";
    let shown = r"\n\u{1b}[1m\u{7f}\u{85}é";
    let text = format!(
        r#"{{"segments": [{{"id": "s{evil}"}}], "flags": [
            {{"key": "f{evil}", "enabled": false}},
            {{"key": "f{evil}", "flag_type": "t{evil}", "default_variation": "v{evil}"}}]}}"#
    );
    let findings = Ruleset::check(&text).unwrap();
    let messages: Vec<_> = findings.iter().map(|it| it.message()).collect();
    assert_eq!(
        messages,
        [
            format!("no active rule uses the segment `s{shown}`"),
            format!("a flag `f{shown}` stands before this one: the last one wins"),
            format!("the flag type `t{shown}` is not known: only the types of the values count"),
            format!("there is no variation `v{shown}`: the value served is null"),
        ]
    );
    let ruleset = Ruleset::parse(&text).unwrap();
    let problems: Vec<_> = ruleset.problems().iter().map(|it| it.message()).collect();
    assert_eq!(problems, [messages[3], messages[1]]);
}
