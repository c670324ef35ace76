//! Converts an explanation to JSON.

use std::sync::Arc;

use phaseflag::{
    ExplainedCondition, ExplainedPrerequisite, ExplainedRollout, ExplainedRule, ExplainedSegment,
    ExplainedServing, ExplainedVariation, Explanation, Object, Value,
};

use crate::names::Names;
use crate::output;

/// Returns an explanation as a JSON object. `shown` converts its texts: those of
/// conditions, and identifiers.
pub(crate) fn object(explanation: &Explanation, shown: fn(&str) -> String) -> Object {
    let mut converter = Converter { segments: Vec::new(), positions: Names::new(), shown };
    let rules: Value = explanation.rules.iter().map(|it| converter.rule(it)).collect();
    let result = &explanation.result;
    output::object(vec![
        ("key", Value::from(&*explanation.key)),
        ("value", result.value().clone()),
        ("variation_key", result.variation_key().into()),
        ("reason", result.reason().as_str().into()),
        ("on", explanation.on.into()),
        ("prerequisites_never_hold", explanation.prerequisites_never_hold.into()),
        ("prerequisites", explanation.prerequisites.iter().map(prerequisite).collect()),
        ("rules", rules),
        ("segments", converter.segments.into()),
    ])
}

/// Returns what [`object`] has beside a result, for a flag that no rules have.
pub(crate) fn without_rules() -> Object {
    let nothing = || Value::from(Vec::<Value>::new());
    output::object(vec![
        ("on", Value::Null),
        ("prerequisites_never_hold", Value::Null),
        ("prerequisites", nothing()),
        ("rules", nothing()),
        ("segments", nothing()),
    ])
}

fn prerequisite(it: &ExplainedPrerequisite) -> Object {
    output::object(vec![
        ("flag_key", Value::from(&*it.flag_key)),
        ("variation_key", Value::from(&it.variation_key)),
        ("on", it.on.into()),
        ("served", variation(&it.served)),
        ("reason", it.reason.as_str().into()),
        ("holds", it.holds.into()),
    ])
}

struct Converter {
    /// The segments of the rules, each of them once, however many rules name it.
    segments: Vec<Object>,
    /// Their positions, by address.
    positions: Names,
    shown: fn(&str) -> String,
}

impl Converter {
    fn rule(&mut self, it: &ExplainedRule) -> Object {
        output::object(vec![
            ("index", Value::from(it.index)),
            ("matches", it.matches.into()),
            ("decides", it.decides.into()),
            ("conditions", it.conditions.iter().map(|it| self.condition(it)).collect()),
            ("segment", it.segment.as_ref().map(|segment| self.position(segment)).into()),
            ("serves", self.serving(&it.serves).into()),
        ])
    }

    /// Returns the position of a segment, and adds it if it is new.
    fn position(&mut self, segment: &Arc<ExplainedSegment>) -> usize {
        let next = self.segments.len();
        let address = format!("{:p}", Arc::as_ptr(segment));
        let position = *self.positions.entry(address).or_insert(next);
        if position == next {
            self.segments.push(output::object(vec![
                ("name", Value::from(segment.name.as_deref())),
                ("conditions", segment.conditions.iter().map(|it| self.condition(it)).collect()),
            ]));
        }
        position
    }

    fn condition(&self, it: &ExplainedCondition) -> Object {
        output::object(vec![
            ("attribute", self.text(it.attribute.as_deref())),
            ("operator", it.operator.into()),
            ("target", self.text(it.target.as_deref())),
            ("value", self.text(it.value.as_deref())),
            ("holds", it.holds.into()),
        ])
    }

    fn serving(&self, it: &ExplainedServing) -> Object {
        match it {
            ExplainedServing::Variation(served) => output::object(vec![
                ("kind", Value::from("variation")),
                ("variation", variation(served)),
            ]),
            ExplainedServing::Rollout(it) => self.rollout(it),
            _ => output::object(vec![("kind", "nothing".into())]),
        }
    }

    fn rollout(&self, it: &ExplainedRollout) -> Object {
        let entries = it.entries.iter().map(|entry| {
            output::object(vec![
                ("variation", variation(&entry.variation)),
                ("lower", entry.lower.into()),
                ("upper", entry.upper.into()),
                ("chosen", entry.chosen.into()),
            ])
        });
        output::object(vec![
            ("kind", Value::from("rollout")),
            ("identifier", self.text(it.identifier.as_deref())),
            ("bucket", it.bucket.into()),
            ("identified_by", it.identified_by.into()),
            ("entries", entries.collect()),
        ])
    }

    fn text(&self, text: Option<&str>) -> Value {
        text.map(self.shown).into()
    }
}

fn variation(it: &ExplainedVariation) -> Value {
    let key = Value::from(it.key.as_deref());
    output::object(vec![("key", key), ("exists", it.exists.into())]).into()
}
