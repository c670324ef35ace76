//! The process that a client runs in, which a fork leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::events::Ledger;
use crate::log::log;

/// The process that started the client. A process that is forked from it has none of its threads.
#[derive(Debug)]
pub(super) struct Home {
    /// 0 before the start, and for a client without threads.
    process: AtomicU32,
    /// Whether a forked process has discarded its events and reported it.
    left: AtomicBool,
    ledger: Arc<Ledger>,
}

impl Home {
    pub(super) fn new(ledger: Arc<Ledger>) -> Home {
        Home { process: AtomicU32::new(0), left: AtomicBool::new(false), ledger }
    }

    /// Notes that the client has started its threads in this process.
    pub(super) fn settle(&self) {
        self.process.store(process_id(), Ordering::Release);
    }

    /// Returns whether this process was forked after the start. The first call in such a process
    /// discards the queued events, which the other process delivers.
    #[inline]
    pub(super) fn is_left(&self) -> bool {
        let home = self.process.load(Ordering::Acquire);
        let is_left = home != 0 && home != process_id();
        if is_left {
            self.leave();
        }
        is_left
    }

    #[cold]
    #[inline(never)]
    fn leave(&self) {
        if self.left.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ledger.close();
        log!(
            warn,
            "this process was forked after the start of the client: it gets no new rules and \
             delivers no events; start a client after the fork"
        );
    }
}

/// Returns the process ID, or 0 if the system has no `fork`.
#[inline]
fn process_id() -> u32 {
    if cfg!(unix) { std::process::id() } else { 0 }
}
