//! The tests of the provider, in one program with a module for each subject.

#[cfg(feature = "http")]
#[path = "../../../tests/support/program.rs"]
mod program;
#[cfg(feature = "http")]
#[path = "../../../tests/support/serve.rs"]
mod serve;
#[cfg(feature = "http")]
#[path = "../../../tests/support/mod.rs"]
mod support;

#[cfg(feature = "http")]
use support::SOON;

#[cfg(feature = "http")]
mod example;
mod lifecycle;
mod scenarios;
#[cfg(feature = "http")]
mod service;
