//! A short program that evaluates one flag and tracks one event.
//!
//! The client is dropped at the end of `main`, which delivers the event. Run it next to
//! `cargo run serve examples/flags.json`, which prints the event:
//!
//! ```console
//! $ cargo run --example script
//! ```
//!
//! `PHASEFLAG_BASE_URL` sets another service, `PHASEFLAG_API_KEY` its key.

use std::env;
use std::error::Error;
use std::time::Duration;

use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient};

fn main() -> Result<(), Box<dyn Error>> {
    let base_url = setting("PHASEFLAG_BASE_URL", "http://127.0.0.1:8000/api/v1");
    let api_key = setting("PHASEFLAG_API_KEY", "sdk-dev-local");

    let client = PhaseFlagClient::builder(base_url, api_key).build()?;
    client.start()?;
    client.wait_until_ready(Duration::from_secs(5))?;

    let context = EvaluationContext::new().user_id("ada").attribute("plan", "pro");
    let enabled = client.get_boolean_value("new-checkout-flow", false, &context);
    println!("new-checkout-flow for ada: {enabled}");

    let event = EvaluationEvent::new("new-checkout-flow").user_id("ada");
    client.track_event(event.metadata("page", "checkout"));
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
