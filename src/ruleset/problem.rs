//! `Problem`: what in a ruleset could not be used, and where.

use std::fmt;

/// How many problems of one ruleset are kept.
pub(super) const MAX_PROBLEMS: usize = 10_000;

/// Something in a ruleset that could not be used. The rest of the ruleset is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    /// Returns where it is, such as `flags[3].targeting_rules[0].conditions[1]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what it is, and what follows from it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Where something stands in a document, spelled out only when it is reported.
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

/// The problems of one ruleset: the first 10,000, and how many more there were.
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

    /// Counts problems whose places are not known.
    pub(super) fn omit(&mut self, count: usize) {
        self.omitted += count;
    }

    /// Returns the problems; the last one says where some had to be left out, and what they are.
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
