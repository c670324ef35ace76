//! The form of a remembered ruleset: its text, and where to find each flag and segment in it.
//!
//! Knows bytes, and nothing of files. After its check, what is in it is as it was written.

use std::ops::Range;

use crate::hash::hash;
use crate::ruleset::{Outline, Piece, PieceSource};
use crate::value::{Span, member, string};

/// How such bytes begin. A later form has another number.
const MARK: &[u8; 16] = b"phaseflag rules1";

/// What the hash of all that follows it begins with.
const SEED: u64 = 1;

/// The length of that hash.
const SUM: usize = size_of::<u64>();

/// The numbers that follow the hash: flags, segments, bytes of names, bytes of the `ETag`.
const COUNTS: usize = 4;

/// One place: where its name begins and how long it is, and the same of the text there.
const PLACE: usize = 4 * size_of::<u32>();

/// The first bytes, the hash of all others included.
pub(crate) type Head = [u8; MARK.len() + SUM];

/// Returns the head of what `encode` has written.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    bytes.first_chunk().copied()
}

/// A ruleset that was remembered.
#[derive(Debug)]
pub(super) struct Remembered {
    bytes: Vec<u8>,
    flags: Range<usize>,
    segments: Range<usize>,
    names: Range<usize>,
    etag: Range<usize>,
    text: Range<usize>,
}

/// Writes a ruleset, of a text that has no byte-order mark; `None` where it is too large.
pub(crate) fn encode(text: &str, etag: Option<&str>) -> Option<Vec<u8>> {
    let outline = Outline::of(text);
    let named = |places: &[Span], field| {
        let named = places.iter().filter_map(move |place| {
            let name = string(text, member(text, place.clone(), field)?)?;
            Some((name, place.clone()))
        });
        named.collect::<Vec<_>>()
    };
    let mut flags = named(&outline.flags, "key");
    flags.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut segments = named(&outline.segments, "id");
    segments.extend(named(&outline.segments, "key"));
    segments.sort_by(|(left, _), (right, _)| left.cmp(right));
    let etag = etag.unwrap_or_default();

    let mut places = Vec::with_capacity((flags.len() + segments.len()) * PLACE);
    let mut names = String::new();
    for (name, place) in flags.iter().chain(&segments) {
        for number in [names.len(), name.len(), place.start, place.len()] {
            places.extend(u32::try_from(number).ok()?.to_le_bytes());
        }
        names.push_str(name);
    }
    let mut bytes = Vec::with_capacity(64 + places.len() + names.len() + etag.len() + text.len());
    bytes.extend(MARK);
    bytes.extend([0; SUM]);
    for count in [flags.len(), segments.len(), names.len(), etag.len()] {
        bytes.extend(u32::try_from(count).ok()?.to_le_bytes());
    }
    bytes.extend(places);
    bytes.extend(names.as_bytes());
    bytes.extend(etag.as_bytes());
    bytes.extend(text.as_bytes());
    let (sum, rest) = bytes.get_mut(MARK.len()..)?.split_first_chunk_mut()?;
    *sum = hash(SEED, rest).to_le_bytes();
    Some(bytes)
}

impl Remembered {
    /// Reads what `encode` has written, or says what is wrong with it.
    pub(super) fn decode(bytes: Vec<u8>) -> Result<Remembered, &'static str> {
        let rest = bytes.strip_prefix(MARK).ok_or("it has another form")?;
        let (sum, rest) = rest.split_first_chunk().ok_or("it is cut off")?;
        if u64::from_le_bytes(*sum) != hash(SEED, rest) {
            return Err("it is damaged");
        }
        Remembered::divide(bytes).ok_or("it is damaged")
    }

    fn divide(bytes: Vec<u8>) -> Option<Remembered> {
        let mut end = MARK.len() + SUM;
        let counts = bytes.get(end..)?.as_chunks().0;
        let count = |at| counts.get(at).map(|count| u32::from_le_bytes(*count) as usize);
        let [flags, segments, names, etag] = [count(0)?, count(1)?, count(2)?, count(3)?];
        end += COUNTS * size_of::<u32>();
        let mut part = |length: usize| {
            let start = end;
            end = start.checked_add(length)?;
            (end <= bytes.len()).then_some(start..end)
        };
        let flags = part(flags.checked_mul(PLACE)?)?;
        let segments = part(segments.checked_mul(PLACE)?)?;
        let (names, etag) = (part(names)?, part(etag)?);
        let text = end..bytes.len();
        Some(Remembered { flags, segments, names, etag, text, bytes })
    }

    /// Returns what tells it from others.
    pub(super) fn head(&self) -> Option<Head> {
        head(&self.bytes)
    }

    /// Returns the text of the ruleset.
    pub(super) fn text(&self) -> &str {
        self.str(self.text.clone())
    }

    /// Returns the length of the text, in bytes.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn etag(&self) -> Option<&str> {
        Some(self.str(self.etag.clone())).filter(|etag| !etag.is_empty())
    }

    /// What is asked for is as short as its place says: only that is checked to be UTF-8.
    fn str(&self, range: Range<usize>) -> &str {
        let bytes = self.bytes.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Finds every place of a name in a sorted list of them.
    fn find(&self, list: &Range<usize>, name: &str) -> Vec<Piece<'_>> {
        let places = self.bytes.get(list.clone()).unwrap_or_default().as_chunks::<PLACE>().0;
        let names = self.bytes.get(self.names.clone()).unwrap_or_default();
        let first = places.partition_point(|place| name_of(place, names) < name.as_bytes());
        let found = places.iter().skip(first);
        let found = found.take_while(|place| name_of(place, names) == name.as_bytes());
        let piece = |place| {
            let Range { start, end } = range(place, 2);
            let offset = self.text.start;
            (start, self.str(offset.saturating_add(start)..offset.saturating_add(end)))
        };
        found.map(piece).collect()
    }
}

impl PieceSource for Remembered {
    fn flags(&self, key: &str) -> Vec<Piece<'_>> {
        self.find(&self.flags, key)
    }

    fn segments(&self, name: &str) -> Vec<Piece<'_>> {
        self.find(&self.segments, name)
    }
}

fn name_of<'a>(place: &[u8; PLACE], names: &'a [u8]) -> &'a [u8] {
    names.get(range(place, 0)).unwrap_or_default()
}

/// Reads two of the numbers of a place: a start and a length.
fn range(place: &[u8; PLACE], at: usize) -> Range<usize> {
    let numbers = place.as_chunks().0;
    let number = |at| numbers.get(at).map_or(0, |number| u32::from_le_bytes(*number) as usize);
    let start = number(at);
    start..start.saturating_add(number(at + 1))
}
