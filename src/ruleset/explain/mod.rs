//! `Ruleset::explain`: evaluates a flag, records the checks of the evaluator and describes them.

mod explanation;
mod text;

pub use explanation::{
    ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout, ExplainedRule,
    ExplainedSegment, ExplainedServing, ExplainedVariation, Explanation,
};

use std::sync::Arc;

use self::explanation::PATTERN;
use crate::context::{EvaluationContext, Identifier};
use crate::ruleset::evaluate::{Evaluator, Observer};
use crate::ruleset::result::{Cause, EvaluationResult, Outcome};
use crate::ruleset::tables::{
    Attribute, Condition, Flag, MatchBudget, PositionMap, Prerequisite, Prerequisites, Replica,
    Rule, Serves, Subject, Tables, Target, TextMap, bucket,
};
use crate::value::NumberText;

/// Evaluates the flag at a position and explains the result; `None` if the flag does not exist.
pub(super) fn explain(
    ruleset: &Arc<Replica>,
    position: u32,
    context: &EvaluationContext,
) -> Option<Explanation> {
    let tables = ruleset.tables();
    let flag = tables.flag(position)?;
    let mut explainer = Explainer::new(tables, context, flag);
    let prerequisites = explainer.prerequisites();
    Some(Explanation {
        key: flag.key.clone(),
        on: flag.on,
        prerequisites_never_hold: prerequisites.is_none(),
        prerequisites: prerequisites.unwrap_or_default(),
        rules: explainer.rules(),
        result: EvaluationResult::shared(ruleset.clone(), position, explainer.outcome),
    })
}

/// Explains one evaluation of a flag.
struct Explainer<'a> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    flag: &'a Flag,
    /// A second budget for patterns, beside the one that the evaluation itself uses.
    budget: MatchBudget,
    outcome: Outcome,
    trace: Trace,
    variations: Vec<ExplainedVariation>,
    segments: PositionMap<Arc<ExplainedSegment>>,
    /// The segments of the rules that match: the context is in them.
    matched_segments: PositionMap<()>,
    identity: Option<Identity>,
    attributes: TextMap<Option<AttributeText>>,
}

/// What the evaluator has checked.
#[derive(Default)]
struct Trace {
    /// For each reached rule of the flag itself, whether it matches.
    rules: Vec<bool>,
    /// What required flags serve.
    required: PositionMap<Outcome>,
}

impl Observer for Trace {
    fn rule_checked(&mut self, matches: bool) {
        self.rules.push(matches);
    }

    /// Forgets the rules so far, which belong to the required flag.
    fn required_flag_evaluated(&mut self, flag: u32, outcome: &Outcome) {
        self.rules.clear();
        self.required.insert(flag, *outcome);
    }
}

/// The identifier of a context, its source and its bucket.
struct Identity {
    name: &'static str,
    identifier: Arc<str>,
    bucket: u32,
}

impl Identity {
    fn of(flag: &Flag, context: &EvaluationContext) -> Option<Identity> {
        let (name, identifier) = match context.identifier() {
            Identifier::User(id) => ("user_id", id),
            Identifier::Session(id) => ("session_id", id),
            Identifier::Missing => return None,
        };
        let bucket = flag.seed.bucket(identifier);
        Some(Identity { name, identifier: identifier.into(), bucket })
    }
}

/// The value of an attribute, as text.
#[derive(Clone)]
struct AttributeText {
    text: Arc<str>,
    is_string: bool,
}

