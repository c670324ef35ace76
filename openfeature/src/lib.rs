//! The OpenFeature provider of the Phase Flag service.
//!
//! A [`PhaseFlagProvider`] evaluates flags with a [`PhaseFlagClient`](phaseflag::PhaseFlagClient), in
//! memory and on any async runtime.
//!
//! - [`to_context`] converts evaluation contexts.
//! - [`to_value`], [`to_struct`], [`from_value`] and [`from_struct`] convert values.
//!
//! The Cargo features are those of `phaseflag`, with the same defaults.

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

mod context;
mod provider;
mod resolution;
mod start;
mod value;

pub use context::to_context;
pub use provider::PhaseFlagProvider;
pub use value::{from_struct, from_value, to_struct, to_value};

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
