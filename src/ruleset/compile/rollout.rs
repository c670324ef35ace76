//! Compiles the rollout of a rule: checks the weights, and adds them up.

use std::mem::take;

use super::read_fields::Unusable;
use super::variations::Variations;
use super::{Compiler, RULE_MATCHES_NOBODY, VALUE_IS_NULL};
use crate::ruleset::document::{Entry, RolloutDocument, RolloutEntryDocument, Shape};
use crate::ruleset::problem::Path;
use crate::ruleset::tables::Rollout;
use crate::value::Number;

impl Compiler {
    /// Compiles a rollout. Reports a wrong weight, which makes the rule match nobody.
    pub(super) fn rollout(
        &mut self,
        path: Path<'_>,
        document: Option<&mut RolloutDocument>,
        variations: &Variations,
    ) -> Result<Option<Rollout>, Unusable> {
        let Some(document) = document else { return Ok(None) };
        match document.shape {
            Shape::Absent => return Ok(None),
            Shape::Given => {}
            Shape::Malformed(found) => {
                self.problems.mismatch(path, "a list or an object", found, RULE_MATCHES_NOBODY);
                return Err(Unusable);
            }
        }
        let entries_path = path.field("variations");
        let path = if document.wrapped { entries_path } else { path };
        self.problems.list(path, &document.entries, RULE_MATCHES_NOBODY)?;
        if self.problems.faults(path, &document.entries, RULE_MATCHES_NOBODY) {
            return Err(Unusable);
        }
        let mut sum = 0.0;
        let mut entries = Vec::with_capacity(document.entries.entries.len());
        for Entry { index, object, .. } in &mut document.entries.entries {
            let (weight, variation) = self.rollout_entry(path.item(*index), object, variations)?;
            sum += weight;
            entries.push((sum, variation));
        }
        Ok(Some(entries.into()))
    }

    fn rollout_entry(
        &mut self,
        path: Path<'_>,
        document: &mut RolloutEntryDocument,
        variations: &Variations,
    ) -> Result<(f64, Option<u32>), Unusable> {
        let weight = take(&mut document.weight);
        let weight = self.problems.read(path.field("weight"), weight, RULE_MATCHES_NOBODY)?;
        let percentage = take(&mut document.percentage);
        let percentage =
            self.problems.read(path.field("percentage"), percentage, RULE_MATCHES_NOBODY)?;
        let weight = weight.or(percentage).map_or(0.0, Number::as_f64);
        if weight < 0.0 {
            self.problems
                .report(path, format_args!("the weight is negative: {RULE_MATCHES_NOBODY}"));
            return Err(Unusable);
        }
        let reference = self.problems.reference(
            path,
            [
                ("variation_id", take(&mut document.variation_id)),
                ("variation", take(&mut document.variation)),
            ],
            RULE_MATCHES_NOBODY,
        )?;
        let variation = match reference {
            Some((field, name)) => self.resolve(path.field(field), &name, variations),
            None => {
                self.problems
                    .report(path, format_args!("the entry names no variation: {VALUE_IS_NULL}"));
                None
            }
        };
        Ok((weight, variation))
    }
}
