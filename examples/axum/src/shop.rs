//! The routes of the shop, and the flags that they use.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use phaseflag::{EvaluationContext, EvaluationEvent, Object, PhaseFlagClient, Snapshot, Value};

use crate::metrics;
use crate::visitor::Visitor;

/// Returns the routes, which share a client: a clone is another handle.
pub fn router(client: PhaseFlagClient) -> Router {
    Router::new()
        .route("/checkout", get(checkout))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(client)
}

/// Evaluates the flags of the checkout page, and tracks an event.
async fn checkout(State(client): State<PhaseFlagClient>, Visitor(context): Visitor) -> Response {
    let Some(user) = context.get_user_id() else {
        return (StatusCode::BAD_REQUEST, json([("error", "no user")])).into_response();
    };
    // A snapshot, so that the whole page uses the same rules.
    let flags = client.snapshot();
    let checkout = layout(&flags, &context);
    let page = [
        ("checkout", Value::from(checkout)),
        ("theme", Value::from(flags.get_string_value("ui-theme", "light", &context))),
        ("config", flags.get_json_value("checkout-config", Value::Null, &context)),
        // A link for the segment `staff` only.
        ("dashboard", Value::from(flags.get_boolean_value("order-dashboard", false, &context))),
    ];
    // Queues the event without blocking.
    client.track_event(
        EvaluationEvent::new("new-checkout-flow").user_id(user).metadata("checkout", checkout),
    );
    json(page).into_response()
}

fn layout(flags: &Snapshot, context: &EvaluationContext) -> &'static str {
    if flags.get_boolean_value("new-checkout-flow", false, context) {
        "one-page"
    } else {
        "three-steps"
    }
}

/// Returns the state of the client, for monitoring.
async fn health(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    let statistics = client.statistics();
    let last_failure = client.last_failure().map(|failure| format!("{failure:#}"));
    json([
        ("state", Value::from(client.state().to_string())),
        ("flags", Value::from(statistics.flags)),
        ("version", Value::from(statistics.version)),
        ("unknown_flags", Value::from_iter(statistics.unknown_flags)),
        ("polls", Value::from(statistics.polls)),
        ("last_failure", Value::from(last_failure)),
    ])
}

/// Returns the metrics for Prometheus.
async fn metrics(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::metrics(&client))
}

/// Returns a JSON response.
fn json(body: impl Into<Object>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], Value::from(body.into()).to_string())
}
