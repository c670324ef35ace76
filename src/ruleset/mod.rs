//! `Ruleset`: parse and evaluate. The only door to the pure core.
//!
//! The core reads no clock, thread, lock, socket, file, environment or log.

mod compile;
mod diff;
mod document;
mod error;
mod evaluate;
mod explain;
mod lint;
mod problem;
mod result;
mod split;
mod tables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use compile::{AskWhole, Piece, Places};
pub(crate) use diff::Difference;
pub(crate) use document::Outline;
pub use error::RulesetError;
pub use explain::{
    ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout, ExplainedRule,
    ExplainedSegment, ExplainedServing, ExplainedVariation, Explanation,
};
pub use lint::{Finding, Severity};
pub use problem::Problem;
pub(crate) use result::Serving;
pub use result::{EvaluationResult, Reason};
pub use split::{Share, Split};
pub use tables::{FlagInfo, FlagKind};

use crate::context::{EvaluationContext, NOBODY};
use crate::value::Value;
use crate::value::json;
use diff::Comparison;
use document::Document;
use evaluate::{Evaluator, evaluate};
use explain::Explainer;
use tables::{Replica, Tables};

/// The rules of all flags of an environment, ready to be evaluated.
///
/// Parsing checks everything; evaluating cannot fail. A clone shares the rules.
///
/// ```
/// use phaseflag::{EvaluationContext, Reason, Ruleset, Value};
///
/// let ruleset = Ruleset::parse(r#"{"flags": [{
///     "key": "checkout",
///     "default_variation": "off",
///     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
///     "targeting_rules": [{
///         "variation": "on",
///         "conditions": [{"attribute": "plan", "operator": "one_of", "value": ["pro", "team"]}]
///     }]
/// }]}"#)?;
/// assert!(ruleset.problems().is_empty());
///
/// let context = EvaluationContext::new().attribute("plan", "pro");
/// let result = ruleset.evaluate("checkout", &context).unwrap();
/// assert_eq!(result.value(), &Value::from(true));
/// assert_eq!(result.reason(), Reason::TargetingMatch);
/// assert_eq!(result.variation_key(), Some("on"));
/// assert_eq!(ruleset.evaluate("no-such-flag", None), None);
/// # Ok::<(), phaseflag::RulesetError>(())
/// ```
///
/// # Untrusted input
///
/// Any text may be parsed: nesting is bounded at 128 levels, patterns by their length and
/// compiled size, cycles and long chains of prerequisites are settled, and the tables are keyed
/// anew for each ruleset so that crafted keys do not make them slow. See `SECURITY.md` for each
/// limit with its number.
#[derive(Clone)]
pub struct Ruleset(Arc<Replica>);

impl Ruleset {
    /// Reads a ruleset in either dialect of the service, or a bootstrap document.
    ///
    /// The names that exports have are read as well: `values` for a condition's `value`, and
    /// `default_variation_key` for a flag's `default_variation`. If both names are there, the
    /// usual one counts, unless it is `null`.
    ///
    /// One bad flag does not take the others with it: it is left out, and reported by
    /// [`problems`](Ruleset::problems).
    ///
    /// # Errors
    ///
    /// Where the text is not JSON, or has no list of flags.
    pub fn parse(text: &str) -> Result<Ruleset, RulesetError> {
        Ruleset::read(text, None)
    }

