//! Evaluates a flag for a context. Cannot fail, and depends on nothing but the two.

use super::result::{Cause, Outcome};
use super::tables::{
    Condition, Flag, MatchBudget, PositionMap, Prerequisite, Prerequisites, Rule, Serves, Tables,
    bucket,
};
use crate::context::EvaluationContext;

/// Receives the steps of an evaluation. `()` ignores them at no cost.
pub(super) trait Observer {
    /// A rule of the flag that is being evaluated was checked.
    fn rule_checked(&mut self, _matches: bool) {}

    /// A required flag was evaluated; the rules checked before this were its own.
    fn required_flag_evaluated(&mut self, _flag: u32, _outcome: &Outcome) {}
}

impl Observer for () {}

/// Evaluates flags of one ruleset for one context.
pub(super) struct Evaluator<'a, O = ()> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    observer: O,
    /// What required flags serve.
    required: Option<Memory<Option<u32>>>,
    /// Which segments the context is in.
    segments: Option<Memory<bool>>,
    /// The rest of the budget for searching patterns.
    budget: MatchBudget,
}

/// Evaluates one flag. Not generic, so that it is compiled once here and not in every program that
/// calls a generic method.
pub(super) fn evaluate(tables: &Tables, context: &EvaluationContext, flag: &Flag) -> Outcome {
    Evaluator::new(tables, context).decide(flag)
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(tables: &'a Tables, context: &'a EvaluationContext) -> Evaluator<'a> {
        Evaluator::with(tables, context, ())
    }
}

impl<'a, O: Observer> Evaluator<'a, O> {
    pub(super) fn with(
        tables: &'a Tables,
        context: &'a EvaluationContext,
        observer: O,
    ) -> Evaluator<'a, O> {
        let budget = MatchBudget::new();
        Evaluator { tables, context, observer, required: None, segments: None, budget }
    }

    pub(super) fn into_observer(self) -> O {
        self.observer
    }

    pub(super) fn evaluate(&mut self, flag: &Flag) -> Outcome {
        self.budget = MatchBudget::new();
        self.decide(flag)
    }

    #[inline]
    fn decide(&mut self, flag: &Flag) -> Outcome {
        if !flag.on {
            return Outcome::default_of(flag, Cause::FlagInactive);
        }
        if !self.prerequisites_hold(&flag.prerequisites) {
            return Outcome::default_of(flag, Cause::PrerequisiteFailed);
        }
        for rule in &flag.rules {
            let matches = self.matches(rule);
            self.observer.rule_checked(matches);
            if matches && let Some(outcome) = self.serve(flag, &rule.serves) {
                return outcome;
            }
        }
        Outcome::default_of(flag, Cause::Default)
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
            let served = self.required_variation(prerequisite.flag, flag);
            prerequisite.is_met_by(flag, served)
        }
    }

    /// Returns the variation that a required flag serves. The compiler of the ruleset bounds the
    /// depth of the recursion.
    #[inline(never)]
    fn required_variation(&mut self, position: u32, flag: &Flag) -> Option<u32> {
        if let Some(served) = self.required.as_ref().and_then(|required| required.get(position)) {
            return served;
        }
        let outcome = self.decide(flag);
        self.observer.required_flag_evaluated(position, &outcome);
        let served = outcome.variation;
        self.required.get_or_insert_default().insert(position, served);
        served
    }

    fn matches(&mut self, rule: &Rule) -> bool {
        self.all_hold(&rule.conditions) && rule.segment.is_none_or(|segment| self.is_in(segment))
    }

    #[inline(never)]
    fn is_in(&mut self, position: u32) -> bool {
        if let Some(is_in) = self.segments.as_ref().and_then(|segments| segments.get(position)) {
            return is_in;
        }
        let segment = self.tables.segment(position);
        let is_in = segment.is_some_and(|segment| self.all_hold(&segment.conditions));
        self.segments.get_or_insert_default().insert(position, is_in);
        is_in
    }

    fn all_hold(&mut self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| condition.holds(self.context, &mut self.budget))
    }

    #[inline]
    fn serve(&self, flag: &Flag, serves: &Serves) -> Option<Outcome> {
        match serves {
            Serves::Variation(variation) => {
                Some(Outcome { variation: *variation, cause: Cause::TargetingMatch })
            }
            Serves::Rollout(entries) => {
                let bucket = flag.seed.bucket(self.context.bucket_key()?);
                let variation = *bucket::choose(entries, bucket)?;
                Some(Outcome { variation, cause: Cause::PercentageRollout })
            }
            Serves::Nothing => None,
        }
    }
}

/// Results by the position of their flag or segment, so that each is evaluated once, however many
/// others refer to it. The first few need no hash table.
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
        let known = few.into_iter().find(|(other, _)| *other == position).map(|(_, result)| result);
        known.or_else(|| self.more.get(&position).copied())
    }

    fn insert(&mut self, position: u32, result: T) {
        match self.few.iter_mut().find(|entry| entry.is_none()) {
            Some(free) => *free = Some((position, result)),
            None => {
                self.more.insert(position, result);
            }
        }
    }
}
