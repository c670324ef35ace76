//! Tables and a context to an answer. Cannot fail, and does the same every time.

use super::bucket;
use super::condition::Condition;
use super::flag::{Flag, Prerequisite, Prerequisites, Rule, Serves, Tables};
use super::pattern::Effort;
use super::result::{Outcome, Reason};
use super::table::PositionMap;
use crate::context::EvaluationContext;

/// Evaluates flags of one ruleset for one context.
pub(super) struct Evaluator<'a> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    /// What required flags serve.
    settled: Option<Memory<Option<u32>>>,
    /// Which segments the context is in.
    segments: Option<Memory<bool>>,
    /// What is left for searching patterns.
    effort: Effort,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(tables: &'a Tables, context: &'a EvaluationContext) -> Evaluator<'a> {
        Evaluator { tables, context, settled: None, segments: None, effort: Effort::new() }
    }

    pub(super) fn evaluate(&mut self, flag: &Flag) -> Outcome {
        self.effort = Effort::new();
        self.decide(flag)
    }

    fn decide(&mut self, flag: &Flag) -> Outcome {
        if !flag.on {
            return Outcome::default_of(flag, Reason::FlagInactive);
        }
        if !self.prerequisites_hold(&flag.prerequisites) {
            return Outcome::default_of(flag, Reason::PrerequisiteFailed);
        }
        for rule in &flag.rules {
            if self.matches(rule)
                && let Some(outcome) = self.serve(flag, &rule.serves)
            {
                return outcome;
            }
        }
        Outcome::default_of(flag, Reason::Default)
    }

    fn prerequisites_hold(&mut self, prerequisites: &Prerequisites) -> bool {
        match prerequisites {
            Prerequisites::All(all) => all.iter().all(|one| self.holds(one)),
            Prerequisites::Unsatisfiable => false,
        }
    }

    fn holds(&mut self, prerequisite: &Prerequisite) -> bool {
        let Some(flag) = self.tables.flag(prerequisite.flag) else {
            return false;
        };
        flag.on && {
            let served = self.settle(prerequisite.flag, flag);
            flag.variation(served).is_some_and(|variation| {
                variation.key.as_ref() == Some(&prerequisite.variation_key)
            })
        }
    }

    /// Returns what a required flag serves. The compiler bounds the depth of the recursion.
    fn settle(&mut self, position: u32, flag: &Flag) -> Option<u32> {
        if let Some(served) = self.settled.as_ref().and_then(|settled| settled.get(position)) {
            return served;
        }
        let served = self.decide(flag).variation;
        self.settled.get_or_insert_default().insert(position, served);
        served
    }

    fn matches(&mut self, rule: &Rule) -> bool {
        self.hold(&rule.conditions) && rule.segment.is_none_or(|segment| self.is_in(segment))
    }

    fn is_in(&mut self, position: u32) -> bool {
        if let Some(is_in) = self.segments.as_ref().and_then(|segments| segments.get(position)) {
            return is_in;
        }
        let segment = self.tables.segment(position);
        let is_in = segment.is_some_and(|segment| self.hold(&segment.conditions));
        self.segments.get_or_insert_default().insert(position, is_in);
        is_in
    }

    fn hold(&mut self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| condition.holds(self.context, &mut self.effort))
    }

    fn serve(&self, flag: &Flag, serves: &Serves) -> Option<Outcome> {
        match serves {
            Serves::Variation(variation) => {
                Some(Outcome { variation: *variation, reason: Reason::TargetingMatch })
            }
            Serves::Rollout(entries) => {
                let bucket = flag.seed.bucket(self.context.identifier()?);
                let variation = *bucket::choose(entries, bucket)?;
                Some(Outcome { variation, reason: Reason::PercentageRollout })
            }
            Serves::Nothing => None,
        }
    }
}

/// What has been found out about flags or segments, by position: each is looked at once, however
/// many others refer to it. The first few are kept without a table.
struct Memory<T> {
    few: [Option<(u32, T)>; 8],
    more: PositionMap<T>,
}

impl<T: Copy> Default for Memory<T> {
    fn default() -> Memory<T> {
        Memory { few: [None; 8], more: PositionMap::default() }
    }
}

impl<T: Copy> Memory<T> {
    fn get(&self, position: u32) -> Option<T> {
        let few = self.few.iter().map_while(|entry| *entry);
        let known = few.into_iter().find(|(other, _)| *other == position).map(|(_, found)| found);
        known.or_else(|| self.more.get(&position).copied())
    }

    fn insert(&mut self, position: u32, found: T) {
        match self.few.iter_mut().find(|entry| entry.is_none()) {
            Some(free) => *free = Some((position, found)),
            None => {
                self.more.insert(position, found);
            }
        }
    }
}
