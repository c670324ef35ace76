//! One client in the state of an asynchronous web server: a flag for each request.
//!
//! What a request asks the client is answered from memory, so it may be asked on the executor.
//! What waits, such as the start and the end, runs beside it. Run it beside
//! `cargo run serve examples/flags.json`, with `--self-hosted` or without:
//!
//! ```console
//! $ cargo run -p example-axum
//! $ curl -H 'x-user-id: ada' -H 'x-user-email: ada@shop.example' \
//!     'http://127.0.0.1:8080/checkout?plan=pro'
//! $ curl 'http://127.0.0.1:8080/health'
//! $ curl 'http://127.0.0.1:8080/metrics'
//! ```
//!
//! It ends by Ctrl-C or SIGTERM: it answers the requests that are under way, for at most 3 seconds,
//! and then delivers what it can within the client's `shutdown_timeout`. A second of these ends it
//! at once. `PHASEFLAG_BASE_URL` names another
//! service, `PHASEFLAG_API_KEY` its key, and `PORT` the port to serve on, where 0 is any free one.
//!
//! `axum::serve` waits for ever for a request that has begun: put a reverse proxy in front.

mod end;
#[path = "../../tiny_http/src/metrics.rs"]
mod metrics;
mod shop;
mod visitor;

use std::env;
use std::error::Error;
use std::io;
use std::process;
use std::time::Duration;

use end::End;
use phaseflag::{EventCounts, PhaseFlagClient};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How long the requests that are under way at the end may take. With the client's
/// `shutdown_timeout` that stays below the 10 seconds after which a container is killed.
const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = setting("PHASEFLAG_BASE_URL", "http://127.0.0.1:8000/api/v1");
    let api_key = setting("PHASEFLAG_API_KEY", "sdk-dev-local");
    let port: u16 = setting("PORT", "8080").parse()?;

    let client = PhaseFlagClient::builder(base_url, api_key).build()?;
    client.start()?;
    let waiting = client.clone();
    let ready = spawn_blocking(move || waiting.wait_until_ready(Duration::from_secs(2)));
    if let Err(error) = ready.await? {
        // A shop is open without its flags, too: the getters give the defaults meanwhile.
        eprintln!("serving defaults for now: {error:#}");
    }

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let mut end = End::listen()?;
    println!("serving http://{}", listener.local_addr()?);
    let (drain, draining) = oneshot::channel::<()>();
    let serving = axum::serve(listener, shop::router(client.clone()));
    let serving = serving.with_graceful_shutdown(async {
        // An error says that the other end is gone, which is how it tells.
        let _ = draining.await;
    });
    let serving = tokio::spawn(serving.into_future());

    end.told().await;
    drop(drain);
    tokio::select! {
        events = finish(serving, client) => {
            let events = events?;
            println!("events delivered: {}", events.delivered);
            println!("events dropped: {}", events.dropped());
            Ok(())
        }
        () = end.told() => {
            eprintln!("told twice: ending at once, without what is not delivered yet");
            process::exit(1)
        }
    }
}

/// Lets the requests that are under way come to their end, and then the client.
async fn finish(
    serving: JoinHandle<io::Result<()>>,
    client: PhaseFlagClient,
) -> Result<EventCounts, Box<dyn Error>> {
    match timeout(PATIENCE, serving).await {
        Ok(served) => served??,
        Err(_) => eprintln!("cutting off requests that are not answered after {PATIENCE:?}"),
    }
    // Dropping the last handle would stop the client, too, but on a thread of the executor, which
    // must not wait.
    let counts = spawn_blocking(move || {
        client.stop();
        client.statistics().events
    });
    Ok(counts.await?)
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
