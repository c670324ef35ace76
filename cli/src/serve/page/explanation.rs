//! Converts an explanation to JSON. Long texts are cut.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use phaseflag::{
    ExplainedCondition, ExplainedPrerequisite, ExplainedRollout, ExplainedRule, ExplainedSegment,
    ExplainedServing, ExplainedVariation, Explanation, Object, Value,
};

use super::{MAX_TEXT, cut};

/// The length of the texts of a condition, in characters.
const MAX_CONDITION: usize = 400;

/// How many names of attributes are suggested.
const MAX_ATTRIBUTES: usize = 200;

pub(super) fn object(explanation: &Explanation) -> Object {
    let mut segments = Segments::default();
    let rules: Value = explanation.rules.iter().map(|it| rule(it, &mut segments)).collect();
    let conditions = explanation.rules.iter().flat_map(|rule| &rule.conditions);
    let in_segments = segments.listed.iter().flat_map(|segment| &segment.conditions);
    let attributes: BTreeSet<&str> =
        conditions.chain(in_segments).filter_map(|it| it.attribute.as_deref()).collect();
    let value = explanation.result.value().to_string();
    Object::from([
        ("on", Value::from(explanation.on)),
        ("value", cut(&value, MAX_TEXT).into()),
        ("variation_key", explanation.result.variation_key().into()),
        ("reason", explanation.result.reason().as_str().into()),
        ("prerequisites_never_hold", explanation.prerequisites_never_hold.into()),
        ("prerequisites", explanation.prerequisites.iter().map(prerequisite).collect()),
        ("rules", rules),
        ("segments", segments.listed.iter().map(|it| segment(it)).collect()),
        ("attributes", attributes.into_iter().take(MAX_ATTRIBUTES).collect()),
    ])
}

/// The segments of the rules, each of them once.
#[derive(Default)]
struct Segments<'a> {
    listed: Vec<&'a Arc<ExplainedSegment>>,
    positions: HashMap<*const ExplainedSegment, usize>,
}

impl<'a> Segments<'a> {
    fn position(&mut self, segment: &'a Arc<ExplainedSegment>) -> usize {
        let next = self.listed.len();
        let position = *self.positions.entry(Arc::as_ptr(segment)).or_insert(next);
        if position == next {
            self.listed.push(segment);
        }
        position
    }
}

fn prerequisite(it: &ExplainedPrerequisite) -> Object {
    Object::from([
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
    Object::from([
        ("index", Value::from(it.index)),
        ("matches", optional(it.matches)),
        ("decides", it.decides.into()),
        ("conditions", it.conditions.iter().map(condition).collect()),
        ("segment", it.segment.as_ref().map(|segment| segments.position(segment)).into()),
        ("serves", serving(&it.serves).into()),
    ])
}

fn serving(it: &ExplainedServing) -> Object {
    match it {
        ExplainedServing::Variation(served) => {
            Object::from([("kind", Value::from("variation")), ("variation", variation(served))])
        }
        ExplainedServing::Rollout(it) => rollout(it),
        _ => Object::from([("kind", "nothing")]),
    }
}

fn rollout(it: &ExplainedRollout) -> Object {
    let entries = it.entries.iter().map(|entry| {
        Object::from([
            ("variation", variation(&entry.variation)),
            ("lower", entry.lower.into()),
            ("upper", entry.upper.into()),
            ("chosen", entry.chosen.into()),
        ])
    });
    Object::from([
        ("kind", Value::from("rollout")),
        ("bucket", it.bucket.into()),
        ("identified_by", it.identified_by.into()),
        ("entries", entries.collect()),
    ])
}

fn segment(it: &ExplainedSegment) -> Object {
    Object::from([
        ("name", Value::from(it.name.as_deref())),
        ("conditions", it.conditions.iter().map(condition).collect()),
    ])
}

fn condition(it: &ExplainedCondition) -> Object {
    let text = |text: Option<&str>| Value::from(text.map(|text| cut(text, MAX_CONDITION)));
    Object::from([
        ("attribute", text(it.attribute.as_deref())),
        ("operator", it.operator.into()),
        ("target", text(it.target.as_deref())),
        ("value", text(it.value.as_deref())),
        ("holds", optional(it.holds)),
    ])
}

fn variation(it: &ExplainedVariation) -> Value {
    let key = Value::from(it.key.as_deref());
    Object::from([("key", key), ("exists", it.exists.into())]).into()
}

fn optional(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::from)
}
