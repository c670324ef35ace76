//! `Explanation`: why a flag serves what it serves, part by part. Data only.
//!
//! What many parts may repeat is shared, so that none is larger than its ruleset and context.

use std::sync::Arc;

use crate::ruleset::result::{EvaluationResult, Reason};

/// Why a flag serves what it serves in one context: what
/// [`Ruleset::explain`](super::Ruleset::explain) finds out.
///
/// It prints as a text of several lines. It holds attributes of the context, and so may say more
/// of a user than a log should.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub(crate) key: Arc<str>,
    pub(crate) on: bool,
    pub(crate) result: EvaluationResult,
    /// `None` where they can never hold.
    pub(crate) prerequisites: Option<Vec<ExplainedPrerequisite>>,
    pub(crate) rules: Vec<ExplainedRule>,
}

impl Explanation {
    /// Returns the flag's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns whether the flag is on; one that is off serves its default variation.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Returns what the flag serves: the same as [`Ruleset::evaluate`](super::Ruleset::evaluate).
    pub fn result(&self) -> &EvaluationResult {
        &self.result
    }

    /// Returns what the flag requires of others, in the order of the document; nothing where
    /// [`prerequisites_never_hold`](Explanation::prerequisites_never_hold).
    pub fn prerequisites(&self) -> &[ExplainedPrerequisite] {
        self.prerequisites.as_deref().unwrap_or_default()
    }

    /// Returns whether the prerequisites hold for nobody: one of them is malformed or names what
    /// is not there, or they lead in a circle or too deep. [`Ruleset::problems`] says which.
    ///
    /// [`Ruleset::problems`]: super::Ruleset::problems
    pub fn prerequisites_never_hold(&self) -> bool {
        self.prerequisites.is_none()
    }

    /// Returns the targeting rules in the order in which they are looked at. One that could not
    /// be understood is not among them: [`Ruleset::problems`](super::Ruleset::problems) names it.
    pub fn rules(&self) -> &[ExplainedRule] {
        &self.rules
    }
}

/// A flag that must serve a variation before the rules of another one are looked at.
#[derive(Clone, Debug)]
pub struct ExplainedPrerequisite {
    pub(super) flag_key: Arc<str>,
    pub(super) variation_key: String,
    pub(crate) on: bool,
    pub(super) served: ExplainedVariation,
    pub(crate) reason: Reason,
    pub(super) holds: bool,
}

impl ExplainedPrerequisite {
    /// Returns the key of the required flag.
    pub fn flag_key(&self) -> &str {
        &self.flag_key
    }

    /// Returns the key of the variation that it must serve.
    pub fn variation_key(&self) -> &str {
        &self.variation_key
    }

    /// Returns whether the required flag is on.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Returns what the required flag serves in this context.
    pub fn served(&self) -> &ExplainedVariation {
        &self.served
    }

    /// Returns why it serves that.
    pub fn reason(&self) -> Reason {
        self.reason.clone()
    }

    /// Returns whether the flag is on and serves what it must.
    pub fn holds(&self) -> bool {
        self.holds
    }
}

/// A variation that a flag or a rule refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedVariation {
    pub(crate) key: Option<Arc<str>>,
    pub(super) there: bool,
}

impl ExplainedVariation {
    /// Returns its key; `None` where it has none, or is not there.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns whether the flag has it; where it does not, the value is `null`.
    pub fn is_there(&self) -> bool {
        self.there
    }
}

/// A targeting rule.
#[derive(Clone, Debug)]
pub struct ExplainedRule {
    pub(crate) index: usize,
    /// Whether it matches; `None` where it was not reached.
    pub(super) matches: Option<bool>,
    pub(super) decides: bool,
    pub(super) conditions: Vec<ExplainedCondition>,
    pub(super) segment: Option<Arc<ExplainedSegment>>,
    /// Whether a rule before this one asks for the same segment.
    pub(super) segment_again: bool,
    pub(super) serves: ExplainedServing,
}

impl ExplainedRule {
    /// Returns its place in the document's list of targeting rules, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns whether it was looked at; what stands behind the rule that decides is not.
    pub fn is_reached(&self) -> bool {
        self.matches.is_some()
    }

    /// Returns whether it was looked at and matches.
    pub fn matches(&self) -> bool {
        self.matches == Some(true)
    }

    /// Returns whether it is the one that decides what is served.
    pub fn decides(&self) -> bool {
        self.decides
    }

    /// Returns its own conditions, all of which must hold.
    pub fn conditions(&self) -> &[ExplainedCondition] {
        &self.conditions
    }

    /// Returns the segment that the user must be in as well, where the rule asks for one.
    pub fn segment(&self) -> Option<&ExplainedSegment> {
        self.segment.as_deref()
    }

    /// Returns what it serves where it matches.
    pub fn serves(&self) -> &ExplainedServing {
        &self.serves
    }
}

