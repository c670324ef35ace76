//! Documents to tables: every check, names to positions, cycles settled.
//!
//! What cannot be understood is left out or made to match nobody, and reported with its path;
//! what is left cannot fail when it is evaluated.

use std::cmp::Ordering;
use std::sync::Arc;

use super::bucket::BucketSeed;
use super::condition::{Attribute, Condition, Test, excerpt};
use super::document::{
    ConditionDocument, Consumer, Document, FlagDocument, PrerequisiteDocument, RolloutDocument,
    RolloutEntryDocument, RuleDocument, SegmentDocument, VariationDocument, Word,
};
use super::flag::{
    Flag, FlagKind, Prerequisite, Prerequisites, Rollout, Rule, Segment, Serves, Tables, Variation,
};
use super::pattern::Patterns;
use super::place::{Entry, Field, List, Scalar, Shape};
use super::prerequisites::obstacles;
use super::problem::{Path, Problems};
use super::table::{PositionMap, Seed, TextMap, TextSet};
use crate::value::Number;

const FLAGS: Path<'static> = Path::Root("flags");
const SEGMENTS: Path<'static> = Path::Root("segments");

const FLAG_LEFT_OUT: &str = "the flag is left out";
const VARIATION_LEFT_OUT: &str = "the variation is left out";
const PREREQUISITE_FAILS: &str = "the prerequisite fails";
const RULE_MATCHES_NOBODY: &str = "the rule matches nobody";
const SEGMENT_HOLDS_NOBODY: &str = "the segment holds nobody";
const NEVER_HOLDS: &str = "the condition never holds";
const VALUE_IS_NULL: &str = "the value served is null";

/// The position of a segment that is not there: nobody is in it.
const NO_SEGMENT: u32 = u32::MAX;

/// Something that cannot be understood, and has been reported.
struct Unusable;

/// Where a rule stands that asks for a segment.
struct SegmentUse {
    flag_index: usize,
    rule_index: usize,
    name: u32,
}

/// Compiles flags as they come, and at the end what they refer to.
pub(super) struct Compiler {
    seed: Seed,
    patterns: Patterns,
    problems: Problems,
    flags: Vec<Flag>,
    positions: TextMap<u32>,
    requirements: PositionMap<(usize, List<PrerequisiteDocument>)>,
    variation_keys: PositionMap<TextSet>,
    /// Numbers, in the order of their first use, for the names of segments that rules ask for.
    segment_names: TextMap<u32>,
    segment_uses: Vec<SegmentUse>,
    /// The positions of the flags whose rules hold such numbers.
    flags_with_segments: Vec<u32>,
}

impl Default for Compiler {
    fn default() -> Compiler {
        let seed = Seed::random();
        Compiler {
            seed,
            patterns: Patterns::new(seed),
            problems: Problems::default(),
            flags: Vec::new(),
            positions: TextMap::with_hasher(seed),
            requirements: PositionMap::default(),
            variation_keys: PositionMap::default(),
            segment_names: TextMap::with_hasher(seed),
            segment_uses: Vec::new(),
            flags_with_segments: Vec::new(),
        }
    }
}

impl Consumer for Compiler {
    fn flag(&mut self, index: usize, document: &mut FlagDocument) {
        let path = FLAGS.item(index);
        let uses_before = self.segment_uses.len();
        let Ok(flag) = self.compile_flag(path, index, document) else {
            return;
        };
        let position = *self
            .positions
            .entry(flag.key.clone())
            .or_insert(self.flags.len() as u32);
        if document.prerequisites.is_empty() {
            self.requirements.remove(&position);
        } else {
            let prerequisites = std::mem::take(&mut document.prerequisites);
            self.requirements.insert(position, (index, prerequisites));
        }
        if self.segment_uses.len() > uses_before {
            self.flags_with_segments.push(position);
        }
        match self.flags.get_mut(position as usize) {
            None => self.flags.push(flag),
            Some(earlier) => {
                let key = excerpt(&flag.key);
                *earlier = flag;
                self.problems.report(
                    path,
                    format_args!("a flag `{key}` stands before this one: the last one wins"),
                );
            }
        }
    }

