//! The start of a client, without holding up an executor: on a thread of its own, which wakes the
//! future that waits for it.

use std::thread::Builder;
use std::time::{Duration, Instant};

use phaseflag::{Error, PhaseFlagClient};
use tokio::sync::oneshot;

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
    let (report, outcome) = oneshot::channel();
    let run = move || {
        let started = run(&|| !report.is_closed());
        // Nobody may wait for it any more.
        let _ = report.send(started);
    };
    let thread = Builder::new().name("phaseflag-openfeature".to_owned()).spawn(run);
    thread.map_err(|cause| format!("failed to start thread: {cause}"))?;
    // The thread drops its end where it panics: the log lines of a start are other people's code.
    outcome.await.unwrap_or_else(|_| Err("the start of the client panicked".to_owned()))
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
