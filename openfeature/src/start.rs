//! The start of a client, without holding up an executor: on a thread of its own, which wakes the
//! future that waits for it.

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::Builder;
use std::time::{Duration, Instant};

use phaseflag::{Error, PhaseFlagClient};

/// How soon the thread sees that nobody waits for it any more.
const SLICE: Duration = Duration::from_millis(100);

/// Starts a client, and waits until it has rules or is ready, it is clear that neither will be soon,
/// or the time is over. Runs on any executor.
///
/// # Errors
///
/// Why the client cannot start, as text.
pub(crate) async fn start(client: &PhaseFlagClient, timeout: Duration) -> Result<(), String> {
    if client.is_ready() {
        return Ok(());
    }
    let client = client.clone();
    beside(move |awaited| start_here(client, timeout, awaited)).await
}

/// Runs this on a thread of its own, and tells it whether its outcome is still awaited.
async fn beside(
    run: impl FnOnce(&dyn Fn() -> bool) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let outcome = Arc::new(Outcome::default());
    let report = Report::new(&outcome);
    let run = move || {
        let started = run(&|| report.is_awaited());
        report.tell(started);
    };
    let thread = Builder::new().name("phaseflag-openfeature".to_owned()).spawn(run);
    thread.map_err(|cause| format!("failed to start thread: {cause}"))?;
    poll_fn(|context| outcome.poll(context)).await
}

/// Starts a client on this thread. Takes a handle of its own, which is gone when it returns.
fn start_here(
    client: PhaseFlagClient,
    timeout: Duration,
    awaited: &dyn Fn() -> bool,
) -> Result<(), String> {
    let begin = Instant::now();
    client.start().map_err(|error| format!("{error:#}"))?;
    // Everybody who evaluates waits meanwhile: older rules now are better than newer ones later.
    while awaited() && !client.has_rules() {
        let left = timeout.saturating_sub(begin.elapsed());
        match client.wait_until_ready(left.min(SLICE)) {
            Err(Error::NotReady { .. }) if left > SLICE => {}
            // Whoever asks for the client's state learns what came of it.
            _ => break,
        }
    }
    Ok(())
}

/// Sets the outcome when it is dropped, and so also where the thread panics: the log lines of a
/// start are other people's code.
struct Report {
    outcome: Weak<Outcome>,
    started: Result<(), String>,
}

impl Report {
    fn new(outcome: &Arc<Outcome>) -> Report {
        let started = Err("the start of the client panicked".to_owned());
        Report { outcome: Arc::downgrade(outcome), started }
    }

    fn is_awaited(&self) -> bool {
        self.outcome.strong_count() > 0
    }

    fn tell(mut self, started: Result<(), String>) {
        self.started = started;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.upgrade() {
            outcome.set(mem::replace(&mut self.started, Ok(())));
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use tokio::runtime;

    use super::*;

    /// What came of it, for somebody who does not wait for ever.
    fn outcome(
        run: impl FnOnce(&dyn Fn() -> bool) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            sender.send(runtime.block_on(beside(run))).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(20)).expect("an outcome")
    }

    #[test]
    fn whoever_waits_hears_of_a_panic() {
        let started = outcome(|_| panic!("a logger of the program"));
        assert_eq!(started, Err("the start of the client panicked".to_owned()));
    }

    #[test]
    fn the_outcome_is_awaited_until_it_is_there() {
        let started = outcome(|awaited| Err(format!("awaited: {}", awaited())));
        assert_eq!(started, Err("awaited: true".to_owned()));
    }
}
