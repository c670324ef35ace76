//! The tests of the command, in one program with a module for each subject.

#[path = "../support/mod.rs"]
mod support;

/// What `phaseflag generate rust` writes for the flags of the examples.
#[path = "../generated/examples.rs"]
#[rustfmt::skip]
mod generated_examples;
/// What it writes for flags whose names and values are not usual.
#[path = "../generated/odd.rs"]
#[rustfmt::skip]
#[allow(dead_code)]
mod generated_odd;

#[cfg(target_os = "linux")]
mod browser;
mod ca;
mod cache;
mod check;
mod completions;
mod diff;
#[cfg(unix)]
mod docs;
mod examples;
mod explain;
mod from_env;
mod generate;
mod get;
mod json;
mod list;
mod man;
mod page;
#[cfg(unix)]
mod pipes;
mod pull;
mod refs;
mod release;
mod schema;
mod self_hosted;
mod serve;
mod serve_log;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(unix)]
mod snippets;
mod split;
mod streams;
#[cfg(unix)]
mod terminal;
mod usage;
mod waiting;
mod watch;
