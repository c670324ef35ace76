//! Warns of attributes of the command line that no rule reads, if they are probably mistyped.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use phaseflag::{EvaluationContext, ExplainedServing, PhaseFlagClient, Ruleset};

use crate::args::Arguments;
use crate::{context, output, similar};

/// How long rules are searched. Without a warning nothing is lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// Warns of each attribute that no rule reads, if the rules of some flags read a similar one.
pub(crate) fn warn_of_unread<'a>(
    arguments: &Arguments,
    client: &PhaseFlagClient,
    keys: impl IntoIterator<Item = &'a str>,
) {
    let given: Vec<&str> = context::attribute_names(arguments).collect();
    if given.is_empty() {
        return;
    }
    let Some(rules) = client.ruleset() else { return };
    let mut search = Search::new(&rules);
    for key in keys {
        search.add(key);
        if given.iter().all(|name| search.read.contains(*name)) || search.is_late() {
            break;
        }
    }
    let candidates = search.read.clone();
    let candidates = || candidates.iter().map(String::as_str).filter(|name| !given.contains(name));
    let mistyped: Vec<_> = given
        .iter()
        .filter(|name| !search.read.contains(**name))
        .filter_map(|name| Some((*name, similar::nearest(name, candidates())?)))
        .filter(|(name, near)| is_near(name, near))
        .collect();
    if mistyped.is_empty() {
        return;
    }
    // A rule of another flag may read it.
    for flag in rules.flags() {
        search.add(flag.key());
        if search.is_late() {
            return;
        }
    }
    for (name, near) in mistyped {
        // An attribute that is given twice is mentioned once.
        if search.read.insert(name.to_owned()) {
            output::warn(format_args!(
                "no rule reads the attribute `{name}`: did you mean `{near}`?"
            ));
        }
    }
}

/// Returns whether two names differ in at most one character of three, apart from the case of
/// ASCII letters.
fn is_near(name: &str, near: &str) -> bool {
    let distance = similar::distance(&name.to_ascii_lowercase(), &near.to_ascii_lowercase());
    distance <= (name.chars().count() / 3).max(1)
}

/// Collects the attributes that flags read.
struct Search<'a> {
    rules: &'a Ruleset,
    start: Instant,
    /// The flags whose attributes are collected.
    flags: HashSet<String>,
    read: HashSet<String>,
}

impl Search<'_> {
    fn new(rules: &Ruleset) -> Search<'_> {
        Search { rules, start: Instant::now(), flags: HashSet::new(), read: HashSet::new() }
    }

    fn is_late(&self) -> bool {
        self.start.elapsed() > PATIENCE
    }

    /// Adds the attributes that a flag reads, and the flags that it requires.
    fn add(&mut self, key: &str) {
        let mut keys = vec![key.to_owned()];
        while let Some(key) = keys.pop() {
            if self.is_late() || !self.flags.insert(key.clone()) {
                continue;
            }
            let Some(flag) = self.rules.explain(&key, &EvaluationContext::new()) else { continue };
            keys.extend(flag.prerequisites.iter().map(|one| one.flag_key.to_string()));
            for rule in &flag.rules {
                let segment = rule.segment.iter().flat_map(|segment| &segment.conditions);
                let conditions = rule.conditions.iter().chain(segment);
                self.read.extend(conditions.filter_map(|condition| condition.attribute.clone()));
                if matches!(rule.serves, ExplainedServing::Rollout(_)) {
                    self.read.extend(["user_id", "session_id"].map(str::to_owned));
                }
            }
        }
    }
}
