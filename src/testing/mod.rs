//! Helpers for the tests of programs: flags in one line each, scoped overrides, and recorded events.
//!
//! [`TestFlags`] builds a real client that uses no network, thread or file. Each test can have its
//! own client, so that tests run in parallel. A program that does not use this module does not
//! contain its code.
//!
//! ```
//! use phaseflag::testing::{EventRecorder, TestFlags, override_scoped};
//! use phaseflag::{EvaluationContext, EvaluationEvent};
//!
//! let events = EventRecorder::new();
//! let client = TestFlags::new()
//!     .boolean("new-checkout-flow", false)
//!     .for_user("new-checkout-flow", "ada", true)
//!     .string("ui-theme", "dark")
//!     .events(&events)
//!     .build()?;
//!
//! let ada = EvaluationContext::new().user_id("ada");
//! assert!(client.get_boolean_value("new-checkout-flow", false, &ada));
//! {
//!     let _light = override_scoped(&client, "ui-theme", "light");
//!     assert_eq!(client.get_string_value("ui-theme", "", &ada), "light");
//! }
//! assert_eq!(client.get_string_value("ui-theme", "", &ada), "dark");
//!
//! client.track_event(EvaluationEvent::new("new-checkout-flow").user_id("ada"));
//! assert_eq!(events.of("new-checkout-flow")[0].get_user_id(), Some("ada"));
//! # Ok::<(), phaseflag::Error>(())
//! ```
//!
//! With the feature `arbitrary`, `RulesetText` generates rulesets for fuzzers and property tests, and
//! [`Value`](crate::Value) and [`EvaluationContext`](crate::EvaluationContext) implement `Arbitrary`.

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod events;
mod flags;
#[cfg(feature = "arbitrary")]
mod hostile;
mod overrides;
#[cfg(feature = "arbitrary")]
mod ruleset_maker;
#[cfg(feature = "arbitrary")]
mod ruleset_text;

pub use events::EventRecorder;
pub use flags::TestFlags;
pub use overrides::{ScopedOverride, override_scoped};
#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
pub use ruleset_text::RulesetText;
