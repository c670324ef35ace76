//! Help for the tests of programs: flags in a line each, overrides that undo themselves, and the
//! events that were tracked.
//!
//! It is real clients that tests get, without a network, a thread or a file. Each test has its
//! own, so that tests may run side by side. A program that does not use this carries none of it.
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

mod events;
mod flags;
mod overrides;

pub use events::EventRecorder;
pub use flags::TestFlags;
pub use overrides::{ScopedOverride, override_scoped};
