//! Explanations: their text and their parts.

use std::time::Duration;

use phaseflag::{EvaluationContext, ExplainedServing, Explanation, Reason, Ruleset};

use crate::processor_time::ProcessorTime;

const RULESET: &str = r#"{
    "segments": [
        {"id": "seg_a", "key": "beta", "conditions": [
            {"attribute": "email", "operator": "matches_regex", "value": "@example\\.com$"},
            {"attribute": "beta", "operator": "is", "value": true}]}],
    "flags": [
        {"key": "gate", "default_variation": "off",
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "targeting_rules": [{"variation": "on", "conditions": [
             {"attribute": "country", "operator": "one_of", "value": ["US", "CA"]}]}]},
        {"key": "switched-off", "enabled": false, "default_variation": "off",
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [{"variation": "on"}]},
        {"key": "checkout", "default_variation": "old",
         "variations": [{"key": "old", "value": 1}, {"key": "new", "value": {"step": 2}}, {"id": "x", "value": "y"}],
         "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [
             {"priority": 9, "conditions": [], "variation_id": "x"},
             {"priority": 1, "conditions": [
                 {"attribute": "age", "operator": "gt", "value": "18"},
                 {"attribute": "app", "operator": "version_lt", "value": "2.0"}], "variation": "new"},
             {"priority": 2, "segment_id": "seg_a", "variation": "gone"},
             {"priority": 3, "segment_id": "beta", "conditions": [
                 {"attribute": "user_id", "operator": "not_contains", "value": "test"}]},
             {"priority": 4, "segment_id": "nowhere", "variation": "new"},
             {"priority": 5, "conditions": [{"attribute": "plan", "operator": "unheard_of"}], "variation": "new"},
             {"priority": 6, "percentage_rollout": [
                 {"variation": "old", "percentage": 33.3}, {"variation": "new", "percentage": 33.3},
                 {"variation": "gone", "percentage": 33.4}]}]},
        {"key": "needs-off", "default_variation": "no", "variations": [{"key": "no"}],
         "prerequisites": [{"flag_key": "gate", "variation_key": "off"},
                           {"flag_key": "switched-off", "variation_key": "off"},
                           {"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [{"variation": "no"}]},
        {"key": "circle", "default_variation": "no", "variations": [{"key": "no", "value": 0}],
         "prerequisites": [{"flag_key": "circle", "variation_key": "no"}]}]}"#;

#[track_caller]
fn parse(text: &str) -> Ruleset {
    Ruleset::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn explain(key: &str, context: &EvaluationContext) -> Explanation {
    let ruleset = parse(RULESET);
    let explanation = ruleset.explain(key, context).unwrap();
    assert_eq!(&*explanation.key, key);
    assert_eq!(explanation.result, ruleset.evaluate(key, context).unwrap());
    explanation
}

/// Asserts the text of an explanation.
#[track_caller]
fn assert_reads(key: &str, context: &EvaluationContext, expected: &str) {
    assert_eq!(explain(key, context).to_string(), expected.trim_start());
}

fn context() -> EvaluationContext {
    EvaluationContext::new()
        .user_id("user-123")
        .attribute("country", "US")
        .attribute("age", 17.5)
        .attribute("email", "ann@example.com")
}

#[test]
#[cfg(feature = "regex")]
fn every_part_is_on_its_own_line() {
    let expected = r#"
flag `checkout`: value null, percentage_rollout
  it is on
  requires flag `gate` to serve `on`: holds, targeting_match
  targeting_rules[1]: does not match
    age gt 18: fails for 17.5
    app version_lt "2.0": fails for a missing attribute
    serves `new`
  targeting_rules[2]: does not match
    in segment `beta`
      email matches_regex "@example\\.com$": holds for "ann@example.com"
      beta is "true": fails for a missing attribute
    serves null
  targeting_rules[3]: does not match
    user_id not_contains "test": holds for "user-123"
    in segment `beta`, see above
    serves nothing
  targeting_rules[4]: does not match
    in a segment that is not there
    serves `new`
  targeting_rules[5]: does not match
    a condition that can never hold
    serves `new`
  targeting_rules[6]: matches and decides
    no conditions
    rollout: bucket 91 by user_id "user-123"
      0 to 33.3: `old`
      33.3 to 66.6: `new`
      66.6 to 100: null, chosen
  targeting_rules[0]: not reached
    no conditions
    serves a variation without a key"#;
    assert_reads("checkout", &context(), expected);
}

#[test]
fn rules_after_the_matching_one_are_unreached() {
    let context = context().attribute("age", 18.5).attribute("app", "1.10");
    let explanation = explain("checkout", &context);
    let fates = explanation.rules.iter().map(|rule| {
        let conditions = rule.conditions.iter().map(|condition| condition.holds).collect();
        (rule.index, rule.matches, rule.decides, conditions)
    });
    let expected: [(_, _, _, Vec<_>); 7] = [
        (1, Some(true), true, vec![Some(true), Some(true)]),
        (2, None, false, vec![]),
        (3, None, false, vec![None]),
        (4, None, false, vec![]),
        (5, None, false, vec![None]),
        (6, None, false, vec![]),
        (0, None, false, vec![]),
    ];
    assert_eq!(fates.collect::<Vec<_>>(), expected);
}

#[test]
fn the_parts_of_a_condition_can_be_read() {
    let explanation = explain("checkout", &context());
    let [adults, _, users, _, broken, _, _] = &*explanation.rules else {
        panic!("{explanation}");
    };
    let read = |rule: &phaseflag::ExplainedRule, place: usize| {
        let it = &rule.conditions[place];
        let (attribute, target) = (it.attribute.as_deref(), it.target.as_deref());
        let parts = [attribute, it.operator, target, it.value.as_deref()];
        (parts.map(|part| part.map(str::to_owned)), it.holds)
    };
    let texts = |texts: [&str; 4]| texts.map(|it| (!it.is_empty()).then(|| it.to_owned()));
    assert_eq!(read(adults, 0), (texts(["age", "gt", "18", "17.5"]), Some(false)));
    assert_eq!(read(adults, 1), (texts(["app", "version_lt", "2.0", ""]), Some(false)));
    let expected = texts(["user_id", "not_contains", "test", "user-123"]);
    assert_eq!(read(users, 0), (expected, Some(true)));
    assert_eq!(read(broken, 0), (texts(["", "", "", ""]), Some(false)));
    assert_eq!(users.segment.as_ref().unwrap().name.as_deref(), Some("beta"));
    assert_eq!(users.segment.as_ref().unwrap().conditions.len(), 2);

    let gate = explain("gate", &context());
    assert_eq!(gate.rules[0].conditions[0].target.as_deref(), Some(r#"["US", "CA"]"#));
    assert_eq!(
        gate.rules[0].to_string(),
        "targeting_rules[0]: matches and decides\n    \
         country one_of [\"US\", \"CA\"]: holds for \"US\"\n    serves `on`"
    );
}

#[test]
fn operators_have_the_names_of_the_service() {
    for (operator, target, shown) in [
        ("is", "1.0", r#""1""#),
        ("is_not", "false", r#""false""#),
        ("contains", r#""\"\n""#, r#""\"\n""#),
        ("not_contains", r#""ü""#, r#""ü""#),
        ("one_of", r#"["a", 1, true]"#, r#"["a", "1", "true"]"#),
        ("one_of", r#""a""#, r#"["a"]"#),
        ("not_one_of", "[]", "[]"),
        ("gt", "true", "1"),
        ("lt", r#"" 1e3 ""#, "1000"),
        #[cfg(feature = "regex")]
        ("matches_regex", r#""^a""#, r#""^a""#),
        ("version_gt", r#""v1.2""#, r#""v1.2""#),
        ("version_lt", "2", r#""2""#),
    ] {
        let ruleset = parse(&format!(
            r#"[{{"key": "f", "targeting_rules": [{{"conditions": [
                {{"attribute": "a", "operator": "{operator}", "value": {target}}}]}}]}}]"#
        ));
        let explanation = ruleset.explain("f", None).unwrap();
        let condition = &explanation.rules[0].conditions[0];
        let verdict = match operator.contains("not") {
            true => "holds for a missing attribute",
            false => "fails for a missing attribute",
        };
        assert_eq!(condition.operator, Some(operator));
        assert_eq!(condition.to_string(), format!("a {operator} {shown}: {verdict}"));
    }
}

#[test]
fn a_rollout_names_the_identifier_that_it_buckets_by() {
    let ruleset = parse(
        r#"[{"key": "f", "default_variation": "a", "variations": [{"key": "a"}, {"key": "b"}],
            "targeting_rules": [
                {"percentage_rollout": [{"variation": "a", "percentage": 0.1}, {"variation": "b", "percentage": 0.2}]},
                {"percentage_rollout": [{"variation": "b", "percentage": 1e308}, {"variation": "b", "percentage": 1e308}]}]}]"#,
    );
    let read = |context: EvaluationContext| {
        let explanation = ruleset.explain("f", &context).unwrap();
        let rules = explanation.rules.iter().map(|rule| rule.to_string());
        let rollouts: Vec<_> = explanation
            .rules
            .iter()
            .map(|rule| match &rule.serves {
                ExplainedServing::Rollout(rollout) => (
                    rollout.identified_by,
                    rollout.identifier.as_deref().map(str::to_owned),
                    rollout.bucket,
                    rollout.entries.iter().find(|entry| entry.chosen).map(|entry| entry.lower),
                    rollout.entries.len(),
                ),
                _ => panic!("{rule}"),
            })
            .collect();
        (rules.collect::<Vec<_>>().join("\n"), rollouts)
    };
    let (text, rollouts) = read(EvaluationContext::new().user_id("").session_id("s"));
    let by_session = (Some("session_id"), Some("s".to_owned()), Some(4));
    let of = |chosen| (by_session.0, by_session.1.clone(), by_session.2, chosen, 2);
    assert_eq!(rollouts, [of(None), of(Some(0.0))]);
    let expected = r#"
targeting_rules[0]: matches and decides nothing
    no conditions
    rollout: bucket 4 by session_id "s"
      0 to 0.1: `a`
      0.1 to 0.3: `b`
targeting_rules[1]: matches and decides
    no conditions
    rollout: bucket 4 by session_id "s"
      0 to 1e308: `b`, chosen
      1e308 to infinity: `b`"#;
    assert_eq!(text, expected.trim_start());
    let (text, rollouts) = read(EvaluationContext::new());
    assert_eq!(rollouts, [(None, None, None, None, 2), (None, None, None, None, 2)]);
    assert!(text.contains("    rollout: no user_id and no session_id\n      0 to 0.1: `a`\n"));
}

#[test]
fn a_flag_that_is_off_reaches_no_rule() {
    let expected = "
flag `switched-off`: `off`, value false, flag_inactive
  it is off
  requires flag `gate` to serve `on`: holds, targeting_match
  targeting_rules[0]: not reached
    no conditions
    serves `on`";
    assert_reads("switched-off", &context(), expected);
}

#[test]
fn all_failed_prerequisites_are_shown() {
    let expected = "
flag `needs-off`: `no`, value null, prerequisite_failed
  it is on
  requires flag `gate` to serve `off`: fails, it serves `on`, targeting_match
  requires flag `switched-off` to serve `off`: fails, it is off
  requires flag `gate` to serve `on`: holds, targeting_match
  targeting_rules[0]: not reached
    no conditions
    serves `no`";
    assert_reads("needs-off", &context(), expected);
    let explanation = explain("needs-off", &context());
    let read = explanation.prerequisites.iter().map(|it| {
        let served = it.served.key.as_deref();
        (&*it.flag_key, &*it.variation_key, it.on, served, it.reason.clone(), it.holds)
    });
    let expected = [
        ("gate", "off", true, Some("on"), Reason::TargetingMatch, false),
        ("switched-off", "off", false, Some("off"), Reason::FlagInactive, false),
        ("gate", "on", true, Some("on"), Reason::TargetingMatch, true),
    ];
    assert_eq!(read.collect::<Vec<_>>(), expected);
    assert!(!explanation.prerequisites_never_hold);

    let expected = "
flag `circle`: `no`, value 0, prerequisite_failed
  it is on
  its prerequisites can never hold";
    assert_reads("circle", &context(), expected);
    assert!(explain("circle", &context()).prerequisites_never_hold);
}

#[test]
fn an_unknown_flag_has_no_explanation() {
    assert!(parse(RULESET).explain("unknown", None).is_none());
    assert!(Ruleset::default().explain("", &context()).is_none());
}

/// The rules of required flags are not mistaken for those of the flag.
#[test]
fn rules_of_required_flags_are_told_apart() {
    let flag = |key: &str, required: &str| {
        format!(
            r#"{{"key": "{key}", "variations": [{{"key": "on"}}], "prerequisites": [{required}],
                "targeting_rules": [{{"variation": "on", "conditions": [
                    {{"attribute": "key", "operator": "is", "value": "{key}"}}]}}, {{"variation": "on"}}]}}"#
        )
    };
    let requires = |key: &str| format!(r#"{{"flag_key": "{key}", "variation_key": "on"}}"#);
    let ruleset = parse(&format!(
        "[{}, {}, {}]",
        flag("a", ""),
        flag("b", &requires("a")),
        flag("c", &format!("{}, {}", requires("b"), requires("a"))),
    ));
    for key in ["a", "b", "c", "d"] {
        let context = EvaluationContext::new().attribute("key", key);
        let explanation = ruleset.explain("c", &context).unwrap();
        let matching: Vec<_> = explanation.rules.iter().map(|rule| rule.decides).collect();
        assert_eq!(matching, [key == "c", key != "c"], "{explanation}");
        assert!(explanation.prerequisites.iter().all(|one| one.holds), "{explanation}");
    }
}

/// Shared parts are explained once, and long texts are cut when they are printed.
#[test]
fn an_explanation_is_not_much_larger_than_its_ruleset() {
    let condition = r#"{"attribute": "a", "operator": "is_not", "value": "x"}"#;
    let ruleset = parse(&format!(
        r#"{{"segments": [{{"id": "s", "conditions": [{}]}}],
            "flags": [{{"key": "f", "variations": [{{"id": "v", "key": "{}"}}], "targeting_rules": [{}]}}]}}"#,
        vec![condition; 3000].join(","),
        "k".repeat(1 << 20),
        vec![
            format!(
                r#"{{"segment_id": "s", "conditions": [{condition}], "percentage_rollout":
            [{{"variation_id": "v", "percentage": 0}}]}}"#
            );
            3000
        ]
        .join(","),
    ));
    let context = EvaluationContext::new().user_id("u").attribute("a", "y".repeat(1 << 20));
    let start = ProcessorTime::now();
    let explanation = ruleset.explain("f", &context).unwrap();
    let text = explanation.to_string();
    assert!(text.len() < 4 << 20, "{}", text.len());
    assert_eq!(explanation.rules.len(), 3000);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// A long identifier is kept once for all rollouts.
#[test]
fn rollouts_share_the_identifier() {
    let rollout = r#"{"percentage_rollout": [{"variation": "on", "percentage": 0}]}"#;
    let ruleset = parse(&format!(
        r#"[{{"key": "f", "variations": [{{"key": "on"}}], "targeting_rules": [{}]}}]"#,
        vec![rollout; 1000].join(",")
    ));
    let context = EvaluationContext::new().user_id("u".repeat(1 << 10));
    let explanation = ruleset.explain("f", &context).unwrap();
    let identifiers: Vec<_> = explanation
        .rules
        .iter()
        .map(|rule| match &rule.serves {
            ExplainedServing::Rollout(rollout) => rollout.identifier.as_deref().unwrap(),
            _ => panic!("{rule}"),
        })
        .collect();
    assert_eq!(identifiers.len(), 1000);
    assert_eq!(identifiers[0], context.get_user_id().unwrap());
    assert!(identifiers.iter().all(|it| std::ptr::eq(*it, identifiers[0])));
}

/// Patterns beyond the budget of an evaluation do not match, and the explanation agrees.
#[test]
#[cfg(feature = "regex")]
fn patterns_beyond_the_budget_neither_hold_nor_fail() {
    let rule = |number: usize| {
        format!(
            r#"{{"variation": "on", "conditions": [
                {{"attribute": "text", "operator": "matches_regex", "value": "[ab]{{{number}}}x"}}]}}"#
        )
    };
    let ruleset = parse(&format!(
        r#"[{{"key": "f", "variations": [{{"key": "on"}}], "targeting_rules": [{}]}}]"#,
        (100..200).map(rule).collect::<Vec<_>>().join(",")
    ));
    assert_eq!(ruleset.problems(), []);
    let context = EvaluationContext::new().attribute("text", "a".repeat(10_000));
    let explanation = ruleset.explain("f", &context).unwrap();
    assert_eq!(explanation.result, ruleset.evaluate("f", &context).unwrap());
    let verdicts: Vec<_> = explanation.rules.iter().map(|rule| rule.conditions[0].holds).collect();
    let searched = verdicts.iter().take_while(|verdict| **verdict == Some(false)).count();
    assert!((4..=50).contains(&searched), "{searched}");
    assert!(verdicts[searched..].iter().all(Option::is_none), "{verdicts:?}");
    assert!(explanation.rules.iter().all(|rule| rule.matches == Some(false)));
}

