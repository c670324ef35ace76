//! Evaluates one flag of the service at a URL, or of a bootstrap file.

use std::time::Duration;

use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient};

const FLAG: &str = "checkout-express-0000";

fn main() -> Result<(), phaseflag::Error> {
    let place = std::env::args().nth(1).unwrap_or_default();
    let client = if place.starts_with("http") {
        PhaseFlagClient::builder(place, "sdk-prod-xxxx").build()?
    } else {
        PhaseFlagClient::without_service().bootstrap_file(place).build()?
    };
    client.start()?;
    client.wait_until_ready(Duration::from_secs(5))?;

    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    if client.get_boolean_value(FLAG, false, &context) {
        client.track_event(EvaluationEvent::new(FLAG).user_id("user-123"));
    }
    client.stop();
    Ok(())
}
