//! `phaseflag watch`: what changes, as it changes.

use std::sync::mpsc;
use std::time::Duration;

use phaseflag::{ClientState, FlagsChanged, PhaseFlagClient};

use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::{client, output};

pub(crate) const COMMAND: Command = Command {
    name: "watch",
    words: &[],
    about: "Prints changes of the flags as they come, until interrupted",
    details: "Each line says what became of a flag, `added`, `changed` or `removed`, and after a tab\n\
              its key. A flag has changed where its definition has, the segments that its rules ask\n\
              for included. How the connection is goes to standard error.\n",
    options: &[
        &[Choice::with("--interval", "SECONDS", "the time between two looks, at least 0.1 (30)")],
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag watch --interval 5",
        "phaseflag watch | while read -r what key; do …; done",
    ],
    run,
};

const INTERVAL: Duration = Duration::from_secs(30);

/// The shortest interval: a slip of the keyboard is no load test.
const SHORTEST: Duration = Duration::from_millis(100);

/// How often the connection is looked at.
const GLANCE: Duration = Duration::from_secs(1);

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let interval = arguments.seconds("--interval")?.unwrap_or(INTERVAL);
    if interval < SHORTEST {
        return Err(arguments.usage("`--interval` must be at least 0.1"));
    }
    let client = client::watching(arguments, interval)?;
    let (sender, changes) = mpsc::channel();
    client.on_flags_changed(move |change| {
        // The program ends where nobody takes them.
        let _ = sender.send(lines(change));
    });
    output::warn(format_args!("watching {} flags", client.flags().len()));
    let mut state = client.state();
    loop {
        if let Ok(lines) = changes.recv_timeout(GLANCE) {
            output::print(lines)?;
        }
        state = mention(&client, state);
    }
}

fn lines(change: &FlagsChanged) -> String {
    let mut text = String::new();
    for (what, keys) in
        [("added", change.added()), ("changed", change.changed()), ("removed", change.removed())]
    {
        for key in keys {
            text += &format!("{what}\t{}\n", output::plain(key.clone()));
        }
    }
    text
}

/// Says where the service has begun to fail, or to answer again.
fn mention(client: &PhaseFlagClient, before: ClientState) -> ClientState {
    let now = client.state();
    match (answers(before), answers(now)) {
        (true, false) => match client.statistics().last_failure {
            Some(failure) => output::warn(format_args!("the rules of before stay: {failure:#}")),
            None => output::warn("the rules of before stay"),
        },
        (false, true) => output::warn("the service answers again"),
        (true, true) | (false, false) => {}
    }
    now
}

fn answers(state: ClientState) -> bool {
    state == ClientState::Ready
}
