//! Everything that talks to the service, started and stopped as one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
use crate::worker::Worker;

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
}

#[derive(Debug, Default)]
struct Threads {
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
        })
    }

    /// Starts polling and delivering.
    pub(crate) fn start(&self, config: &Config, flags: &Arc<Flags>) -> Result<(), Error> {
        self.start_flusher(config)?;
        let poller = Poller::new(self.http.clone(), flags.clone(), config);
        let poller = Worker::spawn("phaseflag-poller", move |stop| poller.run(&stop))
            .map_err(|cause| Error::Thread { cause })?;
        self.threads().poller = Some(Arc::new(poller));
        Ok(())
    }

    fn start_flusher(&self, config: &Config) -> Result<(), Error> {
        let mut threads = self.threads();
        if threads.flusher.is_some() {
            return Ok(());
        }
        let source = self.source.clone();
        let flusher = Flusher::new(self.http.clone(), self.ledger.clone(), source, config);
        let flusher = Worker::spawn("phaseflag-events", move |stop| flusher.run(&stop))
            .map_err(|cause| Error::Thread { cause })?;
        threads.flusher = Some(Arc::new(flusher));
        Ok(())
    }

    /// Stops polling at once, and delivering as soon as nothing is left, or at the deadline.
    pub(crate) fn stop(&self, config: &Config) {
        let deadline = Instant::now() + config.shutdown_timeout;
        self.ledger.seal();
        if let Some(poller) = self.threads().poller.take() {
            poller.stop();
        }
        if self.ledger.queued() > 0 {
            // Events of a client that was never started are delivered, too. Without a thread, the
            // ledger counts them as lost below.
            let _ = self.start_flusher(config);
        }
        let flusher = self.threads().flusher.clone();
        if let Some(flusher) = flusher {
            flusher.stop();
            if self.ledger.queued() > 0 {
                flusher.wait(deadline);
            }
        }
        self.events.give_up();
    }

    pub(crate) fn track(&self, event: EvaluationEvent) {
        self.events.push(event);
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
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
