//! The client for the Phase Flag feature-flag service.

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

#[cfg(feature = "http")]
mod backoff;
mod builder;
mod client;
mod config;
mod context;
#[cfg(feature = "http")]
mod date;
mod error;
mod events;
mod flags;
#[cfg(feature = "http")]
mod flusher;
#[cfg(feature = "http")]
mod http;
mod json;
mod listeners;
mod logging;
#[cfg(not(feature = "http"))]
mod no_service;
mod overrides;
#[cfg(feature = "http")]
mod poller;
mod readiness;
#[cfg(feature = "http")]
mod remote;
mod ruleset;
#[cfg(feature = "http")]
mod service;
mod store;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
mod value;
#[cfg(feature = "http")]
mod worker;

pub use builder::ClientBuilder;
pub use client::{PhaseFlagClient, Statistics};
pub use context::{AttributeValue, EvaluationContext};
pub use error::{BootstrapError, Error, JsonError, RequestError, RulesetError};
pub use events::{EvaluationEvent, EventCounts};
pub use listeners::{FlagsChanged, Subscription};
pub use readiness::ClientState;
pub use ruleset::{EvaluationResult, FlagInfo, FlagKind, Problem, Reason, Ruleset};
pub use value::{Number, Object, Value};
