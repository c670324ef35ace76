//! Parses JSON text into a `Value`.

use std::str::FromStr;

use miniserde::de::{Map, Seq, Visitor};

use super::error::JsonError;
use super::json;
use super::{Object, Value};

/// Parses JSON text. A byte-order mark is skipped; nesting deeper than 128 levels is an error.
impl FromStr for Value {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Value, JsonError> {
        let mut slot: Slot = json::read(text)?;
        Ok(slot.take().unwrap_or_default())
    }
}

/// A target for one JSON value.
#[derive(Debug, Default)]
pub(crate) struct Slot(Option<Value>);

impl Slot {
    /// Returns whether the slot is empty or holds `null`.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.as_ref().is_none_or(Value::is_null)
    }

    /// Takes the value out of the slot.
    pub(crate) fn take(&mut self) -> Option<Value> {
        self.0.take()
    }

    fn set(&mut self, value: impl Into<Value>) -> miniserde::Result<()> {
        self.0 = Some(value.into());
        Ok(())
    }
}

impl Visitor for Slot {
    fn null(&mut self) -> miniserde::Result<()> {
        self.set(Value::Null)
    }

    fn boolean(&mut self, value: bool) -> miniserde::Result<()> {
        self.set(value)
    }

    fn string(&mut self, value: &str) -> miniserde::Result<()> {
        self.set(value)
    }

    fn negative(&mut self, value: i64) -> miniserde::Result<()> {
        self.set(value)
    }

    fn nonnegative(&mut self, value: u64) -> miniserde::Result<()> {
        self.set(value)
    }

    fn float(&mut self, value: f64) -> miniserde::Result<()> {
        self.set(value)
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        Ok(Box::new(ArrayBuilder {
            out: &mut self.0,
            elements: Vec::new(),
            element: Slot::default(),
        }))
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        Ok(Box::new(ObjectBuilder {
            out: &mut self.0,
            members: Vec::new(),
            key: String::new(),
            member: Slot::default(),
        }))
    }
}

struct ArrayBuilder<'a> {
    out: &'a mut Option<Value>,
    elements: Vec<Value>,
    element: Slot,
}

impl Seq for ArrayBuilder<'_> {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        self.elements.extend(self.element.take());
        Ok(&mut self.element)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.elements.extend(self.element.take());
        self.elements.shrink_to_fit();
        *self.out = Some(Value::Array(std::mem::take(&mut self.elements)));
        Ok(())
    }
}

struct ObjectBuilder<'a> {
    out: &'a mut Option<Value>,
    members: Vec<(String, Value)>,
    key: String,
    member: Slot,
}

impl ObjectBuilder<'_> {
    fn push_member(&mut self) {
        if let Some(value) = self.member.take() {
            self.members.push((std::mem::take(&mut self.key), value));
        }
    }
}

impl Map for ObjectBuilder<'_> {
    fn key(&mut self, key: &str) -> miniserde::Result<&mut dyn Visitor> {
        self.push_member();
        self.key.push_str(key);
        Ok(&mut self.member)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        self.push_member();
        *self.out = Some(Value::Object(Object::from_members(std::mem::take(&mut self.members))));
        Ok(())
    }
}
