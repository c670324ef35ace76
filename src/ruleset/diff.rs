//! What differs between two rulesets, flag by flag.

use std::sync::Arc;

use super::flag::{Flag, Prerequisites, Rule, Segment, Tables};
use super::table::TextMap;

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
    old: &'a Tables,
    new: &'a Tables,
    /// Which of the new segments are in both and differ.
    changed_segments: Vec<bool>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Tables, new: &'a Tables) -> Comparison<'a> {
        let before = by_name(&old.segments);
        let changed = new.segments.iter().map(|segment| {
            let earlier = before.get(&segment.name);
            earlier.is_some_and(|earlier| earlier.conditions != segment.conditions)
        });
        let changed_segments = changed.collect();
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

    /// A flag counts as changed with a segment that its rules ask for.
    fn rules_differ(&self, old: &Rule, new: &Rule) -> bool {
        // A segment that is not there has no name, and differs from asking for none.
        let name = |tables: &'a Tables, rule: &Rule| {
            let segment = rule.segment.map(|position| tables.segment(position));
            segment.map(|segment| segment.map_or("", |segment| &*segment.name))
        };
        old.serves != new.serves
            || old.conditions != new.conditions
            || name(self.old, old) != name(self.new, new)
            || new.segment.is_some_and(|position| self.is_changed(position))
    }

    fn is_changed(&self, segment: u32) -> bool {
        self.changed_segments.get(segment as usize).is_some_and(|changed| *changed)
    }

    fn segments_differ(&self) -> bool {
        let (old, new) = (by_name(&self.old.segments), by_name(&self.new.segments));
        self.changed_segments.contains(&true)
            || old.len() != new.len()
            || old.keys().any(|name| new.get(name).is_none())
    }
}

/// Of two segments of one name, the last one counts.
fn by_name(segments: &[Segment]) -> TextMap<&Segment> {
    let mut named = TextMap::default();
    for segment in segments {
        named.insert((&*segment.name).into(), segment);
    }
    named
}

fn differ<T>(old: &[T], new: &[T], differ: impl Fn(&T, &T) -> bool) -> bool {
    old.len() != new.len() || old.iter().zip(new).any(|(old, new)| differ(old, new))
}
