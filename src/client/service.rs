//! The parts of a client that use the network: polls, delivery of events, remote evaluation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::extras::Extras;
use super::home::Home;
use crate::config::Config;
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::{
    Appended, EvaluationEvent, EventQueue, Flusher, Ledger, Recorder, Spool, Tracker, queue,
};
use crate::http::{Http, KeepPaths, Paths, Remote};
use crate::log::log;
use crate::rules::{Cache, CacheEntry, Flags, Polling, Stream, Streaming, fetch_text};
use crate::ruleset::EvaluationResult;
use crate::worker::{StopSignal, Worker, check_new_threads, spawn_detached};

/// The poller, the flusher and remote evaluation.
pub(super) struct Service {
    config: Arc<Config>,
    http: Arc<Http>,
    cache: Option<Arc<dyn Cache>>,
    paths: Arc<Paths>,
    polling: Arc<Polling>,
    streaming: Option<Streaming>,
    events: EventQueue,
    spool: Option<Arc<dyn Spool>>,
    recorder: Option<Arc<dyn Recorder>>,
    ledger: Arc<Ledger>,
    home: Arc<Home>,
    remote: Remote,
    threads: Mutex<Threads>,
    /// Held while the remaining events are spooled or dropped.
    draining: Mutex<()>,
    /// Whether the thread that delivers events was started.
    delivering: AtomicBool,
    /// Whether the backlog is still to be tried.
    backlog_pending: Arc<AtomicBool>,
}

#[derive(Default)]
struct Threads {
    /// Whether the client is running.
    started: bool,
    flusher: Option<Arc<Worker>>,
    stream: Option<Box<dyn Stream>>,
}

impl Service {
    /// Checks the settings that the HTTP library reads. Uses no network.
    pub(crate) fn new(
        config: &Arc<Config>,
        flags: &Arc<Flags>,
        ledger: Arc<Ledger>,
        home: Arc<Home>,
        extras: &Extras,
    ) -> Result<Arc<Service>, Error> {
        let http = Arc::new(Http::new(config)?);
        let cache = extras.cache.map(|caching| (caching.open)(config));
        let keeper = cache.clone().map(|cache| cache as Arc<dyn KeepPaths>);
        let paths = Arc::new(Paths::new(keeper));
        let differs = extras.streaming.map(|streaming| streaming.differs);
        let polling = Polling::new(
            http.clone(),
            paths.clone(),
            flags.clone(),
            config,
            cache.clone(),
            extras.cache.map(|caching| caching.share),
            differs,
        );
        Ok(Arc::new_cyclic(|this: &Weak<Service>| Service {
            config: config.clone(),
            remote: Remote::new(http.clone(), paths.clone()),
            http,
            cache,
            paths,
            polling: Arc::new(polling),
            streaming: extras.streaming,
            events: queue(config, ledger.clone()),
            spool: extras.spool.map(|open| open(config)),
            recorder: extras.recorder.map(|open| open(config, &ledger, this.clone())),
            ledger,
            home,
            threads: Mutex::default(),
            draining: Mutex::default(),
            delivering: AtomicBool::new(false),
            backlog_pending: Arc::default(),
        }))
    }

    /// Starts polling, and delivering if events are queued or spooled.
    pub(crate) fn start(&self, cached: Option<CacheEntry>) -> Result<(), Error> {
        let start_stream = |streaming: Streaming| {
            (streaming.start)(&self.http, &self.polling, self.config.polling_interval)
        };
        let stream = self.streaming.map(start_stream).transpose().map_err(Error::thread)?;
        let mut threads = self.threads();
        if self.polling.start(cached) {
            let polling = self.polling.clone();
            spawn_detached("phaseflag-poller", move || polling.run()).map_err(Error::thread)?;
        }
        threads.stream = stream;
        threads.started = true;
        let backlog = self.spool.as_ref().is_some_and(|spool| spool.is_used());
        self.backlog_pending.store(backlog, Ordering::Release);
        if backlog || self.ledger.queued() > 0 {
            // If the system cannot start a thread, the next event tries again.
            let _ = self.start_flusher(&mut threads);
        }
        Ok(())
    }

