//! Collects findings before their positions are known.

use std::fmt::Display;

use super::Severity;
use crate::ruleset::problem::{MAX_PROBLEMS, Path, Problem};
use crate::value::Span;

/// A finding without its line and column.
pub(super) struct Draft {
    pub(super) severity: Severity,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// The part of the text; `None` if it is the part that the path leads to.
    pub(super) span: Option<Span>,
}

/// The problems of a ruleset, and what a review adds to them: the first 10,000 warnings and notes
/// each, and the number of the others.
pub(super) struct Drafts<'a> {
    problems: &'a [Problem],
    /// The paths of the problems, in order.
    reported: Vec<&'a str>,
    hints: Vec<Hint>,
    warnings: Kept,
    notes: Kept,
}

/// What is known about the problem at a path.
struct Hint {
    path: String,
    /// The part of the text that is wrong; `None` if it is the part that the path leads to.
    span: Option<Span>,
    help: Option<String>,
}

#[derive(Default)]
struct Kept {
    drafts: Vec<Draft>,
    omitted: usize,
}

impl<'a> Drafts<'a> {
    pub(super) fn new(problems: &'a [Problem]) -> Drafts<'a> {
        let mut reported: Vec<_> = problems.iter().map(Problem::path).collect();
        reported.sort();
        let (warnings, notes) = Default::default();
        Drafts { problems, reported, hints: Vec::new(), warnings, notes }
    }

    /// Adds a warning about the part at a path.
    pub(super) fn warn(&mut self, path: impl Display, message: impl Display) {
        self.add(Severity::Warning, path, None, message, None);
    }

    /// Adds a warning or a note.
    pub(super) fn add(
        &mut self,
        severity: Severity,
        path: impl Display,
        span: Option<Span>,
        message: impl Display,
        help: Option<String>,
    ) {
        let kept = match severity {
            Severity::Note => &mut self.notes,
            Severity::Warning | Severity::Problem => &mut self.warnings,
        };
        if kept.drafts.len() >= MAX_PROBLEMS {
            kept.omitted += 1;
            return;
        }
        let (path, message) = (path.to_string(), message.to_string());
        kept.drafts.push(Draft { severity, path, message, help, span });
    }

    /// Adds what is known about the problem at a path, if one is reported.
    pub(super) fn hint(&mut self, path: Path<'_>, span: Option<Span>, help: Option<String>) {
        if self.reported.is_empty() {
            return;
        }
        let path = path.to_string();
        if self.reported.binary_search(&&*path).is_ok() {
            self.hints.push(Hint { path, span, help });
        }
    }

    /// Returns whether a problem is reported for a path, or for a part of it.
    pub(super) fn is_reported(&self, path: Path<'_>) -> bool {
        if self.reported.is_empty() {
            return false;
        }
        let path = path.to_string();
        let first = self.reported.partition_point(|other| *other < &*path);
        // Paths that continue with `.` or `[` are sorted before those that continue with a letter or `_`.
        let rest = self.reported.get(first).and_then(|other| other.strip_prefix(&*path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// Returns whether there are problems that are not listed.
    pub(super) fn omits_problems(&self) -> bool {
        self.reported.len() > MAX_PROBLEMS
    }

    /// Returns the problems, then the warnings, then the notes.
    pub(super) fn finish(mut self) -> Vec<Draft> {
        self.hints.sort_by(|left, right| left.path.cmp(&right.path));
        let mut drafts = Vec::new();
        for problem in self.problems {
            let (path, message) = (problem.path().to_owned(), problem.message().to_owned());
            let found = self.hints.binary_search_by(|hint| hint.path.cmp(&path)).ok();
            let hint = found.and_then(|found| self.hints.get(found));
            let help = hint.and_then(|hint| hint.help.clone());
            let span = hint.and_then(|hint| hint.span.clone());
            drafts.push(Draft { severity: Severity::Problem, path, message, help, span });
        }
        drafts.extend(self.warnings.into_drafts("warnings", Severity::Warning));
        drafts.extend(self.notes.into_drafts("notes", Severity::Note));
        drafts
    }
}

impl Kept {
    /// Returns the drafts. If some were omitted, the last one has their number; `what` names them.
    fn into_drafts(mut self, what: &str, severity: Severity) -> Vec<Draft> {
        if self.omitted > 0 {
            let message = format!("{} more {what} were left out of this list", self.omitted);
            let path = "flags".to_owned();
            self.drafts.push(Draft { severity, path, message, help: None, span: None });
        }
        self.drafts
    }
}