/// Required flags may use up the budget of a flag. The explanation does not report its patterns as
/// held if the evaluation did not search for them.
#[test]
#[cfg(feature = "regex")]
fn patterns_do_not_hold_if_required_flags_used_up_the_budget() {
    let condition = |pattern: &str| {
        format!(r#"{{"attribute": "text", "operator": "matches_regex", "value": "{pattern}"}}"#)
    };
    let expensive =
        format!(r#"{{"variation": "on", "conditions": [{}]}}"#, condition("(a|b|c|d){1,60}x"));
    let country = r#"{"attribute": "country", "operator": "is", "value": "US"}"#;
    let found = condition("^a");
    let ruleset = parse(&format!(
        r#"{{"segments": [{{"id": "s", "conditions": [{country}, {found}]}}],
            "flags": [
            {{"key": "gate", "default_variation": "off", "variations": [{{"key": "on"}}, {{"key": "off"}}],
              "targeting_rules": [{}]}},
            {{"key": "f", "default_variation": "off", "variations": [{{"key": "on"}}, {{"key": "off"}}],
              "prerequisites": [{{"flag_key": "gate", "variation_key": "off"}}],
              "targeting_rules": [
                {{"variation": "on", "conditions": [{found}]}},
                {{"variation": "on", "segment_id": "s", "conditions": [
                    {{"attribute": "country", "operator": "is", "value": "CA"}}]}},
                {{"variation": "on", "segment_id": "s"}},
                {{"variation": "on", "segment_id": "s", "conditions": [{country}]}},
                {{"variation": "on", "segment_id": "gone", "conditions": [{country}]}}]}}]}}"#,
        vec![expensive; 20].join(",")
    ));
    let context =
        EvaluationContext::new().attribute("text", "a".repeat(10_000)).attribute("country", "US");
    let explanation = ruleset.explain("f", &context).unwrap();
    assert_eq!(explanation.result, ruleset.evaluate("f", &context).unwrap());
    let start = format!("{:?}", "a".repeat(100) + "…");
    let expected = format!(
        r#"
flag `f`: `off`, value null, default
  it is on
  requires flag `gate` to serve `off`: holds, default
  targeting_rules[0]: does not match
    text matches_regex "^a": not searched for
    serves `on`
  targeting_rules[1]: does not match
    country is "CA": fails for "US"
    in segment `s`
      country is "US": holds for "US"
      text matches_regex "^a": holds for {start}
    serves `on`
  targeting_rules[2]: does not match
    in segment `s`
      country is "US": holds for "US"
      text matches_regex "^a": not searched for
    serves `on`
  targeting_rules[3]: does not match
    country is "US": holds for "US"
    in segment `s`, see above
    serves `on`
  targeting_rules[4]: does not match
    country is "US": holds for "US"
    in a segment that is not there
    serves `on`"#
    );
    assert_eq!(explanation.to_string(), expected.trim_start());
    let verdicts: Vec<_> =
        explanation.rules.iter().map(|rule| rule.conditions.first()?.holds).collect();
    assert_eq!(verdicts, [None, Some(false), None, Some(true), Some(true)]);
}

