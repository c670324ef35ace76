//! A small, synchronous client for the feature-flag service Phase Flag.
//!
//! A [`PhaseFlagClient`] evaluates flags in memory. It fetches the rules in the background, keeps
//! them up to date, and delivers the events that the program tracks.
//!
//! ```
//! use phaseflag::{EvaluationContext, PhaseFlagClient};
//!
//! // With the URL of the service instead of "", the rules come from the service.
//! let client = PhaseFlagClient::without_service()
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
//! # Documentation
//!
//! The [guide] has twelve short pages: [the first flag](guide::first_flag),
//! [contexts](guide::contexts), [rollouts](guide::rollouts), [offline](guide::offline),
//! [scripts](guide::scripts), [services](guide::services), [testing](guide::testing),
//! [fuzzing](guide::fuzzing),
//! [going to production](guide::production), [platforms](guide::platforms),
//! [guarantees](guide::guarantees), and [from the Python SDK](guide::from_python).
//!
//! - [`ClientBuilder`] has all settings with their defaults.
//! - [`PhaseFlagClient`] starts, evaluates flags, tracks events and stops.
//! - [`Ruleset`] is the evaluator alone. It needs no client, has no side effects, and evaluates
//!   without errors.
//! - [`EvaluationResult`] holds a value with its variation and [`Reason`]. [`Ruleset::explain`]
//!   reports an evaluation step by step, [`Ruleset::split`] counts the shares of many users, and
//!   [`Ruleset::check`] finds mistakes in a ruleset.
//! - [`testing`] has helpers for the tests of programs.
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `http` | by `rustls` | polls and delivery over plain HTTP |
//! | `rustls` | yes | HTTPS with rustls and Mozilla's root certificates |
//! | `native-tls` | no | HTTPS with the system's TLS library; rustls is used if both are on |
//! | `gzip` | no | compressed responses; without it they are refused |
//! | `regex` | yes | the operator `matches_regex`; without it, the operator never holds |
//! | `serde` | no | conversions of values to and from `serde_json`, and JSON flags as types that derive serde's traits |
//! | `arbitrary` | no | arbitrary values, contexts and rulesets, for fuzzers and property tests |
//!
//! Without any feature, the crate has the evaluator, and a client for bootstrap files, texts and
//! overrides.
//!
//! # Log lines
//!
//! With the feature `http`, the crate logs through the `log` facade with the target `phaseflag`:
//! `warn` once for a failure, `info` once for its recovery and for the first ruleset, and `debug` for
//! each later ruleset and each delivery. No line contains a key or the value of an attribute.
//! [Services](guide::services) lists the events.

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
// Without `http`, code that only the service needs is unused.
#![cfg_attr(not(feature = "http"), allow(dead_code))]

// `tests/support`, which unit tests include, refers to the crate by its name.
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
// Only in the documentation. Its examples need `http`.
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
    ClientBuilder, EnvSettings, Evaluation, EvaluationDetails, EvaluationError, PhaseFlagClient,
    Snapshot, Statistics,
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

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
