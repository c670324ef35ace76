//! Proves that a flag serves one value to everyone.

use std::collections::HashMap;

use phaseflag::{
    ExplainedCondition, ExplainedRule, ExplainedServing, ExplainedVariation, Explanation, FlagInfo,
    Ruleset, Value,
};

/// The number of buckets of a rollout.
const BUCKETS: f64 = 100.0;

/// Who is served the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Audience {
    Everyone,
    /// Everyone with a `user_id` or a `session_id`.
    Identified,
}

/// A proof that a flag serves one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) value: Value,
    pub(super) audience: Audience,
    /// Why: the flag is off, for example.
    pub(super) reason: &'static str,
}

/// Returns a proof for a flag; `None` if it may serve several values, or if that is not certain.
///
/// A condition counts as one that may hold and may fail, unless it can never hold.
pub(super) fn constant(ruleset: &Ruleset, info: &FlagInfo) -> Option<Constant> {
    let flag = ruleset.explain(info.key(), None)?;
    let of_everyone = |value, reason| Constant { value, audience: Audience::Everyone, reason };
    let default_because = |reason| Some(of_everyone(flag.result.value().clone(), reason));
    if !flag.on {
        return default_because("it is off");
    }
    // No context switches on a required flag.
    if flag.prerequisites_never_hold || flag.prerequisites.iter().any(|required| !required.on) {
        return default_because("its prerequisites never hold");
    }
    if flag.rules.is_empty() {
        return default_because("it has no rules");
    }
    if !flag.rules.iter().any(may_match) {
        return default_because("no rule matches");
    }
    let values = Values::of(ruleset, info);
    let mut outcomes = Outcomes::of(&flag, &values)?;
    if !flag.prerequisites.is_empty() {
        outcomes.values.push(values.default()?);
    }
    let value = single(&outcomes.values)?;
    match outcomes.audience {
        Some(Audience::Everyone) => Some(of_everyone(value, "its rules serve one value")),
        audience => match (values.default()? == value, audience) {
            (true, _) => Some(of_everyone(value, "its rules and its default serve one value")),
            (false, Some(audience)) => {
                Some(Constant { value, audience, reason: "its rules serve one value" })
            }
            (false, None) => None,
        },
    }
}

/// Returns the value if all are equal.
fn single(values: &[Value]) -> Option<Value> {
    let first = values.first()?;
    values.iter().all(|value| value == first).then(|| first.clone())
}

/// What the rules of a flag may serve.
#[derive(Debug, Default)]
struct Outcomes {
    values: Vec<Value>,
    /// For whom a rule decides in any case; the others may be served the default.
    audience: Option<Audience>,
}

impl Outcomes {
    /// Returns the outcomes; `None` if a value is not certain.
    fn of(flag: &Explanation, values: &Values) -> Option<Outcomes> {
        let mut outcomes = Outcomes::default();
        for rule in flag.rules.iter().filter(|rule| may_match(rule)) {
            match &rule.serves {
                ExplainedServing::Variation(variation) => {
                    outcomes.values.push(values.served(variation)?);
                    if matches_everyone(rule) {
                        outcomes.audience = Some(Audience::Everyone);
                        break;
                    }
                }
                ExplainedServing::Rollout(rollout) => {
                    for entry in &rollout.entries {
                        // Otherwise, no bucket is within the bounds.
                        if entry.lower.ceil() < entry.upper.min(BUCKETS) {
                            outcomes.values.push(values.served(&entry.variation)?);
                        }
                    }
                    let upper = rollout.entries.last().map_or(0.0, |entry| entry.upper);
                    if matches_everyone(rule) && upper > BUCKETS - 1.0 {
                        outcomes.audience = Some(Audience::Identified);
                    }
                }
                _ => {}
            }
        }
        Some(outcomes)
    }
}

/// Returns whether a rule matches anyone, as far as that is certain.
fn may_match(rule: &ExplainedRule) -> bool {
    let mut segment = rule.segment.iter();
    rule.conditions.iter().all(may_hold)
        && segment.all(|it| it.name.is_some() && it.conditions.iter().all(may_hold))
}

fn matches_everyone(rule: &ExplainedRule) -> bool {
    let mut segment = rule.segment.iter();
    rule.conditions.is_empty() && segment.all(|it| it.name.is_some() && it.conditions.is_empty())
}

/// Returns whether a condition is usable. A condition that no client can use never holds.
fn may_hold(condition: &ExplainedCondition) -> bool {
    let is_empty = condition.target.as_deref() == Some("[]");
    condition.operator.is_some() && !(condition.operator == Some("one_of") && is_empty)
}

