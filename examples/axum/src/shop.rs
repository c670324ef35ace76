//! The routes of the shop, and the flags that they use.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use phaseflag::{EvaluationContext, EvaluationEvent, Object, PhaseFlagClient, Snapshot, Value};

use crate::health;
use crate::metrics;
use crate::visitor::Visitor;

/// Returns the routes, which share a client: a clone is another handle.
pub fn router(client: PhaseFlagClient) -> Router {
    Router::new()
        .route("/checkout", get(checkout))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
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

/// Succeeds as long as the process serves requests, with flags or without.
async fn healthz(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    json(health::report(&client))
}

/// Succeeds if the client has flags to serve.
async fn readyz(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    let status = match health::is_ready(&client) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, json(health::report(&client)))
}

/// Returns the metrics for Prometheus.
async fn metrics(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::metrics(&client))
}

/// Returns a JSON response.
fn json(body: impl Into<Object>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], Value::from(body.into()).to_string())
}
