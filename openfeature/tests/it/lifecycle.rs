//! The start, status and end of a provider.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use open_feature::provider::{FeatureProvider, ProviderStatus};
use open_feature::{
    EvaluationContext, EvaluationContextFieldValue, EvaluationDetails, EvaluationError,
    EvaluationErrorCode, EvaluationReason, Hook, HookContext, HookHints, OpenFeature, Value,
    async_trait,
};
use phaseflag::{ClientBuilder, ClientState, PhaseFlagClient};
use phaseflag_openfeature::PhaseFlagProvider;

/// Rules with one boolean flag: whether the user is Ada.
const RULES: &str = r#"{"flags": [{"key": "is-ada", "default_variation": "no",
    "variations": [{"key": "yes", "value": true}, {"key": "no", "value": false}],
    "targeting_rules": [{"variation": "yes",
        "conditions": [{"attribute": "user_id", "operator": "is", "value": "ada"}]}]}]}"#;

fn local() -> ClientBuilder {
    PhaseFlagClient::without_service().bootstrap_text(RULES)
}

async fn initialized(client: PhaseFlagClient) -> PhaseFlagProvider {
    let mut provider = PhaseFlagProvider::new(client);
    provider.initialize(&EvaluationContext::default()).await;
    provider
}

async fn is_ada(provider: &PhaseFlagProvider) -> Result<bool, EvaluationError> {
    let ada = EvaluationContext::default().with_targeting_key("ada");
    provider.resolve_bool_value("is-ada", &ada).await.map(|details| details.value)
}

fn not_ready(message: &str) -> EvaluationError {
    let code = EvaluationErrorCode::ProviderNotReady;
    EvaluationError { code, message: Some(message.to_owned()) }
}

/// Runs a future on this thread, without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Unpark>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_provider_can_be_sent_between_threads() {
    fn check<T: std::fmt::Debug + Send + Sync + 'static>(_: &T) {}
    let provider = PhaseFlagProvider::new(local().build().unwrap());
    check(&provider);
    assert_eq!(
        format!("{provider:?}"),
        "PhaseFlagProvider { client: PhaseFlagClient { base_url: \"\", run_state: New, \
         state: NotReady, .. }, ready_timeout: 5s, status: NotReady, .. }"
    );
}

#[test]
fn no_runtime_is_needed() {
    block_on(async {
        let client = local().build().unwrap();
        let mut provider = PhaseFlagProvider::new(client);
        assert_eq!(provider.status(), ProviderStatus::NotReady);
        assert_eq!(
            is_ada(&provider).await,
            Err(not_ready("there are no rules yet: the client is not ready"))
        );
        provider.initialize(&EvaluationContext::default()).await;
        assert_eq!(provider.status(), ProviderStatus::Ready);
        assert_eq!(is_ada(&provider).await, Ok(true));
        assert_eq!(provider.metadata().name, "phaseflag");
    });
}

#[tokio::test]
async fn a_started_client_is_used_unchanged() {
    let client = local().build().unwrap();
    client.start().unwrap();
    let provider = initialized(client).await;
    assert_eq!(provider.status(), ProviderStatus::Ready);
    assert_eq!(is_ada(&provider).await, Ok(true));
}

#[tokio::test]
async fn the_error_of_a_client_that_cannot_start_has_the_cause() {
    let bad = PhaseFlagClient::without_service().bootstrap_text("nonsense").build().unwrap();
    let provider = initialized(bad).await;
    assert_eq!(provider.status(), ProviderStatus::Error);
    assert_eq!(
        is_ada(&provider).await,
        Err(not_ready(
            "there are no rules yet: failed to load bootstrap `bootstrap_text`: \
             failed to parse ruleset: an unexpected character where a value was expected \
             at line 1, column 1"
        ))
    );

    let stopped = local().build().unwrap();
    stopped.stop();
    let provider = initialized(stopped).await;
    assert_eq!(provider.status(), ProviderStatus::Error);
    let message = "there are no rules yet: the client has been stopped";
    assert_eq!(is_ada(&provider).await, Err(not_ready(message)));
}

#[tokio::test]
async fn a_stopped_client_serves_its_last_rules() {
    let client = local().build().unwrap();
    let provider = initialized(client.clone()).await;
    client.stop();
    assert_eq!(provider.status(), ProviderStatus::STALE);
    assert_eq!(is_ada(&provider).await, Ok(true));
}

#[tokio::test]
async fn overrides_are_static_and_need_no_rules() {
    let client = PhaseFlagClient::without_service().build().unwrap();
    client.set_override("beta", true);
    let mut provider = PhaseFlagProvider::new(client);
    let details = provider.resolve_bool_value("beta", &EvaluationContext::default()).await.unwrap();
    assert!(details.value);
    assert_eq!((details.reason, details.variant), (Some(EvaluationReason::Static), None));
    // Once started, it receives nothing else.
    let message = "there are no rules yet: the client is not ready";
    assert_eq!(is_ada(&provider).await, Err(not_ready(message)));
    provider.initialize(&EvaluationContext::default()).await;
    assert_eq!(provider.status(), ProviderStatus::Ready);
    assert_eq!(is_ada(&provider).await.unwrap_err().code, EvaluationErrorCode::FlagNotFound);
}

