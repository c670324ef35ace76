//! Objects and lists of objects in a document.
//!
//! A list or an object of the wrong type is recorded instead of failing the document.

use miniserde::de::{Map, Seq, Visitor};

use super::field::{Found, Shape};

/// How many malformed elements of one list are kept with their index.
const MAX_FAULTS: usize = 10_000;

/// Implements the methods of a list's or an object's visitor for scalars: they are malformed.
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

pub(super) use refuse_scalars;

/// A list of objects, and its elements that are not objects.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) shape: Shape,
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) faults: Faults,
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { shape: Shape::Absent, entries: Vec::new(), faults: Faults::default() }
    }
}

/// An object in a list, with its index.
#[derive(Debug, Default)]
pub(crate) struct Entry<T> {
    pub(crate) index: usize,
    shape: Shape,
    pub(crate) object: T,
}

/// The malformed elements of a list: the index of the first 10,000, and the number of all.
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

    /// Returns the indices that are kept, each with the type that was found.
    pub(crate) fn listed(&self) -> &[(usize, Found)] {
        self.0.as_ref().map_or(&[], |faults| &faults.listed)
    }

    /// Returns the number of malformed elements.
    pub(crate) fn total(&self) -> usize {
        self.0.as_ref().map_or(0, |faults| faults.total)
    }
}

impl<T> List<T> {
    /// Returns the list without elements, with the memory it has allocated.
    pub(super) fn cleared(mut self) -> List<T> {
        self.entries.clear();
        List { entries: self.entries, ..List::default() }
    }

    /// Returns whether the list has no elements, not even malformed ones.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.faults.total() == 0
    }
}

impl<T: Object> List<T> {
    pub(super) fn begin(&mut self) -> &mut dyn Visitor {
        *self = std::mem::take(self).cleared();
        self
    }

    fn malformed(&mut self, found: Found) -> miniserde::Result<()> {
        self.shape = Shape::Malformed(found);
        Ok(())
    }
}

impl<T: Object> Visitor for List<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    refuse_scalars!();

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Given;
        Ok(Box::new(ListReader { list: self, count: 0 }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Malformed(Found::Object);
        <dyn Visitor>::ignore().map()
    }
}

/// Reads the elements of a list.
struct ListReader<'a, T> {
    list: &'a mut List<T>,
    count: usize,
}

impl<T: Object> ListReader<'_, T> {
    /// Removes the last element if it is malformed or empty.
    fn complete(&mut self) {
        let List { entries, faults, .. } = &mut *self.list;
        let Some(entry) = entries.last() else { return };
        match entry.found() {
            Some(found) => faults.add(entry.index, found),
            None if !entry.object.is_empty() => return,
            None if T::EMPTY_IS_MALFORMED => faults.add(entry.index, Found::EmptyObject),
            None => {}
        }
        entries.pop();
    }
}

impl<T: Object> Seq for ListReader<'_, T> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.complete();
        let index = self.count;
        self.count += 1;
        let mut entry: Entry<T> = Default::default();
        entry.begin(index);
        self.list.entries.push(entry);
        let entry = self.list.entries.last_mut().ok_or(miniserde::Error)?;
        Ok(entry)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.complete();
        Ok(())
    }
}

impl<T> Entry<T> {
    /// Starts to read the element at `index`.
    pub(super) fn begin(&mut self, index: usize) {
        (self.index, self.shape) = (index, Shape::Absent);
    }

    /// Returns the type that was found instead of an object; `None` if it is an object.
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

impl<T: Object> Visitor for Entry<T> {
    fn null(&mut self) -> miniserde::Result<()> {
        self.malformed(Found::Null)
    }

    refuse_scalars!();

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        self.shape = Shape::Malformed(Found::List);
        <dyn Visitor>::ignore().seq()
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        self.shape = Shape::Given;
        Ok(ObjectReader::of(&mut self.object))
    }
}

/// An object, read field by field.
pub(crate) trait Object: Default {
    /// Returns the field of a name, emptied; `None` if the name is not known.
    fn field(&mut self, name: &str) -> Option<&mut dyn Visitor>;

    /// Whether an empty object in a list is malformed. If not, it is skipped.
    const EMPTY_IS_MALFORMED: bool = false;

    /// Returns whether the object has no meaning. A list does not keep such objects.
    fn is_empty(&self) -> bool {
        false
    }
}

/// Reads the fields of an object and skips unknown ones.
pub(super) struct ObjectReader<'a, T>(&'a mut T);

impl<'a, T: Object> ObjectReader<'a, T> {
    pub(super) fn of(object: &'a mut T) -> Box<dyn Map + 'a> {
        Box::new(ObjectReader(object))
    }
}

impl<T: Object> Map for ObjectReader<'_, T> {
    fn key(&mut self, name: &str) -> miniserde::Result<&mut dyn Visitor> {
        Ok(match self.0.field(name) {
            Some(field) => field,
            None => <dyn Visitor>::ignore(),
        })
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}
