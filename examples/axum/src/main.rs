//! An asynchronous web server that evaluates flags for each request, with one shared client.
//!
//! Evaluations happen in memory, so handlers call them directly. Calls that wait, such as `stop`, run
//! in `spawn_blocking`. Run it next to `cargo run serve examples/flags.json`, with `--self-hosted` or
//! without:
//!
//! ```console
//! $ cargo run -p example-axum
//! $ curl -H 'x-user-id: ada' -H 'x-user-email: ada@shop.example' \
//!     'http://127.0.0.1:8080/checkout?plan=pro'
//! $ curl 'http://127.0.0.1:8080/readyz'
//! $ curl 'http://127.0.0.1:8080/metrics'
//! ```
//!
//! Ctrl-C and SIGTERM end it: it completes pending requests for up to 3 seconds, or `DRAIN_SECONDS`,
//! and then delivers events for up to the `shutdown_timeout` of the client. A second signal ends it
//! immediately. `PHASEFLAG_BASE_URL` sets another service, `PHASEFLAG_API_KEY` its key, and `PORT` the
//! port to listen on; 0 is any free one.
//!
//! `axum::serve` has no timeout for an incomplete request: put a reverse proxy in front.

#[path = "../../monitoring/health.rs"]
mod health;
#[path = "../../monitoring/metrics.rs"]
mod metrics;
mod shop;
mod signals;
mod visitor;

use std::env;
use std::error::Error;
use std::io;
use std::num::ParseIntError;
use std::process;
use std::str::FromStr;
use std::time::Duration;

use phaseflag::{EventCounts, PhaseFlagClient};
use signals::EndSignals;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How many seconds pending requests may take at the end. With the `shutdown_timeout` of the client,
/// that is less than the 10 seconds after which a container is killed.
const DRAIN_SECONDS: &str = "3";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = setting("PHASEFLAG_BASE_URL", "http://127.0.0.1:8000/api/v1");
    let api_key = setting("PHASEFLAG_API_KEY", "sdk-dev-local");
    let port: u16 = number("PORT", "8080")?;
    let drain_timeout = Duration::from_secs(number("DRAIN_SECONDS", DRAIN_SECONDS)?);

    // First, since a container runtime may end the server while it starts.
    let mut signals = EndSignals::listen()?;
    let client = PhaseFlagClient::builder(base_url, api_key).build()?;
    client.start()?;
    let waiting = client.clone();
    let ready = spawn_blocking(move || waiting.wait_until_ready(Duration::from_secs(2)));
    if let Err(error) = ready.await? {
        // Serve anyway: the getters return the defaults until rules arrive.
        eprintln!("serving defaults for now: {error:#}");
    }

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("serving http://{}", listener.local_addr()?);
    let (drain, draining) = oneshot::channel::<()>();
    let serving = axum::serve(listener, shop::router(client.clone()));
    let serving = serving.with_graceful_shutdown(async {
        // Dropping the sender is the message.
        let _ = draining.await;
    });
    let serving = tokio::spawn(serving.into_future());

    signals.recv().await;
    drop(drain);
    tokio::select! {
        events = finish(serving, drain_timeout, client) => {
            let events = events?;
            println!("events delivered: {}", events.delivered);
            println!("events dropped: {}", events.dropped());
            Ok(())
        }
        () = signals.recv() => {
            eprintln!("second signal: ending now, undelivered events are lost");
            process::exit(1)
        }
    }
}

/// Waits for pending requests, and then stops the client.
async fn finish(
    serving: JoinHandle<io::Result<()>>,
    drain_timeout: Duration,
    client: PhaseFlagClient,
) -> Result<EventCounts, Box<dyn Error>> {
    match timeout(drain_timeout, serving).await {
        Ok(served) => served??,
        Err(_) => eprintln!("abandoning requests that are not complete after {drain_timeout:?}"),
    }
    // Dropping the last handle would also stop the client, but block a thread of the executor.
    let counts = spawn_blocking(move || {
        client.stop();
        client.statistics().events
    });
    Ok(counts.await?)
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn number<T: FromStr<Err = ParseIntError>>(name: &str, default: &str) -> Result<T, String> {
    setting(name, default).parse().map_err(|error| format!("{name}: {error}"))
}
