//! What flags refer to beyond themselves: segments and prerequisites, names to positions, cycles
//! settled.
//!
//! After this, nothing can fail when a flag is evaluated.

use std::sync::Arc;

use super::check::Unusable;
use super::prerequisites::obstacles;
use super::{Compiler, FLAGS, RULE_MATCHES_NOBODY, Requirement, SegmentUse};
use crate::ruleset::document::{Document, PrerequisiteDocument, SegmentDocument};
use crate::ruleset::document::{Entry, List, Shape};
use crate::ruleset::problem::Path;
use crate::ruleset::tables::Index;
use crate::ruleset::tables::TextMap;
use crate::ruleset::tables::{Condition, excerpt};
use crate::ruleset::tables::{Prerequisite, Prerequisites, Segment, Tables};

pub(crate) const SEGMENTS: Path<'static> = Path::Root("segments");

const PREREQUISITE_FAILS: &str = "the prerequisite fails";
const SEGMENT_HOLDS_NOBODY: &str = "the segment holds nobody";

/// The position of a segment that is not there: nobody is in it.
const NO_SEGMENT: u32 = u32::MAX;

/// Compiles what is left of a ruleset when its flags have been, and links them.
pub(crate) fn link(document: Document<Compiler>) -> Tables {
    let Document { mut consumer, segments, version } = document;
    let has_segments = segments.shape != Shape::Absent;
    let segments = consumer.segments(segments);
    consumer.settle_prerequisites();
    consumer.flags.shrink_to_fit();
    Tables {
        flags: consumer.flags,
        index: consumer.index,
        segments,
        environments: consumer.environments.into(),
        has_segments,
        version,
        problems: consumer.problems.into_list("problems"),
    }
}

/// Segments.
impl Compiler {
    /// Compiles the segments, and lets the rules that name them refer to them by position.
    fn segments(&mut self, segments: List<SegmentDocument>) -> Vec<Segment> {
        if let Shape::Malformed(found) = segments.shape {
            self.problems.mismatch(SEGMENTS, "a list", found, "there are no segments");
        }
        self.problems.faults(SEGMENTS, &segments, SEGMENT_HOLDS_NOBODY);
        let mut found = Segments::default();
        for Entry { index, fields, .. } in segments.entries {
            self.segment(SEGMENTS.item(index), fields, &mut found);
        }
        self.settle_segments(&found);
        found.listed
    }

    fn segment(&mut self, path: Path<'_>, mut document: SegmentDocument, segments: &mut Segments) {
        let id = self.problems.read(path.field("id"), document.id, SEGMENT_HOLDS_NOBODY);
        let key = self.problems.read(path.field("key"), document.key, SEGMENT_HOLDS_NOBODY);
        let conditions = self.conditions(
            path.field("conditions"),
            &mut document.conditions,
            SEGMENT_HOLDS_NOBODY,
        );
        let understood = id.is_ok() && key.is_ok();
        let conditions = match conditions {
            Ok(conditions) if understood => conditions,
            Ok(_) | Err(Unusable) => [Condition::NEVER].into(),
        };
        let name = |name: Result<Option<Box<str>>, Unusable>| {
            name.ok().flatten().filter(|name| !name.is_empty())
        };
        match segments.add(name(id), name(key), conditions) {
            Naming::New => {}
            Naming::Again(name) => self.problems.report(
                path,
                format_args!(
                    "a segment `{}` stands before this one: the last one wins",
                    excerpt(&name)
                ),
            ),
            Naming::Nameless => self.problems.report(
                path,
                format_args!("the segment has neither id nor key: {SEGMENT_HOLDS_NOBODY}"),
            ),
        }
    }

    fn settle_segments(&mut self, segments: &Segments) {
        let names = std::mem::take(&mut self.segment_names);
        let found: Vec<_> = names.keys().map(|name| (name, segments.find(name))).collect();
        for SegmentUse { flag_index, rule_index, name } in std::mem::take(&mut self.segment_uses) {
            if let Some((name, None)) = found.get(name as usize) {
                let flag = FLAGS.item(flag_index);
                let rules = flag.field("targeting_rules");
                let rule = rules.item(rule_index);
                self.problems.dangling(
                    rule.field("segment_id"),
                    "segment",
                    name,
                    RULE_MATCHES_NOBODY,
                );
            }
        }
        let rules = self.flags.iter_mut().flat_map(|flag| &mut flag.rules);
        for asked in rules.filter_map(|rule| rule.segment.as_mut()) {
            let found = found.get(*asked as usize).and_then(|(_, found)| *found);
            *asked = found.unwrap_or(NO_SEGMENT);
        }
    }
}

/// What has been found out about flags that others require.
struct Seen {
    /// The flags that one flag requires.
    edges: Vec<u32>,
    /// The variations of each flag, by key.
    variations: Vec<Index>,
}

