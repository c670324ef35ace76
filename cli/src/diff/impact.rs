//! Which users are served something else, by which flags, and why.

use std::collections::{HashMap, HashSet};

use phaseflag::{
    EvaluationContext, EvaluationResult, ExplainedServing, Explanation, Reason, Ruleset, Value,
};

use crate::changes::{Difference, Subject};

/// The longest text of a value, in characters.
const MAX_VALUE: usize = 60;

/// What a difference means for a list of users.
#[derive(Debug)]
pub(super) struct Impact {
    /// The number of users, duplicates included.
    pub(super) users: u64,
    flags: HashMap<String, Flag>,
    /// The keys of the flags that have not changed and serve something else.
    affected: Vec<String>,
}

/// What a flag serves to the users after the change.
#[derive(Debug, Default)]
pub(super) struct Flag {
    /// The users who are served something else, by what and why.
    pub(super) groups: Vec<Group>,
    positions: HashMap<String, usize>,
}

/// Users who are served the same, for the same reason, before and after a change.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) from: Outcome,
    pub(super) to: Outcome,
    pub(super) users: Vec<String>,
    /// The lowest and the highest bucket.
    pub(super) buckets: Option<(u32, u32)>,
}

/// What a user is served, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) value: Value,
    pub(super) variation_key: Option<String>,
    /// `None` if there is no such flag.
    pub(super) reason: Option<Reason>,
    /// The index of the rule that decides.
    pub(super) rule: Option<usize>,
    /// Whether that rule is a rollout.
    is_rollout: bool,
    /// The prerequisite that fails.
    prerequisite: Option<String>,
}

impl Impact {
    pub(super) fn of<'u>(
        old: &Ruleset,
        new: &Ruleset,
        differences: &[Difference],
        context: &EvaluationContext,
        users: impl Iterator<Item = &'u str>,
    ) -> Impact {
        let changed: Vec<&str> = differences
            .iter()
            .filter_map(|difference| match &difference.subject {
                Subject::Flag(key) => Some(key.as_str()),
                Subject::Segment(_) => None,
            })
            .collect();
        let dependents = dependents(old, new, &changed);
        let keys = || changed.iter().copied().chain(dependents.iter().map(String::as_str));
        let mut flags: HashMap<String, Flag> =
            keys().map(|key| (key.to_owned(), Flag::default())).collect();
        let mut context = context.clone();
        let mut count = 0;
        for user in users {
            count += 1;
            context = context.user_id(user);
            for (key, flag) in &mut flags {
                let (before, now) = (old.evaluate(key, &context), new.evaluate(key, &context));
                // `null` is no value, as is a missing flag: programs get their default.
                let served = |result: &Option<EvaluationResult>| {
                    let value = result.as_ref().map(|result| result.value().clone());
                    value.filter(|value| !value.is_null())
                };
                if served(&before) != served(&now) {
                    flag.add(user, old.explain(key, &context), new.explain(key, &context));
                }
            }
        }
        let differs = |key: &String| flags.get(key).is_some_and(|flag| !flag.groups.is_empty());
        let affected = dependents.iter().filter(|key| differs(key)).cloned().collect();
        Impact { users: count, flags, affected }
    }

    /// Returns the keys of the flags that have not changed and serve something else.
    pub(super) fn affected(&self) -> impl Iterator<Item = &str> {
        self.affected.iter().map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<&Flag> {
        self.flags.get(key)
    }
}

/// Returns the flags that require one of these, directly or not, in the order of the new ruleset.
fn dependents(old: &Ruleset, new: &Ruleset, changed: &[&str]) -> Vec<String> {
    let mut dependents_of: HashMap<String, Vec<String>> = HashMap::new();
    for ruleset in [old, new] {
        for info in ruleset.flags() {
            let explanation = ruleset.explain(info.key(), None);
            for required in explanation.into_iter().flat_map(|it| it.prerequisites) {
                let dependents = dependents_of.entry(required.flag_key.to_string()).or_default();
                dependents.push(info.key().to_owned());
            }
        }
    }
    let known: HashSet<&str> = changed.iter().copied().collect();
    let mut found = known.clone();
    let mut open = changed.to_vec();
    while let Some(key) = open.pop() {
        for dependent in dependents_of.get(key).into_iter().flatten() {
            if found.insert(dependent) {
                open.push(dependent);
            }
        }
    }
    let is_new = |key: &String| found.contains(key.as_str()) && !known.contains(key.as_str());
    new.flags().map(|info| info.key().to_owned()).filter(is_new).collect()
}

