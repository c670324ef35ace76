//! Says what takes long: a line on standard error, which moves on a terminal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::{self, Look};

/// How long work may take before something is said.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time between two updates of the line on a terminal.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

/// Who learns what takes long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Audience {
    /// A terminal gets a line that is updated and removed, anything else one line.
    All,
    /// Only a terminal.
    Terminal,
}

/// Does work. If it takes longer than a second, says what is being done.
pub(crate) fn during<T>(
    audience: Audience,
    what: &(dyn Fn() -> String + Sync),
    work: impl FnOnce() -> T,
) -> T {
    let look = Look::of_stderr();
    if audience == Audience::Terminal && !look.redraws() {
        return work();
    }
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let report = || report(look, what, &ended);
        // Without a thread, the work is done silently.
        let reporter = thread::Builder::new().spawn_scoped(scope, report).ok();
        let result = work();
        ended.store(true, Ordering::Release);
        if let Some(reporter) = reporter {
            reporter.thread().unpark();
        }
        result
    })
}

/// Reports until the work has ended.
fn report(look: Look, what: &dyn Fn() -> String, ended: &AtomicBool) {
    let start = Instant::now();
    let mut next = PATIENCE;
    loop {
        while let Some(left) = next.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            if ended.load(Ordering::Acquire) {
                break;
            }
            thread::park_timeout(left);
        }
        match (ended.load(Ordering::Acquire), next == PATIENCE) {
            (true, true) => return,
            (true, false) => return show(look, ""),
            (false, _) if !look.redraws() => return output::warn(what()),
            (false, _) => {}
        }
        show(look, &format!("{} ({} s)", what(), start.elapsed().as_secs()));
        next = start.elapsed() + UPDATE_INTERVAL;
    }
}

/// Replaces the last line of the terminal.
fn show(look: Look, text: &str) {
    let text = output::escape_line(text.to_owned());
    // A line that fills the terminal could move the cursor to the next one.
    let text =
        look.width().map(|width| output::cut(&text, width.saturating_sub(1))).unwrap_or(text);
    let mut errors = io::stderr().lock();
    // A closed standard error cannot be reported.
    let _ = write!(errors, "\r\x1b[K{text}").and_then(|()| errors.flush());
}