/// What a rule serves where it matches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExplainedServing {
    /// One variation.
    Variation(ExplainedVariation),
    /// What the bucket of the user chooses.
    Rollout(ExplainedRollout),
    /// Nothing: the next rule is looked at.
    Nothing,
}

/// A condition of a rule or a segment.
#[derive(Clone, Debug)]
pub struct ExplainedCondition {
    /// The attribute's name, the operator and its target; `None` where it can never hold.
    pub(super) parts: Option<(String, &'static str, String)>,
    pub(super) value: Option<AttributeText>,
    /// Whether it was evaluated.
    pub(super) reached: bool,
    pub(super) holds: Option<bool>,
}

/// The operator whose conditions may go without an answer.
pub(super) const PATTERN: &str = "matches_regex";

/// The value of an attribute, as text.
#[derive(Clone, Debug)]
pub(super) struct AttributeText {
    pub(super) text: Arc<str>,
    /// Whether the value is a string.
    pub(super) is_string: bool,
}

impl ExplainedCondition {
    /// Returns the name of the attribute; `None` where the condition can never hold.
    pub fn attribute(&self) -> Option<&str> {
        self.parts.as_ref().map(|(attribute, _, _)| attribute.as_str())
    }

    /// Returns the name of the operator, such as `one_of`; `None` where the condition can never
    /// hold.
    pub fn operator(&self) -> Option<&'static str> {
        self.parts.as_ref().map(|(_, operator, _)| *operator)
    }

    /// Returns the target as text, a list as `["pro", "team"]`; `None` where the condition can
    /// never hold.
    pub fn target(&self) -> Option<&str> {
        self.parts.as_ref().map(|(_, _, target)| target.as_str())
    }

    /// Returns the attribute's value in this context, as text; `None` where it is missing.
    pub fn value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| &*value.text)
    }

    /// Returns whether it holds; `None` in a rule that was not reached, and for a pattern that was
    /// not searched for because other patterns had cost too much. The conditions of a segment are
    /// evaluated in rules that were not reached, too.
    pub fn holds(&self) -> Option<bool> {
        self.holds
    }

    /// Returns whether it holds for nobody: it is malformed, its operator is not known, or cannot
    /// use its target. [`Ruleset::problems`](super::Ruleset::problems) says which.
    pub fn never_holds(&self) -> bool {
        self.parts.is_none()
    }

    pub(super) fn is_searched_for(&self) -> bool {
        self.operator() == Some(PATTERN)
    }
}

/// A segment that a rule asks for.
#[derive(Clone, Debug)]
pub struct ExplainedSegment {
    /// `None` where it is not there.
    pub(crate) name: Option<Arc<str>>,
    pub(super) conditions: Vec<ExplainedCondition>,
}

impl ExplainedSegment {
    /// Returns its key, or else its id; `None` where there is no such segment, and so nobody is
    /// in it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns its conditions, all of which must hold.
    pub fn conditions(&self) -> &[ExplainedCondition] {
        &self.conditions
    }
}

/// A percentage rollout.
#[derive(Clone, Debug)]
pub struct ExplainedRollout {
    pub(super) identity: Option<Identity>,
    pub(super) entries: Vec<ExplainedEntry>,
}

/// What the context is identified by, the identifier, and its bucket.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(crate) name: &'static str,
    pub(super) identifier: Arc<str>,
    pub(crate) bucket: u32,
}

impl ExplainedRollout {
    /// Returns what decides the bucket: the user's identifier, or else the session's; `None`
    /// where the context has neither, and so the rollout decides nothing.
    pub fn identifier(&self) -> Option<&str> {
        self.identity.as_ref().map(|it| &*it.identifier)
    }

    /// Returns where the identifier comes from: `user_id` or `session_id`.
    pub fn identified_by(&self) -> Option<&'static str> {
        self.identity.as_ref().map(|it| it.name)
    }

    /// Returns the bucket of the identifier, from 0 to 99.
    pub fn bucket(&self) -> Option<u32> {
        self.identity.as_ref().map(|it| it.bucket)
    }

    /// Returns the entries in their order.
    pub fn entries(&self) -> &[ExplainedEntry] {
        &self.entries
    }

    /// Returns the entry that is served; `None` where the rule does not decide.
    pub fn chosen(&self) -> Option<&ExplainedEntry> {
        self.entries.iter().find(|entry| entry.chosen)
    }
}

/// An entry of a rollout: a variation, and the buckets that it is served in.
#[derive(Clone, Debug)]
pub struct ExplainedEntry {
    pub(super) variation: ExplainedVariation,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) chosen: bool,
}

impl ExplainedEntry {
    /// Returns the variation.
    pub fn variation(&self) -> &ExplainedVariation {
        &self.variation
    }

    /// Returns the sum of the weights before this one: the least bucket that is in.
    pub fn lower(&self) -> f64 {
        self.lower
    }

    /// Returns the sum of the weights up to and including this one: buckets below it are in.
    pub fn upper(&self) -> f64 {
        self.upper
    }

    /// Returns whether this entry is served.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }
}