/// Prerequisites.
impl Compiler {
    /// Compiles the prerequisites of all flags, and finds those that can never be met.
    fn settle_prerequisites(&mut self) {
        if self.prerequisites.is_empty() {
            return;
        }
        let mut required = vec![Vec::new(); self.flags.len()];
        let variations = vec![Index::default(); self.flags.len()];
        let mut seen = Seen { edges: Vec::new(), variations };
        for Requirement { position, index, documents } in std::mem::take(&mut self.prerequisites) {
            // The flag may have been replaced by a later one of its key.
            if self.indices.get(position as usize) != Some(&index) {
                continue;
            }
            let flag = FLAGS.item(index);
            let prerequisites =
                self.prerequisites_of_one(flag.field("prerequisites"), documents, &mut seen);
            self.set_prerequisites(position, prerequisites);
            if let Some(place) = required.get_mut(position as usize) {
                *place = std::mem::take(&mut seen.edges);
            }
        }
        for (position, obstacle) in obstacles(&required) {
            let index = self.indices.get(position as usize).copied().unwrap_or_default();
            self.problems.report(FLAGS.item(index).field("prerequisites"), obstacle.message());
            self.set_prerequisites(position, Prerequisites::Unsatisfiable);
        }
    }

    fn set_prerequisites(&mut self, position: u32, prerequisites: Prerequisites) {
        if let Some(flag) = self.flags.get_mut(position as usize) {
            flag.prerequisites = prerequisites;
        }
    }

    fn prerequisites_of_one(
        &mut self,
        path: Path<'_>,
        documents: List<PrerequisiteDocument>,
        seen: &mut Seen,
    ) -> Prerequisites {
        let mut satisfiable = !self.problems.faults(path, &documents, PREREQUISITE_FAILS);
        let mut compiled = Vec::with_capacity(documents.entries.len());
        for Entry { index, fields, .. } in documents.entries {
            match self.prerequisite(path.item(index), fields, seen) {
                Ok(prerequisite) => compiled.push(prerequisite),
                Err(Unusable) => satisfiable = false,
            }
        }
        if satisfiable { Prerequisites::All(compiled.into()) } else { Prerequisites::Unsatisfiable }
    }

    fn prerequisite(
        &mut self,
        path: Path<'_>,
        document: PrerequisiteDocument,
        seen: &mut Seen,
    ) -> Result<Prerequisite, Unusable> {
        let flag_key =
            self.problems.given(path.field("flag_key"), document.flag_key, PREREQUISITE_FAILS)?;
        let Some(position) = self.index.find(&flag_key, &self.flags) else {
            self.problems.dangling(path.field("flag_key"), "flag", &flag_key, PREREQUISITE_FAILS);
            return Err(Unusable);
        };
        seen.edges.push(position);
        let path = path.field("variation_key");
        let variation_key =
            self.problems.given(path, document.variation_key, PREREQUISITE_FAILS)?;
        if !self.has_variation(position, &variation_key, seen) {
            self.problems.dangling(path, "variation", &variation_key, PREREQUISITE_FAILS);
            return Err(Unusable);
        }
        Ok(Prerequisite { flag: position, variation_key })
    }

    /// Returns whether a flag can serve a variation of this key. The keys of a flag are collected
    /// once, however many others require it.
    fn has_variation(&self, position: u32, key: &str, seen: &mut Seen) -> bool {
        let place = position as usize;
        let (Some(flag), Some(index)) = (self.flags.get(place), seen.variations.get_mut(place))
        else {
            return false;
        };
        index.update(&flag.variations);
        index.find(key, &flag.variations).is_some()
    }
}

/// The segments, found by id, and then by key.
#[derive(Default)]
struct Segments {
    listed: Vec<Segment>,
    ids: TextMap<u32>,
    keys: TextMap<u32>,
}

/// How a segment is named.
enum Naming {
    New,
    /// As one before it.
    Again(Arc<str>),
    Nameless,
}

impl Segments {
    fn add(
        &mut self,
        id: Option<Box<str>>,
        key: Option<Box<str>>,
        conditions: Box<[Condition]>,
    ) -> Naming {
        let Some(name) = key.as_deref().or(id.as_deref()).map(Arc::from) else {
            return Naming::Nameless;
        };
        let position = self.listed.len() as u32;
        self.listed.push(Segment { name: Arc::clone(&name), conditions });
        let same_id = id.and_then(|id| self.ids.insert(id, position));
        let same_key = key.and_then(|key| self.keys.insert(key, position));
        match same_id.or(same_key) {
            Some(_) => Naming::Again(name),
            None => Naming::New,
        }
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).or_else(|| self.keys.get(name)).copied()
    }
}
