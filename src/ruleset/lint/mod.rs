//! `Finding`: a problem or a warning in a ruleset, with its line and column.

mod locate;
mod reach;
mod warning;

use std::fmt;

use self::locate::{lines_and_columns, locate};
use self::warning::{SourceIndices, warnings};
use crate::ruleset::compile::{Compiler, link};
use crate::ruleset::document::{Document, Field, Outline, SegmentDocument};
use crate::ruleset::error::RulesetError;
use crate::ruleset::problem::Problem;

/// A problem or a warning that [`Ruleset::check`](crate::Ruleset::check) finds in a ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    problem: Problem,
    severity: Severity,
    line: usize,
    column: usize,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Something is unusable. [`Ruleset::problems`](crate::Ruleset::problems) lists it as well.
    Problem,
    /// Something is valid, but probably a mistake.
    Warning,
}

impl Severity {
    /// Returns the name, `problem` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Finding {
    /// Returns the path in the document, such as `flags[3].targeting_rules[0].conditions[1]`.
    pub fn path(&self) -> &str {
        self.problem.path()
    }

    /// Returns the description and the consequence.
    pub fn message(&self) -> &str {
        self.problem.message()
    }

    /// Returns whether it is a problem or a warning.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns the line, from 1. For something missing, it is the line of its parent.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// Prints `line 12, column 5: flags[3].variations[0]: …`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

/// Returns the problems and warnings of a ruleset, in the order of the text.
pub(super) fn findings(
    text: &str,
    environment: Option<&str>,
) -> Result<Vec<Finding>, RulesetError> {
    let document = Document::parse(text, Compiler::of(environment))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let outline = Outline::of(text);
    let named = document.segments.entries.iter().filter(|entry| is_named(&entry.object));
    let indices = SourceIndices {
        // Rules of other environments may use the segments.
        all_flags: environment.is_none(),
        flags: document.consumer.indices.clone(),
        segments: named.map(|entry| entry.index).collect(),
    };
    let tables = link(document);
    let warnings = warnings(text, &outline, &indices, &tables);

    let problems = tables.problems.iter().map(|problem| (Severity::Problem, problem));
    let warnings = warnings.iter().map(|warning| (Severity::Warning, warning));
    let found: Vec<_> = problems.chain(warnings).collect();
    let offsets = locate(text, &outline, found.iter().map(|(_, problem)| problem.path()));
    let mut found: Vec<_> = offsets.into_iter().zip(found).collect();
    found.sort_by_key(|(offset, _)| *offset);
    let offsets: Vec<_> = found.iter().map(|(offset, _)| *offset).collect();
    let findings = found.into_iter().zip(lines_and_columns(text, &offsets));
    let findings = findings.map(|((_, (severity, problem)), (line, column))| Finding {
        problem: problem.clone(),
        severity,
        line,
        column,
    });
    Ok(findings.collect())
}

/// Returns whether a segment has an id or a key. Without either, it is not in the tables.
fn is_named(segment: &SegmentDocument) -> bool {
    let given = |name: &Field<Box<str>>| matches!(name, Field::Given(name) if !name.is_empty());
    given(&segment.id) || given(&segment.key)
}
