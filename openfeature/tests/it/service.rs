//! A provider and the service: waiting for it, a refused key, and evaluation without it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use open_feature::provider::{FeatureProvider, ProviderStatus};
use open_feature::{Client, EvaluationContext, EvaluationErrorCode, OpenFeature};
use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};
use phaseflag_openfeature::PhaseFlagProvider;

use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, flag, ruleset, started, wait_until,
};

/// A short time.
const SHORT: Duration = Duration::from_millis(20);

fn nobody() -> EvaluationContext {
    EvaluationContext::default()
}

/// Returns the code and the message of the error of an evaluation.
async fn failure(provider: &PhaseFlagProvider) -> (EvaluationErrorCode, String) {
    let error = provider.resolve_bool_value("a", &nobody()).await.unwrap_err();
    (error.code, error.message.unwrap())
}

/// Asserts that a provider was initialized in less than half of its timeout.
async fn initialized_at_once(client: PhaseFlagClient) -> PhaseFlagProvider {
    let mut provider = PhaseFlagProvider::new(client).ready_timeout(2 * SOON);
    let begin = Instant::now();
    provider.initialize(&nobody()).await;
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    provider
}

/// Polls a future once.
fn is_pending(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn waiting_does_not_block_the_thread() {
    let (respond, may_respond) = mpsc::channel();
    let may_respond = std::sync::Mutex::new(may_respond);
    let server = Server::start(move |_| {
        may_respond.lock().unwrap().recv_timeout(SOON).unwrap();
        Reply::json(ruleset(1, &["a"]))
    });
    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    let mut provider = PhaseFlagProvider::new(client).ready_timeout(SOON);
    let context = nobody();
    // Both run on this thread: the response can arrive because the wait does not block the thread.
    tokio::join!(provider.initialize(&context), async {
        server.wait_for(1, "/sdk/ruleset");
        respond.send(()).unwrap();
    });
    assert!(provider.resolve_bool_value("a", &context).await.unwrap().value);
    // The wait ends when there are rules, which is a moment earlier.
    wait_until("the client is ready", || provider.status() == ProviderStatus::Ready);
}

#[tokio::test]
async fn the_wait_is_bounded_and_the_client_keeps_polling() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).request_timeout(SOON).polling_interval(RAPIDLY).build().unwrap();
    let mut provider = PhaseFlagProvider::new(client).ready_timeout(SHORT);
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    let begin = Instant::now();
    provider.initialize(&nobody()).await;
    assert!((SHORT..SOON).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert_eq!(provider.status(), ProviderStatus::Error);
    assert_eq!(
        failure(&provider).await,
        (
            EvaluationErrorCode::ProviderNotReady,
            "there are no rules yet: the client is not ready".to_owned()
        )
    );

    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    server.close_connections();
    wait_until("the client is ready", || provider.status() == ProviderStatus::Ready);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);
}

#[tokio::test]
async fn with_a_timeout_of_zero_the_client_is_only_started() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).request_timeout(NEVER).build().unwrap();
    let mut provider = PhaseFlagProvider::new(client).ready_timeout(Duration::ZERO);
    let begin = Instant::now();
    provider.initialize(&nobody()).await;
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(provider.status(), ProviderStatus::Error);
    server.wait_for(1, "/sdk/ruleset");
}

#[tokio::test]
async fn existing_rules_end_the_wait_at_once() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server)
        .bootstrap_text(ruleset(1, &["a"]))
        .request_timeout(NEVER)
        .polling_interval(NEVER)
        .build()
        .unwrap();
    let provider = initialized_at_once(client).await;
    assert_eq!(provider.status(), ProviderStatus::STALE);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);

    server.respond(|_| Reply::json(ruleset(2, &["a", "b"])));
    server.wait_for(1, "/sdk/ruleset");
    server.close_connections();
    wait_until("the rules are fresh", || provider.status() == ProviderStatus::Ready);
    assert!(provider.resolve_bool_value("b", &nobody()).await.unwrap().value);
}

#[tokio::test]
async fn a_refused_key_ends_the_wait_at_once() {
    let body = r#"{"error": {"code": "UNAUTHORIZED", "message": "no such key"}}"#;
    let server = Server::start(move |_| Reply::status(401).with_body(body));
    let provider = initialized_at_once(builder(&server).build().unwrap()).await;
    assert_eq!(provider.status(), ProviderStatus::Error);
    let url = server.url();
    assert_eq!(
        failure(&provider).await,
        (
            EvaluationErrorCode::ProviderNotReady,
            format!(
                "there are no rules yet: `{url}/sdk/ruleset` responded with status 401: no such key"
            )
        )
    );
}

