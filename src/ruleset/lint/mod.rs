//! `Finding`: what is wrong or suspicious in a ruleset, and on which line.

mod locate;
mod reach;
mod warning;

use std::fmt;

use self::locate::{lines_and_columns, places};
use self::warning::{Origins, warnings};
use crate::ruleset::compile::link;
use crate::ruleset::compile::parse;
use crate::ruleset::document::Field;
use crate::ruleset::document::Outline;
use crate::ruleset::document::SegmentDocument;
use crate::ruleset::error::RulesetError;
use crate::ruleset::problem::Problem;

/// Something in a ruleset that is wrong or suspicious: what
/// [`Ruleset::check`](super::Ruleset::check) finds.
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
    /// Something could not be used: one of [`Ruleset::problems`](super::Ruleset::problems).
    Problem,
    /// Something is valid, and yet surely not meant.
    Warning,
}

impl Severity {
    /// Returns its name, `problem` or `warning`.
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
    /// Returns where it is, such as `flags[3].targeting_rules[0].conditions[1]`.
    pub fn path(&self) -> &str {
        self.problem.path()
    }

    /// Returns what it is, and what follows from it.
    pub fn message(&self) -> &str {
        self.problem.message()
    }

    /// Returns whether it is a problem or a warning.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns the line, from 1. Where something is missing, it is the one of what it should
    /// be in.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// As `line 12, column 5: flags[3].variations[0]: …`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

/// Reads a ruleset for what is wrong or suspicious in it, in the order of the text.
pub(crate) fn findings(
    text: &str,
    environment: Option<&str>,
) -> Result<Vec<Finding>, RulesetError> {
    let document = parse(text, environment)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let outline = Outline::of(text);
    let named = document.segments.entries.iter().filter(|entry| is_named(&entry.fields));
    let origins = Origins {
        // Flags of other environments may ask for the segments.
        all_flags: environment.is_none(),
        flags: document.consumer.indices.clone(),
        segments: named.map(|entry| entry.index).collect(),
    };
    let tables = link(document);
    let warnings = warnings(text, &outline, &origins, &tables);

    let problems = tables.problems.iter().map(|problem| (Severity::Problem, problem));
    let warnings = warnings.iter().map(|warning| (Severity::Warning, warning));
    let found: Vec<_> = problems.chain(warnings).collect();
    let places = places(text, &outline, found.iter().map(|(_, problem)| problem.path()));
    let mut found: Vec<_> = places.into_iter().zip(found).collect();
    found.sort_by_key(|(place, _)| *place);
    let places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
    let findings = found.into_iter().zip(lines_and_columns(text, &places));
    let findings = findings.map(|((_, (severity, problem)), (line, column))| Finding {
        problem: problem.clone(),
        severity,
        line,
        column,
    });
    Ok(findings.collect())
}

/// Returns whether a segment has an id or a key, and so is in the tables.
fn is_named(segment: &SegmentDocument) -> bool {
    let given = |name: &Field<Box<str>>| matches!(name, Field::Given(name) if !name.is_empty());
    given(&segment.id) || given(&segment.key)
}
