//! Lookup by text and by position, which crafted texts cannot slow down.
//!
//! Short lists are searched linearly. Longer ones have a hash table with open addressing and a fast
//! hash with a secret seed. Some texts collide under many seeds, so the length of a probe is
//! bounded: if it is exceeded, the table is rebuilt with another seed, and finally with SipHash.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};

use fnv::FnvHasher;

use crate::hash::hash;

/// The length up to which a list is searched linearly.
const LINEAR_MAX: usize = 8;

/// How many slots a fast hash may probe. Half of the slots are free, so even the longest probe
/// among ten million texts is expected to be shorter.
const MAX_PROBE: usize = 128;

/// The number of seeds to try before SipHash.
const SEEDS: u8 = 3;

/// An element that may have a name to find it by.
pub(crate) trait Named {
    fn name(&self) -> Option<&str>;
}

impl Named for Box<str> {
    fn name(&self) -> Option<&str> {
        Some(self)
    }
}

/// Finds positions in one list by name. The caller keeps the list, and may only append to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index(Option<Box<HashTable>>);

impl Index {
    /// Returns the index of a list.
    pub(crate) fn of(list: &[impl Named]) -> Index {
        let mut index = Index::default();
        index.update(list);
        index
    }

    /// Returns the first position of a name.
    #[inline]
    pub(crate) fn find(&self, name: &str, list: &[impl Named]) -> Option<u32> {
        match &self.0 {
            None => list.iter().position(|one| one.name() == Some(name)).map(|found| found as u32),
            Some(table) => table.find(name, list),
        }
    }

    /// Adds the elements that were appended to the list.
    pub(crate) fn update(&mut self, list: &[impl Named]) {
        if list.len() <= LINEAR_MAX {
            return;
        }
        let table = self.0.get_or_insert_with(|| Box::new(HashTable::new(Hasher::fast(1))));
        while let Some(name) = list.get(table.indexed).map(Named::name) {
            if let Some(name) = name
                && table.find(name, list).is_none()
            {
                table.insert(name, &|position| name_at(list, position));
            }
            table.indexed += 1;
        }
    }
}

/// Values by position. Nobody can choose positions, so a weak hash is enough.
pub(crate) type PositionMap<V> = HashMap<u32, V, BuildHasherDefault<FnvHasher>>;

/// Values by text, in the order of insertion.
#[derive(Clone, Debug)]
pub(crate) struct TextMap<V> {
    entries: Vec<KeyValue<V>>,
    index: Index,
}

#[derive(Clone, Debug)]
struct KeyValue<V> {
    key: Box<str>,
    value: V,
}

impl<V> Named for KeyValue<V> {
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
        let position = self.index.find(key, &self.entries)?;
        self.entries.get(position as usize).map(|entry| &entry.value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let position = self.index.find(key, &self.entries)?;
        self.entries.get_mut(position as usize).map(|entry| &mut entry.value)
    }

    /// Sets the value of a key, and returns the previous one.
    pub(crate) fn insert(&mut self, key: Box<str>, value: V) -> Option<V> {
        if let Some(position) = self.index.find(&key, &self.entries)
            && let Some(entry) = self.entries.get_mut(position as usize)
        {
            return Some(std::mem::replace(&mut entry.value, value));
        }
        self.entries.push(KeyValue { key, value });
        self.index.update(&self.entries);
        None
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the keys in the order of insertion.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.key)
    }
}

fn name_at(list: &[impl Named], position: u32) -> Option<&str> {
    list.get(position as usize)?.name()
}

/// Positions by the hash of their name.
#[derive(Clone, Debug)]
struct HashTable {
    hasher: Hasher,
    /// Their number is a power of two. At least half of them are free.
    slots: Vec<Slot>,
    used: usize,
    /// How many elements of the list have been added.
    indexed: usize,
}

/// A position with the hash of its name.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    position: u32,
}

const FREE: Slot = Slot { hash: 0, position: u32::MAX };

impl Slot {
    fn is_free(&self) -> bool {
        self.position == FREE.position
    }
}

impl HashTable {
    fn new(hasher: Hasher) -> HashTable {
        HashTable { hasher, slots: vec![FREE; 4 * LINEAR_MAX], used: 0, indexed: 0 }
    }

    fn find(&self, name: &str, list: &[impl Named]) -> Option<u32> {
        let hash = self.hasher.hash(name);
        for number in self.probe(hash) {
            let slot = self.slots.get(number)?;
            if slot.is_free() {
                return None;
            }
            if slot.hash == hash && name_at(list, slot.position) == Some(name) {
                return Some(slot.position);
            }
        }
        None
    }

