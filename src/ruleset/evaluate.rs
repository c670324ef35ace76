//! Tables and a context to an answer. Cannot fail, and does the same every time.

use super::result::{Outcome, Reason};
use super::tables::Condition;
use super::tables::MatchBudget;
use super::tables::PositionMap;
use super::tables::bucket;
use super::tables::{Flag, Prerequisite, Prerequisites, Rule, Serves, Tables};
use crate::context::EvaluationContext;

/// Is told how an answer comes about; where nobody asks, that costs nothing.
pub(super) trait Witness {
    /// A rule of the flag that is being evaluated was looked at.
    fn looked_at(&mut self, _matches: bool) {}

    /// A required flag was evaluated, and its rules are done with.
    fn settled(&mut self, _flag: u32, _outcome: &Outcome) {}
}

impl Witness for () {}

/// Evaluates flags of one ruleset for one context.
pub(super) struct Evaluator<'a, W = ()> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    witness: W,
    /// What required flags serve.
    settled: Option<Memory<Option<u32>>>,
    /// Which segments the context is in.
    segments: Option<Memory<bool>>,
    /// What is left for searching patterns.
    budget: MatchBudget,
}

/// Evaluates one flag. Not generic, so that it is compiled here, and not into every program that
/// calls what is.
pub(super) fn evaluate(tables: &Tables, context: &EvaluationContext, flag: &Flag) -> Outcome {
    Evaluator::new(tables, context).decide(flag)
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(tables: &'a Tables, context: &'a EvaluationContext) -> Evaluator<'a> {
        Evaluator::with(tables, context, ())
    }
}

impl<'a, W: Witness> Evaluator<'a, W> {
    pub(super) fn with(
        tables: &'a Tables,
        context: &'a EvaluationContext,
        witness: W,
    ) -> Evaluator<'a, W> {
        let budget = MatchBudget::new();
        Evaluator { tables, context, witness, settled: None, segments: None, budget }
    }

    /// Returns whom it has told.
    pub(super) fn into_witness(self) -> W {
        self.witness
    }

    pub(super) fn evaluate(&mut self, flag: &Flag) -> Outcome {
        self.budget = MatchBudget::new();
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
            let matches = self.matches(rule);
            self.witness.looked_at(matches);
            if matches && let Some(outcome) = self.serve(flag, &rule.serves) {
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

    pub(super) fn holds(&mut self, prerequisite: &Prerequisite) -> bool {
        let Some(flag) = self.tables.flag(prerequisite.flag) else {
            return false;
        };
        flag.on && {
            let served = self.settle(prerequisite.flag, flag);
            prerequisite.is_met_by(flag, served)
        }
    }

    /// Returns what a required flag serves. The compiler bounds the depth of the recursion.
    #[inline(never)]
    fn settle(&mut self, position: u32, flag: &Flag) -> Option<u32> {
        if let Some(served) = self.settled.as_ref().and_then(|settled| settled.get(position)) {
            return served;
        }
        let outcome = self.decide(flag);
        self.witness.settled(position, &outcome);
        let served = outcome.variation;
        self.settled.get_or_insert_default().insert(position, served);
        served
    }

    fn matches(&mut self, rule: &Rule) -> bool {
        self.hold(&rule.conditions) && rule.segment.is_none_or(|segment| self.is_in(segment))
    }

    #[inline(never)]
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
        conditions.iter().all(|condition| condition.holds(self.context, &mut self.budget))
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
