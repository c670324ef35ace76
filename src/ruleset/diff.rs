//! Compares two rulesets flag by flag.

use std::sync::Arc;

use super::tables::{Flag, Prerequisites, Rule, Segment, Tables, TextMap};

/// The keys of the flags that differ, each list in the order of its ruleset.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) added: Vec<Arc<str>>,
    pub(crate) removed: Vec<Arc<str>>,
    pub(crate) changed: Vec<Arc<str>>,
    /// Whether any segment differs.
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

/// A ruleset and its successor.
pub(super) struct Comparison<'a> {
    old: &'a Tables,
    new: &'a Tables,
    /// The names of the segments that both have and that differ.
    changed_segments: TextMap<()>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Tables, new: &'a Tables) -> Comparison<'a> {
        let (before, now) = (by_name(&old.segments), by_name(&new.segments));
        let mut changed_segments = TextMap::default();
        for name in now.keys() {
            if let (Some(before), Some(now)) = (before.get(name), now.get(name))
                && differ(before, now, |before, now| before.conditions != now.conditions)
            {
                changed_segments.insert(name.into(), ());
            }
        }
        Comparison { old, new, changed_segments }
    }

    pub(super) fn difference(&self) -> Difference {
        let mut difference =
            Difference { segments: self.segments_differ(), ..Difference::default() };
        for flag in &self.new.flags {
            match self.old.position(&flag.key).and_then(|position| self.old.flag(position)) {
                None => difference.added.push(flag.key.clone()),
                Some(old) if self.flags_differ(old, flag) => {
                    difference.changed.push(flag.key.clone())
                }
                Some(_) => {}
            }
        }
        let removed = self.old.flags.iter().filter(|flag| self.new.position(&flag.key).is_none());
        difference.removed.extend(removed.map(|flag| flag.key.clone()));
        difference
    }

    fn flags_differ(&self, old: &Flag, new: &Flag) -> bool {
        (old.kind, old.on, old.default) != (new.kind, new.on, new.default)
            || self.old.environment(old) != self.new.environment(new)
            || old.variations != new.variations
            || self.prerequisites_differ(&old.prerequisites, &new.prerequisites)
            || differ(&old.rules, &new.rules, |old, new| self.rules_differ(old, new))
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

    /// Rules differ if their segment does, so that a changed segment changes the flags that use it.
    fn rules_differ(&self, old: &Rule, new: &Rule) -> bool {
        // A missing segment has an empty name, which differs from no segment.
        let name = |tables: &'a Tables, rule: &Rule| {
            let segment = rule.segment.map(|position| tables.segment(position));
            segment.map(|segment| segment.map_or("", |segment| &*segment.name))
        };
        let segment = name(self.new, new);
        old.serves != new.serves
            || old.conditions != new.conditions
            || name(self.old, old) != segment
            || segment.is_some_and(|name| self.changed_segments.get(name).is_some())
    }

    fn segments_differ(&self) -> bool {
        let (old, new) = (by_name(&self.old.segments), by_name(&self.new.segments));
        self.changed_segments.len() > 0
            || old.len() != new.len()
            || old.keys().any(|name| new.get(name).is_none())
    }
}

/// Returns the segments by name. Several may have the same name.
fn by_name(segments: &[Segment]) -> TextMap<Vec<&Segment>> {
    let mut named: TextMap<Vec<_>> = TextMap::default();
    for segment in segments {
        match named.get_mut(&segment.name) {
            Some(others) => others.push(segment),
            None => {
                named.insert((&*segment.name).into(), vec![segment]);
            }
        }
    }
    named
}

fn differ<T>(old: &[T], new: &[T], differ: impl Fn(&T, &T) -> bool) -> bool {
    old.len() != new.len() || old.iter().zip(new).any(|(old, new)| differ(old, new))
}
