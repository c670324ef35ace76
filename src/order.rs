//! Sorting in little code: by a heap.
//!
//! The sorts of the standard library are faster on long lists, but each use of one adds 10 kB to a
//! small program, and the lists here are short or sorted already.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Sorts by key; equal keys keep their order.
pub(crate) fn sorted<K: Ord, V>(items: Vec<(K, V)>) -> Vec<(K, V)> {
    if items.is_sorted_by(|(left, _), (right, _)| left <= right) {
        return items;
    }
    let ranked = items.into_iter().enumerate();
    let heap: BinaryHeap<_> =
        ranked.map(|(rank, (key, value))| Item { key, rank, value }).collect();
    heap.into_sorted_vec().into_iter().map(|item| (item.key, item.value)).collect()
}

/// An item with its rank among equal ones.
struct Item<K, V> {
    key: K,
    rank: usize,
    value: V,
}

impl<K: Ord, V> Ord for Item<K, V> {
    fn cmp(&self, other: &Item<K, V>) -> Ordering {
        self.key.cmp(&other.key).then(self.rank.cmp(&other.rank))
    }
}

impl<K: Ord, V> PartialOrd for Item<K, V> {
    fn partial_cmp(&self, other: &Item<K, V>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> PartialEq for Item<K, V> {
    fn eq(&self, other: &Item<K, V>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord, V> Eq for Item<K, V> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_as_the_standard_library_does() {
        for length in [0, 1, 2, 3, 10, 1000] {
            for modulus in [1, 2, 7, 1009] {
                let items: Vec<_> = (0..length).map(|rank| (rank * 7919 % modulus, rank)).collect();
                let mut expected = items.clone();
                expected.sort_by_key(|(key, _)| *key);
                assert_eq!(sorted(items), expected, "{length} {modulus}");
            }
        }
    }
}