#[tokio::test]
async fn a_refused_key_keeps_the_bootstrap_in_use() {
    let server = Server::start(|_| Reply::status(403));
    let client = builder(&server).bootstrap_text(ruleset(1, &["a"])).build().unwrap();
    let provider = initialized_at_once(client).await;
    wait_until("the key is refused", || provider.status() == ProviderStatus::Error);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);
    let error = provider.resolve_bool_value("b", &nobody()).await.unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::FlagNotFound);
}

#[tokio::test]
async fn even_with_rules_a_client_is_not_ready_before_initialize_ends() {
    let server = Server::start(|_| Reply::Hang);
    let settings = builder(&server).bootstrap_text(ruleset(1, &["a"])).request_timeout(NEVER);
    let client = started(settings);
    assert!(client.has_rules() && !client.is_ready());
    let mut provider = PhaseFlagProvider::new(client);
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);
    provider.initialize(&nobody()).await;
    assert_eq!(provider.status(), ProviderStatus::STALE);
}

#[tokio::test]
async fn a_refused_key_is_an_error_even_without_initialize() {
    let settings: [fn(ClientBuilder) -> ClientBuilder; 2] =
        [|settings| settings, |settings| settings.bootstrap_text(ruleset(1, &["a"]))];
    for set in settings {
        let server = Server::start(|_| Reply::status(401));
        let client = started(set(builder(&server)));
        client.wait_until_ready(SOON).unwrap_err();
        let provider = PhaseFlagProvider::new(client.clone());
        assert_eq!(provider.status(), ProviderStatus::Error, "rules: {}", client.has_rules());
    }
}

#[tokio::test]
async fn a_bootstrap_is_stale_until_the_service_responds() {
    let server = Server::start(|_| Reply::status(500));
    let client = builder(&server)
        .bootstrap_text(ruleset(1, &["a"]))
        .polling_interval(RAPIDLY)
        .build()
        .unwrap();
    let provider = initialized_at_once(client).await;
    assert_eq!(provider.status(), ProviderStatus::STALE);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);

    server.respond(|_| Reply::json(ruleset(2, &["a"])));
    wait_until("the rules are fresh", || provider.status() == ProviderStatus::Ready);
    server.respond(|_| Reply::status(500));
    wait_until("the rules are stale", || provider.status() == ProviderStatus::STALE);
    assert!(provider.resolve_bool_value("a", &nobody()).await.unwrap().value);
}

