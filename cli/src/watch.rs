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
    let waiting = client::Waiting::new(arguments, interval)?;
    let (sender, changes) = mpsc::channel();
    let client = waiting.client.clone();
    waiting.client.on_flags_changed(move |change| {
        let change = Change { ruleset: rulesets(&client), lines: lines(change) };
        // The program ends where nobody takes them.
        let _ = sender.send(change);
    });
    let client = waiting.ready()?;
    let mut start = Start { ruleset: rulesets(&client), pending: false };
    let flags = client.flags().len();
    output::warn(format_args!("watching {flags} flags"));
    let early: Vec<Change> = changes.try_iter().collect();
    // The first rules that hold flags come as a change, too, if only a little later.
    start.pending = flags > 0 && early.is_empty();
    for change in early.iter().filter(|change| change.ruleset > start.ruleset) {
        output::print(&change.lines)?;
    }
    let mut state = client.state();
    loop {
        if let Ok(change) = changes.recv_timeout(GLANCE)
            && !start.brought(&change)
        {
            output::print(change.lines)?;
        }
        state = mention(&client, state);
    }
}

/// What a ruleset changed.
struct Change {
    ruleset: u64,
    lines: String,
}

/// The rules that are there at the start.
struct Start {
    ruleset: u64,
    /// Whether their own change has not come yet.
    pending: bool,
}

impl Start {
    /// Whether a change only led to the rules of the start.
    fn brought(&mut self, change: &Change) -> bool {
        let pending = std::mem::take(&mut self.pending);
        // A file has no numbers: what it brings once the start is over is news.
        change.ruleset <= self.ruleset && (pending || self.ruleset > 0)
    }
}

/// Returns how many rulesets of the service have come: the number of the one in force. A listener
/// gets that of its own change, since it holds up the next one.
fn rulesets(client: &PhaseFlagClient) -> u64 {
    client.statistics().rulesets_accepted
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
