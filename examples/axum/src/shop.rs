//! The pages of the shop, and the flags that decide them.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use phaseflag::{EvaluationContext, EvaluationEvent, Object, PhaseFlagClient, Snapshot, Value};

use crate::metrics;
use crate::visitor::Visitor;

/// Returns the routes, which share one client: a clone is another handle of it.
pub fn router(client: PhaseFlagClient) -> Router {
    Router::new()
        .route("/checkout", get(checkout))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(client)
}

/// Decides which checkout a user sees, and tells the service.
async fn checkout(State(client): State<PhaseFlagClient>, Visitor(context): Visitor) -> Response {
    let Some(user) = context.get_user_id() else {
        return (StatusCode::BAD_REQUEST, json([("error", "no user")])).into_response();
    };
    // The whole page by the same rules, also where newer ones come meanwhile.
    let flags = client.snapshot();
    let checkout = layout(&flags, &context);
    let page = [
        ("checkout", Value::from(checkout)),
        ("theme", Value::from(flags.get_string_value("ui-theme", "light", &context))),
        ("config", flags.get_json_value("checkout-config", Value::Null, &context)),
        // A link that only the segment `staff` sees.
        ("dashboard", Value::from(flags.get_boolean_value("order-dashboard", false, &context))),
    ];
    // This queues the event, and never waits.
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

/// Says how the client does, for who watches over the server.
async fn health(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    let statistics = client.statistics();
    let last_failure = statistics.last_failure.map(|failure| failure.to_string());
    json([
        ("state", Value::from(client.state().to_string())),
        ("flags", Value::from(client.flags().len())),
        ("polls", Value::from(statistics.polls)),
        ("last_failure", Value::from(last_failure)),
    ])
}

/// Says the same to Prometheus.
async fn metrics(State(client): State<PhaseFlagClient>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::metrics(&client))
}

/// Returns an answer of JSON.
fn json(body: impl Into<Object>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], Value::from(body.into()).to_string())
}
