//! JSON text to typed documents: what the service sent, field by field, unjudged.
//!
//! Both dialects and any mix of them are read in one pass. A field of the wrong shape is kept as
//! such, so that one bad flag cannot take the others with it. Refers to nothing by index and
//! checks no name: that is the compiler's work.

use miniserde::de::{Deserialize, Map, Seq, Visitor};

use crate::error::RulesetError;
use crate::json::{self, Skip, deeper};
use crate::value::{Number, Slot, Value};

/// How many malformed elements of one list are remembered with their position.
const MAX_FAULTS: usize = 10_000;

/// The places of lists and objects take no scalar, and say which one they found.
macro_rules! refuse_scalars {
    () => {
        fn boolean(&mut self, _: bool) -> miniserde::Result<()> {
            self.malformed("a boolean")
        }

        fn string(&mut self, _: &str) -> miniserde::Result<()> {
            self.malformed("a string")
        }

        fn negative(&mut self, _: i64) -> miniserde::Result<()> {
            self.malformed("a number")
        }

        fn nonnegative(&mut self, _: u64) -> miniserde::Result<()> {
            self.malformed("a number")
        }

        fn float(&mut self, _: f64) -> miniserde::Result<()> {
            self.malformed("a number")
        }
    };
}

/// A ruleset as it came.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) flags: List<FlagDocument>,
    pub(super) segments: List<SegmentDocument>,
    pub(super) version: AnyField,
}

#[derive(Debug, Default)]
pub(super) struct FlagDocument {
    pub(super) key: Field<Box<str>>,
    pub(super) flag_type: Field<Box<str>>,
    pub(super) enabled: Field<bool>,
    pub(super) status: Field<Box<str>>,
    pub(super) default_variation: Field<Box<str>>,
    pub(super) default_variation_id: Field<Box<str>>,
    pub(super) variations: List<VariationDocument>,
    pub(super) prerequisites: List<PrerequisiteDocument>,
    pub(super) targeting_rules: List<RuleDocument>,
}

#[derive(Debug, Default)]
pub(super) struct VariationDocument {
    pub(super) id: Field<Box<str>>,
    pub(super) key: Field<Box<str>>,
    pub(super) value: AnyField,
}

#[derive(Debug, Default)]
pub(super) struct PrerequisiteDocument {
    pub(super) flag_key: Field<Box<str>>,
    pub(super) variation_key: Field<Box<str>>,
}

#[derive(Debug, Default)]
pub(super) struct RuleDocument {
    pub(super) priority: Field<Number>,
    pub(super) conditions: List<ConditionDocument>,
    pub(super) variation: Field<Box<str>>,
    pub(super) variation_id: Field<Box<str>>,
    pub(super) segment_id: Field<Box<str>>,
    pub(super) percentage_rollout: RolloutDocument,
}

#[derive(Debug, Default)]
pub(super) struct RolloutEntryDocument {
    pub(super) variation: Field<Box<str>>,
    pub(super) variation_id: Field<Box<str>>,
    pub(super) percentage: Field<Number>,
    pub(super) weight: Field<Number>,
}

#[derive(Debug, Default)]
pub(super) struct SegmentDocument {
    pub(super) id: Field<Box<str>>,
    pub(super) key: Field<Box<str>>,
    pub(super) conditions: List<ConditionDocument>,
}

#[derive(Debug, Default)]
pub(super) struct ConditionDocument {
    pub(super) attribute: Field<Box<str>>,
    pub(super) operator: Field<Box<str>>,
    pub(super) value: AnyField,
}

impl Document {
    /// Reads a ruleset.
    pub(super) fn parse(text: &str) -> Result<Document, RulesetError> {
        let mut root: Root = json::read(text).map_err(RulesetError::syntax)?;
        let mut path = "flags";
        if root.flags.shape == Shape::Absent
            && let Some(data) = root.data.take()
        {
            root = *data;
            path = "data.flags";
        }
        if let Shape::Malformed(found) = root.shape {
            return Err(RulesetError::shape(
                path.trim_end_matches("flags").trim_end_matches('.'),
                found,
            ));
        }
        match root.flags.shape {
            Shape::Given => Ok(Document {
                flags: root.flags,
                segments: root.segments,
                version: root.version,
            }),
            Shape::Absent => Err(RulesetError::shape(path, "nothing")),
            Shape::Malformed(found) => Err(RulesetError::shape(path, found)),
        }
    }
}

/// A list of entries, or an object that holds one under `variations`.
#[derive(Debug, Default)]
pub(super) struct RolloutDocument {
    pub(super) shape: Shape,
    depth: u8,
    /// Whether the entries stand in an object.
    pub(super) wrapped: bool,
    pub(super) entries: List<RolloutEntryDocument>,
}

