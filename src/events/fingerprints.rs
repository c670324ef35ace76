//! A lock-free hash table of fingerprints, by open addressing.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;

use super::atomic::AtomicU64;

/// The length limit of a probe sequence. The table is at most half full, so random fingerprints
/// stay far below it.
const MAX_PROBES: usize = 128;

/// The content of an unused slot.
const FREE: u64 = 0;

/// The bits of a slot that hold its generation.
const GENERATION: u64 = 0xff;

/// The number of generations, from 1. After the last one comes the first again.
const GENERATIONS: u64 = 255;

/// A set of fingerprints. One thread at a time may change it, while others read; a reader may miss
/// a change that is just being made.
///
/// The last eight bits of a slot are its generation. A slot of another generation than the current
/// one is free, so a new generation clears the whole set.
pub(super) struct Fingerprints {
    /// The seed of the fingerprints. It is random, so that an attacker cannot craft collisions.
    pub(super) seed: u64,
    /// The current generation.
    generation: AtomicU64,
    /// The slots; their number is a power of two.
    slots: Box<[AtomicU64]>,
}

/// The result of adding a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Added {
    New,
    Known,
    /// Not added: the probe sequence has no free slot.
    NoSlot,
}

impl Fingerprints {
    /// Returns an empty table with room for `count` fingerprints. Each takes 16 to 32 bytes.
    pub(crate) fn new(count: usize) -> Fingerprints {
        let slots = count.saturating_mul(2).next_power_of_two();
        Fingerprints {
            seed: RandomState::new().hash_one(0_u8),
            generation: AtomicU64::new(1),
            slots: (0..slots).map(|_| AtomicU64::new(FREE)).collect(),
        }
    }

    /// Returns whether the set contains a fingerprint.
    #[inline]
    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        let tagged = fingerprint & !GENERATION | self.generation.load(Ordering::Acquire);
        // Relaxed loads suffice, since a slot guards no other memory.
        // The first slot is checked separately, because most fingerprints are in their first slot.
        let first = fingerprint as usize & self.slots.len().wrapping_sub(1);
        if self.slots.get(first).is_some_and(|slot| slot.load(Ordering::Relaxed) == tagged) {
            return true;
        }
        for slot in self.probe(fingerprint) {
            match slot.load(Ordering::Relaxed) ^ tagged {
                0 => return true,
                other if other & GENERATION != 0 => return false,
                _ => {}
            }
        }
        false
    }

    /// Adds a fingerprint, if there is a free slot for it.
    pub(super) fn add(&self, fingerprint: u64) -> Added {
        let generation = self.generation.load(Ordering::Acquire);
        let tagged = fingerprint & !GENERATION | generation;
        for slot in self.probe(fingerprint) {
            match slot.load(Ordering::Relaxed) {
                other if other == tagged => return Added::Known,
                other if other & GENERATION != generation => {
                    slot.store(tagged, Ordering::Relaxed);
                    return Added::New;
                }
                _ => {}
            }
        }
        Added::NoSlot
    }

    /// Removes all fingerprints. Each call also frees the slots of one part of the table, so that
    /// no slot of a generation remains when the generation is used again.
    pub(super) fn clear(&self) {
        let last = self.generation.load(Ordering::Acquire) % GENERATIONS;
        let part = self.slots.len().div_ceil(GENERATIONS as usize);
        for slot in self.slots.iter().skip(part * last as usize).take(part) {
            slot.store(FREE, Ordering::Relaxed);
        }
        self.generation.store(last + 1, Ordering::Release);
    }

    /// Returns the slots of a fingerprint's probe sequence.
    fn probe(&self, fingerprint: u64) -> impl Iterator<Item = &AtomicU64> {
        let first = fingerprint as usize;
        let last = self.slots.len().wrapping_sub(1);
        (0..MAX_PROBES).map_while(move |step| self.slots.get(first.wrapping_add(step) & last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash;

    #[test]
    fn a_full_table_finds_all_fingerprints() {
        for count in [1, 2, 1000, 1 << 17] {
            let table = Fingerprints::new(count);
            let all = || (0..count as u64).map(|number| hash(7, &number.to_le_bytes()));
            for fingerprint in all() {
                assert!(!table.contains(fingerprint));
                assert_eq!(table.add(fingerprint), Added::New);
                assert_eq!(table.add(fingerprint), Added::Known);
            }
            assert!(all().all(|fingerprint| table.contains(fingerprint)));
            table.clear();
            assert!(!all().any(|fingerprint| table.contains(fingerprint)));
        }
    }

    #[test]
    fn each_table_has_another_seed() {
        assert_ne!(Fingerprints::new(1).seed, Fingerprints::new(1).seed);
    }

    #[test]
    fn cleared_fingerprints_do_not_come_back() {
        let table = Fingerprints::new(1000);
        let all = || (0..1000_u64).map(|number| hash(7, &number.to_le_bytes()));
        assert!(all().all(|fingerprint| table.add(fingerprint) == Added::New));
        for round in 0..3 * GENERATIONS {
            table.clear();
            assert!(!all().any(|fingerprint| table.contains(fingerprint)), "{round}");
        }
        assert!(all().all(|fingerprint| table.add(fingerprint) == Added::New));
        assert!(all().all(|fingerprint| table.contains(fingerprint)));
    }

    #[test]
    fn clearing_touches_a_small_part_of_the_table() {
        let table = Fingerprints::new(10_000);
        let taken = || {
            let taken = |slot: &&AtomicU64| slot.load(Ordering::Relaxed) != FREE;
            table.slots.iter().filter(taken).count()
        };
        for number in 0..10_000_u64 {
            table.add(hash(7, &number.to_le_bytes()));
        }
        table.clear();
        assert!(taken() > 9_800, "{}", taken());
    }

    #[test]
    fn colliding_fingerprints_are_bounded() {
        let table = Fingerprints::new(1000);
        let colliding = |number: usize| (number as u64 + 1) << 32;
        for number in 0..MAX_PROBES {
            assert_eq!(table.add(colliding(number)), Added::New);
        }
        assert_eq!(table.add(colliding(MAX_PROBES)), Added::NoSlot);
        assert!(!table.contains(colliding(MAX_PROBES)));
        assert_eq!(table.add(colliding(0)), Added::Known);
    }
}
