//! One poll of the service: fetch, install, cache, ready, notify.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::{Cache, CacheEntry, NewerFile};
use super::fetch::{ClientView, Failure, Fetcher, NewRuleset};
use super::flags::Flags;
use super::listeners::Differs;
use super::readiness::Readiness;
use super::source::RulesSource;
use super::timetable::Look;
use crate::config::Config;
use crate::error::RequestError;
use crate::http::Http;
use crate::http::Paths;
use crate::http::Retry;
use crate::log::log;
use crate::ruleset::Ruleset;

/// Decides whether a poll needs a request. Only the setting of the cache refers to the function, so
/// that a program without it does not contain the code.
pub(crate) type Share = fn(poller: &mut Poller, look: Look) -> Decision;

/// What a poll does.
pub(crate) enum Decision {
    /// It asks the service. The lock of the cache, if there is one, is released when other processes
    /// can use the response.
    Ask(Option<Box<dyn Send>>),
    /// It has ended without a request.
    Ended(Polled),
}

/// What a poll that has not failed did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Polled {
    /// It asked the service; `new` is whether that brought other rules.
    Asked { new: bool },
    /// It took the result of another process. `age` is the time since that process asked.
    Shared { new: bool, age: Duration },
    /// Another process polls. Look again after this time.
    PutOff(Duration),
}

/// What a client knows from its polls. One thread at a time has it.
pub(crate) struct Poller {
    http: Arc<Http>,
    pub(super) flags: Arc<Flags>,
    fetcher: Fetcher,
    paths: Arc<Paths>,
    bootstrap_url: Option<String>,
    offline_mode: bool,
    pub(super) cache: Option<Arc<dyn Cache>>,
    share: Option<Share>,
    pub(super) interval: Duration,
    pub(super) request_timeout: Duration,
    /// The cached rules at the start, until the first poll.
    cached: Option<CacheEntry>,
    /// The ruleset before the one in use. It is kept for a moment, so that no evaluation has to
    /// free it, which takes milliseconds for a large one.
    pub(super) replaced: Option<Ruleset>,
    /// When the service had answered the last poll, or had failed to.
    pub(super) answered: Option<Instant>,
    failing: bool,
    /// Whether the last failure was a refused key.
    key_refused: bool,
    /// Compares rulesets; `None` if it does not matter whether new ones are others.
    differs: Option<Differs>,
}

