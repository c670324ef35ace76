//! `phaseflag watch`: prints changes of the flags as they happen.

use std::ffi::OsStr;
use std::ptr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use phaseflag::{ClientState, PhaseFlagClient, Ruleset, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::changes::{self, Difference, Rules};
use crate::exec::{Exec, Touched};
use crate::failure::{Failure, Status};
use crate::output::{self, Look};
use crate::{client, document, report};

pub(crate) const COMMAND: Command = Command {
    name: "watch",
    positionals: &[],
    about: "Print changes of the flags as they happen, until interrupted",
    details: "\
Each line is a change: the time in UTC, `added`, `changed` or `removed`, the key of the flag, and what
changed from what to what, separated by tabs. A flag that is added or removed has one line, and one
that has changed a line for each change. `segment-changed` and its like are for segments; a flag has
changed, too, if a segment of its rules has. The state of the connection is printed to standard error.

With `--exec`, each change also runs a command in the shell. It finds the keys of the flags in
PHASEFLAG_ADDED, PHASEFLAG_CHANGED and PHASEFLAG_REMOVED, one a line and up to 8,000 bytes, and on
standard input the lines of `--json`. After changes during a run it runs once more, with what differs
since that run began. If it fails, this is printed to standard error. It is ended with this command,
unless that is killed by SIGKILL. With `--json`, its output goes to standard error.
",
    options: &[
        &[
            OptionSpec::with_value(
                "--interval",
                "SECONDS",
                "the time between two polls, at least 0.1 [default: 30]",
            ),
            OptionSpec::with_value("--exec", "COMMAND", "run a command in the shell on changes"),
            OptionSpec::switch("--json", "print a JSON object a line for each flag or segment"),
        ],
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag watch --interval 5",
        "phaseflag watch --exec 'systemctl reload shop'",
        "phaseflag watch --json | jq -r '.changes[].text'",
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

/// How often the end of a run of `--exec` is checked.
const EXEC_INTERVAL: Duration = Duration::from_millis(50);

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let interval = arguments.seconds("--interval")?.unwrap_or(DEFAULT_INTERVAL);
    if interval < MIN_INTERVAL {
        return Err(arguments.usage("`--interval` must be at least 0.1"));
    }
    let json = arguments.has("--json");
    let command = arguments.raw("--exec");
    if command.is_some_and(OsStr::is_empty) {
        return Err(arguments.usage("`--exec` needs a command"));
    }
    let client = client::polling(arguments, interval)?;
    if interval < SECOND && client::has_service(arguments)? {
        let requests = 60_000 / interval.as_millis();
        output::warn(format_args!(
            "`--interval` is {interval:?}: that makes {requests} requests per minute"
        ));
    }
    let exec = command.map(|command| Exec::new(command.to_owned(), json)).transpose()?;
    let mut runs = exec.map(Runs::new);
    let (sender, changed) = mpsc::channel();
    client.on_flags_changed(move |_| {
        // The receiver is gone only if the program is ending.
        let _ = sender.send(());
    });
    let mut rules = Rc::new(InUse::of(client.ruleset()));
    output::warn(format_args!("watching {} flags", rules.ruleset.len()));
    if let (false, Some(failure)) = (client.has_rules(), client.last_failure()) {
        output::warn(format_args!("no rules yet: {failure:#}"));
    }
    let mut state = client.state();
    loop {
        let running = runs.as_ref().is_some_and(Runs::is_running);
        let _ = changed.recv_timeout(if running { EXEC_INTERVAL } else { STATE_INTERVAL });
        let current = client.ruleset();
        if !rules.is_same(current.as_ref()) {
            let before = std::mem::replace(&mut rules, Rc::new(InUse::of(current)));
            let differences = rules.since(&before);
            output::print(match json {
                true => report::json(&differences),
                false => report::text(&differences, Look::of_stdout()),
            })?;
            if let Some(runs) = &mut runs {
                runs.add(before, differences);
            }
        }
        if let Some(runs) = &mut runs {
            runs.start_due(&rules);
        }
        state = report_state(&client, state);
    }
}

/// The rules in use, with their document.
struct InUse {
    ruleset: Ruleset,
    document: Value,
}

impl InUse {
    fn of(ruleset: Option<Ruleset>) -> InUse {
        let ruleset = ruleset.unwrap_or_default();
        InUse { document: document::of(&ruleset), ruleset }
    }

    /// Returns whether a ruleset is this one.
    fn is_same(&self, other: Option<&Ruleset>) -> bool {
        match (self.ruleset.text(), other.and_then(Ruleset::text)) {
            (Some(this), Some(other)) => ptr::eq(this, other),
            (this, other) => this.is_none() && other.is_none(),
        }
    }

    fn since(&self, before: &InUse) -> Vec<Difference> {
        changes::between(before.rules(), self.rules())
    }

    fn rules(&self) -> Rules<'_> {
        Rules { ruleset: &self.ruleset, document: &self.document }
    }
}

/// The runs of `--exec`: one at a time, and one more for what changes meanwhile.
struct Runs {
    exec: Exec,
    due: Option<Due>,
}

/// A run that is due.
struct Due {
    /// The rules of the last run, from which it differs.
    before: Rc<InUse>,
    /// What has changed since then.
    touched: Touched,
}

impl Runs {
    fn new(exec: Exec) -> Runs {
        Runs { exec, due: None }
    }

    fn is_running(&self) -> bool {
        self.exec.is_running()
    }

    /// Makes a run due, because rules have changed.
    fn add(&mut self, before: Rc<InUse>, differences: Vec<Difference>) {
        if differences.is_empty() {
            return;
        }
        let due = self.due.get_or_insert_with(|| Due { before, touched: Touched::default() });
        for difference in differences {
            due.touched.add(difference.subject);
        }
    }

    /// Starts the run that is due, unless another one has not ended.
    fn start_due(&mut self, rules: &InUse) {
        if self.exec.is_running() {
            return;
        }
        if let Some(Due { before, touched }) = self.due.take() {
            let mut differences = rules.since(&before);
            touched.complete(&mut differences);
            self.exec.start(&differences);
        }
    }
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