    /// Adds the name of the next element, which must not be in the table yet.
    fn insert<'a>(&mut self, name: &str, name_at: &dyn Fn(u32) -> Option<&'a str>) {
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            self.grow();
        }
        let position = self.indexed as u32;
        while !self.try_insert(Slot { hash: self.hasher.hash(name), position }, self.max_probe()) {
            self.rehash(name_at);
        }
    }

    fn grow(&mut self) {
        let larger = vec![FREE; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, larger) {
            self.try_insert(slot, usize::MAX);
        }
    }

    /// Rebuilds the table with the next hasher.
    fn rehash<'a>(&mut self, name_at: &dyn Fn(u32) -> Option<&'a str>) {
        let free = vec![FREE; self.slots.len()];
        let all = std::mem::replace(&mut self.slots, free);
        loop {
            self.hasher = self.hasher.next();
            let mut names = all.iter().filter_map(|slot| Some((slot, name_at(slot.position)?)));
            let inserted = names.all(|(slot, name)| {
                self.try_insert(Slot { hash: self.hasher.hash(name), ..*slot }, self.max_probe())
            });
            if inserted {
                return;
            }
            self.slots.fill(FREE);
        }
    }

    /// Inserts a slot at the first free position of its probe. Returns false if the first `max_probe`
    /// positions are all in use.
    fn try_insert(&mut self, slot: Slot, max_probe: usize) -> bool {
        if slot.is_free() {
            return true;
        }
        for number in self.probe(slot.hash).take(max_probe) {
            if let Some(free) = self.slots.get_mut(number).filter(|slot| slot.is_free()) {
                *free = slot;
                return true;
            }
        }
        false
    }

    fn max_probe(&self) -> usize {
        match self.hasher {
            Hasher::Fast { .. } => MAX_PROBE,
            Hasher::Sip(_) => usize::MAX,
        }
    }

    /// Returns the numbers of all slots, starting with the one of the hash.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let last = self.slots.len() - 1;
        (0..self.slots.len()).map(move |step| (hash as usize).wrapping_add(step) & last)
    }
}

/// A hash with a secret seed.
#[derive(Clone, Debug)]
enum Hasher {
    Fast { seed: u64, tried: u8 },
    Sip(RandomState),
}

impl Hasher {
    fn fast(tried: u8) -> Hasher {
        Hasher::Fast { seed: RandomState::new().hash_one(0_u8), tried }
    }

    fn next(&self) -> Hasher {
        match *self {
            Hasher::Fast { tried, .. } if tried < SEEDS => Hasher::fast(tried + 1),
            Hasher::Fast { .. } | Hasher::Sip(_) => Hasher::Sip(RandomState::new()),
        }
    }

    fn hash(&self, text: &str) -> u32 {
        match self {
            Hasher::Fast { seed, .. } => hash(*seed, text.as_bytes()) as u32,
            Hasher::Sip(state) => sip_hash(state, text),
        }
    }
}

/// A separate function, so that the fast path stays short.
#[cold]
fn sip_hash(state: &RandomState, text: &str) -> u32 {
    state.hash_one(text) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    /// Indexes distinct names, and checks that each of them is found and no other.
    fn index(names: &[Box<str>], hasher: Hasher) -> HashTable {
        let mut index = Index(Some(Box::new(HashTable::new(hasher))));
        for length in LINEAR_MAX + 1..=names.len() {
            let (before, last) = (&names[..length - 1], &names[length - 1]);
            assert_eq!(index.find(last, before), None, "{last}");
            index.update(&names[..length]);
        }
        for (position, name) in (0..).zip(names) {
            assert_eq!(index.find(name, names), Some(position), "{name}");
        }
        assert_eq!(index.find("another name", names), None);
        *index.0.unwrap()
    }

    #[test]
    fn finds_names_of_every_length() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        let names: Vec<_> = (0..=26).map(|length| alphabet[..length].into()).collect();
        index(&names, Hasher::fast(1));
        index(&names, Hasher::Sip(RandomState::new()));
    }

    #[test]
    fn of_equal_names_the_first_counts() {
        for times in [1, 100] {
            let names: Vec<Box<str>> =
                ["a", "b", "a"].repeat(times).into_iter().map(Into::into).collect();
            let index = Index::of(&names);
            let found = ["a", "b", "c"].map(|name| index.find(name, &names));
            assert_eq!(found, [Some(0), Some(1), None]);
        }
    }

    #[test]
    fn ordinary_names_need_one_seed() {
        for name in [|n| format!("flag-{n}"), |n| format!("{n:08x}"), |n| format!("{n:040}")] {
            let names: Vec<_> = (0..100_000).map(|n| name(n).into()).collect();
            let hasher = index(&names, Hasher::fast(1)).hasher;
            assert!(matches!(hasher, Hasher::Fast { tried: 1, .. }), "{hasher:?}");
        }
    }

    /// Names whose second word makes the state the same under one seed, whatever the first is.
    fn colliding(seed: u64) -> Vec<Box<str>> {
        let name = |first: u64| {
            let state = mix(seed ^ 24 ^ first);
            let words = [first, state ^ u64::MAX, 0];
            Some(String::from_utf8(words.map(u64::to_le_bytes).concat()).ok()?.into())
        };
        (0..).filter_map(name).take(MAX_PROBE * 2).collect()
    }

    #[test]
    fn colliding_names_change_the_seed() {
        let names = colliding(7);
        let first = hash(7, names[0].as_bytes());
        assert!(names.iter().all(|name| hash(7, name.as_bytes()) == first));
        let moved = index(&names, Hasher::Fast { seed: 7, tried: 1 }).hasher;
        assert!(matches!(moved, Hasher::Fast { tried: 2, .. }), "{moved:?}");
        let moved = index(&names, Hasher::Fast { seed: 7, tried: SEEDS }).hasher;
        assert!(matches!(moved, Hasher::Sip(_)), "{moved:?}");
    }
}
