//! A table of fingerprints that is read without a lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// How far from its place a fingerprint may stand. At least half of the places are free, so that
/// none that chance has made comes near this.
const FARTHEST: usize = 128;

/// What stands in a place that was never taken: no mark.
const FREE: u64 = 0;

/// The bits of a place that are its mark.
const MARK: u64 = 0xff;

/// How many marks there are, one after another and then from the first again. Zero is none.
const MARKS: u64 = 255;

/// Fingerprints, each where its last bits point to, or after it. One thread at a time may change
/// it; others may ask meanwhile, and then learn of a change now or a little later.
///
/// The last eight bits of a place are a mark. A place that bears another mark than those of now is
/// free, so that all are forgotten by a change of the mark.
pub(super) struct Fingerprints {
    /// What they are to be made with: a secret, so that nobody crafts texts whose fingerprints
    /// meet.
    pub(super) seed: u64,
    /// The mark of those that are not forgotten.
    mark: AtomicU64,
    /// As many as a power of two.
    places: Box<[AtomicU64]>,
}

/// What became of a fingerprint that was to be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Added {
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
            mark: AtomicU64::new(1),
            places: (0..places).map(|_| AtomicU64::new(FREE)).collect(),
        }
    }

    /// Returns whether a fingerprint is there.
    #[inline]
    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        let marked = fingerprint & !MARK | self.mark.load(Ordering::Acquire);
        // Nothing else in memory is read because of what stands in a place.
        // The first is looked at by itself: nearly all stand there.
        let first = fingerprint as usize & self.places.len().wrapping_sub(1);
        if self.places.get(first).is_some_and(|place| place.load(Ordering::Relaxed) == marked) {
            return true;
        }
        for place in self.places(fingerprint) {
            match place.load(Ordering::Relaxed) ^ marked {
                0 => return true,
                other if other & MARK != 0 => return false,
                _ => {}
            }
        }
        false
    }

    /// Adds a fingerprint.
    pub(super) fn add(&self, fingerprint: u64) -> Added {
        let mark = self.mark.load(Ordering::Acquire);
        let marked = fingerprint & !MARK | mark;
        for place in self.places(fingerprint) {
            match place.load(Ordering::Relaxed) {
                other if other == marked => return Added::Known,
                other if other & MARK != mark => {
                    place.store(marked, Ordering::Relaxed);
                    return Added::New;
                }
                _ => {}
            }
        }
        Added::TooFar
    }

    /// Forgets all of them, at the cost of a small part of the table: each time another part is
    /// cleared, and so all of it before a mark comes again.
    pub(super) fn forget(&self) {
        let last = self.mark.load(Ordering::Acquire) % MARKS;
        let part = self.places.len().div_ceil(MARKS as usize);
        for place in self.places.iter().skip(part * last as usize).take(part) {
            place.store(FREE, Ordering::Relaxed);
        }
        self.mark.store(last + 1, Ordering::Release);
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
            let all = || (0..count as u64).map(|number| hash(7, &number.to_le_bytes()));
            for fingerprint in all() {
                assert!(!table.contains(fingerprint));
                assert_eq!(table.add(fingerprint), Added::New);
                assert_eq!(table.add(fingerprint), Added::Known);
            }
            assert!(all().all(|fingerprint| table.contains(fingerprint)));
            table.forget();
            assert!(!all().any(|fingerprint| table.contains(fingerprint)));
        }
    }

    #[test]
    fn each_table_has_a_seed_of_its_own() {
        assert_ne!(Fingerprints::new(1).seed, Fingerprints::new(1).seed);
    }

    #[test]
    fn what_is_forgotten_does_not_come_again() {
        let table = Fingerprints::new(1000);
        let all = || (0..1000_u64).map(|number| hash(7, &number.to_le_bytes()));
        assert!(all().all(|fingerprint| table.add(fingerprint) == Added::New));
        for round in 0..3 * MARKS {
            table.forget();
            assert!(!all().any(|fingerprint| table.contains(fingerprint)), "{round}");
        }
        assert!(all().all(|fingerprint| table.add(fingerprint) == Added::New));
        assert!(all().all(|fingerprint| table.contains(fingerprint)));
    }

    #[test]
    fn forgetting_touches_a_small_part_of_the_table() {
        let table = Fingerprints::new(10_000);
        let taken = || {
            let taken = |place: &&AtomicU64| place.load(Ordering::Relaxed) != FREE;
            table.places.iter().filter(taken).count()
        };
        for number in 0..10_000_u64 {
            table.add(hash(7, &number.to_le_bytes()));
        }
        table.forget();
        assert!(taken() > 9_800, "{}", taken());
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
