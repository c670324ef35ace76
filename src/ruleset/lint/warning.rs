//! What in a ruleset is valid, and yet surely not meant.

use std::fmt::Display;

use super::reach::Reach;
use crate::ruleset::compile::FLAGS;
use crate::ruleset::compile::SEGMENTS;
use crate::ruleset::document::Outline;
use crate::ruleset::problem::{MAX_PROBLEMS, Path, Problem, Problems};
use crate::ruleset::tables::TextMap;
use crate::ruleset::tables::excerpt;
use crate::ruleset::tables::weight_text;
use crate::ruleset::tables::{Flag, FlagKind, Rule, Serves, Tables};
use crate::value::Value;
use crate::value::{Span, elements, member};

/// Where the parts of the tables stand in their document.
pub(super) struct Origins {
    /// Whether all flags of the document are in the tables that could be.
    pub(super) all_flags: bool,
    pub(super) flags: Vec<usize>,
    pub(crate) segments: Vec<usize>,
}

/// Returns what is suspicious in a ruleset, up to 10,000 of it.
pub(super) fn warnings(
    text: &str,
    outline: &Outline,
    origins: &Origins,
    tables: &Tables,
) -> Box<[Problem]> {
    let mut reported: Vec<_> = tables.problems.iter().map(Problem::path).collect();
    reported.sort();
    let mut review = Review { text, reported, warnings: Problems::default() };
    let mut reach = Reach::new(tables);
    for (flag, index) in tables.flags.iter().zip(&origins.flags) {
        let span = outline.flags.get(*index).cloned().unwrap_or_default();
        review.flag(FLAGS.item(*index), flag, span, &mut reach);
    }
    if origins.all_flags {
        review.segments(origins, tables);
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
        let obstacles = reach.obstacles(&flag.rules);
        for (place, (rule, obstacle)) in flag.rules.iter().zip(obstacles).enumerate() {
            let is_last = place + 1 == flag.rules.len();
            self.rule(rules.item(rule.index as usize), flag, rule, obstacle, is_last);
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
                       the value served is null where no rule decides";
        self.warn(default, message);
    }

    /// Rules that say nothing at all are not in the tables.
    fn empty_rules(&mut self, path: Path<'_>, flag: &Flag, span: Span) {
        // Some may be malformed ones whose problems are not listed.
        if self.reported.len() > MAX_PROBLEMS {
            return;
        }
        let Some(list) = member(self.text, span, "targeting_rules") else {
            return;
        };
        let mut seen = vec![false; elements(self.text, list).len()];
        for rule in &flag.rules {
            if let Some(seen) = seen.get_mut(rule.index as usize) {
                *seen = true;
            }
        }
        for (index, seen) in seen.into_iter().enumerate() {
            if !seen && !self.is_reported(path.item(index)) {
                self.warn(path.item(index), SERVES_NOTHING);
            }
        }
    }

    fn rule(
        &mut self,
        path: Path<'_>,
        flag: &Flag,
        rule: &Rule,
        obstacle: Option<&Rule>,
        is_last: bool,
    ) {
        if let Serves::Nothing = rule.serves {
            return self.warn(path, SERVES_NOTHING);
        }
        if let Some(Rule { index, serves, .. }) = obstacle {
            let consequence = match serves {
                // Those without an identifier may reach the rule.
                Serves::Rollout(_) => "can serve: the rule never decides",
                Serves::Variation(_) | Serves::Nothing => "matches: the rule is never reached",
            };
            self.warn(
                path,
                format_args!(
                    "targeting_rules[{index}] comes first and serves everybody whom this rule \
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

    fn segments(&mut self, origins: &Origins, tables: &Tables) {
        let mut used = vec![false; tables.segments.len()];
        let rules = tables.flags.iter().flat_map(|flag| &flag.rules);
        for position in rules.filter_map(|rule| rule.segment) {
            if let Some(used) = used.get_mut(position as usize) {
                *used = true;
            }
        }
        // A segment of a name that comes again is reported where it does.
        let mut last = TextMap::default();
        for (place, segment) in tables.segments.iter().enumerate() {
            last.insert((*segment.name).into(), place);
        }
        let listed = tables.segments.iter().zip(&origins.segments).zip(used);
        for (place, ((segment, index), used)) in listed.enumerate() {
            let path = SEGMENTS.item(*index);
            if !used && last.get(&segment.name) == Some(&place) && !self.is_reported(path) {
                let name = excerpt(&segment.name);
                self.warn(path, format_args!("no rule in force asks for the segment `{name}`"));
            }
        }
    }

    fn warn(&mut self, path: impl Display, message: impl Display) {
        self.warnings.report(path, message);
    }

    /// Returns whether there is a problem with a part of the document, or within it.
    fn is_reported(&self, path: Path<'_>) -> bool {
        let path = path.to_string();
        let first = self.reported.partition_point(|other| *other < &*path);
        // What goes on with `.` or `[` comes before what goes on with a letter or `_`.
        let rest = self.reported.get(first).and_then(|other| other.strip_prefix(&*path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

const TYPE_COUNTS: &str = "the type of each value counts alone";
const SERVES_NOTHING: &str = "the rule serves nothing: the next one is looked at";

/// Returns what is wrong with the weights of a rollout, where that makes a difference to any of
/// the hundred buckets.
fn weights(flag: &Flag, entries: &[(f64, Option<u32>)], is_last: bool) -> Option<String> {
    let sum = entries.last().map_or(0.0, |(sum, _)| *sum);
    let next = if is_last { "the default variation" } else { "the next rule" };
    // A bucket is in where it is less than the sum.
    let out = (0..100).find(|bucket| f64::from(*bucket) >= sum);
    if let Some(first) = out {
        let who = match first {
            0 => "everybody falls".to_owned(),
            99 => "bucket 99 falls".to_owned(),
            first => format!("buckets {first} to 99 fall"),
        };
        return Some(format!("the weights sum to {}: {who} through to {next}", weight_text(sum)));
    }
    let beyond: Vec<_> = shares(entries).filter(|share| share.start >= 100.0).collect();
    if sum < 101.0 && beyond.is_empty() {
        return between_buckets(flag, entries);
    }
    let sum = weight_text(sum);
    Some(match beyond.as_slice() {
        [] => format!("the weights sum to {sum}: what lies beyond 100 is never served"),
        [one] => format!(
            "the weights sum to {sum}: the entry of {} lies beyond 100 and is never served",
            one.name(flag)
        ),
        [first, others @ ..] => format!(
            "the weights sum to {sum}: the entry of {} and {} after it lie beyond 100 and are never served",
            first.name(flag),
            others.len()
        ),
    })
}

/// Returns which entries no bucket falls into: buckets are whole numbers.
fn between_buckets(flag: &Flag, entries: &[(f64, Option<u32>)]) -> Option<String> {
    let mut unserved =
        shares(entries).filter(|share| share.start.ceil() >= share.end.ceil().min(100.0));
    let first = unserved.next()?;
    let (name, start, end) = (first.name(flag), weight_text(first.start), weight_text(first.end));
    let entry = format!("the entry of {name}, from {start} to {end},");
    Some(match unserved.count() {
        0 => format!("{entry} takes in no whole bucket and is never served"),
        others => {
            format!("{entry} and {others} after it take in no whole bucket and are never served")
        }
    })
}

/// An entry of a rollout: it serves the buckets from its start, up to and without its end.
struct Share {
    start: f64,
    end: f64,
    served: Option<u32>,
}

impl Share {
    fn name(&self, flag: &Flag) -> String {
        match flag.variation(self.served).and_then(|it| it.key.as_deref()) {
            Some(key) => format!("`{}`", excerpt(key)),
            None => "a variation without a key".to_owned(),
        }
    }
}

/// Returns the entries that have a weight.
fn shares(entries: &[(f64, Option<u32>)]) -> impl Iterator<Item = Share> {
    let starts = [0.0].into_iter().chain(entries.iter().map(|(sum, _)| *sum));
    let shares = starts.zip(entries).map(|(start, (end, served))| Share {
        start,
        end: *end,
        served: *served,
    });
    shares.filter(|share| share.end > share.start)
}
