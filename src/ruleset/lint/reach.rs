//! Finds rules that are never reached, because an earlier one serves everyone they match.

use crate::context::{EMPTY_CONTEXT, EvaluationContext};
use crate::ruleset::tables::{
    Attribute, Condition, MatchBudget, PositionMap, Rule, Segment, Serves, Tables, Target, TextMap,
    bucket,
};

/// The maximum number of comparisons of conditions in one ruleset.
const MAX_COMPARISONS: usize = 2_000_000;

/// Finds rules that are never reached, with a bounded number of comparisons.
pub(super) struct Reach {
    /// The audience of each segment.
    audiences: Vec<Audience>,
    comparisons: usize,
}

/// The users in a segment, as far as that is certain.
#[derive(Clone, Copy)]
enum Audience {
    Nobody,
    Everyone,
    /// Only users with an identifier, but perhaps not all of them.
    Identified,
    Unknown,
}

impl Audience {
    fn of(segment: &Segment) -> Audience {
        let conditions = &segment.conditions;
        if conditions.is_empty() {
            return Audience::Everyone;
        }
        if conditions.iter().any(never_holds) {
            return Audience::Nobody;
        }
        match conditions.iter().any(fails_without_identifier) {
            true => Audience::Identified,
            false => Audience::Unknown,
        }
    }
}

/// The requirements of a rule: the numbers of its conditions and its segment, in ascending order.
type Demands = Vec<u32>;

impl Reach {
    pub(super) fn new(tables: &Tables) -> Reach {
        Reach { audiences: tables.segments.iter().map(Audience::of).collect(), comparisons: 0 }
    }

    /// Returns, for each rule in the order of evaluation, the earlier rule that shadows it. A rollout
    /// does not shadow rules for users without an identifier.
    pub(super) fn shadowing_rules<'r>(&mut self, rules: &'r [Rule]) -> Vec<Option<&'r Rule>> {
        let mut numbers = TextMap::default();
        let (mut to_all, mut to_identified) =
            (ShadowingRules::default(), ShadowingRules::default());
        let shadowing_rules = rules.iter().map(|rule| {
            let demands = self.demands(rule, &mut numbers)?;
            let shadowing = self.find(&demands, &to_all).or_else(|| {
                let it = self.needs_identifier(rule);
                it.then(|| self.find(&demands, &to_identified)).flatten()
            });
            match &rule.serves {
                _ if shadowing.is_some() => {}
                Serves::Variation(_) => to_all.add(rule, demands),
                Serves::Rollout(entries) if serves_every_bucket(entries) => {
                    to_identified.add(rule, demands)
                }
                Serves::Rollout(_) | Serves::Nothing => {}
            }
            shadowing
        });
        shadowing_rules.collect()
    }

    /// Returns whether a rule can serve only users with an identifier.
    fn needs_identifier(&self, rule: &Rule) -> bool {
        let audience = rule.segment.and_then(|position| self.audiences.get(position as usize));
        matches!(rule.serves, Serves::Rollout(_))
            || matches!(audience, Some(Audience::Identified))
            || rule.conditions.iter().any(fails_without_identifier)
    }

    /// Returns a rule whose demands are among the given ones.
    fn find<'r>(&mut self, demands: &Demands, candidates: &ShadowingRules<'r>) -> Option<&'r Rule> {
        let several = demands.iter().filter_map(|number| candidates.by_last.get(number)).flatten();
        candidates.everyone.or_else(|| {
            let mut likely = several.take_while(|(_, fewer)| {
                self.comparisons += fewer.len();
                self.comparisons <= MAX_COMPARISONS
            });
            let all_in = |fewer: &Demands| fewer.iter().all(|it| demands.binary_search(it).is_ok());
            likely.find(|(_, fewer)| all_in(fewer)).map(|(rule, _)| *rule)
        })
    }

    /// Returns the demands of a rule; `None` if it can never match.
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
            match self.audiences.get(position as usize)? {
                Audience::Nobody => return None,
                Audience::Everyone => {}
                Audience::Identified | Audience::Unknown => {
                    demands.push(number(format!("segment {position}")));
                }
            }
        }
        demands.sort();
        Some(demands)
    }
}

/// Rules that serve everyone they match, or everyone they match who has an identifier.
#[derive(Default)]
struct ShadowingRules<'r> {
    /// A rule that matches everyone.
    everyone: Option<&'r Rule>,
    /// The other rules by the last of their demands, which the fewest rules share.
    by_last: PositionMap<Vec<(&'r Rule, Demands)>>,
}

impl<'r> ShadowingRules<'r> {
    fn add(&mut self, rule: &'r Rule, demands: Demands) {
        match demands.last() {
            Some(last) => self.by_last.entry(*last).or_default().push((rule, demands)),
            None => self.everyone = Some(rule),
        }
    }
}

/// Returns whether every bucket has an entry in a rollout.
fn serves_every_bucket(entries: &[(f64, Option<u32>)]) -> bool {
    bucket::choose(entries, bucket::BUCKETS - 1).is_some()
}

fn never_holds(condition: &Condition) -> bool {
    matches!(condition.test.parts(), None | Some(("one_of", Target::Texts([]))))
}

/// Returns whether a condition fails for users whose identifier is absent or empty.
fn fails_without_identifier(condition: &Condition) -> bool {
    if let Attribute::Named(_) = condition.attribute {
        return false;
    }
    let empty = EvaluationContext::new().user_id("").session_id("");
    [&EMPTY_CONTEXT, &empty]
        .iter()
        .all(|context| !condition.holds(context, &mut MatchBudget::new()))
}

/// Returns a text that only equal conditions share; `None` if the condition never holds.
fn signature(condition: &Condition) -> Option<String> {
    if never_holds(condition) {
        return None;
    }
    let (operator, target) = condition.test.parts()?;
    let target = match target {
        Target::Text(text) => text.to_owned(),
        Target::Number(number) => number.to_string(),
        // Order and repetition do not matter.
        Target::Texts(texts) => {
            let mut texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
            texts.sort();
            texts.dedup();
            format!("{texts:?}")
        }
    };
    Some(format!("{operator} {:?} {target}", condition.attribute.name()))
}
