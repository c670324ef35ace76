//! `Snapshot`: the rules and overrides of a client at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::details::EvaluationDetails;
use super::evaluation::{Evaluation, Outcome};
use super::evaluation_error::EvaluationError;
use super::getters::getters;
use super::observer::{Call, Observer};
use super::overrides::{OverridesView, overridden};
use super::source::Source;
use crate::context::EvaluationContext;
use crate::rules::Misses;
use crate::ruleset::{EvaluationResult, FlagInfo, Ruleset, Serving};
use crate::value::{Value, ValueError};

/// The rules and overrides of a client at one moment.
///
/// Take one snapshot for each request of a server, so that all parts of the request see the same
/// rules. Its getters take no lock, unless they record an evaluation, so that it is also the fastest
/// way to evaluate many flags. It keeps the ruleset in memory, but does not keep the client running.
///
/// ```
/// use phaseflag::{EvaluationContext, PhaseFlagClient};
///
/// # let client = PhaseFlagClient::without_service().build()?;
/// # client.start()?;
/// let context = EvaluationContext::new().user_id("user-123");
/// let flags = client.snapshot();
/// if flags.get_boolean_value("new-checkout-flow", false, &context) {
///     let theme = flags.get_string_value("ui-theme", "light", &context);
/// }
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) started_without_service: bool,
    pub(super) ruleset: Option<Ruleset>,
    pub(super) overrides: Option<OverridesView>,
    pub(super) default_context: Option<Arc<EvaluationContext>>,
    pub(super) observer: Option<Observer>,
    pub(super) misses: Arc<Misses>,
}

impl Snapshot {
    getters!();

    /// Evaluates all flags for one context. Includes overrides, even of flags that the ruleset does
    /// not have. Takes a context, or `None` for the default context.
    pub fn evaluate_all<'a>(
        &'a self,
        context: impl Into<Option<&'a EvaluationContext>>,
    ) -> BTreeMap<String, EvaluationResult> {
        let context = context.into();
        let mut results = match &self.ruleset {
            Some(ruleset) => ruleset.evaluate_all(self.context(context)),
            None => BTreeMap::new(),
        };
        if let Some(overrides) = &self.overrides {
            overrides.replace(&mut results, self.ruleset.as_ref());
        }
        if let Some(hook) = self.hook() {
            let context = self.context(context);
            for (key, result) in &results {
                let (value, outcome) = (Some(result.value()), Outcome::Result(result));
                hook.report(Evaluation { key, context, value, outcome });
            }
        }
        results
    }

    /// Returns a summary of each flag of the ruleset, in the order of the ruleset.
    pub fn flags(&self) -> Vec<FlagInfo> {
        self.ruleset.as_ref().map(|ruleset| ruleset.flags().collect()).unwrap_or_default()
    }

    /// Returns the ruleset, or `None` if the client had no rules yet.
    pub fn ruleset(&self) -> Option<&Ruleset> {
        self.ruleset.as_ref()
    }

    /// Returns the error for a flag if there are no rules.
    #[cold]
    fn no_rules(&self, key: &str) -> EvaluationError {
        match self.started_without_service {
            true => EvaluationError::flag_not_found(key),
            false => self.not_ready(key),
        }
    }

    fn overridden(&self, key: &str) -> Option<&Value> {
        self.overrides.as_ref()?.get(key, &|| self.ruleset.clone())
    }
}

impl Source for Snapshot {
    fn read_copy<T: Copy>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: fn(&Value) -> Option<T>,
    ) -> Option<T> {
        self.read(key, context, read)
    }

    fn read<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.overridden(key) {
            return read(value);
        }
        let (ruleset, context) = (self.ruleset.as_ref()?, self.context(context));
        match self.recorder() {
            None => ruleset.read_value(key, context, read),
            Some(recorder) => read(recorder.serve(ruleset, key, context)?.value()?),
        }
    }

    #[inline]
    fn serve<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        then: impl FnOnce(Serving<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        if let Some(value) = self.overridden(key) {
            return then(overridden(value).overriding());
        }
        let Some(ruleset) = &self.ruleset else { return Err(self.no_rules(key)) };
        let context = self.context(context);
        let serving = match self.recorder() {
            None => ruleset.serve(key, context),
            Some(recorder) => recorder.serve(ruleset, key, context),
        };
        match serving {
            Some(serving) => then(serving),
            None => Err(EvaluationError::flag_not_found(key)),
        }
    }

    fn variation(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        if let Some(value) = self.overridden(key) {
            return Some(overridden(value));
        }
        let (ruleset, context) = (self.ruleset.as_ref()?, self.context(context));
        match self.recorder() {
            None => ruleset.evaluate(key, context),
            Some(recorder) => recorder.evaluate(ruleset, key, context),
        }
    }

    #[cold]
    fn miss(&self, key: &str) {
        let lacks = || self.ruleset.as_ref().is_some_and(|ruleset| !ruleset.has(key));
        self.misses.miss(key, &|| self.overridden(key).is_none() && lacks());
    }

    fn rules_loaded(&self) -> bool {
        self.started_without_service || self.ruleset.is_some()
    }

    fn not_ready(&self, key: &str) -> EvaluationError {
        EvaluationError::not_ready(key, None)
    }

    fn context<'a>(
        &'a self,
        context: Option<&'a EvaluationContext>,
    ) -> Option<&'a EvaluationContext> {
        context.or(self.default_context.as_deref())
    }

    #[inline]
    fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }
}
