//! Warnings: parts of a ruleset that are valid, but probably a mistake.

use std::fmt::Display;

use super::reach::Reach;
use crate::ruleset::compile::{FLAGS, SEGMENTS};
use crate::ruleset::document::Outline;
use crate::ruleset::problem::{MAX_PROBLEMS, Path, Problem, Problems};
use crate::ruleset::tables::{Flag, FlagKind, Rule, Serves, Tables, TextMap, excerpt, weight_text};
use crate::value::{Span, Value, elements, member};

/// The index in the document of each flag and segment of the tables.
pub(super) struct SourceIndices {
    /// Whether the tables have the flags of all environments.
    pub(super) all_flags: bool,
    pub(super) flags: Vec<usize>,
    pub(super) segments: Vec<usize>,
}

/// Returns the warnings for a ruleset: the first 10,000, and the number of the others.
pub(super) fn warnings(
    text: &str,
    outline: &Outline,
    indices: &SourceIndices,
    tables: &Tables,
) -> Box<[Problem]> {
    let mut reported: Vec<_> = tables.problems.iter().map(Problem::path).collect();
    reported.sort();
    let mut review = Review { text, reported, warnings: Problems::default() };
    let mut reach = Reach::new(tables);
    for (flag, index) in tables.flags.iter().zip(&indices.flags) {
        let span = outline.flags.get(*index).cloned().unwrap_or_default();
        review.flag(FLAGS.item(*index), flag, span, &mut reach);
    }
    if indices.all_flags {
        review.segments(indices, tables);
    }
    review.warnings.into_list("warnings")
}

struct Review<'a> {
    text: &'a str,
    /// The paths of the problems, in order.
    reported: Vec<&'a str>,
    warnings: Problems,
}

