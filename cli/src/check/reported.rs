//! What `check` reports: the findings of the library, or the error of a text that is no ruleset.

use std::ops::Range;
use std::path::Path;

use phaseflag::{Finding, RulesetError, Severity, Value};

use crate::{document, similar};

/// The findings in a file.
pub(super) struct Report<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) findings: Vec<Reported>,
}

/// A finding or an error.
pub(super) struct Reported {
    pub(super) severity: Severity,
    /// Empty for the whole document.
    pub(super) path: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// The line and the column, from 1.
    pub(super) start: (usize, usize),
    pub(super) end: (usize, usize),
    /// The part of the text in bytes.
    pub(super) span: Range<usize>,
}

impl Reported {
    pub(super) fn of_finding(finding: &Finding) -> Reported {
        Reported {
            severity: finding.severity(),
            path: finding.path().to_owned(),
            message: finding.message().to_owned(),
            help: finding.help().map(str::to_owned),
            start: (finding.line(), finding.column()),
            end: (finding.end_line(), finding.end_column()),
            span: finding.span(),
        }
    }

    /// Returns the error of a text that cannot be parsed.
    pub(super) fn of_error(error: &RulesetError, text: &str) -> Reported {
        let start = match error {
            RulesetError::Syntax { cause, .. } => (cause.line(), cause.column()),
            _ => (1, 1),
        };
        let offset = offset(text, start);
        Reported {
            severity: Severity::Problem,
            path: String::new(),
            message: error.to_string(),
            help: mistyped_flags(text),
            start,
            end: start,
            span: offset..offset,
        }
    }

    /// Returns the message with the path before it and the help after it.
    pub(super) fn sentence(&self) -> String {
        let mut sentence = match self.path.as_str() {
            "" => self.message.clone(),
            path => format!("{path}: {}", self.message),
        };
        if let Some(help) = &self.help {
            sentence += "; ";
            sentence += help;
        }
        sentence
    }
}

/// Returns help if an object has no list of flags, but a field that was probably meant to be it: the
/// same but for case and one edit. With two, `tags` would be one.
fn mistyped_flags(text: &str) -> Option<String> {
    let document: Value = text.parse().ok()?;
    let object = document::present(&document, "data").unwrap_or(&document);
    if document::present(object, "flags").is_some() {
        return None;
    }
    let mut names = object.as_object()?.keys();
    // Longer names are not near, and comparing them would take long.
    let is_near =
        |name: &str| name.len() < 10 && similar::distance(&name.to_ascii_lowercase(), "flags") <= 1;
    let name = names.find(|name| *name != "flags" && is_near(name))?;
    Some(format!("the field `{name}` is not known: did you mean `flags`?"))
}

/// Returns the offset of a line and column.
fn offset(text: &str, (line, column): (usize, usize)) -> usize {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let line_start = match line {
        1 => mark,
        _ => text.match_indices('\n').nth(line - 2).map_or(text.len(), |(end, _)| end + 1),
    };
    let rest = text.get(line_start..).unwrap_or_default();
    let in_line = rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
    line_start + in_line
}
