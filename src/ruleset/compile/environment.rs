//! The flags of one environment, read out of a document that holds those of several.

use super::Compiler;
use crate::ruleset::document::Outline;
use crate::ruleset::document::{Consumer, Document, FlagDocument};
use crate::ruleset::document::{Entry, Found};
use crate::ruleset::error::RulesetError;
use crate::value::json;

/// Takes no flag.
#[derive(Default)]
struct Nobody;

impl Consumer for Nobody {
    fn flag(&mut self, _: usize, _: &mut FlagDocument) {}

    fn malformed_flag(&mut self, _: usize, _: Found) {}
}

/// Reads a document and compiles the flags that clients of an environment see; all of them for
/// `None`.
///
/// A parser that is under way knows no environment, so flags are read one by one afterwards.
pub(crate) fn parse(
    text: &str,
    environment: Option<&str>,
) -> Result<Document<Compiler>, RulesetError> {
    let Some(environment) = environment else {
        return Document::parse(text);
    };
    let Document { consumer: Nobody, segments, version } = Document::parse(text)?;
    let mut consumer = Compiler::of(Some(environment));
    let text = json::without_mark(text);
    for (index, span) in Outline::of(text).flags.into_iter().enumerate() {
        let flag = text.get(span).unwrap_or_default();
        let mut flag: Entry<FlagDocument> = json::read(flag).map_err(RulesetError::syntax)?;
        match flag.found() {
            None => consumer.flag(index, &mut flag.fields),
            Some(found) => consumer.malformed_flag(index, found),
        }
    }
    Ok(Document { consumer, segments, version })
}
