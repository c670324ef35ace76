//! The tests of the command, in one program with a module for each subject.

#[path = "../support/mod.rs"]
mod support;

mod ca;
mod cache;
mod check;
mod completions;
#[cfg(unix)]
mod docs;
mod examples;
mod explain;
mod get;
mod list;
mod man;
#[cfg(unix)]
mod pipes;
mod pull;
mod schema;
mod self_hosted;
mod serve;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(unix)]
mod snippets;
mod split;
#[cfg(unix)]
mod terminal;
mod usage;
mod waiting;
mod watch;