impl RolloutDocument {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = RolloutDocument {
            depth,
            ..RolloutDocument::default()
        };
        self
    }

    fn malformed(&mut self, found: &'static str) -> miniserde::Result<()> {
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

/// The outermost value: a list of flags, an object with one, or an object around such an object.
#[derive(Debug, Default)]
struct Root {
    shape: Shape,
    depth: u8,
    flags: List<FlagDocument>,
    segments: List<SegmentDocument>,
    version: AnyField,
    data: Option<Box<Root>>,
}

impl Root {
    fn malformed(&mut self, found: &'static str) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl Fields for Root {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flags" => self.flags.begin(depth),
            "segments" => self.segments.begin(depth),
            "version" => self.version.begin(depth),
            "data" => &mut **self.data.insert(Box::new(Root {
                depth,
                ..Default::default()
            })),
            _ => return None,
        })
    }
}

impl Visitor for Root {
    refuse_scalars!();

    fn null(&mut self) -> miniserde::Result<()> {
        self.malformed("null")
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

impl Deserialize for Root {
    fn begin(out: &mut Option<Root>) -> &mut dyn Visitor {
        out.insert(Default::default())
    }
}

/// The names of the fields, in the service's own spelling.
pub(super) trait Fields: Default {
    /// Returns the place of a field, emptied, or `None` for a name that does not count.
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor>;
}

impl Fields for FlagDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "key" => self.key.begin(depth),
            "flag_type" => self.flag_type.begin(depth),
            "enabled" => self.enabled.begin(depth),
            "status" => self.status.begin(depth),
            "default_variation" => self.default_variation.begin(depth),
            "default_variation_id" => self.default_variation_id.begin(depth),
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
}

impl Fields for PrerequisiteDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flag_key" => self.flag_key.begin(depth),
            "variation_key" => self.variation_key.begin(depth),
            _ => return None,
        })
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
            "percentage_rollout" => self.percentage_rollout.begin(depth),
            _ => return None,
        })
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
}

impl Fields for SegmentDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "id" => self.id.begin(depth),
            "key" => self.key.begin(depth),
            "conditions" => self.conditions.begin(depth),
            _ => return None,
        })
    }
}

impl Fields for ConditionDocument {
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor> {
        Some(match name {
            "attribute" => self.attribute.begin(depth),
            "operator" => self.operator.begin(depth),
            "value" => self.value.begin(depth),
            _ => return None,
        })
    }
}

/// Whether something is there, and in the shape that was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Shape {
    #[default]
    Absent,
    Given,
    /// Holds what was found instead, with its article.
    Malformed(&'static str),
}

/// A scalar field.
#[derive(Debug)]
pub(super) enum Field<T> {
    /// Not there, or `null`. The depth is where a misplaced list or object would stand.
    Absent {
        depth: u8,
    },
    Given(T),
    /// Holds what was found instead, with its article.
    Malformed(&'static str),
}

impl<T> Default for Field<T> {
    fn default() -> Field<T> {
        Field::Absent { depth: 0 }
    }
}

impl<T: Scalar> Field<T> {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = Field::Absent { depth };
        self
    }

    fn set(&mut self, value: Option<T>, found: &'static str) -> miniserde::Result<()> {
        *self = value.map_or(Field::Malformed(found), Field::Given);
        Ok(())
    }

    fn skip(&mut self, found: &'static str) -> miniserde::Result<Box<Skip>> {
        let depth = match self {
            Field::Absent { depth } => *depth,
            Field::Given(_) | Field::Malformed(_) => 0,
        };
        *self = Field::Malformed(found);
        Ok(Box::new(Skip::at(deeper(depth)?)))
    }
}

/// What a scalar field can be read from.
pub(super) trait Scalar: Sized {
    /// The shape that is expected, with its article.
    const EXPECTED: &'static str;

    fn from_bool(_: bool) -> Option<Self> {
        None
    }

    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_number(_: Number) -> Option<Self> {
        None
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_bool(value: bool) -> Option<bool> {
        Some(value)
    }
}

impl Scalar for Box<str> {
    const EXPECTED: &'static str = "a string";

    fn from_text(value: &str) -> Option<Box<str>> {
        Some(value.into())
    }
}

impl Scalar for Number {
    const EXPECTED: &'static str = "a number";

    fn from_number(value: Number) -> Option<Number> {
        Some(value)
    }
}

impl<T: Scalar> Visitor for Field<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> miniserde::Result<()> {
        self.set(T::from_bool(value), "a boolean")
    }

    fn string(&mut self, value: &str) -> miniserde::Result<()> {
        self.set(T::from_text(value), "a string")
    }

