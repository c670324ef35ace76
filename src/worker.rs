//! Threads with a name, a stop signal and a wait for their end that has a deadline, and calls of other
//! people's code whose panics end here.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "http")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "http")]
use std::thread;
use std::thread::{Builder, ThreadId};
#[cfg(feature = "http")]
use std::time::{Duration, Instant};

#[cfg(feature = "http")]
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, at, bounded, select};

/// The size of a stack, unless the environment asks for another. TLS needs the most of it, but for
/// the listeners of a program.
const STACK: usize = 1024 * 1024;

/// What tells a thread that it should end: the channel closes, so the signal cannot be lost.
#[cfg(feature = "http")]
pub(crate) type StopSignal = Receiver<Never>;

/// What is never sent.
#[cfg(feature = "http")]
#[derive(Debug)]
pub(crate) enum Never {}

/// A running thread. It is told to stop when this is dropped, and never joined.
#[cfg(feature = "http")]
#[derive(Debug)]
pub(crate) struct Worker {
    thread: ThreadId,
    stop: Mutex<Option<Sender<Never>>>,
    ended: Receiver<Never>,
}

#[cfg(feature = "http")]
impl Worker {
    /// Starts a thread.
    pub(crate) fn spawn(
        name: &str,
        body: impl FnOnce(StopSignal) + Send + 'static,
    ) -> io::Result<Worker> {
        let (stop, signal) = bounded(0);
        let (end, ended) = bounded(0);
        let thread = spawn(name, move || {
            // Dropped when the body returns, and when it panics.
            let _end: Sender<Never> = end;
            body(signal);
        })?;
        Ok(Worker { thread, stop: Mutex::new(Some(stop)), ended })
    }

    /// Tells the thread to stop.
    pub(crate) fn stop(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        *stop = None;
    }

    /// Waits for the end of the thread, for the deadline, or for the signal that there is nothing
    /// more to wait for. Returns at once on the thread itself.
    pub(crate) fn wait(&self, deadline: Instant, given_up: &StopSignal) {
        if thread::current().id() == self.thread {
            return;
        }
        select! {
            recv(self.ended) -> _ => {}
            recv(given_up) -> _ => {}
            recv(at(deadline)) -> _ => {}
        }
    }
}

/// Waits, and returns whether the signal to stop came meanwhile.
#[cfg(feature = "http")]
pub(crate) fn pause(signal: &StopSignal, delay: Duration) -> bool {
    !matches!(signal.recv_timeout(delay), Err(RecvTimeoutError::Timeout))
}

/// Returns whether the signal to stop has come.
#[cfg(feature = "http")]
pub(crate) fn is_stopped(signal: &StopSignal) -> bool {
    matches!(signal.try_recv(), Err(TryRecvError::Disconnected))
}

/// Starts a thread that nobody joins.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<ThreadId> {
    let mut thread = Builder::new().name(name.to_owned());
    if std::env::var_os("RUST_MIN_STACK").is_none() {
        thread = thread.stack_size(STACK);
    }
    thread.spawn(body).map(|handle| handle.thread().id())
}

/// Calls a function; `None` where it panicked.
///
/// What it panicked with is not dropped: that may run its code once more, which may panic once
/// more.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            std::mem::forget(payload);
            None
        }
    }
}
