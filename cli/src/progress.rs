//! Says what takes long: a line on standard error, which moves on a terminal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
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
        let reporter = reporter.map(|reporter| reporter.thread().clone());
        let _end = End { ended: &ended, reporter };
        work()
    })
}

/// Ends the report when it is dropped, also by a panic of the work.
struct End<'a> {
    ended: &'a AtomicBool,
    reporter: Option<Thread>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(reporter) = &self.reporter {
            reporter.unpark();
        }
    }
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

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

    use super::*;

    #[test]
    fn a_panic_of_the_work_ends_the_report() {
        let reports_nothing = || {
            let reported = AtomicBool::new(false);
            let what = || {
                reported.store(true, Ordering::Release);
                "working".to_owned()
            };
            // Without a message, which takes time.
            let work = || panic::resume_unwind(Box::new(()));
            let during = || during(Audience::All, &what, work);
            assert!(panic::catch_unwind(AssertUnwindSafe(during)).is_err());
            !reported.load(Ordering::Acquire)
        };
        // A busy machine may take a second for the panic once, but not each time.
        assert!((0..5).any(|_| reports_nothing()), "it goes on after the panic");
    }
}
