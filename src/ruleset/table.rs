//! Hash tables: keyed by text, where crafted keys must not make them slow, and by position.
//!
//! Text is hashed by the standard library's SipHash, with secret keys drawn anew for each table.
//! FNV from a secret state is not enough: whether two texts collide under it depends on little
//! more than the lowest byte of the state, so that keys crafted for one state collide under about
//! one in a hundred others. Positions are our own numbers, for which FNV will do.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use fnv::FnvHasher;

pub(super) type TextMap<V> = HashMap<Arc<str>, V>;
pub(super) type TextSet = HashSet<Box<str>>;
pub(super) type PositionMap<V> = HashMap<u32, V, BuildHasherDefault<FnvHasher>>;
