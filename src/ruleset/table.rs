//! Hash tables keyed by text, seeded anew so that crafted keys cannot make them slow.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::sync::Arc;

use fnv::FnvHasher;

pub(super) type TextMap<V> = HashMap<Arc<str>, V, Seed>;
pub(super) type PositionMap<V> = HashMap<u32, V, BuildHasherDefault<FnvHasher>>;
pub(super) type TextSet = HashSet<Box<str>, Seed>;

/// Builds FNV hashers that start from a secret state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64);

impl Seed {
    /// Draws a seed; one for each ruleset is enough.
    pub(super) fn random() -> Seed {
        Seed(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seed {
    type Hasher = FnvHasher;

    fn build_hasher(&self) -> FnvHasher {
        FnvHasher::with_key(self.0)
    }
}