impl Review<'_> {
    fn flag(&mut self, path: Path<'_>, flag: &Flag, span: Span, reach: &mut Reach) {
        if flag.kind == FlagKind::Unknown {
            self.flag_type(path.field("flag_type"), span.clone());
        }
        if flag.on {
            self.variations(path, flag);
        }
        let rules = path.field("targeting_rules");
        self.empty_rules(rules, flag, span);
        let shadowing_rules = reach.shadowing_rules(&flag.rules);
        for (position, (rule, shadowing)) in flag.rules.iter().zip(shadowing_rules).enumerate() {
            let is_last = position + 1 == flag.rules.len();
            self.rule(rules.item(rule.index as usize), flag, rule, shadowing, is_last);
        }
    }

    fn flag_type(&mut self, path: Path<'_>, flag: Span) {
        let given = member(self.text, flag, "flag_type").and_then(|span| self.text.get(span));
        let given = given.and_then(|text| text.parse::<Value>().ok()).unwrap_or_default();
        match given.as_str() {
            Some(name) => self.warn(
                path,
                format_args!("the flag type `{}` is not known: {TYPE_COUNTS}", excerpt(name)),
            ),
            None => self.warn(
                path,
                format_args!("expected a string, found {}: {TYPE_COUNTS}", given.type_name()),
            ),
        }
    }

    fn variations(&mut self, path: Path<'_>, flag: &Flag) {
        let (variations, default) = (path.field("variations"), path.field("default_variation"));
        let names = ["default_variation_id", "default_variation_key"];
        let [id, key] = names.map(|name| path.field(name));
        let parts = [variations, default, id, key];
        if flag.default.is_some() || parts.iter().any(|part| self.is_reported(*part)) {
            return;
        }
        if flag.variations.is_empty() {
            let message = "the flag is on and has no variations: the value served is null";
            return self.warn(variations, message);
        }
        let message = "the flag is on and names no default variation: \
                       the value served is null if no rule decides";
        self.warn(default, message);
    }

    /// Warns of empty rules, which are not in the tables.
    fn empty_rules(&mut self, path: Path<'_>, flag: &Flag, span: Span) {
        // Some of the rules may be malformed, and their problems not listed.
        if self.reported.len() > MAX_PROBLEMS {
            return;
        }
        let Some(list) = member(self.text, span, "targeting_rules") else {
            return;
        };
        let mut compiled = vec![false; elements(self.text, list).len()];
        for rule in &flag.rules {
            if let Some(compiled) = compiled.get_mut(rule.index as usize) {
                *compiled = true;
            }
        }
        for (index, compiled) in compiled.into_iter().enumerate() {
            if !compiled && !self.is_reported(path.item(index)) {
                self.warn(path.item(index), SERVES_NOTHING);
            }
        }
    }

    fn rule(
        &mut self,
        path: Path<'_>,
        flag: &Flag,
        rule: &Rule,
        shadowing: Option<&Rule>,
        is_last: bool,
    ) {
        if let Serves::Nothing = rule.serves {
            return self.warn(path, SERVES_NOTHING);
        }
        if let Some(Rule { index, serves, .. }) = shadowing {
            let consequence = match serves {
                // Users without an identifier may reach the rule.
                Serves::Rollout(_) => "can serve: the rule never decides",
                Serves::Variation(_) | Serves::Nothing => "matches: the rule is never reached",
            };
            self.warn(
                path,
                format_args!(
                    "targeting_rules[{index}] comes first and serves everyone whom this rule \
                     {consequence}"
                ),
            );
        }
        if let Serves::Rollout(entries) = &rule.serves
            && let Some(message) = weights(flag, entries, is_last)
        {
            self.warn(path.field("percentage_rollout"), message);
        }
    }

    fn segments(&mut self, indices: &SourceIndices, tables: &Tables) {
        let mut used = vec![false; tables.segments.len()];
        let rules = tables.flags.iter().flat_map(|flag| &flag.rules);
        for position in rules.filter_map(|rule| rule.segment) {
            if let Some(used) = used.get_mut(position as usize) {
                *used = true;
            }
        }
        // Of several segments with the same name, only the last one is in force.
        let mut last = TextMap::default();
        for (position, segment) in tables.segments.iter().enumerate() {
            last.insert((*segment.name).into(), position);
        }
        let listed = tables.segments.iter().zip(&indices.segments).zip(used);
        for (position, ((segment, index), used)) in listed.enumerate() {
            let path = SEGMENTS.item(*index);
            if !used && last.get(&segment.name) == Some(&position) && !self.is_reported(path) {
                let name = excerpt(&segment.name);
                self.warn(path, format_args!("no active rule uses the segment `{name}`"));
            }
        }
    }

    fn warn(&mut self, path: impl Display, message: impl Display) {
        self.warnings.report(path, message);
    }

    /// Returns whether a problem is reported for a path, or for a part of it.
    fn is_reported(&self, path: Path<'_>) -> bool {
        let path = path.to_string();
        let first = self.reported.partition_point(|other| *other < &*path);
        // Paths that continue with `.` or `[` are sorted before those that continue with a letter or `_`.
        let rest = self.reported.get(first).and_then(|other| other.strip_prefix(&*path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

const TYPE_COUNTS: &str = "only the types of the values count";
const SERVES_NOTHING: &str = "the rule serves nothing: the next rule is evaluated";

/// Returns the warning for the weights of a rollout; `None` if they are fine for each of the hundred
/// buckets.
fn weights(flag: &Flag, entries: &[(f64, Option<u32>)], is_last: bool) -> Option<String> {
    let sum = entries.last().map_or(0.0, |(sum, _)| *sum);
    let next = if is_last { "the default variation" } else { "the next rule" };
    // An entry covers the buckets below the sum of the weights up to its own.
    let out = (0..100).find(|bucket| f64::from(*bucket) >= sum);
    if let Some(first) = out {
        let fallthrough = match first {
            0 => "everyone falls".to_owned(),
            99 => "bucket 99 falls".to_owned(),
            first => format!("buckets {first} to 99 fall"),
        };
        return Some(format!(
            "the weights sum to {}: {fallthrough} through to {next}",
            weight_text(sum)
        ));
    }
    let beyond: Vec<_> = ranges(entries).filter(|range| range.start >= 100.0).collect();
    if sum < 101.0 && beyond.is_empty() {
        return between_buckets(flag, entries);
    }
    let sum = weight_text(sum);
    Some(match beyond.as_slice() {
        [] => format!("the weights sum to {sum}: the part beyond 100 is never served"),
        [one] => format!(
            "the weights sum to {sum}: the entry of {} is beyond 100 and never served",
            one.name(flag)
        ),
        [first, others @ ..] => format!(
            "the weights sum to {sum}: the entry of {} and {} after it are beyond 100 and never served",
            first.name(flag),
            others.len()
        ),
    })
}

/// Returns the warning for entries that cover no bucket, since buckets are whole numbers.
fn between_buckets(flag: &Flag, entries: &[(f64, Option<u32>)]) -> Option<String> {
    let mut unserved =
        ranges(entries).filter(|range| range.start.ceil() >= range.end.ceil().min(100.0));
    let first = unserved.next()?;
    let (name, start, end) = (first.name(flag), weight_text(first.start), weight_text(first.end));
    let entry = format!("the entry of {name}, from {start} to {end},");
    Some(match unserved.count() {
        0 => format!("{entry} covers no whole bucket and is never served"),
        others => {
            format!("{entry} and {others} after it cover no whole bucket and are never served")
        }
    })
}

/// The buckets of a rollout entry, from `start` inclusive to `end` exclusive.
struct EntryRange {
    start: f64,
    end: f64,
    served: Option<u32>,
}

impl EntryRange {
    fn name(&self, flag: &Flag) -> String {
        match flag.variation(self.served).and_then(|it| it.key.as_deref()) {
            Some(key) => format!("`{}`", excerpt(key)),
            None => "a variation without a key".to_owned(),
        }
    }
}

/// Returns the ranges of the entries with a weight.
fn ranges(entries: &[(f64, Option<u32>)]) -> impl Iterator<Item = EntryRange> {
    let starts = [0.0].into_iter().chain(entries.iter().map(|(sum, _)| *sum));
    let ranges = starts.zip(entries).map(|(start, (end, served))| EntryRange {
        start,
        end: *end,
        served: *served,
    });
    ranges.filter(|range| range.end > range.start)
}
