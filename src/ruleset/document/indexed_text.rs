//! A ruleset's text with an index of its flags and segments by name, as one sequence of bytes.
//!
//! The layout: three counts, index entries of flags, index entries of segments, names, text.
//! Integers are 32-bit little-endian. Both indexes are sorted by name.

use std::ops::Range;

use super::outline::Outline;
use crate::value::{Span, member, string};

/// The number of counts: flags, segments, bytes of names.
const COUNTS: usize = 3;

/// The length of an index entry: start and length of a name, and of the flag's or segment's text.
const ENTRY_LENGTH: usize = 4 * size_of::<u32>();

/// A text with its index: the bytes, and the ranges of the sections.
#[derive(Debug)]
pub(crate) struct IndexedText {
    bytes: Vec<u8>,
    flags: Range<usize>,
    segments: Range<usize>,
    names: Range<usize>,
    text: Range<usize>,
}

impl IndexedText {
    /// Appends the index and the text to `bytes`; `None` if a number exceeds 32 bits. The text has no
    /// byte-order mark.
    pub(crate) fn encode(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
        let outline = Outline::of(text);
        let named = |lists: &[(&[Span], &str)]| {
            let named = lists.iter().flat_map(|(spans, field)| {
                spans.iter().filter_map(|span| {
                    let name = string(text, member(text, span.clone(), field)?)?;
                    Some((name, span.clone()))
                })
            });
            let mut named: Vec<_> = named.collect();
            named.sort_by(|(left, _), (right, _)| left.cmp(right));
            named
        };
        let flags = named(&[(&outline.flags, "key")]);
        let segments = named(&[(&outline.segments, "id"), (&outline.segments, "key")]);

        let mut index = Vec::with_capacity((flags.len() + segments.len()) * ENTRY_LENGTH);
        let mut names = String::new();
        for (name, span) in flags.iter().chain(&segments) {
            for number in [names.len(), name.len(), span.start, span.len()] {
                index.extend(u32::try_from(number).ok()?.to_le_bytes());
            }
            names.push_str(name);
        }
        bytes.reserve_exact(COUNTS * size_of::<u32>() + index.len() + names.len() + text.len());
        for count in [flags.len(), segments.len(), names.len()] {
            bytes.extend(u32::try_from(count).ok()?.to_le_bytes());
        }
        bytes.extend(index);
        bytes.extend(names.as_bytes());
        bytes.extend(text.as_bytes());
        Some(())
    }

    /// Decodes the bytes from `start` on; `None` if the sections do not fit.
    pub(crate) fn decode(bytes: Vec<u8>, start: usize) -> Option<IndexedText> {
        let counts = bytes.get(start..)?.as_chunks().0;
        let count = |at| counts.get(at).map(|count| u32::from_le_bytes(*count) as usize);
        let [flags, segments, names] = [count(0)?, count(1)?, count(2)?];
        let mut end = start + COUNTS * size_of::<u32>();
        let mut section = |length: usize| {
            let start = end;
            end = start.checked_add(length)?;
            (end <= bytes.len()).then_some(start..end)
        };
        let flags = section(flags.checked_mul(ENTRY_LENGTH)?)?;
        let segments = section(segments.checked_mul(ENTRY_LENGTH)?)?;
        let names = section(names)?;
        let text = end..bytes.len();
        Some(IndexedText { flags, segments, names, text, bytes })
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        self.str(self.text.clone())
    }

    /// Returns the number of index entries of flags.
    pub(crate) fn flag_count(&self) -> usize {
        self.entries(&self.flags).len()
    }

    /// Returns the names of flags in the order of the index. Equal names are next to each other.
    pub(crate) fn flag_names(&self) -> impl Iterator<Item = &str> {
        let name = |entry| std::str::from_utf8(self.name(entry)).unwrap_or_default();
        self.entries(&self.flags).iter().map(name)
    }

    /// Returns the position of a flag's name in the index: the first of equal ones.
    pub(crate) fn flag_position(&self, key: &str) -> Option<u32> {
        let entries = self.entries(&self.flags);
        let first = self.first(entries, key);
        let found = entries.get(first).is_some_and(|entry| self.name(entry) == key.as_bytes());
        found.then_some(first as u32)
    }

    /// Returns the start and the text of each flag of a name, in the order of the text.
    pub(crate) fn flags(&self, key: &str) -> Vec<(usize, &str)> {
        self.find(&self.flags, key)
    }

    /// Returns the start and the text of each segment with this id or key. One with both the same
    /// comes twice.
    pub(crate) fn segments(&self, name: &str) -> Vec<(usize, &str)> {
        self.find(&self.segments, name)
    }

    fn find(&self, index: &Range<usize>, name: &str) -> Vec<(usize, &str)> {
        let entries = self.entries(index);
        let found = entries.iter().skip(self.first(entries, name));
        let found = found.take_while(|entry| self.name(entry) == name.as_bytes());
        let piece = |entry| {
            let Range { start, end } = range(entry, 2);
            let offset = self.text.start;
            (start, self.str(offset.saturating_add(start)..offset.saturating_add(end)))
        };
        found.map(piece).collect()
    }

    /// Returns the position of the first entry whose name is not less.
    fn first(&self, entries: &[[u8; ENTRY_LENGTH]], name: &str) -> usize {
        entries.partition_point(|entry| self.name(entry) < name.as_bytes())
    }

    fn entries(&self, index: &Range<usize>) -> &[[u8; ENTRY_LENGTH]] {
        self.bytes.get(index.clone()).unwrap_or_default().as_chunks().0
    }

    fn name(&self, entry: &[u8; ENTRY_LENGTH]) -> &[u8] {
        let names = self.bytes.get(self.names.clone()).unwrap_or_default();
        names.get(range(entry, 0)).unwrap_or_default()
    }

    /// Returns a range as text. Only the range is checked to be UTF-8, not all of the bytes.
    fn str(&self, range: Range<usize>) -> &str {
        let bytes = self.bytes.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Reads a range from two of an entry's four numbers: the start `at` this position, then the
/// length.
fn range(entry: &[u8; ENTRY_LENGTH], at: usize) -> Range<usize> {
    let numbers = entry.as_chunks().0;
    let number = |at| numbers.get(at).map_or(0, |number| u32::from_le_bytes(*number) as usize);
    let start = number(at);
    start..start.saturating_add(number(at + 1))
}
