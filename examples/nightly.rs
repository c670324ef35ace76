//! A script that takes its settings and its overrides from the environment:
//!
//! ```console
//! $ cargo run serve examples/flags.json
//! $ export PHASEFLAG_BASE_URL=http://127.0.0.1:8000/api/v1 PHASEFLAG_API_KEY=sdk-dev-local
//! $ PHASEFLAG_FLAG_BATCH_SIZE=20 cargo run --example nightly
//! ```

use std::time::Duration;

use phaseflag::{EvaluationEvent, PhaseFlagClient};

fn main() -> Result<(), phaseflag::Error> {
    let client = PhaseFlagClient::builder_from_env() // PHASEFLAG_BASE_URL, PHASEFLAG_API_KEY
        .override_from_env() // PHASEFLAG_FLAG_BATCH_SIZE=20 overrides a flag
        .polling_interval(Duration::ZERO) // one ruleset is enough
        .cache_dir_default() // serves the rules of the last run at once
        .cache_max_age(Duration::from_secs(60)) // and makes no request for a minute
        .event_spool("nightly-job.events") // keeps events that this run cannot deliver
        .build()?;
    client.start()?;
    let _ = client.wait_until_ready(Duration::from_secs(2)); // else serves old rules or 500
    let batch = client.get_number_value("batch-size", 500.0, None);
    println!("importing {batch} rows at a time");
    client.track_event(EvaluationEvent::new("batch-size").user_id("nightly-job"));
    Ok(()) // dropping the client delivers the event
}
