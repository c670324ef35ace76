//! The command `phaseflag`: feature flags for shells, deployments and development.
//!
//! Each command is a module with a `COMMAND`, which the command line, the help and the completions
//! read.

#![deny(missing_debug_implementations)]
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

mod args;
mod attributes;
mod bootstrap;
mod changes;
mod check;
mod client;
#[cfg(feature = "completions")]
mod completions;
mod context;
mod date;
mod diff;
mod document;
mod eval_all;
mod exec;
mod explain;
mod explanation;
mod failure;
#[cfg(feature = "generate")]
mod generate;
mod get;
mod help;
mod input;
mod list;
#[cfg(feature = "man")]
mod man;
mod names;
mod output;
mod progress;
mod pull;
#[cfg(feature = "refs")]
mod refs;
mod report;
mod rules;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "serve")]
mod serve;
#[cfg(unix)]
mod signals;
mod similar;
mod split;
mod waiting;
mod watch;

use std::process::ExitCode;

use args::{Command, Invocation};
use failure::{Failure, Status};

/// The commands, in the order of the help.
const COMMANDS: &[&Command] = &[
    &get::COMMAND,
    &list::COMMAND,
    &eval_all::COMMAND,
    &explain::COMMAND,
    &check::COMMAND,
    &diff::COMMAND,
    #[cfg(feature = "schema")]
    &schema::COMMAND,
    &pull::COMMAND,
    &watch::COMMAND,
    #[cfg(feature = "serve")]
    &serve::COMMAND,
    &split::COMMAND,
    #[cfg(feature = "refs")]
    &refs::COMMAND,
    #[cfg(feature = "generate")]
    &generate::COMMAND,
    #[cfg(feature = "completions")]
    &completions::COMMAND,
    #[cfg(feature = "man")]
    &man::COMMAND,
];

fn main() -> ExitCode {
    #[cfg(unix)]
    signals::end_the_first_process();
    match run() {
        Ok(Status::Success) => ExitCode::SUCCESS,
        Ok(Status::Negative) => ExitCode::from(1),
        // The reader, such as `head`, has closed the pipe: not an error.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(failure);
            ExitCode::from(2)
        }
    }
}

/// Returns the version, with the features of the command and of the library in it.
fn version() -> String {
    let features = [
        ("completions", cfg!(feature = "completions")),
        ("generate", cfg!(feature = "generate")),
        ("gzip", true),
        ("man", cfg!(feature = "man")),
        ("refs", cfg!(feature = "refs")),
        ("regex", true),
        ("rustls", true),
        ("schema", cfg!(feature = "schema")),
        ("serve", cfg!(feature = "serve")),
    ];
    let features: Vec<_> =
        features.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    format!("phaseflag {}\nfeatures: {}\n", env!("CARGO_PKG_VERSION"), features.join(", "))
}

fn run() -> Result<Status, Failure> {
    match args::parse(lexopt::Parser::from_env(), COMMANDS, &client::OPTIONS)? {
        Invocation::Help(None) => help::print(&help::of_program(COMMANDS)),
        Invocation::Help(Some(command)) => help::print(&help::of_command(command)),
        Invocation::Version => output::print(version()),
        Invocation::Run(command, arguments) => (command.run)(&arguments),
    }
}
