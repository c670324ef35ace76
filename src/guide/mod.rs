//! A guide in ten pages, whose code the tests compile, and run where it needs no service.
//!
//! It is there in the documentation alone.
//!
//! | page | about |
//! | --- | --- |
//! | [`first_flag`] | a client, a question, an answer |
//! | [`contexts`] | who is asking, and which rules that decides |
//! | [`rollouts`] | a share of the users, always the same ones |
//! | [`offline`] | flags without a network, or before it answers |
//! | [`scripts`] | start at once, end at once, lose nothing |
//! | [`services`] | many threads, months of uptime, a bad network |
//! | [`testing`] | code that asks for flags, without a service |
//! | [`production`] | what to decide before the first real user |
//! | [`guarantees`] | what is bounded by what, and what stays as it is |
//! | [`from_python`] | the same program, call by call |

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

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("from_python.md")]
pub mod from_python {}
