//! Prints each change of the rules as it happens, and how the connection to the service is.
//!
//! Run it beside `cargo run serve examples/flags.json`, and edit that file:
//!
//! ```console
//! $ cargo run --example watch
//! ```
//!
//! It ends with its input, or with the line `stop`. `PHASEFLAG_BASE_URL` names another service,
//! `PHASEFLAG_API_KEY` its key.

use std::env;
use std::error::Error;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use phaseflag::{ClientState, FlagsChanged, PhaseFlagClient};

fn main() -> Result<(), Box<dyn Error>> {
    let base_url = setting("PHASEFLAG_BASE_URL", "http://127.0.0.1:8000/api/v1");
    let api_key = setting("PHASEFLAG_API_KEY", "sdk-dev-local");

    println!("watching {base_url}");
    let client = PhaseFlagClient::builder(base_url, api_key)
        .polling_interval(Duration::from_secs(2))
        .build()?;
    client.on_flags_changed(print_change);
    client.start()?;

    let end = end_of_input();
    let mut last = String::new();
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_millis(100)) {
        let state = describe(&client);
        if state != last {
            println!("state: {state}");
            last = state;
        }
    }
    client.stop();
    Ok(())
}

/// Runs on the client's own thread, once for each set of rules that differs from the last.
fn print_change(change: &FlagsChanged) {
    for key in change.added() {
        println!("added: {key}");
    }
    for key in change.removed() {
        println!("removed: {key}");
    }
    for key in change.changed() {
        println!("changed: {key}");
    }
    if change.segments_changed() {
        println!("changed: segments");
    }
    println!("flags now: {}", change.len());
}

/// Says how the connection is, and where it is broken, why.
fn describe(client: &PhaseFlagClient) -> String {
    let state = match client.state() {
        ClientState::Ready => return "the rules are fresh".to_owned(),
        ClientState::NotReady => "no rules yet",
        ClientState::Stale { .. } => "the rules of before are in use",
        ClientState::KeyRefused => "the service refused the key",
        _ => "unknown",
    };
    match client.statistics().last_failure {
        Some(failure) => format!("{state}: {failure}"),
        None => state.to_owned(),
    }
}

/// Returns a channel that hears of the line `stop`, and closes with the standard input.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        if lines.any(|line| line.trim() == "stop") {
            // Where nobody listens any more, the program is at its end already.
            let _ = sender.send(());
        }
    });
    receiver
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
