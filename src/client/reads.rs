//! How a client reads flags: the methods that `getters!` needs.

use super::PhaseFlagClient;
use super::evaluation_error::EvaluationError;
use super::lifecycle::{Inner, RunState};
use super::overrides::overridden;
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::ruleset::EvaluationResult;
use crate::value::Value;

impl PhaseFlagClient {
    /// Reads a boolean or a number. `read` may be called under a lock.
    pub(super) fn read_copy<T: Copy>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: fn(&Value) -> Option<T>,
    ) -> Option<T> {
        match &self.inner.recorder {
            None => match self.inner.overrides.read(key, read) {
                Some(value) => value,
                None => self.inner.flags.read(key, self.inner.context(context), read),
            },
            Some(_) => self.read(key, context, read),
        }
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.inner.overrides.read(key, &read) {
            return value;
        }
        let (ruleset, context) = (self.inner.flags.current()?, self.inner.context(context));
        match &self.inner.recorder {
            None => ruleset.read_value(key, context, read),
            Some(recorder) => read(recorder.read(&ruleset, key, context)?),
        }
    }

    pub(super) fn variation(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        if let Some(result) = self.inner.overrides.read(key, overridden) {
            return Some(result);
        }
        let (ruleset, context) = (self.inner.flags.current()?, self.inner.context(context));
        match &self.inner.recorder {
            None => ruleset.evaluate(key, context),
            Some(recorder) => recorder.evaluate(&ruleset, key, context),
        }
    }

    #[cold]
    pub(super) fn miss(&self, key: &str) {
        let Inner { flags, overrides, .. } = &*self.inner;
        let lacks = || flags.current().is_some_and(|ruleset| !ruleset.has(key));
        flags.misses.miss(key, &|| overrides.read(key, |_| ()).is_none() && lacks());
    }

    /// Returns whether the rules are loaded, so that a flag that is not found does not exist.
    pub(super) fn rules_loaded(&self) -> bool {
        self.started_without_service() || self.has_rules()
    }

    pub(super) fn started_without_service(&self) -> bool {
        let readiness = &self.inner.flags.readiness;
        self.inner.service.is_none() && readiness.is_ready() && !readiness.is_bootstrap_failing()
    }

    /// Returns the error for a flag if no rules are loaded yet.
    pub(super) fn not_ready(&self, key: &str) -> EvaluationError {
        let cause = match self.inner.run_state() {
            _ if self.inner.home.is_left() => Some(Error::Forked),
            RunState::New => Some(Error::NotStarted),
            RunState::Stopped => Some(Error::Stopped),
            RunState::Starting(_) | RunState::Started => self.last_failure(),
        };
        EvaluationError::not_ready(key, cause)
    }
}
