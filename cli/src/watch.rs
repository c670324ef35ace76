//! `phaseflag watch`: prints changes of the flags as they happen.

use std::sync::mpsc;
use std::time::Duration;

use phaseflag::{ClientState, FlagsChanged, PhaseFlagClient};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, output};

pub(crate) const COMMAND: Command = Command {
    name: "watch",
    positionals: &[],
    about: "Print changes of the flags as they happen, until interrupted",
    details: "Each line is `added`, `changed` or `removed`, a tab and the key of the flag. A flag has\n\
              changed if its definition has, or a segment of its rules. The state of the connection\n\
              is printed to standard error.\n",
    options: &[
        &[OptionSpec::with_value(
            "--interval",
            "SECONDS",
            "the time between two polls, at least 0.1 [default: 30]",
        )],
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag watch --interval 5",
        "phaseflag watch | while read -r what key; do …; done",
    ],
    run,
};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// The shortest interval, so that a typing mistake does not flood the service.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// A shorter interval is warned of.
const SECOND: Duration = Duration::from_secs(1);

/// How often the state of the client is checked.
const STATE_INTERVAL: Duration = Duration::from_secs(1);

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let interval = arguments.seconds("--interval")?.unwrap_or(DEFAULT_INTERVAL);
    if interval < MIN_INTERVAL {
        return Err(arguments.usage("`--interval` must be at least 0.1"));
    }
    let client = client::polling(arguments, interval)?;
    if interval < SECOND && client::has_service(arguments)? {
        let requests = 60_000 / interval.as_millis();
        output::warn(format_args!(
            "`--interval` is {interval:?}: that makes {requests} requests per minute"
        ));
    }
    let (sender, changes) = mpsc::channel();
    client.on_flags_changed(move |change| {
        // The receiver is gone only if the program is ending.
        let _ = sender.send(lines(change));
    });
    output::warn(format_args!("watching {} flags", client.flags().len()));
    if let (false, Some(failure)) = (client.has_rules(), client.last_failure()) {
        output::warn(format_args!("no rules yet: {failure:#}"));
    }
    let mut state = client.state();
    loop {
        if let Ok(lines) = changes.recv_timeout(STATE_INTERVAL) {
            output::print(lines)?;
        }
        state = report_state(&client, state);
    }
}

fn lines(change: &FlagsChanged) -> String {
    let mut text = String::new();
    for (what, keys) in
        [("added", change.added()), ("changed", change.changed()), ("removed", change.removed())]
    {
        for key in keys {
            text += &format!("{what}\t{}\n", output::escape_line(key.clone()));
        }
    }
    text
}

/// Reports that the rules are no longer up to date, or again. Returns the current state.
fn report_state(client: &PhaseFlagClient, before: ClientState) -> ClientState {
    let now = client.state();
    match (is_ready(before), is_ready(now)) {
        (true, false) => match client.last_failure() {
            Some(failure) => output::warn(format_args!("the last rules stay in use: {failure:#}")),
            None => output::warn("the last rules stay in use"),
        },
        (false, true) => output::warn("the rules are up to date again"),
        (true, true) | (false, false) => {}
    }
    now
}

fn is_ready(state: ClientState) -> bool {
    state == ClientState::Ready
}
