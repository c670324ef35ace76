//! What the references say about the flags, as text and as JSON.

use std::collections::{HashMap, HashSet};

use phaseflag::{FlagInfo, Object, Ruleset, Value};

use super::constant::{Audience, Constant, constant};
use super::sources::{Found, Reference};
use crate::output::{self, Colour, Look};
use crate::similar;

/// The references, and what is known about each flag.
pub(super) struct Report<'a> {
    found: &'a Found,
    /// For each unknown key, one that is similar.
    suggestions: HashMap<&'a str, Option<&'a str>>,
    flags: Vec<Flag<'a>>,
}

struct Flag<'a> {
    key: &'a str,
    references: usize,
    /// Whether another flag requires it.
    is_required: bool,
    constant: Option<Constant>,
}

impl Flag<'_> {
    fn is_unused(&self) -> bool {
        self.references == 0 && !self.is_required
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(ruleset: &Ruleset, flags: &'a [FlagInfo], found: &'a Found) -> Report<'a> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut suggestions = HashMap::new();
        for Reference { key, is_known, .. } in &found.references {
            *counts.entry(key).or_default() += 1;
            if !is_known {
                suggestions
                    .entry(key.as_str())
                    .or_insert_with(|| similar::nearest(key, flags.iter().map(FlagInfo::key)));
            }
        }
        let required = required(ruleset, flags);
        let flag = |info: &'a FlagInfo| Flag {
            key: info.key(),
            references: counts.get(info.key()).copied().unwrap_or_default(),
            is_required: required.contains(info.key()),
            constant: constant(ruleset, info),
        };
        Report { found, suggestions, flags: flags.iter().map(flag).collect() }
    }

    /// Returns whether a key is unknown; if `strict`, also whether a flag is unused or constant.
    pub(super) fn has_findings(&self, strict: bool) -> bool {
        let flagged = |flag: &Flag<'_>| flag.is_unused() || flag.constant.is_some();
        !self.suggestions.is_empty() || (strict && self.flags.iter().any(flagged))
    }

    pub(super) fn text(&self, look: Look) -> String {
        let mut text = String::new();
        let mut add = |colour: Colour, line: String| {
            let line = output::escape_line(line);
            let line = look.width().map(|width| output::wrap(&line, width, 2)).unwrap_or(line);
            for line in line.lines() {
                text += &look.paint(colour, line);
                text.push('\n');
            }
        };
        for reference in &self.found.references {
            let Reference { path, line, column, key, .. } = reference;
            let place = format!("{}:{line}:{column}", path.display());
            match self.suggestions.get(key.as_str()) {
                None => add(Colour::None, format!("{place}: known: {key}")),
                Some(None) => add(Colour::Bad, format!("{place}: unknown: {key}")),
                Some(Some(near)) => {
                    let line = format!("{place}: unknown: {key}: did you mean `{near}`?");
                    add(Colour::Bad, line);
                }
            }
        }
        for flag in self.flags.iter().filter(|flag| flag.is_unused()) {
            add(Colour::Warning, format!("unused: {}", flag.key));
        }
        for flag in &self.flags {
            let Some(constant) = &flag.constant else { continue };
            let to = match constant.audience {
                Audience::Everyone => "everyone",
                Audience::Identified => "everyone with a user_id or session_id",
            };
            let Constant { value, reason, .. } = constant;
            let line = format!("constant: {}: serves {value} to {to}: {reason}", flag.key);
            add(Colour::Warning, line);
        }
        text
    }

    pub(super) fn object(&self) -> Value {
        let reference = |reference: &Reference| {
            let suggestion = self.suggestions.get(reference.key.as_str()).copied().flatten();
            Object::from([
                ("file", Value::from(reference.path.to_string_lossy())),
                ("line", Value::from(reference.line)),
                ("column", Value::from(reference.column)),
                ("key", Value::from(reference.key.as_str())),
                ("known", Value::from(reference.is_known)),
                ("suggestion", Value::from(suggestion)),
            ])
        };
        let of_constant = |constant: &Constant| {
            let to = match constant.audience {
                Audience::Everyone => "everyone",
                Audience::Identified => "identified",
            };
            Object::from([
                ("value", constant.value.clone()),
                ("to", Value::from(to)),
                ("reason", Value::from(constant.reason)),
            ])
        };
        let flag = |flag: &Flag<'_>| {
            Object::from([
                ("key", Value::from(flag.key)),
                ("references", Value::from(flag.references)),
                ("unused", Value::from(flag.is_unused())),
                ("constant", Value::from(flag.constant.as_ref().map(of_constant))),
            ])
        };
        Value::from(Object::from([
            ("files", Value::from(self.found.files)),
            ("references", self.found.references.iter().map(reference).collect()),
            ("flags", self.flags.iter().map(flag).collect()),
        ]))
    }
}

/// Returns the keys of the flags that others require.
fn required(ruleset: &Ruleset, flags: &[FlagInfo]) -> HashSet<String> {
    let explained = flags.iter().filter_map(|flag| ruleset.explain(flag.key(), None));
    let required = explained.flat_map(|flag| flag.prerequisites);
    required.map(|prerequisite| prerequisite.flag_key.to_string()).collect()
}