#[tokio::test]
async fn offline_without_any_rules_is_not_ready() {
    let server = Server::start(|_| Reply::status(500).with_body(r#"{"error": "it is down"}"#));
    let client = builder(&server)
        .offline_mode(true)
        .bootstrap_url("/bootstrap")
        .polling_interval(NEVER)
        .build()
        .unwrap();
    let mut provider = PhaseFlagProvider::new(client.clone()).ready_timeout(SOON);
    provider.initialize(&nobody()).await;
    assert!(client.is_ready());
    // The client is ready a moment before it counts the failed poll.
    wait_until("the failure is counted", || provider.status() == ProviderStatus::Error);
    let (code, message) = failure(&provider).await;
    assert_eq!(code, EvaluationErrorCode::ProviderNotReady);
    assert!(message.starts_with("there are no rules yet: `http://"), "{message}");
    assert!(message.ends_with(" responded with status 500: it is down"), "{message}");
}

#[tokio::test]
async fn an_evaluation_uses_the_current_rules() {
    let on = Arc::new(AtomicBool::new(false));
    let served = on.clone();
    let server = Server::start(move |_| {
        Reply::json(format!(r#"{{"flags": [{}]}}"#, flag("a", served.load(Ordering::Acquire))))
    });
    let mut api = OpenFeature::default();
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    api.set_provider(PhaseFlagProvider::new(client.clone()).ready_timeout(SOON)).await;
    let flags = api.create_client();
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(false));

    on.store(true, Ordering::Release);
    wait_until("the flag is on", || client.get_boolean_value("a", false, None));
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(true));
}

#[test]
fn a_cancelled_wait_keeps_no_client() {
    let server = Server::start(|_| Reply::status(500));
    let client = builder(&server).build().unwrap();
    let alive = Arc::new(());
    let gone = Arc::downgrade(&alive);
    client.on_flags_changed(move |_| drop(alive.clone()));

    let mut provider = PhaseFlagProvider::new(client).ready_timeout(NEVER);
    let context = nobody();
    {
        let initialize = pin!(provider.initialize(&context));
        assert!(is_pending(initialize));
        // The thread has been waiting since the first response.
        server.wait_for(2, "/sdk/ruleset");
    }
    drop(provider);
    wait_until("the client is gone", || gone.upgrade().is_none());
}

/// Returns a provider whose client waits for a response of the service.
fn waiting(server: &Server) -> PhaseFlagProvider {
    let settings = builder(server).request_timeout(NEVER).polling_interval(RAPIDLY);
    PhaseFlagProvider::new(settings.build().unwrap()).ready_timeout(SOON)
}

/// Returns a provider without a service whose flag `a` serves a boolean.
fn local(value: bool) -> PhaseFlagProvider {
    let rules = format!("[{}]", flag("a", value));
    PhaseFlagProvider::new(
        PhaseFlagClient::without_service().bootstrap_text(rules).build().unwrap(),
    )
}

/// Returns the message of the panic of an evaluation.
async fn panic_of(flags: Client) -> String {
    let evaluation = tokio::spawn(async move { flags.get_bool_value("a", None, None).await });
    let panic = evaluation.await.unwrap_err().into_panic();
    (*panic.downcast::<&str>().unwrap()).to_owned()
}

#[tokio::test]
async fn evaluations_wait_while_the_default_provider_is_set() {
    let server = Server::start(|_| Reply::Hang);
    let mut api = OpenFeature::default();
    api.set_provider(local(false)).await;
    let flags = api.create_client();
    let mut set = pin!(api.set_provider(waiting(&server)));
    assert!(is_pending(set.as_mut()));
    let mut value = pin!(flags.get_bool_value("a", None, None));
    assert!(is_pending(value.as_mut()));

    server.wait_for(1, "/sdk/ruleset");
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    server.close_connections();
    assert_eq!(tokio::join!(set, value), ((), Ok(true)));
}

#[tokio::test]
async fn without_a_default_provider_evaluations_panic() {
    const NONE: &str = "called `Option::unwrap()` on a `None` value";
    let server = Server::start(|_| Reply::Hang);
    let mut api = OpenFeature::default();
    api.set_provider(local(true)).await;
    assert_eq!(api.create_client().get_bool_value("a", None, None).await, Ok(true));
    // If setting a provider is cancelled, no provider is set.
    assert!(is_pending(pin!(api.set_provider(waiting(&server)))));
    assert_eq!(panic_of(api.create_client()).await, NONE);

    api.set_provider(local(true)).await;
    assert_eq!(api.create_client().get_bool_value("a", None, None).await, Ok(true));
    api.shutdown().await;
    assert_eq!(panic_of(api.create_client()).await, NONE);
}

#[tokio::test]
async fn named_clients_use_the_default_provider_while_theirs_is_replaced() {
    let server = Server::start(|_| Reply::Hang);
    let mut api = OpenFeature::default();
    api.set_provider(local(false)).await;
    let flags = api.create_named_client("name");
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(false));
    api.set_named_provider("name", local(true)).await;
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(true));

    let mut set = pin!(api.set_named_provider("name", waiting(&server)));
    assert!(is_pending(set.as_mut()));
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(false));

    server.wait_for(1, "/sdk/ruleset");
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    server.close_connections();
    set.await;
    assert_eq!(flags.get_bool_value("a", None, None).await, Ok(true));
}

#[tokio::test]
async fn stop_delivers_the_queued_events() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).event_flush_interval(NEVER).build().unwrap();
    let mut api = OpenFeature::default();
    api.set_provider(PhaseFlagProvider::new(client.clone()).ready_timeout(SOON)).await;
    client.track_event(EvaluationEvent::new("a").user_id("ada"));
    drop(client);
    assert_eq!(server.requests_to("/sdk/events").len(), 0);
    api.shutdown().await;
    let delivered = server.requests_to("/sdk/events");
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0].json()["events"][0]["user_id"].as_str(), Some("ada"));
}
