//! What differs between two rulesets, in the words of `explain`.

mod change;
mod condition;
mod problem;
mod rule;
mod serving;
mod text;

use phaseflag::{FlagInfo, Ruleset, Value};

pub(crate) use self::change::{Change, Difference, Subject, What};
use self::condition::Condition;
use self::serving::{Reference, Variations};
use crate::document::{self, Document, Part, list, text_of};
use crate::names::{Names, positions};

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
        changed: positions(differences.iter().filter_map(changed_members)),
    };
    flags(&old, &new, &segments, &mut differences);
    differences
}

/// How the segments differ.
struct Segments {
    /// Whether nothing differs.
    same: bool,
    /// The names of the segments that may hold other users.
    changed: Names,
}

/// Returns the name of a segment that may hold other users than before.
fn changed_members(difference: &Difference) -> Option<&str> {
    let Difference { what: What::Changed, subject: Subject::Segment(name), changes } = difference
    else {
        return None;
    };
    let described = |change: &Change| matches!(change.field.as_str(), "name" | "description");
    changes.iter().any(|change| !described(change)).then_some(name)
}

fn flags(
    old: &Document<'_>,
    new: &Document<'_>,
    segments: &Segments,
    differences: &mut Vec<Difference>,
) {
    let before = positions(old.flags.iter().map(|(info, _)| info.key()));
    let now = positions(new.flags.iter().map(|(info, _)| info.key()));
    let mut changed = Vec::new();
    for (info, part) in &new.flags {
        let before = before.get(info.key()).and_then(|position| old.flags.get(*position));
        let Some((old_info, old_part)) = before else {
            let change = Change::whole(Value::Null, part.value.clone(), summary(info));
            differences.push(of_flag(info, What::Added, vec![change]));
            continue;
        };
        let flag = Flag { info: old_info, part: old_part, document: old };
        let changes = flag.changes(&Flag { info, part, document: new }, segments);
        if !changes.is_empty() {
            changed.push(of_flag(info, What::Changed, changes));
        }
    }
    differences.extend(changed);
    for (info, part) in old.flags.iter().filter(|(info, _)| !now.contains_key(info.key())) {
        let change = Change::whole(part.value.clone(), Value::Null, summary(info));
        differences.push(of_flag(info, What::Removed, vec![change]));
    }
}

fn of_flag(info: &FlagInfo, what: What, changes: Vec<Change>) -> Difference {
    Difference { what, subject: Subject::Flag(info.key().to_owned()), changes }
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
        rule::compare(
            (&rules.0, &rules.1),
            |name| segments.changed.contains_key(name),
            &mut changes,
        );
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
    let text = condition::added_and_removed(&before, &now);
    if !text.is_empty() {
        changes.push(Change::new("tags", before, now, format!("tags: {text}")));
    }
}

fn variations(old: &Variations<'_>, new: &Variations<'_>, changes: &mut Vec<Change>) {
    let served = |variation: &Value| variation.get("value").cloned().unwrap_or_default();
    let before = positions(old.listed.iter().map(|(_, name, _)| name.as_str()));
    let now = positions(new.listed.iter().map(|(_, name, _)| name.as_str()));
    for (index, name, variation) in &new.listed {
        let (path, code, value) =
            (format!("variations[{index}]"), text::code(name), served(variation));
        let before = before.get(name).and_then(|position| old.listed.get(*position));
        let Some((_, _, before)) = before else {
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
    let removed = old.listed.iter().filter(|(_, name, _)| !now.contains_key(name));
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
        let known: Vec<_> = list(from, "prerequisites").iter().map(meaning).collect();
        let known = positions(known.iter().map(String::as_str));
        let all = list(of, "prerequisites").iter().enumerate();
        let absent = all.filter(|(_, one)| !known.contains_key(&meaning(one)));
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

fn segments(old: &Document<'_>, new: &Document<'_>) -> Vec<Difference> {
    let before = positions(old.segments.iter().map(|(name, _)| *name));
    let now = positions(new.segments.iter().map(|(name, _)| *name));
    let (mut differences, mut changed) = (Vec::new(), Vec::new());
    for (position, (name, segment)) in new.segments.iter().enumerate() {
        // Of several with the same name, the parser takes the last one.
        if now.get(*name) != Some(&position) {
            continue;
        }
        let before = before.get(*name).and_then(|position| old.segments.get(*position));
        let Some((_, before)) = before else {
            let change = Change::whole(Value::Null, segment.value.clone(), members(segment));
            differences.push(of_segment(name, What::Added, vec![change]));
            continue;
        };
        let mut changes = Vec::new();
        let conditions = (condition::read_all(before.value), condition::read_all(segment.value));
        condition::compare("conditions", "", (&conditions.0, &conditions.1), &mut changes);
        described(before.value, segment.value, name, &mut changes);
        problem::compare(&before.problems, &segment.problems, &mut changes);
        if !changes.is_empty() {
            changed.push(of_segment(name, What::Changed, changes));
        }
    }
    differences.extend(changed);
    for (position, (name, segment)) in old.segments.iter().enumerate() {
        if before.get(*name) == Some(&position) && !now.contains_key(*name) {
            let change = Change::whole(segment.value.clone(), Value::Null, members(segment));
            differences.push(of_segment(name, What::Removed, vec![change]));
        }
    }
    differences
}

fn of_segment(name: &str, what: What, changes: Vec<Change>) -> Difference {
    Difference { what, subject: Subject::Segment(name.to_owned()), changes }
}

/// Describes whom a segment holds.
fn members(segment: &Part<'_>) -> String {
    let conditions = condition::read_all(segment.value);
    let conditions: Vec<_> = conditions.iter().map(Condition::text).collect();
    match conditions.is_empty() {
        true => "no conditions".to_owned(),
        false => conditions.join(" and "),
    }
}

#[cfg(test)]
mod missed;
#[cfg(test)]
mod tests;
