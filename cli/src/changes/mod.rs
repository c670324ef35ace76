//! What differs between two rulesets, in the words of `explain`.

mod change;
mod condition;
mod problem;
mod rule;
mod serving;
mod text;

use std::collections::{HashMap, HashSet};

use phaseflag::{FlagInfo, Ruleset, Value};

pub(crate) use self::change::{Change, Difference, Subject, What};
use self::condition::Condition;
use self::serving::{Reference, Variations};
use crate::document::{self, Document, Part, list, text_of};

/// The members that refer to a default variation.
const DEFAULT: [&str; 3] = ["default_variation_id", "default_variation", "default_variation_key"];

/// A ruleset, and the document that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) ruleset: &'a Ruleset,
    pub(crate) document: &'a Value,
}

/// Returns what differs: segments first, then flags; of each, those added, changed and removed.
///
/// Flags are those that clients see: a flag that the parser leaves out counts as missing. A flag
/// also differs if a segment of its rules does. What has no meaning does not count: ids, the order
/// of variations and of conditions, the dialect, the version.
pub(crate) fn between(old: Rules<'_>, new: Rules<'_>) -> Vec<Difference> {
    if old.document == new.document && old.ruleset.flags().eq(new.ruleset.flags()) {
        return Vec::new();
    }
    let old = Document::new(old.ruleset, old.document);
    let new = Document::new(new.ruleset, new.document);
    let mut differences = segments(&old, &new);
    let segments = Segments {
        same: old.segments == new.segments,
        changed: differences.iter().filter_map(changed_members).collect(),
    };
    let mut flags = flags(&old, &new, &segments);
    let by_what = |difference: &Difference| difference.what as u8;
    differences.sort_by_key(by_what);
    flags.sort_by_key(by_what);
    differences.extend(flags);
    differences
}

/// How the segments differ.
struct Segments {
    /// Whether nothing differs.
    same: bool,
    /// The names of the segments that may hold other users.
    changed: HashSet<String>,
}

/// Returns the name of a segment that may hold other users than before.
fn changed_members(difference: &Difference) -> Option<String> {
    let Difference { what: What::Changed, subject: Subject::Segment(name), changes } = difference
    else {
        return None;
    };
    let described = |change: &Change| matches!(change.field.as_str(), "name" | "description");
    changes.iter().any(|change| !described(change)).then(|| name.clone())
}

fn flags(old: &Document<'_>, new: &Document<'_>, segments: &Segments) -> Vec<Difference> {
    let subject = |info: &FlagInfo| Subject::Flag(info.key().to_owned());
    let before: HashMap<&str, _> = old.flags.iter().map(|flag| (flag.0.key(), flag)).collect();
    let now: HashSet<&str> = new.flags.iter().map(|(info, _)| info.key()).collect();
    let mut differences = Vec::new();
    for (info, part) in &new.flags {
        match before.get(info.key()) {
            None => {
                let text = summary(info);
                let change = Change::new("", Value::Null, part.value.clone(), text);
                let (what, subject) = (What::Added, subject(info));
                differences.push(Difference { what, subject, changes: vec![change] });
            }
            Some(before) => {
                let flag = Flag { info: &before.0, part: &before.1, document: old };
                let changes = flag.changes(&Flag { info, part, document: new }, segments);
                if !changes.is_empty() {
                    let (what, subject) = (What::Changed, subject(info));
                    differences.push(Difference { what, subject, changes });
                }
            }
        }
    }
    for (info, part) in old.flags.iter().filter(|(info, _)| !now.contains(info.key())) {
        let change = Change::new("", part.value.clone(), Value::Null, summary(info));
        let (what, subject) = (What::Removed, subject(info));
        differences.push(Difference { what, subject, changes: vec![change] });
    }
    differences
}

/// Describes a flag that was added or removed.
fn summary(info: &FlagInfo) -> String {
    let rules = match info.rule_count() {
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    };
    let default = info.default_variation().map_or_else(|| "none".to_owned(), text::code);
    format!("{}, {}, {rules}, default variation {default}", info.kind(), state(info))
}

fn state(info: &FlagInfo) -> &'static str {
    if info.is_on() { "on" } else { "off" }
}

/// A flag of a document.
struct Flag<'a> {
    info: &'a FlagInfo,
    part: &'a Part<'a>,
    document: &'a Document<'a>,
}

