//! A named thread with a stop signal, and a wait for its end that has a deadline.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, at, bounded, select};

use crate::thread::spawn;

/// What tells a thread that it should end: the channel closes, so the signal cannot be lost.
pub(crate) type StopSignal = Receiver<Never>;

/// What is never sent.
#[derive(Debug)]
pub(crate) enum Never {}

/// A running thread. It is told to stop when this is dropped, and never joined.
#[derive(Debug)]
pub(crate) struct Worker {
    thread: ThreadId,
    stop: Mutex<Option<Sender<Never>>>,
    ended: Receiver<Never>,
}

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
pub(crate) fn pause(signal: &StopSignal, delay: Duration) -> bool {
    !matches!(signal.recv_timeout(delay), Err(RecvTimeoutError::Timeout))
}

/// Returns whether the signal to stop has come.
pub(crate) fn is_stopped(signal: &StopSignal) -> bool {
    matches!(signal.try_recv(), Err(TryRecvError::Disconnected))
}
