//! The format of a file of cached rules: a ruleset's text with an index of its flags and segments.
//!
//! The layout: magic, checksum, four counts, index entries of flags, index entries of segments,
//! names, `ETag`, text. Integers are 32-bit little-endian, the checksum is 64-bit.

use std::ops::Range;

use crate::hash::hash;
use crate::ruleset::{Outline, Piece, PieceSource};
use crate::value::{Span, member, string};

/// The first bytes of a file. The digit is the version of the format.
const MAGIC: &[u8; 16] = b"phaseflag rules1";

/// The seed of the checksum.
const SEED: u64 = 1;

/// The length of the checksum of all later bytes.
const CHECKSUM_LENGTH: usize = size_of::<u64>();

/// The number of counts: flags, segments, bytes of names, bytes of the `ETag`.
const COUNTS: usize = 4;

/// The length of an index entry: start and length of a name, and of the flag's or segment's text.
const ENTRY_LENGTH: usize = 4 * size_of::<u32>();

/// The magic and the checksum, which identify the content.
pub(super) type Header = [u8; MAGIC.len() + CHECKSUM_LENGTH];

/// Returns the header of an encoded file.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    bytes.first_chunk().copied()
}

/// A decoded file: its bytes, and the ranges of its sections.
#[derive(Debug)]
pub(super) struct CacheFile {
    bytes: Vec<u8>,
    flags: Range<usize>,
    segments: Range<usize>,
    names: Range<usize>,
    etag: Range<usize>,
    text: Range<usize>,
}

/// Encodes a ruleset's text, which has no byte-order mark; `None` if a number exceeds 32 bits.
pub(super) fn encode(text: &str, etag: Option<&str>) -> Option<Vec<u8>> {
    let outline = Outline::of(text);
    let named = |spans: &[Span], field| {
        let named = spans.iter().filter_map(move |span| {
            let name = string(text, member(text, span.clone(), field)?)?;
            Some((name, span.clone()))
        });
        named.collect::<Vec<_>>()
    };
    let mut flags = named(&outline.flags, "key");
    flags.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut segments = named(&outline.segments, "id");
    segments.extend(named(&outline.segments, "key"));
    segments.sort_by(|(left, _), (right, _)| left.cmp(right));
    let etag = etag.unwrap_or_default();

    let mut index = Vec::with_capacity((flags.len() + segments.len()) * ENTRY_LENGTH);
    let mut names = String::new();
    for (name, span) in flags.iter().chain(&segments) {
        for number in [names.len(), name.len(), span.start, span.len()] {
            index.extend(u32::try_from(number).ok()?.to_le_bytes());
        }
        names.push_str(name);
    }
    let mut bytes = Vec::with_capacity(64 + index.len() + names.len() + etag.len() + text.len());
    bytes.extend(MAGIC);
    bytes.extend([0; CHECKSUM_LENGTH]);
    for count in [flags.len(), segments.len(), names.len(), etag.len()] {
        bytes.extend(u32::try_from(count).ok()?.to_le_bytes());
    }
    bytes.extend(index);
    bytes.extend(names.as_bytes());
    bytes.extend(etag.as_bytes());
    bytes.extend(text.as_bytes());
    let (sum, rest) = bytes.get_mut(MAGIC.len()..)?.split_first_chunk_mut()?;
    *sum = hash(SEED, rest).to_le_bytes();
    Some(bytes)
}

impl CacheFile {
    /// Decodes an encoded file, or returns what is wrong with it.
    pub(super) fn decode(bytes: Vec<u8>) -> Result<CacheFile, &'static str> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it has another format")?;
        let (sum, rest) = rest.split_first_chunk().ok_or("it is truncated")?;
        if u64::from_le_bytes(*sum) != hash(SEED, rest) {
            return Err("it is damaged");
        }
        CacheFile::from_checked(bytes).ok_or("it is damaged")
    }

    /// Finds the sections of a file whose checksum is correct.
    fn from_checked(bytes: Vec<u8>) -> Option<CacheFile> {
        let mut end = MAGIC.len() + CHECKSUM_LENGTH;
        let counts = bytes.get(end..)?.as_chunks().0;
        let count = |at| counts.get(at).map(|count| u32::from_le_bytes(*count) as usize);
        let [flags, segments, names, etag] = [count(0)?, count(1)?, count(2)?, count(3)?];
        end += COUNTS * size_of::<u32>();
        let mut section = |length: usize| {
            let start = end;
            end = start.checked_add(length)?;
            (end <= bytes.len()).then_some(start..end)
        };
        let flags = section(flags.checked_mul(ENTRY_LENGTH)?)?;
        let segments = section(segments.checked_mul(ENTRY_LENGTH)?)?;
        let (names, etag) = (section(names)?, section(etag)?);
        let text = end..bytes.len();
        Some(CacheFile { flags, segments, names, etag, text, bytes })
    }

    /// Returns the header.
    pub(super) fn header(&self) -> Option<Header> {
        header(&self.bytes)
    }

    /// Returns the text of the ruleset.
    pub(super) fn text(&self) -> &str {
        self.str(self.text.clone())
    }

    /// Returns the length of the text, in bytes.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// Returns the number of flags in the index.
    pub(super) fn flag_count(&self) -> usize {
        self.flags.len() / ENTRY_LENGTH
    }

    /// Returns the `ETag` of the response, or `None`.
    pub(super) fn etag(&self) -> Option<&str> {
        Some(self.str(self.etag.clone())).filter(|etag| !etag.is_empty())
    }

    /// Returns a range as text. Only the range is checked to be UTF-8, not the whole file.
    fn str(&self, range: Range<usize>) -> &str {
        let bytes = self.bytes.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Finds every entry of a name in a sorted index.
    fn find(&self, index: &Range<usize>, name: &str) -> Vec<Piece<'_>> {
        let entries =
            self.bytes.get(index.clone()).unwrap_or_default().as_chunks::<ENTRY_LENGTH>().0;
        let names = self.bytes.get(self.names.clone()).unwrap_or_default();
        let first = entries.partition_point(|entry| name_of(entry, names) < name.as_bytes());
        let found = entries.iter().skip(first);
        let found = found.take_while(|entry| name_of(entry, names) == name.as_bytes());
        let piece = |entry| {
            let Range { start, end } = range(entry, 2);
            let offset = self.text.start;
            (start, self.str(offset.saturating_add(start)..offset.saturating_add(end)))
        };
        found.map(piece).collect()
    }
}

impl PieceSource for CacheFile {
    fn flags(&self, key: &str) -> Vec<Piece<'_>> {
        self.find(&self.flags, key)
    }

    fn segments(&self, name: &str) -> Vec<Piece<'_>> {
        self.find(&self.segments, name)
    }
}

/// Returns the name of an index entry.
fn name_of<'a>(entry: &[u8; ENTRY_LENGTH], names: &'a [u8]) -> &'a [u8] {
    names.get(range(entry, 0)).unwrap_or_default()
}

/// Reads a range from two of an entry's four numbers: the start `at` this position, then the
/// length.
fn range(entry: &[u8; ENTRY_LENGTH], at: usize) -> Range<usize> {
    let numbers = entry.as_chunks().0;
    let number = |at| numbers.get(at).map_or(0, |number| u32::from_le_bytes(*number) as usize);
    let start = number(at);
    start..start.saturating_add(number(at + 1))
}
