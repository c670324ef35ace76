//! Percentage rollouts: the bucket of an identifier, by DJB2 modulo 100.

use crate::value::Number;

/// The number of buckets.
pub(crate) const BUCKETS: u32 = 100;

/// The hash of `"{flag_key}:"`, which the hash of an identifier continues.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BucketSeed(u32);

impl BucketSeed {
    /// Returns the seed of a flag.
    pub(crate) fn new(flag_key: &str) -> BucketSeed {
        BucketSeed(djb2(djb2(5381, flag_key), ":"))
    }

    /// Returns the bucket of an identifier, from 0 to 99.
    pub(crate) fn bucket(self, identifier: &str) -> u32 {
        djb2(self.0, identifier) % BUCKETS
    }
}

/// DJB2 over Unicode code points, modulo 2^32.
fn djb2(start: u32, text: &str) -> u32 {
    text.chars()
        .fold(start, |hash, character| hash.wrapping_mul(33).wrapping_add(u32::from(character)))
}

/// Returns the first entry whose running sum of weights exceeds the bucket.
pub(crate) fn choose<T>(entries: &[(f64, T)], bucket: u32) -> Option<&T> {
    entries
        .iter()
        .find(|(upper_bound, _)| f64::from(bucket) < *upper_bound)
        .map(|(_, served)| served)
}

/// Returns a sum of weights as text, without rounding errors.
pub(crate) fn weight_text(sum: f64) -> String {
    const DIGITS: f64 = 1e6;
    let rounded = if sum < 1e9 { (sum * DIGITS).round() / DIGITS } else { sum };
    Number::from_f64(rounded).map_or("infinity".to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_service_does() {
        for (text, hash, bucket) in [
            ("rollout-50:user-010", 26_052_703, 3),
            ("rollout-50:user-001", 26_052_671, 71),
            ("multivar-flag:user-001", 3_723_854_007, 7),
            ("multivar-flag:user-020", 3_723_854_072, 72),
            ("rollout-25:user-001", 2_242_657_825, 25),
            ("rollout-75:user-010", 544_983_174, 74),
            ("ab-split:user-020", 3_893_164_281, 81),
            ("new-checkout-flow:user-123", 407_859_955, 55),
            ("flag:üser", 657_551_679, 79),
            ("flag:😀", 4_255_674_297, 97),
        ] {
            assert_eq!(djb2(5381, text), hash, "{text}");
            let (flag, identifier) = text.split_once(':').unwrap();
            assert_eq!(BucketSeed::new(flag).bucket(identifier), bucket, "{text}");
        }
    }
}
