//! Reads the fields of a document, and reports those that are unusable.

use std::fmt::Display;

use crate::ruleset::document::{Field, List, Scalar, Shape};
use crate::ruleset::problem::{Path, Problems};
use crate::ruleset::tables::excerpt;

/// Something is unusable, and has been reported.
pub(super) struct Unusable;

/// Each method reports what is wrong, and its consequence.
impl Problems {
    /// Reads a reference to a variation from the first of these fields that is not empty.
    pub(super) fn reference<const N: usize>(
        &mut self,
        path: Path<'_>,
        fields: [(&'static str, Field<Box<str>>); N],
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

    /// Reads a required field.
    pub(super) fn given<T: Scalar>(
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

    /// Reads an optional field.
    pub(super) fn read<T: Scalar>(
        &mut self,
        path: Path<'_>,
        field: Field<T>,
        consequence: &str,
    ) -> Result<Option<T>, Unusable> {
        match field {
            Field::Absent => Ok(None),
            Field::Given(value) => Ok(Some(value)),
            Field::Malformed(found) => {
                self.mismatch(path, T::EXPECTED, found, consequence);
                Err(Unusable)
            }
        }
    }

    /// Checks that a field is a list or absent.
    pub(super) fn list<T>(
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

    /// Reports the malformed elements of a list, and returns whether there are any.
    pub(super) fn faults<T>(&mut self, path: Path<'_>, list: &List<T>, consequence: &str) -> bool {
        let listed = list.faults.listed();
        for (index, found) in listed {
            self.mismatch(path.item(*index), "an object", found, consequence);
        }
        self.omit(list.faults.total() - listed.len());
        list.faults.total() > 0
    }

    #[cold]
    pub(super) fn mismatch(
        &mut self,
        path: Path<'_>,
        expected: &str,
        found: impl Display,
        consequence: &str,
    ) {
        self.report(path, format_args!("expected {expected}, found {found}: {consequence}"));
    }

    #[cold]
    pub(super) fn dangling(&mut self, path: Path<'_>, what: &str, name: &str, consequence: &str) {
        let name = excerpt(name);
        self.report(path, format_args!("there is no {what} `{name}`: {consequence}"));
    }
}
