//! How an answer comes about: the evaluator decides, and what it looked at is laid out.

mod explanation;
mod text;

pub use explanation::{
    ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout, ExplainedRule,
    ExplainedSegment, ExplainedServing, ExplainedVariation, Explanation,
};

use std::sync::Arc;

use self::explanation::{AttributeText, Identity, PATTERN};
use crate::context::{EvaluationContext, Who};
use crate::ruleset::evaluate::{Evaluator, Witness};
use crate::ruleset::result::{Outcome, Reason};
use crate::ruleset::tables::MatchBudget;
use crate::ruleset::tables::bucket;
use crate::ruleset::tables::{Attribute, Condition, Subject, Target};
use crate::ruleset::tables::{Flag, Prerequisite, Prerequisites, Rule, Serves, Tables};
use crate::ruleset::tables::{PositionMap, TextMap};
use crate::value::NumberText;

/// Evaluates a flag, and lays out how.
pub(crate) struct Explainer<'a> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    flag: &'a Flag,
    /// What is left for searching patterns beside those of the evaluation itself.
    budget: MatchBudget,
    pub(crate) outcome: Outcome,
    seen: Seen,
    variations: Vec<ExplainedVariation>,
    segments: PositionMap<Arc<ExplainedSegment>>,
    /// The segments of the rules that match: the context is in them.
    joined: PositionMap<()>,
    identity: Option<Identity>,
    attributes: TextMap<Option<AttributeText>>,
}

/// What the evaluator looked at.
#[derive(Default)]
struct Seen {
    /// Whether each rule of the flag itself that was reached matches.
    rules: Vec<bool>,
    /// What required flags serve.
    settled: PositionMap<Outcome>,
}

impl Witness for Seen {
    fn looked_at(&mut self, matches: bool) {
        self.rules.push(matches);
    }

    /// The rules so far were those of the required flag.
    fn settled(&mut self, flag: u32, outcome: &Outcome) {
        self.rules.clear();
        self.settled.insert(flag, outcome.clone());
    }
}

