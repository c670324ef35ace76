//! JSON text to typed documents: what the service sent, field by field, unjudged.
//!
//! Both dialects and any mix of them are read in one pass. Flags are handed over one by one, so
//! that no more than one of them is held as a document. Refers to nothing by position and checks
//! no name: that is the compiler's work.

mod outline;
mod place;

pub(crate) use outline::Outline;
pub(crate) use place::{Entry, Field, Found, List, Scalar, Shape};

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use miniserde::de::{Deserialize, Map, Seq, Visitor};

use self::place::{AnyField, Fields, Members, refuse_scalars};
use crate::ruleset::error::RulesetError;
use crate::value::Number;
use crate::value::Value;
use crate::value::json::{self, Skip, deeper};

/// Takes the flags of a document as they come.
pub(crate) trait Consumer: Default {
    /// Takes a flag; what it leaves is overwritten by the next one.
    fn flag(&mut self, index: usize, flag: &mut FlagDocument);

    /// Takes note of an element that is no object.
    fn malformed_flag(&mut self, index: usize, found: Found);
}

/// A word of the service's own vocabulary. The usual ones take no memory.
#[derive(Debug)]
pub(crate) struct Word(Cow<'static, str>);

/// The words that most documents repeat for each flag.
const USUAL_WORDS: [&str; 19] = [
    "active",
    "production",
    "development",
    "staging",
    "boolean",
    "string",
    "number",
    "json",
    "is",
    "one_of",
    "is_not",
    "not_one_of",
    "contains",
    "not_contains",
    "gt",
    "lt",
    "matches_regex",
    "version_gt",
    "version_lt",
];

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for Word {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Word> {
        let usual = USUAL_WORDS.into_iter().find(|word| *word == text);
        Some(Word(usual.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)))
    }
}

/// What there is beside the flags, which the consumer has taken.
#[derive(Debug, Default)]
pub(crate) struct Document<C> {
    pub(crate) consumer: C,
    pub(crate) segments: List<SegmentDocument>,
    pub(crate) version: Value,
}

#[derive(Debug, Default)]
pub(crate) struct FlagDocument {
    pub(crate) key: Field<Arc<str>>,
    pub(crate) flag_type: Field<Word>,
    pub(crate) enabled: Field<bool>,
    pub(crate) status: Field<Word>,
    pub(crate) environment: Field<Word>,
    pub(crate) default_variation: Field<Box<str>>,
    pub(crate) default_variation_id: Field<Box<str>>,
    /// What exports write for the default.
    pub(crate) default_variation_key: Field<Box<str>>,
    pub(crate) variations: List<VariationDocument>,
    pub(crate) prerequisites: List<PrerequisiteDocument>,
    pub(crate) targeting_rules: List<RuleDocument>,
}

#[derive(Debug, Default)]
pub(crate) struct VariationDocument {
    pub(crate) id: Field<Box<str>>,
    pub(crate) key: Field<Box<str>>,
    pub(crate) value: AnyField,
}

#[derive(Debug, Default)]
pub(crate) struct PrerequisiteDocument {
    pub(crate) flag_key: Field<Box<str>>,
    pub(crate) variation_key: Field<Box<str>>,
}

#[derive(Debug, Default)]
pub(crate) struct RuleDocument {
    pub(crate) priority: Field<Number>,
    pub(crate) conditions: List<ConditionDocument>,
    pub(crate) variation: Field<Box<str>>,
    pub(crate) variation_id: Field<Box<str>>,
    pub(crate) segment_id: Field<Box<str>>,
    pub(crate) percentage_rollout: Option<Box<RolloutDocument>>,
}

#[derive(Debug, Default)]
pub(crate) struct RolloutEntryDocument {
    pub(crate) variation: Field<Box<str>>,
    pub(crate) variation_id: Field<Box<str>>,
    pub(crate) percentage: Field<Number>,
    pub(crate) weight: Field<Number>,
}

#[derive(Debug, Default)]
pub(crate) struct SegmentDocument {
    pub(crate) id: Field<Box<str>>,
    pub(crate) key: Field<Box<str>>,
    pub(crate) conditions: List<ConditionDocument>,
}

#[derive(Debug, Default)]
pub(crate) struct ConditionDocument {
    pub(crate) attribute: Field<Box<str>>,
    pub(crate) operator: Field<Word>,
    value: AnyField,
    /// What exports write for the value.
    values: AnyField,
}

