//! The client for the Phase Flag feature-flag service: synchronous, small, and never in the way.
//!
//! A [`PhaseFlagClient`] answers "is this feature on for this user?" from its own memory. It
//! fetches the rules beforehand, keeps them fresh on a thread of its own, and delivers the events
//! that it was told to.
//!
//! ```
//! use phaseflag::{EvaluationContext, PhaseFlagClient};
//!
//! // With the address of the service instead of "", the rules come from there.
//! let client = PhaseFlagClient::builder("", "")
//!     .bootstrap_text(r#"{"flags": [{"key": "new-checkout-flow", "default_variation": "off",
//!         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
//!         "targeting_rules": [{"variation": "on",
//!             "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]}]}]}"#)
//!     .build()?;
//! client.start()?;
//!
//! let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
//! assert!(client.get_boolean_value("new-checkout-flow", false, &context));
//! assert!(!client.get_boolean_value("no-such-flag", false, &context));
//! # Ok::<(), phaseflag::Error>(())
//! ```
//!
//! # Where to go on
//!
//! The [guide] has ten short pages: [the first flag](guide::first_flag),
//! [contexts](guide::contexts), [rollouts](guide::rollouts), [offline](guide::offline),
//! [scripts](guide::scripts), [services](guide::services), [testing](guide::testing),
//! [going to production](guide::production), [guarantees](guide::guarantees), and
//! [from the Python SDK](guide::from_python).
//!
//! - [`ClientBuilder`] has every setting, with its default.
//! - [`PhaseFlagClient`] says how a client starts, answers, reports and ends.
//! - [`Ruleset`] is the evaluator alone: pure, total, and usable without a client.
//! - [`EvaluationResult`] and [`Reason`] are the answer, and why; [`Ruleset::explain`] says it at
//!   length, [`Ruleset::split`] for many users, and [`Ruleset::check`] finds faults in a ruleset.
//! - [`testing`] helps the tests of programs: flags in a line each, and the events that were tracked.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `http` | by `rustls` | fetching and delivering, over plain HTTP |
//! | `rustls` | yes | HTTPS by rustls with Mozilla's root certificates |
//! | `native-tls` | no | HTTPS by the system's library; where both are on, rustls is used |
//! | `gzip` | no | compressed answers; without it they are refused |
//! | `regex` | yes | the operator `matches_regex`; without it the operator never holds |
//! | `serde` | no | values to and from `serde_json`, and JSON flags as types that derive serde's traits |
//!
//! Without any of them there is the core, and a client that serves bootstrap files, texts and
//! overrides.
//!
//! # Log lines
//!
//! They go through the `log` facade, target `phaseflag`, where there is `http`: `warn` once when
//! something begins to go wrong, `info` once when it is over, `debug` for each ruleset and
//! delivery. None holds a key or an attribute's value. [Services](guide::services) lists them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs, missing_debug_implementations)]
#![cfg_attr(
    not(test),
    deny(
        unreachable_pub,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]
// What only the service needs of the files that are always there is unused without it.
#![cfg_attr(not(feature = "http"), allow(dead_code))]

// The server in `tests/support`, which unit tests use too, calls the crate by its name.
#[cfg(test)]
extern crate self as phaseflag;

mod client;
mod config;
mod context;
#[cfg(feature = "http")]
mod date;
mod error;
mod events;
mod files;
// In the documentation alone; without `http`, its examples could not run.
#[cfg(all(doc, any(not(doctest), feature = "http")))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;
mod hash;
mod http;
mod identity;
mod log;
mod rules;
mod ruleset;
#[cfg(all(test, feature = "http"))]
#[path = "../tests/support/mod.rs"]
mod support;
pub mod testing;
mod value;
mod worker;

pub use client::{
    ClientBuilder, EvaluationDetails, EvaluationError, PhaseFlagClient, Snapshot, Statistics,
};
pub use context::{AttributeValue, EvaluationContext};
pub use error::{BootstrapError, Error, RequestError};
pub use events::{EvaluationEvent, EventCounts};
pub use rules::{ClientState, FlagsChanged, Subscription};
pub use ruleset::{
    EvaluationResult, ExplainedCondition, ExplainedEntry, ExplainedPrerequisite, ExplainedRollout,
    ExplainedRule, ExplainedSegment, ExplainedServing, ExplainedVariation, Explanation, Finding,
    FlagInfo, FlagKind, Problem, Reason, Ruleset, RulesetError, Severity, Share, Split,
};
pub use value::{JsonError, Number, Object, Value, ValueError};

/// The examples of the README, compiled and run.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