#[tokio::test]
async fn the_default_context_replaces_only_an_empty_context() {
    let ada = phaseflag::EvaluationContext::new().user_id("ada");
    let mut api = OpenFeature::default();
    api.set_provider(PhaseFlagProvider::new(local().default_context(ada).build().unwrap())).await;
    let flags = api.create_client();
    let empty = EvaluationContext::default();
    let cases = [
        (None, true),
        (Some(empty.clone()), true),
        (Some(empty.clone().with_targeting_key("")), true),
        (Some(empty.clone().with_custom_field("user_id", "")), true),
        (Some(empty.clone().with_custom_field("session_id", f64::NAN)), true),
        (Some(empty.clone().with_custom_field("session_id", 1.5)), false),
        (Some(empty.clone().with_custom_field("key", "bob")), false),
        (Some(empty.clone().with_targeting_key("").with_custom_field("user_id", "bob")), false),
        (Some(empty.clone().with_custom_field("plan", "pro")), false),
        (Some(empty.with_targeting_key("bob")), false),
    ];
    for (context, expected) in cases {
        let value = flags.get_bool_value("is-ada", context.as_ref(), None).await;
        assert_eq!(value, Ok(expected), "{context:?}");
    }
    // OpenFeature merges its own contexts.
    let bob = EvaluationContext::default().with_targeting_key("bob");
    api.set_evaluation_context(bob).await;
    assert_eq!(flags.get_bool_value("is-ada", None, None).await, Ok(false));
}

#[tokio::test]
async fn rules_read_dates_and_scalars() {
    let rules = r#"{"flags": [{"key": "sale", "default_variation": "off",
        "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "targeting_rules": [{"variation": "on", "conditions": [
            {"attribute": "now", "operator": "contains", "value": "2026-04-04T"},
            {"attribute": "account", "operator": "is", "value": 18446744073709551615}]}]}]}"#;
    let mut api = OpenFeature::default();
    let client = PhaseFlagClient::without_service().bootstrap_text(rules).build().unwrap();
    api.set_provider(PhaseFlagProvider::new(client)).await;
    let now = time::OffsetDateTime::from_unix_timestamp(1_775_314_800).unwrap();
    let account = phaseflag::AttributeValue::from(u64::MAX);
    let context = EvaluationContext::default()
        .with_custom_field("now", now)
        .with_custom_field("account", EvaluationContextFieldValue::new_struct(account));
    let value = api.create_client().get_bool_value("sale", Some(&context), None).await;
    assert_eq!(value, Ok(true));
}

#[tokio::test]
async fn named_clients_have_their_own_provider() {
    let mut api = OpenFeature::singleton_mut().await;
    let client = local().build().unwrap();
    client.set_override("is-ada", false);
    api.set_named_provider("lifecycle-1", PhaseFlagProvider::new(local().build().unwrap())).await;
    api.set_named_provider("lifecycle-2", PhaseFlagProvider::new(client)).await;
    let (one, two) = ("lifecycle-1", "lifecycle-2");
    let (one, two) = (api.create_named_client(one), api.create_named_client(two));
    drop(api);
    let ada = EvaluationContext::default().with_targeting_key("ada");
    assert_eq!(one.get_bool_value("is-ada", Some(&ada), None).await, Ok(true));
    assert_eq!(two.get_bool_value("is-ada", Some(&ada), None).await, Ok(false));
}

/// A hook that keeps its calls.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Hook for Recorder {
    async fn before<'a>(
        &self,
        context: &HookContext<'a>,
        _: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        self.0.lock().unwrap().push(format!("before {}", context.flag_key));
        Ok(None)
    }

    async fn after<'a>(
        &self,
        context: &HookContext<'a>,
        details: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) -> Result<(), EvaluationError> {
        let provider = &context.provider_metadata.name;
        self.0.lock().unwrap().push(format!("{provider}: {:?}", details.value));
        Ok(())
    }

    async fn error<'a>(
        &self,
        _: &HookContext<'a>,
        error: &EvaluationError,
        _: Option<&'a HookHints>,
    ) {
        self.0.lock().unwrap().push(error.code.to_string());
    }

    async fn finally<'a>(
        &self,
        _: &HookContext<'a>,
        _: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) {
    }
}

#[tokio::test]
async fn hooks_of_the_provider_run() {
    let recorder = Recorder::default();
    let provider = PhaseFlagProvider::new(local().build().unwrap()).hook(recorder.clone());
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let flags = api.create_client();
    let _ = flags.get_bool_value("is-ada", None, None).await;
    let _ = flags.get_bool_value("is-bob", None, None).await;
    assert_eq!(
        *recorder.0.lock().unwrap(),
        ["before is-ada", "phaseflag: Bool(false)", "before is-bob", "FLAG_NOT_FOUND"]
    );
}

#[tokio::test]
async fn the_last_handle_stops_the_client() {
    let client = local().build().unwrap();
    let mut api = OpenFeature::default();
    api.set_provider(PhaseFlagProvider::new(client.clone())).await;
    api.shutdown().await;
    assert_eq!(client.state(), ClientState::Ready);

    let alive = Arc::new(());
    let gone = Arc::downgrade(&alive);
    client.on_flags_changed(move |_| drop(alive.clone()));
    api.set_provider(PhaseFlagProvider::new(client)).await;
    assert!(gone.upgrade().is_some());
    api.shutdown().await;
    assert!(gone.upgrade().is_none());
}
