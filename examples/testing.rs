//! Unit tests that decide themselves what a flag serves: by overrides, or by rules as text.
//!
//! Neither needs a network, a file or a thread, and each test has a client of its own, so that
//! tests may run side by side.
//!
//! ```console
//! $ cargo run --example testing
//! $ cargo test --example testing
//! ```

use std::error::Error;

use phaseflag::{EvaluationContext, PhaseFlagClient};

/// What is tested: code of a shop that asks for two flags.
fn shipping_cost(client: &PhaseFlagClient, plan: &str, basket: f64) -> f64 {
    let context = EvaluationContext::new().attribute("plan", plan);
    let threshold = client.get_number_value("free-shipping-from", 100.0, &context);
    if basket >= threshold {
        0.0
    } else if client.get_boolean_value("cheap-shipping", false, &context) {
        2.5
    } else {
        4.9
    }
}

/// Returns a client that serves nothing but overrides.
fn client_without_rules() -> Result<PhaseFlagClient, phaseflag::Error> {
    let client = PhaseFlagClient::builder("", "").build()?;
    client.start()?;
    Ok(client)
}

/// Returns a client that serves these rules.
fn client_with_rules(rules: &str) -> Result<PhaseFlagClient, phaseflag::Error> {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(rules).build()?;
    client.start()?;
    Ok(client)
}

/// Free shipping from 20 for the plan `pro`, and from 80 for everybody else.
const RULES: &str = r#"{"flags": [{
    "key": "free-shipping-from",
    "flag_type": "number",
    "default_variation": "high",
    "variations": [{"key": "low", "value": 20}, {"key": "high", "value": 80}],
    "targeting_rules": [{
        "variation": "low",
        "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]
    }]
}]}"#;

/// The same as the tests below, for who runs this file as a program.
fn main() -> Result<(), Box<dyn Error>> {
    let client = client_without_rules()?;
    assert_eq!(shipping_cost(&client, "free", 50.0), 4.9);
    client.set_override("cheap-shipping", true);
    assert_eq!(shipping_cost(&client, "free", 50.0), 2.5);
    client.clear_all_overrides();
    assert_eq!(shipping_cost(&client, "free", 50.0), 4.9);

    let client = client_with_rules(RULES)?;
    assert_eq!(shipping_cost(&client, "pro", 50.0), 0.0);
    assert_eq!(shipping_cost(&client, "free", 50.0), 4.9);

    println!("overrides and rules serve what they should");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_the_full_price_without_flags() -> Result<(), phaseflag::Error> {
        let client = client_without_rules()?;
        assert_eq!(shipping_cost(&client, "free", 50.0), 4.9);
        Ok(())
    }

    #[test]
    fn costs_less_where_shipping_is_cheap() -> Result<(), phaseflag::Error> {
        let client = client_without_rules()?;
        client.set_override("cheap-shipping", true);
        assert_eq!(shipping_cost(&client, "free", 50.0), 2.5);
        Ok(())
    }

    #[test]
    fn costs_nothing_from_the_threshold_on() -> Result<(), phaseflag::Error> {
        let client = client_without_rules()?;
        client.set_override("free-shipping-from", 50);
        assert_eq!(shipping_cost(&client, "free", 50.0), 0.0);
        assert_eq!(shipping_cost(&client, "free", 49.0), 4.9);
        Ok(())
    }

    #[test]
    fn has_a_lower_threshold_for_the_plan_pro() -> Result<(), phaseflag::Error> {
        let client = client_with_rules(RULES)?;
        assert_eq!(shipping_cost(&client, "pro", 50.0), 0.0);
        assert_eq!(shipping_cost(&client, "free", 50.0), 4.9);
        Ok(())
    }

    #[test]
    fn an_override_wins_over_the_rules() -> Result<(), phaseflag::Error> {
        let client = client_with_rules(RULES)?;
        client.set_override("free-shipping-from", 1000);
        assert_eq!(shipping_cost(&client, "pro", 50.0), 4.9);
        client.clear_override("free-shipping-from");
        assert_eq!(shipping_cost(&client, "pro", 50.0), 0.0);
        Ok(())
    }
}
