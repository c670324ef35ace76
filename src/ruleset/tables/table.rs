//! Tables keyed by text, where crafted keys must not make them slow, and by position.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use fnv::FnvHasher;

use super::index::{Index, Named};

/// Positions are our own numbers, for which FNV will do.
pub(crate) type PositionMap<V> = HashMap<u32, V, BuildHasherDefault<FnvHasher>>;

/// Values by text, numbered in the order in which their keys came.
#[derive(Clone, Debug)]
pub(crate) struct TextMap<V> {
    entries: Vec<Entry<V>>,
    index: Index,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    key: Box<str>,
    value: V,
}

impl<V> Named for Entry<V> {
    fn name(&self) -> Option<&str> {
        Some(&self.key)
    }
}

impl<V> Default for TextMap<V> {
    fn default() -> TextMap<V> {
        TextMap { entries: Vec::new(), index: Index::default() }
    }
}

impl<V> TextMap<V> {
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        let number = self.index.find(key, &self.entries)?;
        self.entries.get(number as usize).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let number = self.index.find(key, &self.entries)?;
        self.entries.get_mut(number as usize).map(|entry| &mut entry.value)
    }

    /// Sets a value and returns the one before.
    pub(crate) fn insert(&mut self, key: Box<str>, value: V) -> Option<V> {
        if let Some(number) = self.index.find(&key, &self.entries)
            && let Some(entry) = self.entries.get_mut(number as usize)
        {
            return Some(std::mem::replace(&mut entry.value, value));
        }
        self.entries.push(Entry { key, value });
        self.index.update(&self.entries);
        None
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the keys in the order of their numbers.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.key)
    }
}
