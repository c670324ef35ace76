//! Unit tests that decide themselves what a flag serves, and see which events were tracked.
//!
//! None needs a network, a file or a thread, and each test has a client of its own, so that tests
//! may run side by side.
//!
//! ```console
//! $ cargo run --example testing
//! $ cargo test --example testing
//! ```

use phaseflag::testing::{EventRecorder, TestFlags, override_scoped};
use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient};

/// What is tested: code of a shop that asks for two flags, and reports what it gave away.
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

/// The flags that most tests begin with: free shipping from 80, and for Ada from 20.
fn flags() -> TestFlags {
    TestFlags::new().boolean("cheap-shipping", false).number("free-shipping-from", 80.0).for_user(
        "free-shipping-from",
        "ada",
        20.0,
    )
}

/// Two of the tests below, for who runs this file as a program.
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

    println!("flags, overrides and events are what they should be");
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
    fn costs_less_where_shipping_is_cheap() -> Result<(), phaseflag::Error> {
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
    fn reports_what_it_gave_away_and_nothing_else() -> Result<(), phaseflag::Error> {
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
    fn decides_by_real_rules() -> Result<(), phaseflag::Error> {
        let client = TestFlags::new().rules(include_str!("flags.json")).build()?;
        let pro = EvaluationContext::new().user_id("ada").attribute("plan", "pro");
        assert!(client.get_boolean_value("new-checkout-flow", false, &pro));
        Ok(())
    }
}
