//! Positions found by text: what every evaluation asks first.
//!
//! Texts are hashed by a multiplication for every eight bytes, from a secret seed. Whoever knows
//! how may craft texts that gather in one place under many seeds, so no text may stand far from its
//! place: where one would, all of them move under another seed, and in the end to SipHash.

use std::hash::{BuildHasher, RandomState};

/// How far from its place a text may stand. Half of the places are free: the farthest of ten
/// million texts is expected to be nearer than this.
const FARTHEST: usize = 128;

/// How many seeds are tried before SipHash.
const SEEDS: u8 = 3;

/// What is found by its text.
pub(super) trait Text {
    fn text(&self) -> &str;
}

/// The positions of texts in a list that somebody else keeps.
#[derive(Clone, Debug)]
pub(super) struct Index {
    hasher: Hasher,
    /// As many as a power of two, at least half of them free.
    slots: Vec<Slot>,
    taken: usize,
}

/// A place for a position, with the hash of its text.
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

    fn text<'a>(&self, texts: &'a [impl Text]) -> &'a str {
        texts.get(self.position as usize).map_or("", Text::text)
    }
}

impl Default for Index {
    fn default() -> Index {
        Index { hasher: Hasher::quick(1), slots: Vec::new(), taken: 0 }
    }
}

impl Index {
    /// Returns the position of a text.
    pub(super) fn find(&self, text: &str, texts: &[impl Text]) -> Option<u32> {
        let hash = self.hasher.hash(text);
        for place in self.places(hash) {
            let slot = self.slots.get(place)?;
            if slot.is_free() {
                return None;
            }
            if slot.hash == hash && slot.text(texts) == text {
                return Some(slot.position);
            }
        }
        None
    }

    /// Returns the position of a text that will be the next one.
    pub(super) fn insert(&mut self, text: &str, texts: &[impl Text]) -> u32 {
        let position = texts.len() as u32;
        self.taken += 1;
        if self.taken * 2 > self.slots.len() {
            self.grow();
        }
        while !self.place(Slot { hash: self.hasher.hash(text), position }, self.farthest()) {
            self.move_all(texts);
        }
        position
    }

    fn grow(&mut self) {
        let larger = vec![FREE; (self.taken * 2).next_power_of_two()];
        for slot in taken(std::mem::replace(&mut self.slots, larger)) {
            self.place(slot, usize::MAX);
        }
    }

    /// Moves every text to where another hash puts it.
    fn move_all(&mut self, texts: &[impl Text]) {
        let free = vec![FREE; self.slots.len()];
        let all: Vec<Slot> = taken(std::mem::replace(&mut self.slots, free)).collect();
        loop {
            self.hasher = self.hasher.next();
            let placed = all.iter().all(|slot| {
                let hash = self.hasher.hash(slot.text(texts));
                self.place(Slot { hash, ..*slot }, self.farthest())
            });
            if placed {
                return;
            }
            self.slots.fill(FREE);
        }
    }

    /// Puts a slot where its hash belongs, or after it; returns false where that is too far.
    fn place(&mut self, slot: Slot, farthest: usize) -> bool {
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
        let last = self.slots.len().wrapping_sub(1);
        (0..self.slots.len()).map(move |step| (hash as usize).wrapping_add(step) & last)
    }
}

fn taken(slots: Vec<Slot>) -> impl Iterator<Item = Slot> {
    slots.into_iter().filter(|slot| !slot.is_free())
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
            Hasher::Quick { seed, .. } => quick(*seed, text.as_bytes()),
            Hasher::Safe(state) => state.hash_one(text) as u32,
        }
    }
}

/// Hashes eight bytes at a time; the last ones may be counted twice.
fn quick(seed: u64, bytes: &[u8]) -> u32 {
    let mut hash = seed ^ bytes.len() as u64;
    for word in bytes.as_chunks().0 {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    let last = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(word), _, _) => u64::from_le_bytes(*word),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        // At most three.
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash ^ last) as u32
}

/// Multiplies by the golden ratio's bits, and folds the upper half of the product into the lower.
fn mix(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

impl Text for Box<str> {
    fn text(&self) -> &str {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills an index with texts, and checks that each is found, and no other.
    fn index(texts: &[Box<str>], hasher: Hasher) -> Index {
        let mut index = Index { hasher, ..Index::default() };
        for (position, text) in texts.iter().enumerate() {
            let before = &texts[..position];
            assert_eq!(index.find(text, before), None, "{text}");
            assert_eq!(index.insert(text, before), position as u32);
        }
        for (position, text) in (0..).zip(texts) {
            assert_eq!(index.find(text, texts), Some(position), "{text}");
        }
        assert_eq!(index.find("another text", texts), None);
        index
    }

    #[test]
    fn finds_texts_of_every_length() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        let texts: Vec<_> = (0..26).map(|length| alphabet[..length].into()).collect();
        index(&texts, Hasher::quick(1));
        index(&texts, Hasher::Safe(RandomState::new()));
    }

    #[test]
    fn ordinary_texts_stay_near_their_places() {
        for names in [|n| format!("flag-{n}"), |n| format!("{n:08x}"), |n| format!("{n:040}")] {
            let texts: Vec<_> = (0..100_000).map(|n| names(n).into()).collect();
            let index = index(&texts, Hasher::quick(1));
            assert!(matches!(index.hasher, Hasher::Quick { tried: 1, .. }), "{:?}", index.hasher);
        }
    }

    /// Texts whose second word makes the state the same under one seed, whatever the first is.
    fn colliding(seed: u64) -> Vec<Box<str>> {
        let text = |first: u64| {
            let state = mix(seed ^ 24 ^ first);
            let words = [first, state ^ u64::MAX, 0];
            Some(String::from_utf8(words.map(u64::to_le_bytes).concat()).ok()?.into())
        };
        (0..).filter_map(text).take(FARTHEST * 2).collect()
    }

    #[test]
    fn texts_that_gather_move_to_where_they_spread() {
        let texts = colliding(7);
        let first = quick(7, texts[0].as_bytes());
        assert!(texts.iter().all(|text| quick(7, text.as_bytes()) == first));
        let moved = index(&texts, Hasher::Quick { seed: 7, tried: 1 }).hasher;
        assert!(matches!(moved, Hasher::Quick { tried: 2, .. }), "{moved:?}");
        let moved = index(&texts, Hasher::Quick { seed: 7, tried: SEEDS }).hasher;
        assert!(matches!(moved, Hasher::Safe(_)), "{moved:?}");
    }
}
