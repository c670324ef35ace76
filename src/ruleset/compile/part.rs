//! One flag and what it refers to, compiled out of a text without reading the rest.
//!
//! It serves what it would serve in the whole ruleset: the flags that it requires come with it,
//! and those that they require, and the segments that any of them asks for.

use miniserde::de::Deserialize;

use super::Compiler;
use super::link::link;
use crate::ruleset::document::{Consumer, Document, FlagDocument, SegmentDocument};
use crate::ruleset::document::{Entry, Field, List, Shape};
use crate::ruleset::tables::Tables;
use crate::ruleset::tables::TextMap;
use crate::value::Value;
use crate::value::json;

/// Finds flags and segments of a text by name. Of some names there are several, in the order of
/// the text; all of them are found.
pub(crate) trait Places {
    fn flags(&self, key: &str) -> Vec<Piece<'_>>;
    fn segments(&self, name: &str) -> Vec<Piece<'_>>;
}

/// The text of a flag or a segment, and where it begins.
pub(crate) type Piece<'a> = (usize, &'a str);

/// The text cannot be read in parts, or as much as was allowed has been read of it.
#[derive(Debug)]
pub(crate) struct AskWhole;

/// Compiles a flag and what it refers to; `None` where the places do not know it. Takes what it
/// reads, in bytes, from `allowed`.
pub(crate) fn compile(
    places: &dyn Places,
    key: &str,
    environment: Option<&str>,
    allowed: &mut usize,
) -> Result<Option<Tables>, AskWhole> {
    let mut reader = Reader {
        places,
        allowed,
        compiler: Compiler::of(environment),
        flags: TextMap::default(),
        wanted: Vec::new(),
        segments: TextMap::default(),
    };
    reader.want_flag(key);
    reader.flags()?;
    if reader.compiler.flags.is_empty() {
        return Ok(None);
    }
    let segments = reader.segments()?;
    let consumer = reader.compiler;
    Ok(Some(link(Document { consumer, segments, version: Value::Null })))
}

struct Reader<'a> {
    places: &'a dyn Places,
    allowed: &'a mut usize,
    compiler: Compiler,
    /// The flags that are read, and those that still have to be.
    flags: TextMap<()>,
    wanted: Vec<Box<str>>,
    segments: TextMap<()>,
}

impl Reader<'_> {
    fn want_flag(&mut self, key: &str) {
        if self.flags.insert(key.into(), ()).is_none() {
            self.wanted.push(key.into());
        }
    }

    fn flags(&mut self) -> Result<(), AskWhole> {
        let mut index = 0;
        while let Some(key) = self.wanted.pop() {
            for (_, text) in self.places.flags(&key) {
                let mut flag: Entry<FlagDocument> = self.read(text)?;
                if !self.compiler.takes(&flag.fields) {
                    continue;
                }
                self.note_references(&flag.fields);
                self.compiler.flag(index, &mut flag.fields);
                index += 1;
            }
        }
        Ok(())
    }

    fn note_references(&mut self, flag: &FlagDocument) {
        for prerequisite in &flag.prerequisites.entries {
            if let Field::Given(key) = &prerequisite.fields.flag_key {
                self.want_flag(key);
            }
        }
        for rule in &flag.targeting_rules.entries {
            if let Field::Given(name) = &rule.fields.segment_id {
                self.segments.insert(name.clone(), ());
            }
        }
    }

    /// Reads the segments that were asked for, in the order of the text: of equal names the last
    /// one counts.
    fn segments(&mut self) -> Result<List<SegmentDocument>, AskWhole> {
        let pieces = self.segments.keys().flat_map(|name| self.places.segments(name));
        let mut pieces: Vec<_> = pieces.collect();
        pieces.sort_by_key(|(start, _)| *start);
        let mut segments: List<SegmentDocument> = List::default();
        segments.shape = Shape::Given;
        let mut last = None;
        for (start, text) in pieces {
            // One segment may be found by two names.
            if last.replace(start) != Some(start) {
                segments.entries.push(self.read(text)?);
            }
        }
        Ok(segments)
    }

    fn read<T: Deserialize>(&mut self, text: &str) -> Result<T, AskWhole> {
        *self.allowed = self.allowed.checked_sub(text.len()).ok_or(AskWhole)?;
        json::read(text).map_err(|_| AskWhole)
    }
}
