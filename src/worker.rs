//! Starts and stops the threads of the crate, and contains panics of foreign code.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, ThreadId};

#[cfg(feature = "http")]
pub(crate) use stoppable::{Never, StopSignal, Worker, check_new_threads, pause};

/// The stack size of a thread, in bytes, unless `RUST_MIN_STACK` is set. TLS and the listeners of
/// the program need the most.
const STACK_SIZE: usize = 1024 * 1024;

/// Starts a named thread that is never joined.
pub(crate) fn spawn_detached(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<ThreadId> {
    let mut thread = Builder::new().name(name.to_owned());
    if std::env::var_os("RUST_MIN_STACK").is_none() {
        thread = thread.stack_size(STACK_SIZE);
    }
    thread.spawn(body).map(|handle| handle.thread().id())
}

/// Calls a function and returns its result, or `None` if it panics.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Dropping the payload would run foreign code, which may panic again.
            std::mem::forget(payload);
            None
        }
    }
}

#[cfg(feature = "http")]
mod stoppable {
    use std::io;
    use std::sync::{Mutex, PoisonError};
    use std::thread::{self, ThreadId};
    use std::time::{Duration, Instant};

    use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, at, bounded, select};

    use super::spawn_detached;

    /// How often a new thread is looked for. On a busy machine, each look takes longer, too.
    const LOOKS: u32 = 25;

    /// The time between two looks.
    const LOOK_INTERVAL: Duration = Duration::from_millis(10);

    /// Tells a thread to stop. The signal is that the channel closes, so it cannot be lost.
    pub(crate) type StopSignal = Receiver<Never>;

    /// A message that cannot exist: the channel of a [`StopSignal`] only closes.
    #[derive(Debug)]
    pub(crate) enum Never {}

    /// A running thread with a stop signal. Dropping the worker stops the thread without joining
    /// it.
    #[derive(Debug)]
    pub(crate) struct Worker {
        thread: ThreadId,
        stop: Mutex<Option<Sender<Never>>>,
        ended: Receiver<Never>,
    }

    impl Worker {
        /// Starts a named thread.
        pub(crate) fn spawn(
            name: &str,
            body: impl FnOnce(StopSignal) + Send + 'static,
        ) -> io::Result<Worker> {
            let (stop, signal) = bounded(0);
            let (end, ended) = bounded(0);
            let thread = spawn_detached(name, move || {
                // Dropped when the body returns or panics.
                let _end: Sender<Never> = end;
                body(signal);
            })?;
            Ok(Worker { thread, stop: Mutex::new(Some(stop)), ended })
        }

        /// Sends the stop signal.
        pub(crate) fn stop(&self) {
            let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
            *stop = None;
        }

        /// Waits until the thread ends, the deadline passes, or `given_up` is signalled. Returns at
        /// once if called on the thread itself.
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

    /// Checks, for at most `limit`, that a new thread runs: a request needs one, which resolves the
    /// name of the host.
    ///
    /// # Errors
    ///
    /// On Windows, if the caller runs in the destructor of a thread-local. Windows holds a lock
    /// there, for which each new thread waits.
    pub(crate) fn check_new_threads(limit: Duration) -> io::Result<()> {
        if !cfg!(windows) {
            return Ok(());
        }
        let start = Instant::now();
        let (begin, begun) = bounded::<Never>(0);
        spawn_detached("phaseflag-check", move || drop(begin))?;
        for _ in 0..LOOKS {
            if pause(&begun, LOOK_INTERVAL.min(limit)) {
                return Ok(());
            }
            if start.elapsed() >= limit {
                break;
            }
        }
        let message = "a new thread does not run inside the destructor of a thread-local";
        Err(io::Error::new(io::ErrorKind::WouldBlock, message))
    }

    /// Sleeps for `delay` or until the stop signal. Returns whether the signal came.
    pub(crate) fn pause(signal: &StopSignal, delay: Duration) -> bool {
        !matches!(signal.recv_timeout(delay), Err(RecvTimeoutError::Timeout))
    }
}
