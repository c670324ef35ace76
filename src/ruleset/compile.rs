//! Documents to tables: every check, names to positions, cycles settled.
//!
//! What cannot be understood is left out or made to match nobody, and reported with its path;
//! what is left cannot fail when it is evaluated.

use std::cmp::Ordering;
use std::sync::Arc;

use super::bucket::BucketSeed;
use super::condition::{Attribute, Condition, Test, excerpt};
use super::document::{
    ConditionDocument, Document, Entry, Field, FlagDocument, List, PrerequisiteDocument,
    RolloutDocument, RolloutEntryDocument, RuleDocument, Scalar, SegmentDocument, Shape,
    VariationDocument,
};
use super::flag::{
    Flag, FlagKind, Prerequisite, Prerequisites, Rollout, Rule, Segment, Serves, Tables, Variation,
};
use super::pattern::Patterns;
use super::prerequisites::obstacles;
use super::problem::{Path, Problems};
use super::table::{PositionMap, Seed, TextMap};
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

/// Something that cannot be understood, and has been reported.
struct Unusable;

/// Compiles a ruleset.
pub(super) fn compile(document: Document) -> Tables {
    let seed = Seed::random();
    let mut compiler = Compiler {
        seed,
        patterns: Patterns::new(seed),
        problems: Problems::default(),
        segments: Vec::new(),
        segment_ids: TextMap::with_hasher(seed),
        segment_keys: TextMap::with_hasher(seed),
    };
    compiler.segments(document.segments);
    let (flags, positions) = compiler.flags(document.flags);
    Tables {
        flags,
        positions,
        segments: compiler.segments,
        version: document.version.into_value(),
        problems: compiler.problems.into_list(),
    }
}

struct Compiler {
    seed: Seed,
    patterns: Patterns,
    problems: Problems,
    segments: Vec<Segment>,
    segment_ids: TextMap<u32>,
    segment_keys: TextMap<u32>,
}

impl Compiler {
    fn segments(&mut self, segments: List<SegmentDocument>) {
        if let Shape::Malformed(found) = segments.shape {
            self.mismatch(SEGMENTS, "a list", found, "there are no segments");
        }
        self.faults(SEGMENTS, &segments, SEGMENT_HOLDS_NOBODY);
        for Entry { index, fields, .. } in segments.entries {
            self.segment(SEGMENTS.item(index), fields);
        }
    }

    fn segment(&mut self, path: Path<'_>, document: SegmentDocument) {
        let id = self.name(path.field("id"), document.id, SEGMENT_HOLDS_NOBODY);
        let key = self.name(path.field("key"), document.key, SEGMENT_HOLDS_NOBODY);
        let (id_text, key_text) = (
            id.as_ref().ok().cloned().flatten(),
            key.as_ref().ok().cloned().flatten(),
        );
        let Some(name) = key_text.clone().or(id_text.clone()) else {
            self.problems.report(
                path,
                format_args!("the segment has neither id nor key: {SEGMENT_HOLDS_NOBODY}"),
            );
            return;
        };
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
        let position = self.segments.len() as u32;
        self.segments.push(Segment {
            name: name.clone(),
            conditions,
        });
        let again = [
            id_text.and_then(|id| self.segment_ids.insert(id, position)),
            key_text.and_then(|key| self.segment_keys.insert(key, position)),
        ];
        if again.iter().any(Option::is_some) {
            self.problems.report(
                path,
                format_args!(
                    "a segment `{}` stands before this one: the last one wins",
                    excerpt(&name)
                ),
            );
        }
    }