/// Plain text costs little, but it does not hold either after other patterns used up the budget.
#[test]
#[cfg(feature = "regex")]
fn plain_text_does_not_hold_after_the_budget_is_used_up() {
    let rule = |attribute: &str, pattern: &str| {
        format!(
            r#"{{"variation": "on", "conditions": [
                {{"attribute": "{attribute}", "operator": "matches_regex", "value": "{pattern}"}}]}}"#
        )
    };
    let mut rules = vec![rule("text", "[x]"); 60];
    rules.push(rule("plan", "^pro$"));
    let ruleset = parse(&format!(
        r#"[{{"key": "f", "variations": [{{"key": "on"}}], "targeting_rules": [{}]}}]"#,
        rules.join(",")
    ));
    for (length, expected) in [(10, Some(true)), (10_000, None)] {
        let context = EvaluationContext::new().attribute("text", "a".repeat(length));
        let explanation = ruleset.explain("f", &context.attribute("plan", "pro")).unwrap();
        let last = explanation.rules.last().unwrap();
        assert_eq!(last.conditions[0].holds, expected, "{length}");
        assert_eq!(last.decides, expected == Some(true), "{length}");
    }
}

/// An explanation also searches patterns that the evaluation skips. The conditions of a matching
/// rule still hold.
#[test]
#[cfg(feature = "regex")]
fn conditions_of_a_matching_rule_hold() {
    let expensive =
        r#"{"attribute": "text", "operator": "matches_regex", "value": "(a|b|c|d){1,60}x"}"#;
    let found = r#"{"attribute": "text", "operator": "matches_regex", "value": "^a"}"#;
    let never = r#"{"attribute": "country", "operator": "is", "value": "nowhere"}"#;
    let ruleset = parse(&format!(
        r#"{{"segments": [{{"id": "s", "conditions": [{found}]}}],
            "flags": [{{"key": "f", "variations": [{{"key": "on"}}], "targeting_rules": [
                {{"variation": "on", "segment_id": "s", "conditions": [{never}, {}]}},
                {{"variation": "on", "segment_id": "s", "conditions": [{found}]}}]}}]}}"#,
        vec![expensive; 20].join(",")
    ));
    let context = EvaluationContext::new().attribute("text", "a".repeat(10_000));
    let explanation = ruleset.explain("f", &context).unwrap();
    assert_eq!(explanation.result.reason(), Reason::TargetingMatch);
    let [first, second] = &*explanation.rules else { panic!("{explanation}") };
    assert_eq!(first.conditions[20].holds, None);
    assert_eq!(first.segment.as_ref().unwrap().conditions[0].holds, Some(true));
    assert!(second.decides);
    assert_eq!(second.conditions[0].holds, Some(true));
    assert_eq!(second.segment.as_ref().unwrap().conditions[0].holds, Some(true));
}

