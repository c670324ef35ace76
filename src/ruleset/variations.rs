//! The variations of one flag while it is compiled: found by id, and then by key.

use super::flag::Variation;

/// The variations of one flag, found by id, and then by key.
pub(super) struct Variations {
    pub(super) listed: Vec<Variation>,
    ids: Vec<(Box<str>, u32)>,
    by_key: Vec<u32>,
}

impl Variations {
    pub(super) fn with_capacity(capacity: usize) -> Variations {
        Variations {
            listed: Vec::with_capacity(capacity),
            ids: Vec::with_capacity(capacity),
            by_key: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn add(&mut self, id: Option<Box<str>>, variation: Variation) {
        let position = self.listed.len() as u32;
        self.ids.extend(id.map(|id| (id, position)));
        if variation.key.is_some() {
            self.by_key.push(position);
        }
        self.listed.push(variation);
    }

    /// Sorts both ways; of two that are named alike the first one counts.
    pub(super) fn index(&mut self) {
        self.ids.sort();
        let listed = &self.listed;
        self.by_key.sort_by_key(|position| (key_at(listed, *position), *position));
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let by_id = self.ids.partition_point(|(id, _)| **id < *name);
        if let Some((id, position)) = self.ids.get(by_id)
            && **id == *name
        {
            return Some(*position);
        }
        let by_key =
            self.by_key.partition_point(|position| key_at(&self.listed, *position) < Some(name));
        let position = *self.by_key.get(by_key)?;
        (key_at(&self.listed, position) == Some(name)).then_some(position)
    }
}

fn key_at(listed: &[Variation], position: u32) -> Option<&str> {
    listed.get(position as usize)?.key.as_deref()
}