    fn malformed_flag(&mut self, index: usize, found: &'static str) {
        self.mismatch(FLAGS.item(index), "an object", found, FLAG_LEFT_OUT);
    }
}

/// Compiles what is left of a ruleset when its flags have been.
pub(super) fn compile(document: Document<Compiler>) -> Tables {
    let Document {
        mut consumer,
        segments,
        version,
    } = document;
    let segments = consumer.segments(segments);
    consumer.settle_prerequisites();
    consumer.flags.shrink_to_fit();
    consumer.positions.shrink_to_fit();
    Tables {
        flags: consumer.flags,
        positions: consumer.positions,
        segments,
        version,
        problems: consumer.problems.into_list(),
    }
}

impl Compiler {
    /// Compiles the segments, and lets the rules that name them refer to them by position.
    fn segments(&mut self, segments: List<SegmentDocument>) -> Vec<Segment> {
        if let Shape::Malformed(found) = segments.shape {
            self.mismatch(SEGMENTS, "a list", found, "there are no segments");
        }
        self.faults(SEGMENTS, &segments, SEGMENT_HOLDS_NOBODY);
        let mut found = Segments::new(self.seed);
        for Entry { index, fields, .. } in segments.entries {
            self.segment(SEGMENTS.item(index), fields, &mut found);
        }
        self.settle_segments(&found);
        found.listed
    }

    fn segment(&mut self, path: Path<'_>, document: SegmentDocument, segments: &mut Segments) {
        let id = self.read(path.field("id"), document.id, SEGMENT_HOLDS_NOBODY);
        let key = self.read(path.field("key"), document.key, SEGMENT_HOLDS_NOBODY);
        let conditions = self.conditions(
            path.field("conditions"),
            document.conditions,
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
        let names: PositionMap<_> = self
            .segment_names
            .drain()
            .map(|(name, number)| (number, name))
            .collect();
        for SegmentUse {
            flag_index,
            rule_index,
            name,
        } in std::mem::take(&mut self.segment_uses)
        {
            let Some(name) = names.get(&name) else {
                continue;
            };
            if segments.find(name).is_none() {
                let flag = FLAGS.item(flag_index);
                let rules = flag.field("targeting_rules");
                let rule = rules.item(rule_index);
                self.dangling(
                    rule.field("segment_id"),
                    "segment",
                    name,
                    RULE_MATCHES_NOBODY,
                );
            }
        }
        // A flag that was replaced by a later one of its key is listed twice.
        self.flags_with_segments.sort_unstable();
        self.flags_with_segments.dedup();
        for position in std::mem::take(&mut self.flags_with_segments) {
            let rules = self
                .flags
                .get_mut(position as usize)
                .map(|flag| &mut flag.rules);
            for asked in rules
                .into_iter()
                .flatten()
                .filter_map(|rule| rule.segment.as_mut())
            {
                let found = names.get(asked).and_then(|name| segments.find(name));
                *asked = found.unwrap_or(NO_SEGMENT);
            }
        }
    }

    fn compile_flag(
        &mut self,
        path: Path<'_>,
        index: usize,
        document: &mut FlagDocument,
    ) -> Result<Flag, Unusable> {
        use std::mem::take;

        let key = self.given(path.field("key"), take(&mut document.key), FLAG_LEFT_OUT)?;
        let enabled = self.read(
            path.field("enabled"),
            take(&mut document.enabled),
            FLAG_LEFT_OUT,
        )?;
        let status = self.read(
            path.field("status"),
            take(&mut document.status),
            FLAG_LEFT_OUT,
        )?;
        let default = self.reference(
            path,
            [
                (
                    "default_variation_id",
                    take(&mut document.default_variation_id),
                ),
                ("default_variation", take(&mut document.default_variation)),
            ],
            FLAG_LEFT_OUT,
        )?;
        self.list(
            path.field("prerequisites"),
            &document.prerequisites,
            FLAG_LEFT_OUT,
        )?;
        self.list(
            path.field("variations"),
            &document.variations,
            FLAG_LEFT_OUT,
        )?;
        self.list(
            path.field("targeting_rules"),
            &document.targeting_rules,
            FLAG_LEFT_OUT,
        )?;
        let variations = self.variations(path.field("variations"), &mut document.variations);
        let default =
            default.and_then(|(field, name)| self.resolve(path.field(field), &name, &variations));
        let rules = self.rules(index, &mut document.targeting_rules, &variations);
        Ok(Flag {
            seed: BucketSeed::new(&key),
            key,
            kind: kind(take(&mut document.flag_type)),
            on: enabled.unwrap_or(true) && status.is_none_or(|status| &*status == "active"),
            default,
            variations: variations.listed.into(),
            prerequisites: Prerequisites::All([].into()),
            rules,
        })
    }

    fn variations(
        &mut self,
        path: Path<'_>,
        variations: &mut List<VariationDocument>,
    ) -> Variations {
        self.faults(path, variations, VARIATION_LEFT_OUT);
        let mut named = Variations::with_capacity(variations.entries.len());
        for Entry { index, fields, .. } in variations.entries.drain(..) {
            let path = path.item(index);
            let id = self.read(path.field("id"), fields.id, VARIATION_LEFT_OUT);
            let key = self.read(path.field("key"), fields.key, VARIATION_LEFT_OUT);
            if let (Ok(id), Ok(key)) = (id, key) {
                named.add(
                    id,
                    Variation {
                        key,
                        value: fields.value.into_value(),
                    },
                );
            }
        }
        named.index();
        named
    }

    fn rules(
        &mut self,
        flag_index: usize,
        rules: &mut List<RuleDocument>,
        variations: &Variations,
    ) -> Box<[Rule]> {
        let flag = FLAGS.item(flag_index);
        let path = flag.field("targeting_rules");
        self.faults(path, rules, RULE_MATCHES_NOBODY);
        let mut compiled = Vec::with_capacity(rules.entries.len());
        for Entry {
            index, mut fields, ..
        } in rules.entries.drain(..)
        {
            let path = path.item(index);
            let segment = std::mem::take(&mut fields.segment_id);
            let Ok(segment) = self.read(path.field("segment_id"), segment, RULE_MATCHES_NOBODY)
            else {
                continue;
            };
            if let Ok((priority, mut rule)) = self.rule(path, fields, variations) {
                rule.segment =
                    segment.and_then(|name| self.segment_number(flag_index, index, name));
                compiled.push((priority, rule));
            }
        }
        compiled
            .sort_by(|(left, _), (right, _)| left.partial_cmp(right).unwrap_or(Ordering::Equal));
        compiled.into_iter().map(|(_, rule)| rule).collect()
    }

    /// Notes that a rule asks for a segment; an empty name counts as absent.
    fn segment_number(
        &mut self,
        flag_index: usize,
        rule_index: usize,
        name: Box<str>,
    ) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        let next = self.segment_names.len() as u32;
        let name = *self.segment_names.entry(name.into()).or_insert(next);
        self.segment_uses.push(SegmentUse {
            flag_index,
            rule_index,
            name,
        });
        Some(name)
    }

