//! Tables and a context to an answer. Cannot fail, and does the same every time.

use super::bucket;
use super::flag::{Flag, Prerequisite, Prerequisites, Rule, Serves, Tables};
use super::result::{Outcome, Reason};
use super::table::PositionMap;
use crate::context::EvaluationContext;

/// Evaluates flags of one ruleset for one context.
pub(super) struct Evaluator<'a> {
    tables: &'a Tables,
    context: &'a EvaluationContext,
    settled: Settled,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(tables: &'a Tables, context: &'a EvaluationContext) -> Evaluator<'a> {
        Evaluator {
            tables,
            context,
            settled: Settled::default(),
        }
    }

    pub(super) fn evaluate(&mut self, flag: &Flag) -> Outcome {
        if !flag.on {
            return Outcome::default_of(flag, Reason::FlagInactive);
        }
        if !self.prerequisites_hold(&flag.prerequisites) {
            return Outcome::default_of(flag, Reason::PrerequisiteFailed);
        }
        flag.rules
            .iter()
            .filter(|rule| self.matches(rule))
            .find_map(|rule| self.serve(flag, &rule.serves))
            .unwrap_or_else(|| Outcome::default_of(flag, Reason::Default))
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
        self.settled.get(position).unwrap_or_else(|| {
            let served = self.evaluate(flag).variation;
            self.settled.insert(position, served);
            served
        })
    }

    fn matches(&self, rule: &Rule) -> bool {
        rule.conditions
            .iter()
            .all(|condition| condition.holds(self.context))
            && rule.segment.is_none_or(|segment| self.is_in(segment))
    }

    fn is_in(&self, segment: u32) -> bool {
        self.tables.segment(segment).is_some_and(|segment| {
            segment
                .conditions
                .iter()
                .all(|condition| condition.holds(self.context))
        })
    }

    fn serve(&self, flag: &Flag, serves: &Serves) -> Option<Outcome> {
        match serves {
            Serves::Variation(variation) => Some(Outcome {
                variation: *variation,
                reason: Reason::TargetingMatch,
            }),
            Serves::Rollout(entries) => {
                let bucket = flag.seed.bucket(self.context.identifier()?);
                let variation = *bucket::choose(entries, bucket)?;
                Some(Outcome {
                    variation,
                    reason: Reason::PercentageRollout,
                })
            }
            Serves::Nothing => None,
        }
    }
}

/// What required flags serve: each is evaluated once, however many others require it. The first
/// few are kept without a table.
#[derive(Default)]
struct Settled {
    few: [Option<(u32, Option<u32>)>; 8],
    more: PositionMap<Option<u32>>,
}

impl Settled {
    fn get(&self, position: u32) -> Option<Option<u32>> {
        let known = self
            .few
            .iter()
            .map_while(|entry| *entry)
            .find(|(other, _)| *other == position);
        known
            .map(|(_, served)| served)
            .or_else(|| self.more.get(&position).copied())
    }

    fn insert(&mut self, position: u32, served: Option<u32>) {
        match self.few.iter_mut().find(|entry| entry.is_none()) {
            Some(free) => *free = Some((position, served)),
            None => {
                self.more.insert(position, served);
            }
        }
    }
}
