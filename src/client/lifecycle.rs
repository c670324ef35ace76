//! Start and stop of a client, and the state that its handles share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::extras::Extras;
use super::home::Home;
use super::observer::Observer;
use super::overrides::Overrides;
use crate::config::{Bootstrap, Config};
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::{Ledger, Tracker};
use crate::log::log;
use crate::rules::{CacheEntry, Flags, Watch, WatchThread};

#[cfg(not(feature = "http"))]
use super::no_service::Service;
#[cfg(feature = "http")]
use super::service::Service;

/// A shorter polling interval logs a warning.
const SECOND: Duration = Duration::from_secs(1);

/// How often a start checks whether another one, which may read a slow disk, has ended.
const START_CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// How long a start waits for another one.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The state that the handles of one client share.
pub(crate) struct Inner {
    pub(crate) config: Arc<Config>,
    pub(crate) overrides: Overrides,
    pub(crate) flags: Arc<Flags>,
    pub(crate) ledger: Arc<Ledger>,
    pub(super) service: Option<Arc<Service>>,
    /// Sees the evaluations.
    pub(crate) observer: Option<Observer>,
    /// Receives the events of a client without a service.
    pub(crate) tracker: Option<Arc<dyn Tracker>>,
    pub(super) home: Arc<Home>,
    extras: Extras,
    watching: Mutex<Option<WatchThread>>,
    run_state: Mutex<RunState>,
}

/// Whether the client is started or stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RunState {
    New,
    /// This thread is starting it.
    Starting(ThreadId),
    Started,
    Stopped,
}

impl RunState {
    /// Returns the error of a call that needs a started client, or `None` if it was started.
    pub(super) fn before_start(self) -> Option<Error> {
        match self {
            RunState::New => Some(Error::NotStarted),
            RunState::Starting(_) => Some(Error::Starting),
            RunState::Started | RunState::Stopped => None,
        }
    }
}

/// A start that has begun. Dropping it ends the start: if that failed, the client can be started
/// again.
struct Starting<'a>(&'a Inner);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        let mut run_state = self.0.lock_run_state();
        if matches!(*run_state, RunState::Starting(_)) {
            *run_state = RunState::New;
        }
    }
}

impl Inner {
    /// Uses no network, reads no file and starts no thread.
    pub(crate) fn new(config: Config, extras: Extras) -> Result<Inner, Error> {
        let config = Arc::new(config);
        let ledger = Arc::new(Ledger::new(config.event_queue_capacity));
        let home = Arc::new(Home::new(ledger.clone()));
        let variables = extras.variables.map_or(Ok(None), |read| read())?;
        let flags = Arc::new(Flags::new(&config, variables));
        let service = match config.has_service() {
            true => Some(Service::new(&config, &flags, ledger.clone(), home.clone(), &extras)?),
            false => None,
        };
        let recorder = service.as_ref().and_then(|service| service.recorder());
        Ok(Inner {
            overrides: Overrides::new(flags.clone()),
            flags,
            config,
            ledger,
            observer: Observer::new(extras.hook.clone(), recorder),
            service,
            tracker: None,
            home,
            extras,
            watching: Mutex::default(),
            run_state: Mutex::new(RunState::New),
        })
    }

    pub(super) fn start(&self) -> Result<(), Error> {
        if self.home.is_left() {
            return Err(Error::Forked);
        }
        let Some(_starting) = self.begin_start()? else { return Ok(()) };
        self.flags.readiness.start();
        let cached = self.serve_cached();
        let mut watch = if cached.is_some() { None } else { self.new_watch() };
        let bootstrapped =
            if cached.is_some() { Ok(()) } else { self.load_bootstrap(watch.as_mut()) };
        let mut run_state = self.lock_run_state();
        if *run_state == RunState::Stopped {
            return Err(Error::Stopped);
        }
        let watched = watch.is_some();
        let started = self.start_watching(watch).and_then(|()| match &self.service {
            Some(service) => service.start(cached),
            // The file may appear later.
            None if watched => Ok(()),
            None => bootstrapped,
        });
        started?;
        *run_state = RunState::Started;
        if self.service.is_some() || watched {
            self.home.settle();
        }
        if self.service.is_none() {
            self.flags.readiness.make_ready();
        }
        // A logger may call the client.
        drop(run_state);
        if self.service.is_some() {
            self.warn_of_rapid_polls();
        }
        Ok(())
    }

