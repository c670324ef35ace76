//! The start of a client, without holding up an executor: on a thread of its own, which wakes the
//! future that waits for it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Builder;
use std::time::{Duration, Instant};

use phaseflag::{Error, PhaseFlagClient};

/// How soon the thread sees that nobody waits for it any more.
const SLICE: Duration = Duration::from_millis(100);

/// Starts a client, and waits until it is ready, it is clear that it will not be, or the time is
/// over. Runs on any executor.
///
/// # Errors
///
/// Why the client cannot start, as text.
pub(crate) async fn start(client: &PhaseFlagClient, timeout: Duration) -> Result<(), String> {
    if client.is_ready() {
        return Ok(());
    }
    let outcome = Arc::new(Outcome::default());
    let (awaited, client) = (Arc::downgrade(&outcome), client.clone());
    let run = move || {
        let started = start_here(client, timeout, || awaited.strong_count() > 0);
        if let Some(outcome) = awaited.upgrade() {
            outcome.set(started);
        }
    };
    let thread = Builder::new().name("phaseflag-openfeature".to_owned()).spawn(run);
    thread.map_err(|cause| format!("failed to start thread: {cause}"))?;
    poll_fn(|context| outcome.poll(context)).await
}

/// The same on this thread. Takes a handle of its own, which is gone when it returns.
fn start_here(
    client: PhaseFlagClient,
    timeout: Duration,
    awaited: impl Fn() -> bool,
) -> Result<(), String> {
    let begin = Instant::now();
    client.start().map_err(|error| format!("{error:#}"))?;
    while awaited() {
        let left = timeout.saturating_sub(begin.elapsed());
        match client.wait_until_ready(left.min(SLICE)) {
            Err(Error::NotReady { .. }) if left > SLICE => {}
            // Whoever asks for the client's state learns what came of it.
            _ => break,
        }
    }
    Ok(())
}

/// What came of the start, for the future that waits for it.
#[derive(Default)]
struct Outcome(Mutex<State>);

#[derive(Default)]
struct State {
    started: Option<Result<(), String>>,
    waker: Option<Waker>,
}

impl Outcome {
    fn set(&self, started: Result<(), String>) {
        let mut state = self.lock();
        state.started = Some(started);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Result<(), String>> {
        let mut state = self.lock();
        match state.started.take() {
            Some(started) => Poll::Ready(started),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
