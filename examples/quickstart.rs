//! Evaluates the flags of a file for four users, without a network or an account.
//!
//! ```console
//! $ cargo run --example quickstart
//! ```

use std::error::Error;

use phaseflag::{EvaluationContext, PhaseFlagClient};

const FLAGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flags.json");

fn main() -> Result<(), Box<dyn Error>> {
    // Without a base URL, the client uses its bootstrap only.
    let client = PhaseFlagClient::without_service().bootstrap_file(FLAGS).build()?;
    client.start()?;

    print_row("FLAG", "USER", "VALUE", "REASON");
    for flag in client.flags() {
        for (name, context) in users() {
            if let Some(result) = client.get_variation(flag.key(), &context) {
                let value = result.value().to_string();
                print_row(flag.key(), name, &value, result.reason().as_str());
            }
        }
    }
    Ok(())
}

/// Returns four users of a shop, with their attributes.
fn users() -> [(&'static str, EvaluationContext); 4] {
    let ada = EvaluationContext::new()
        .user_id("ada")
        .attribute("plan", "pro")
        .attribute("country", "GB")
        .attribute("app_version", "4.2.0");
    let bob = EvaluationContext::new()
        .user_id("bob")
        .attribute("plan", "free")
        .attribute("country", "US")
        .attribute("app_version", "4.1.9")
        .attribute("color_scheme", "dark");
    let cleo = EvaluationContext::new()
        .user_id("cleo")
        .attribute("plan", "team")
        .attribute("country", "FR")
        .attribute("app_version", "4.10.0")
        .attribute("email", "cleo@shop.example")
        .attribute("prefers_contrast", true);
    let stranger = EvaluationContext::new();
    [("ada", ada), ("bob", bob), ("cleo", cleo), ("stranger", stranger)]
}

fn print_row(flag: &str, user: &str, value: &str, reason: &str) {
    println!("{flag:<25}{user:<10}{value:<34}{reason}");
}
