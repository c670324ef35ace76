//! The targeting rules of a flag, and how two lists of them differ.

use phaseflag::Value;

use super::change::Change;
use super::condition::{self, Condition, pair_up};
use super::serving::{Serves, Variations};
use super::text;
use crate::document::{Document, list, text_of};
use crate::output;

/// A targeting rule, in the same form for both dialects.
pub(super) struct Rule {
    /// Its index in the document.
    index: usize,
    id: Option<String>,
    conditions: Vec<Condition>,
    /// The segment by its name, if the rule names one.
    segment: Option<Segment>,
    serves: Serves,
}

/// A segment that a rule names.
#[derive(Clone, Debug, PartialEq)]
struct Segment {
    name: String,
    exists: bool,
}

impl Segment {
    fn text(&self) -> String {
        let missing = if self.exists { "" } else { " (missing)" };
        format!("segment {}{missing}", text::code(&self.name))
    }
}

/// Returns the rules of a flag in the order of evaluation.
pub(super) fn read(
    flag: &Value,
    variations: &Variations<'_>,
    document: &Document<'_>,
) -> Vec<Rule> {
    let rules = list(flag, "targeting_rules");
    let priority = |rule: &Value| rule.get("priority").and_then(Value::as_f64).unwrap_or_default();
    let mut order: Vec<_> =
        rules.iter().enumerate().map(|(index, rule)| (priority(rule), index)).collect();
    order.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let rule = |(_, index)| Some(Rule::read(index, rules.get(index)?, variations, document));
    order.into_iter().filter_map(rule).collect()
}

impl Rule {
    fn read(
        index: usize,
        rule: &Value,
        variations: &Variations<'_>,
        document: &Document<'_>,
    ) -> Rule {
        let segment = text_of(rule, "segment_id").map(|name| match document.segment_name(name) {
            Some(name) => Segment { name: name.to_owned(), exists: true },
            None => Segment { name: name.to_owned(), exists: false },
        });
        let conditions = match rule {
            Value::Object(_) => condition::read_all(rule),
            // The parser refuses it.
            other => vec![Condition::read(other)],
        };
        Rule {
            index,
            id: text_of(rule, "id").map(str::to_owned),
            conditions,
            segment,
            serves: Serves::read(rule, variations),
        }
    }

    /// Returns the path of the rule in the flag.
    fn path(&self) -> String {
        format!("targeting_rules[{}]", self.index)
    }

    /// Returns whom the rule matches, the same for rules that match the same users.
    fn audience(&self) -> String {
        let mut conditions: Vec<_> = self.conditions.iter().map(Condition::signature).collect();
        conditions.sort_unstable();
        conditions.extend(self.segment.as_ref().map(|segment| segment.name.clone()));
        conditions.join("\n")
    }

    fn text(&self) -> String {
        let conditions = self.conditions.iter().map(Condition::text);
        let segment = self.segment.as_ref().map(|segment| format!("in {}", segment.text()));
        let parts: Vec<_> = conditions.chain(segment).collect();
        let parts = if parts.is_empty() { "no conditions".to_owned() } else { parts.join(" and ") };
        format!("{parts}: {}", self.serves.text())
    }

    /// Returns the rule as JSON, in the same form for both dialects.
    fn value(&self) -> Value {
        let serves = match self.serves {
            Serves::Rollout(_) => "percentage_rollout",
            Serves::Variation(_) | Serves::Nothing => "variation",
        };
        Value::from(output::object(vec![
            ("conditions", self.conditions.iter().map(Condition::value).collect()),
            ("segment", Value::from(self.segment.as_ref().map(|segment| segment.name.as_str()))),
            (serves, self.serves.value()),
        ]))
    }
}

