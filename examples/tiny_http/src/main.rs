//! A synchronous web server that evaluates flags for each request, with one client for all threads.
//!
//! The client starts before the server and stops after it, which delivers queued events for up to the
//! `shutdown_timeout` of the client. Run it next to `cargo run serve examples/flags.json`, with
//! `--self-hosted` or without:
//!
//! ```console
//! $ cargo run -p example-tiny-http
//! $ curl 'http://127.0.0.1:8080/checkout?user=ada&plan=pro&email=ada@shop.example'
//! $ curl 'http://127.0.0.1:8080/readyz'
//! $ curl 'http://127.0.0.1:8080/metrics'
//! ```
//!
//! Ctrl-C and SIGTERM end it: it completes pending requests for up to 3 seconds, and then delivers
//! events. A second signal ends it immediately. `PHASEFLAG_BASE_URL` sets another service,
//! `PHASEFLAG_API_KEY` its key, and `PORT` the port to listen on; 0 is any free one.
//!
//! A worker has no timeout for the body of a request, so four incomplete requests block the server:
//! put a reverse proxy in front.

#[path = "../../monitoring/health.rs"]
mod health;
#[path = "../../monitoring/metrics.rs"]
mod metrics;

use std::env;
use std::error::Error;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use phaseflag::{EvaluationContext, EvaluationEvent, Object, PhaseFlagClient, Value};
use tiny_http::{Header, Method, Request, Response, Server};

const WORKERS: usize = 4;

/// How long pending requests may take at the end. With the `shutdown_timeout` of the client, that is
/// less than the 10 seconds after which a container is killed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let base_url = setting("PHASEFLAG_BASE_URL", "http://127.0.0.1:8000/api/v1");
    let api_key = setting("PHASEFLAG_API_KEY", "sdk-dev-local");
    let port: u16 = setting("PORT", "8080").parse().map_err(|error| format!("PORT: {error}"))?;

    // First, since a container runtime may end the server while it starts.
    let signals = end_signals()?;
    let client = PhaseFlagClient::builder(base_url, api_key).build()?;
    client.start()?;
    if let Err(error) = client.wait_until_ready(Duration::from_secs(2)) {
        // Serve anyway: the getters return the defaults until rules arrive.
        eprintln!("serving defaults for now: {error:#}");
    }

    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| format!("failed to serve on port {port}: {error}"))?;
    let server = Arc::new(server);
    let ended = start_workers(&server, &client)?;
    println!("serving http://{}", server.server_addr());

    signals.recv()?;
    // Each call ends one worker, after the requests that are queued already.
    (0..WORKERS).for_each(|_| server.unblock());
    if ended.recv_timeout(DRAIN_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
        eprintln!("abandoning requests that are not complete after {DRAIN_TIMEOUT:?}");
    }
    drop(server);
    client.stop();
    let events = client.statistics().events;
    println!("events delivered: {}", events.delivered);
    println!("events dropped: {}", events.dropped());
    Ok(())
}

/// Starts the workers, and returns a channel that closes when all of them have ended. They are not
/// joined, since a worker that waits for the rest of a request cannot be stopped.
fn start_workers(server: &Arc<Server>, client: &PhaseFlagClient) -> io::Result<Receiver<()>> {
    let (working, ended) = mpsc::channel();
    for _ in 0..WORKERS {
        let (server, client, working) = (server.clone(), client.clone(), working.clone());
        thread::Builder::new().spawn(move || {
            serve(&server, &client);
            drop(server);
            drop(working);
        })?;
    }
    Ok(ended)
}

/// Handles requests until `unblock` is called.
fn serve(server: &Server, client: &PhaseFlagClient) {
    while let Ok(request) = server.recv() {
        if let Err(error) = handle(request, client) {
            eprintln!("failed to send response: {error}");
        }
    }
}

fn handle(request: Request, client: &PhaseFlagClient) -> Result<(), Box<dyn Error>> {
    let url = request.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let (status, body) = match (request.method(), path) {
        (Method::Get, "/checkout") => match parameter(query, "user") {
            Some(user) if !user.is_empty() => {
                let plan = parameter(query, "plan").unwrap_or("free");
                let mut context = EvaluationContext::new().user_id(user).attribute("plan", plan);
                if let Some(email) = parameter(query, "email") {
                    context = context.attribute("email", email);
                }
                (200, checkout(client, user, &context))
            }
            _ => (400, Object::from_iter([("error", "no user")])),
        },
        // Whether the process serves requests, with flags or without.
        (Method::Get, "/healthz") => (200, health::report(client)),
        (Method::Get, "/readyz") => {
            (if health::is_ready(client) { 200 } else { 503 }, health::report(client))
        }
        (Method::Get, "/metrics") => {
            let metrics = metrics::metrics(client);
            return respond(request, 200, metrics::CONTENT_TYPE, metrics);
        }
        _ => (404, Object::from_iter([("error", "not found")])),
    };
    respond(request, status, "application/json", Value::from(body).to_string())
}

fn respond(
    request: Request,
    status: u16,
    content_type: &str,
    body: String,
) -> Result<(), Box<dyn Error>> {
    let content_type =
        Header::from_bytes("Content-Type", content_type).map_err(|()| "invalid content type")?;
    let response = Response::from_string(body).with_status_code(status).with_header(content_type);
    Ok(request.respond(response)?)
}

/// Evaluates the flags of the checkout page, and tracks an event.
fn checkout(client: &PhaseFlagClient, user: &str, context: &EvaluationContext) -> Object {
    let new = client.get_boolean_value("new-checkout-flow", false, context);
    let theme = client.get_string_value("ui-theme", "light", context);
    let config = client.get_json_value("checkout-config", Value::Null, context);
    // A link for the segment `staff` only.
    let dashboard = client.get_boolean_value("order-dashboard", false, context);

    let checkout = if new { "one-page" } else { "three-steps" };
    client.track_event(
        EvaluationEvent::new("new-checkout-flow").user_id(user).metadata("checkout", checkout),
    );
    Object::from_iter([
        ("checkout", Value::from(checkout)),
        ("theme", Value::from(theme)),
        ("config", config),
        ("dashboard", Value::from(dashboard)),
    ])
}

/// Returns a parameter of a query, not decoded: `%` and `+` are literal.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = parameters.find(|(other, _)| *other == name)?;
    Some(value)
}

/// Returns a channel that receives the first signal that ends the server: Ctrl-C, or SIGTERM, which
/// container runtimes and init systems send. The second one ends it immediately.
fn end_signals() -> Result<Receiver<()>, ctrlc::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let mut sender = Some(sender);
    ctrlc::set_handler(move || match sender.take() {
        Some(sender) => {
            // The receiver is gone only if the server is ending.
            let _ = sender.send(());
        }
        None => {
            eprintln!("second signal: ending now, undelivered events are lost");
            process::exit(1);
        }
    })?;
    Ok(receiver)
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
