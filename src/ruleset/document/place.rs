//! The places that the fields of a document are read into: scalars, objects and lists of them.
//!
//! A field of the wrong shape is kept as such instead of failing the document. Places know how
//! deep they stand, so that nesting is bounded while it is read.

use std::fmt;
use std::sync::Arc;

use miniserde::de::{Deserialize, Map, Seq, Visitor};

use crate::value::Number;
use crate::value::Slot;
use crate::value::Value;
use crate::value::json::{Skip, deeper};

/// How many malformed elements of one list are remembered with their position.
const MAX_FAULTS: usize = 10_000;

/// The places of lists and objects take no scalar, and say which one they found.
macro_rules! refuse_scalars {
    () => {
        fn boolean(&mut self, _: bool) -> miniserde::Result<()> {
            self.malformed(Found::Boolean)
        }

        fn string(&mut self, _: &str) -> miniserde::Result<()> {
            self.malformed(Found::String)
        }

        fn negative(&mut self, _: i64) -> miniserde::Result<()> {
            self.malformed(Found::Number)
        }

        fn nonnegative(&mut self, _: u64) -> miniserde::Result<()> {
            self.malformed(Found::Number)
        }

        fn float(&mut self, _: f64) -> miniserde::Result<()> {
            self.malformed(Found::Number)
        }
    };
}

pub(crate) use refuse_scalars;

/// What stands where something else was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
    SaysNothing,
}

impl Found {
    /// Returns its name, with its article.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Found::Null => "null",
            Found::Boolean => "a boolean",
            Found::Number => "a number",
            Found::String => "a string",
            Found::List => "a list",
            Found::Object => "an object",
            Found::SaysNothing => "one that says nothing",
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether something is there, and in the shape that was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Shape {
    #[default]
    Absent,
    Given,
    /// Holds what was found instead.
    Malformed(Found),
}

/// A scalar field.
#[derive(Debug)]
pub(crate) enum Field<T> {
    /// Not there, or `null`. The depth is where a misplaced list or object would stand.
    Absent {
        depth: u8,
    },
    Given(T),
    /// Holds what was found instead.
    Malformed(Found),
}

impl<T> Default for Field<T> {
    fn default() -> Field<T> {
        Field::Absent { depth: 0 }
    }
}

impl<T: Scalar> Field<T> {
    pub(super) fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = Field::Absent { depth };
        self
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Field::Absent { .. })
    }

    fn set(&mut self, value: Option<T>, found: Found) -> miniserde::Result<()> {
        *self = value.map_or(Field::Malformed(found), Field::Given);
        Ok(())
    }

    fn skip(&mut self, found: Found) -> miniserde::Result<Box<Skip>> {
        let depth = match self {
            Field::Absent { depth } => *depth,
            Field::Given(_) | Field::Malformed(_) => 0,
        };
        *self = Field::Malformed(found);
        Ok(Box::new(Skip::at(deeper(depth)?)))
    }
}

/// What a scalar field can be read from.
pub(crate) trait Scalar: Sized {
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

impl Scalar for Arc<str> {
    const EXPECTED: &'static str = "a string";

    fn from_text(value: &str) -> Option<Arc<str>> {
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
        self.set(T::from_bool(value), Found::Boolean)
    }

    fn string(&mut self, value: &str) -> miniserde::Result<()> {
        self.set(T::from_text(value), Found::String)
    }

    fn negative(&mut self, value: i64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), Found::Number)
    }

    fn nonnegative(&mut self, value: u64) -> miniserde::Result<()> {
        self.set(T::from_number(value.into()), Found::Number)
    }

    fn float(&mut self, value: f64) -> miniserde::Result<()> {
        self.set(Number::from_f64(value).and_then(T::from_number), Found::Number)
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        Ok(self.skip(Found::List)?)
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        Ok(self.skip(Found::Object)?)
    }
}

/// A field that may hold any value.
#[derive(Debug)]
pub(crate) struct AnyField(Slot);

impl Default for AnyField {
    fn default() -> AnyField {
        AnyField(Slot::at(0))
    }
}

impl AnyField {
    pub(super) fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        self.0 = Slot::at(depth);
        &mut self.0
    }

    /// Returns whether nothing has been read, or `null`.
    pub(super) fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    /// Takes the value; `null` where the field is absent.
    pub(crate) fn take_value(&mut self) -> Value {
        self.0.take().unwrap_or_default()
    }
}

/// A list of objects: those that are, and where those stood that are none.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) shape: Shape,
    depth: u8,
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) faults: Faults,
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { shape: Shape::Absent, depth: 0, entries: Vec::new(), faults: Faults::default() }
    }
}

