//! `Explanation`: why a flag serves what it serves, part by part. Data only.
//!
//! Texts that several parts repeat are shared, so an explanation is not much larger than its
//! ruleset and context.

use std::sync::Arc;

use crate::ruleset::result::{EvaluationResult, Reason};

/// The operator whose conditions may not be evaluated, because searches have a budget.
pub(super) const PATTERN: &str = "matches_regex";

/// Why a flag serves what it serves in one context, as
/// [`Ruleset::explain`](crate::Ruleset::explain) returns it.
///
/// It prints as a text of several lines. It holds attributes of the context, which may be more
/// than a log should hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The flag's key.
    pub key: Arc<str>,
    /// Whether the flag is on. A flag that is off serves its default variation.
    pub on: bool,
    /// What the flag serves, the same as [`Ruleset::evaluate`](crate::Ruleset::evaluate) returns.
    pub result: EvaluationResult,
    /// The flag's prerequisites, in the order of the document. Empty if they can never hold.
    pub prerequisites: Vec<ExplainedPrerequisite>,
    /// Whether the prerequisites can never hold: one is malformed or names a missing flag or
    /// variation, or they form a cycle or too long a chain.
    /// [`Ruleset::problems`](crate::Ruleset::problems) reports which.
    pub prerequisites_never_hold: bool,
    /// The targeting rules, in the order of evaluation. Rules that
    /// [`Ruleset::problems`](crate::Ruleset::problems) reports as unusable are not included.
    pub rules: Vec<ExplainedRule>,
}

/// A flag that must serve a given variation before the rules of another flag are evaluated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedPrerequisite {
    /// The key of the required flag.
    pub flag_key: Arc<str>,
    /// The key of the variation that the required flag must serve.
    pub variation_key: String,
    /// Whether the required flag is on.
    pub on: bool,
    /// The variation that the required flag serves in this context.
    pub served: ExplainedVariation,
    /// Why the required flag serves that variation.
    pub reason: Reason,
    /// Whether the required flag is on and serves the required variation.
    pub holds: bool,
}

/// A variation that a flag or a rule refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedVariation {
    /// The variation's key; `None` if it has no key or does not exist.
    pub key: Option<Arc<str>>,
    /// Whether the flag has this variation. If not, the value served is `null`.
    pub exists: bool,
}

/// A targeting rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedRule {
    /// The rule's index in the document's list of targeting rules, from 0.
    pub index: usize,
    /// Whether the rule matches; `None` if it was not reached. Rules after the one that decides
    /// are not reached.
    pub matches: Option<bool>,
    /// Whether this rule decides what is served.
    pub decides: bool,
    /// The rule's own conditions, all of which must hold.
    pub conditions: Vec<ExplainedCondition>,
    /// The segment that the user must be in as well; `None` if the rule names no segment.
    pub segment: Option<Arc<ExplainedSegment>>,
    /// What the rule serves if it matches.
    pub serves: ExplainedServing,
    /// Whether an earlier rule shows the same segment, so that the text refers to it.
    pub(super) segment_shown: bool,
}

/// What a rule serves if it matches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExplainedServing {
    /// One variation.
    Variation(ExplainedVariation),
    /// The variation that the user's bucket selects.
    Rollout(ExplainedRollout),
    /// Nothing: the next rule is evaluated.
    Nothing,
}

/// A condition of a rule or a segment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedCondition {
    /// The name of the attribute; `None` if the condition can never hold: it is malformed, its
    /// operator is unknown, or the operator cannot use its target.
    /// [`Ruleset::problems`](crate::Ruleset::problems) reports which.
    pub attribute: Option<String>,
    /// The name of the operator, such as `one_of`; `None` if the condition can never hold.
    pub operator: Option<&'static str>,
    /// The operator's target as text, a list as `["pro", "team"]`; `None` if the condition can
    /// never hold.
    pub target: Option<String>,
    /// The attribute's value in this context, as text; `None` if it is missing.
    pub value: Option<Arc<str>>,
    /// Whether the condition holds; `None` in a rule that was not reached, and for a pattern that
    /// was not searched for because other patterns had used up the budget. A segment's conditions
    /// are evaluated even if its rule was not reached.
    pub holds: Option<bool>,
    /// Whether the value is a string, which the text quotes.
    pub(super) value_is_string: bool,
    /// Whether the condition was reached.
    pub(super) reached: bool,
}

impl ExplainedCondition {
    pub(super) fn is_pattern(&self) -> bool {
        self.operator == Some(PATTERN)
    }
}

/// A segment that a rule names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedSegment {
    /// The segment's key, or its id if it has no key; `None` if there is no such segment, in which
    /// case no user is in it.
    pub name: Option<Arc<str>>,
    /// The segment's conditions, all of which must hold.
    pub conditions: Vec<ExplainedCondition>,
}

/// A percentage rollout.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedRollout {
    /// The identifier that determines the bucket: the user's, or the session's if there is no
    /// user; `None` if the context has neither, so that the rollout decides nothing.
    pub identifier: Option<Arc<str>>,
    /// The source of the identifier, `user_id` or `session_id`; `None` without an identifier.
    pub identified_by: Option<&'static str>,
    /// The identifier's bucket, from 0 to 99; `None` without an identifier.
    pub bucket: Option<u32>,
    /// The entries, in the order of the document.
    pub entries: Vec<ExplainedEntry>,
}

/// An entry of a rollout: a variation and its range of buckets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedEntry {
    /// The variation.
    pub variation: ExplainedVariation,
    /// The sum of the weights before this entry: the lower bound of its buckets, inclusive.
    pub lower: f64,
    /// The sum of the weights including this entry: the upper bound of its buckets, exclusive.
    pub upper: f64,
    /// Whether this entry is served. No entry is, if the rule does not decide.
    pub chosen: bool,
}
