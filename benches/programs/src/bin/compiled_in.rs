//! Evaluates one flag of rules that are compiled in: what remembered ones are compared with.

use phaseflag::{EvaluationContext, PhaseFlagClient};

const FLAG: &str = "checkout-express-0000";

/// The file that the variable names while this is compiled.
const RULES: &str = include_str!(env!("PHASEFLAG_RULES"));

fn main() -> Result<(), phaseflag::Error> {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(RULES).build()?;
    client.start()?;

    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    println!("{}", client.get_boolean_value(FLAG, false, &context));
    client.stop();
    Ok(())
}
