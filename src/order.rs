//! Sorting in little code: by merging.
//!
//! The sorts of the standard library are faster, but each use of one adds 5 kB to a program that
//! is built for size, and most lists here are short or sorted already.

use std::iter::Peekable;

/// Sorts by key; equal keys keep their order.
pub(crate) fn sorted<K: Ord, V>(mut items: Vec<(K, V)>) -> Vec<(K, V)> {
    if items.is_sorted_by(|(left, _), (right, _)| left <= right) {
        return items;
    }
    let right = items.split_off(items.len() / 2);
    let count = items.len() + right.len();
    let (mut left, mut right) =
        (sorted(items).into_iter().peekable(), sorted(right).into_iter().peekable());
    let mut merged = Vec::with_capacity(count);
    while let Some(next) = smaller(&mut left, &mut right) {
        merged.push(next);
    }
    merged
}

/// Takes the smaller of the next two.
fn smaller<K: Ord, V>(
    left: &mut Peekable<impl Iterator<Item = (K, V)>>,
    right: &mut Peekable<impl Iterator<Item = (K, V)>>,
) -> Option<(K, V)> {
    match (left.peek(), right.peek()) {
        (Some((first, _)), Some((second, _))) if second < first => right.next(),
        (None, _) => right.next(),
        _ => left.next(),
    }
}

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