impl<'a> Explainer<'a> {
    fn new(tables: &'a Tables, context: &'a EvaluationContext, flag: &'a Flag) -> Explainer<'a> {
        let mut evaluator = Evaluator::with(tables, context, Trace::default());
        let outcome = evaluator.evaluate(flag);
        let trace = evaluator.into_observer();
        let positions = 0..flag.variations.len() as u32;
        let matching = flag.rules.iter().zip(&trace.rules).filter(|(_, matches)| **matches);
        let matched_segments = matching.filter_map(|(rule, _)| Some((rule.segment?, ()))).collect();
        Explainer {
            tables,
            context,
            flag,
            budget: MatchBudget::new(),
            outcome,
            trace,
            variations: positions
                .map(|position| explained_variation(flag, Some(position)))
                .collect(),
            segments: PositionMap::default(),
            matched_segments,
            identity: Identity::of(flag, context),
            attributes: TextMap::default(),
        }
    }

    /// Returns the prerequisites; `None` if they can never hold.
    fn prerequisites(&self) -> Option<Vec<ExplainedPrerequisite>> {
        let Prerequisites::All(all) = &self.flag.prerequisites else {
            return None;
        };
        // The evaluator stops at the first prerequisite that fails.
        let mut evaluator = Evaluator::with(self.tables, self.context, Trace::default());
        for one in all.iter().filter(|one| !self.trace.required.contains_key(&one.flag)) {
            evaluator.holds(one);
        }
        let others = evaluator.into_observer();
        let mut served = PositionMap::default();
        let explained = all.iter().filter_map(|one| {
            let known =
                self.trace.required.get(&one.flag).or_else(|| others.required.get(&one.flag));
            self.prerequisite(one, known, &mut served)
        });
        Some(explained.collect())
    }

    /// Returns a prerequisite; its flag is off if it has no outcome.
    fn prerequisite(
        &self,
        one: &Prerequisite,
        outcome: Option<&Outcome>,
        served: &mut PositionMap<ExplainedVariation>,
    ) -> Option<ExplainedPrerequisite> {
        let flag = self.tables.flag(one.flag)?;
        let inactive = Outcome::default_of(flag, Cause::FlagInactive);
        let Outcome { variation, cause } = *outcome.unwrap_or(&inactive);
        let served = served.entry(one.flag).or_insert_with(|| explained_variation(flag, variation));
        Some(ExplainedPrerequisite {
            flag_key: flag.key.clone(),
            variation_key: one.variation_key.to_string(),
            on: flag.on,
            served: served.clone(),
            reason: cause.into(),
            holds: flag.on && one.is_met_by(flag, variation),
        })
    }

    /// Returns the rules in the order of evaluation.
    fn rules(&mut self) -> Vec<ExplainedRule> {
        let decided =
            matches!(self.outcome.cause, Cause::TargetingMatch | Cause::PercentageRollout);
        let flag = self.flag;
        let rules = flag.rules.iter().enumerate().map(|(position, rule)| {
            let decides = decided && position + 1 == self.trace.rules.len();
            self.rule(rule, self.trace.rules.get(position).copied(), decides)
        });
        rules.collect()
    }

    fn rule(&mut self, rule: &Rule, matches: Option<bool>, decides: bool) -> ExplainedRule {
        let mut conditions = self.conditions(&rule.conditions, matches.is_some());
        let known = rule.segment.and_then(|position| self.segments.get(&position).cloned());
        let mut segment = rule.segment.map(|position| self.segment(position));
        match matches {
            Some(true) => mark_held(&mut conditions),
            Some(false) if all_hold(&conditions) && segment.as_deref().is_none_or(holds) => {
                mark_unsearched(&mut conditions);
                segment = rule.segment.map(|position| self.unsearched_segment(position));
            }
            _ => {}
        }
        let segment_shown =
            known.zip(segment.as_ref()).is_some_and(|(known, it)| Arc::ptr_eq(&known, it));
        ExplainedRule {
            index: rule.index as usize,
            matches,
            decides,
            conditions,
            segment,
            serves: match &rule.serves {
                Serves::Variation(served) => ExplainedServing::Variation(self.variation(*served)),
                Serves::Rollout(entries) => {
                    ExplainedServing::Rollout(self.rollout(entries, decides))
                }
                Serves::Nothing => ExplainedServing::Nothing,
            },
            segment_shown,
        }
    }

    fn segment(&mut self, position: u32) -> Arc<ExplainedSegment> {
        if let Some(known) = self.segments.get(&position) {
            return known.clone();
        }
        let segment = self.tables.segment(position);
        let conditions = segment.map(|segment| self.conditions(&segment.conditions, true));
        let mut conditions = conditions.unwrap_or_default();
        if self.matched_segments.contains_key(&position) {
            mark_held(&mut conditions);
        }
        let name = segment.map(|segment| segment.name.clone());
        self.store(position, ExplainedSegment { name, conditions })
    }

    /// Returns the segment of a rule that failed although all its conditions seem to hold. The
    /// patterns of the segment, if any, are marked as not searched for.
    fn unsearched_segment(&mut self, position: u32) -> Arc<ExplainedSegment> {
        let segment = self.segment(position);
        if self.matched_segments.contains_key(&position)
            || !segment.conditions.iter().any(ExplainedCondition::is_pattern)
        {
            return segment;
        }
        let mut segment = ExplainedSegment::clone(&segment);
        mark_unsearched(&mut segment.conditions);
        self.store(position, segment)
    }

    fn store(&mut self, position: u32, segment: ExplainedSegment) -> Arc<ExplainedSegment> {
        let segment = Arc::new(segment);
        self.segments.insert(position, segment.clone());
        segment
    }

    fn conditions(&mut self, conditions: &[Condition], reached: bool) -> Vec<ExplainedCondition> {
        conditions.iter().map(|condition| self.condition(condition, reached)).collect()
    }

    fn condition(&mut self, condition: &Condition, reached: bool) -> ExplainedCondition {
        let Some((operator, target)) = condition.test.parts() else {
            return ExplainedCondition {
                attribute: None,
                operator: None,
                target: None,
                value: None,
                holds: reached.then_some(false),
                value_is_string: false,
                reached,
            };
        };
        let target = match target {
            Target::Text(text) => text.to_owned(),
            Target::Texts(texts) => format!("{texts:?}"),
            Target::Number(number) => number.to_string(),
        };
        let value = self.value(&condition.attribute);
        let holds = reached.then(|| condition.holds(self.context, &mut self.budget));
        let unsure = operator == PATTERN && value.is_some() && self.budget.is_used_up();
        ExplainedCondition {
            attribute: Some(condition.attribute.name().to_owned()),
            operator: Some(operator),
            target: Some(target),
            value_is_string: value.as_ref().is_some_and(|value| value.is_string),
            value: value.map(|value| value.text),
            holds: holds.filter(|_| !unsure),
            reached,
        }
    }

    fn value(&mut self, attribute: &Attribute) -> Option<AttributeText> {
        if let Some(known) = self.attributes.get(attribute.name()) {
            return known.clone();
        }
        let value = attribute.read(self.context).map(|subject| AttributeText {
            text: subject.text(&mut NumberText::default()).into(),
            is_string: matches!(subject, Subject::Text(_)),
        });
        self.attributes.insert(attribute.name().into(), value.clone());
        value
    }

    fn rollout(&self, entries: &[(f64, Option<u32>)], decides: bool) -> ExplainedRollout {
        let indices: Vec<_> =
            (0..).zip(entries).map(|(index, (upper, _))| (*upper, index)).collect();
        let identity = self.identity.as_ref();
        let bucket = identity.map(|it| it.bucket);
        let deciding = bucket.filter(|_| decides);
        let chosen = deciding.and_then(|bucket| bucket::choose(&indices, bucket));
        let mut lower = 0.0;
        let entries = (0..).zip(entries).map(|(index, (upper, served))| ExplainedEntry {
            variation: self.variation(*served),
            lower: std::mem::replace(&mut lower, *upper),
            upper: *upper,
            chosen: chosen == Some(&index),
        });
        ExplainedRollout {
            identifier: identity.map(|it| it.identifier.clone()),
            identified_by: identity.map(|it| it.name),
            bucket,
            entries: entries.collect(),
        }
    }

    fn variation(&self, position: Option<u32>) -> ExplainedVariation {
        let known = position.and_then(|position| self.variations.get(position as usize));
        known.cloned().unwrap_or(ExplainedVariation { key: None, exists: false })
    }
}

/// Marks the conditions of a rule that matches as held, even if the budget of the explanation did
/// not suffice to search for their patterns.
fn mark_held(conditions: &mut [ExplainedCondition]) {
    for condition in conditions {
        condition.holds = Some(true);
    }
}

/// Marks patterns as not searched for: earlier rules and prerequisites had used up the budget of the
/// evaluation.
fn mark_unsearched(conditions: &mut [ExplainedCondition]) {
    for condition in conditions.iter_mut().filter(|condition| condition.is_pattern()) {
        condition.holds = None;
    }
}

fn all_hold(conditions: &[ExplainedCondition]) -> bool {
    conditions.iter().all(|condition| condition.holds == Some(true))
}

fn holds(segment: &ExplainedSegment) -> bool {
    segment.name.is_some() && all_hold(&segment.conditions)
}

fn explained_variation(flag: &Flag, position: Option<u32>) -> ExplainedVariation {
    let variation = flag.variation(position);
    ExplainedVariation {
        key: variation.and_then(|variation| variation.key.as_deref()).map(Arc::from),
        exists: variation.is_some(),
    }
}
