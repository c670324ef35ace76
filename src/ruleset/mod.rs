//! `Ruleset`: the rules of an environment, parsed and evaluated.
//!
//! This is the pure core: no clock, thread, lock, socket, file, environment variable or log.

mod compile;
mod diff;
mod document;
mod error;
mod evaluate;
mod explain;
mod lazy;
mod lint;
mod parse;
mod problem;
mod result;
mod split;
mod tables;
mod variable;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use diff::Difference;
pub(crate) use document::IndexedText;
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
#[cfg(feature = "arbitrary")]
pub(crate) use tables::OPERATORS;
pub use tables::{FlagInfo, FlagKind};
pub(crate) use tables::{Long, excerpt};
pub(crate) use variable::{VARIABLE_PREFIX, variable_of, variable_suffix};

use crate::context::{EMPTY_CONTEXT, EvaluationContext};
use crate::value::{Value, json};
use diff::Comparison;
use evaluate::{Evaluator, evaluate};
use tables::{Found, Replica, Tables};

/// The flags of an environment and their rules, compiled for evaluation.
///
/// Parsing validates everything, so evaluation cannot fail. Clones share the rules.
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
/// Any text can be parsed safely. Nesting is limited to 128 levels, and patterns are limited in
/// length and compiled size. Cycles and long chains of prerequisites are detected. Hash tables have
/// a random seed, so crafted keys do not slow them down. `SECURITY.md` lists each limit.
#[derive(Clone)]
pub struct Ruleset(Arc<Replica>);

impl Ruleset {
    /// Evaluates a flag; returns `None` if the ruleset does not have it.
    pub fn evaluate<'a>(
        &self,
        key: &str,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> Option<EvaluationResult> {
        let context = context.into().unwrap_or(&EMPTY_CONTEXT);
        let Found { tables, flag, position } = self.0.find(key)?;
        let outcome = evaluate(tables, context, flag);
        Some(EvaluationResult::shared(self.0.clone(), position, outcome))
    }

    /// Evaluates a flag, and moves this reference into the result.
    #[inline]
    pub(crate) fn into_result(
        self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        let context = context.unwrap_or(&EMPTY_CONTEXT);
        let Found { tables, flag, position } = self.0.find(key)?;
        let outcome = evaluate(tables, context, flag);
        Some(EvaluationResult::shared(self.0, position, outcome))
    }

    /// Evaluates every flag for one context.
    pub fn evaluate_all<'a>(
        &self,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> BTreeMap<String, EvaluationResult> {
        let (whole, tables) = (self.whole(), self.tables());
        let mut evaluator = Evaluator::new(tables, context.into().unwrap_or(&EMPTY_CONTEXT));
        let results = (0..).zip(&tables.flags).map(|(position, flag)| {
            let outcome = evaluator.evaluate(flag);
            (flag.key.to_string(), EvaluationResult::shared(whole.clone(), position, outcome))
        });
        results.collect()
    }