    /// Reads a ruleset, text or bytes, as clients of one environment see it: as if the flags that
    /// carry another `environment` were not there. Flags that carry none stay. Names are compared
    /// exactly.
    ///
    /// Of two flags with the same key, one that carries the environment wins over one that carries
    /// none; otherwise the last one wins. A prerequisite on a flag of another environment fails.
    ///
    /// This cannot be done with the ruleset that [`parse`](Ruleset::parse) returns: of several flags
    /// with the same key it has only one.
    ///
    /// ```
    /// use phaseflag::Ruleset;
    ///
    /// let ruleset = Ruleset::parse_for(r#"{"flags": [
    ///     {"key": "checkout", "environment": "production", "variations": []},
    ///     {"key": "checkout", "environment": "staging", "variations": []},
    ///     {"key": "search", "environment": "staging", "variations": []},
    ///     {"key": "theme", "variations": []}
    /// ]}"#, "production")?;
    /// let keys: Vec<_> = ruleset.flags().map(|flag| flag.key().to_owned()).collect();
    /// assert_eq!(keys, ["checkout", "theme"]);
    /// assert!(ruleset.problems().is_empty());
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`parse_bytes`](Ruleset::parse_bytes).
    pub fn parse_for(text: impl AsRef<[u8]>, environment: &str) -> Result<Ruleset, RulesetError> {
        Ruleset::read_bytes(text.as_ref(), Some(environment))
    }

    /// Reads bytes for clients of an environment; all flags for `None`.
    pub(crate) fn read_bytes(
        bytes: &[u8],
        environment: Option<&str>,
    ) -> Result<Ruleset, RulesetError> {
        Ruleset::read(json::utf8(bytes).map_err(RulesetError::syntax)?, environment)
    }

    /// Reads a text for clients of an environment; all flags for `None`.
    pub(crate) fn read(text: &str, environment: Option<&str>) -> Result<Ruleset, RulesetError> {
        let tables = compile::link(compile::parse(text, environment)?);
        Ok(Ruleset(Arc::new(Replica { tables: Arc::new(tables) })))
    }

    /// Reads a ruleset from bytes that should be UTF-8; see [`parse`](Ruleset::parse).
    ///
    /// # Errors
    ///
    /// As `parse`, and where the bytes are not UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        Ruleset::read_bytes(bytes, None)
    }

    /// Compiles one flag and what it refers to, for clients of an environment; `None` where the
    /// places do not know it. Takes what it reads, in bytes, from `allowed`.
    pub(crate) fn part(
        places: &dyn Places,
        key: &str,
        environment: Option<&str>,
        allowed: &mut usize,
    ) -> Result<Option<Ruleset>, AskWhole> {
        let tables = compile::compile_part(places, key, environment, allowed)?;
        Ok(tables.map(|tables| Ruleset(Arc::new(Replica { tables: Arc::new(tables) }))))
    }

    /// Reads a ruleset for everything that is wrong or suspicious in it, in the order of the text,
    /// with line and column.
    ///
    /// What is wrong is what [`problems`](Ruleset::problems) reports. What is suspicious is valid,
    /// and yet surely not meant: weights that do not sum to 100, where that changes what some
    /// bucket is served; rules that serve nothing, or can never be reached; flags that are on and
    /// have no variations or no default variation; flag types that are not known; and segments
    /// that no rule asks for. Of both there are up to 10,000, and how many more there were. It is
    /// meant for people who write rulesets, and takes longer than [`parse`](Ruleset::parse).
    ///
    /// ```
    /// use phaseflag::{Ruleset, Severity};
    ///
    /// let findings = Ruleset::check(r#"{"flags": [
    ///     {"key": "checkout", "default_variation": "of",
    ///      "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    ///      "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 5}]}]}
    /// ]}"#)?;
    /// let lines: Vec<_> = findings.iter().map(|finding| finding.to_string()).collect();
    /// assert_eq!(lines, [
    ///     "line 2, column 46: flags[0].default_variation: \
    ///      there is no variation `of`: the value served is null",
    ///     "line 4, column 49: flags[0].targeting_rules[0].percentage_rollout: \
    ///      the weights sum to 5: buckets 5 to 99 fall through to the default variation",
    /// ]);
    /// assert_eq!(findings[0].severity(), Severity::Problem);
    /// assert_eq!(findings[1].severity(), Severity::Warning);
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`parse`](Ruleset::parse): where the text is not JSON, or has no list of flags.
    pub fn check(text: &str) -> Result<Vec<Finding>, RulesetError> {
        lint::findings(text, None)
    }

    /// Checks a ruleset, text or bytes, as clients of one environment see it; see
    /// [`parse_for`](Ruleset::parse_for). Segments that no rule asks for are not reported, since
    /// flags of other environments may ask for them.
    ///
    /// # Errors
    ///
    /// As [`check_bytes`](Ruleset::check_bytes).
    pub fn check_for(
        text: impl AsRef<[u8]>,
        environment: &str,
    ) -> Result<Vec<Finding>, RulesetError> {
        let text = json::utf8(text.as_ref()).map_err(RulesetError::syntax)?;
        lint::findings(text, Some(environment))
    }

    /// Checks bytes that should be UTF-8; see [`check`](Ruleset::check).
    ///
    /// # Errors
    ///
    /// As `check`, and where the bytes are not UTF-8.
    pub fn check_bytes(bytes: &[u8]) -> Result<Vec<Finding>, RulesetError> {
        Ruleset::check(json::utf8(bytes).map_err(RulesetError::syntax)?)
    }

    /// Evaluates a flag; `None` where there is no flag of this key.
    pub fn evaluate<'a>(
        &self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> Option<EvaluationResult> {
        let context = context.into().unwrap_or(&NOBODY);
        let tables = self.tables();
        let position = tables.position(key)?;
        let outcome = evaluate(tables, context, tables.flag(position)?);
        Some(EvaluationResult::shared(self.0.clone(), position, outcome))
    }

    /// Evaluates every flag for one context.
    pub fn evaluate_all<'a>(
        &self,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> BTreeMap<String, EvaluationResult> {
        let mut evaluator = Evaluator::new(self.tables(), context.into().unwrap_or(&NOBODY));
        let results = (0..).zip(&self.tables().flags).map(|(position, flag)| {
            let outcome = evaluator.evaluate(flag);
            (flag.key.to_string(), EvaluationResult::shared(self.0.clone(), position, outcome))
        });
        results.collect()
    }

    /// Evaluates a flag and says why it serves what it serves; `None` where there is no flag of
    /// this key.
    ///
    /// It takes longer than [`evaluate`](Ruleset::evaluate), and is meant for people who ask.
    ///
    /// ```
    /// use phaseflag::{EvaluationContext, Ruleset};
    ///
    /// let ruleset = Ruleset::parse(r#"{"flags": [{
    ///     "key": "checkout",
    ///     "default_variation": "off",
    ///     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    ///     "targeting_rules": [
    ///         {"variation": "on",
    ///          "conditions": [{"attribute": "plan", "operator": "one_of", "value": ["pro", "team"]}]},
    ///         {"percentage_rollout": [{"variation": "on", "percentage": 10},
    ///                                 {"variation": "off", "percentage": 90}]}
    ///     ]
    /// }]}"#)?;
    ///
    /// let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    /// let explanation = ruleset.explain("checkout", &context).unwrap();
    /// assert_eq!(explanation.rules()[0].conditions()[0].holds(), Some(false));
    /// assert_eq!(explanation.to_string(), r#"
    /// flag `checkout`: `off`, value false, percentage_rollout
    ///   it is on
    ///   targeting_rules[0]: does not match
    ///     plan one_of ["pro", "team"]: fails for "free"
    ///     serves `on`
    ///   targeting_rules[1]: matches and decides
    ///     no conditions
    ///     rollout: bucket 91 by user_id "user-123"
    ///       0 to 10: `on`
    ///       10 to 100: `off`, chosen"#.trim_start());
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    pub fn explain<'a>(
        &self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> Option<Explanation> {
        let context = context.into().unwrap_or(&NOBODY);
        let tables = self.tables();
        let position = tables.position(key)?;
        let flag = tables.flag(position)?;
        let mut explainer = Explainer::new(tables, context, flag);
        Some(Explanation {
            key: flag.key.clone(),
            on: flag.on,
            prerequisites: explainer.prerequisites(),
            rules: explainer.rules(),
            result: EvaluationResult::shared(self.0.clone(), position, explainer.outcome),
        })
    }

    /// Evaluates a flag once for each identifier, as the `user_id` of the context, and counts;
    /// `None` where there is no flag of this key.
    ///
    /// The attributes of the context are the same for all. An identifier that comes twice is
    /// counted twice; an empty one counts as none, so that the session's identifier stands in.
    ///
    /// ```
    /// use phaseflag::Ruleset;
    ///
    /// let ruleset = Ruleset::parse(r#"{"flags": [{
    ///     "key": "checkout",
    ///     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    ///     "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 10},
    ///                                                 {"variation": "off", "percentage": 90}]}]
    /// }]}"#)?;
    ///
    /// let users = (0..1000).map(|number| format!("user-{number:03}"));
    /// let split = ruleset.split("checkout", None, users).unwrap();
    /// assert_eq!(split.total(), 1000);
    /// let on = &split.shares()[0];
    /// assert_eq!((on.variation_key(), on.count(), on.fraction()), (Some("on"), 117, 0.117));
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    pub fn split<'a>(
        &self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
        identifiers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Option<Split> {
        let tables = self.tables();
        let flag = tables.flag(tables.position(key)?)?;
        let context = context.into().unwrap_or(&NOBODY);
        Some(Split::count(tables, flag, context, identifiers.into_iter()))
    }

    /// Evaluates a flag and hands its value to `read` without keeping it.
    #[inline]
    pub(crate) fn read_value<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let context = context.unwrap_or(&NOBODY);
        let tables = self.tables();
        let flag = tables.flag(tables.position(key)?)?;
        let outcome = evaluate(tables, context, flag);
        read(&flag.variation(outcome.variation)?.value)
    }

    /// Evaluates a flag without keeping the ruleset; `None` where there is no flag of this key.
    pub(crate) fn serve(&self, key: &str, context: &EvaluationContext) -> Option<Serving<'_>> {
        let tables = self.tables();
        let flag = tables.flag(tables.position(key)?)?;
        Some(Serving::new(flag, evaluate(tables, context, flag)))
    }

    /// Returns the flags in the order of the document.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = FlagInfo> {
        let positions = 0..self.len() as u32;
        positions.map(|position| FlagInfo::new(self.0.clone(), position))
    }

    /// Returns how many flags there are.
    pub fn len(&self) -> usize {
        self.tables().flags.len()
    }

    /// Returns whether there is no flag.
    pub fn is_empty(&self) -> bool {
        self.tables().flags.is_empty()
    }

    /// Returns the version that the service gave the ruleset; `null` where it gave none.
    pub fn version(&self) -> &Value {
        &self.tables().version
    }

    /// Returns what could not be used, each with its path: up to 10,000 problems, and how many
    /// more there were.
    pub fn problems(&self) -> &[Problem] {
        &self.tables().problems
    }

    /// Returns whether a rule names a segment.
    pub(crate) fn names_segments(&self) -> bool {
        self.tables().names_segments()
    }

    /// Returns whether a rule names a segment, and the document has no list of segments at all.
    pub(crate) fn lacks_segments(&self) -> bool {
        !self.tables().has_segments && self.tables().names_segments()
    }

    /// Returns a ruleset that shares the tables and has a count of references of its own.
    pub(crate) fn replica(&self) -> Ruleset {
        Ruleset(Arc::new(Replica { tables: self.0.tables.clone() }))
    }

    /// Returns whether anybody else refers to the tables.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0.tables) > 1 || Arc::strong_count(&self.0) > 1
    }

    /// Returns what differs in the ruleset that follows this one.
    pub(crate) fn difference(&self, next: &Ruleset) -> Difference {
        Comparison::new(self.tables(), next.tables()).difference()
    }

    #[cfg(test)]
    pub(crate) fn weak(&self) -> std::sync::Weak<impl Sized + use<>> {
        Arc::downgrade(&self.0.tables)
    }

    fn tables(&self) -> &Tables {
        &self.0.tables
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruleset")
            .field("flags", &self.len())
            .field("version", self.version())
            .field("problems", &self.problems().len())
            .finish()
    }
}

