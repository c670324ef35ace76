//! One client in the state of an asynchronous web server: a flag for each request.
//!
//! What a request asks the client is answered from memory, so it may be asked on the executor.
//! What waits, such as the start and the end, runs beside it. Run it beside
//! `cargo run serve examples/flags.json`:
//!
//! ```console
//! $ cargo run -p example-axum
//! $ curl -H 'x-user-id: ada' 'http://127.0.0.1:8080/checkout?plan=pro'
//! $ curl 'http://127.0.0.1:8080/health'
//! $ curl 'http://127.0.0.1:8080/metrics'
//! ```
//!
//! It ends by Ctrl-C, by SIGTERM, with its input (Ctrl-D), or with the line `stop`: it answers the
//! requests that are under way, and then delivers the events. `PHASEFLAG_BASE_URL` names another
//! service, `PHASEFLAG_API_KEY` its key, and `PORT` the port to serve on, where 0 is any free one.

mod end;
#[path = "../../tiny_http/src/metrics.rs"]
mod metrics;
mod shop;
mod visitor;

use std::env;
use std::error::Error;
use std::time::Duration;

use phaseflag::PhaseFlagClient;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

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
    let end = end::end()?;
    println!("serving http://{}", listener.local_addr()?);
    axum::serve(listener, shop::router(client.clone())).with_graceful_shutdown(end).await?;

    // No request can come after this, and so no event after the client has stopped. Dropping the
    // last handle would stop it, too, but on a thread of the executor, which must not wait.
    let counts = spawn_blocking(move || {
        client.stop();
        client.statistics().events
    });
    let events = counts.await?;
    println!("events delivered: {}", events.delivered);
    println!("events dropped: {}", events.dropped());
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
