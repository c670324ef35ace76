//! The command `phaseflag`: feature flags for shells, deployments and development.

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
mod check;
mod client;
mod completions;
mod context;
mod date;
mod dialect;
mod eval_all;
mod evaluation;
mod explain;
mod failure;
mod get;
mod help;
mod http;
mod input;
mod limit;
mod list;
mod output;
mod pull;
mod rules;
mod self_hosted;
mod serve;
mod split;
mod validation;
mod watch;

use std::process::ExitCode;

use args::{Command, Invocation};
use failure::{Failure, Status};

/// Every command, in the order of the help.
const COMMANDS: [&Command; 10] = [
    &get::COMMAND,
    &list::COMMAND,
    &eval_all::COMMAND,
    &explain::COMMAND,
    &check::COMMAND,
    &pull::COMMAND,
    &watch::COMMAND,
    &serve::COMMAND,
    &split::COMMAND,
    &completions::COMMAND,
];

fn main() -> ExitCode {
    match run() {
        Ok(Status::Success) => ExitCode::SUCCESS,
        Ok(Status::No) => ExitCode::from(1),
        // Whoever read the output has enough of it.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output::warn(failure);
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Status, Failure> {
    match args::read(lexopt::Parser::from_env(), &COMMANDS, &client::OPTIONS)? {
        Invocation::Help(None) => output::print(help::of_program(&COMMANDS)),
        Invocation::Help(Some(command)) => output::print(help::of_command(command)),
        Invocation::Version => {
            output::print(concat!("phaseflag ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Invocation::Run(command, arguments) => (command.run)(&arguments),
    }
}
