//! Compiles one flag and all that it refers to, without reading the rest of the text.
//!
//! The flag serves what it would serve in the whole ruleset: the flags that it requires, directly
//! or indirectly, and the segments that any of them names are compiled as well.

use miniserde::de::Visitor;

use super::Compiler;
use super::link::link;
use crate::ruleset::document::{
    Consumer, Document, Entry, Field, FlagDocument, IndexedText, List, SegmentDocument, Shape,
};
use crate::ruleset::tables::{Tables, TextMap};
use crate::value::{Value, json};

/// The maximum size of the texts that a flag refers to, in bytes. It bounds the time that flags with
/// many references take, each of which is compiled with all of them.
const MAX_REFERENCES: usize = 64 * 1024;

/// A flag refers to more than `MAX_REFERENCES`, or its text cannot be read.
#[derive(Debug)]
pub(in crate::ruleset) struct NoPart;

/// Compiles a flag and all that it refers to. The tables may lack the flag, if it is unusable or of
/// another environment.
pub(in crate::ruleset) fn compile_part(
    text: &IndexedText,
    key: &str,
    environment: Option<&str>,
) -> Result<Tables, NoPart> {
    let own: usize = text.flags(key).iter().map(|(_, flag)| flag.len()).sum();
    let mut reader = Reader {
        text,
        remaining: own.saturating_add(MAX_REFERENCES),
        compiler: Compiler::of(environment),
        flags: TextMap::default(),
        unread: Vec::new(),
        segments: TextMap::default(),
    };
    reader.need_flag(key);
    reader.flags()?;
    let segments = reader.segments()?;
    let consumer = reader.compiler;
    Ok(link(Document { consumer, segments, version: Value::Null }))
}

struct Reader<'a> {
    text: &'a IndexedText,
    /// How many bytes may still be read.
    remaining: usize,
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

    fn flags(&mut self) -> Result<(), NoPart> {
        let mut index = 0;
        while let Some(key) = self.unread.pop() {
            for (_, text) in self.text.flags(&key) {
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
    fn segments(&mut self) -> Result<List<SegmentDocument>, NoPart> {
        let pieces = self.segments.keys().flat_map(|name| self.text.segments(name));
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

    fn read<T: Visitor + Default>(&mut self, text: &str) -> Result<T, NoPart> {
        self.remaining = self.remaining.checked_sub(text.len()).ok_or(NoPart)?;
        json::read(text).map_err(|_| NoPart)
    }
}
