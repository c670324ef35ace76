//! How a client starts and ends: what its handles share, from the first rules to the last event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::extras::Extras;
use super::overrides::Overrides;
use crate::config::{Bootstrap, Config};
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::Ledger;
use crate::events::{Recorder, Tracker};
use crate::log::log;
use crate::rules::Memory;
use crate::rules::{Flags, Origin};
use crate::rules::{Watch, Watching};

#[cfg(not(feature = "http"))]
use super::no_service::Service;
#[cfg(feature = "http")]
use super::service::Service;

/// Polls that come more often than this are warned of.
const SECOND: Duration = Duration::from_secs(1);

/// What the handles of one client share.
pub(crate) struct Inner {
    pub(crate) config: Arc<Config>,
    pub(crate) overrides: Overrides,
    pub(crate) flags: Arc<Flags>,
    pub(crate) ledger: Arc<Ledger>,
    pub(super) service: Option<Arc<Service>>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    /// Where events go where there is no service.
    pub(crate) sink: Option<Arc<dyn Tracker>>,
    extras: Extras,
    watching: Mutex<Option<Watching>>,
    stage: Mutex<Stage>,
}

/// How far the client has come in its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    New,
    Starting,
    Started,
    Stopped,
}

impl Inner {
    /// Checked settings become a client that has touched nothing yet.
    pub(crate) fn new(config: Config, extras: Extras) -> Result<Inner, Error> {
        let config = Arc::new(config);
        let ledger = Arc::new(Ledger::new(config.event_queue_capacity));
        let service = match config.has_service() {
            true => Some(Service::new(&config, ledger.clone(), &extras)?),
            false => None,
        };
        Ok(Inner {
            overrides: Overrides::default(),
            flags: Arc::new(Flags::of(config.environment.as_deref())),
            config,
            ledger,
            recorder: service.as_ref().and_then(|service| service.recorder()),
            service,
            sink: None,
            extras,
            watching: Mutex::default(),
            stage: Mutex::new(Stage::New),
        })
    }

    pub(super) fn start(&self) -> Result<(), Error> {
        {
            let mut stage = self.lock_stage();
            match *stage {
                Stage::New => *stage = Stage::Starting,
                Stage::Starting | Stage::Started => return Ok(()),
                Stage::Stopped => return Err(Error::Stopped),
            }
        }
        let memory = self.recall();
        let remembered = memory.as_ref().is_some_and(|memory| memory.recalled.is_some());
        let mut watch = if remembered { None } else { self.watch() };
        let bootstrapped = if remembered { Ok(()) } else { self.load_bootstrap(watch.as_mut()) };
        let mut stage = self.lock_stage();
        if *stage == Stage::Stopped {
            return Err(Error::Stopped);
        }
        let watched = watch.is_some();
        let started = self.start_watching(watch).and_then(|()| match &self.service {
            Some(service) => service.start(&self.flags, memory),
            // The file may come later.
            None if watched => Ok(()),
            None => bootstrapped,
        });
        *stage = if started.is_ok() { Stage::Started } else { Stage::New };
        if started.is_ok() && self.service.is_none() {
            self.flags.readiness.make_ready();
        }
        // A logger may call the client.
        drop(stage);
        if started.is_ok() && self.service.is_some() {
            self.warn_of_rapid_polls();
        }
        started
    }

    fn warn_of_rapid_polls(&self) {
        let interval = self.config.polling_interval;
        if interval.is_zero() || interval >= SECOND {
            return;
        }
        let requests = 60_000_000 / interval.subsec_micros().max(1);
        log!(warn, "`polling_interval` is {interval:?}: that makes {requests} requests per minute");
    }

    /// Serves what is remembered, where there is such a thing and a service.
    fn recall(&self) -> Option<Memory> {
        let cache = self.service.as_ref()?.cache()?;
        let recalled = cache.recall().filter(|recalled| {
            let ready = recalled.fresh || self.config.offline_mode;
            self.flags.remember(&recalled.rules, &recalled.location, |readiness| {
                readiness.remembered(recalled.age, ready);
            })
        });
        Some(Memory { cache, recalled })
    }

    /// Returns what watches the bootstrap file, where that was asked for.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        match (&self.config.bootstrap, self.extras.watch) {
            (Some(Bootstrap::File(path)), Some(new)) => Some(new(path, &self.flags, &self.config)),
            _ => None,
        }
    }

    fn start_watching(&self, watch: Option<Box<dyn Watch>>) -> Result<(), Error> {
        if let (Some(watch), Some(interval)) = (watch, self.config.bootstrap_watch) {
            let watching = watch.start(interval).map_err(|cause| Error::Thread { cause })?;
            *self.lock_watching() = Some(watching);
        }
        Ok(())
    }

    /// Serves the bootstrap file or text, where there is one.
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
                self.flags.install(&ruleset, Origin::Bootstrap(&location), |readiness| {
                    if self.config.offline_mode {
                        readiness.make_ready();
                    }
                });
                Ok(())
            }
            Err(cause) => {
                log!(warn, "failed to load bootstrap `{location}`: {cause}");
                Err(Error::Bootstrap { location, cause })
            }
        }
    }

    pub(super) fn stop(&self, patience: Duration) {
        *self.lock_stage() = Stage::Stopped;
        self.flags.close();
        self.flags.readiness.stopped();
        *self.lock_watching() = None;
        if let Some(recorder) = &self.recorder {
            recorder.close();
        }
        match &self.service {
            Some(service) => service.stop(patience),
            None => self.ledger.seal(),
        }
    }

    pub(super) fn context<'a>(
        &'a self,
        context: Option<&'a EvaluationContext>,
    ) -> Option<&'a EvaluationContext> {
        context.or(self.config.default_context.as_deref())
    }

    fn lock_watching(&self) -> MutexGuard<'_, Option<Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stage(&self) -> Stage {
        *self.lock_stage()
    }

    fn lock_stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops with the last handle; nobody waits for the thread that this runs on.
impl Drop for Inner {
    fn drop(&mut self) {
        self.stop(self.config.shutdown_timeout);
    }
}
