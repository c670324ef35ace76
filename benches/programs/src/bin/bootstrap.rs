//! Evaluates one flag of a bootstrap file, without the service.

use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient};

const FLAG: &str = "checkout-express-0000";

fn main() -> Result<(), phaseflag::Error> {
    let file = std::env::args().nth(1).unwrap_or_default();
    let client = PhaseFlagClient::without_service().bootstrap_file(file).build()?;
    client.start()?;

    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    if client.get_boolean_value(FLAG, false, &context) {
        client.track_event(EvaluationEvent::new(FLAG).user_id("user-123"));
    }
    client.stop();
    Ok(())
}