impl<'a> Explainer<'a> {
    pub(crate) fn new(
        tables: &'a Tables,
        context: &'a EvaluationContext,
        flag: &'a Flag,
    ) -> Explainer<'a> {
        let mut evaluator = Evaluator::with(tables, context, Seen::default());
        let outcome = evaluator.evaluate(flag);
        let seen = evaluator.into_witness();
        let positions = 0..flag.variations.len() as u32;
        let matching = flag.rules.iter().zip(&seen.rules).filter(|(_, matches)| **matches);
        let joined = matching.filter_map(|(rule, _)| Some((rule.segment?, ()))).collect();
        Explainer {
            tables,
            context,
            flag,
            budget: MatchBudget::new(),
            outcome,
            seen,
            variations: positions.map(|position| explained(flag, Some(position))).collect(),
            segments: PositionMap::default(),
            joined,
            identity: Identity::of(flag, context),
            attributes: TextMap::default(),
        }
    }

    /// Returns the prerequisites; `None` where they can never hold.
    pub(crate) fn prerequisites(&self) -> Option<Vec<ExplainedPrerequisite>> {
        let Prerequisites::All(all) = &self.flag.prerequisites else {
            return None;
        };
        // The evaluator looks at none behind the first that fails.
        let mut evaluator = Evaluator::with(self.tables, self.context, Seen::default());
        for one in all.iter().filter(|one| !self.seen.settled.contains_key(&one.flag)) {
            evaluator.holds(one);
        }
        let others = evaluator.into_witness();
        let mut served = PositionMap::default();
        let explained = all.iter().filter_map(|one| {
            let known = self.seen.settled.get(&one.flag).or_else(|| others.settled.get(&one.flag));
            self.prerequisite(one, known, &mut served)
        });
        Some(explained.collect())
    }

    /// Returns a prerequisite whose flag has been evaluated, or is off.
    fn prerequisite(
        &self,
        one: &Prerequisite,
        outcome: Option<&Outcome>,
        served: &mut PositionMap<ExplainedVariation>,
    ) -> Option<ExplainedPrerequisite> {
        let flag = self.tables.flag(one.flag)?;
        let inactive = Outcome::default_of(flag, Reason::FlagInactive);
        let Outcome { variation, reason } = outcome.unwrap_or(&inactive);
        let served = served.entry(one.flag).or_insert_with(|| explained(flag, *variation));
        Some(ExplainedPrerequisite {
            flag_key: flag.key.clone(),
            variation_key: one.variation_key.to_string(),
            on: flag.on,
            served: served.clone(),
            reason: reason.clone(),
            holds: flag.on && one.is_met_by(flag, *variation),
        })
    }

    /// Returns the rules in the order in which they are looked at.
    pub(crate) fn rules(&mut self) -> Vec<ExplainedRule> {
        let decided =
            matches!(self.outcome.reason, Reason::TargetingMatch | Reason::PercentageRollout);
        let flag = self.flag;
        let rules = flag.rules.iter().enumerate().map(|(place, rule)| {
            let decides = decided && place + 1 == self.seen.rules.len();
            self.rule(rule, self.seen.rules.get(place).copied(), decides)
        });
        rules.collect()
    }

    fn rule(&mut self, rule: &Rule, matches: Option<bool>, decides: bool) -> ExplainedRule {
        let mut conditions = self.conditions(&rule.conditions, matches.is_some());
        let known = rule.segment.and_then(|position| self.segments.get(&position).cloned());
        let mut segment = rule.segment.map(|position| self.segment(position));
        match matches {
            Some(true) => hold(&mut conditions),
            Some(false) if all_hold(&conditions) && segment.as_deref().is_none_or(is_joined) => {
                doubt(&mut conditions);
                segment = rule.segment.map(|position| self.doubted(position));
            }
            _ => {}
        }
        let segment_again =
            known.zip(segment.as_ref()).is_some_and(|(known, it)| Arc::ptr_eq(&known, it));
        ExplainedRule {
            index: rule.index as usize,
            matches,
            decides,
            conditions,
            segment,
            segment_again,
            serves: match &rule.serves {
                Serves::Variation(served) => ExplainedServing::Variation(self.variation(*served)),
                Serves::Rollout(entries) => {
                    ExplainedServing::Rollout(self.rollout(entries, decides))
                }
                Serves::Nothing => ExplainedServing::Nothing,
            },
        }
    }

    fn segment(&mut self, position: u32) -> Arc<ExplainedSegment> {
        if let Some(known) = self.segments.get(&position) {
            return known.clone();
        }
        let segment = self.tables.segment(position);
        let conditions = segment.map(|segment| self.conditions(&segment.conditions, true));
        let mut conditions = conditions.unwrap_or_default();
        if self.joined.contains_key(&position) {
            hold(&mut conditions);
        }
        let explained =
            ExplainedSegment { name: segment.map(|segment| segment.name.clone()), conditions };
        self.keep(position, explained)
    }

    /// Returns a segment that seems to be what a rule failed for; where a pattern of it can have
    /// been, that is not said to hold.
    fn doubted(&mut self, position: u32) -> Arc<ExplainedSegment> {
        let segment = self.segment(position);
        let doubtful = !self.joined.contains_key(&position)
            && segment.conditions.iter().any(ExplainedCondition::is_searched_for);
        if !doubtful {
            return segment;
        }
        let mut segment = ExplainedSegment::clone(&segment);
        doubt(&mut segment.conditions);
        self.keep(position, segment)
    }

    fn keep(&mut self, position: u32, segment: ExplainedSegment) -> Arc<ExplainedSegment> {
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
                parts: None,
                value: None,
                reached,
                holds: reached.then_some(false),
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
            parts: Some((condition.attribute.name().to_owned(), operator, target)),
            value,
            reached,
            holds: holds.filter(|_| !unsure),
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
        let places: Vec<_> =
            (0..).zip(entries).map(|(place, (upper, _))| (*upper, place)).collect();
        let bucket = self.identity.as_ref().filter(|_| decides).map(|it| it.bucket);
        let chosen = bucket.and_then(|bucket| bucket::choose(&places, bucket));
        let mut lower = 0.0;
        let entries = (0..).zip(entries).map(|(place, (upper, served))| ExplainedEntry {
            variation: self.variation(*served),
            lower: std::mem::replace(&mut lower, *upper),
            upper: *upper,
            chosen: chosen == Some(&place),
        });
        ExplainedRollout { identity: self.identity.clone(), entries: entries.collect() }
    }

    fn variation(&self, position: Option<u32>) -> ExplainedVariation {
        let known = position.and_then(|position| self.variations.get(position as usize));
        known.cloned().unwrap_or(ExplainedVariation { key: None, there: false })
    }
}

impl Identity {
    fn of(flag: &Flag, context: &EvaluationContext) -> Option<Identity> {
        let (name, identifier) = match context.who() {
            Who::User(id) => ("user_id", id),
            Who::Session(id) => ("session_id", id),
            Who::Nobody => return None,
        };
        let bucket = flag.seed.bucket(identifier);
        Some(Identity { name, identifier: identifier.into(), bucket })
    }
}

/// Says of conditions what the evaluation found: it had more to spend on patterns than was left
/// here.
fn hold(conditions: &mut [ExplainedCondition]) {
    for condition in conditions {
        condition.holds = Some(true);
    }
}

/// Leaves open whether patterns hold: the evaluation did not search for all of them, since
/// prerequisites and rules before had cost too much.
fn doubt(conditions: &mut [ExplainedCondition]) {
    for condition in conditions.iter_mut().filter(|condition| condition.is_searched_for()) {
        condition.holds = None;
    }
}

fn all_hold(conditions: &[ExplainedCondition]) -> bool {
    conditions.iter().all(|condition| condition.holds == Some(true))
}

fn is_joined(segment: &ExplainedSegment) -> bool {
    segment.name.is_some() && all_hold(&segment.conditions)
}

fn explained(flag: &Flag, position: Option<u32>) -> ExplainedVariation {
    let variation = flag.variation(position);
    ExplainedVariation {
        key: variation.and_then(|variation| variation.key.as_deref()).map(Arc::from),
        there: variation.is_some(),
    }
}
