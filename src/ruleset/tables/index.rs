//! Positions found by text: what every evaluation asks first.
//!
//! Short lists are searched one by one. The texts of longer ones are hashed by a multiplication
//! for every eight bytes, from a secret seed. Whoever knows how may craft texts that gather in one
//! place under many seeds, so none is added far from its place: where one would be, all of them
//! move under another seed, and in the end to SipHash.

use std::hash::{BuildHasher, RandomState};

use crate::hash::hash;

/// The longest list that is searched one by one.
const FEW: usize = 8;

/// How far from its place a text may be added. Half of the places are free: the farthest of ten
/// million texts is expected to be nearer than this.
const FARTHEST: usize = 128;

/// How many seeds are tried before SipHash.
const SEEDS: u8 = 3;

/// What may be found by a text.
pub(crate) trait Named {
    fn name(&self) -> Option<&str>;
}

impl Named for Box<str> {
    fn name(&self) -> Option<&str> {
        Some(self)
    }
}

/// Finds positions in one list, which somebody else keeps and may only add to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index(Option<Box<Places>>);

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
            Some(places) => places.find(name, list),
        }
    }

    /// Takes in what was added to the list.
    pub(crate) fn update(&mut self, list: &[impl Named]) {
        if list.len() <= FEW {
            return;
        }
        let places = self.0.get_or_insert_with(|| Box::new(Places::new(Hasher::quick(1))));
        while let Some(name) = list.get(places.known).map(Named::name) {
            if let Some(name) = name
                && places.find(name, list).is_none()
            {
                places.insert(name, &|position| name_at(list, position));
            }
            places.known += 1;
        }
    }
}

fn name_at(list: &[impl Named], position: u32) -> Option<&str> {
    list.get(position as usize)?.name()
}

/// Places by hash.
#[derive(Clone, Debug)]
struct Places {
    hasher: Hasher,
    /// As many as a power of two, at least half of them free.
    slots: Vec<Slot>,
    taken: usize,
    /// How much of the list has been taken in.
    known: usize,
}

/// A place for a position, with the hash of its name.
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

impl Places {
    fn new(hasher: Hasher) -> Places {
        Places { hasher, slots: vec![FREE; 4 * FEW], taken: 0, known: 0 }
    }

    fn find(&self, name: &str, list: &[impl Named]) -> Option<u32> {
        let hash = self.hasher.hash(name);
        for place in self.places(hash) {
            let slot = self.slots.get(place)?;
            if slot.is_free() {
                return None;
            }
            if slot.hash == hash && name_at(list, slot.position) == Some(name) {
                return Some(slot.position);
            }
        }
        None
    }

    /// Gives the next position to a name that is not there yet.
    fn insert<'a>(&mut self, name: &str, name_at: &dyn Fn(u32) -> Option<&'a str>) {
        self.taken += 1;
        if self.taken * 2 > self.slots.len() {
            self.grow();
        }
        let position = self.known as u32;
        while !self.place(Slot { hash: self.hasher.hash(name), position }, self.farthest()) {
            self.move_all(name_at);
        }
    }

    fn grow(&mut self) {
        let larger = vec![FREE; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, larger) {
            self.place(slot, usize::MAX);
        }
    }

    /// Moves every name to where another hash puts it.
    fn move_all<'a>(&mut self, name_at: &dyn Fn(u32) -> Option<&'a str>) {
        let free = vec![FREE; self.slots.len()];
        let all = std::mem::replace(&mut self.slots, free);
        loop {
            self.hasher = self.hasher.next();
            let mut names = all.iter().filter_map(|slot| Some((slot, name_at(slot.position)?)));
            let placed = names.all(|(slot, name)| {
                self.place(Slot { hash: self.hasher.hash(name), ..*slot }, self.farthest())
            });
            if placed {
                return;
            }
            self.slots.fill(FREE);
        }
    }

    /// Puts a slot where its hash belongs, or after it; returns false where that is too far.
    fn place(&mut self, slot: Slot, farthest: usize) -> bool {
        if slot.is_free() {
            return true;
        }
        for place in self.places(slot.hash).take(farthest) {
            if let Some(free) = self.slots.get_mut(place).filter(|slot| slot.is_free()) {
                *free = slot;
                return true;
            }
        }
        false
    }

    fn farthest(&self) -> usize {
        match self.hasher {
            Hasher::Quick { .. } => FARTHEST,
            Hasher::Safe(_) => usize::MAX,
        }
    }

    /// Every place, from the one that a hash points to.
    fn places(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let last = self.slots.len() - 1;
        (0..self.slots.len()).map(move |step| (hash as usize).wrapping_add(step) & last)
    }
}

/// A hash with a secret seed.
#[derive(Clone, Debug)]
enum Hasher {
    Quick { seed: u64, tried: u8 },
    Safe(RandomState),
}

impl Hasher {
    fn quick(tried: u8) -> Hasher {
        Hasher::Quick { seed: RandomState::new().hash_one(0_u8), tried }
    }

    fn next(&self) -> Hasher {
        match *self {
            Hasher::Quick { tried, .. } if tried < SEEDS => Hasher::quick(tried + 1),
            Hasher::Quick { .. } | Hasher::Safe(_) => Hasher::Safe(RandomState::new()),
        }
    }

    fn hash(&self, text: &str) -> u32 {
        match self {
            Hasher::Quick { seed, .. } => hash(*seed, text.as_bytes()) as u32,
            Hasher::Safe(state) => safe(state, text),
        }
    }
}

/// Apart, so that the quick way stays short.
#[cold]
fn safe(state: &RandomState, text: &str) -> u32 {
    state.hash_one(text) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    /// Fills an index with different names, and checks that each is found, and no other.
    fn places(names: &[Box<str>], hasher: Hasher) -> Places {
        let mut index = Index(Some(Box::new(Places::new(hasher))));
        for length in FEW + 1..=names.len() {
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
        places(&names, Hasher::quick(1));
        places(&names, Hasher::Safe(RandomState::new()));
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
    fn ordinary_names_stay_near_their_places() {
        for name in [|n| format!("flag-{n}"), |n| format!("{n:08x}"), |n| format!("{n:040}")] {
            let names: Vec<_> = (0..100_000).map(|n| name(n).into()).collect();
            let hasher = places(&names, Hasher::quick(1)).hasher;
            assert!(matches!(hasher, Hasher::Quick { tried: 1, .. }), "{hasher:?}");
        }
    }

    /// Names whose second word makes the state the same under one seed, whatever the first is.
    fn colliding(seed: u64) -> Vec<Box<str>> {
        let name = |first: u64| {
            let state = mix(seed ^ 24 ^ first);
            let words = [first, state ^ u64::MAX, 0];
            Some(String::from_utf8(words.map(u64::to_le_bytes).concat()).ok()?.into())
        };
        (0..).filter_map(name).take(FARTHEST * 2).collect()
    }

    #[test]
    fn names_that_gather_move_to_where_they_spread() {
        let names = colliding(7);
        let first = hash(7, names[0].as_bytes());
        assert!(names.iter().all(|name| hash(7, name.as_bytes()) == first));
        let moved = places(&names, Hasher::Quick { seed: 7, tried: 1 }).hasher;
        assert!(matches!(moved, Hasher::Quick { tried: 2, .. }), "{moved:?}");
        let moved = places(&names, Hasher::Quick { seed: 7, tried: SEEDS }).hasher;
        assert!(matches!(moved, Hasher::Safe(_)), "{moved:?}");
    }
}