    /// Compiles a rule, with its priority and without its segment.
    fn rule(
        &mut self,
        path: Path<'_>,
        document: RuleDocument,
        variations: &Variations,
    ) -> Result<(Number, Rule), Unusable> {
        let priority = self.read(
            path.field("priority"),
            document.priority,
            RULE_MATCHES_NOBODY,
        )?;
        let conditions = self.conditions(
            path.field("conditions"),
            document.conditions,
            RULE_MATCHES_NOBODY,
        )?;
        let variation = self.reference(
            path,
            [
                ("variation_id", document.variation_id),
                ("variation", document.variation),
            ],
            RULE_MATCHES_NOBODY,
        )?;
        let rollout = self.rollout(
            path.field("percentage_rollout"),
            document.percentage_rollout,
            variations,
        )?;
        let serves = match (variation, rollout) {
            (Some((field, name)), _) => {
                Serves::Variation(self.resolve(path.field(field), &name, variations))
            }
            (None, Some(entries)) => Serves::Rollout(entries),
            (None, None) => Serves::Nothing,
        };
        let rule = Rule {
            conditions,
            segment: None,
            serves,
        };
        Ok((priority.unwrap_or(0_u64.into()), rule))
    }

    fn rollout(
        &mut self,
        path: Path<'_>,
        document: RolloutDocument,
        variations: &Variations,
    ) -> Result<Option<Rollout>, Unusable> {
        match document.shape {
            Shape::Absent => return Ok(None),
            Shape::Given => {}
            Shape::Malformed(found) => {
                self.mismatch(path, "a list or an object", found, RULE_MATCHES_NOBODY);
                return Err(Unusable);
            }
        }
        let wrapped = path.field("variations");
        let path = if document.wrapped { wrapped } else { path };
        self.list(path, &document.entries, RULE_MATCHES_NOBODY)?;
        if self.faults(path, &document.entries, RULE_MATCHES_NOBODY) {
            return Err(Unusable);
        }
        let mut sum = 0.0;
        let mut entries = Vec::with_capacity(document.entries.entries.len());
        for Entry { index, fields, .. } in document.entries.entries {
            let (weight, variation) = self.rollout_entry(path.item(index), fields, variations)?;
            sum += weight;
            entries.push((sum, variation));
        }
        Ok(Some(entries.into()))
    }

