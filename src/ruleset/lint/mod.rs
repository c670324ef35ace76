//! `Finding`: a problem, a warning or a note in a ruleset, with its line and column.

mod conditions;
mod contradictions;
mod drafts;
mod fields;
mod flag_values;
mod locate;
mod near;
mod reach;
mod references;
mod source;
mod variables;
mod warning;
mod weights;

use std::fmt;
use std::ops::Range;

use self::drafts::Drafts;
use self::locate::{lines_and_columns, locate};
use self::source::review_source;
use self::warning::{SourceIndices, review_tables};
use crate::ruleset::compile::{Compiler, link};
use crate::ruleset::document::{Document, Field, Outline, SegmentDocument};
use crate::ruleset::error::RulesetError;

/// A problem, a warning or a note that [`Ruleset::check`](crate::Ruleset::check) finds in a ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    path: String,
    message: String,
    help: Option<String>,
    span: Range<usize>,
    start: (usize, usize),
    end: (usize, usize),
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Something is unusable. [`Ruleset::problems`](crate::Ruleset::problems) lists it as well.
    Problem,
    /// Something is valid, but probably a mistake.
    Warning,
    /// Something is valid and has no effect, such as a field that is not known. The document may
    /// have it for another program.
    Note,
}

impl Severity {
    /// Returns the name: `problem`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Finding {
    /// Returns the path in the document, such as `flags[3].targeting_rules[0].conditions[1]`. For a
    /// field that is not known, it is the path of the object; it is empty for the whole document.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the description and the consequence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what was probably meant, such as "did you mean `conditions`?", or what else helps;
    /// `None` if nothing is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Returns whether it is a problem, a warning or a note.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns the line, from 1. For something missing, it is the line of its parent.
    pub fn line(&self) -> usize {
        self.start.0
    }

    /// Returns the column in characters, from 1.
    pub fn column(&self) -> usize {
        self.start.1
    }

    /// Returns the line where the part ends, from 1.
    pub fn end_line(&self) -> usize {
        self.end.0
    }

    /// Returns the column behind the last character of the part, from 1.
    pub fn end_column(&self) -> usize {
        self.end.1
    }

    /// Returns the part of the text in bytes. For something missing, it is the opening bracket of its
    /// parent.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

/// Prints `line 12, column 5: flags[3].variations[0]: …`, and the help after a semicolon.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line(), self.column())?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Returns the findings in a ruleset, in the order of the text.
pub(super) fn findings(
    text: &str,
    environment: Option<&str>,
) -> Result<Vec<Finding>, RulesetError> {
    let document = Document::parse(text, Compiler::of(environment))?;
    let whole_length = text.len();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark_length = whole_length - text.len();
    let outline = Outline::of(text);
    let named = document.segments.entries.iter().filter(|entry| is_named(&entry.object));
    let indices = SourceIndices {
        // Rules of other environments may use the segments.
        all_flags: environment.is_none(),
        flags: document.consumer.indices.clone(),
        segments: named.map(|entry| entry.index).collect(),
    };
    let tables = link(document);
    let mut drafts = Drafts::new(&tables.problems);
    review_tables(text, &outline, &indices, &tables, &mut drafts);
    review_source(text, &outline, environment, &indices.flags, &mut drafts);

    let drafts = drafts.finish();
    let spans = locate(text, &outline, drafts.iter().map(|draft| draft.path.as_str()));
    let mut drafts: Vec<_> = drafts
        .into_iter()
        .zip(spans)
        .map(|(draft, found)| (draft.span.clone().unwrap_or(found), draft))
        .collect();
    drafts.sort_by_key(|(span, _)| span.start);
    let mut offsets: Vec<_> = drafts.iter().flat_map(|(span, _)| [span.start, span.end]).collect();
    offsets.sort();
    let positions = lines_and_columns(text, &offsets);
    let position = |offset| {
        let found = offsets.binary_search(&offset).ok();
        found.and_then(|found| positions.get(found)).copied().unwrap_or((1, 1))
    };
    let findings = drafts.into_iter().map(|(span, draft)| Finding {
        severity: draft.severity,
        path: draft.path,
        message: draft.message,
        help: draft.help,
        start: position(span.start),
        end: position(span.end),
        span: span.start + mark_length..span.end + mark_length,
    });
    Ok(findings.collect())
}

/// Returns whether a segment has an id or a key. Without either, it is not in the tables.
fn is_named(segment: &SegmentDocument) -> bool {
    let given = |name: &Field<Box<str>>| matches!(name, Field::Given(name) if !name.is_empty());
    given(&segment.id) || given(&segment.key)
}
