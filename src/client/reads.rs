//! How a client evaluates a flag.

use super::PhaseFlagClient;
use super::evaluation_error::EvaluationError;
use super::lifecycle::{Inner, RunState};
use super::observer::Observer;
use super::overrides::overridden;
use super::source::Source;
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::ruleset::{EvaluationResult, Serving};
use crate::value::Value;

impl Source for PhaseFlagClient {
    fn read_copy<T: Copy>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: fn(&Value) -> Option<T>,
    ) -> Option<T> {
        match self.inner.overrides.read(key, read) {
            Some(value) => value,
            None => self.inner.flags.read(key, self.inner.context(context), read),
        }
    }

    fn read<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.inner.overrides.read(key, &read) {
            return value;
        }
        let (ruleset, context) = (self.inner.flags.current()?, self.inner.context(context));
        match self.recorder() {
            None => ruleset.read_value(key, context, read),
            Some(recorder) => read(recorder.serve(&ruleset, key, context)?.value()?),
        }
    }

    #[inline]
    fn serve<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        then: impl FnOnce(Serving<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        // A copy, since `then` must not run under the lock of the overrides.
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return then(result.overriding());
        }
        let Some(ruleset) = self.inner.flags.current() else { return Err(self.no_rules(key)) };
        let context = self.inner.context(context);
        let serving = match self.recorder() {
            None => ruleset.serve(key, context),
            Some(recorder) => recorder.serve(&ruleset, key, context),
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
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Some(result);
        }
        let (ruleset, context) = (self.inner.flags.current()?, self.inner.context(context));
        match self.recorder() {
            None => ruleset.into_result(key, context),
            Some(recorder) => recorder.evaluate(&ruleset, key, context),
        }
    }

    #[cold]
    fn miss(&self, key: &str) {
        let Inner { flags, overrides, .. } = &*self.inner;
        let lacks = || flags.current().is_some_and(|ruleset| !ruleset.has(key));
        flags.misses.miss(key, &|| overrides.read(key, |_| ()).is_none() && lacks());
    }

    fn rules_loaded(&self) -> bool {
        self.started_without_service() || self.has_rules()
    }

    fn not_ready(&self, key: &str) -> EvaluationError {
        let cause = match self.inner.run_state() {
            _ if self.inner.home.is_left() => Some(Error::Forked),
            RunState::New => Some(Error::NotStarted),
            RunState::Stopped => Some(Error::Stopped),
            RunState::Starting(_) | RunState::Started => self.last_failure(),
        };
        EvaluationError::not_ready(key, cause)
    }

    fn context<'a>(
        &'a self,
        context: Option<&'a EvaluationContext>,
    ) -> Option<&'a EvaluationContext> {
        self.inner.context(context)
    }

    #[inline]
    fn observer(&self) -> Option<&Observer> {
        self.inner.observer.as_ref()
    }
}

impl PhaseFlagClient {
    /// Returns the error for a flag if an evaluation has found no rules.
    #[cold]
    fn no_rules(&self, key: &str) -> EvaluationError {
        match self.started_without_service() {
            true => EvaluationError::flag_not_found(key),
            false => self.not_ready(key),
        }
    }

    pub(super) fn started_without_service(&self) -> bool {
        let readiness = &self.inner.flags.readiness;
        self.inner.service.is_none() && readiness.is_ready() && !readiness.is_bootstrap_failing()
    }
}
