//! Converts an explanation to JSON for the page: long texts are cut, and the value is a text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phaseflag::{Explanation, Object, Value};

use super::{MAX_TEXT, cut};
use crate::explanation;

/// The length of the texts of a condition and of an identifier, in characters.
const MAX_CONDITION: usize = 400;

/// How many names of attributes are suggested.
const MAX_ATTRIBUTES: usize = 200;

/// Returns an explanation as `explain --json` prints it, and the attributes that the rules read.
pub(super) fn object(explanation: &Explanation) -> Object {
    let mut object = explanation::object(explanation, |text| cut(text, MAX_CONDITION));
    // A script would round large numbers.
    object.insert("value", cut(&explanation.result.value().to_string(), MAX_TEXT));
    object.insert("attributes", attributes(explanation));
    object
}

fn attributes(explanation: &Explanation) -> Value {
    let rules = &explanation.rules;
    let segments = rules.iter().filter_map(|rule| rule.segment.as_ref());
    // Each segment once, however many rules name it.
    let segments: BTreeMap<_, _> =
        segments.map(|segment| (Arc::as_ptr(segment), segment)).collect();
    let in_segments = segments.values().flat_map(|segment| &segment.conditions);
    let conditions = rules.iter().flat_map(|rule| &rule.conditions).chain(in_segments);
    let names: BTreeSet<&str> = conditions.filter_map(|it| it.attribute.as_deref()).collect();
    names.into_iter().take(MAX_ATTRIBUTES).collect()
}
