//! Links flags to segments and to required flags: names become positions, cycles are broken.
//!
//! After linking, evaluation cannot fail.

use std::sync::Arc;

use super::prerequisites::obstacles;
use super::read_fields::Unusable;
use super::short::mark_short;
use super::{Compiler, FLAGS, RULE_MATCHES_NOBODY, Requirement, SegmentUse};
use crate::ruleset::document::{
    Document, Entry, List, PrerequisiteDocument, SegmentDocument, Shape,
};
use crate::ruleset::problem::Path;
use crate::ruleset::tables::{
    Condition, Index, Prerequisite, Prerequisites, Segment, Tables, TextMap, excerpt,
};

/// The path of the list of segments.
pub(in crate::ruleset) const SEGMENTS: Path<'static> = Path::Root("segments");

const PREREQUISITE_FAILS: &str = "the prerequisite fails";
const SEGMENT_HOLDS_NOBODY: &str = "the segment holds nobody";

/// The position of a missing segment, which no user is in.
const NO_SEGMENT: u32 = u32::MAX;

/// Compiles the segments and prerequisites of a document whose flags are compiled, and links them.
pub(in crate::ruleset) fn link(document: Document<Compiler>) -> Tables {
    let Document { mut consumer, segments, version } = document;
    let has_segments = segments.shape != Shape::Absent;
    let segments = consumer.segments(segments);
    consumer.link_prerequisites();
    consumer.flags.shrink_to_fit();
    let mut tables = Tables {
        flags: consumer.flags,
        index: consumer.index,
        segments,
        environments: consumer.environments.into(),
        has_segments,
        version,
        text: None,
        problems: consumer.problems.into_list("problems"),
    };
    mark_short(&mut tables);
    tables
}

impl Compiler {
    /// Compiles the segments, and replaces their names in rules by positions.
    fn segments(&mut self, segments: List<SegmentDocument>) -> Vec<Segment> {
        if let Shape::Malformed(found) = segments.shape {
            self.problems.mismatch(SEGMENTS, "a list", found, "there are no segments");
        }
        self.problems.faults(SEGMENTS, &segments, SEGMENT_HOLDS_NOBODY);
        let mut compiled = Segments::default();
        for Entry { index, object, .. } in segments.entries {
            self.segment(SEGMENTS.item(index), object, &mut compiled);
        }
        self.link_segments(&compiled);
        compiled.listed
    }

    fn segment(&mut self, path: Path<'_>, mut document: SegmentDocument, segments: &mut Segments) {
        let id = self.problems.read(path.field("id"), document.id, SEGMENT_HOLDS_NOBODY);
        let key = self.problems.read(path.field("key"), document.key, SEGMENT_HOLDS_NOBODY);
        let conditions = self.conditions(
            path.field("conditions"),
            &mut document.conditions,
            SEGMENT_HOLDS_NOBODY,
        );
        let usable = id.is_ok() && key.is_ok();
        let conditions = match conditions {
            Ok(conditions) if usable => conditions,
            Ok(_) | Err(Unusable) => [Condition::NEVER].into(),
        };
        let name = |name: Result<Option<Box<str>>, Unusable>| {
            name.ok().flatten().filter(|name| !name.is_empty())
        };
        match segments.add(name(id), name(key), conditions) {
            Naming::New => {}
            Naming::Repeated(name) => self.problems.report(
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

    fn link_segments(&mut self, segments: &Segments) {
        let names = std::mem::take(&mut self.segment_names);
        let positions: Vec<_> = names.keys().map(|name| (name, segments.find(name))).collect();
        for SegmentUse { flag_index, rule_index, name } in std::mem::take(&mut self.segment_uses) {
            if let Some((name, None)) = positions.get(name as usize) {
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
        for segment in rules.filter_map(|rule| rule.segment.as_mut()) {
            let position = positions.get(*segment as usize).and_then(|(_, position)| *position);
            *segment = position.unwrap_or(NO_SEGMENT);
        }
    }
}

/// The flags that others require, as they are looked up.
struct RequiredFlags {
    /// The flags that the current flag requires.
    positions: Vec<u32>,
    /// For each flag, its variations by key.
    variations: Vec<Index>,
}

impl Compiler {
    /// Compiles the prerequisites of all flags, and finds those that can never hold.
    fn link_prerequisites(&mut self) {
        if self.prerequisites.is_empty() {
            return;
        }
        let mut edges = vec![Vec::new(); self.flags.len()];
        let variations = vec![Index::default(); self.flags.len()];
        let mut required = RequiredFlags { positions: Vec::new(), variations };
        for Requirement { position, index, documents } in std::mem::take(&mut self.prerequisites) {
            // A later flag of the same key may have replaced this one.
            if self.indices.get(position as usize) != Some(&index) {
                continue;
            }
            let flag = FLAGS.item(index);
            let prerequisites =
                self.prerequisites_of_one(flag.field("prerequisites"), documents, &mut required);
            self.set_prerequisites(position, prerequisites);
            if let Some(edges) = edges.get_mut(position as usize) {
                *edges = std::mem::take(&mut required.positions);
            }
        }
        for (position, obstacle) in obstacles(&edges) {
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
        required: &mut RequiredFlags,
    ) -> Prerequisites {
        let mut satisfiable = !self.problems.faults(path, &documents, PREREQUISITE_FAILS);
        let mut compiled = Vec::with_capacity(documents.entries.len());
        for Entry { index, object, .. } in documents.entries {
            match self.prerequisite(path.item(index), object, required) {
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
        required: &mut RequiredFlags,
    ) -> Result<Prerequisite, Unusable> {
        let flag_key =
            self.problems.given(path.field("flag_key"), document.flag_key, PREREQUISITE_FAILS)?;
        let Some(position) = self.index.find(&flag_key, &self.flags) else {
            self.problems.dangling(path.field("flag_key"), "flag", &flag_key, PREREQUISITE_FAILS);
            return Err(Unusable);
        };
        required.positions.push(position);
        let path = path.field("variation_key");
        let variation_key =
            self.problems.given(path, document.variation_key, PREREQUISITE_FAILS)?;
        if !self.has_variation(position, &variation_key, required) {
            self.problems.dangling(path, "variation", &variation_key, PREREQUISITE_FAILS);
            return Err(Unusable);
        }
        Ok(Prerequisite { flag: position, variation_key })
    }

    /// Returns whether a flag has a variation of this key. The variations of a flag are indexed once,
    /// however many others require it.
    fn has_variation(&self, position: u32, key: &str, required: &mut RequiredFlags) -> bool {
        let position = position as usize;
        let (Some(flag), Some(index)) =
            (self.flags.get(position), required.variations.get_mut(position))
        else {
            return false;
        };
        index.update(&flag.variations);
        index.find(key, &flag.variations).is_some()
    }
}

/// The segments, found by id or else by key.
#[derive(Default)]
struct Segments {
    listed: Vec<Segment>,
    ids: TextMap<u32>,
    keys: TextMap<u32>,
}

/// Whether the name of a segment is new.
enum Naming {
    New,
    /// An earlier segment has the same id or key.
    Repeated(Arc<str>),
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
            Some(_) => Naming::Repeated(name),
            None => Naming::New,
        }
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).or_else(|| self.keys.get(name)).copied()
    }
}