impl Poller {
    pub(super) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        flags: Arc<Flags>,
        config: &Config,
        cache: Option<Arc<dyn Cache>>,
        share: Option<Share>,
        differs: Option<Differs>,
    ) -> Poller {
        Poller {
            fetcher: Fetcher::new(
                http.clone(),
                paths.clone(),
                config.conditional_fetch,
                config.parser(),
            ),
            paths,
            http,
            flags,
            bootstrap_url: config.bootstrap_url.clone(),
            offline_mode: config.offline_mode,
            cache,
            share,
            interval: config.polling_interval,
            request_timeout: config.request_timeout,
            cached: None,
            replaced: None,
            answered: None,
            failing: false,
            key_refused: false,
            differs,
        }
    }

    /// Remembers the cached rules, and their text if they are restored soon.
    pub(super) fn remember(&mut self, cached: CacheEntry, soon: bool) {
        match soon {
            true => self.cached = Some(cached),
            false => self.fetcher.restore(None, cached.etag),
        }
    }

    /// Continues from the remembered rules, and frees their text.
    pub(super) fn restore(&mut self) {
        let Some(cached) = self.cached.take() else { return };
        self.fetcher.restore(Some(cached.text.text().as_bytes()), cached.etag);
    }

    /// Polls once. All requests together take one request timeout from `since` on; without it, each
    /// has a timeout of its own. A look without an age asks the service in any case.
    ///
    /// # Errors
    ///
    /// The failure of the last request. The rules in use may be others nevertheless: rules without
    /// their segments, or those of the bootstrap URL.
    pub(super) fn poll(
        &mut self,
        since: Option<Instant>,
        look: Look,
    ) -> Result<Polled, RequestError> {
        self.restore();
        if !self.flags.have_rules() {
            // The cached rules could not be used: an equal response is refused, not unchanged.
            self.fetcher.forget();
        }
        let share = self.share.filter(|_| !look.max_age.is_zero());
        let lock = match share.map(|share| share(self, look)) {
            Some(Decision::Ended(polled)) => return Ok(polled),
            Some(Decision::Ask(lock)) => lock,
            None => None,
        };
        if let Some(cache) = &self.cache {
            cache.note_request();
        }
        let fetched = self.fetcher.fetch(ClientView {
            ruleset: &|| self.flags.compiled(),
            has_rules: &|| self.flags.have_rules(),
            is_stopped: &|| self.flags.are_closed(),
            since,
        });
        self.answered = Some(Instant::now());
        if self.flags.are_closed() {
            return Ok(Polled::Asked { new: false });
        }
        match fetched {
            Ok(new) => {
                self.recover();
                let new = match new {
                    Some(new) => self.accept(&new, lock),
                    None => {
                        self.confirm();
                        false
                    }
                };
                Ok(Polled::Asked { new })
            }
            Err(Failure { cause, incomplete }) => {
                // Other processes need not wait for the listeners of this one.
                drop(lock);
                self.fail(&cause, incomplete, since);
                self.failing = true;
                Err(cause)
            }
        }
    }

    /// Returns the failure of a poll that panicked.
    pub(super) fn panicked(&self) -> RequestError {
        let url = self.http.url(self.paths.known().rules.as_str());
        RequestError::Transport { url, cause: Arc::new(io::Error::other("the poll panicked")) }
    }

    /// Uses the rules that another process has fetched or confirmed. Returns whether they are others,
    /// or `None` if they cannot be used.
    pub(super) fn adopt(&mut self, newer: &NewerFile) -> Option<bool> {
        let cache = self.cache.clone()?;
        let mut header = newer.header;
        let mut ruleset = None;
        if !self.fetcher.has_adopted(&header) {
            let file = cache.read()?;
            header = file.header;
            ruleset = self.fetcher.adopt(&file).ok()?;
        }
        cache.adopt(header, newer.confirmed);
        self.recover();
        let Some(ruleset) = ruleset else {
            self.become_ready(|readiness| readiness.poll_shared(false, newer.age));
            return Some(false);
        };
        let before = self.differs.and_then(|_| self.flags.current());
        let source = RulesSource::Shared(&newer.location);
        let Some(installed) = self.flags.install(&ruleset, source) else { return Some(false) };
        self.flags.readiness.poll_shared(true, newer.age);
        self.replaced = self.flags.notify(installed);
        Some(self.differs.is_none_or(|differs| differs(before.as_ref(), &ruleset)))
    }

    /// Notes that the service has responded.
    fn recover(&mut self) {
        if std::mem::take(&mut self.failing) {
            log!(info, "the service responds again");
        }
    }

    /// Uses a new ruleset, and returns whether it is another one. Listeners are called last: a
    /// program that ends in a listener finds the ruleset in the cache at its next start.
    fn accept(&mut self, new: &NewRuleset, lock: Option<Box<dyn Send>>) -> bool {
        self.fetcher.accept(new);
        let before = self.differs.and_then(|_| self.flags.current());
        let Some(installed) = self.flags.install(&new.ruleset, RulesSource::Service) else {
            return false;
        };
        self.save(new);
        drop(lock);
        self.flags.readiness.poll_succeeded(true);
        self.replaced = self.flags.notify(installed);
        self.differs.is_none_or(|differs| differs(before.as_ref(), &new.ruleset))
    }

    /// Uses a new ruleset without its segments. The next start should not begin with it, so it is
    /// not cached.
    fn accept_incomplete(&mut self, new: &NewRuleset, failure: &RequestError) {
        self.fetcher.accept(new);
        let Some(installed) = self.flags.install(&new.ruleset, RulesSource::Service) else {
            return;
        };
        self.flags.readiness.poll_incomplete(failure);
        self.replaced = self.flags.notify(installed);
    }

    /// Notes that the ruleset in use is unchanged.
    fn confirm(&mut self) {
        if self.cache.as_ref().is_some_and(|cache| !cache.confirm()) {
            // The file was deleted or replaced: the next response is cached again.
            self.fetcher.forget();
        }
        self.become_ready(|readiness| readiness.poll_succeeded(false));
    }

    /// Notes that the ruleset in use is that of the service. If the client was not ready, its variables
    /// are compared with it only now.
    fn become_ready(&self, note: impl FnOnce(&Readiness)) {
        let was_ready = self.flags.readiness.is_ready();
        note(&self.flags.readiness);
        if let Some(ruleset) = self.flags.current().filter(|_| !was_ready) {
            self.flags.report_variables(&ruleset);
        }
    }

    fn save(&self, new: &NewRuleset) {
        if let Some(cache) = &self.cache {
            cache.save(&new.body, new.cacheable_etag());
            self.paths.keep_rules_path();
        }
    }

    fn fail(
        &mut self,
        failure: &RequestError,
        incomplete: Option<Box<NewRuleset>>,
        since: Option<Instant>,
    ) {
        // A refused key is logged even if other failures precede it.
        let key_refused = Retry::of(failure) == Retry::Permanent;
        if !self.failing || key_refused && !self.key_refused {
            log!(warn, "failed to fetch the ruleset: {failure:#}");
        }
        self.key_refused = key_refused;
        if let Some(new) = incomplete {
            self.accept_incomplete(&new, failure);
            return;
        }
        // In offline mode, a failed poll makes the client ready, so the bootstrap is tried first.
        if self.offline_mode {
            self.fall_back(since);
            self.flags.readiness.poll_failed(failure, true);
        } else {
            self.flags.readiness.poll_failed(failure, false);
            self.fall_back(since);
        }
    }

    /// Fetches and uses the bootstrap URL if there are no rules.
    fn fall_back(&mut self, since: Option<Instant>) {
        let Some(url) = &self.bootstrap_url else {
            return;
        };
        if self.flags.have_rules() {
            return;
        }
        let fetched = self.http.get_anywhere(url, since).and_then(|response| {
            self.flags
                .parse(&response.body)
                .map_err(|cause| RequestError::Ruleset { url: url.clone(), cause })
        });
        if self.flags.are_closed() {
            return;
        }
        match fetched {
            Ok(ruleset) => {
                let source = RulesSource::BootstrapUrl;
                let Some(installed) = self.flags.install(&ruleset, source) else { return };
                if self.offline_mode {
                    self.flags.readiness.make_ready();
                }
                self.flags.readiness.bootstrap_confirmed();
                self.replaced = self.flags.notify(installed);
            }
            Err(failure) if !self.failing => {
                log!(warn, "failed to fetch the bootstrap: {failure:#}");
            }
            Err(_) => {}
        }
    }
}
