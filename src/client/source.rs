//! `Source`: how a client or a snapshot evaluates a flag, beneath its getters.

use super::Hook;
use super::evaluation_error::EvaluationError;
use super::observer::Observer;
use crate::context::EvaluationContext;
use crate::events::Recorder;
use crate::ruleset::{EvaluationResult, Serving};
use crate::value::Value;

/// Evaluates flags, without a report to the hook.
pub(super) trait Source {
    /// Reads a boolean or a number if there is no observer. `read` may be called under a lock.
    fn read_copy<T: Copy>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: fn(&Value) -> Option<T>,
    ) -> Option<T>;

    /// Passes the value of a flag to `read`; `None` if there is no value.
    fn read<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T>;

    /// Evaluates a flag and passes what it serves to `then`, which may run code of the program.
    ///
    /// # Errors
    ///
    /// If `then` returns an error, or the flag is unknown.
    fn serve<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        then: impl FnOnce(Serving<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError>;

    /// Returns the result of a flag, or `None` if the flag is unknown.
    fn variation(&self, key: &str, context: Option<&EvaluationContext>)
    -> Option<EvaluationResult>;

    /// Counts a call that got no value.
    fn miss(&self, key: &str);

    /// Returns whether the rules are loaded, so that a flag that is not found does not exist.
    fn rules_loaded(&self) -> bool;

    /// Returns the error for a flag if no rules are loaded yet.
    fn not_ready(&self, key: &str) -> EvaluationError;

    /// Returns the context of a call: the passed one, or else the default one.
    fn context<'a>(
        &'a self,
        context: Option<&'a EvaluationContext>,
    ) -> Option<&'a EvaluationContext>;

    /// Returns what sees the evaluations, or `None`.
    fn observer(&self) -> Option<&Observer>;

    #[inline]
    fn recorder(&self) -> Option<&dyn Recorder> {
        self.observer().and_then(Observer::recorder)
    }

    #[inline]
    fn hook(&self) -> Option<&dyn Hook> {
        self.observer().and_then(Observer::hook)
    }

    /// Returns the result of a flag, or the error for the caller.
    fn result(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Result<EvaluationResult, EvaluationError> {
        // Before the evaluation, since rules may arrive during it.
        let loaded = self.rules_loaded();
        self.variation(key, context).ok_or_else(|| match loaded {
            true => EvaluationError::flag_not_found(key),
            false => self.not_ready(key),
        })
    }
}