    fn rollout_entry(
        &mut self,
        path: Path<'_>,
        document: RolloutEntryDocument,
        variations: &Variations,
    ) -> Result<(f64, Option<u32>), Unusable> {
        let weight = self.read(path.field("weight"), document.weight, RULE_MATCHES_NOBODY)?;
        let percentage = self.read(
            path.field("percentage"),
            document.percentage,
            RULE_MATCHES_NOBODY,
        )?;
        let weight = weight.or(percentage).map_or(0.0, Number::as_f64);
        if weight < 0.0 {
            self.problems.report(
                path,
                format_args!("the weight is negative: {RULE_MATCHES_NOBODY}"),
            );
            return Err(Unusable);
        }
        let reference = self.reference(
            path,
            [
                ("variation_id", document.variation_id),
                ("variation", document.variation),
            ],
            RULE_MATCHES_NOBODY,
        )?;
        let variation = match reference {
            Some((field, name)) => self.resolve(path.field(field), &name, variations),
            None => {
                self.problems.report(
                    path,
                    format_args!("the entry names no variation: {VALUE_IS_NULL}"),
                );
                None
            }
        };
        Ok((weight, variation))
    }

    fn conditions(
        &mut self,
        path: Path<'_>,
        conditions: List<ConditionDocument>,
        consequence: &str,
    ) -> Result<Box<[Condition]>, Unusable> {
        self.list(path, &conditions, consequence)?;
        if self.faults(path, &conditions, consequence) {
            return Err(Unusable);
        }
        let compiled = conditions
            .entries
            .into_iter()
            .map(|Entry { index, fields, .. }| {
                self.condition(path.item(index), fields)
                    .unwrap_or(Condition::NEVER)
            });
        Ok(compiled.collect())
    }

    fn condition(
        &mut self,
        path: Path<'_>,
        document: ConditionDocument,
    ) -> Result<Condition, Unusable> {
        let attribute = self.given(path.field("attribute"), document.attribute, NEVER_HOLDS)?;
        let operator = self.given(path.field("operator"), document.operator, NEVER_HOLDS)?;
        let target = document.value.into_value();
        match Test::compile(&operator, target, &mut self.patterns, self.seed) {
            Ok(test) => Ok(Condition {
                attribute: Attribute::new(attribute),
                test,
            }),
            Err(reason) => {
                self.problems
                    .report(path, format_args!("{reason}: {NEVER_HOLDS}"));
                Err(Unusable)
            }
        }
    }

