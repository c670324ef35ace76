//! Arbitrary values, contexts and rulesets, with the feature `arbitrary`.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use arbtest::arbtest;
use phaseflag::testing::RulesetText;
use phaseflag::{EvaluationContext, Ruleset, Value};

use crate::fuzz_regressions::evaluate;

/// Generates texts of one kind, and returns how many have property after property.
fn count<const N: usize>(
    make: fn(&mut Unstructured<'_>) -> arbitrary::Result<RulesetText>,
    properties: [fn(&str) -> bool; N],
) -> [usize; N] {
    let mut counts = [0; N];
    arbtest(|u| {
        let text = make(u)?;
        for (count, property) in counts.iter_mut().zip(properties) {
            *count += usize::from(property(text.as_str()));
        }
        Ok(())
    })
    .size_min(2048)
    .size_max(16 * 1024)
    .budget_ms(1500)
    .run();
    counts
}

fn is_accepted(text: &str) -> bool {
    Ruleset::parse(text).is_ok()
}

fn has_problems(text: &str) -> bool {
    Ruleset::parse(text).is_ok_and(|ruleset| !ruleset.problems().is_empty())
}

#[test]
fn valid_rulesets_have_no_problems_and_use_both_dialects() {
    let properties: [fn(&str) -> bool; 9] = [
        |text| {
            evaluate::assert_valid(text);
            true
        },
        |text| text.starts_with(r#"{"data":"#),
        |text| !text.starts_with(r#"{"data":"#),
        |text| text.contains(r#""default_variation":"#),
        |text| text.contains(r#""default_variation_id":"#),
        |text| text.contains(r#""segment_id":"#),
        |text| text.contains(r#""prerequisites":[{"#),
        |text| text.contains(r#""weight":"#),
        |text| text.contains(r#""percentage":"#),
    ];
    let counts = count(RulesetText::valid, properties);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn well_formed_rulesets_are_accepted_and_some_have_problems() {
    let [accepted, problems, all] =
        count(RulesetText::well_formed, [is_accepted, has_problems, |_| true]);
    assert_eq!(accepted, all);
    assert!(problems > 0);
    let [accepted, problems, all] =
        count(RulesetText::nearly_valid, [is_accepted, has_problems, |_| true]);
    assert_eq!(accepted, all);
    assert!(problems > 0);
}

#[test]
fn hostile_texts_are_survived_whether_they_are_rulesets_or_not() {
    let properties: [fn(&str) -> bool; 4] = [
        |text| {
            evaluate::survives(text, &EvaluationContext::new().user_id("user-1"));
            true
        },
        is_accepted,
        |text| !is_accepted(text),
        |text| text.contains(r#"{"key":"f0","default_variation":"on""#),
    ];
    let counts = count(RulesetText::hostile, properties);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn any_bytes_make_the_same_ruleset_again() {
    let mut texts = BTreeSet::new();
    arbtest(|u| {
        let bytes = u.bytes(u.len())?;
        let make = || Unstructured::new(bytes).arbitrary::<RulesetText>();
        let (first, second) = (make(), make());
        assert_eq!(first.is_ok(), second.is_ok());
        if let (Ok(first), Ok(second)) = (first, second) {
            assert_eq!(first, second);
            assert_eq!(format!("{first} {first:?}"), format!("{0} {0}", first.as_str()));
            texts.insert(String::from(first));
        }
        Ok(())
    })
    .size_max(4096)
    .budget_ms(500)
    .run();
    assert!(texts.len() > 10, "{}", texts.len());
    for empty in [RulesetText::valid, RulesetText::well_formed, RulesetText::nearly_valid] {
        assert!(is_accepted(empty(&mut Unstructured::new(&[])).unwrap().as_str()));
    }
    RulesetText::hostile(&mut Unstructured::new(&[])).unwrap();
}

#[test]
fn arbitrary_values_have_all_types_and_can_be_parsed() {
    let mut types = BTreeSet::new();
    arbtest(|u| {
        let value: Value = u.arbitrary()?;
        let parsed: Value = value.to_string().parse().unwrap();
        assert_eq!(parsed, value);
        types.insert(value.type_name());
        Ok(())
    })
    .size_min(64)
    .size_max(1024)
    .budget_ms(500)
    .run();
    assert_eq!(types.len(), 6, "{types:?}");
}

#[test]
fn arbitrary_contexts_decide_rules_and_rollouts() {
    let ruleset = r#"[{"key": "f", "targeting_rules": [
        {"conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}],
         "variation": "gone"},
        {"percentage_rollout": [{"variation": "gone", "percentage": 50}]}]}]"#;
    let ruleset = Ruleset::parse(ruleset).unwrap();
    let mut reasons = BTreeSet::new();
    arbtest(|u| {
        let context = EvaluationContext::arbitrary(u)?;
        let result = ruleset.evaluate("f", &context).unwrap();
        reasons.insert(result.reason().as_str().to_owned());
        Ok(())
    })
    .size_min(128)
    .size_max(1024)
    .budget_ms(500)
    .run();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
}
