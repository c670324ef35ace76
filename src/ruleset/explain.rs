//! How an answer comes about: the evaluator decides, and what it looked at is laid out.

use std::sync::Arc;

use super::bucket;
use super::condition::{Attribute, Condition, Subject, Target};
use super::evaluate::{Evaluator, Witness};
use super::explanation::{
    AttributeText, ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout,
    ExplainedRule, ExplainedSegment, ExplainedServing, ExplainedVariation,
};
use super::flag::{Flag, Prerequisite, Prerequisites, Rule, Serves, Tables};
use super::pattern::Effort;
use super::result::{Outcome, Reason};
use super::table::{PositionMap, TextMap};
use crate::context::EvaluationContext;
use crate::number::NumberText;

/// Evaluates a flag, and lays out how.
pub(super) struct Explainer<'a> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    flag: &'a Flag,
    /// What is left for searching patterns beside those of the evaluation itself.
    effort: Effort,
    pub(super) outcome: Outcome,
    seen: Seen,
    variations: Vec<ExplainedVariation>,
    segments: PositionMap<Arc<ExplainedSegment>>,
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
    pub(super) fn new(
        tables: &'a Tables,
        context: &'a EvaluationContext,
        flag: &'a Flag,
    ) -> Explainer<'a> {
        let mut evaluator = Evaluator::with(tables, context, Seen::default());
        let outcome = evaluator.evaluate(flag);
        let seen = evaluator.into_witness();
        let positions = 0..flag.variations.len() as u32;
        Explainer {
            tables,
            context,
            flag,
            effort: Effort::new(),
            outcome,
            seen,
            variations: positions.map(|position| explained(flag, Some(position))).collect(),
            segments: PositionMap::default(),
            attributes: TextMap::default(),
        }
    }

    /// Returns the prerequisites; `None` where they can never hold.
    pub(super) fn prerequisites(&self) -> Option<Vec<ExplainedPrerequisite>> {
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
    pub(super) fn rules(&mut self) -> Vec<ExplainedRule> {
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
        let conditions = self.conditions(&rule.conditions, matches.is_some());
        let segment_again = rule.segment.is_some_and(|it| self.segments.contains_key(&it));
        ExplainedRule {
            index: rule.index as usize,
            matches,
            decides,
            conditions,
            segment: rule.segment.map(|position| self.segment(position)),
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
        let explained = Arc::new(ExplainedSegment {
            name: segment.map(|segment| segment.name.clone()),
            conditions: conditions.unwrap_or_default(),
        });
        self.segments.insert(position, explained.clone());
        explained
    }

    fn conditions(&mut self, conditions: &[Condition], reached: bool) -> Vec<ExplainedCondition> {
        conditions.iter().map(|condition| self.condition(condition, reached)).collect()
    }

    fn condition(&mut self, condition: &Condition, reached: bool) -> ExplainedCondition {
        let Some((operator, target)) = condition.test.parts() else {
            return ExplainedCondition {
                parts: None,
                value: None,
                holds: reached.then_some(false),
            };
        };
        let target = match target {
            Target::Text(text) => text.to_owned(),
            Target::Texts(texts) => format!("{texts:?}"),
            Target::Number(number) => number.to_string(),
        };
        let value = self.value(&condition.attribute);
        let holds = reached.then(|| condition.holds(self.context, &mut self.effort));
        let unsure = operator == "matches_regex" && value.is_some() && self.effort.is_used_up();
        ExplainedCondition {
            parts: Some((condition.attribute.name().to_owned(), operator, target)),
            value,
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
        let identity = self.context.identifier().map(|identifier| {
            let of_user = self.context.get_user_id() == Some(identifier);
            let name = if of_user { "user_id" } else { "session_id" };
            (name, identifier.to_owned(), self.flag.seed.bucket(identifier))
        });
        let places: Vec<_> =
            (0..).zip(entries).map(|(place, (upper, _))| (*upper, place)).collect();
        let bucket = identity.as_ref().filter(|_| decides).map(|(_, _, bucket)| *bucket);
        let chosen = bucket.and_then(|bucket| bucket::choose(&places, bucket));
        let mut lower = 0.0;
        let entries = (0..).zip(entries).map(|(place, (upper, served))| ExplainedEntry {
            variation: self.variation(*served),
            lower: std::mem::replace(&mut lower, *upper),
            upper: *upper,
            chosen: chosen == Some(&place),
        });
        ExplainedRollout { identity, entries: entries.collect() }
    }

    fn variation(&self, position: Option<u32>) -> ExplainedVariation {
        let known = position.and_then(|position| self.variations.get(position as usize));
        known.cloned().unwrap_or(ExplainedVariation { key: None, there: false })
    }
}

fn explained(flag: &Flag, position: Option<u32>) -> ExplainedVariation {
    let variation = flag.variation(position);
    ExplainedVariation {
        key: variation.and_then(|variation| variation.key.as_deref()).map(Arc::from),
        there: variation.is_some(),
    }
}
