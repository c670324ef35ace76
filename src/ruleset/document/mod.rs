//! Reads JSON text as a typed document, without judging its content.
//!
//! Both dialects and any mix of them are read in one pass. Flags are passed on one by one, so that
//! at most one of them is held as a document. The compiler resolves and checks names.

mod field;
mod indexed_text;
mod list;
mod outline;
mod schema;

pub(super) use field::{Field, Found, Scalar, Shape, Word};
pub(crate) use indexed_text::IndexedText;
pub(super) use list::{Entry, List};
pub(super) use outline::Outline;
pub(super) use schema::{
    ConditionDocument, FlagDocument, PrerequisiteDocument, RolloutDocument, RolloutEntryDocument,
    RuleDocument, SegmentDocument, VariationDocument,
};

use miniserde::de::{Map, Seq, Visitor};

use self::field::AnyField;
use self::list::{Object, ObjectReader, refuse_scalars};
use crate::ruleset::error::RulesetError;
use crate::value::Value;
use crate::value::json;

/// Receives the flags of a document, one by one.
pub(crate) trait Consumer: Default {
    /// Returns such a consumer that has received nothing.
    fn fresh(&self) -> Self;

    /// Receives a flag, and may take its fields.
    fn flag(&mut self, index: usize, flag: &mut FlagDocument);

    /// Receives the type of an element that is not an object.
    fn malformed_flag(&mut self, index: usize, found: Found);
}

/// A document whose flags have gone to a consumer.
#[derive(Debug, Default)]
pub(crate) struct Document<C> {
    pub(crate) consumer: C,
    pub(crate) segments: List<SegmentDocument>,
    pub(crate) version: Value,
}

impl<C: Consumer> Document<C> {
    /// Reads a document, whose flags go to the consumer.
    pub(crate) fn parse(text: &str, consumer: C) -> Result<Document<C>, RulesetError> {
        let mut root = Root::of(consumer);
        json::read_into(text, &mut root).map_err(RulesetError::syntax)?;
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
    flags: FlagList<C>,
    segments: List<SegmentDocument>,
    version: AnyField,
    data: Option<Box<Root<C>>>,
}

impl<C: Consumer> Root<C> {
    fn of(consumer: C) -> Root<C> {
        Root { flags: FlagList { consumer, ..FlagList::default() }, ..Root::default() }
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<C: Consumer> Object for Root<C> {
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor> {
        Some(match name {
            "flags" => self.flags.begin(),
            "segments" => self.segments.begin(),
            "version" => self.version.begin(),
            "data" => {
                let inner = Root::of(self.flags.consumer.fresh());
                &mut **self.data.insert(Box::new(inner))
            }
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
        self.flags.begin().seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        Ok(ObjectReader::of(self))
    }
}

/// The list of flags. Each goes to the consumer when it is complete.
#[derive(Default)]
struct FlagList<C> {
    shape: Shape,
    consumer: C,
    entry: Entry<FlagDocument>,
}

impl<C: Consumer> FlagList<C> {
    fn begin(&mut self) -> &mut dyn Visitor {
        *self = FlagList { consumer: self.consumer.fresh(), ..FlagList::default() };
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
        Ok(Box::new(FlagListReader { list: self, count: 0 }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Malformed(Found::Object);
        <dyn Visitor>::ignore().map()
    }
}

/// Reads the elements of the list of flags.
struct FlagListReader<'a, C> {
    list: &'a mut FlagList<C>,
    count: usize,
}

impl<C: Consumer> FlagListReader<'_, C> {
    /// Passes the last element to the consumer.
    fn complete(&mut self) {
        let Some(index) = self.count.checked_sub(1) else {
            return;
        };
        let FlagList { consumer, entry, .. } = &mut *self.list;
        match entry.found() {
            None => consumer.flag(index, &mut entry.object),
            Some(found) => consumer.malformed_flag(index, found),
        }
    }
}

impl<C: Consumer> Seq for FlagListReader<'_, C> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.complete();
        let entry = &mut self.list.entry;
        entry.object.clear();
        entry.begin(self.count);
        self.count += 1;
        Ok(entry)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.complete();
        Ok(())
    }
}