impl ConditionDocument {
    /// Takes the value, by the documented name if it is there.
    pub(crate) fn take_value(&mut self) -> Value {
        if self.value.is_absent() { self.values.take_value() } else { self.value.take_value() }
    }
}

impl FlagDocument {
    /// Empties every field and keeps the memory of the lists.
    fn clear(&mut self) {
        *self = FlagDocument {
            variations: std::mem::take(&mut self.variations).cleared(),
            prerequisites: std::mem::take(&mut self.prerequisites).cleared(),
            targeting_rules: std::mem::take(&mut self.targeting_rules).cleared(),
            ..FlagDocument::default()
        };
    }
}

impl<C: Consumer> Document<C> {
    /// Reads a ruleset.
    pub(crate) fn parse(text: &str) -> Result<Document<C>, RulesetError> {
        let mut root: Root<C> = json::read(text).map_err(RulesetError::syntax)?;
        let (mut parent, mut path) = ("", "flags");
        if root.flags.shape == Shape::Absent
            && let Some(data) = root.data.take()
        {
            let outer = std::mem::replace(&mut root, *data);
            if root.segments.shape == Shape::Absent {
                root.segments = outer.segments;
            }
            if root.version.is_absent() {
                root.version = outer.version;
            }
            (parent, path) = ("data", "data.flags");
        }
        if let Shape::Malformed(found) = root.shape {
            return Err(RulesetError::shape(parent, found.as_str()));
        }
        match root.flags.shape {
            Shape::Given => Ok(Document {
                consumer: root.flags.consumer,
                segments: root.segments,
                version: root.version.take_value(),
            }),
            Shape::Absent => Err(RulesetError::shape(path, "nothing")),
            Shape::Malformed(found) => Err(RulesetError::shape(path, found.as_str())),
        }
    }
}

/// The outermost value: a list of flags, an object with one, or an object around such an object.
#[derive(Default)]
struct Root<C> {
    shape: Shape,
    depth: u8,
    flags: FlagList<C>,
    segments: List<SegmentDocument>,
    version: AnyField,
    data: Option<Box<Root<C>>>,
}

impl<C> Root<C> {
    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<C: Consumer> Fields for Root<C> {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flags" => self.flags.begin(depth),
            "segments" => self.segments.begin(depth),
            "version" => self.version.begin(depth),
            "data" => &mut **self.data.insert(Box::new(Root { depth, ..Default::default() })),
            _ => return None,
        })
    }
}

impl<C: Consumer> Visitor for Root<C> {
    refuse_scalars!();

    fn null(&mut self) -> miniserde::Result<()> {
        self.malformed(Found::Null)
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        self.flags.begin(self.depth).seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        Members::of(self.depth, self)
    }
}

impl<C: Consumer> Deserialize for Root<C> {
    fn begin(out: &mut Option<Root<C>>) -> &mut dyn Visitor {
        out.insert(Default::default())
    }
}

/// The list of flags, of which each goes to the consumer when it is complete.
#[derive(Default)]
struct FlagList<C> {
    shape: Shape,
    depth: u8,
    consumer: C,
    entry: Entry<FlagDocument>,
}

impl<C: Consumer> FlagList<C> {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = FlagList { depth, ..FlagList::default() };
        self
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<C: Consumer> Visitor for FlagList<C> {
    refuse_scalars!();

    /// Counts as absent.
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        let depth = deeper(self.depth)?;
        Ok(Box::new(FlagEntries { list: self, depth, count: 0 }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Malformed(Found::Object);
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }
}

/// A list whose flags are being read.
struct FlagEntries<'a, C> {
    list: &'a mut FlagList<C>,
    depth: u8,
    count: usize,
}

impl<C: Consumer> FlagEntries<'_, C> {
    /// Hands the last element over.
    fn settle(&mut self) {
        let Some(index) = self.count.checked_sub(1) else {
            return;
        };
        let FlagList { consumer, entry, .. } = &mut *self.list;
        match entry.found() {
            None => consumer.flag(index, &mut entry.fields),
            Some(found) => consumer.malformed_flag(index, found),
        }
    }
}

impl<C: Consumer> Seq for FlagEntries<'_, C> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.settle();
        let entry = &mut self.list.entry;
        entry.fields.clear();
        entry.begin(self.count, self.depth);
        self.count += 1;
        Ok(entry)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.settle();
        Ok(())
    }
}