/// A ruleset without flags.
impl Default for Ruleset {
    fn default() -> Ruleset {
        let tables = compile::link(Document::default());
        Ruleset(Arc::new(Replica { tables: Arc::new(tables) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_a_list_of_segments_lacks_those_that_its_rules_name() {
        let rule = |segment: &str| {
            format!(
                r#""flags": [{{"key": "f", "targeting_rules": [{{"segment_id": {segment}}}]}}]"#
            )
        };
        let named = rule(r#""s""#);
        for (text, names, lacks) in [
            (format!("{{{named}}}"), true, true),
            (format!(r#"{{{named}, "segments": null}}"#), true, true),
            (format!(r#"{{"data": {{{named}}}}}"#), true, true),
            (format!(r#"{{{named}, "segments": []}}"#), true, false),
            (format!(r#"{{{named}, "segments": 7}}"#), true, false),
            (format!(r#"{{{named}, "segments": [{{"id": "other"}}]}}"#), true, false),
            (format!(r#"{{"data": {{{named}, "segments": []}}}}"#), true, false),
            (format!(r#"{{"data": {{{named}}}, "segments": []}}"#), true, false),
            (format!("{{{}}}", rule(r#""""#)), false, false),
            (format!("{{{}}}", rule("null")), false, false),
            (r#"{"flags": [{"key": "f"}], "segments": [{"id": "s"}]}"#.to_owned(), false, false),
            (r#"{"flags": []}"#.to_owned(), false, false),
        ] {
            let ruleset = Ruleset::parse(&text).expect("a ruleset");
            assert_eq!(
                (ruleset.names_segments(), ruleset.lacks_segments()),
                (names, lacks),
                "{text}"
            );
        }
        // The last flag of a key counts.
        let text = r#"{"flags": [
            {"key": "f", "targeting_rules": [{"segment_id": "s"}]}, {"key": "f"}]}"#;
        assert!(!Ruleset::parse(text).expect("a ruleset").lacks_segments());
    }
}
