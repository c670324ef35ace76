//! Evaluates one flag of rules that are compiled in, as the baseline for cached rules.

use phaseflag::{EvaluationContext, PhaseFlagClient};

const FLAG: &str = "checkout-express-0000";

/// The file that `PHASEFLAG_RULES` names at compile time.
const RULES: &str = include_str!(env!("PHASEFLAG_RULES"));

fn main() -> Result<(), phaseflag::Error> {
    let client = PhaseFlagClient::without_service().bootstrap_text(RULES).build()?;
    client.start()?;

    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    println!("{}", client.get_boolean_value(FLAG, false, &context));
    client.stop();
    Ok(())
}
