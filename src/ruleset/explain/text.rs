//! Explanations as text: one line for each part, indented below its parent.

use std::fmt;

use super::explanation::{
    ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout, ExplainedRule,
    ExplainedSegment, ExplainedServing, ExplainedVariation, Explanation,
};
use crate::ruleset::result::EvaluationResult;
use crate::ruleset::tables::weight_text;
use crate::ruleset::tables::{cut, excerpt};

/// Prints several lines, without a line break at the end. Long texts are cut and control characters
/// are escaped.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, result) = (excerpt(&self.key), &self.result);
        write!(f, "flag `{key}`: {}, {}", ResultText(result), result.reason())?;
        write!(f, "\n  it is {}", if self.on { "on" } else { "off" })?;
        if self.prerequisites_never_hold {
            write!(f, "\n  its prerequisites can never hold")?;
        }
        for prerequisite in &self.prerequisites {
            write!(f, "\n  {prerequisite}")?;
        }
        for rule in &self.rules {
            write!(f, "\n  {rule}")?;
        }
        Ok(())
    }
}

/// An evaluation result in one line.
struct ResultText<'a>(&'a EvaluationResult);

impl fmt::Display for ResultText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.0.variation_key() {
            write!(f, "`{}`, ", excerpt(key))?;
        }
        write!(f, "value {}", excerpt(&self.0.value().to_string()))
    }
}

impl fmt::Display for ExplainedPrerequisite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flag, wanted) = (excerpt(&self.flag_key), excerpt(&self.variation_key));
        write!(f, "requires flag `{flag}` to serve `{wanted}`: ")?;
        match (self.on, self.holds) {
            (false, _) => write!(f, "fails, it is off"),
            (true, true) => write!(f, "holds, {}", self.reason),
            (true, false) => write!(f, "fails, it serves {}, {}", self.served, self.reason),
        }
    }
}

impl fmt::Display for ExplainedVariation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "`{}`", excerpt(key)),
            None if self.exists => write!(f, "a variation without a key"),
            None => write!(f, "null"),
        }
    }
}

impl fmt::Display for ExplainedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match (self.matches, self.decides) {
            (None, _) => "not reached",
            (Some(false), _) => "does not match",
            (Some(true), true) => "matches and decides",
            (Some(true), false) => "matches and decides nothing",
        };
        write!(f, "targeting_rules[{}]: {outcome}", self.index)?;
        if self.conditions.is_empty() && self.segment.is_none() {
            write!(f, "\n    no conditions")?;
        }
        for condition in &self.conditions {
            write!(f, "\n    {condition}")?;
        }
        match &self.segment {
            Some(segment) if self.segment_shown => {
                write!(f, "\n    {}, see above", SegmentName(segment))?
            }
            Some(segment) => write!(f, "\n    {segment}")?,
            None => {}
        }
        match &self.serves {
            ExplainedServing::Variation(variation) => write!(f, "\n    serves {variation}"),
            ExplainedServing::Rollout(rollout) => write!(f, "\n    {rollout}"),
            ExplainedServing::Nothing => write!(f, "\n    serves nothing"),
        }
    }
}

impl fmt::Display for ExplainedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(attribute), Some(operator), Some(target)) =
            (&self.attribute, self.operator, &self.target)
        else {
            return write!(f, "a condition that can never hold");
        };
        write!(f, "{} {operator} ", excerpt(attribute))?;
        match operator {
            "one_of" | "not_one_of" | "gt" | "lt" => write!(f, "{}", excerpt(target))?,
            _ => write!(f, "{:?}", cut(target))?,
        }
        match self.holds {
            None if self.reached => return write!(f, ": not searched for"),
            None => return Ok(()),
            Some(true) => write!(f, ": holds for ")?,
            Some(false) => write!(f, ": fails for ")?,
        }
        match &self.value {
            Some(value) if self.value_is_string => write!(f, "{:?}", cut(value)),
            Some(value) => write!(f, "{value}"),
            None => write!(f, "a missing attribute"),
        }
    }
}

/// A segment's name, as a rule refers to it.
struct SegmentName<'a>(&'a ExplainedSegment);

impl fmt::Display for SegmentName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => write!(f, "in segment `{}`", excerpt(name)),
            None => write!(f, "in a segment that is not there"),
        }
    }
}

impl fmt::Display for ExplainedSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SegmentName(self))?;
        for condition in &self.conditions {
            write!(f, "\n      {condition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedRollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bucket, self.identified_by, &self.identifier) {
            (Some(bucket), Some(name), Some(identifier)) => {
                write!(f, "rollout: bucket {bucket} by {name} {:?}", cut(identifier))?
            }
            _ => write!(f, "rollout: no user_id and no session_id")?,
        }
        for entry in &self.entries {
            write!(f, "\n      {entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = if self.chosen { ", chosen" } else { "" };
        let (lower, upper) = (weight_text(self.lower), weight_text(self.upper));
        write!(f, "{lower} to {upper}: {}{chosen}", self.variation)
    }
}
