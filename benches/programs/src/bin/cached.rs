//! Evaluates one flag of the service at a URL, whose rules are cached in a folder for an hour.

use std::time::Duration;

use phaseflag::{EvaluationContext, PhaseFlagClient};

const FLAG: &str = "checkout-express-0000";

fn main() -> Result<(), phaseflag::Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_default();
    let folder = arguments.next().unwrap_or_default();
    let client = PhaseFlagClient::builder(url, "sdk-prod-xxxx")
        .cache_dir(folder)
        .cache_max_age(Duration::from_secs(3600))
        .polling_interval(Duration::ZERO)
        .build()?;
    client.start()?;
    client.wait_until_ready(Duration::from_secs(5))?;

    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "free");
    println!("{}", client.get_boolean_value(FLAG, false, &context));
    client.stop();
    Ok(())
}
