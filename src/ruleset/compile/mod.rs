//! Compiles documents to tables, flag by flag: types, operators, variations, rules.
//!
//! What is unusable is left out or made to match nobody, and reported with its path. Segments and
//! prerequisites are linked when all flags are known.

mod link;
mod part;
mod prerequisites;
mod read_fields;
mod rollout;
mod short;
mod variations;

pub(super) use link::{SEGMENTS, link};
pub(super) use part::{NoPart, compile_part};

use std::mem::take;

use self::read_fields::Unusable;
use self::variations::Variations;
use crate::ruleset::document::{
    ConditionDocument, Consumer, Entry, Field, FlagDocument, Found, List, PrerequisiteDocument,
    RuleDocument, VariationDocument, Word,
};
use crate::ruleset::problem::{Path, Problems};
use crate::ruleset::tables::{
    Attribute, BucketSeed, Condition, Flag, FlagKind, Index, Patterns, Prerequisites, Rule, Serves,
    Test, TextMap, Variation, excerpt,
};
use crate::value::Number;

/// The path of the list of flags.
pub(super) const FLAGS: Path<'static> = Path::Root("flags");

const FLAG_LEFT_OUT: &str = "the flag is left out";
const VARIATION_LEFT_OUT: &str = "the variation is left out";
const RULE_MATCHES_NOBODY: &str = "the rule matches nobody";
const NEVER_HOLDS: &str = "the condition never holds";
const VALUE_IS_NULL: &str = "the value served is null";

/// A rule that names a segment.
struct SegmentUse {
    flag_index: usize,
    rule_index: usize,
    /// The number of the name.
    name: u32,
}

/// A flag with prerequisites.
struct Requirement {
    position: u32,
    /// The index of the flag in the document.
    index: usize,
    documents: List<PrerequisiteDocument>,
}

/// Compiles flags one by one, and collects what they refer to.
#[derive(Default)]
pub(super) struct Compiler {
    /// Flags of other environments are left out.
    environment: Option<Box<str>>,
    patterns: Patterns,
    problems: Problems,
    flags: Vec<Flag>,
    index: Index,
    /// The index of each flag in the document.
    pub(super) indices: Vec<usize>,
    /// The names of the flags' environments.
    environments: Vec<Box<str>>,
    environment_index: Index,
    prerequisites: Vec<Requirement>,
    /// The names of segments that rules use, numbered in the order of their first use.
    segment_names: TextMap<u32>,
    segment_uses: Vec<SegmentUse>,
}

impl Consumer for Compiler {
    fn fresh(&self) -> Compiler {
        Compiler::of(self.environment.as_deref())
    }

    fn flag(&mut self, index: usize, document: &mut FlagDocument) {
        let path = FLAGS.item(index);
        if !self.takes(document) {
            let environment = take(&mut document.environment);
            let _ = self.problems.read(path.field("environment"), environment, FLAG_LEFT_OUT);
            return;
        }
        let Ok(flag) = self.compile_flag(path, index, document) else {
            return;
        };
        let known = self.index.find(&flag.key, &self.flags);
        let earlier = known.and_then(|position| self.flags.get(position as usize));
        if let Some(earlier) = earlier {
            let key = excerpt(&flag.key);
            let has_environment =
                |flag: &Flag| self.environment.is_some() && flag.environment.is_some();
            let winner = match (has_environment(earlier), has_environment(&flag)) {
                (true, false) => "the one with the environment wins",
                (false, true) => "this one wins, since it has the environment",
                _ => "the last one wins",
            };
            let loses = has_environment(earlier) && !has_environment(&flag);
            let message = format_args!("a flag `{key}` stands before this one: {winner}");
            self.problems.report(path, message);
            if loses {
                return;
            }
        }
        let position = known.unwrap_or(self.flags.len() as u32);
        if !document.prerequisites.is_empty() {
            let documents = take(&mut document.prerequisites);
            self.prerequisites.push(Requirement { position, index, documents });
        }
        let existing = position as usize;
        match (self.flags.get_mut(existing), self.indices.get_mut(existing)) {
            (Some(earlier), Some(earlier_index)) => (*earlier, *earlier_index) = (flag, index),
            _ => {
                self.flags.push(flag);
                self.indices.push(index);
                self.index.update(&self.flags);
            }
        }
    }

