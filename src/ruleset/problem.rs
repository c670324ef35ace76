//! `Problem`: an unusable part of a ruleset, and its path.

use std::fmt;

/// The maximum number of problems to keep for a ruleset.
pub(super) const MAX_PROBLEMS: usize = 10_000;

/// A part of a ruleset that is unusable. The rest of the ruleset is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    /// Returns the path in the document, such as `flags[3].targeting_rules[0].conditions[1]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the description and the consequence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A path in a document, which is formatted only when it is reported.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    Root(&'static str),
    Field(&'a Path<'a>, &'static str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(super) fn field<'a>(&'a self, name: &'static str) -> Path<'a> {
        Path::Field(self, name)
    }

    pub(super) fn item<'a>(&'a self, index: usize) -> Path<'a> {
        Path::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root(name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The problems of a ruleset: the first 10,000, and the number of the others.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    #[cold]
    pub(super) fn report(&mut self, path: impl fmt::Display, message: impl fmt::Display) {
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(Problem { path: path.to_string(), message: message.to_string() });
        } else {
            self.omitted += 1;
        }
    }

    /// Counts problems without listing them.
    pub(super) fn omit(&mut self, count: usize) {
        self.omitted += count;
    }

    /// Returns the problems. If some were omitted, the last one has their number; `what` names them.
    pub(super) fn into_list(mut self, what: &str) -> Box<[Problem]> {
        if self.omitted > 0 {
            self.kept.push(Problem {
                path: "flags".to_owned(),
                message: format!("{} more {what} were left out of this list", self.omitted),
            });
        }
        self.kept.into()
    }
}