impl Flag {
    fn add(&mut self, user: &str, before: Option<Explanation>, now: Option<Explanation>) {
        let buckets = [&before, &now].into_iter().flatten().find_map(bucket);
        let (from, to) = (Outcome::of(before), Outcome::of(now));
        let name = from.name() + &to.name();
        let next = self.groups.len();
        let position = *self.positions.entry(name).or_insert(next);
        if position == next {
            self.groups.push(Group { from, to, users: Vec::new(), buckets: None });
        }
        if let Some(group) = self.groups.get_mut(position) {
            group.users.push(user.to_owned());
            group.buckets = match (group.buckets, buckets) {
                (Some((low, high)), Some(bucket)) => Some((low.min(bucket), high.max(bucket))),
                (known, bucket) => known.or(bucket.map(|bucket| (bucket, bucket))),
            };
        }
    }
}

/// Returns the bucket that a rollout has used.
fn bucket(explanation: &Explanation) -> Option<u32> {
    let deciding = explanation.rules.iter().find(|rule| rule.decides)?;
    match &deciding.serves {
        ExplainedServing::Rollout(rollout) => rollout.bucket,
        _ => None,
    }
}

impl Outcome {
    /// Returns an outcome; `None` is that of a flag that does not exist.
    fn of(explanation: Option<Explanation>) -> Outcome {
        let Some(explanation) = explanation else {
            return Outcome {
                value: Value::Null,
                variation_key: None,
                reason: None,
                rule: None,
                is_rollout: false,
                prerequisite: None,
            };
        };
        let result = &explanation.result;
        let deciding = explanation.rules.iter().find(|rule| rule.decides);
        let failing = explanation.prerequisites.iter().find(|required| !required.holds);
        Outcome {
            value: result.value().clone(),
            variation_key: result.variation_key().map(str::to_owned),
            reason: Some(result.reason()),
            rule: deciding.map(|rule| rule.index),
            is_rollout: deciding
                .is_some_and(|rule| matches!(rule.serves, ExplainedServing::Rollout(_))),
            prerequisite: failing
                .filter(|_| result.reason() == Reason::PrerequisiteFailed)
                .map(|required| required.to_string()),
        }
    }

    /// Returns a text that only equal outcomes share.
    fn name(&self) -> String {
        let reason = self.reason.as_ref().map_or("", Reason::as_str);
        let rule = self.rule.map(|rule| rule.to_string());
        let texts = [
            self.variation_key.as_deref(),
            Some(reason),
            rule.as_deref(),
            self.prerequisite.as_deref(),
        ];
        Value::from_iter(texts).to_string() + &self.value.to_string()
    }

    /// Returns what is served, as text.
    pub(super) fn served(&self) -> String {
        match (&self.variation_key, &self.reason) {
            (_, None) => "the default of the program".to_owned(),
            (Some(key), _) => format!("`{key}` ({})", cut(&self.value)),
            (None, _) => cut(&self.value),
        }
    }

    /// Returns why it is served. A rollout also depends on the bucket.
    pub(super) fn why(&self, buckets: Option<(u32, u32)>) -> String {
        match (&self.reason, self.rule) {
            (None, _) => "there is no such flag".to_owned(),
            (Some(Reason::FlagInactive), _) => "it is off".to_owned(),
            (Some(Reason::PrerequisiteFailed), _) => {
                let never = || "its prerequisites can never hold".to_owned();
                self.prerequisite.clone().unwrap_or_else(never)
            }
            (_, None) => "no rule decides".to_owned(),
            (_, Some(rule)) if !self.is_rollout => format!("targeting_rules[{rule}] matches"),
            (_, Some(rule)) => {
                let buckets = match buckets {
                    Some((low, high)) if low == high => format!(", bucket {low}"),
                    Some((low, high)) => format!(", buckets {low} to {high}"),
                    None => String::new(),
                };
                format!("targeting_rules[{rule}], rollout{buckets}")
            }
        }
    }
}

/// Returns a value as text of a limited length.
fn cut(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