    fn flags(&mut self, flags: List<FlagDocument>) -> (Vec<Flag>, TextMap<u32>) {
        self.faults(FLAGS, &flags, FLAG_LEFT_OUT);
        let mut compiled: Vec<Flag> = Vec::with_capacity(flags.entries.len());
        let mut positions = TextMap::with_capacity_and_hasher(flags.entries.len(), self.seed);
        let mut requirements = PositionMap::default();
        for Entry { index, fields, .. } in flags.entries {
            let path = FLAGS.item(index);
            let Ok((flag, prerequisites)) = self.flag(path, fields) else {
                continue;
            };
            let position = *positions
                .entry(flag.key.clone())
                .or_insert(compiled.len() as u32);
            if prerequisites.shape == Shape::Given {
                requirements.insert(position, (index, prerequisites));
            } else {
                requirements.remove(&position);
            }
            match compiled.get_mut(position as usize) {
                None => compiled.push(flag),
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
        compiled.shrink_to_fit();
        positions.shrink_to_fit();
        self.prerequisites(&mut compiled, &positions, requirements);
        (compiled, positions)
    }

    fn flag(
        &mut self,
        path: Path<'_>,
        document: FlagDocument,
    ) -> Result<(Flag, List<PrerequisiteDocument>), Unusable> {
        let key = self.given(path.field("key"), document.key, FLAG_LEFT_OUT)?;
        let enabled = self.read(path.field("enabled"), document.enabled, FLAG_LEFT_OUT)?;
        let status = self.read(path.field("status"), document.status, FLAG_LEFT_OUT)?;
        let default = self.reference(
            path,
            [
                ("default_variation_id", document.default_variation_id),
                ("default_variation", document.default_variation),
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
        let variations = self.variations(path.field("variations"), document.variations);
        let default =
            default.and_then(|(field, name)| self.resolve(path.field(field), &name, &variations));
        let rules = self.rules(
            path.field("targeting_rules"),
            document.targeting_rules,
            &variations,
        );
        let flag = Flag {
            seed: BucketSeed::new(&key),
            key: key.into(),
            kind: kind(document.flag_type),
            on: enabled.unwrap_or(true) && status.is_none_or(|status| &*status == "active"),
            default,
            variations: variations.listed.into(),
            prerequisites: Prerequisites::All([].into()),
            rules,
        };
        Ok((flag, document.prerequisites))
    }

    fn variations(&mut self, path: Path<'_>, variations: List<VariationDocument>) -> Variations {
        self.faults(path, &variations, VARIATION_LEFT_OUT);
        let mut named = Variations::with_capacity(variations.entries.len());
        for Entry { index, fields, .. } in variations.entries {
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
        path: Path<'_>,
        rules: List<RuleDocument>,
        variations: &Variations,
    ) -> Box<[Rule]> {
        self.faults(path, &rules, RULE_MATCHES_NOBODY);
        let mut compiled = Vec::with_capacity(rules.entries.len());
        for Entry { index, fields, .. } in rules.entries {
            if let Ok(rule) = self.rule(path.item(index), fields, variations) {
                compiled.push(rule);
            }
        }
        compiled
            .sort_by(|(left, _), (right, _)| left.partial_cmp(right).unwrap_or(Ordering::Equal));
        compiled.into_iter().map(|(_, rule)| rule).collect()
    }

    /// Compiles a rule, with its priority.
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
        let segment = match self.name(
            path.field("segment_id"),
            document.segment_id,
            RULE_MATCHES_NOBODY,
        )? {
            Some(name) => Some(self.find_segment(path.field("segment_id"), &name)?),
            None => None,
        };
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
            segment,
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

    fn prerequisites(
        &mut self,
        flags: &mut [Flag],
        positions: &TextMap<u32>,
        requirements: PositionMap<(usize, List<PrerequisiteDocument>)>,
    ) {
        if requirements.is_empty() {
            return;
        }
        let mut requirements: Vec<_> = requirements.into_iter().collect();
        requirements.sort_unstable_by_key(|(position, _)| *position);
        let mut required = vec![Vec::new(); flags.len()];
        let mut indices = vec![0; flags.len()];
        for (position, (index, documents)) in requirements {
            let path = FLAGS.item(index);
            let mut edges = Vec::new();
            let prerequisites = self.prerequisites_of_one(
                path.field("prerequisites"),
                documents,
                flags,
                positions,
                &mut edges,
            );
            if let Some(flag) = flags.get_mut(position as usize) {
                flag.prerequisites = prerequisites;
            }
            if let Some(place) = required.get_mut(position as usize) {
                *place = edges;
            }
            if let Some(place) = indices.get_mut(position as usize) {
                *place = index;
            }
        }
        for (position, obstacle) in obstacles(&required) {
            let index = indices.get(position).copied().unwrap_or_default();
            self.problems
                .report(FLAGS.item(index).field("prerequisites"), obstacle.message());
            if let Some(flag) = flags.get_mut(position) {
                flag.prerequisites = Prerequisites::Unsatisfiable;
            }
        }
    }

    fn prerequisites_of_one(
        &mut self,
        path: Path<'_>,
        documents: List<PrerequisiteDocument>,
        flags: &[Flag],
        positions: &TextMap<u32>,
        edges: &mut Vec<u32>,
    ) -> Prerequisites {
        let mut satisfiable = !self.faults(path, &documents, PREREQUISITE_FAILS);
        let mut compiled = Vec::with_capacity(documents.entries.len());
        for Entry { index, fields, .. } in documents.entries {
            match self.prerequisite(path.item(index), fields, flags, positions, edges) {
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
        flags: &[Flag],
        positions: &TextMap<u32>,
        edges: &mut Vec<u32>,
    ) -> Result<Prerequisite, Unusable> {
        let flag_key = self.given(
            path.field("flag_key"),
            document.flag_key,
            PREREQUISITE_FAILS,
        )?;
        let position = positions.get(&*flag_key).copied();
        let Some((position, flag)) =
            position.and_then(|position| Some((position, flags.get(position as usize)?)))
        else {
            return self.dangling(
                path.field("flag_key"),
                "flag",
                &flag_key,
                PREREQUISITE_FAILS,
            );
        };
        edges.push(position);
        let variation_key = self.given(
            path.field("variation_key"),
            document.variation_key,
            PREREQUISITE_FAILS,
        )?;
        let known = flag
            .variations
            .iter()
            .any(|variation| variation.key.as_ref() == Some(&variation_key));
        if !known {
            return self.dangling(
                path.field("variation_key"),
                "variation",
                &variation_key,
                PREREQUISITE_FAILS,
            );
        }
        Ok(Prerequisite {
            flag: position,
            variation_key,
        })
    }

    fn find_segment(&mut self, path: Path<'_>, name: &str) -> Result<u32, Unusable> {
        match self
            .segment_ids
            .get(name)
            .or_else(|| self.segment_keys.get(name))
        {
            Some(position) => Ok(*position),
            None => self.dangling(path, "segment", name, RULE_MATCHES_NOBODY),
        }
    }

    /// Finds the variation that a reference names; `None`, reported, where there is none.
    fn resolve(&mut self, path: Path<'_>, name: &str, variations: &Variations) -> Option<u32> {
        variations.find(name).or_else(|| {
            let _ = self.dangling::<()>(path, "variation", name, VALUE_IS_NULL);
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

    /// Reads a name; an empty one counts as absent.
    fn name(
        &mut self,
        path: Path<'_>,
        field: Field<Box<str>>,
        consequence: &str,
    ) -> Result<Option<Arc<str>>, Unusable> {
        let name = self.read(path, field, consequence)?;
        Ok(name.filter(|name| !name.is_empty()).map(Arc::from))
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

    fn dangling<T>(
        &mut self,
        path: Path<'_>,
        what: &str,
        name: &str,
        consequence: &str,
    ) -> Result<T, Unusable> {
        let name = excerpt(name);
        self.problems.report(
            path,
            format_args!("there is no {what} `{name}`: {consequence}"),
        );
        Err(Unusable)
    }
}

fn kind(flag_type: Field<Box<str>>) -> FlagKind {
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
