//! Finds conditions that cannot hold together.

use crate::ruleset::tables::{Condition, Target};
use crate::value::Number;

/// The number of conditions that are compared with all others. More would take long.
const MOST_CONDITIONS: usize = 100;

/// Returns an attribute of which no value meets all conditions, and whether each asks for one text,
/// so that a list of them was probably meant.
pub(super) fn contradiction(conditions: &[Condition]) -> Option<(&str, bool)> {
    let conditions = conditions.get(..MOST_CONDITIONS).unwrap_or(conditions);
    conditions.iter().enumerate().find_map(|(index, first)| {
        let mut before = conditions.iter().take(index);
        if before.any(|it| it.attribute == first.attribute) {
            return None;
        }
        let mut wanted = Wanted::default();
        let mut same = conditions.iter().skip(index).filter(|it| it.attribute == first.attribute);
        let single_texts = same.find_map(|condition| wanted.add(condition))?;
        Some((first.attribute.name(), single_texts))
    })
}

/// What conditions ask of an attribute.
#[derive(Default)]
struct Wanted<'a> {
    texts: Option<Vec<&'a str>>,
    has_list: bool,
    above: Option<Number>,
    below: Option<Number>,
}

impl<'a> Wanted<'a> {
    /// Adds a condition. If no value meets it and those before, returns whether each asks for one
    /// text.
    fn add(&mut self, condition: &'a Condition) -> Option<bool> {
        let (operator, target) = condition.test.parts()?;
        match (operator, target) {
            ("is", Target::Text(text)) => self.narrow(vec![text]).then_some(!self.has_list),
            ("one_of", Target::Texts(texts)) if !texts.is_empty() => {
                self.has_list = true;
                self.narrow(texts.iter().map(|text| &**text).collect()).then_some(false)
            }
            ("gt", Target::Number(bound)) => {
                self.above = self.above.max(Some(bound));
                self.is_empty_range().then_some(false)
            }
            ("lt", Target::Number(bound)) => {
                self.below = Some(self.below.map_or(bound, |below| below.min(bound)));
                self.is_empty_range().then_some(false)
            }
            _ => None,
        }
    }

    /// Keeps the texts that are among others, too. Returns whether there are none.
    fn narrow(&mut self, mut others: Vec<&'a str>) -> bool {
        if let Some(texts) = &self.texts {
            others.retain(|text| texts.binary_search(text).is_ok());
        }
        others.sort();
        let none = others.is_empty();
        self.texts = Some(others);
        none
    }

    fn is_empty_range(&self) -> bool {
        matches!((self.above, self.below), (Some(above), Some(below)) if above >= below)
    }
}
