//! Says what takes long: a line on standard error, which moves on a terminal.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
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
    let (done, end) = mpsc::channel();
    thread::scope(|scope| {
        // Without a thread, the work is done silently.
        let _ = thread::Builder::new().spawn_scoped(scope, move || report(look, what, end));
        let result = work();
        drop(done);
        result
    })
}

/// Reports until the work has ended.
fn report(look: Look, what: &dyn Fn() -> String, end: Receiver<()>) {
    let start = Instant::now();
    let has_ended = |wait| end.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
    if has_ended(PATIENCE) {
        return;
    }
    if !look.redraws() {
        return output::warn(what());
    }
    loop {
        show(look, &format!("{} ({} s)", what(), start.elapsed().as_secs()));
        if has_ended(UPDATE_INTERVAL) {
            return show(look, "");
        }
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
