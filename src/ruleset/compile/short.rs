//! Finds the flags whose evaluation is short, so that it may happen under a lock.

use crate::ruleset::tables::{Condition, Flag, Prerequisites, Rule, Serves, Tables};

/// The maximum number of steps of a short evaluation: flags, rules, conditions and entries of
/// rollouts. They take a few microseconds if the texts of the context are short.
const MAX_STEPS: usize = 64;

/// Marks the flags whose evaluation is short.
pub(super) fn mark_short(tables: &mut Tables) {
    let is_short = |flag| tables.steps_left(flag, MAX_STEPS).is_some();
    let short: Vec<_> = tables.flags.iter().map(is_short).collect();
    for (flag, short) in tables.flags.iter_mut().zip(short) {
        flag.short = short;
    }
}

impl Tables {
    /// Subtracts the steps of a flag and of those that it requires; `None` if there are too few, or
    /// if one of the steps is long. The steps also bound the recursion.
    fn steps_left(&self, flag: &Flag, steps: usize) -> Option<usize> {
        let mut steps = steps.checked_sub(1)?;
        if let Prerequisites::All(all) = &flag.prerequisites {
            for prerequisite in all {
                steps = self.steps_left(self.flag(prerequisite.flag)?, steps)?;
            }
        }
        flag.rules.iter().try_fold(steps, |steps, rule| self.steps_left_by_rule(rule, steps))
    }

    fn steps_left_by_rule(&self, rule: &Rule, steps: usize) -> Option<usize> {
        let segment = rule.segment.and_then(|position| self.segment(position));
        let conditions = segment.map_or(&[][..], |segment| &segment.conditions);
        let entries = match &rule.serves {
            Serves::Rollout(entries) => entries.len(),
            Serves::Variation(_) | Serves::Nothing => 0,
        };
        let own = 1 + rule.conditions.len() + conditions.len() + entries;
        // First, so that a long list that many flags refer to is not walked for each of them.
        let steps = steps.checked_sub(own)?;
        let mut conditions = rule.conditions.iter().chain(conditions);
        conditions.all(Condition::is_short).then_some(steps)
    }
}

#[cfg(test)]
mod tests {
    use crate::context::{EvaluationContext, SHORT_TEXT};
    use crate::ruleset::Ruleset;
    use crate::value::Value;

    #[test]
    fn an_evaluation_of_a_long_text_is_not_short() {
        let text =
            flag("f", r#"{"percentage_rollout": [{"variation": "on", "weight": 100}]}"#, &[]);
        let ruleset = Ruleset::parse(&format!("[{text}]")).expect("a ruleset");
        let read = |length| {
            let context = EvaluationContext::new().user_id("x".repeat(length));
            ruleset.read_short("f", Some(&context), Value::as_bool)
        };
        assert_eq!(read(SHORT_TEXT).ok(), Some(Some(true)));
        assert!(read(SHORT_TEXT + 1).is_err());
    }

    fn is_short(flags: &str, segment: &str, key: &str) -> bool {
        let segment = format!(r#"{{"id": "s", "conditions": [{segment}]}}"#);
        let text = format!(r#"{{"flags": [{flags}], "segments": [{segment}]}}"#);
        let ruleset = Ruleset::parse(&text).expect("a ruleset");
        ruleset.read_short(key, None, Value::as_bool).is_ok()
    }

    fn flag(key: &str, rules: &str, required: &[&str]) -> String {
        let required: Vec<_> = required
            .iter()
            .map(|key| format!(r#"{{"flag_key": "{key}", "variation_key": "on"}}"#))
            .collect();
        format!(
            r#"{{"key": "{key}", "variations": [{{"key": "on", "value": true}}],
                "targeting_rules": [{rules}], "prerequisites": [{}]}}"#,
            required.join(",")
        )
    }

    fn listed(element: &str, count: usize) -> String {
        vec![element; count].join(",")
    }

    /// Returns a flag at the end of a chain of this many flags.
    fn chain(length: usize) -> String {
        let key = |number| format!("f{number}");
        let later = (1..length).map(|number| flag(&key(number), "", &[&key(number - 1)]));
        let flags: Vec<_> = [flag("f0", "", &[])].into_iter().chain(later).collect();
        flags.join(",")
    }

    #[test]
    fn an_evaluation_with_few_steps_is_short() {
        const CONDITION: &str = r#"{"attribute": "a", "operator": "is", "value": 1}"#;
        const PATTERN: &str = r#"{"attribute": "a", "operator": "matches_regex", "value": "x"}"#;
        let one = |rules: &str| flag("f", rules, &[]);
        let conditions =
            |count| one(&format!(r#"{{"conditions": [{}]}}"#, listed(CONDITION, count)));
        let entries = |count| {
            let entries = listed(r#"{"variation": "on", "weight": 1}"#, count);
            one(&format!(r#"{{"percentage_rollout": [{entries}]}}"#))
        };
        let pattern = one(&format!(r#"{{"conditions": [{PATTERN}]}}"#));
        // Compared at one position.
        let anchored = PATTERN.replace(r#""x""#, r#""^x""#);
        let version = |length| {
            let version = "1".repeat(length);
            let condition =
                format!(r#"{{"attribute": "a", "operator": "version_gt", "value": "{version}"}}"#);
            one(&format!(r#"{{"conditions": [{condition}]}}"#))
        };
        let in_segment = one(r#"{"segment_id": "s"}"#);
        let missing_segment = one(r#"{"segment_id": "t"}"#);
        let twice = |key: &str, other: &str| flag(key, "", &[other, other]);
        let layers = |count: usize| {
            let layer = |number: usize| twice(&format!("l{number}"), &format!("l{}", number - 1));
            let layers = (1..=count).map(layer);
            [flag("l0", "", &[])].into_iter().chain(layers).collect::<Vec<_>>().join(",")
        };
        // Without the feature, a pattern is no search.
        let search = !cfg!(feature = "regex");
        for (short, flags, segment, key) in [
            (true, one(""), "", "f"),
            (true, one(""), "", "unknown"),
            (true, conditions(62), "", "f"),
            (false, conditions(63), "", "f"),
            (true, entries(62), "", "f"),
            (false, entries(63), "", "f"),
            (true, one(&listed(r#"{"variation": "on"}"#, 63)), "", "f"),
            (false, one(&listed(r#"{"variation": "on"}"#, 64)), "", "f"),
            (true, in_segment.clone(), CONDITION, "f"),
            (false, in_segment.clone(), &listed(CONDITION, 63), "f"),
            (true, missing_segment, &listed(CONDITION, 63), "f"),
            (true, version(SHORT_TEXT), "", "f"),
            (false, version(SHORT_TEXT + 1), "", "f"),
            (search, pattern.clone(), "", "f"),
            (true, in_segment.clone(), &anchored, "f"),
            (search, in_segment, PATTERN, "f"),
            (search, format!("{pattern},{}", flag("g", "", &["f"])), "", "g"),
            (true, format!("{pattern},{}", flag("g", "", &[])), "", "g"),
            (true, chain(64), "", "f63"),
            (false, chain(65), "", "f64"),
            // Two to the power of the number of layers.
            (true, layers(5), "", "l5"),
            (false, layers(60), "", "l60"),
            (true, twice("f", "f"), "", "f"),
        ] {
            assert_eq!(is_short(&flags, segment, key), short, "{key} of {flags}");
        }
    }
}
