//! Reads the flags of one environment from a document with several.

use super::Compiler;
use crate::ruleset::document::{Consumer, Document, Entry, FlagDocument, Found, Outline};
use crate::ruleset::error::RulesetError;
use crate::value::json;

/// Ignores the flags.
#[derive(Default)]
struct Ignore;

impl Consumer for Ignore {
    fn flag(&mut self, _: usize, _: &mut FlagDocument) {}

    fn malformed_flag(&mut self, _: usize, _: Found) {}
}

/// Reads a document and compiles the flags of an environment.
///
/// The parser cannot filter by environment, so the flags are read one by one in a second pass.
pub(in crate::ruleset) fn parse_for(
    text: &str,
    environment: &str,
) -> Result<Document<Compiler>, RulesetError> {
    let Document { consumer: Ignore, segments, version } = Document::parse(text)?;
    let mut consumer = Compiler::of(Some(environment));
    let text = json::without_mark(text);
    for (index, span) in Outline::of(text).flags.into_iter().enumerate() {
        let flag = text.get(span).unwrap_or_default();
        let mut flag: Entry<FlagDocument> = json::read(flag).map_err(RulesetError::syntax)?;
        match flag.found() {
            None => consumer.flag(index, &mut flag.object),
            Some(found) => consumer.malformed_flag(index, found),
        }
    }
    Ok(Document { consumer, segments, version })
}
