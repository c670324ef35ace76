//! Rules that can never be reached, since one before them serves everybody whom they match.

use crate::context::{EvaluationContext, NOBODY};
use crate::ruleset::tables::MatchBudget;
use crate::ruleset::tables::bucket;
use crate::ruleset::tables::{Attribute, Condition, Target};
use crate::ruleset::tables::{PositionMap, TextMap};
use crate::ruleset::tables::{Rule, Segment, Serves, Tables};

/// How many conditions of all rules of a ruleset are compared at most.
const MOST_COMPARISONS: usize = 2_000_000;

/// Looks for rules that can never be reached, with a bounded budget.
pub(super) struct Reach {
    /// Whom each segment holds.
    members: Vec<Members>,
    comparisons: usize,
}

/// Whom a segment holds, as far as that is certain.
#[derive(Clone, Copy)]
enum Members {
    Nobody,
    Everybody,
    /// None but some of those who have an identifier.
    Identified,
    Some,
}

impl Members {
    fn of(segment: &Segment) -> Members {
        let conditions = &segment.conditions;
        if conditions.is_empty() {
            return Members::Everybody;
        }
        if conditions.iter().any(never_holds) {
            return Members::Nobody;
        }
        match conditions.iter().any(demands_identifier) {
            true => Members::Identified,
            false => Members::Some,
        }
    }
}

/// What a rule asks for: the numbers of its conditions and its segment, in ascending order.
type Demands = Vec<u32>;

impl Reach {
    pub(crate) fn new(tables: &Tables) -> Reach {
        Reach { members: tables.segments.iter().map(Members::of).collect(), comparisons: 0 }
    }

    /// Returns, for each rule in the order of evaluation, the one before it that leaves it
    /// nobody. One that serves by a rollout leaves others those without an identifier.
    pub(crate) fn obstacles<'r>(&mut self, rules: &'r [Rule]) -> Vec<Option<&'r Rule>> {
        let mut numbers = TextMap::default();
        let (mut to_all, mut to_identified) = (Takers::default(), Takers::default());
        let obstacles = rules.iter().map(|rule| {
            let demands = self.demands(rule, &mut numbers)?;
            let obstacle = self.find(&demands, &to_all).or_else(|| {
                let it = self.serves_identified_alone(rule);
                it.then(|| self.find(&demands, &to_identified)).flatten()
            });
            match &rule.serves {
                _ if obstacle.is_some() => {}
                Serves::Variation(_) => to_all.add(rule, demands),
                Serves::Rollout(entries) if serves_every_bucket(entries) => {
                    to_identified.add(rule, demands)
                }
                Serves::Rollout(_) | Serves::Nothing => {}
            }
            obstacle
        });
        obstacles.collect()
    }

    /// Returns whether a rule can serve none but those who have an identifier.
    fn serves_identified_alone(&self, rule: &Rule) -> bool {
        let members = rule.segment.and_then(|position| self.members.get(position as usize));
        matches!(rule.serves, Serves::Rollout(_))
            || matches!(members, Some(Members::Identified))
            || rule.conditions.iter().any(demands_identifier)
    }

    fn find<'r>(&mut self, demands: &Demands, takers: &Takers<'r>) -> Option<&'r Rule> {
        let several = demands.iter().filter_map(|number| takers.by_last.get(number)).flatten();
        takers.everybody.or_else(|| {
            let mut likely = several.take_while(|(_, fewer)| {
                self.comparisons += fewer.len();
                self.comparisons <= MOST_COMPARISONS
            });
            let all_in = |fewer: &Demands| fewer.iter().all(|it| demands.binary_search(it).is_ok());
            likely.find(|(_, fewer)| all_in(fewer)).map(|(rule, _)| *rule)
        })
    }

    /// Returns what a rule asks for; `None` where nobody can match it.
    fn demands(&self, rule: &Rule, numbers: &mut TextMap<u32>) -> Option<Demands> {
        let mut number = |text: String| {
            let next = numbers.len() as u32;
            let known = numbers.get(&text).copied();
            known.unwrap_or_else(|| {
                numbers.insert(text.into(), next);
                next
            })
        };
        let mut demands = Vec::with_capacity(rule.conditions.len() + 1);
        for condition in &rule.conditions {
            demands.push(number(signature(condition)?));
        }
        if let Some(position) = rule.segment {
            match self.members.get(position as usize)? {
                Members::Nobody => return None,
                Members::Everybody => {}
                Members::Identified | Members::Some => {
                    demands.push(number(format!("segment {position}")));
                }
            }
        }
        demands.sort();
        Some(demands)
    }
}

/// Rules that serve something to all whom they match, or to all of these who have an identifier.
#[derive(Default)]
struct Takers<'r> {
    /// One that matches everybody.
    everybody: Option<&'r Rule>,
    /// The others, by the last of their demands, which fewest have in common.
    by_last: PositionMap<Vec<(&'r Rule, Demands)>>,
}

impl<'r> Takers<'r> {
    fn add(&mut self, rule: &'r Rule, demands: Demands) {
        match demands.last() {
            Some(last) => self.by_last.entry(*last).or_default().push((rule, demands)),
            None => self.everybody = Some(rule),
        }
    }
}

/// Returns whether the buckets of a rollout, up to the last one, all have an entry.
fn serves_every_bucket(entries: &[(f64, Option<u32>)]) -> bool {
    bucket::choose(entries, bucket::BUCKETS - 1).is_some()
}

fn never_holds(condition: &Condition) -> bool {
    matches!(condition.test.parts(), None | Some(("one_of", Target::Texts([]))))
}

/// Returns whether a condition holds for nobody whose identifier it looks at is absent or empty.
fn demands_identifier(condition: &Condition) -> bool {
    if let Attribute::Named(_) = condition.attribute {
        return false;
    }
    let empty = EvaluationContext::new().user_id("").session_id("");
    [&NOBODY, &empty].iter().all(|context| !condition.holds(context, &mut MatchBudget::new()))
}

/// Returns a text that two conditions have in common only where they are the same; `None` for
/// one that never holds.
fn signature(condition: &Condition) -> Option<String> {
    if never_holds(condition) {
        return None;
    }
    let (operator, target) = condition.test.parts()?;
    let target = match target {
        Target::Text(text) => text.to_owned(),
        Target::Number(number) => number.to_string(),
        // In any order, and each as often as it likes.
        Target::Texts(texts) => {
            let mut texts: Vec<_> = texts.iter().collect();
            texts.sort();
            texts.dedup();
            format!("{texts:?}")
        }
    };
    Some(format!("{operator} {:?} {target}", condition.attribute.name()))
}