/// No text of a ruleset or context can start a line or control a terminal.
#[test]
fn control_characters_are_escaped() {
    let evil = r"\n\u001b[1m\u007f\u0085é\u0000";
    let ruleset = parse(&format!(
        r#"{{"segments": [{{"id": "s", "key": "s{evil}", "conditions": [
                {{"attribute": "b{evil}", "operator": "one_of", "value": ["c{evil}"]}}]}}],
            "flags": [
            {{"key": "g{evil}", "default_variation": "w{evil}", "variations": [{{"key": "w{evil}"}}]}},
            {{"key": "f{evil}", "default_variation": "v{evil}",
              "variations": [{{"key": "v{evil}", "value": "x{evil}"}}],
              "prerequisites": [{{"flag_key": "g{evil}", "variation_key": "w{evil}"}}],
              "targeting_rules": [
                {{"variation": "v{evil}", "segment_id": "s",
                  "conditions": [{{"attribute": "a{evil}", "operator": "is", "value": "d{evil}"}}]}},
                {{"percentage_rollout": [{{"variation": "v{evil}", "weight": 0}}]}}]}}]}}"#
    ));
    let evil = "\n\u{1b}[1m\u{7f}\u{85}é\0";
    let context = EvaluationContext::new()
        .user_id(format!("u{evil}"))
        .attribute(format!("a{evil}"), format!("d{evil}"));
    let explanation = ruleset.explain(&format!("f{evil}"), &context).unwrap();
    assert_eq!(*explanation.key, format!("f{evil}"));
    assert_eq!(
        explanation.rules[0].segment.as_ref().unwrap().name.as_deref(),
        Some(&*format!("s{evil}"))
    );
    let names = r"\n\u{1b}[1m\u{7f}\u{85}é\u{0}";
    // As Rust and JSON quote texts.
    let (texts, json) = (r"\n\u{1b}[1m\u{7f}\u{85}é\0", r"\n\u001b[1m\u{7f}\u{85}é\u0000");
    let expected = format!(
        r#"
flag `f{names}`: `v{names}`, value "x{json}", default
  it is on
  requires flag `g{names}` to serve `w{names}`: holds, default
  targeting_rules[0]: does not match
    a{names} is "d{texts}": holds for "d{texts}"
    in segment `s{names}`
      b{names} one_of ["c{texts}"]: fails for a missing attribute
    serves `v{names}`
  targeting_rules[1]: matches and decides nothing
    no conditions
    rollout: bucket BUCKET by user_id "u{texts}"
      0 to 0: `v{names}`"#
    );
    let ExplainedServing::Rollout(rollout) = &explanation.rules[1].serves else {
        panic!("{explanation}");
    };
    let expected = expected.replace("BUCKET", &rollout.bucket.unwrap().to_string());
    assert_eq!(explanation.to_string(), expected.trim_start());
}
