//! Prints changes of the rules and of the state of the client as they happen.
//!
//! Run it next to `cargo run serve examples/flags.json`, and edit that file:
//!
//! ```console
//! $ cargo run --example watch
//! ```
//!
//! It ends at the end of its input, or at the line `stop`. `PHASEFLAG_BASE_URL` sets another service,
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

/// Prints a change. Runs on the thread of the client.
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

/// Returns the state of the client, with the last failure if it is not ready.
fn describe(client: &PhaseFlagClient) -> String {
    let state = match client.state() {
        ClientState::Ready => return "the rules are fresh".to_owned(),
        ClientState::NotReady => "no rules yet",
        ClientState::Stale { .. } => "the last rules stay in use",
        ClientState::KeyRefused => "the service refused the key",
        _ => "unknown",
    };
    match client.last_failure() {
        Some(failure) => format!("{state}: {failure}"),
        None => state.to_owned(),
    }
}

/// Returns a channel that receives a message at the line `stop`, and closes at the end of the input.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        if lines.any(|line| line.trim() == "stop") {
            // The receiver is gone only if the program is ending.
            let _ = sender.send(());
        }
    });
    receiver
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
