//! A table of fingerprints that is read without a lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// How far from its place a fingerprint may stand. At least half of the places are free, so that
/// none that chance has made comes near this.
const FARTHEST: usize = 128;

/// What stands in a place that is free.
const FREE: u64 = 0;

/// Fingerprints, each where its last bits point to, or after it. One thread at a time may change
/// it; others may ask meanwhile, and then learn of a change now or a little later.
///
/// Nothing beside it that changes is on the cache lines of what is read here each time.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Fingerprints {
    /// What they are to be made with: a secret, so that nobody crafts texts whose fingerprints
    /// meet.
    pub(crate) seed: u64,
    /// As many as a power of two.
    places: Box<[AtomicU64]>,
}

/// What became of a fingerprint that was to be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Added {
    /// It was not there before.
    New,
    /// It was there.
    Known,
    /// It would stand too far from its place.
    TooFar,
}

impl Fingerprints {
    /// Returns a table with room for so many, of 16 to 32 bytes each.
    pub(crate) fn new(count: usize) -> Fingerprints {
        let places = count.saturating_mul(2).next_power_of_two();
        Fingerprints {
            seed: RandomState::new().hash_one(0_u8),
            places: (0..places).map(|_| AtomicU64::new(FREE)).collect(),
        }
    }

    /// Returns whether a fingerprint is there.
    #[inline]
    pub(crate) fn contains(&self, fingerprint: u64) -> bool {
        for place in self.places(fingerprint) {
            // Nothing else in memory is read because of what stands here.
            match place.load(Ordering::Relaxed) {
                FREE => return false,
                other if other == fingerprint => return true,
                _ => {}
            }
        }
        false
    }

    /// Adds a fingerprint, which is not zero.
    pub(crate) fn add(&self, fingerprint: u64) -> Added {
        for place in self.places(fingerprint) {
            match place.load(Ordering::Relaxed) {
                FREE => {
                    place.store(fingerprint, Ordering::Relaxed);
                    return Added::New;
                }
                other if other == fingerprint => return Added::Known,
                _ => {}
            }
        }
        Added::TooFar
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        for place in &self.places {
            place.store(FREE, Ordering::Relaxed);
        }
    }

    /// The places where a fingerprint may stand.
    fn places(&self, fingerprint: u64) -> impl Iterator<Item = &AtomicU64> {
        let first = fingerprint as usize;
        let last = self.places.len().wrapping_sub(1);
        (0..FARTHEST).map_while(move |step| self.places.get(first.wrapping_add(step) & last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash;

    #[test]
    fn as_many_as_there_is_room_for_are_found() {
        for count in [1, 2, 1000, 1 << 17] {
            let table = Fingerprints::new(count);
            let all = || (0..count as u64).map(|number| hash(7, &number.to_le_bytes()).max(1));
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
    fn those_that_gather_in_one_place_cost_no_more_than_a_bound() {
        let table = Fingerprints::new(1000);
        let gathered = |number: usize| (number as u64 + 1) << 32;
        for number in 0..FARTHEST {
            assert_eq!(table.add(gathered(number)), Added::New);
        }
        assert_eq!(table.add(gathered(FARTHEST)), Added::TooFar);
        assert!(!table.contains(gathered(FARTHEST)));
        assert_eq!(table.add(gathered(0)), Added::Known);
    }
}
