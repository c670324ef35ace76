//! Starts a client on a separate thread, so that the executor is not blocked.

use std::thread::Builder;
use std::time::{Duration, Instant};

use phaseflag::{Error, PhaseFlagClient};
use tokio::sync::oneshot;

/// How soon the thread notices that the future was dropped.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Starts a client, and waits until it has rules, is ready, is refused, or the timeout has passed.
/// Works on any executor.
///
/// # Errors
///
/// The cause, as text, if the client cannot start.
pub(crate) async fn start(client: &PhaseFlagClient, timeout: Duration) -> Result<(), String> {
    if client.is_ready() {
        return Ok(());
    }
    let client = client.clone();
    on_thread(move |is_awaited| start_and_wait(client, timeout, is_awaited)).await
}

/// Runs a function on a separate thread. Its argument returns whether the future still waits.
async fn on_thread(
    run: impl FnOnce(&dyn Fn() -> bool) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let (report, outcome) = oneshot::channel();
    let run = move || {
        let started = run(&|| !report.is_closed());
        // The future may have been dropped.
        let _ = report.send(started);
    };
    let thread = Builder::new().name("phaseflag-openfeature".to_owned()).spawn(run);
    thread.map_err(|cause| format!("failed to start thread: {cause}"))?;
    // The sender is dropped if the thread panics, as a logger of the program may.
    outcome.await.unwrap_or_else(|_| Err("the start of the client panicked".to_owned()))
}

/// Starts a client and waits on this thread. Drops the handle before it returns.
fn start_and_wait(
    client: PhaseFlagClient,
    timeout: Duration,
    is_awaited: &dyn Fn() -> bool,
) -> Result<(), String> {
    let begin = Instant::now();
    client.start().map_err(|error| format!("{error:#}"))?;
    // Evaluations wait meanwhile, so stale rules now are better than fresh ones later.
    while is_awaited() && !client.has_rules() {
        let left = timeout.saturating_sub(begin.elapsed());
        match client.wait_until_ready(left.min(CHECK_INTERVAL)) {
            Err(Error::NotReady { .. }) if left > CHECK_INTERVAL => {}
            // The state of the client tells the outcome.
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

    /// Returns the outcome, or panics after a timeout.
    fn outcome(
        run: impl FnOnce(&dyn Fn() -> bool) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            sender.send(runtime.block_on(on_thread(run))).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(20)).expect("an outcome")
    }

    #[test]
    fn a_panic_is_an_error() {
        let started = outcome(|_| panic!("a logger of the program"));
        assert_eq!(started, Err("the start of the client panicked".to_owned()));
    }

    #[test]
    fn the_function_knows_that_the_future_waits() {
        let started = outcome(|is_awaited| Err(format!("awaited: {}", is_awaited())));
        assert_eq!(started, Err("awaited: true".to_owned()));
    }
}