/// The values of the variations of a flag by their keys.
struct Values {
    /// `None` if several variations with different values have the key.
    by_key: HashMap<String, Option<Value>>,
    default: Option<String>,
}

impl Values {
    fn of(ruleset: &Ruleset, info: &FlagInfo) -> Values {
        let default = info.default_variation().map(str::to_owned);
        let mut values = Values { by_key: HashMap::new(), default };
        // The shares of no users are the variations.
        let split = ruleset.split(info.key(), None, [""; 0]);
        for share in split.iter().flat_map(|split| split.shares()) {
            let Some(key) = share.variation_key() else { continue };
            let value = Some(share.value().clone());
            let known = values.by_key.entry(key.to_owned()).or_insert_with(|| value.clone());
            if *known != value {
                *known = None;
            }
        }
        values
    }

    /// Returns the value of a variation; `None` if that is not certain. A variation that the flag
    /// does not have is `null`.
    fn served(&self, variation: &ExplainedVariation) -> Option<Value> {
        match &variation.key {
            Some(key) => self.value(key),
            None if variation.exists => None,
            None => Some(Value::Null),
        }
    }

    /// Returns the value of the default variation; `None` if that is not certain.
    fn default(&self) -> Option<Value> {
        self.value(self.default.as_ref()?)
    }

    fn value(&self, key: &str) -> Option<Value> {
        self.by_key.get(key)?.clone()
    }
}

#[cfg(test)]
mod tests {
    use phaseflag::EvaluationContext;

    use super::*;

