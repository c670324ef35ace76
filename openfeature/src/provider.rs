//! `PhaseFlagProvider`: a client of Phase Flag as a provider of OpenFeature.

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

/// How long `initialize` waits for the client, unless it is told otherwise.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// A provider of OpenFeature that answers from a [`PhaseFlagClient`].
///
/// ```
/// use open_feature::OpenFeature;
/// use phaseflag::PhaseFlagClient;
/// use phaseflag_openfeature::PhaseFlagProvider;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = PhaseFlagClient::builder("", "")
///     .bootstrap_text(r#"{"flags": [{"key": "greeting", "default_variation": "v",
///         "variations": [{"key": "v", "value": "Hello"}]}]}"#)
///     .build()?;
/// let mut api = OpenFeature::singleton_mut().await;
/// api.set_provider(PhaseFlagProvider::new(client)).await;
/// let flags = api.create_client();
/// drop(api); // others want it, too
///
/// let greeting = flags.get_string_value("greeting", None, None).await;
/// assert_eq!(greeting, Ok("Hello".to_owned()));
/// # Ok(())
/// # }
/// ```
///
/// # How it starts and ends
///
/// `initialize`, which OpenFeature calls when it is given the provider, starts the client, and
/// waits on a thread of its own until the client is ready, is refused, or
/// [`ready_timeout`](PhaseFlagProvider::ready_timeout) is over. It does not wait where there are
/// rules already, from a bootstrap or remembered: every evaluation by OpenFeature waits meanwhile.
/// The client goes on trying after that, and the status is `STALE` until it is ready. One that is
/// ready already is used as it is: to begin with the newest rules, wait for them before the
/// provider is set, by [`PhaseFlagClient::wait_until_ready`] where no executor runs.
///
/// A provider is one more handle of its client: when OpenFeature drops it, the client stops where
/// that was the last one. To deliver what is queued may take the client's `shutdown_timeout`, on
/// the thread of whoever drops it, and where a provider is replaced, every evaluation waits
/// meanwhile. So keep a clone of the client: no drop of a provider waits then, and
/// [`PhaseFlagClient::stop`] on the clone delivers, where waiting does no harm. OpenFeature's
/// singleton is never dropped, so that the end of the program needs that anyway.
///
/// # What it answers
///
/// Evaluations read the client's memory: they await nothing, and never touch the network.
/// [`to_context`] says what they see of a context. One of which they see nothing counts as none:
/// the client's `default_context` stands in for it, and is not merged with any other.
///
/// | asked for | answers |
/// | --- | --- |
/// | a boolean, a string | a value of that type |
/// | an integer | a whole number that `i64` holds, `2.0` included |
/// | a float | any number, or the nearest float of an integer beyond 2⁵³ |
/// | a structure | an object, by the rules of [`to_struct`](crate::to_struct) |
///
/// | reason of Phase Flag | of OpenFeature |
/// | --- | --- |
/// | `targeting_match` | `TARGETING_MATCH` |
/// | `percentage_rollout` | `SPLIT` |
/// | `default` | `DEFAULT` |
/// | `prerequisite_failed` | `DEFAULT`, and the flag metadata holds `reason`: `prerequisite_failed` |
/// | `flag_inactive` | `DISABLED` |
/// | `override` | `STATIC` |
/// | any other | the same |
///
/// | error | when |
/// | --- | --- |
/// | `FLAG_NOT_FOUND` | there is no such flag |
/// | `TYPE_MISMATCH` | the flag serves something else than was asked for; `null` is of no type |
/// | `PROVIDER_NOT_READY` | there are no rules, and the status is not `Ready`; the message says why |
///
/// A client without a service needs no rules to be `Ready`: where it serves overrides alone, every
/// other flag is `FLAG_NOT_FOUND`. One in `offline_mode` that has found none is not: its status is
/// `Error`, and the message holds the last failure.
///
/// # Status
///
/// `Ready` while the client is, with rules as fresh as they can be; `STALE` while older ones are in
/// use; `Error` where there are none, or the service refuses the key. Until `initialize` has ended,
/// a client that is not ready is `NotReady`, whatever rules it has; any other has the status that
/// it will have then.
///
/// # What `open-feature` 0.3.0 leaves out
///
/// It has no events and no tracking: call [`PhaseFlagClient::on_flags_changed`] and
/// [`PhaseFlagClient::track_event`] on a clone of the client. It asks for no lists, unless they are
/// in a structure. `initialize` cannot fail, so that only the status and the messages of errors
/// tell. While the default provider is being set, evaluations wait for it; where that is cancelled,
/// and after `OpenFeature::shutdown`, they panic for lack of one: bound the wait by `ready_timeout`
/// instead. While a named provider is being set or replaced, its clients get the answers of the
/// default one.
pub struct PhaseFlagProvider {
    client: PhaseFlagClient,
    metadata: ProviderMetadata,
    hooks: Vec<HookWrapper>,
    ready_timeout: Duration,
    /// Whether the client could start, once that was tried.
    started: Option<Result<(), String>>,
}

impl PhaseFlagProvider {
    /// Returns a provider that answers from this client, which need not be started.
    pub fn new(client: PhaseFlagClient) -> PhaseFlagProvider {
        PhaseFlagProvider {
            client,
            metadata: ProviderMetadata::new("phaseflag"),
            hooks: Vec::new(),
            ready_timeout: READY_TIMEOUT,
            started: None,
        }
    }

    /// Sets how long `initialize` waits for a client without rules. Defaults to 5 seconds; zero only
    /// starts it.
    #[must_use]
    pub fn ready_timeout(mut self, timeout: Duration) -> PhaseFlagProvider {
        self.ready_timeout = timeout;
        self
    }

    /// Adds a hook that runs with each evaluation of this provider.
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
        let expected = "an integer that `i64` holds";
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
        // Looked at first: rules that come in meanwhile do not make their flags unknown.
        let has_answers = self.client.has_rules() || self.client.state() == ClientState::Ready;
        let context = to_context(context);
        let seen = (context != phaseflag::EvaluationContext::new()).then_some(&context);
        match self.client.get_variation(key, seen) {
            Some(result) => resolve(key, &result, expected, read),
            None if has_answers => {
                let message = format!("there is no flag `{key}`");
                Err(error(EvaluationErrorCode::FlagNotFound, message))
            }
            None => Err(self.not_ready()),
        }
    }

    /// Returns why there are no rules.
    fn not_ready(&self) -> EvaluationError {
        let cause = match (&self.started, self.client.statistics().last_failure) {
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
