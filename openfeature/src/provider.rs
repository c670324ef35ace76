//! `PhaseFlagProvider`: an OpenFeature provider that evaluates flags with a Phase Flag client.

use std::fmt;
use std::time::Duration;

use open_feature::provider::{
    FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails,
};
use open_feature::{
    EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationResult, Hook, HookWrapper,
    StructValue, async_trait,
};
use phaseflag::{ClientState, PhaseFlagClient, Value};

use crate::context::to_context;
use crate::resolution::{error, resolve};
use crate::start::start;
use crate::value::to_struct;

/// The default of `ready_timeout`.
const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(5);

/// An OpenFeature provider that evaluates flags with a [`PhaseFlagClient`].
///
/// ```
/// use open_feature::OpenFeature;
/// use phaseflag::PhaseFlagClient;
/// use phaseflag_openfeature::PhaseFlagProvider;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = PhaseFlagClient::without_service()
///     .bootstrap_text(r#"{"flags": [{"key": "greeting", "default_variation": "v",
///         "variations": [{"key": "v", "value": "Hello"}]}]}"#)
///     .build()?;
/// let mut api = OpenFeature::singleton_mut().await;
/// api.set_provider(PhaseFlagProvider::new(client)).await;
/// let flags = api.create_client();
/// drop(api); // releases the lock for evaluations
///
/// let greeting = flags.get_string_value("greeting", None, None).await;
/// assert_eq!(greeting, Ok("Hello".to_owned()));
/// # Ok(())
/// # }
/// ```
///
/// # Start
///
/// OpenFeature calls `initialize` when the provider is set. It starts the client on a separate
/// thread, and waits until the client has rules, is ready, is refused, or
/// [`ready_timeout`](PhaseFlagProvider::ready_timeout) has passed. With rules from a bootstrap or the
/// cache, it does not wait, because OpenFeature blocks all evaluations meanwhile. The client keeps
/// polling, and the status is `STALE` until a poll succeeds. To begin with fresh rules, call
/// [`PhaseFlagClient::wait_until_ready`] before you set the provider, outside of an executor.
///
/// # End
///
/// A provider is a handle of its client. If it is the last one, dropping the provider stops the
/// client, which delivers queued events for up to `shutdown_timeout`. That blocks the thread, and
/// also all evaluations if OpenFeature replaces the provider. To avoid this, keep a clone of the
/// client, and call [`PhaseFlagClient::stop`] on it where blocking is acceptable. The clone is needed
/// at the end of the program anyway, because the singleton of OpenFeature is never dropped.
///
/// # Evaluation
///
/// Evaluations happen in memory: they neither await nor use the network. [`to_context`] converts the
/// context. If the converted context is empty, the `default_context` of the client is used instead;
/// the two are not merged.
///
/// | requested type | accepted values |
/// | --- | --- |
/// | boolean, string | a value of that type |
/// | integer | a whole number in the range of `i64`, including `2.0` |
/// | float | any number; an integer beyond 2⁵³ becomes the nearest float |
/// | structure | an object, by the rules of [`to_struct`](crate::to_struct) |
///
/// | Phase Flag reason | OpenFeature reason |
/// | --- | --- |
/// | `targeting_match` | `TARGETING_MATCH` |
/// | `percentage_rollout` | `SPLIT` |
/// | `default` | `DEFAULT` |
/// | `prerequisite_failed` | `DEFAULT`; the flag metadata has `reason`: `prerequisite_failed` |
/// | `flag_inactive` | `DISABLED` |
/// | `override` | `STATIC` |
/// | any other | the same text |
///
/// | error | cause |
/// | --- | --- |
/// | `FLAG_NOT_FOUND` | the flag is unknown |
/// | `TYPE_MISMATCH` | the value has another type, or is `null` |
/// | `PROVIDER_NOT_READY` | the client has no rules and is not ready; the message has the cause |
///
/// A client without a service is `Ready` even without rules: with overrides only, every other flag
/// is `FLAG_NOT_FOUND`. A client in `offline_mode` without rules is not: its status is `Error`, and
/// the message of an evaluation has the last failure.
///
/// # Status
///
/// | status | when |
/// | --- | --- |
/// | `Ready` | the client is ready, and polls succeed |
/// | `STALE` | the client uses stale rules |
/// | `Error` | the client has no rules, or the service refused the key |
/// | `NotReady` | the client is [`NotReady`](ClientState::NotReady), and `initialize` has not returned |
///
/// # Limits of `open-feature` 0.3.0
///
/// - It has no events and no tracking. Call [`PhaseFlagClient::on_flags_changed`] and
///   [`PhaseFlagClient::track_event`] on a clone of the client.
/// - It cannot request a list outside of a structure.
/// - `initialize` cannot return an error. The status and the messages of evaluation errors report
///   the failure.
/// - Evaluations wait while the default provider is being set. If that future is dropped, or after
///   `OpenFeature::shutdown`, they panic, because no provider is set. Limit the wait with
///   `ready_timeout` instead.
/// - While a named provider is being set or replaced, its clients use the default provider.
pub struct PhaseFlagProvider {
    client: PhaseFlagClient,
    metadata: ProviderMetadata,
    hooks: Vec<HookWrapper>,
    ready_timeout: Duration,
    /// The result of the start; `None` before `initialize` returns.
    started: Option<Result<(), String>>,
}

