//! Arbitrary rulesets for the unit tests of modules above `testing`.

use arbitrary::{Result, Unstructured};
use phaseflag::testing::RulesetText;

/// Returns the text of a ruleset that is accepted.
pub fn ruleset_text(u: &mut Unstructured<'_>) -> Result<String> {
    let text = match u.ratio(2, 3)? {
        true => RulesetText::nearly_valid(u)?,
        false => RulesetText::well_formed(u)?,
    };
    Ok(text.into())
}
