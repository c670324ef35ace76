//! A condition of a rule or a segment, and how two lists of them differ.

use phaseflag::Value;

use super::change::Change;
use super::text;
use crate::document::list;
use crate::names::{Names, positions};
use crate::output;

/// A condition, in the same form for both dialects.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Empty for a condition that the parser refuses.
    attribute: String,
    operator: String,
    /// The target; for a refused condition, the condition as it stands.
    target: Value,
}

impl Condition {
    pub(super) fn read(condition: &Value) -> Condition {
        let member = |name| condition.get(name).and_then(Value::as_str);
        let (Some(attribute), Some(operator)) = (member("attribute"), member("operator")) else {
            let (attribute, operator) = (String::new(), String::new());
            return Condition { attribute, operator, target: condition.clone() };
        };
        let mut targets = ["value", "values"].into_iter().filter_map(|name| condition.get(name));
        let target = targets.find(|target| !target.is_null()).cloned().unwrap_or_default();
        let target = match target {
            Value::Array(_) | Value::Null | Value::Object(_) => target,
            // A scalar is a list of one.
            scalar if is_list(operator) => Value::from([scalar]),
            scalar => scalar,
        };
        Condition { attribute: attribute.to_owned(), operator: operator.to_owned(), target }
    }

    pub(super) fn text(&self) -> String {
        match self.operator.as_str() {
            "" => text::value(&self.target),
            operator => format!("{} {operator} {}", self.attribute, text::value(&self.target)),
        }
    }

    /// Returns a text that is the same for conditions of the same meaning.
    pub(super) fn signature(&self) -> String {
        let target = match &self.target {
            Value::Array(_) if is_list(&self.operator) => self.elements().into_iter().collect(),
            target => target.clone(),
        };
        Value::from([Value::from(&self.attribute), Value::from(&self.operator), target]).to_string()
    }

    pub(super) fn value(&self) -> Value {
        if self.operator.is_empty() {
            return self.target.clone();
        }
        Value::from(output::object(vec![
            ("attribute", Value::from(&self.attribute)),
            ("operator", Value::from(&self.operator)),
            ("value", self.target.clone()),
        ]))
    }

    /// Returns the elements of a list, as JSON, without duplicates.
    fn elements(&self) -> Vec<String> {
        let elements = self.target.as_array().unwrap_or_default().iter();
        let mut elements: Vec<_> = elements.map(Value::to_string).collect();
        elements.sort_unstable();
        elements.dedup();
        elements
    }
}

/// Returns whether an operator takes a list, whose order does not matter.
fn is_list(operator: &str) -> bool {
    matches!(operator, "one_of" | "not_one_of")
}

/// Returns the conditions of a rule or a segment.
pub(super) fn read_all(object: &Value) -> Vec<Condition> {
    list(object, "conditions").iter().map(Condition::read).collect()
}

/// Adds how a list of conditions differs. `path` is that of the list, `label` begins each text.
pub(super) fn compare(
    path: &str,
    label: &str,
    (old, new): (&[Condition], &[Condition]),
    changes: &mut Vec<Change>,
) {
    let mut pairs = vec![None; new.len()];
    let mut unpaired: Vec<bool> = vec![true; old.len()];
    type Name = fn(&Condition) -> Option<String>;
    let names: [Name; 3] = [
        |it| Some(it.signature()),
        |it| Some(format!("{}\n{}", it.attribute, it.operator)),
        |it| Some(it.attribute.clone()),
    ];
    for name in names {
        pair_up((old, new), name, &mut pairs, &mut unpaired);
    }
    for (position, condition) in old.iter().enumerate() {
        if unpaired.get(position) == Some(&true) {
            let text = format!("{label}condition removed: {}", condition.text());
            let field = format!("{path}[{position}]");
            changes.push(Change::new(field, condition.value(), Value::Null, text));
        }
    }
    for ((position, condition), pair) in new.iter().enumerate().zip(pairs) {
        let field = format!("{path}[{position}]");
        match pair.and_then(|pair: usize| old.get(pair)) {
            None => {
                let text = format!("{label}condition added: {}", condition.text());
                changes.push(Change::new(field, Value::Null, condition.value(), text));
            }
            Some(before) if before.signature() != condition.signature() => {
                let text = format!("{label}condition {}", changed(before, condition));
                changes.push(Change::new(field, before.value(), condition.value(), text));
            }
            Some(_) => {}
        }
    }
}

/// Pairs each unpaired new element with the first unpaired old one of the same name. An element
/// whose name is `None` has no pair.
pub(super) fn pair_up<T>(
    (old, new): (&[T], &[T]),
    name: impl Fn(&T) -> Option<String>,
    pairs: &mut [Option<usize>],
    unpaired: &mut [bool],
) {
    // The first of each name, and after each element the next one of its name.
    let mut first = Names::new();
    let mut next = vec![None; old.len()];
    for ((position, element), next) in old.iter().enumerate().zip(&mut next).rev() {
        if unpaired.get(position) == Some(&true)
            && let Some(name) = name(element)
        {
            *next = first.insert(name, position);
        }
    }
    for (element, pair) in new.iter().zip(pairs) {
        if pair.is_none()
            && let Some(name) = name(element)
            && let Some(position) = first.remove(&name)
        {
            *pair = Some(position);
            if let Some(after) = next.get(position).copied().flatten() {
                first.insert(name, after);
            }
            if let Some(unpaired) = unpaired.get_mut(position) {
                *unpaired = false;
            }
        }
    }
}

/// Describes a change of one condition.
fn changed(old: &Condition, new: &Condition) -> String {
    let same = (&old.attribute, &old.operator) == (&new.attribute, &new.operator);
    if !(same && is_list(&new.operator) && new.target.as_array().is_some()) {
        return format!("{} → {}", old.text(), new.text());
    }
    let (before, now) = (old.elements(), new.elements());
    let (before, now) = (texts(&before), texts(&now));
    format!("{} {}: {}", new.attribute, new.operator, added_and_removed(&before, &now))
}

fn texts(elements: &[String]) -> Vec<&str> {
    elements.iter().map(String::as_str).collect()
}

/// Describes how a list differs, such as `added a, removed b`. Empty if it does not.
pub(super) fn added_and_removed(old: &[&str], new: &[&str]) -> String {
    let mut parts = Vec::new();
    for (one, other, what) in [(new, old, "added"), (old, new, "removed")] {
        let known = positions(other.iter().copied());
        let elements: Vec<_> =
            one.iter().copied().filter(|element| !known.contains_key(*element)).collect();
        if !elements.is_empty() {
            parts.push(format!("{what} {}", text::elements(&elements)));
        }
    }
    parts.join(", ")
}
