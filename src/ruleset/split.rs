//! `Split`: how many of a list of identifiers are served each variation.

use super::evaluate::evaluate;
use super::result::{EvaluationResult, Reason};
use super::tables::{Flag, Tables};
use crate::context::EvaluationContext;
use crate::value::Value;

/// How a flag divides a list of identifiers among its variations, as
/// [`Ruleset::split`](crate::Ruleset::split) counts them.
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
        let mut missing = 0;
        let mut context = context.clone();
        for identifier in identifiers {
            context = context.user_id(identifier.as_ref());
            let outcome = evaluate(tables, &context, flag);
            let served = outcome.variation.and_then(|position| counts.get_mut(position as usize));
            *served.unwrap_or(&mut missing) += 1;
            split.total += 1;
            let served_for = Reason::from(outcome.cause);
            match split.reasons.iter_mut().find(|(reason, _)| *reason == served_for) {
                Some((_, count)) => *count += 1,
                None => split.reasons.push((served_for, 1)),
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
        if missing > 0 {
            split.shares.push(Share {
                variation_key: None,
                value: Value::Null,
                count: missing,
                total,
            });
        }
        split
    }

    /// Returns a split of identifiers that are all served the same result.
    pub(crate) fn of(result: &EvaluationResult, total: u64) -> Split {
        let variation_key = result.variation_key().map(str::to_owned);
        let share = Share { variation_key, value: result.value().clone(), count: total, total };
        let reasons = if total > 0 { vec![(result.reason(), total)] } else { Vec::new() };
        Split { total, shares: vec![share], reasons }
    }

    /// Returns the number of identifiers, duplicates included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns a share for each variation, in the order of the flag, even if its count is 0. If
    /// identifiers are served a variation that the flag does not have, one more share counts them.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Returns the reasons in the order of their first occurrence, each with its count.
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = (Reason, u64)> {
        self.reasons.iter().cloned()
    }
}

/// The identifiers that are served one variation.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    variation_key: Option<String>,
    value: Value,
    count: u64,
    total: u64,
}

impl Share {
    /// Returns the variation's key, or `None` if it has no key or does not exist.
    pub fn variation_key(&self) -> Option<&str> {
        self.variation_key.as_deref()
    }

    /// Returns the variation's value, or `null` if it does not exist.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the number of identifiers that are served this variation.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the fraction of all identifiers, from 0.0 to 1.0; 0.0 if there are no identifiers.
    pub fn fraction(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.count as f64 / total as f64,
        }
    }
}
