//! Tests that the realistic ruleset matches its documentation.

use phaseflag::{EvaluationContext, Reason, Ruleset};
use phaseflag_benches::realistic;

#[test]
fn it_has_no_problems_and_its_size() {
    for flags in [1, 100, 1_000, 10_000] {
        let text = realistic::ruleset(flags);
        let ruleset = Ruleset::parse(&text).unwrap();
        assert_eq!(ruleset.problems(), []);
        assert_eq!(ruleset.len(), flags);
        let bytes = text.len() / flags;
        println!("{flags} flags: {bytes} bytes a flag");
        assert!(flags < 100 || (680..=720).contains(&bytes), "{bytes} bytes a flag");
    }
}

#[test]
fn its_shares_are_as_documented() {
    let text = realistic::ruleset(1_000);
    for (part, times) in [
        ("matches_regex", 20),
        (r#""segment_id""#, 30),
        (r#""flag_key""#, 20),
        (r#""operator":"one_of""#, 1_000),
        (r#""flag_type":"string""#, 100),
    ] {
        assert_eq!(text.matches(part).count(), times, "{part}");
    }
}

#[test]
fn its_rules_can_match() {
    let ruleset = Ruleset::parse(&realistic::ruleset(100)).unwrap();
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
    let result = ruleset.evaluate(&realistic::key(0), &context).unwrap();
    assert_eq!(result.reason(), Reason::PercentageRollout);
    let context = EvaluationContext::new().attribute("region", "eu-west-1");
    let result = ruleset.evaluate(&realistic::key(0), &context).unwrap();
    assert_eq!(result.reason(), Reason::TargetingMatch);
}