/// A list of entries, or an object that holds one under `variations`.
#[derive(Debug, Default)]
pub(crate) struct RolloutDocument {
    pub(crate) shape: Shape,
    depth: u8,
    /// Whether the entries stand in an object.
    pub(crate) wrapped: bool,
    pub(crate) entries: List<RolloutEntryDocument>,
}

impl RolloutDocument {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = RolloutDocument { depth, ..RolloutDocument::default() };
        self
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl Fields for RolloutDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        (name == "variations").then(|| self.entries.begin(depth))
    }
}

impl Visitor for RolloutDocument {
    refuse_scalars!();

    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        self.entries.begin(self.depth).seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        self.wrapped = true;
        Members::of(self.depth, self)
    }
}

impl Fields for FlagDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "key" => self.key.begin(depth),
            "flag_type" => self.flag_type.begin(depth),
            "enabled" => self.enabled.begin(depth),
            "status" => self.status.begin(depth),
            "environment" => self.environment.begin(depth),
            "default_variation" => self.default_variation.begin(depth),
            "default_variation_id" => self.default_variation_id.begin(depth),
            "default_variation_key" => self.default_variation_key.begin(depth),
            "variations" => self.variations.begin(depth),
            "prerequisites" => self.prerequisites.begin(depth),
            "targeting_rules" => self.targeting_rules.begin(depth),
            _ => return None,
        })
    }
}

impl Fields for VariationDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "id" => self.id.begin(depth),
            "key" => self.key.begin(depth),
            "value" => self.value.begin(depth),
            _ => return None,
        })
    }

    fn is_void(&self) -> bool {
        self.id.is_absent() && self.key.is_absent()
    }
}

impl Fields for PrerequisiteDocument {
    const VOID_IS_A_FAULT: bool = true;

    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flag_key" => self.flag_key.begin(depth),
            "variation_key" => self.variation_key.begin(depth),
            _ => return None,
        })
    }

    fn is_void(&self) -> bool {
        self.flag_key.is_absent() && self.variation_key.is_absent()
    }
}

impl Fields for RuleDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "priority" => self.priority.begin(depth),
            "conditions" => self.conditions.begin(depth),
            "variation" => self.variation.begin(depth),
            "variation_id" => self.variation_id.begin(depth),
            "segment_id" => self.segment_id.begin(depth),
            "percentage_rollout" => self.percentage_rollout.get_or_insert_default().begin(depth),
            _ => return None,
        })
    }

    fn is_void(&self) -> bool {
        let rollout = self.percentage_rollout.as_ref();
        rollout.is_none_or(|rollout| rollout.shape == Shape::Absent)
            && self.variation.is_absent()
            && self.variation_id.is_absent()
            && self.segment_id.is_absent()
            && self.conditions.is_empty()
            && !matches!(self.conditions.shape, Shape::Malformed(_))
            && !matches!(self.priority, Field::Malformed(_))
    }
}

impl Fields for RolloutEntryDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "variation" => self.variation.begin(depth),
            "variation_id" => self.variation_id.begin(depth),
            "percentage" => self.percentage.begin(depth),
            "weight" => self.weight.begin(depth),
            _ => return None,
        })
    }

    /// Without a weight it is never served.
    fn is_void(&self) -> bool {
        self.variation.is_absent()
            && self.variation_id.is_absent()
            && self.percentage.is_absent()
            && self.weight.is_absent()
    }
}

impl Fields for SegmentDocument {
    const VOID_IS_A_FAULT: bool = true;

    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "id" => self.id.begin(depth),
            "key" => self.key.begin(depth),
            "conditions" => self.conditions.begin(depth),
            _ => return None,
        })
    }

    fn is_void(&self) -> bool {
        self.id.is_absent() && self.key.is_absent() && self.conditions.is_empty()
    }
}

impl Fields for ConditionDocument {
    const VOID_IS_A_FAULT: bool = true;

    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "attribute" => self.attribute.begin(depth),
            "operator" => self.operator.begin(depth),
            "value" => self.value.begin(depth),
            "values" => self.values.begin(depth),
            _ => return None,
        })
    }

    fn is_void(&self) -> bool {
        self.attribute.is_absent() && self.operator.is_absent()
    }
}