    fn malformed_flag(&mut self, index: usize, found: Found) {
        self.problems.mismatch(FLAGS.item(index), "an object", found, FLAG_LEFT_OUT);
    }
}

impl Compiler {
    /// Returns a compiler that leaves out the flags of other environments, if one is given.
    pub(super) fn of(environment: Option<&str>) -> Compiler {
        Compiler { environment: environment.map(Box::from), ..Compiler::default() }
    }

    /// Returns whether a flag belongs to the environment, or to none.
    fn takes(&self, document: &FlagDocument) -> bool {
        match (&self.environment, &document.environment) {
            (None, _) | (Some(_), Field::Absent) => true,
            (Some(wanted), Field::Given(name)) => name.is_empty() || **name == **wanted,
            (Some(_), Field::Malformed(_)) => false,
        }
    }

    /// Returns the number of an environment's name; `None` if it is empty.
    fn environment_of(&mut self, environment: Field<Word>) -> Option<u32> {
        let name = match environment {
            Field::Given(name) if !name.is_empty() => name,
            Field::Given(_) | Field::Absent | Field::Malformed(_) => return None,
        };
        let known = self.environment_index.find(&name, &self.environments);
        known.or_else(|| {
            self.environments.push((*name).into());
            self.environment_index.update(&self.environments);
            Some(self.environments.len() as u32 - 1)
        })
    }

