//! Converts an explanation to JSON.

use std::sync::Arc;

use phaseflag::{
    ExplainedCondition, ExplainedPrerequisite, ExplainedRollout, ExplainedRule, ExplainedSegment,
    ExplainedServing, ExplainedVariation, Explanation, Object, Value,
};

use crate::names::Names;
use crate::output;

/// Returns an explanation as a JSON object. Each segment is in it once, however many rules name it.
pub(crate) fn object(explanation: &Explanation) -> Object {
    let mut segments = Segments::default();
    let rules: Value = explanation.rules.iter().map(|it| rule(it, &mut segments)).collect();
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
        ("segments", segments.listed.iter().map(|it| segment(it)).collect()),
    ])
}

/// The segments of the rules, each of them once.
#[derive(Default)]
struct Segments<'a> {
    listed: Vec<&'a Arc<ExplainedSegment>>,
    /// By their address.
    positions: Names,
}

impl<'a> Segments<'a> {
    fn position(&mut self, segment: &'a Arc<ExplainedSegment>) -> usize {
        let next = self.listed.len();
        let position = *self.positions.entry(format!("{:p}", Arc::as_ptr(segment))).or_insert(next);
        if position == next {
            self.listed.push(segment);
        }
        position
    }
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

/// Returns a rule, which refers to its segment by position.
fn rule<'a>(it: &'a ExplainedRule, segments: &mut Segments<'a>) -> Object {
    output::object(vec![
        ("index", Value::from(it.index)),
        ("matches", it.matches.into()),
        ("decides", it.decides.into()),
        ("conditions", it.conditions.iter().map(condition).collect()),
        ("segment", it.segment.as_ref().map(|segment| segments.position(segment)).into()),
        ("serves", serving(&it.serves).into()),
    ])
}

fn serving(it: &ExplainedServing) -> Object {
    match it {
        ExplainedServing::Variation(served) => output::object(vec![
            ("kind", Value::from("variation")),
            ("variation", variation(served)),
        ]),
        ExplainedServing::Rollout(it) => rollout(it),
        _ => output::object(vec![("kind", "nothing".into())]),
    }
}

fn rollout(it: &ExplainedRollout) -> Object {
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
        ("identifier", it.identifier.as_deref().into()),
        ("bucket", it.bucket.into()),
        ("identified_by", it.identified_by.into()),
        ("entries", entries.collect()),
    ])
}

fn segment(it: &ExplainedSegment) -> Object {
    output::object(vec![
        ("name", Value::from(it.name.as_deref())),
        ("conditions", it.conditions.iter().map(condition).collect()),
    ])
}

fn condition(it: &ExplainedCondition) -> Object {
    output::object(vec![
        ("attribute", Value::from(it.attribute.as_deref())),
        ("operator", it.operator.into()),
        ("target", it.target.as_deref().into()),
        ("value", it.value.as_deref().into()),
        ("holds", it.holds.into()),
    ])
}

fn variation(it: &ExplainedVariation) -> Value {
    let key = Value::from(it.key.as_deref());
    output::object(vec![("key", key), ("exists", it.exists.into())]).into()
}
