//! The standard library's hash tables, keyed by text and by position.
//!
//! Text is hashed by SipHash, with secret keys drawn anew for each table, so that no crafted key
//! makes one slow. Positions are our own numbers, for which FNV will do.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use fnv::FnvHasher;

pub(super) type TextMap<V> = HashMap<Arc<str>, V>;
pub(super) type TextSet = HashSet<Box<str>>;
pub(super) type PositionMap<V> = HashMap<u32, V, BuildHasherDefault<FnvHasher>>;
