//! The objects of a document and the names of their fields.

use std::sync::Arc;

use miniserde::de::{Map, Seq, Visitor};

use super::field::{AnyField, Field, Found, Shape, Word};
use super::list::{List, Object, ObjectReader, refuse_scalars};
use crate::value::{Number, Value};

#[derive(Debug, Default)]
pub(crate) struct FlagDocument {
    pub(crate) key: Field<Arc<str>>,
    pub(crate) flag_type: Field<Word>,
    pub(crate) enabled: Field<bool>,
    pub(crate) status: Field<Word>,
    pub(crate) environment: Field<Word>,
    pub(crate) default_variation: Field<Box<str>>,
    pub(crate) default_variation_id: Field<Box<str>>,
    /// The name of `default_variation` in exports.
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
    /// The name of `value` in exports.
    values: AnyField,
}

impl ConditionDocument {
    /// Takes the value, under its documented name if present.
    pub(crate) fn take_value(&mut self) -> Value {
        if self.value.is_absent() { self.values.take_value() } else { self.value.take_value() }
    }
}

impl FlagDocument {
    /// Empties every field, but keeps the memory of the lists.
    pub(super) fn clear(&mut self) {
        *self = FlagDocument {
            variations: std::mem::take(&mut self.variations).cleared(),
            prerequisites: std::mem::take(&mut self.prerequisites).cleared(),
            targeting_rules: std::mem::take(&mut self.targeting_rules).cleared(),
            ..FlagDocument::default()
        };
    }
}

/// A list of entries, or an object that holds such a list as `variations`.
#[derive(Debug, Default)]
pub(crate) struct RolloutDocument {
    pub(crate) shape: Shape,
    /// Whether the list is in an object.
    pub(crate) wrapped: bool,
    pub(crate) entries: List<RolloutEntryDocument>,
}

impl RolloutDocument {
    fn begin(&mut self) -> &mut dyn Visitor {
        *self = RolloutDocument::default();
        self
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl Object for RolloutDocument {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        (name == "variations").then(|| self.entries.begin())
    }
}

impl Visitor for RolloutDocument {
    refuse_scalars!();

    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        self.entries.begin().seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        self.wrapped = true;
        Ok(ObjectReader::of(self))
    }
}

impl Object for FlagDocument {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "key" => self.key.begin(),
            "flag_type" => self.flag_type.begin(),
            "enabled" => self.enabled.begin(),
            "status" => self.status.begin(),
            "environment" => self.environment.begin(),
            "default_variation" => self.default_variation.begin(),
            "default_variation_id" => self.default_variation_id.begin(),
            "default_variation_key" => self.default_variation_key.begin(),
            "variations" => self.variations.begin(),
            "prerequisites" => self.prerequisites.begin(),
            "targeting_rules" => self.targeting_rules.begin(),
            _ => return None,
        })
    }
}

impl Object for VariationDocument {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "id" => self.id.begin(),
            "key" => self.key.begin(),
            "value" => self.value.begin(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        self.id.is_absent() && self.key.is_absent()
    }
}

impl Object for PrerequisiteDocument {
    const EMPTY_IS_MALFORMED: bool = true;

    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flag_key" => self.flag_key.begin(),
            "variation_key" => self.variation_key.begin(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        self.flag_key.is_absent() && self.variation_key.is_absent()
    }
}

impl Object for RuleDocument {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "priority" => self.priority.begin(),
            "conditions" => self.conditions.begin(),
            "variation" => self.variation.begin(),
            "variation_id" => self.variation_id.begin(),
            "segment_id" => self.segment_id.begin(),
            "percentage_rollout" => self.percentage_rollout.get_or_insert_default().begin(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
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

impl Object for RolloutEntryDocument {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "variation" => self.variation.begin(),
            "variation_id" => self.variation_id.begin(),
            "percentage" => self.percentage.begin(),
            "weight" => self.weight.begin(),
            _ => return None,
        })
    }

    /// Without a weight, the entry is never served.
    fn is_empty(&self) -> bool {
        self.variation.is_absent()
            && self.variation_id.is_absent()
            && self.percentage.is_absent()
            && self.weight.is_absent()
    }
}

impl Object for SegmentDocument {
    const EMPTY_IS_MALFORMED: bool = true;

    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "id" => self.id.begin(),
            "key" => self.key.begin(),
            "conditions" => self.conditions.begin(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        self.id.is_absent() && self.key.is_absent() && self.conditions.is_empty()
    }
}

impl Object for ConditionDocument {
    const EMPTY_IS_MALFORMED: bool = true;

    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "attribute" => self.attribute.begin(),
            "operator" => self.operator.begin(),
            "value" => self.value.begin(),
            "values" => self.values.begin(),
            _ => return None,
        })
    }

    fn is_empty(&self) -> bool {
        self.attribute.is_absent() && self.operator.is_absent()
    }
}