/// An object of a list, with its position there.
#[derive(Debug, Default)]
pub(crate) struct Entry<T> {
    pub(crate) index: usize,
    depth: u8,
    shape: Shape,
    pub(crate) fields: T,
}

/// The elements of a list that are no objects: the first of them by position, all by number.
#[derive(Debug, Default)]
pub(crate) struct Faults(Option<Box<FaultList>>);

#[derive(Debug, Default)]
struct FaultList {
    listed: Vec<(usize, Found)>,
    total: usize,
}

impl Faults {
    fn add(&mut self, index: usize, found: Found) {
        let faults = self.0.get_or_insert_default();
        if faults.listed.len() < MAX_FAULTS {
            faults.listed.push((index, found));
        }
        faults.total += 1;
    }

    /// Returns the positions that are remembered, and what stands there.
    pub(crate) fn listed(&self) -> &[(usize, Found)] {
        self.0.as_ref().map_or(&[], |faults| &faults.listed)
    }

    /// Returns how many there are.
    pub(crate) fn total(&self) -> usize {
        self.0.as_ref().map_or(0, |faults| faults.total)
    }
}

impl<T> List<T> {
    /// Empties the list and keeps its memory.
    pub(crate) fn cleared(mut self) -> List<T> {
        self.entries.clear();
        List { entries: self.entries, ..List::default() }
    }
}

impl<T> List<T> {
    /// Returns whether there is no element, and no fault.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.faults.total() == 0
    }
}

impl<T: Fields> List<T> {
    pub(super) fn begin(&mut self, depth: u8) -> &mut dyn Visitor {
        *self = std::mem::take(self).cleared();
        self.depth = depth;
        self
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
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
        Ok(Box::new(Entries { list: self, depth, count: 0 }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Malformed(Found::Object);
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }
}

/// A list whose elements are being read.
struct Entries<'a, T> {
    list: &'a mut List<T>,
    depth: u8,
    count: usize,
}

impl<T: Fields> Entries<'_, T> {
    /// Takes the last element out again where it turned out to be no object, or to say nothing.
    fn settle(&mut self) {
        let List { entries, faults, .. } = &mut *self.list;
        let Some(entry) = entries.last() else { return };
        match entry.found() {
            Some(found) => faults.add(entry.index, found),
            None if !entry.fields.is_void() => return,
            None if T::VOID_IS_A_FAULT => faults.add(entry.index, Found::SaysNothing),
            None => {}
        }
        entries.pop();
    }
}

impl<T: Fields> Seq for Entries<'_, T> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.settle();
        let index = self.count;
        self.count += 1;
        let mut entry: Entry<T> = Default::default();
        entry.begin(index, self.depth);
        self.list.entries.push(entry);
        let entry = self.list.entries.last_mut().ok_or(miniserde::Error)?;
        Ok(entry)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.settle();
        Ok(())
    }
}

impl<T> Entry<T> {
    /// Takes the place of the element at `index`.
    pub(crate) fn begin(&mut self, index: usize, depth: u8) {
        (self.index, self.depth, self.shape) = (index, depth, Shape::Absent);
    }

    /// Returns what was found instead of an object, with its article.
    pub(crate) fn found(&self) -> Option<Found> {
        match self.shape {
            Shape::Given => None,
            Shape::Malformed(found) => Some(found),
            Shape::Absent => Some(Found::Null),
        }
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<T: Fields> Visitor for Entry<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        self.malformed(Found::Null)
    }

    refuse_scalars!();

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Malformed(Found::List);
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        Members::of(self.depth, &mut self.fields)
    }
}

/// An element that is read by itself.
impl<T: Fields> Deserialize for Entry<T> {
    fn begin(out: &mut Option<Entry<T>>) -> &mut dyn Visitor {
        out.insert(Default::default())
    }
}

/// The names of the fields, in the service's own spelling.
pub(crate) trait Fields: Default {
    /// Returns the place of a field, emptied, or `None` for a name that does not count.
    fn field(&mut self, name: &str, depth: u8) -> Option<&mut dyn Visitor>;

    /// Whether an object that says nothing is malformed; else it may as well not be there.
    const VOID_IS_A_FAULT: bool = false;

    /// Returns whether the object says nothing. A long list of such objects takes no memory.
    fn is_void(&self) -> bool {
        false
    }
}

/// An object whose fields are being read.
pub(super) struct Members<'a, T> {
    fields: &'a mut T,
    depth: u8,
    skip: Skip,
}

impl<'a, T: Fields> Members<'a, T> {
    /// The object that stands at `depth`.
    pub(crate) fn of(depth: u8, fields: &'a mut T) -> miniserde::Result<Box<dyn Map + 'a>> {
        let depth = deeper(depth)?;
        Ok(Box::new(Members { fields, depth, skip: Skip::at(depth) }))
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
