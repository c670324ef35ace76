//! Finds the known word that a mistyped one is near to.

use crate::ruleset::tables::excerpt;

/// Longer words, in bytes, are near to none: comparing them would take long.
const MAX_LENGTH: usize = 40;

/// Returns the known word that is nearest to a word: the same but for case, `_` and `-`, or with at
/// most two letters wrong, missing, added or swapped, and at most a third of all.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_LENGTH {
        return None;
    }
    let letters = letters(word);
    let known = known.into_iter().filter(|candidate| candidate.len() <= MAX_LENGTH);
    let distances = known.filter_map(|candidate| {
        let other = self::letters(candidate);
        let limit = (letters.len().max(other.len()) / 3).min(2);
        if letters.len().abs_diff(other.len()) > limit {
            return None;
        }
        let distance = distance(&letters, &other);
        (distance <= limit).then_some((distance, candidate))
    });
    distances.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Returns a question after the intention, such as "did you mean `active`?".
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{}`?", excerpt(word))
}

fn letters(word: &str) -> Vec<char> {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the number of edits between two words; two neighbours that are swapped are one edit.
fn distance(left: &[char], right: &[char]) -> usize {
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX >> 1);
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row_number, letter) in (1..).zip(left) {
        let mut row = vec![row_number];
        let mut other_previous = None;
        for (column, other) in right.iter().enumerate() {
            let replaced = at(&last, column) + usize::from(letter != other);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&row, column) + 1);
            if previous == Some(other) && other_previous == Some(letter) {
                best = best.min(at(&before_last, column.saturating_sub(1)) + 1);
            }
            row.push(best);
            other_previous = Some(other);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(letter);
    }
    at(&last, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] =
        ["conditions", "status", "variation_id", "key", "id", "flag_type", "default_variation"];

    #[test]
    fn finds_the_nearest_word() {
        for (word, nearest_word) in [
            ("condition", Some("conditions")),
            ("conditons", Some("conditions")),
            ("ocnditions", Some("conditions")),
            ("Conditions", Some("conditions")),
            ("statsu", Some("status")),
            ("statuss", Some("status")),
            ("variationId", Some("variation_id")),
            ("variation-id", Some("variation_id")),
            ("VARIATION_ID", Some("variation_id")),
            ("flagType", Some("flag_type")),
            ("kye", Some("key")),
            ("keys", Some("key")),
            ("conds", None),
            ("state", Some("status")),
            ("stats", Some("status")),
            ("enabled", None),
            ("ix", None),
            ("kxx", None),
            ("", None),
            ("__", None),
            ("ключ", None),
        ] {
            assert_eq!(nearest(word, KNOWN), nearest_word, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), KNOWN), None);
    }

    #[test]
    fn counts_edits() {
        let distance = |left, right| super::distance(&letters(left), &letters(right));
        for (left, right, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("bac", "abc", 1),
            ("abcd", "badc", 2),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }
}
