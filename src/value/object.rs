//! The members of a JSON object.

use std::borrow::Cow;
use std::fmt;
use std::iter::Map;
use std::slice;

use miniserde::ser::{self, Fragment, Serialize};

use super::Value;

/// The members of a JSON object, sorted by key.
#[derive(Clone, Default, PartialEq)]
pub struct Object(Vec<(String, Value)>);

impl Object {
    /// Returns an object without members.
    pub fn new() -> Object {
        Object::default()
    }

    /// Returns a member, or `None`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let position = self.position(key).ok()?;
        self.0.get(position).map(|(_, value)| value)
    }

    /// Sets a member and returns its previous value, or `None`.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.position(&key) {
            Ok(position) => self.0.get_mut(position).map(|(_, old)| std::mem::replace(old, value)),
            Err(position) => {
                self.0.insert(position, (key, value));
                None
            }
        }
    }

    /// Removes a member and returns its value, or `None`.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let position = self.position(key).ok()?;
        Some(self.0.remove(position).1)
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the object has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the keys of the members, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Returns the members, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Returns the values of the members.
    pub(super) fn into_values(self) -> impl Iterator<Item = Value> {
        self.0.into_iter().map(|(_, value)| value)
    }

    /// Sorts the members by key; of equal keys, the last one wins.
    pub(super) fn from_members(mut members: Vec<(String, Value)>) -> Object {
        sort_members(&mut members);
        members.shrink_to_fit();
        Object(members)
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(key))
    }
}

/// Sorts members by key; of equal keys, the last one stays.
pub(crate) fn sort_members<T>(members: &mut Vec<(String, T)>) {
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    members.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// If a key occurs more than once, the last value wins.
impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Object {
        let members = members.into_iter().map(|(key, value)| (key.into(), value.into()));
        Object::from_members(members.collect())
    }
}

/// If a key occurs more than once, the last value wins.
impl<K: Into<String>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Object {
    fn from(members: [(K, V); N]) -> Object {
        members.into_iter().collect()
    }
}

/// Sets members. If a key occurs more than once, the last value wins.
impl<K: Into<String>, V: Into<Value>> Extend<(K, V)> for Object {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, members: I) {
        // First, because the iterator may panic.
        let new: Vec<_> =
            members.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.0.extend(new);
        sort_members(&mut self.0);
    }
}

/// The members, sorted by key.
impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The members, sorted by key.
impl<'a> IntoIterator for &'a Object {
    type Item = (&'a str, &'a Value);
    type IntoIter = Map<slice::Iter<'a, (String, Value)>, fn(&'a (String, Value)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl Serialize for Object {
    fn begin(&self) -> Fragment<'_> {
        Fragment::Map(Box::new(Members(self.0.iter())))
    }
}

struct Members<'a>(slice::Iter<'a, (String, Value)>);

impl ser::Map for Members<'_> {
    fn next(&mut self) -> Option<(Cow<'_, str>, &dyn Serialize)> {
        let (key, value) = self.0.next()?;
        Some((Cow::Borrowed(key), value))
    }
}