impl Flag<'_> {
    /// Returns what changed from this flag to a newer one.
    fn changes(&self, new: &Flag<'_>, segments: &Segments) -> Vec<Change> {
        let old = self;
        let mut changes = Vec::new();
        if segments.same && old.part == new.part && old.info == new.info {
            return changes;
        }
        if old.info.is_on() != new.info.is_on() {
            let text = format!("{} → {}", state(old.info), state(new.info));
            changes.push(Change::new("on", old.info.is_on(), new.info.is_on(), text));
        }
        if old.info.kind() != new.info.kind() {
            let (from, to) = (old.info.kind().as_str(), new.info.kind().as_str());
            changes.push(Change::new("flag_type", from, to, format!("type {from} → {to}")));
        }
        let environments = (old.info.environment(), new.info.environment());
        text_changed("environment", environments, &mut changes);
        let key = new.info.key();
        described(old.part.value, new.part.value, key, &mut changes);
        tags(old.part.value, new.part.value, &mut changes);
        let (before, now) = (Variations::of(old.part.value), Variations::of(new.part.value));
        variations(&before, &now, &mut changes);
        let defaults =
            (before.referred(old.part.value, &DEFAULT), now.referred(new.part.value, &DEFAULT));
        default_variation(&defaults.0, &defaults.1, &mut changes);
        prerequisites(old.part.value, new.part.value, &mut changes);
        let rules = (
            rule::read(old.part.value, &before, old.document),
            rule::read(new.part.value, &now, new.document),
        );
        rule::compare((&rules.0, &rules.1), |name| segments.changed.contains(name), &mut changes);
        problem::compare(&old.part.problems, &new.part.problems, &mut changes);
        changes
    }
}

fn default_variation(old: &Reference, new: &Reference, changes: &mut Vec<Change>) {
    if old != new {
        let text = format!("default variation {} → {}", old.text(), new.text());
        changes.push(Change::new("default_variation", old.value(), new.value(), text));
    }
}

/// Adds changes of the name and the description.
fn described(old: &Value, new: &Value, key: &str, changes: &mut Vec<Change>) {
    let name = |value| Some(text_of(value, "name").unwrap_or(key));
    text_changed("name", (name(old), name(new)), changes);
    let descriptions = (text_of(old, "description"), text_of(new, "description"));
    text_changed("description", descriptions, changes);
}

/// Adds a change of a text.
fn text_changed(field: &str, (old, new): (Option<&str>, Option<&str>), changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    let quoted = |text: &str| text::value(&Value::from(text));
    let text = match (old, new) {
        (Some(old), Some(new)) => format!("{field} {} → {}", quoted(old), quoted(new)),
        (None, Some(new)) => format!("{field} added: {}", quoted(new)),
        (Some(old), None) => format!("{field} removed: {}", quoted(old)),
        (None, None) => return,
    };
    changes.push(Change::new(field, old, new, text));
}

fn tags(old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let (before, now) = (document::tags(old), document::tags(new));
    let missing = |from: &[&str], of: &[&str], what: &str| {
        let known: HashSet<_> = from.iter().copied().collect();
        let names: Vec<_> = of.iter().copied().filter(|tag| !known.contains(tag)).collect();
        (!names.is_empty()).then(|| format!("{what} {}", text::elements(&names)))
    };
    let parts = [missing(&before, &now, "added"), missing(&now, &before, "removed")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        let text = format!("tags: {}", parts.join(", "));
        changes.push(Change::new("tags", before, now, text));
    }
}

