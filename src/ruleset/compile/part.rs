//! Compiles one flag and all that it refers to, without reading the rest of the text.
//!
//! The flag serves what it would serve in the whole ruleset: the flags that it requires, directly
//! or indirectly, and the segments that any of them names are compiled as well.

use miniserde::de::Visitor;

use super::Compiler;
use super::link::link;
use crate::ruleset::document::{
    Consumer, Document, Entry, Field, FlagDocument, List, SegmentDocument, Shape,
};
use crate::ruleset::tables::{Tables, TextMap};
use crate::value::{Value, json};

/// Finds the flags and segments of a text by name. Returns all of the same name, in the order of
/// the text.
pub(crate) trait PieceSource {
    fn flags(&self, key: &str) -> Vec<Piece<'_>>;
    fn segments(&self, name: &str) -> Vec<Piece<'_>>;
}

/// The start and the text of a flag or a segment.
pub(crate) type Piece<'a> = (usize, &'a str);

/// The text cannot be read in parts, or the parts exceed the allowed size.
#[derive(Debug)]
pub(crate) struct NeedsWhole;

/// Compiles a flag and all that it refers to; `None` if the source does not have the flag. Subtracts
/// the bytes that it reads from `allowed`.
pub(in crate::ruleset) fn compile_part(
    source: &dyn PieceSource,
    key: &str,
    environment: Option<&str>,
    allowed: &mut usize,
) -> Result<Option<Tables>, NeedsWhole> {
    let mut reader = Reader {
        source,
        allowed,
        compiler: Compiler::of(environment),
        flags: TextMap::default(),
        unread: Vec::new(),
        segments: TextMap::default(),
    };
    reader.need_flag(key);
    reader.flags()?;
    if reader.compiler.flags.is_empty() {
        return Ok(None);
    }
    let segments = reader.segments()?;
    let consumer = reader.compiler;
    Ok(Some(link(Document { consumer, segments, version: Value::Null })))
}

struct Reader<'a> {
    source: &'a dyn PieceSource,
    allowed: &'a mut usize,
    compiler: Compiler,
    /// The flags that are needed.
    flags: TextMap<()>,
    /// Those of them that have not been read yet.
    unread: Vec<Box<str>>,
    /// The segments that are needed.
    segments: TextMap<()>,
}

impl Reader<'_> {
    fn need_flag(&mut self, key: &str) {
        if self.flags.insert(key.into(), ()).is_none() {
            self.unread.push(key.into());
        }
    }

    fn flags(&mut self) -> Result<(), NeedsWhole> {
        let mut index = 0;
        while let Some(key) = self.unread.pop() {
            for (_, text) in self.source.flags(&key) {
                let mut flag: Entry<FlagDocument> = self.read(text)?;
                if !self.compiler.takes(&flag.object) {
                    continue;
                }
                self.note_references(&flag.object);
                self.compiler.flag(index, &mut flag.object);
                index += 1;
            }
        }
        Ok(())
    }

    fn note_references(&mut self, flag: &FlagDocument) {
        for prerequisite in &flag.prerequisites.entries {
            if let Field::Given(key) = &prerequisite.object.flag_key {
                self.need_flag(key);
            }
        }
        for rule in &flag.targeting_rules.entries {
            if let Field::Given(name) = &rule.object.segment_id {
                self.segments.insert(name.clone(), ());
            }
        }
    }

    /// Reads the needed segments in the order of the text, since the last one of a name counts.
    fn segments(&mut self) -> Result<List<SegmentDocument>, NeedsWhole> {
        let pieces = self.segments.keys().flat_map(|name| self.source.segments(name));
        let mut pieces: Vec<_> = pieces.collect();
        pieces.sort_by_key(|(start, _)| *start);
        let mut segments = List { shape: Shape::Given, ..List::default() };
        let mut last = None;
        for (start, text) in pieces {
            // A segment may be found both by id and by key.
            if last.replace(start) != Some(start) {
                segments.entries.push(self.read(text)?);
            }
        }
        Ok(segments)
    }

    fn read<T: Visitor + Default>(&mut self, text: &str) -> Result<T, NeedsWhole> {
        *self.allowed = self.allowed.checked_sub(text.len()).ok_or(NeedsWhole)?;
        json::read(text).map_err(|_| NeedsWhole)
    }
}
