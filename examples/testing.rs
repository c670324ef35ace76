//! Unit tests that set the values of flags, and check which events were tracked.
//!
//! They need no network, file or thread. Each test has its own client, so they can run in parallel.
//!
//! ```console
//! $ cargo run --example testing
//! $ cargo test --example testing
//! ```

use phaseflag::testing::{EventRecorder, TestFlags, override_scoped};
use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient};

/// The code under test: computes the shipping cost by two flags, and tracks free shipping.
fn shipping_cost(client: &PhaseFlagClient, user: &str, basket: f64) -> f64 {
    let context = EvaluationContext::new().user_id(user);
    let threshold = client.get_number_value("free-shipping-from", 100.0, &context);
    if basket >= threshold {
        client.track_event(EvaluationEvent::new("free-shipping-from").user_id(user));
        0.0
    } else if client.get_boolean_value("cheap-shipping", false, &context) {
        2.5
    } else {
        4.9
    }
}

/// The flags of most tests: free shipping from 80, and from 20 for Ada.
fn flags() -> TestFlags {
    TestFlags::new().boolean("cheap-shipping", false).number("free-shipping-from", 80.0).for_user(
        "free-shipping-from",
        "ada",
        20.0,
    )
}

/// Runs two of the tests below as a program.
fn main() -> Result<(), phaseflag::Error> {
    let events = EventRecorder::new();
    let client = flags().events(&events).build()?;
    assert_eq!(shipping_cost(&client, "bob", 50.0), 4.9);
    assert_eq!(shipping_cost(&client, "ada", 50.0), 0.0);
    assert_eq!(events.of("free-shipping-from").len(), 1);

    let cheap = override_scoped(&client, "cheap-shipping", true);
    assert_eq!(shipping_cost(&client, "bob", 50.0), 2.5);
    drop(cheap);
    assert_eq!(shipping_cost(&client, "bob", 50.0), 4.9);

    println!("flags, overrides and events are as expected");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_the_full_price_without_flags() -> Result<(), phaseflag::Error> {
        let client = TestFlags::new().build()?;
        assert_eq!(shipping_cost(&client, "bob", 50.0), 4.9);
        Ok(())
    }

    #[test]
    fn costs_less_if_shipping_is_cheap() -> Result<(), phaseflag::Error> {
        let client = flags().boolean("cheap-shipping", true).build()?;
        assert_eq!(shipping_cost(&client, "bob", 50.0), 2.5);
        Ok(())
    }

    #[test]
    fn has_a_lower_threshold_for_ada() -> Result<(), phaseflag::Error> {
        let client = flags().build()?;
        assert_eq!(shipping_cost(&client, "ada", 20.0), 0.0);
        assert_eq!(shipping_cost(&client, "ada", 19.0), 4.9);
        assert_eq!(shipping_cost(&client, "bob", 20.0), 4.9);
        Ok(())
    }

    #[test]
    fn follows_a_flag_that_changes_while_it_runs() -> Result<(), phaseflag::Error> {
        let client = flags().build()?;
        {
            let _campaign = override_scoped(&client, "free-shipping-from", 10);
            assert_eq!(shipping_cost(&client, "bob", 10.0), 0.0);
        }
        assert_eq!(shipping_cost(&client, "bob", 10.0), 4.9);
        Ok(())
    }

    #[test]
    fn tracks_free_shipping_only() -> Result<(), phaseflag::Error> {
        let events = EventRecorder::new();
        let client = flags().events(&events).build()?;
        shipping_cost(&client, "ada", 50.0);
        shipping_cost(&client, "bob", 50.0);
        let [event] = &events.all()[..] else {
            panic!("one event was expected: {events:?}");
        };
        assert_eq!(event.get_user_id(), Some("ada"));
        Ok(())
    }

    #[test]
    fn evaluates_real_rules() -> Result<(), phaseflag::Error> {
        let client = TestFlags::new().rules(include_str!("flags.json")).build()?;
        let pro = EvaluationContext::new().user_id("ada").attribute("plan", "pro");
        assert!(client.get_boolean_value("new-checkout-flow", false, &pro));
        Ok(())
    }
}
