//! The guide: a page for each subject, from the first flag to production.
//!
//! Begin with [the first flag](first_flag). The tests compile the code of the pages, and run it
//! unless it needs a service. The module exists only in the documentation.

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

#[doc = include_str!("fleets.md")]
pub mod fleets {}

#[doc = include_str!("platforms.md")]
pub mod platforms {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("from_python.md")]
#[doc = ""]
// `examples/axum` compiles it.
#[cfg_attr(not(doctest), doc = include_str!("from_python_axum.md"))]
#[doc = ""]
#[doc = include_str!("from_python_answers.md")]
pub mod from_python {}
