//! The compiled form of a ruleset in memory. Data only.
//!
//! Flags, segments and variations refer to each other by position. The compiler has checked each
//! position.

pub(super) mod bucket;
mod condition;
mod index;
#[cfg(feature = "regex")]
mod literal;
mod pattern;
mod replica;
mod version;

pub(super) use bucket::{BucketSeed, weight_text};
pub(super) use condition::{Attribute, Condition, Subject, Target, Test, compare_versions, cut};
pub(crate) use condition::{OPERATORS, excerpt};
pub(super) use index::{Index, Named, PositionMap, TextMap};
pub(super) use pattern::{MatchBudget, Patterns};
pub(crate) use replica::{Found, LazyTables, Long, Replica};

use std::fmt;
use std::sync::Arc;

use crate::ruleset::problem::Problem;
use crate::value::Value;

/// A compiled ruleset.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) flags: Vec<Flag>,
    pub(crate) index: Index,
    pub(crate) segments: Vec<Segment>,
    /// The names of the flags' environments.
    pub(crate) environments: Box<[Box<str>]>,
    /// Whether the document has a field for segments, of any type.
    pub(crate) has_segments: bool,
    pub(crate) version: Value,
    /// The text of the document, if it is kept.
    pub(crate) text: Option<Box<str>>,
    pub(crate) problems: Box<[Problem]>,
}

impl Tables {
    pub(crate) fn position(&self, key: &str) -> Option<u32> {
        self.index.find(key, &self.flags)
    }

    pub(crate) fn flag(&self, position: u32) -> Option<&Flag> {
        self.flags.get(position as usize)
    }

    /// Returns the environment of a flag.
    pub(crate) fn environment(&self, flag: &Flag) -> Option<&str> {
        self.environments.get(flag.environment? as usize).map(|name| &**name)
    }

    pub(crate) fn segment(&self, position: u32) -> Option<&Segment> {
        self.segments.get(position as usize)
    }

    pub(crate) fn names_segments(&self) -> bool {
        self.flags.iter().flat_map(|flag| &flag.rules).any(|rule| rule.segment.is_some())
    }
}

/// A flag.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) key: Arc<str>,
    pub(crate) kind: FlagKind,
    /// The position of its environment in `Tables::environments`.
    pub(crate) environment: Option<u32>,
    pub(crate) on: bool,
    pub(crate) seed: BucketSeed,
    pub(crate) default: Option<u32>,
    pub(crate) variations: Box<[Variation]>,
    pub(crate) prerequisites: Prerequisites,
    pub(crate) rules: Box<[Rule]>,
    /// Whether an evaluation takes little time if the texts of the context are short.
    pub(crate) short: bool,
}

impl Named for Flag {
    fn name(&self) -> Option<&str> {
        Some(&self.key)
    }
}

impl Flag {
    pub(crate) fn variation(&self, position: Option<u32>) -> Option<&Variation> {
        self.variations.get(position? as usize)
    }
}

/// A variation of a flag.
#[derive(Debug, PartialEq)]
pub(crate) struct Variation {
    pub(crate) key: Option<Box<str>>,
    pub(crate) value: Value,
}

impl Named for Variation {
    fn name(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What must hold before the rules of a flag are evaluated.
#[derive(Debug)]
pub(crate) enum Prerequisites {
    /// All of these must hold.
    All(Box<[Prerequisite]>),
    /// They can never hold: malformed, dangling, on a cycle or too deep.
    Unsatisfiable,
}

/// A flag that must serve a variation.
#[derive(Debug)]
pub(crate) struct Prerequisite {
    pub(crate) flag: u32,
    pub(crate) variation_key: Box<str>,
}

impl Prerequisite {
    /// Returns whether the required flag, if it is on, serves the required variation.
    pub(crate) fn is_met_by(&self, flag: &Flag, served: Option<u32>) -> bool {
        flag.variation(served)
            .is_some_and(|variation| variation.key.as_ref() == Some(&self.variation_key))
    }
}

/// A targeting rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its index in the document's list.
    pub(crate) index: u32,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) segment: Option<u32>,
    pub(crate) serves: Serves,
}

