//! `RulesetText`: arbitrary documents of rules, for fuzzers and property tests.

use std::fmt;

use ::arbitrary::{Arbitrary, Result, Unstructured};

use super::hostile;
use super::ruleset_maker::{Faults, RulesetMaker};

/// The text of an arbitrary ruleset.
///
/// Its flags, variations, segments and attributes have few different names, so that references often
/// resolve, and rules often match an arbitrary [`EvaluationContext`](crate::EvaluationContext).
///
/// [`arbitrary`](Arbitrary::arbitrary) returns texts of all four kinds, each of which also has its
/// own function. A document is in dialect D (`data`, references by key), in dialect S (references by
/// id), or in any mix of the two.
///
/// ```
/// use arbitrary::Unstructured;
/// use phaseflag::testing::RulesetText;
/// use phaseflag::{EvaluationContext, Ruleset};
///
/// let mut bytes = Unstructured::new(b"from a fuzzer, which changes these bytes");
/// let text = RulesetText::valid(&mut bytes)?;
/// let context: EvaluationContext = bytes.arbitrary()?;
/// let ruleset = Ruleset::parse(text.as_str())?;
/// assert!(ruleset.problems().is_empty());
/// for (key, result) in ruleset.evaluate_all(&context) {
///     println!("{key}: {}", result.value());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RulesetText {
    text: String,
}

impl RulesetText {
    /// Returns a ruleset without problems: all references resolve, and all conditions can hold.
    ///
    /// # Errors
    ///
    /// Those of [`Unstructured`], as for the other functions.
    pub fn valid(u: &mut Unstructured<'_>) -> Result<RulesetText> {
        RulesetText::made(u, Faults::None)
    }

    /// Returns a ruleset whose parts have the right types, but references may name nothing,
    /// prerequisites may form cycles, keys may repeat, and operators may not fit their targets.
    pub fn well_formed(u: &mut Unstructured<'_>) -> Result<RulesetText> {
        RulesetText::made(u, Faults::References)
    }

    /// Returns a ruleset that is well formed, except for about one part in sixty.
    pub fn nearly_valid(u: &mut Unstructured<'_>) -> Result<RulesetText> {
        RulesetText::made(u, Faults::Types)
    }

    /// Returns a text that tries to break a parser or an evaluator: long chains, cycles and layers
    /// of prerequisites, deep nesting, extreme numbers, repeated members, or broken JSON. It may be
    /// a valid ruleset by chance.
    pub fn hostile(u: &mut Unstructured<'_>) -> Result<RulesetText> {
        if u.ratio(1, 4)? {
            return Ok(RulesetText { text: hostile::prerequisites(u)? });
        }
        let RulesetText { text } = RulesetText::nearly_valid(u)?;
        Ok(RulesetText { text: hostile::damaged(text, u)? })
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn made(u: &mut Unstructured<'_>, faults: Faults) -> Result<RulesetText> {
        let document = RulesetMaker::new(u, faults).ruleset()?;
        Ok(RulesetText { text: document.to_string() })
    }
}

/// Generates a text of any kind; nearly valid ones are the most frequent.
impl<'a> Arbitrary<'a> for RulesetText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<RulesetText> {
        match u.int_in_range(0..=7)? {
            0 | 1 => RulesetText::valid(u),
            2 => RulesetText::well_formed(u),
            3 => RulesetText::hostile(u),
            _ => RulesetText::nearly_valid(u),
        }
    }
}

impl AsRef<str> for RulesetText {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl From<RulesetText> for String {
    fn from(ruleset: RulesetText) -> String {
        ruleset.text
    }
}

/// Writes the text, so that the report of a failure can be used as a ruleset.
impl fmt::Display for RulesetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Writes the text without quotation marks, so that the report of a failure can be used as a
/// ruleset.
impl fmt::Debug for RulesetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
