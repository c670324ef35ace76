//! The client for the Phase Flag feature-flag service.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]
#![cfg_attr(
    not(test),
    deny(
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
mod error;
mod json;
mod ruleset;
mod value;

pub use context::{AttributeValue, EvaluationContext};
pub use error::{JsonError, RulesetError};
pub use ruleset::{EvaluationResult, FlagInfo, FlagKind, Problem, Reason, Ruleset};
pub use value::{Number, Object, Value};
