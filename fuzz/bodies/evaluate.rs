//! Evaluates arbitrary rulesets for arbitrary contexts, and checks that all kinds of evaluation agree.

use arbitrary::{Result, Unstructured};
use phaseflag::testing::RulesetText;
use phaseflag::{EvaluationContext, EvaluationResult, ExplainedServing, Ruleset, Value};

/// Generates a ruleset and contexts from the bytes, and evaluates them.
pub fn run(data: &[u8]) {
    // Too few bytes for what is generated are no failure.
    let _ = generated(&mut Unstructured::new(data));
}

fn generated(u: &mut Unstructured<'_>) -> Result<()> {
    if u.ratio(1, 8)? {
        let text = RulesetText::hostile(u)?;
        survives(text.as_str(), &u.arbitrary()?);
        return Ok(());
    }
    let is_valid = u.ratio(1, 4)?;
    let text = match is_valid {
        true => RulesetText::valid(u)?,
        false => RulesetText::nearly_valid(u)?,
    };
    let contexts = [EvaluationContext::new(), u.arbitrary()?, u.arbitrary()?, u.arbitrary()?];
    results_agree(text.as_str(), &contexts);
    if is_valid {
        assert_valid(text.as_str());
    }
    Ok(())
}

/// Asserts that a ruleset has no problems. Without the feature `regex`, each pattern is one.
pub fn assert_valid(text: &str) {
    let ruleset = Ruleset::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let problems = ruleset.problems().iter().map(ToString::to_string);
    let others: Vec<_> = problems.filter(|problem| !problem.contains("`regex`")).collect();
    assert!(others.is_empty(), "{others:?}: {text}");
}

/// Parses any text, and evaluates and explains its flags if it is a ruleset.
pub fn survives(text: &str, context: &EvaluationContext) {
    let parsed = Ruleset::parse(text);
    assert_eq!(parsed.as_ref().err(), Ruleset::check(text).err().as_ref(), "{text}");
    let Ok(ruleset) = parsed else { return };
    let all = ruleset.evaluate_all(context);
    for flag in ruleset.flags() {
        let result = ruleset.evaluate(flag.key(), context).expect("a flag that is listed");
        assert_eq!(all.get(flag.key()), Some(&result), "{text}");
        explains(&ruleset, flag.key(), context, &result, text);
    }
}

/// Asserts that all kinds of evaluation of a ruleset agree, repeatedly.
pub fn results_agree(text: &str, contexts: &[EvaluationContext]) {
    let ruleset = Ruleset::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let again = Ruleset::parse(text).expect("what was accepted is accepted again");
    assert_eq!(ruleset.problems(), again.problems(), "{text}");
    warns(&ruleset, text, contexts);
    for context in contexts {
        let all = ruleset.evaluate_all(context);
        assert_eq!(all.len(), ruleset.len(), "{text}");
        assert_eq!(all, again.evaluate_all(context), "{text}");
        for flag in ruleset.flags() {
            let one = ruleset.evaluate(flag.key(), context);
            assert_eq!(one, ruleset.evaluate(flag.key(), context), "{text}");
            assert_eq!(one.as_ref(), all.get(flag.key()), "{text}");
            let one = one.expect("a flag that is listed");
            explains(&ruleset, flag.key(), context, &one, text);
            splits(&ruleset, flag.key(), context, text);
            let reason = one.reason();
            let known = match flag.is_on() {
                false => matches!(reason.as_str(), "flag_inactive"),
                true => matches!(
                    reason.as_str(),
                    "targeting_match" | "percentage_rollout" | "default" | "prerequisite_failed"
                ),
            };
            assert!(known, "{reason}: {text}");
        }
        assert_eq!(ruleset.evaluate("no such flag", context), None);
        assert!(ruleset.explain("no such flag", context).is_none());
    }
}