    /// Compiles the prerequisites of all flags, and finds those that can never be met.
    fn settle_prerequisites(&mut self) {
        if self.requirements.is_empty() {
            return;
        }
        let mut requirements: Vec<_> = std::mem::take(&mut self.requirements).into_iter().collect();
        requirements.sort_unstable_by_key(|(position, _)| *position);
        let mut required = vec![Vec::new(); self.flags.len()];
        let mut indices = PositionMap::default();
        for (position, (index, documents)) in requirements {
            let mut edges = Vec::new();
            let flag = FLAGS.item(index);
            let prerequisites =
                self.prerequisites_of_one(flag.field("prerequisites"), documents, &mut edges);
            self.set_prerequisites(position, prerequisites);
            if let Some(place) = required.get_mut(position as usize) {
                *place = edges;
            }
            indices.insert(position, index);
        }
        for (position, obstacle) in obstacles(&required) {
            let index = indices.get(&position).copied().unwrap_or_default();
            self.problems
                .report(FLAGS.item(index).field("prerequisites"), obstacle.message());
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
        edges: &mut Vec<u32>,
    ) -> Prerequisites {
        let mut satisfiable = !self.faults(path, &documents, PREREQUISITE_FAILS);
        let mut compiled = Vec::with_capacity(documents.entries.len());
        for Entry { index, fields, .. } in documents.entries {
            match self.prerequisite(path.item(index), fields, edges) {
                Ok(prerequisite) => compiled.push(prerequisite),
                Err(Unusable) => satisfiable = false,
            }
        }
        if satisfiable {
            Prerequisites::All(compiled.into())
        } else {
            Prerequisites::Unsatisfiable
        }
    }

    fn prerequisite(
        &mut self,
        path: Path<'_>,
        document: PrerequisiteDocument,
        edges: &mut Vec<u32>,
    ) -> Result<Prerequisite, Unusable> {
        let flag_key = self.given(
            path.field("flag_key"),
            document.flag_key,
            PREREQUISITE_FAILS,
        )?;
        let Some(position) = self.positions.get(&*flag_key).copied() else {
            self.dangling(
                path.field("flag_key"),
                "flag",
                &flag_key,
                PREREQUISITE_FAILS,
            );
            return Err(Unusable);
        };
        edges.push(position);
        let path = path.field("variation_key");
        let variation_key = self.given(path, document.variation_key, PREREQUISITE_FAILS)?;
        if !self.has_variation(position, &variation_key) {
            self.dangling(path, "variation", &variation_key, PREREQUISITE_FAILS);
            return Err(Unusable);
        }
        Ok(Prerequisite {
            flag: position,
            variation_key,
        })
    }

    /// Returns whether a flag can serve a variation of this key. The keys of a flag are collected
    /// once, however many others require it.
    fn has_variation(&mut self, position: u32, key: &str) -> bool {
        let (flags, seed) = (&self.flags, self.seed);
        let keys = self.variation_keys.entry(position).or_insert_with(|| {
            let variations = flags
                .get(position as usize)
                .map_or(&[][..], |flag| &flag.variations);
            let mut keys = TextSet::with_hasher(seed);
            keys.extend(
                variations
                    .iter()
                    .filter_map(|variation| variation.key.clone()),
            );
            keys
        });
        keys.contains(key)
    }

    /// Finds the variation that a reference names; `None`, reported, where there is none.
    fn resolve(&mut self, path: Path<'_>, name: &str, variations: &Variations) -> Option<u32> {
        variations.find(name).or_else(|| {
            self.dangling(path, "variation", name, VALUE_IS_NULL);
            None
        })
    }

    /// Reads a reference to a variation from the first of two fields that holds one.
    fn reference(
        &mut self,
        path: Path<'_>,
        fields: [(&'static str, Field<Box<str>>); 2],
        consequence: &str,
    ) -> Result<Option<(&'static str, Box<str>)>, Unusable> {
        let mut reference = None;
        for (name, field) in fields {
            let text = self.read(path.field(name), field, consequence)?;
            let text = text.filter(|text| !text.is_empty());
            reference = reference.or(text.map(|text| (name, text)));
        }
        Ok(reference)
    }

    /// Reads a field that must be there.
    fn given<T: Scalar>(
        &mut self,
        path: Path<'_>,
        field: Field<T>,
        consequence: &str,
    ) -> Result<T, Unusable> {
        self.read(path, field, consequence)?.ok_or_else(|| {
            self.mismatch(path, T::EXPECTED, "nothing", consequence);
            Unusable
        })
    }

    /// Reads a field that may be absent.
    fn read<T: Scalar>(
        &mut self,
        path: Path<'_>,
        field: Field<T>,
        consequence: &str,
    ) -> Result<Option<T>, Unusable> {
        match field {
            Field::Absent { .. } => Ok(None),
            Field::Given(value) => Ok(Some(value)),
            Field::Malformed(found) => {
                self.mismatch(path, T::EXPECTED, found, consequence);
                Err(Unusable)
            }
        }
    }

    /// Checks that a field, where it is there, is a list.
    fn list<T>(
        &mut self,
        path: Path<'_>,
        list: &List<T>,
        consequence: &str,
    ) -> Result<(), Unusable> {
        match list.shape {
            Shape::Absent | Shape::Given => Ok(()),
            Shape::Malformed(found) => {
                self.mismatch(path, "a list", found, consequence);
                Err(Unusable)
            }
        }
    }

    /// Reports the elements of a list that are no objects, and returns whether there are any.
    fn faults<T>(&mut self, path: Path<'_>, list: &List<T>, consequence: &str) -> bool {
        let listed = list.faults.listed();
        for (index, found) in listed {
            self.mismatch(path.item(*index), "an object", found, consequence);
        }
        self.problems.omit(list.faults.total() - listed.len());
        list.faults.total() > 0
    }

    fn mismatch(&mut self, path: Path<'_>, expected: &str, found: &str, consequence: &str) {
        self.problems.report(
            path,
            format_args!("expected {expected}, found {found}: {consequence}"),
        );
    }

    fn dangling(&mut self, path: Path<'_>, what: &str, name: &str, consequence: &str) {
        let name = excerpt(name);
        self.problems.report(
            path,
            format_args!("there is no {what} `{name}`: {consequence}"),
        );
    }
}

fn kind(flag_type: Field<Word>) -> FlagKind {
    match flag_type {
        Field::Absent { .. } => FlagKind::Boolean,
        Field::Malformed(_) => FlagKind::Unknown,
        Field::Given(name) => match &*name {
            "boolean" => FlagKind::Boolean,
            "string" => FlagKind::String,
            "number" => FlagKind::Number,
            "json" => FlagKind::Json,
            _ => FlagKind::Unknown,
        },
    }
}

/// The variations of one flag, found by id, and then by key.
struct Variations {
    listed: Vec<Variation>,
    ids: Vec<(Box<str>, u32)>,
    by_key: Vec<u32>,
}

impl Variations {
    fn with_capacity(capacity: usize) -> Variations {
        Variations {
            listed: Vec::with_capacity(capacity),
            ids: Vec::with_capacity(capacity),
            by_key: Vec::with_capacity(capacity),
        }
    }

    fn add(&mut self, id: Option<Box<str>>, variation: Variation) {
        let position = self.listed.len() as u32;
        self.ids.extend(id.map(|id| (id, position)));
        if variation.key.is_some() {
            self.by_key.push(position);
        }
        self.listed.push(variation);
    }

    /// Sorts both ways; of two that are named alike the first one counts.
    fn index(&mut self) {
        self.ids.sort();
        let listed = &self.listed;
        self.by_key
            .sort_by_key(|position| (key_at(listed, *position), *position));
    }

    fn find(&self, name: &str) -> Option<u32> {
        let by_id = self.ids.partition_point(|(id, _)| **id < *name);
        if let Some((id, position)) = self.ids.get(by_id)
            && **id == *name
        {
            return Some(*position);
        }
        let by_key = self
            .by_key
            .partition_point(|position| key_at(&self.listed, *position) < Some(name));
        let position = *self.by_key.get(by_key)?;
        (key_at(&self.listed, position) == Some(name)).then_some(position)
    }
}

fn key_at(listed: &[Variation], position: u32) -> Option<&str> {
    listed.get(position as usize)?.key.as_deref()
}

/// The segments, found by id, and then by key.
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
    fn new(seed: Seed) -> Segments {
        Segments {
            listed: Vec::new(),
            ids: TextMap::with_hasher(seed),
            keys: TextMap::with_hasher(seed),
        }
    }

    fn add(
        &mut self,
        id: Option<Box<str>>,
        key: Option<Box<str>>,
        conditions: Box<[Condition]>,
    ) -> Naming {
        let (id, key): (Option<Arc<str>>, Option<Arc<str>>) =
            (id.map(Into::into), key.map(Into::into));
        let Some(name) = key.clone().or_else(|| id.clone()) else {
            return Naming::Nameless;
        };
        let position = self.listed.len() as u32;
        self.listed.push(Segment {
            name: name.clone(),
            conditions,
        });
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
