//! The Rust client for the feature-flag service Phase Flag. It evaluates flags in memory, keeps
//! their rules up to date in the background, and delivers the events that the program tracks.
//!
//! ```no_run
//! use phaseflag::{EvaluationContext, PhaseFlagClient};
//!
//! let client = PhaseFlagClient::builder("https://api.phaseflag.com/api/v1", "sdk-prod-xxxx")
//!     .build()?;
//! client.start()?; // never waits for the network; a thread fetches the rules
//! let ready = client.wait_until_ready(std::time::Duration::from_secs(5));
//! ready.unwrap_or_else(|error| eprintln!("serving the defaults for now: {error:#}"));
//! let user = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");
//! println!("one page: {}", client.get_boolean_value("new-checkout-flow", false, &user));
//! # Ok::<(), phaseflag::Error>(())
//! ```
//!
//! A script takes its settings, and overrides of flags, from the environment:
//!
//! ```no_run
//! use phaseflag::{EvaluationEvent, PhaseFlagClient};
//! use std::time::Duration;
//!
//! let client = PhaseFlagClient::builder_from_env()
//!     .override_from_env() // PHASEFLAG_FLAG_BATCH_SIZE=20 overrides the flag
//!     .polling_interval(Duration::ZERO) // one ruleset is enough
//!     .cache_dir_default() // serves the rules of the last run
//!     .cache_max_age(Duration::from_secs(60)) // and makes no request for a minute
//!     .event_spool("nightly-job.events") // keeps events that this run cannot deliver
//!     .build()?;
//! client.start()?;
//! let _ = client.wait_until_ready(Duration::from_secs(2));
//! let batch_size = client.get_number_value("batch-size", 500.0, None);
//! client.track_event(EvaluationEvent::new("batch-size").user_id("nightly-job"));
//! // Dropping the client delivers the event.
//! # Ok::<(), phaseflag::Error>(())
//! ```
//!
//! Without a service, the rules come from a file or a text:
//!
//! ```
//! use phaseflag::PhaseFlagClient;
//!
//! let rules = "examples/flags.json";
//! let client = PhaseFlagClient::without_service().bootstrap_file(rules).build()?;
//! client.start()?;
//! assert_eq!(client.get_string_value("ui-theme", "dark", None), "light");
//! # Ok::<(), phaseflag::Error>(())
//! ```
//!
//! # Where to read on
//!
//! - The [guide] explains the crate subject by subject.
//! - [`ClientBuilder`] has all settings with their defaults, and [`PhaseFlagClient`] all calls.
//! - [`Ruleset`] is the evaluator alone: it needs no client, has no side effects, and evaluates
//!   without errors. It also explains an evaluation, counts the shares of many users, and finds
//!   mistakes in a ruleset.
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
