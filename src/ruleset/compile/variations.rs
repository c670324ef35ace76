//! The variations of one flag during compilation, found by id or else by key.

use crate::ruleset::tables::{Index, Named, Variation};

/// The variations of one flag. Of several with the same id or key, the first one counts.
pub(super) struct Variations {
    pub(super) listed: Vec<Variation>,
    ids: Vec<Id>,
    by_id: Index,
    by_key: Index,
}

struct Id {
    id: Box<str>,
    position: u32,
}

impl Named for Id {
    fn name(&self) -> Option<&str> {
        Some(&self.id)
    }
}

impl Variations {
    pub(super) fn with_capacity(capacity: usize) -> Variations {
        Variations {
            listed: Vec::with_capacity(capacity),
            ids: Vec::with_capacity(capacity),
            by_id: Index::default(),
            by_key: Index::default(),
        }
    }

    pub(super) fn add(&mut self, id: Option<Box<str>>, variation: Variation) {
        let position = self.listed.len() as u32;
        self.listed.push(variation);
        self.by_key.update(&self.listed);
        if let Some(id) = id {
            self.ids.push(Id { id, position });
            self.by_id.update(&self.ids);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        match self.by_id.find(name, &self.ids) {
            Some(found) => self.ids.get(found as usize).map(|id| id.position),
            None => self.by_key.find(name, &self.listed),
        }
    }
}