    /// Begins a start, or returns `None` if the client is started. Waits for a start on another
    /// thread. A listener or a logger of a start on this thread does not wait for that start.
    fn begin_start(&self) -> Result<Option<Starting<'_>>, Error> {
        let own = RunState::Starting(thread::current().id());
        // By the clock: a sleep may take much longer than it should.
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let mut run_state = self.lock_run_state();
            match *run_state {
                RunState::New => {
                    *run_state = own;
                    return Ok(Some(Starting(self)));
                }
                RunState::Started => return Ok(None),
                RunState::Starting(_) if *run_state == own => return Ok(None),
                RunState::Starting(_) if Instant::now() >= deadline => return Err(Error::Starting),
                RunState::Starting(_) => {}
                RunState::Stopped => return Err(Error::Stopped),
            }
            drop(run_state);
            thread::sleep(START_CHECK_INTERVAL);
        }
    }

    fn warn_of_rapid_polls(&self) {
        let interval = self.config.polling_interval;
        if interval.is_zero() || interval >= SECOND {
            return;
        }
        let requests = 60_000_000 / interval.subsec_micros().max(1);
        log!(warn, "`polling_interval` is {interval:?}: that makes {requests} requests per minute");
    }

    /// Serves the cached ruleset and returns it, or `None`.
    fn serve_cached(&self) -> Option<CacheEntry> {
        let cached = self.service.as_ref()?.cache()?.load()?;
        let ready = cached.fresh || self.config.offline_mode;
        let CacheEntry { ruleset, location, age, .. } = &cached;
        self.flags.serve_cached(ruleset, location, *age, ready).then_some(cached)
    }

    /// Returns the watch of the bootstrap file; `None` without `bootstrap_watch`.
    fn new_watch(&self) -> Option<Box<dyn Watch>> {
        match (&self.config.bootstrap, self.extras.watch) {
            (Some(Bootstrap::File { path, given }), Some(new)) => {
                Some(new(path, given, &self.flags, &self.config))
            }
            _ => None,
        }
    }

    fn start_watching(&self, watch: Option<Box<dyn Watch>>) -> Result<(), Error> {
        if let (Some(watch), Some(interval)) = (watch, self.config.bootstrap_watch) {
            let watching = watch.start(interval).map_err(Error::thread)?;
            *self.lock_watching() = Some(watching);
        }
        Ok(())
    }

    /// Serves the bootstrap file or text, if there is one.
    fn load_bootstrap(&self, watch: Option<&mut Box<dyn Watch>>) -> Result<(), Error> {
        let Some(bootstrap) = &self.config.bootstrap else {
            return Ok(());
        };
        let location = bootstrap.location();
        let loaded = match watch {
            Some(watch) => watch.changed(),
            None => bootstrap.load(&self.flags, self.config.max_body_size).map(Some),
        };
        match loaded {
            Ok(None) => Ok(()),
            Ok(Some(ruleset)) => {
                self.flags.serve_bootstrap(&ruleset, &location, self.config.offline_mode);
                Ok(())
            }
            Err(cause) => {
                log!(warn, "failed to load bootstrap `{location}`: {cause}");
                self.flags.readiness.bootstrap_failed(&location, &cause);
                Err(Error::Bootstrap { location, cause })
            }
        }
    }

    pub(super) fn stop(&self, timeout: Duration) {
        *self.lock_run_state() = RunState::Stopped;
        if self.home.is_left() {
            // Before the locks below: a thread of the client may have held one at the fork.
            if let Some(service) = &self.service {
                service.leave();
            }
            return;
        }
        self.flags.close();
        self.flags.readiness.stop();
        *self.lock_watching() = None;
        if let Some(recorder) = self.observer.as_ref().and_then(Observer::recorder) {
            recorder.close();
        }
        match &self.service {
            Some(service) => service.stop(timeout),
            None => self.ledger.seal(),
        }
    }

    pub(super) fn context<'a>(
        &'a self,
        context: Option<&'a EvaluationContext>,
    ) -> Option<&'a EvaluationContext> {
        context.or(self.config.default_context.as_deref())
    }

    fn lock_watching(&self) -> MutexGuard<'_, Option<WatchThread>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run_state(&self) -> RunState {
        *self.lock_run_state()
    }

    fn lock_run_state(&self) -> MutexGuard<'_, RunState> {
        self.run_state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the client with its last handle.
impl Drop for Inner {
    fn drop(&mut self) {
        self.stop(self.config.shutdown_timeout);
    }
}