/// What a rule serves if it matches. `None` is a variation that the flag does not have.
#[derive(Debug, PartialEq)]
pub(crate) enum Serves {
    Variation(Option<u32>),
    /// The variation that the bucket selects.
    Rollout(Rollout),
    /// Nothing: the next rule is evaluated.
    Nothing,
}

/// Variations, each with the sum of the weights so far, its own included.
pub(crate) type Rollout = Box<[(f64, Option<u32>)]>;

/// A named group of users.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Arc<str>,
    pub(crate) conditions: Box<[Condition]>,
}

/// The declared type of a flag's values.
///
/// It is informative only: the typed getters check the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlagKind {
    /// `true` or `false`.
    Boolean,
    /// A string.
    String,
    /// A number.
    Number,
    /// Any JSON value.
    Json,
    /// A type that this version of the crate does not know.
    Unknown,
}

impl FlagKind {
    /// Returns the service's name for the type, such as `boolean`.
    pub fn as_str(self) -> &'static str {
        match self {
            FlagKind::Boolean => "boolean",
            FlagKind::String => "string",
            FlagKind::Number => "number",
            FlagKind::Json => "json",
            FlagKind::Unknown => "unknown",
        }
    }
}

impl fmt::Display for FlagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A flag's properties that do not depend on a context.
///
/// It keeps the ruleset that it comes from in memory.
#[derive(Clone)]
pub struct FlagInfo {
    ruleset: Arc<Replica>,
    position: u32,
}

impl FlagInfo {
    pub(crate) fn new(ruleset: Arc<Replica>, position: u32) -> FlagInfo {
        FlagInfo { ruleset, position }
    }

    /// Returns the flag's key.
    pub fn key(&self) -> &str {
        self.flag().map_or("", |flag| &flag.key)
    }

    /// Returns the declared type of the flag's values.
    pub fn kind(&self) -> FlagKind {
        self.flag().map_or(FlagKind::Unknown, |flag| flag.kind)
    }

    /// Returns the flag's environment, such as `production`, or `None` if it has none.
    pub fn environment(&self) -> Option<&str> {
        self.ruleset.tables().environment(self.flag()?)
    }

    /// Returns whether the flag is on. A flag that is off serves its default variation.
    pub fn is_on(&self) -> bool {
        self.flag().is_some_and(|flag| flag.on)
    }

    /// Returns the number of targeting rules, without those that
    /// [`Ruleset::problems`](crate::Ruleset::problems) reports as unusable.
    pub fn rule_count(&self) -> usize {
        self.flag().map_or(0, |flag| flag.rules.len())
    }

    /// Returns the key of the variation that the flag serves if no rule decides. Returns `None` if
    /// the flag names no default variation, or one that does not exist or has no key.
    pub fn default_variation(&self) -> Option<&str> {
        let flag = self.flag()?;
        flag.variation(flag.default)?.key.as_deref()
    }

    fn flag(&self) -> Option<&Flag> {
        self.ruleset.tables().flag(self.position)
    }
}

impl PartialEq for FlagInfo {
    fn eq(&self, other: &FlagInfo) -> bool {
        self.key() == other.key()
            && self.kind() == other.kind()
            && self.environment() == other.environment()
            && self.is_on() == other.is_on()
            && self.rule_count() == other.rule_count()
            && self.default_variation() == other.default_variation()
    }
}

impl Eq for FlagInfo {}

impl fmt::Debug for FlagInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagInfo")
            .field("key", &self.key())
            .field("kind", &self.kind())
            .field("environment", &self.environment())
            .field("on", &self.is_on())
            .field("rules", &self.rule_count())
            .field("default_variation", &self.default_variation())
            .finish()
    }
}