    /// Evaluates a flag and explains the result; returns `None` if the ruleset does not have the
    /// flag.
    ///
    /// It takes longer than [`evaluate`](Ruleset::evaluate), and is meant for debugging.
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
    ///          "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]},
    ///         {"percentage_rollout": [{"variation": "on", "percentage": 10},
    ///                                 {"variation": "off", "percentage": 90}]}
    ///     ]
    /// }]}"#)?;
    ///
    /// let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    /// let explanation = ruleset.explain("checkout", &context).unwrap();
    /// assert_eq!(explanation.rules[0].conditions[0].holds, Some(false));
    /// assert_eq!(explanation.to_string(), r#"
    /// flag `checkout`: `off`, value false, percentage_rollout
    ///   it is on
    ///   targeting_rules[0]: does not match
    ///     plan is "pro": fails for "free"
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
        let context = context.into().unwrap_or(&EMPTY_CONTEXT);
        explain::explain(self.whole(), self.tables().position(key)?, context)
    }

    /// Evaluates a flag once for each identifier and counts the results; returns `None` if the
    /// ruleset does not have the flag.
    ///
    /// Each identifier replaces the `user_id` of the context; the rest of the context is the same
    /// for all. Duplicates count each time. An empty identifier counts as missing, so that the
    /// context's `session_id` is used.
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
        let Found { tables, flag, .. } = self.0.find(key)?;
        let context = context.into().unwrap_or(&EMPTY_CONTEXT);
        Some(Split::count(tables, flag, context, identifiers.into_iter()))
    }

    /// Evaluates a flag and passes its value to `read`; `None` if there is no value.
    #[inline]
    pub(crate) fn read_value<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let context = context.unwrap_or(&EMPTY_CONTEXT);
        let Found { tables, flag, .. } = self.0.find(key)?;
        let outcome = evaluate(tables, context, flag);
        read(&flag.variation(outcome.variation)?.value)
    }

    /// Evaluates a flag like [`read_value`](Ruleset::read_value) if it is compiled, its evaluation is
    /// short, and so are the texts of the context.
    #[inline]
    pub(crate) fn read_short<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Long> {
        let context = context.unwrap_or(&EMPTY_CONTEXT);
        if context.has_long_text() {
            return Err(Long);
        }
        let Some(Found { tables, flag, .. }) = self.0.find_short(key)? else { return Ok(None) };
        let outcome = evaluate(tables, context, flag);
        Ok(flag.variation(outcome.variation).and_then(|variation| read(&variation.value)))
    }

    /// Evaluates a flag and borrows the result; `None` if the ruleset does not have the flag.
    #[inline]
    pub(crate) fn serve(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<Serving<'_>> {
        let context = context.unwrap_or(&EMPTY_CONTEXT);
        let Found { tables, flag, .. } = self.0.find(key)?;
        Some(Serving::new(flag, evaluate(tables, context, flag)))
    }

    /// Returns the flags in the order of the document.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = FlagInfo> {
        let positions = 0..self.len() as u32;
        positions.map(|position| FlagInfo::new(self.whole().clone(), position))
    }

    /// Returns the number of flags.
    pub fn len(&self) -> usize {
        self.tables().flags.len()
    }

    /// Returns whether there are no flags.
    pub fn is_empty(&self) -> bool {
        self.tables().flags.is_empty()
    }

    /// Returns whether the ruleset has a flag with this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.find(key).is_some()
    }

    /// Calls a function with the key of each flag. Compiles nothing: of a lazy ruleset, it includes
    /// the flags of all environments.
    pub(crate) fn for_each_key(&self, each: &mut dyn FnMut(&str)) {
        match &*self.0 {
            Replica::Compiled(tables) => tables.flags.iter().for_each(|flag| each(&flag.key)),
            Replica::Lazy(lazy) => lazy.for_each_key(each),
        }
    }

    /// Returns whether the type of a flag is `string`.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.0.find(key).is_some_and(|found| found.flag.kind == FlagKind::String)
    }

    /// Returns the type that all variations of a flag have, with its article, if it is a boolean, a
    /// string or a number; `None` otherwise.
    pub(crate) fn scalar_type(&self, key: &str) -> Option<&'static str> {
        let mut values = self.0.find(key)?.flag.variations.iter().map(|it| &it.value);
        let first = values.next()?;
        let is_scalar = matches!(first, Value::Bool(_) | Value::String(_) | Value::Number(_));
        let name = first.type_name();
        (is_scalar && values.all(|value| value.type_name() == name)).then_some(name)
    }

    /// Returns the ruleset's version as the service sent it, or `null` if it sent none.
    pub fn version(&self) -> &Value {
        &self.tables().version
    }

    /// Returns the text of the document, without a byte-order mark. Returns `None` unless the ruleset
    /// is that of a client with [`keep_text`](crate::ClientBuilder::keep_text).
    pub fn text(&self) -> Option<&str> {
        self.tables().text.as_deref()
    }

    /// Adds its text to a ruleset that has no other references.
    pub(crate) fn with_text(mut self, text: &[u8]) -> Ruleset {
        if let Some(Replica::Compiled(tables)) = Arc::get_mut(&mut self.0)
            && let Some(tables) = Arc::get_mut(tables)
            && let Ok(text) = json::utf8(text)
        {
            tables.text = Some(json::without_mark(text).into());
        }
        self
    }

    /// Returns the unusable parts of the document, each with its path: the first 10,000, and the
    /// number of the others.
    pub fn problems(&self) -> &[Problem] {
        &self.tables().problems
    }

    /// Returns whether a rule names a segment.
    pub(crate) fn names_segments(&self) -> bool {
        self.tables().names_segments()
    }

    /// Returns whether a rule names a segment but the document has no field for segments.
    pub(crate) fn lacks_segments(&self) -> bool {
        !self.tables().has_segments && self.tables().names_segments()
    }

    /// Returns a ruleset that shares the rules but has a separate reference count.
    pub(crate) fn replica(&self) -> Ruleset {
        Ruleset(Arc::new(self.0.separate()))
    }

    /// Returns whether there are other references to the rules.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.is_shared() || Arc::strong_count(&self.0) > 1
    }

    /// Returns whether flags are compiled when they are first used.
    pub(crate) fn is_lazy(&self) -> bool {
        matches!(&*self.0, Replica::Lazy(_))
    }

    /// Returns the number of flags without compiling them. Of a lazy ruleset, it is that of all
    /// environments.
    pub(crate) fn listed_flags(&self) -> usize {
        let mut count = 0;
        self.for_each_key(&mut |_| count += 1);
        count
    }

    /// Returns the ruleset with all flags compiled, without the text of a lazy one.
    pub(crate) fn compiled(&self) -> Result<Ruleset, RulesetError> {
        if let Replica::Lazy(lazy) = &*self.0
            && let Some(failure) = lazy.failure()
        {
            return Err(failure.clone());
        }
        Ok(Ruleset(self.whole().clone()))
    }

    /// Returns the difference between this ruleset and its successor.
    pub(crate) fn difference(&self, next: &Ruleset) -> Difference {
        Comparison::new(self.tables(), next.tables()).difference()
    }

    #[cfg(test)]
    pub(crate) fn weak(&self) -> std::sync::Weak<impl Sized + use<>> {
        Arc::downgrade(self.0.tables())
    }

    fn whole(&self) -> &Arc<Replica> {
        match &*self.0 {
            Replica::Compiled(_) => &self.0,
            Replica::Lazy(lazy) => lazy.whole(),
        }
    }

    fn tables(&self) -> &Tables {
        self.0.tables()
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
        // The last flag with a key counts.
        let text = r#"{"flags": [
            {"key": "f", "targeting_rules": [{"segment_id": "s"}]}, {"key": "f"}]}"#;
        assert!(!Ruleset::parse(text).expect("a ruleset").lacks_segments());
    }
}
