//! A guide in twelve pages. The tests compile its code, and run it unless it needs a service.
//!
//! The module exists only in the documentation.
//!
//! | page | about |
//! | --- | --- |
//! | [`first_flag`] | a client, a flag, a value |
//! | [`contexts`] | users, sessions and attributes, and the operators of rules |
//! | [`rollouts`] | a flag for a fixed share of the users |
//! | [`offline`] | flags without a network |
//! | [`scripts`] | fast start, fast exit, no lost events |
//! | [`services`] | threads, failures, health checks and log lines |
//! | [`testing`] | tests of code that evaluates flags |
//! | [`fuzzing`] | any rules, any values, any users |
//! | [`production`] | a checklist |
//! | [`platforms`] | Windows, ARM, musl, WebAssembly, and machines without a clock or a disk |
//! | [`guarantees`] | limits and stability, with the tests that check them |
//! | [`from_python`] | the Python SDK and this crate, call by call |

#[doc = include_str!("first_flag.md")]
pub mod first_flag {}

#[doc = include_str!("contexts.md")]
pub mod contexts {}

#[doc = include_str!("rollouts.md")]
pub mod rollouts {}

#[doc = include_str!("offline.md")]
pub mod offline {}

#[doc = include_str!("scripts.md")]
pub mod scripts {}

#[doc = include_str!("services.md")]
pub mod services {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("platforms.md")]
pub mod platforms {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("from_python.md")]
pub mod from_python {}
