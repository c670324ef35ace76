//! Suggests what a mistyped word was meant to be.

use std::{iter, mem};

/// The longest word, in characters, that gets a suggestion.
const MAX_LENGTH: usize = 100;

/// Returns the end of an error about an unknown word: which one was meant, or nothing if none is
/// similar.
pub(crate) fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
}

/// Returns the most similar word, the first of several in the alphabet. It may differ in one
/// character of three, or begin with the given word. The case of ASCII letters does not count.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The dashes of options are no part of their names.
    let bare = word.trim_start_matches('-').to_ascii_lowercase();
    let length = bare.chars().count();
    if length > MAX_LENGTH {
        return None;
    }
    let limit = length.div_ceil(3);
    let near = known.filter_map(|other| {
        let name = other.trim_start_matches('-');
        let name = name.to_ascii_lowercase();
        match length > 2 && name.starts_with(&bare) {
            true => Some((1, other)),
            // The distance of long texts takes long to compute.
            false if name.chars().take(length + limit + 1).count().abs_diff(length) > limit => None,
            false => Some((distance(&bare, &name), other)),
        }
    });
    let near = near.filter(|(distance, _)| *distance <= limit);
    near.min().map(|(_, other)| other)
}

/// Returns how many characters must be added, removed, replaced or swapped with their neighbour to
/// turn one text into the other.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (position, character) in one.chars().enumerate() {
        let (mut left, mut above_left) = (position + 1, position);
        let mut next = vec![left];
        let mut previous_wanted = None;
        // The distances two rows above and two columns before.
        let swaps = before.iter().map(Some).chain(iter::repeat(None));
        for ((above, wanted), swap) in
            row.iter().skip(1).zip(&other).zip(iter::once(None).chain(swaps))
        {
            let mut least =
                (above_left + usize::from(character != *wanted)).min(above + 1).min(left + 1);
            if let Some(swap) = swap
                && previous == Some(*wanted)
                && previous_wanted == Some(character)
            {
                least = least.min(swap + 1);
            }
            left = least;
            above_left = *above;
            previous_wanted = Some(*wanted);
            next.push(left);
        }
        before = mem::replace(&mut row, next);
        previous = Some(character);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("ui-theme", "ui-theme", 0),
            ("ui-teme", "ui-theme", 1),
            ("ui-tehme", "ui-theme", 1),
            ("paln", "plan", 1),
            ("ab", "ba", 1),
            ("abc", "ca", 3),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
            ("naïve", "naive", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_long_word_gets_no_nearest() {
        let keys = |length: usize| ("a".repeat(length), "a".repeat(length - 1) + "b");
        let (key, other) = keys(100);
        assert_eq!(nearest(&key, [other.as_str()].into_iter()), Some(other.as_str()));
        let (key, other) = keys(101);
        assert_eq!(nearest(&key, [other.as_str()].into_iter()), None);
    }

    #[test]
    fn a_length_may_differ_by_one_in_three() {
        for (other, expected) in [
            ("bcdef", Some("bcdef")),
            ("xxabcdef", Some("xxabcdef")),
            ("cdef", Some("cdef")),
            ("def", None),
            ("xxxabcdef", None),
            ("abcdefghijkl", Some("abcdefghijkl")),
        ] {
            assert_eq!(nearest("abcdef", [other].into_iter()), expected, "{other}");
        }
    }

    /// Computing their distance would take minutes.
    #[test]
    fn long_words_are_skipped_quickly() {
        let long = "a".repeat(100_000);
        let longer = "b".repeat(1_000_000);
        let start = std::time::Instant::now();
        assert_eq!(nearest(&long, [longer.as_str()].into_iter()), None);
        assert_eq!(nearest("abcdef", vec![longer.as_str(); 100].into_iter()), None);
        assert!(start.elapsed().as_secs() < 10);
    }
}
