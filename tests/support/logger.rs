//! The logger of a test program: it keeps lines and calls back.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// A line of the crate.
#[derive(Clone, Debug)]
pub struct Line {
    /// The thread that logged it.
    pub thread: ThreadId,
    pub level: Level,
    pub text: String,
}

/// What the logger calls when this thread logs a line.
pub type Whim = Box<dyn Fn()>;

thread_local! {
    /// What the logger calls at the next line of this thread, of any level.
    pub static WHIM: RefCell<Option<Whim>> = const { RefCell::new(None) };
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "phaseflag"
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if record.level() <= Level::Info {
            let (thread, level) = (thread::current().id(), record.level());
            lines().push(Line { thread, level, text: record.args().to_string() });
        }
        // Only once, because the call may log, too.
        let whim = WHIM.with(|whim| whim.borrow_mut().take());
        if let Some(whim) = whim {
            whim();
        }
    }

    fn flush(&self) {}
}

/// Keeps the lines from now on.
pub fn listen() {
    // Another test may have set the logger.
    let _ = log::set_logger(&Lines);
    log::set_max_level(LevelFilter::Trace);
}

/// Returns the errors, warnings and information of every test so far.
pub fn lines() -> MutexGuard<'static, Vec<Line>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the warnings so far that contain this text.
pub fn warnings_with(part: &str) -> Vec<String> {
    let lines = lines();
    let warnings = lines.iter().filter(|line| line.level <= Level::Warn);
    warnings.map(|line| &line.text).filter(|text| text.contains(part)).cloned().collect()
}
