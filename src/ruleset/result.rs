//! `EvaluationResult` and `Reason`: what a flag serves, and why.

use std::fmt;
use std::sync::Arc;

use super::tables::{Flag, Replica, Variation};
use crate::value::{NULL, Value};

/// What a flag serves in one context.
///
/// It shares the values with the ruleset that it comes from, and keeps that ruleset in memory.
#[derive(Clone)]
pub struct EvaluationResult {
    served: Served,
    reason: Reason,
}

#[derive(Clone)]
enum Served {
    /// A variation of a flag in a ruleset.
    Shared { ruleset: Arc<Replica>, flag: u32, variation: Option<u32> },
    /// A value from elsewhere: an override, or the service's response.
    Own(Arc<Variation>),
}

impl EvaluationResult {
    pub(super) fn shared(ruleset: Arc<Replica>, flag: u32, outcome: Outcome) -> EvaluationResult {
        EvaluationResult {
            served: Served::Shared { ruleset, flag, variation: outcome.variation },
            reason: outcome.cause.into(),
        }
    }

    /// Returns a result that does not come from a ruleset.
    pub(crate) fn new(
        value: Value,
        variation_key: Option<String>,
        reason: Reason,
    ) -> EvaluationResult {
        let key = variation_key.map(String::into_boxed_str);
        EvaluationResult { served: Served::Own(Arc::new(Variation { key, value })), reason }
    }

    /// Borrows the result of an override.
    pub(crate) fn overriding(&self) -> Serving<'_> {
        Serving { variation: self.variation(), cause: Cause::Override }
    }

    /// Returns the value; `null` if the flag refers to a variation that it does not have.
    pub fn value(&self) -> &Value {
        self.variation().map_or(&NULL, |variation| &variation.value)
    }

    /// Returns the reason why this value is served.
    pub fn reason(&self) -> Reason {
        self.reason.clone()
    }

    /// Returns the key of the variation; `None` for an override, for a variation without a key, and
    /// if the flag refers to a variation that it does not have.
    pub fn variation_key(&self) -> Option<&str> {
        self.variation()?.key.as_deref()
    }

    fn variation(&self) -> Option<&Variation> {
        match &self.served {
            Served::Shared { ruleset, flag, variation } => {
                ruleset.flag(*flag)?.variation(*variation)
            }
            Served::Own(variation) => Some(variation),
        }
    }
}

/// What a flag serves, borrowed from its ruleset or its override.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving<'a> {
    variation: Option<&'a Variation>,
    cause: Cause,
}

impl<'a> Serving<'a> {
    #[inline]
    pub(super) fn new(flag: &'a Flag, outcome: Outcome) -> Serving<'a> {
        Serving { variation: flag.variation(outcome.variation), cause: outcome.cause }
    }

    #[inline]
    pub(crate) fn value(&self) -> Option<&'a Value> {
        self.variation.map(|variation| &variation.value)
    }

    pub(crate) fn variation_key(&self) -> Option<&'a str> {
        self.variation?.key.as_deref()
    }

    pub(crate) fn reason(&self) -> Reason {
        self.cause.into()
    }
}

impl PartialEq for EvaluationResult {
    fn eq(&self, other: &EvaluationResult) -> bool {
        self.reason == other.reason
            && self.variation_key() == other.variation_key()
            && self.value() == other.value()
    }
}

impl fmt::Debug for EvaluationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationResult")
            .field("value", self.value())
            .field("reason", &self.reason)
            .field("variation_key", &self.variation_key())
            .finish()
    }
}

/// Why a value is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A rule matched, and it names the variation.
    TargetingMatch,
    /// A rule matched, and its rollout selected the variation.
    PercentageRollout,
    /// No rule served a variation.
    Default,
    /// The flag is off.
    FlagInactive,
    /// A required flag does not serve the required variation.
    PrerequisiteFailed,
    /// The program has overridden the value.
    Override,
    /// A reason that this version of the crate does not know, as the service sent it.
    Other(Arc<str>),
}

impl Reason {
    /// Returns the name, such as `targeting_match`.
    pub fn as_str(&self) -> &str {
        match self {
            Reason::TargetingMatch => "targeting_match",
            Reason::PercentageRollout => "percentage_rollout",
            Reason::Default => "default",
            Reason::FlagInactive => "flag_inactive",
            Reason::PrerequisiteFailed => "prerequisite_failed",
            Reason::Override => "override",
            Reason::Other(name) => name,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The position of the variation that a flag serves, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) variation: Option<u32>,
    pub(super) cause: Cause,
}

/// A reason of this crate. Unlike a [`Reason`], which may hold a text, it is returned in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    TargetingMatch,
    PercentageRollout,
    Default,
    FlagInactive,
    PrerequisiteFailed,
    Override,
}

impl From<Cause> for Reason {
    fn from(cause: Cause) -> Reason {
        match cause {
            Cause::TargetingMatch => Reason::TargetingMatch,
            Cause::PercentageRollout => Reason::PercentageRollout,
            Cause::Default => Reason::Default,
            Cause::FlagInactive => Reason::FlagInactive,
            Cause::PrerequisiteFailed => Reason::PrerequisiteFailed,
            Cause::Override => Reason::Override,
        }
    }
}

impl Outcome {
    pub(super) fn default_of(flag: &Flag, cause: Cause) -> Outcome {
        Outcome { variation: flag.default, cause }
    }
}
