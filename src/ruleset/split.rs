//! `Split`: how many of a list of identifiers are served what.

use super::evaluate::evaluate;
use super::result::Reason;
use super::tables::{Flag, Tables};
use crate::context::EvaluationContext;
use crate::value::Value;

/// How a flag divides a list of identifiers among its variations: what
/// [`Ruleset::split`](super::Ruleset::split) counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    total: u64,
    shares: Vec<Share>,
    reasons: Vec<(Reason, u64)>,
}

impl Split {
    pub(super) fn count(
        tables: &Tables,
        flag: &Flag,
        context: &EvaluationContext,
        identifiers: impl Iterator<Item = impl AsRef<str>>,
    ) -> Split {
        let mut split = Split { total: 0, shares: Vec::new(), reasons: Vec::new() };
        let mut counts = vec![0; flag.variations.len()];
        let mut nothing = 0;
        let mut context = context.clone();
        for identifier in identifiers {
            context = context.user_id(identifier.as_ref());
            let outcome = evaluate(tables, &context, flag);
            let served = outcome.variation.and_then(|position| counts.get_mut(position as usize));
            *served.unwrap_or(&mut nothing) += 1;
            split.total += 1;
            match split.reasons.iter_mut().find(|(reason, _)| *reason == outcome.reason) {
                Some((_, count)) => *count += 1,
                None => split.reasons.push((outcome.reason, 1)),
            }
        }
        let total = split.total;
        let listed = flag.variations.iter().zip(counts).map(|(variation, count)| Share {
            variation_key: variation.key.as_deref().map(str::to_owned),
            value: variation.value.clone(),
            count,
            total,
        });
        split.shares = listed.collect();
        if nothing > 0 {
            split.shares.push(Share {
                variation_key: None,
                value: Value::Null,
                count: nothing,
                total,
            });
        }
        split
    }

    /// Returns how many identifiers there were, those counted that came more than once.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the variations of the flag in their order, those included that nobody is served;
    /// and, where the flag refers to a variation that it does not have, one last share for that.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Returns the reasons in the order in which they came up, each with how often it did.
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = (Reason, u64)> {
        self.reasons.iter().cloned()
    }
}

/// Those who are served one variation.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    variation_key: Option<String>,
    value: Value,
    count: u64,
    total: u64,
}

impl Share {
    /// Returns the key of the variation; `None` where it has none, or where there is no variation.
    pub fn variation_key(&self) -> Option<&str> {
        self.variation_key.as_deref()
    }

    /// Returns the value; `null` where there is no variation.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns how many identifiers are served it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns which part of all identifiers that is, from 0.0 to 1.0; 0.0 where there are none.
    pub fn fraction(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.count as f64 / total as f64,
        }
    }
}