/// Adds how the rules of a flag differ. `is_changed` returns whether a segment that both documents
/// hold has changed.
pub(super) fn compare(
    (old, new): (&[Rule], &[Rule]),
    is_changed: impl Fn(&str) -> bool,
    changes: &mut Vec<Change>,
) {
    let mut pairs = vec![None; new.len()];
    let mut unpaired = vec![true; old.len()];
    type Name = fn(&Rule) -> Option<String>;
    let names: [Name; 4] = [
        |rule| Some(format!("{}\n{}", rule.audience(), rule.serves.value())),
        |rule| rule.id.clone(),
        |rule| Some(rule.audience()),
        |rule| Some(rule.serves.value().to_string()),
    ];
    for name in names {
        pair_up((old, new), name, &mut pairs, &mut unpaired);
    }
    for (position, pair) in pairs.iter_mut().enumerate() {
        if pair.is_none() && unpaired.get(position) == Some(&true) {
            *pair = Some(position);
            if let Some(unpaired) = unpaired.get_mut(position) {
                *unpaired = false;
            }
        }
    }
    for (rule, _) in old.iter().zip(&unpaired).filter(|(_, unpaired)| **unpaired) {
        let text = format!("{} removed: {}", rule.path(), rule.text());
        changes.push(Change::new(rule.path(), rule.value(), Value::Null, text));
    }
    let kept: Vec<_> = pairs.iter().copied().flatten().collect();
    let mut in_order = in_order(&kept).into_iter();
    for ((place, rule), pair) in new.iter().enumerate().zip(&pairs) {
        let Some((before_place, before)) = pair.and_then(|pair| Some((pair, old.get(pair)?)))
        else {
            let text = format!("{} added: {}", rule.path(), rule.text());
            changes.push(Change::new(rule.path(), Value::Null, rule.value(), text));
            continue;
        };
        if in_order.next() == Some(false) {
            let (from, to) = (before_place + 1, place + 1);
            let text = format!("{}: place in the order {from} → {to}", rule.path());
            changes.push(Change::new(format!("{}.priority", rule.path()), from, to, text));
        }
        compare_one(before, rule, &is_changed, changes);
    }
}

/// Adds how a rule differs from the one before.
fn compare_one(
    old: &Rule,
    new: &Rule,
    is_changed: impl Fn(&str) -> bool,
    changes: &mut Vec<Change>,
) {
    let (path, label) = (new.path(), format!("{}: ", new.path()));
    let conditions = (old.conditions.as_slice(), new.conditions.as_slice());
    condition::compare(&format!("{path}.conditions"), &label, conditions, changes);
    let name = |segment: &Option<Segment>| Value::from(segment.as_ref().map(|it| it.name.as_str()));
    let text = match (&old.segment, &new.segment) {
        (Some(before), Some(now)) if before != now => {
            Some(format!("{label}{} → {}", before.text(), now.text()))
        }
        (Some(_), Some(now)) if is_changed(&now.name) => {
            Some(format!("{label}{} changed", now.text()))
        }
        (None, Some(now)) => Some(format!("{label}{} added", now.text())),
        (Some(before), None) => Some(format!("{label}{} removed", before.text())),
        (Some(_), Some(_)) | (None, None) => None,
    };
    if let Some(text) = text {
        let field = format!("{path}.segment_id");
        changes.push(Change::new(field, name(&old.segment), name(&new.segment), text));
    }
    if old.serves != new.serves {
        let field = match new.serves {
            Serves::Rollout(_) => format!("{path}.percentage_rollout"),
            Serves::Variation(_) | Serves::Nothing => format!("{path}.variation"),
        };
        let text = format!("{label}{}", served_change(&old.serves, &new.serves));
        changes.push(Change::new(field, old.serves.value(), new.serves.value(), text));
    }
}

/// Describes a change of what is served.
fn served_change(old: &Serves, new: &Serves) -> String {
    match (old, new) {
        (Serves::Variation(before), Serves::Variation(now)) => {
            format!("serves {} → {}", before.text(), now.text())
        }
        (Serves::Rollout(before), Serves::Rollout(now))
            if before.len() == now.len()
                && before.iter().zip(now).all(|((before, _), (now, _))| before == now) =>
        {
            let changed = before.iter().zip(now).filter(|((_, before), (_, now))| before != now);
            let entries = changed.map(|((variation, before), (_, now))| {
                format!("{} {} → {}", variation.text(), text::value(before), text::value(now))
            });
            format!("rollout {}", entries.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{} → {}", old.text(), new.text()),
    }
}

/// Returns, for each of some different numbers, whether it is in a longest increasing part of them.
fn in_order(numbers: &[usize]) -> Vec<bool> {
    // For each length, where the increasing part with the least end has its end.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    let at = |position: usize| numbers.get(position).copied().unwrap_or_default();
    for (position, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| at(*end) < *number);
        if let Some(before) = before.get_mut(position) {
            *before = length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied());
        }
        match ends.get_mut(length) {
            Some(end) => *end = position,
            None => ends.push(position),
        }
    }
    let mut kept = vec![false; numbers.len()];
    let mut next = ends.last().copied();
    while let Some(position) = next {
        if let Some(kept) = kept.get_mut(position) {
            *kept = true;
        }
        next = before.get(position).copied().flatten();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_increasing_part_stays() {
        for (numbers, expected) in [
            (&[][..], &[][..]),
            (&[5], &[true]),
            (&[0, 1, 2], &[true, true, true]),
            (&[2, 0, 1], &[false, true, true]),
            (&[1, 2, 0], &[true, true, false]),
            (&[0, 3, 1, 2], &[true, false, true, true]),
        ] {
            assert_eq!(in_order(numbers), expected, "{numbers:?}");
        }
    }
}