impl PhaseFlagProvider {
    /// Returns a provider for a client, which need not be started.
    pub fn new(client: PhaseFlagClient) -> PhaseFlagProvider {
        PhaseFlagProvider {
            client,
            metadata: ProviderMetadata::new("phaseflag"),
            hooks: Vec::new(),
            ready_timeout: DEFAULT_READY_TIMEOUT,
            started: None,
        }
    }

    /// Sets how long `initialize` waits for a client without rules. The default is 5 seconds; zero
    /// does not wait.
    #[must_use]
    pub fn ready_timeout(mut self, timeout: Duration) -> PhaseFlagProvider {
        self.ready_timeout = timeout;
        self
    }

    /// Adds a hook that runs for each evaluation of this provider.
    #[must_use]
    pub fn hook(mut self, hook: impl Hook) -> PhaseFlagProvider {
        self.hooks.push(HookWrapper::new(hook));
        self
    }
}

#[async_trait]
impl FeatureProvider for PhaseFlagProvider {
    async fn initialize(&mut self, _context: &EvaluationContext) {
        self.started = Some(start(&self.client, self.ready_timeout).await);
    }

    fn status(&self) -> ProviderStatus {
        match self.client.state() {
            ClientState::Ready => ProviderStatus::Ready,
            ClientState::KeyRefused => ProviderStatus::Error,
            ClientState::NotReady if self.started.is_none() => ProviderStatus::NotReady,
            _ if self.client.has_rules() => ProviderStatus::STALE,
            _ => ProviderStatus::Error,
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    fn hooks(&self) -> &[HookWrapper] {
        &self.hooks
    }

    async fn resolve_bool_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        self.resolve(flag_key, evaluation_context, "a boolean", Value::as_bool)
    }

    async fn resolve_int_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        let expected = "an integer in the range of `i64`";
        self.resolve(flag_key, evaluation_context, expected, Value::as_i64)
    }

    async fn resolve_float_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        self.resolve(flag_key, evaluation_context, "a number", Value::as_f64)
    }

    async fn resolve_string_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.resolve(flag_key, evaluation_context, "a string", text)
    }

    async fn resolve_struct_value(
        &self,
        flag_key: &str,
        evaluation_context: &EvaluationContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        let structure = |value: &Value| value.as_object().and_then(to_struct);
        let expected = "an object without null in its lists";
        self.resolve(flag_key, evaluation_context, expected, structure)
    }
}

impl PhaseFlagProvider {
    fn resolve<T>(
        &self,
        key: &str,
        context: &EvaluationContext,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> EvaluationResult<ResolutionDetails<T>> {
        // Checked before the evaluation: a flag of rules that arrive in between is not unknown.
        let is_final = self.client.has_rules() || self.client.state() == ClientState::Ready;
        let context = to_context(context);
        let context = (context != phaseflag::EvaluationContext::new()).then_some(&context);
        match self.client.get_variation(key, context) {
            Some(result) => resolve(key, &result, expected, read),
            None if is_final => {
                let message = format!("there is no flag `{key}`");
                Err(error(EvaluationErrorCode::FlagNotFound, message))
            }
            None => Err(self.not_ready()),
        }
    }

    /// Returns the error for a client without rules, with its cause.
    fn not_ready(&self) -> EvaluationError {
        let cause = match (&self.started, self.client.last_failure()) {
            (Some(Err(failure)), _) => failure.clone(),
            (_, Some(failure)) => format!("{failure:#}"),
            (_, None) => format!("the client is {}", self.client.state()),
        };
        let message = format!("there are no rules yet: {cause}");
        error(EvaluationErrorCode::ProviderNotReady, message)
    }
}

impl fmt::Debug for PhaseFlagProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseFlagProvider")
            .field("client", &self.client)
            .field("ready_timeout", &self.ready_timeout)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