    /// Returns the proof for the flag `f` with these members.
    fn proved(members: &str) -> Option<String> {
        let text = format!(
            r#"{{"flags": [
                {{"key": "f", "default_variation": "off", "variations": [
                    {{"key": "on", "value": true}}, {{"key": "off", "value": false}},
                    {{"key": "no", "value": false}},
                    {{"key": "two", "value": 2}}, {{"key": "two", "value": 3}},
                    {{"id": "nameless", "value": true}}], {members}}},
                {{"key": "asleep", "enabled": false, "default_variation": "v",
                    "variations": [{{"key": "v", "value": 1}}]}},
                {{"key": "awake", "default_variation": "v",
                    "variations": [{{"key": "v", "value": 1}}]}}],
              "segments": [{{"id": "all", "conditions": []}},
                {{"id": "some", "conditions": [
                    {{"attribute": "a", "operator": "is", "value": 1}}]}}]}}"#
        );
        let ruleset = Ruleset::parse(&text).unwrap();
        let info = ruleset.flags().next().unwrap();
        let it = constant(&ruleset, &info)?;
        Some(format!("{} to {:?}: {}", it.value, it.audience, it.reason))
    }

    /// Returns the member of these rules; `SOME` is a condition that may hold, `NEVER` one that
    /// cannot.
    fn rules(rules: &str) -> String {
        let some = r#""conditions": [{"attribute": "a", "operator": "is", "value": 1}]"#;
        let never = r#""conditions": [{"attribute": "a", "operator": "is", "value": null}]"#;
        format!(r#""targeting_rules": [{rules}]"#).replace("SOME", some).replace("NEVER", never)
    }

    /// Returns a rule with a rollout of these variations and percentages.
    fn rollout(entries: &[(&str, f64)]) -> String {
        let entry = |(variation, percentage): &(&str, f64)| {
            format!(r#"{{"variation": "{variation}", "percentage": {percentage}}}"#)
        };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        format!(r#"{{"percentage_rollout": [{}]}}"#, entries.join(","))
    }

    fn requires(flag: &str, rest: &str) -> String {
        format!(r#""prerequisites": [{{"flag_key": "{flag}", "variation_key": "v"}}], {rest}"#)
    }

    #[test]
    fn a_constant_flag_is_proved() {
        let on = r#"{"variation": "on"}"#;
        let one = "its rules serve one value";
        let both = "its rules and its default serve one value";
        for (members, served, reason) in [
            (format!(r#""status": "inactive", {}"#, rules(on)), "false to Everyone", "it is off"),
            (rules(""), "false to Everyone", "it has no rules"),
            (rules(r#"{"variation": "on", NEVER}"#), "false to Everyone", "no rule matches"),
            (
                rules(r#"{"variation": "on", "segment_id": "gone"}"#),
                "false to Everyone",
                "no rule matches",
            ),
            (requires("asleep", &rules(on)), "false to Everyone", "its prerequisites never hold"),
            (requires("gone", &rules(on)), "false to Everyone", "its prerequisites never hold"),
            (rules(on), "true to Everyone", one),
            (rules(r#"{"variation": "on", "segment_id": "all"}"#), "true to Everyone", one),
            (rules(r#"{"variation": "gone"}"#), "null to Everyone", one),
            (rules(r#"{"variation": "on", SOME}, {"variation": "on"}"#), "true to Everyone", one),
            // Nobody comes to the second rule.
            (rules(r#"{"variation": "on"}, {"variation": "off"}"#), "true to Everyone", one),
            // Another variation with the value of the default.
            (rules(r#"{"variation": "no", SOME}"#), "false to Everyone", both),
            (rules(&rollout(&[("no", 10.0)])), "false to Everyone", both),
            (rules(&rollout(&[("on", 100.0)])), "true to Identified", one),
            (rules(&rollout(&[("on", 99.1)])), "true to Identified", one),
            // The second entry has no bucket.
            (rules(&rollout(&[("on", 99.5), ("off", 0.5)])), "true to Identified", one),
            (rules(&rollout(&[("off", 0.0), ("on", 100.0)])), "true to Identified", one),
            (requires("awake", &rules(r#"{"variation": "no"}"#)), "false to Everyone", one),
        ] {
            assert_eq!(proved(&members), Some(format!("{served}: {reason}")), "{members}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_proved() {
        for members in [
            rules(r#"{"variation": "on", SOME}"#),
            rules(r#"{"variation": "on", "segment_id": "some"}"#),
            rules(r#"{"variation": "two"}"#),
            rules(r#"{"variation": "nameless"}"#),
            rules(&rollout(&[("on", 99.0)])),
            rules(&rollout(&[("on", 99.0), ("off", 1.0)])),
            rules(&rollout(&[("off", 0.1), ("on", 99.9)])),
            rules(&rollout(&[("on", 100.0)]).replace('{', "{SOME, ").replacen(
                "SOME, \"v",
                "\"v",
                1,
            )),
            requires("awake", &rules(r#"{"variation": "on"}"#)),
        ] {
            assert_eq!(proved(&members), None, "{members}");
        }
    }

    /// A small generator of numbers.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) as usize % limit
        }

        fn rule(&mut self) -> String {
            let variation = ["on", "no", "gone"][self.below(3)];
            let weight = [0.4, 50.0, 99.1, 100.0][self.below(4)];
            let serves = match self.below(3) {
                0 => format!(r#""variation": "{variation}""#),
                1 => format!(
                    r#""percentage_rollout": [{{"variation": "{variation}", "percentage": {weight}}},
                       {{"variation": "no", "percentage": {}}}]"#,
                    self.below(2) * 50
                ),
                _ => r#""variation": "no""#.to_owned(),
            };
            let conditions = match self.below(4) {
                0 => r#"[{"attribute": "a", "operator": "is", "value": 1}]"#,
                1 => r#"[{"attribute": "a", "operator": "is", "value": null}]"#,
                2 => r#"[{"attribute": "user_id", "operator": "is_not", "value": "u1"}]"#,
                _ => "[]",
            };
            format!(r#"{{{serves}, "conditions": {conditions}}}"#)
        }
    }

    #[test]
    fn the_evaluator_never_disproves_a_proof() {
        let mut numbers = Numbers(7);
        let mut proofs = 0;
        for _ in 0..2_000 {
            let count = numbers.below(4);
            let rules: Vec<_> = (0..count).map(|_| numbers.rule()).collect();
            let required = match numbers.below(3) {
                0 => r#"{"flag_key": "gate", "variation_key": "on"}"#,
                _ => "",
            };
            let default = ["on", "no", "gone"][numbers.below(3)];
            let gate = numbers.rule();
            let variations = r#"[{"key": "on", "value": true}, {"key": "no", "value": false}]"#;
            let text = format!(
                r#"[{{"key": "f", "default_variation": "{default}", "variations": {variations},
                     "prerequisites": [{required}], "targeting_rules": [{}]}},
                    {{"key": "gate", "default_variation": "no", "variations": {variations},
                     "targeting_rules": [{gate}]}}]"#,
                rules.join(",")
            );
            let ruleset = Ruleset::parse(&text).unwrap();
            let info = ruleset.flags().next().unwrap();
            let Some(proof) = constant(&ruleset, &info) else { continue };
            proofs += 1;
            let mut contexts: Vec<_> =
                (0..60).map(|user| EvaluationContext::new().user_id(format!("u{user}"))).collect();
            if proof.audience == Audience::Everyone {
                contexts.push(EvaluationContext::new());
            }
            for context in contexts {
                for context in [context.clone().attribute("a", 1), context] {
                    let served = ruleset.evaluate("f", &context).unwrap();
                    assert_eq!(served.value(), &proof.value, "{text}");
                }
            }
        }
        assert!(proofs > 500, "{proofs}");
    }
}
