//! Finds weights of a rollout that serve other shares than they say.

use crate::ruleset::tables::{Flag, bucket, excerpt, weight_text};

/// The number of entries that a warning lists.
const LISTED: usize = 3;

/// Returns the warnings for the weights of a rollout; empty if they serve what they say, or nearly.
pub(super) fn weight_warnings(
    flag: &Flag,
    entries: &[(f64, Option<u32>)],
    is_last: bool,
) -> impl Iterator<Item = String> {
    let sum = entries.last().map_or(0.0, |(sum, _)| *sum);
    let too_large = too_large(flag, entries, sum);
    let uneven = too_large.is_none().then(|| uneven(flag, entries)).flatten();
    [too_small(sum, is_last), too_large, uneven].into_iter().flatten()
}

/// Returns the warning for buckets that have no entry.
fn too_small(sum: f64, is_last: bool) -> Option<String> {
    let next = if is_last { "the default variation" } else { "the next rule" };
    // An entry covers the buckets below the sum of the weights up to its own.
    let first = (0..bucket::BUCKETS).find(|bucket| f64::from(*bucket) >= sum)?;
    let fallthrough = match first {
        0 => "everyone falls".to_owned(),
        99 => "bucket 99 falls".to_owned(),
        first => format!("buckets {first} to 99 fall"),
    };
    Some(format!("the weights sum to {}: {fallthrough} through to {next}", weight_text(sum)))
}

/// Returns the warning for weights that sum to more than 100.
fn too_large(flag: &Flag, entries: &[(f64, Option<u32>)], sum: f64) -> Option<String> {
    let beyond: Vec<_> = ranges(entries).filter(|range| range.start >= 100.0).collect();
    let sum_text = weight_text(sum);
    Some(match beyond.as_slice() {
        [] if sum < 101.0 => return None,
        [] => format!("the weights sum to {sum_text}: the part beyond 100 is never served"),
        [one] => format!(
            "the weights sum to {sum_text}: the entry of {} is beyond 100 and never served",
            one.name(flag)
        ),
        [first, others @ ..] => format!(
            "the weights sum to {sum_text}: the entry of {} and {} after it are beyond 100 and \
             never served",
            first.name(flag),
            others.len()
        ),
    })
}

/// Returns the warning for entries whose share differs from their weight by more than a quarter,
/// since each covers whole buckets.
fn uneven(flag: &Flag, entries: &[(f64, Option<u32>)]) -> Option<String> {
    let mut uneven = ranges(entries).filter(|range| {
        let difference = (f64::from(range.buckets()) - range.weight()).abs();
        // The sums have rounding errors.
        difference > range.weight() / 4.0 + 1e-9
    });
    let listed: Vec<_> = uneven.by_ref().take(LISTED).map(|range| range.share_text(flag)).collect();
    if listed.is_empty() {
        return None;
    }
    let more = match uneven.count() {
        0 => String::new(),
        1 => ", and 1 more entry".to_owned(),
        more => format!(", and {more} more entries"),
    };
    Some(format!("a bucket is 1 % of all users: {}{more}", listed.join(", ")))
}

/// The buckets of a rollout entry, from `start` inclusive to `end` exclusive.
struct EntryRange {
    start: f64,
    end: f64,
    served: Option<u32>,
}

impl EntryRange {
    fn weight(&self) -> f64 {
        self.end - self.start
    }

    /// Returns the number of buckets from 0 to 99 in the range.
    fn buckets(&self) -> u32 {
        let below = |bound: f64| bound.ceil().min(f64::from(bucket::BUCKETS)) as u32;
        below(self.end) - below(self.start)
    }

    fn share_text(&self, flag: &Flag) -> String {
        let (name, weight) = (self.name(flag), weight_text(self.weight()));
        match self.buckets() {
            0 => format!("{name} has the weight {weight} and is never served"),
            share => format!("{name} has the weight {weight} and is served to {share} %"),
        }
    }

    fn name(&self, flag: &Flag) -> String {
        match flag.variation(self.served).and_then(|it| it.key.as_deref()) {
            Some(key) => format!("`{}`", excerpt(key)),
            None => "a variation without a key".to_owned(),
        }
    }
}

/// Returns the ranges of the entries with a weight.
fn ranges(entries: &[(f64, Option<u32>)]) -> impl Iterator<Item = EntryRange> {
    let starts = [0.0].into_iter().chain(entries.iter().map(|(sum, _)| *sum));
    let ranges = starts.zip(entries).map(|(start, (end, served))| EntryRange {
        start,
        end: *end,
        served: *served,
    });
    ranges.filter(|range| range.end > range.start)
}