/// Asserts that no context reaches a rule with the warning "never reached", and that no rule with the
/// warning "never decides" decides.
fn warns(ruleset: &Ruleset, text: &str, contexts: &[EvaluationContext]) {
    let findings = Ruleset::check(text).expect("what was accepted is accepted again");
    let paths = |end: &str| -> Vec<_> {
        findings.iter().filter(|it| it.message().ends_with(end)).map(|it| it.path()).collect()
    };
    let (unreached, undecided) = (paths("never reached"), paths("never decides"));
    if unreached.is_empty() && undecided.is_empty() {
        return;
    }
    let document = text.parse::<Value>().expect("a ruleset is JSON");
    let flags = document.get("data").unwrap_or(&document)["flags"].as_array();
    for (index, flag) in flags.into_iter().flatten().enumerate() {
        let Some(key) = flag["key"].as_str() else { continue };
        for context in contexts {
            // Of two flags with the same key, the last one is used.
            let Some(explanation) = ruleset.explain(key, context) else { continue };
            for rule in explanation.rules.iter().filter(|rule| rule.matches == Some(true)) {
                let path = format!("flags[{index}].targeting_rules[{}]", rule.index);
                let in_force =
                    !flags.into_iter().flatten().skip(index + 1).any(|it| it["key"] == flag["key"]);
                let path = path.as_str();
                assert!(!in_force || !unreached.contains(&path), "{path}: {text}");
                let decides = in_force && rule.decides;
                assert!(!decides || !undecided.contains(&path), "{path}: {text}");
            }
        }
    }
}

/// Asserts that an explanation agrees with the result.
fn explains(
    ruleset: &Ruleset,
    key: &str,
    context: &EvaluationContext,
    result: &EvaluationResult,
    text: &str,
) {
    let explanation = ruleset.explain(key, context).expect("a flag that is listed");
    let spelled = explanation.to_string();
    assert!(spelled.starts_with("flag `") && !spelled.ends_with('\n'), "{spelled}: {text}");
    assert_eq!(&explanation.result, result, "{spelled}: {text}");
    let reason = result.reason();
    let by_rule = matches!(reason.as_str(), "targeting_match" | "percentage_rollout");
    let fails = explanation.prerequisites_never_hold
        || explanation.prerequisites.iter().any(|one| !one.holds);
    if explanation.on {
        assert_eq!(fails, reason.as_str() == "prerequisite_failed", "{spelled}: {text}");
    }

    let rules = &explanation.rules;
    let deciding: Vec<_> = rules.iter().filter(|rule| rule.decides).collect();
    assert_eq!(deciding.len(), usize::from(by_rule), "{spelled}: {text}");
    for rule in deciding {
        assert!(rule.matches == Some(true), "{spelled}: {text}");
        let served = match &rule.serves {
            ExplainedServing::Variation(variation) => variation,
            ExplainedServing::Rollout(rollout) => {
                let chosen = rollout.entries.iter().find(|entry| entry.chosen);
                &chosen.expect("a rollout that decides").variation
            }
            _ => panic!("{spelled}: {text}"),
        };
        assert_eq!(served.key.as_deref(), result.variation_key(), "{spelled}: {text}");
    }
    let reached = rules.iter().take_while(|rule| rule.matches.is_some()).count();
    assert!(rules.iter().skip(reached).all(|rule| rule.matches.is_none()), "{spelled}: {text}");
    for rule in rules {
        let Some(matches) = rule.matches else { continue };
        let segment = rule.segment.as_ref();
        let conditions = rule.conditions.iter();
        let mut all = conditions.chain(segment.into_iter().flat_map(|it| &it.conditions));
        // Not all patterns may have been searched for.
        if all.clone().all(|one| one.holds.is_some()) {
            let hold = all.all(|one| one.holds == Some(true))
                && segment.is_none_or(|segment| segment.name.is_some());
            assert_eq!(hold, matches, "{spelled}: {text}");
        }
    }
}

/// Asserts that a split counts the result of each identifier.
fn splits(ruleset: &Ruleset, key: &str, context: &EvaluationContext, text: &str) {
    let identifiers = ["", "user-1", "user-2", "user-3", "user-2", "ü"];
    let split = ruleset.split(key, context, identifiers).expect("a flag that is listed");
    assert_eq!(split.total(), 6, "{text}");
    let results = identifiers.map(|identifier| {
        let context = context.clone().user_id(identifier);
        ruleset.evaluate(key, &context).expect("a flag that is listed")
    });
    let counts = split.shares().iter().map(|share| share.count());
    assert_eq!(counts.sum::<u64>(), 6, "{text}");
    for share in split.shares() {
        let same = |result: &&EvaluationResult| {
            result.variation_key() == share.variation_key() && result.value() == share.value()
        };
        let all = split.shares().iter().filter(|other| {
            other.variation_key() == share.variation_key() && other.value() == share.value()
        });
        let count: u64 = all.map(|other| other.count()).sum();
        assert_eq!(count, results.iter().filter(same).count() as u64, "{text}");
    }
    for (reason, count) in split.reasons() {
        let same = results.iter().filter(|result| result.reason() == reason);
        assert_eq!(count, same.count() as u64, "{text}");
    }
    assert_eq!(split.reasons().map(|(_, count)| count).sum::<u64>(), 6, "{text}");
}
