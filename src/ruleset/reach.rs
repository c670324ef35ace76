//! Rules that can never be reached, since one before them serves everybody whom they match.

use super::condition::{Condition, Target, Test};
use super::flag::{Rule, Serves, Tables};
use super::table::{PositionMap, TextMap};
use crate::order::sorted;

/// How many conditions of all rules of a ruleset are compared at most.
const MOST_COMPARISONS: usize = 2_000_000;

/// Looks for rules that can never be reached, with a bounded effort.
pub(super) struct Reach {
    /// Whether each segment holds nobody.
    nobody: Vec<bool>,
    comparisons: usize,
}

/// What a rule asks for: the numbers of its conditions and its segment, in ascending order.
type Demands = Vec<u32>;

impl Reach {
    pub(super) fn new(tables: &Tables) -> Reach {
        let never = |condition: &Condition| condition.test == Test::Never;
        let nobody = tables.segments.iter().map(|it| it.conditions.iter().any(never)).collect();
        Reach { nobody, comparisons: 0 }
    }

    /// Returns, for each rule in the order of evaluation, the one before it that leaves it
    /// nobody. One that serves by a rollout leaves others those without an identifier.
    pub(super) fn obstacles<'r>(&mut self, rules: &'r [Rule]) -> Vec<Option<&'r Rule>> {
        let mut numbers = TextMap::default();
        let mut serving = Serving::default();
        let obstacles = rules.iter().map(|rule| {
            let demands = self.demands(rule, &mut numbers)?;
            let obstacle = self.find(&demands, &serving);
            if obstacle.is_none() && matches!(rule.serves, Serves::Variation(_)) {
                serving.add(rule, demands);
            }
            obstacle
        });
        obstacles.collect()
    }

    fn find<'r>(&mut self, demands: &Demands, serving: &Serving<'r>) -> Option<&'r Rule> {
        let several = demands.iter().filter_map(|number| serving.by_last.get(number)).flatten();
        serving.everybody.or_else(|| {
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
            demands.push((number(signature(condition)?), ()));
        }
        if let Some(position) = rule.segment {
            if *self.nobody.get(position as usize)? {
                return None;
            }
            demands.push((number(format!("segment {position}")), ()));
        }
        Some(sorted(demands).into_iter().map(|(number, ())| number).collect())
    }
}

/// Rules that serve a variation to all whom they match.
#[derive(Default)]
struct Serving<'r> {
    /// One that matches everybody.
    everybody: Option<&'r Rule>,
    /// The others, by the last of their demands, which fewest have in common.
    by_last: PositionMap<Vec<(&'r Rule, Demands)>>,
}

impl<'r> Serving<'r> {
    fn add(&mut self, rule: &'r Rule, demands: Demands) {
        match demands.last() {
            Some(last) => self.by_last.entry(*last).or_default().push((rule, demands)),
            None => self.everybody = Some(rule),
        }
    }
}

/// Returns a text that two conditions have in common only where they are the same; `None` for
/// one that never holds.
fn signature(condition: &Condition) -> Option<String> {
    let (operator, target) = condition.test.parts()?;
    let target = match target {
        Target::Text(text) => text.to_owned(),
        Target::Number(number) => number.to_string(),
        // In any order, and each as often as it likes.
        Target::Texts(texts) => {
            let mut texts = sorted(texts.iter().map(|text| (text, ())).collect());
            texts.dedup();
            format!("{texts:?}")
        }
    };
    Some(format!("{operator} {:?} {target}", condition.attribute.name()))
}
