//! Everything that talks to the service, started and stopped as one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::cache::Memory;
use crate::config::Config;
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::{EvaluationEvent, Ledger};
use crate::flags::Flags;
use crate::flusher::{EventQueue, EventSource, Flusher, queue};
use crate::http::Http;
use crate::poller::Poller;
use crate::remote::Remote;
use crate::ruleset::EvaluationResult;
use crate::worker::{StopSignal, Worker};

/// The poller, the flusher and remote evaluation.
#[derive(Debug)]
pub(crate) struct Service {
    http: Arc<Http>,
    events: EventQueue,
    /// The other end of the queue, for the flusher.
    source: EventSource,
    ledger: Arc<Ledger>,
    remote: Remote,
    threads: Mutex<Threads>,
    /// Whether there is a thread that delivers.
    delivering: AtomicBool,
}

#[derive(Debug, Default)]
struct Threads {
    /// Whether the client is running.
    started: bool,
    poller: Option<Arc<Worker>>,
    flusher: Option<Arc<Worker>>,
}

impl Service {
    /// Checks what only the HTTP library can, and touches no network.
    pub(crate) fn new(config: &Config, ledger: Arc<Ledger>) -> Result<Service, Error> {
        let http = Arc::new(Http::new(config)?);
        let (events, source) = queue(config, ledger.clone());
        Ok(Service {
            remote: Remote::new(http.clone()),
            http,
            events,
            ledger,
            source,
            threads: Mutex::default(),
            delivering: AtomicBool::new(false),
        })
    }

    /// Starts polling. Delivering starts with the first event.
    pub(crate) fn start(
        &self,
        config: &Config,
        flags: &Arc<Flags>,
        memory: Option<Memory>,
    ) -> Result<(), Error> {
        let poller = Poller::new(self.http.clone(), flags.clone(), config, memory);
        let mut threads = self.threads();
        if poller.has_work() {
            threads.poller = Some(spawn("phaseflag-poller", move |stop| poller.run(stop))?);
        }
        threads.started = true;
        if self.ledger.queued() > 0 {
            // Where the system starts no thread, the next event tries again.
            let _ = self.start_flusher(&mut threads, config);
        }
        Ok(())
    }

    fn start_flusher(&self, threads: &mut Threads, config: &Config) -> Result<(), Error> {
        if threads.flusher.is_none() {
            let (ledger, source) = (self.ledger.clone(), self.source.clone());
            let flusher = Flusher::new(self.http.clone(), ledger, source, config);
            threads.flusher = Some(spawn("phaseflag-events", move |stop| flusher.run(stop))?);
            self.delivering.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Starts delivering, unless it has begun, or the client is not running.
    fn deliver(&self, config: &Config) -> Result<(), Error> {
        if self.delivering.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut threads = self.threads();
        if threads.started { self.start_flusher(&mut threads, config) } else { Ok(()) }
    }

    /// Stops polling at once, and delivering as soon as nothing is left, or at the deadline.
    pub(crate) fn stop(&self, config: &Config) {
        let deadline = Instant::now() + config.shutdown_timeout;
        self.ledger.seal();
        let flusher = {
            let mut threads = self.threads();
            threads.started = false;
            if let Some(poller) = threads.poller.take() {
                poller.stop();
            }
            if self.ledger.queued() > 0 {
                // Events of a client that was never started are delivered, too. Without a thread,
                // the ledger counts them as lost below.
                let _ = self.start_flusher(&mut threads, config);
            }
            threads.flusher.clone()
        };
        if let Some(flusher) = flusher {
            flusher.stop();
            if self.ledger.queued() > 0 {
                flusher.wait(deadline);
            }
        }
        self.events.give_up();
    }

    pub(crate) fn track(&self, event: EvaluationEvent, config: &Config) {
        self.events.push(event);
        // As at the start; a flush says so.
        let _ = self.deliver(config);
    }

    pub(crate) fn flush(&self, config: &Config) -> Result<(), Error> {
        if self.ledger.queued() == 0 {
            return Ok(());
        }
        self.deliver(config)?;
        self.events.flush()
    }

    pub(crate) fn evaluate(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> Result<EvaluationResult, Error> {
        self.remote.evaluate(flag, context)
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(
    name: &str,
    body: impl FnOnce(&StopSignal) + Send + 'static,
) -> Result<Arc<Worker>, Error> {
    let worker = Worker::spawn(name, move |stop| body(&stop));
    Ok(Arc::new(worker.map_err(|cause| Error::Thread { cause })?))
}