    fn start_flusher(&self, threads: &mut Threads) -> Result<(), Error> {
        if threads.flusher.is_none() {
            let flusher = Flusher::new(
                self.http.clone(),
                self.ledger.clone(),
                self.events.source(),
                self.spool.clone(),
                self.recorder.clone(),
                self.backlog_pending.clone(),
                &self.config,
            );
            threads.flusher = Some(spawn("phaseflag-events", move |stop| flusher.run(stop))?);
            self.delivering.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Starts delivering if the client is running and has not started it yet.
    fn start_delivering(&self) -> Result<(), Error> {
        if self.delivering.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut threads = self.threads();
        if threads.started { self.start_flusher(&mut threads) } else { Ok(()) }
    }

    /// Stops polling at once, and delivering when all events are delivered or after the timeout.
    /// The remaining events go into the spool, or are dropped if there is none.
    pub(super) fn stop(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.ledger.seal();
        self.polling.stop();
        // Not under the lock: the HTTP library logs, and a logger may call the client.
        let stream = self.threads().stream.take();
        drop(stream);
        let is_blocked =
            !timeout.is_zero() && self.has_undelivered() && check_new_threads(timeout).is_err();
        let timeout = if is_blocked { Duration::ZERO } else { timeout };
        let flusher = {
            let mut threads = self.threads();
            threads.started = false;
            if self.ledger.queued() > 0 && !timeout.is_zero() {
                // A client that was never started delivers its events, too. If the system cannot
                // start a thread, they are spooled or dropped below.
                let _ = self.start_flusher(&mut threads);
            }
            threads.flusher.clone()
        };
        if timeout.is_zero() {
            // Before the thread sends another request.
            self.drain();
        }
        if let Some(flusher) = flusher {
            flusher.stop();
            if !is_blocked && self.has_undelivered() {
                flusher.wait(deadline, self.events.given_up());
            }
        }
        self.drain();
    }

    /// Leaves the event stream open in a forked process: its connection belongs to the other process,
    /// too.
    pub(super) fn leave(&self) {
        std::mem::forget(self.threads().stream.take());
    }

    /// Returns whether events are queued, or the backlog is still to be tried.
    fn has_undelivered(&self) -> bool {
        self.ledger.queued() > 0 || self.backlog_pending.load(Ordering::Acquire)
    }

    /// Spools the remaining events for a later client, or drops them. Waits for another thread that
    /// does the same.
    fn drain(&self) {
        let (count, appended) = {
            let _draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            let events = self.events.give_up();
            if events.is_empty() {
                return;
            }
            let appended = self.spool.as_ref().map(|spool| spool.append(&events));
            match &appended {
                Some(Ok(Appended { kept, dropped })) => self.ledger.spool(*kept, *dropped),
                Some(Err(_)) | None => self.ledger.abandon(events.len()),
            }
            (events.len(), appended)
        };
        // A logger may call the client.
        match appended {
            Some(Ok(Appended { dropped, .. })) if dropped > 0 => {
                log!(warn, "dropped {dropped} events: the event spool is full");
            }
            Some(Ok(Appended { kept, .. })) => {
                log!(debug, "spooled {kept} events for a later client");
            }
            Some(Err(error)) => log!(warn, "lost {count} events: {error}"),
            None => log!(warn, "lost {count} events: not delivered before the client stopped"),
        }
    }

    pub(super) fn track(&self, event: EvaluationEvent) {
        if self.home.is_left() {
            return self.ledger.abandon(1);
        }
        self.events.push(event);
        // If the system cannot start a thread, the next event tries again.
        let _ = self.start_delivering();
    }

    /// Returns the number of events in the spool.
    pub(super) fn in_spool(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.count() as u64)
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.check_home()?;
        if self.ledger.queued() == 0 {
            return Ok(());
        }
        check_new_threads(Duration::MAX).map_err(|cause| Error::Thread { cause: cause.into() })?;
        self.start_delivering()?;
        self.events.flush()
    }

    pub(crate) fn evaluate(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> Result<EvaluationResult, Error> {
        self.check_home()?;
        self.remote.evaluate(flag, context)
    }

    pub(super) fn fetch_ruleset(&self) -> Result<String, Error> {
        self.check_home()?;
        fetch_text(&self.http, &self.paths).map_err(Error::of_rules)
    }

    pub(super) fn refresh(&self) -> Result<bool, Error> {
        self.check_home()?;
        self.polling.refresh()
    }

    /// Returns an error in a forked process: the connections belong to the other process, too, so
    /// that a response could reach the wrong one.
    fn check_home(&self) -> Result<(), Error> {
        if self.home.is_left() { Err(Error::Forked) } else { Ok(()) }
    }

    /// Returns the cache of rulesets; `None` without `cache_dir`.
    pub(crate) fn cache(&self) -> Option<Arc<dyn Cache>> {
        self.cache.clone()
    }

    /// Returns the recorder of evaluations; `None` without `record_evaluations`.
    pub(crate) fn recorder(&self) -> Option<Arc<dyn Recorder>> {
        self.recorder.clone()
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracker for Service {
    fn take(&self, event: EvaluationEvent) {
        self.track(event);
    }
}

fn spawn(
    name: &str,
    body: impl FnOnce(&StopSignal) + Send + 'static,
) -> Result<Arc<Worker>, Error> {
    let worker = Worker::spawn(name, move |stop| body(&stop));
    Ok(Arc::new(worker.map_err(Error::thread)?))
}
