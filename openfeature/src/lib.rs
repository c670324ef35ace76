//! The OpenFeature provider of the Phase Flag service.
//!
//! A [`PhaseFlagProvider`] answers OpenFeature from the memory of a
//! [`PhaseFlagClient`](phaseflag::PhaseFlagClient), on any async runtime.
//!
//! - [`to_context`] says what flags see of OpenFeature's contexts.
//! - [`to_value`], [`to_struct`], [`from_value`] and [`from_struct`] bring values from one to the
//!   other.
//!
//! The features are those of the library, with the same defaults, and pass through to it.

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

/// The example of the README, compiled.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