    fn negative(&mut self, value: i64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), "a number")
    }

    fn nonnegative(&mut self, value: u64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), "a number")
    }

    fn float(&mut self, value: f64) -> miniserde::Result<()> {
        self.set(Number::from_f64(value).and_then(T::from_number), "a number")
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        Ok(self.skip("a list")?)
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        Ok(self.skip("an object")?)
    }
}

/// A field that may hold any value.
#[derive(Debug)]
pub(super) struct AnyField(Slot);

impl Default for AnyField {
    fn default() -> AnyField {
        AnyField(Slot::at(0))
    }
}

impl AnyField {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        self.0 = Slot::at(depth);
        &mut self.0
    }

    /// Returns the value; `null` where the field is absent.
    pub(super) fn into_value(mut self) -> Value {
        self.0.take().unwrap_or_default()
    }
}

/// A list of objects: those that are, and where those stood that are none.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) shape: Shape,
    depth: u8,
    pub(super) entries: Vec<Entry<T>>,
    pub(super) faults: Faults,
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List {
            shape: Shape::Absent,
            depth: 0,
            entries: Vec::new(),
            faults: Faults::default(),
        }
    }
}

/// An object of a list, with its position there.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) index: usize,
    depth: u8,
    shape: Shape,
    pub(super) fields: T,
}

/// The elements of a list that are no objects: the first of them by position, all by number.
#[derive(Debug, Default)]
pub(super) struct Faults(Option<Box<FaultList>>);

#[derive(Debug, Default)]
struct FaultList {
    listed: Vec<(usize, &'static str)>,
    total: usize,
}

impl Faults {
    fn add(&mut self, index: usize, found: &'static str) {
        let faults = self.0.get_or_insert_default();
        if faults.listed.len() < MAX_FAULTS {
            faults.listed.push((index, found));
        }
        faults.total += 1;
    }

    /// Returns the positions that are remembered, and what stands there.
    pub(super) fn listed(&self) -> &[(usize, &'static str)] {
        self.0.as_ref().map_or(&[], |faults| &faults.listed)
    }

    /// Returns how many there are.
    pub(super) fn total(&self) -> usize {
        self.0.as_ref().map_or(0, |faults| faults.total)
    }
}

impl<T: Fields> List<T> {
    fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = List {
            depth,
            ..List::default()
        };
        self
    }

    fn malformed(&mut self, found: &'static str) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<T: Fields> Visitor for List<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    refuse_scalars!();

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        let depth = deeper(self.depth)?;
        Ok(Box::new(Entries {
            list: self,
            depth,
            count: 0,
        }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Malformed("an object");
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }
}

/// A list whose elements are being read.
struct Entries<'a, T> {
    list: &'a mut List<T>,
    depth: u8,
    count: usize,
}

impl<T> Entries<'_, T> {
    /// Takes the last element out again where it turned out to be no object.
    fn settle(&mut self) {
        let List {
            entries, faults, ..
        } = &mut *self.list;
        let malformed = entries.pop_if(|entry| entry.shape != Shape::Given);
        if let Some(entry) = malformed {
            let found = match entry.shape {
                Shape::Malformed(found) => found,
                Shape::Absent | Shape::Given => "null",
            };
            faults.add(entry.index, found);
        }
    }
}

impl<T: Fields> Seq for Entries<'_, T> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.settle();
        let index = self.count;
        self.count += 1;
        self.list.entries.push(Entry {
            index,
            depth: self.depth,
            shape: Shape::Absent,
            fields: T::default(),
        });
        let entry = self.list.entries.last_mut().ok_or(miniserde::Error)?;
        Ok(entry)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.settle();
        Ok(())
    }
}

impl<T: Fields> Entry<T> {
    fn malformed(&mut self, found: &'static str) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<T: Fields> Visitor for Entry<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        self.malformed("null")
    }

    refuse_scalars!();

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Malformed("a list");
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        Members::of(self.depth, &mut self.fields)
    }
}

/// An object whose fields are being read.
struct Members<'a, T> {
    fields: &'a mut T,
    depth: u8,
    skip: Skip,
}

impl<'a, T: Fields> Members<'a, T> {
    /// The object that stands at `depth`.
    fn of(depth: u8, fields: &'a mut T) -> miniserde::Result<Box<dyn Map + 'a>> {
        let depth = deeper(depth)?;
        Ok(Box::new(Members {
            fields,
            depth,
            skip: Skip::at(depth),
        }))
    }
}

impl<T: Fields> Map for Members<'_, T> {
    fn key(&mut self, name: &str) -> miniserde::Result<&mut dyn Visitor> {
        Ok(match self.fields.field(name, self.depth) {
            Some(place) => place,
            None => &mut self.skip,
        })
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}