fn variations(old: &Variations<'_>, new: &Variations<'_>, changes: &mut Vec<Change>) {
    let served = |variation: &Value| variation.get("value").cloned().unwrap_or_default();
    let before: HashMap<_, _> =
        old.listed.iter().map(|(_, name, value)| (name.as_str(), *value)).collect();
    let mut now = HashSet::new();
    for (index, name, variation) in &new.listed {
        now.insert(name.as_str());
        let (path, code, value) =
            (format!("variations[{index}]"), text::code(name), served(variation));
        let Some(before) = before.get(name.as_str()) else {
            let text = format!("variation {code} added: {}", text::value(&value));
            changes.push(Change::new(path, Value::Null, (*variation).clone(), text));
            continue;
        };
        let value_before = served(before);
        if value_before != value {
            let (from, to) = (text::value(&value_before), text::value(&value));
            let text = format!("variation {code}: value {from} → {to}");
            changes.push(Change::new(format!("{path}.value"), value_before, value, text));
        }
        let mut described_changes = Vec::new();
        described(before, variation, name, &mut described_changes);
        changes.extend(described_changes.into_iter().map(|change| Change {
            field: format!("{path}.{}", change.field),
            text: format!("variation {code}: {}", change.text),
            ..change
        }));
    }
    let removed = old.listed.iter().filter(|(_, name, _)| !now.contains(name.as_str()));
    for (index, name, variation) in removed {
        let (code, value) = (text::code(name), text::value(&served(variation)));
        let text = format!("variation {code} removed: {value}");
        let path = format!("variations[{index}]");
        changes.push(Change::new(path, (*variation).clone(), Value::Null, text));
    }
}

fn prerequisites(old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let missing = |from: &Value, of: &Value| {
        let meaning = |one: &Value| {
            let names = (text_of(one, "flag_key"), text_of(one, "variation_key"));
            names.0.zip(names.1).map_or_else(
                || one.to_string(),
                |(flag, variation)| Value::from([flag, variation]).to_string(),
            )
        };
        let known: HashSet<_> = list(from, "prerequisites").iter().map(meaning).collect();
        let all = list(of, "prerequisites").iter().enumerate();
        let absent = all.filter(|(_, one)| !known.contains(&meaning(one)));
        absent.map(|(index, one)| (index, one.clone())).collect::<Vec<_>>()
    };
    for (index, one) in missing(new, old) {
        let text = format!("no longer requires {}", required(&one));
        changes.push(Change::new(format!("prerequisites[{index}]"), one, Value::Null, text));
    }
    for (index, one) in missing(old, new) {
        let text = format!("now requires {}", required(&one));
        changes.push(Change::new(format!("prerequisites[{index}]"), Value::Null, one, text));
    }
}

/// Describes what a prerequisite requires.
fn required(prerequisite: &Value) -> String {
    let members = (text_of(prerequisite, "flag_key"), text_of(prerequisite, "variation_key"));
    match members {
        (Some(flag), Some(variation)) => {
            format!("flag {} to serve {}", text::code(flag), text::code(variation))
        }
        _ => text::value(prerequisite),
    }
}

fn segments<'a>(old: &'a Document<'a>, new: &'a Document<'a>) -> Vec<Difference> {
    let by_name = |document: &'a Document<'a>| -> HashMap<&str, &Part<'_>> {
        document.segments.iter().map(|(name, part)| (*name, part)).collect()
    };
    let (before, now) = (by_name(old), by_name(new));
    let mut differences = Vec::new();
    let whole = |segment: &Part<'_>| {
        let conditions = condition::read_all(segment.value);
        let conditions: Vec<_> = conditions.iter().map(Condition::text).collect();
        match conditions.is_empty() {
            true => "no conditions".to_owned(),
            false => conditions.join(" and "),
        }
    };
    for (name, segment) in &now {
        let subject = Subject::Segment((*name).to_owned());
        let Some(before) = before.get(name) else {
            let changes = vec![Change::new("", Value::Null, segment.value.clone(), whole(segment))];
            differences.push(Difference { what: What::Added, subject, changes });
            continue;
        };
        let mut changes = Vec::new();
        let conditions = (condition::read_all(before.value), condition::read_all(segment.value));
        condition::compare("conditions", "", (&conditions.0, &conditions.1), &mut changes);
        described(before.value, segment.value, name, &mut changes);
        problem::compare(&before.problems, &segment.problems, &mut changes);
        if !changes.is_empty() {
            differences.push(Difference { what: What::Changed, subject, changes });
        }
    }
    for (name, segment) in before.iter().filter(|(name, _)| !now.contains_key(**name)) {
        let changes = vec![Change::new("", segment.value.clone(), Value::Null, whole(segment))];
        let subject = Subject::Segment((*name).to_owned());
        differences.push(Difference { what: What::Removed, subject, changes });
    }
    differences.sort_by(|one, other| one.name().cmp(other.name()));
    differences
}

#[cfg(test)]
mod missed;
#[cfg(test)]
mod tests;