    fn compile_flag(
        &mut self,
        path: Path<'_>,
        index: usize,
        document: &mut FlagDocument,
    ) -> Result<Flag, Unusable> {
        let key = self.problems.given(path.field("key"), take(&mut document.key), FLAG_LEFT_OUT)?;
        let enabled = self.problems.read(
            path.field("enabled"),
            take(&mut document.enabled),
            FLAG_LEFT_OUT,
        )?;
        let status =
            self.problems.read(path.field("status"), take(&mut document.status), FLAG_LEFT_OUT)?;
        let default = self.problems.reference(
            path,
            [
                ("default_variation_id", take(&mut document.default_variation_id)),
                ("default_variation", take(&mut document.default_variation)),
                ("default_variation_key", take(&mut document.default_variation_key)),
            ],
            FLAG_LEFT_OUT,
        )?;
        self.problems.list(path.field("prerequisites"), &document.prerequisites, FLAG_LEFT_OUT)?;
        self.problems.list(path.field("variations"), &document.variations, FLAG_LEFT_OUT)?;
        self.problems.list(
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
            environment: self.environment_of(take(&mut document.environment)),
            on: enabled.unwrap_or(true) && status.is_none_or(|status| &*status == "active"),
            default,
            variations: variations.listed.into(),
            prerequisites: Prerequisites::All([].into()),
            rules,
            short: false,
        })
    }

    fn variations(
        &mut self,
        path: Path<'_>,
        variations: &mut List<VariationDocument>,
    ) -> Variations {
        self.problems.faults(path, variations, VARIATION_LEFT_OUT);
        let mut named = Variations::with_capacity(variations.entries.len());
        for Entry { index, object, .. } in &mut variations.entries {
            let path = path.item(*index);
            let id = self.problems.read(path.field("id"), take(&mut object.id), VARIATION_LEFT_OUT);
            let key =
                self.problems.read(path.field("key"), take(&mut object.key), VARIATION_LEFT_OUT);
            if let (Ok(id), Ok(key)) = (id, key) {
                named.add(id, Variation { key, value: object.value.take_value() });
            }
        }
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
        self.problems.faults(path, rules, RULE_MATCHES_NOBODY);
        let mut compiled = Vec::with_capacity(rules.entries.len());
        for Entry { index, object, .. } in &mut rules.entries {
            let path = path.item(*index);
            let segment = take(&mut object.segment_id);
            let Ok(segment) =
                self.problems.read(path.field("segment_id"), segment, RULE_MATCHES_NOBODY)
            else {
                continue;
            };
            if let Ok((priority, mut rule)) = self.rule(path, object, variations) {
                rule.index = *index as u32;
                rule.segment =
                    segment.and_then(|name| self.segment_number(flag_index, *index, name));
                compiled.push((priority, rule));
            }
        }
        compiled.sort_by_key(|(priority, _)| *priority);
        compiled.into_iter().map(|(_, rule)| rule).collect()
    }

    /// Records that a rule names a segment, and returns the number of the name; `None` if the name is
    /// empty.
    fn segment_number(
        &mut self,
        flag_index: usize,
        rule_index: usize,
        name: Box<str>,
    ) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        let name = self.segment_names.get(&name).copied().unwrap_or_else(|| {
            let next = self.segment_names.len() as u32;
            self.segment_names.insert(name, next);
            next
        });
        self.segment_uses.push(SegmentUse { flag_index, rule_index, name });
        Some(name)
    }

    /// Compiles a rule without its index and segment, and returns its priority with it.
    fn rule(
        &mut self,
        path: Path<'_>,
        document: &mut RuleDocument,
        variations: &Variations,
    ) -> Result<(Number, Rule), Unusable> {
        let priority = take(&mut document.priority);
        let priority = self.problems.read(path.field("priority"), priority, RULE_MATCHES_NOBODY)?;
        let conditions = self.conditions(
            path.field("conditions"),
            &mut document.conditions,
            RULE_MATCHES_NOBODY,
        )?;
        let variation = self.problems.reference(
            path,
            [
                ("variation_id", take(&mut document.variation_id)),
                ("variation", take(&mut document.variation)),
            ],
            RULE_MATCHES_NOBODY,
        )?;
        let rollout = self.rollout(
            path.field("percentage_rollout"),
            document.percentage_rollout.as_deref_mut(),
            variations,
        )?;
        let serves = match (variation, rollout) {
            (Some((field, name)), _) => {
                Serves::Variation(self.resolve(path.field(field), &name, variations))
            }
            (None, Some(entries)) => Serves::Rollout(entries),
            (None, None) => Serves::Nothing,
        };
        let rule = Rule { index: 0, conditions, segment: None, serves };
        Ok((priority.unwrap_or(0_u64.into()), rule))
    }

    /// Compiles conditions. An unusable condition never holds.
    fn conditions(
        &mut self,
        path: Path<'_>,
        conditions: &mut List<ConditionDocument>,
        consequence: &str,
    ) -> Result<Box<[Condition]>, Unusable> {
        self.problems.list(path, conditions, consequence)?;
        if self.problems.faults(path, conditions, consequence) {
            return Err(Unusable);
        }
        let mut compiled = Vec::with_capacity(conditions.entries.len());
        for Entry { index, object, .. } in &mut conditions.entries {
            compiled.push(self.condition(path.item(*index), object).unwrap_or(Condition::NEVER));
        }
        Ok(compiled.into())
    }

    fn condition(
        &mut self,
        path: Path<'_>,
        document: &mut ConditionDocument,
    ) -> Result<Condition, Unusable> {
        let attribute = take(&mut document.attribute);
        let attribute = self.problems.given(path.field("attribute"), attribute, NEVER_HOLDS)?;
        let operator = take(&mut document.operator);
        let operator = self.problems.given(path.field("operator"), operator, NEVER_HOLDS)?;
        let target = document.take_value();
        match Test::compile(&operator, target, &mut self.patterns) {
            Ok(test) => Ok(Condition { attribute: Attribute::new(attribute), test }),
            Err(reason) => {
                self.problems.report(path, format_args!("{reason}: {NEVER_HOLDS}"));
                Err(Unusable)
            }
        }
    }

    /// Returns the variation that a reference names. Reports a missing one and returns `None`.
    fn resolve(&mut self, path: Path<'_>, name: &str, variations: &Variations) -> Option<u32> {
        variations.find(name).or_else(|| {
            self.problems.dangling(path, "variation", name, VALUE_IS_NULL);
            None
        })
    }
}

fn kind(flag_type: Field<Word>) -> FlagKind {
    match flag_type {
        Field::Absent => FlagKind::Boolean,
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
