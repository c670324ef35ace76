//! What differs between two rulesets, flag by flag.

use std::sync::Arc;

use super::flag::{Flag, Prerequisites, Rule, Tables};

/// The keys of flags by what became of them, each list in the order of its ruleset.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) added: Vec<Arc<str>>,
    pub(crate) removed: Vec<Arc<str>>,
    pub(crate) changed: Vec<Arc<str>>,
    pub(crate) segments: bool,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && !self.segments
    }
}

/// A ruleset beside the one that follows it.
pub(super) struct Comparison<'a> {
    pub(super) old: &'a Tables,
    pub(super) new: &'a Tables,
}

impl Comparison<'_> {
    pub(super) fn difference(&self) -> Difference {
        let mut difference = Difference {
            segments: self.segments_differ(),
            ..Difference::default()
        };
        for flag in &self.new.flags {
            match self
                .old
                .position(&flag.key)
                .and_then(|position| self.old.flag(position))
            {
                None => difference.added.push(flag.key.clone()),
                Some(old) if self.flags_differ(old, flag) => {
                    difference.changed.push(flag.key.clone())
                }
                Some(_) => {}
            }
        }
        let removed = self
            .old
            .flags
            .iter()
            .filter(|flag| self.new.position(&flag.key).is_none());
        difference
            .removed
            .extend(removed.map(|flag| flag.key.clone()));
        difference
    }

    fn flags_differ(&self, old: &Flag, new: &Flag) -> bool {
        (old.kind, old.on, old.default) != (new.kind, new.on, new.default)
            || old.variations != new.variations
            || self.prerequisites_differ(&old.prerequisites, &new.prerequisites)
            || differ(&old.rules, &new.rules, |old, new| {
                self.rules_differ(old, new)
            })
    }

    fn prerequisites_differ(&self, old: &Prerequisites, new: &Prerequisites) -> bool {
        let key = |tables: &Tables, position| tables.flag(position).map(|flag| flag.key.clone());
        match (old, new) {
            (Prerequisites::All(old), Prerequisites::All(new)) => differ(old, new, |old, new| {
                old.variation_key != new.variation_key
                    || key(self.old, old.flag) != key(self.new, new.flag)
            }),
            (Prerequisites::Unsatisfiable, Prerequisites::Unsatisfiable) => false,
            _ => true,
        }
    }

    /// A flag counts as changed with a segment that its rules ask for.
    fn rules_differ(&self, old: &Rule, new: &Rule) -> bool {
        let segment = |tables: &Tables, rule: &Rule| -> Option<_> {
            let segment = tables.segment(rule.segment?)?;
            Some((segment.name.clone(), segment.conditions.clone()))
        };
        old.serves != new.serves
            || old.conditions != new.conditions
            || segment(self.old, old) != segment(self.new, new)
    }

    fn segments_differ(&self) -> bool {
        differ(&self.old.segments, &self.new.segments, |old, new| {
            (&old.name, &old.conditions) != (&new.name, &new.conditions)
        })
    }
}

fn differ<T>(old: &[T], new: &[T], differ: impl Fn(&T, &T) -> bool) -> bool {
    old.len() != new.len() || old.iter().zip(new).any(|(old, new)| differ(old, new))
}
