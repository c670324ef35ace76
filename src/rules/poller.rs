//! The thread that polls the service: fetch, install, cache, ready, notify, wait.

use std::sync::Arc;
use std::time::Duration;

use super::cache::{Cache, CacheEntry};
use super::fetch::{ClientView, Failure, Fetcher, NewRuleset};
use super::flags::{Flags, GRACE};
use super::source::RulesSource;
use crate::config::Config;
use crate::error::RequestError;
use crate::http::Http;
use crate::http::Paths;
use crate::http::{Backoff, Retry};
use crate::log::log;
use crate::ruleset::Ruleset;
use crate::worker::guarded;
use crate::worker::{StopSignal, is_stopped, pause};

/// The delay from the start until cached rules are compiled as a whole. A program that ends earlier
/// saves the work.
const COMPILE_DELAY: Duration = Duration::from_millis(50);

/// The state of the polling thread.
pub(crate) struct Poller {
    http: Arc<Http>,
    flags: Arc<Flags>,
    backoff: Backoff,
    /// Zero means: poll until one ruleset is accepted.
    interval: Duration,
    fetcher: Fetcher,
    paths: Arc<Paths>,
    bootstrap_url: Option<String>,
    offline_mode: bool,
    cache: Option<Arc<dyn Cache>>,
    /// The cached rules at the start.
    cached: Option<CacheEntry>,
    /// The ruleset before the one in use. It is kept for a moment, so that no evaluation has to
    /// free it, which takes milliseconds for a large one.
    replaced: Option<Ruleset>,
    grace: Duration,
    /// Whether the last failure was a refused key.
    key_refused: bool,
}

impl Poller {
    pub(crate) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        flags: Arc<Flags>,
        config: &Config,
        cache: Option<Arc<dyn Cache>>,
        cached: Option<CacheEntry>,
    ) -> Poller {
        Poller {
            fetcher: Fetcher::new(
                http.clone(),
                paths.clone(),
                config.conditional_fetch,
                config.environment.clone(),
            ),
            paths,
            http,
            flags,
            backoff: Backoff::new(config.polling_interval),
            interval: config.polling_interval,
            bootstrap_url: config.bootstrap_url.clone(),
            offline_mode: config.offline_mode,
            cache,
            cached,
            replaced: None,
            grace: GRACE,
            key_refused: false,
        }
    }

    /// Returns whether there will ever be a request to send.
    pub(crate) fn has_work(&self) -> bool {
        let fresh = self.cached.as_ref().is_some_and(|cached| cached.fresh);
        !(fresh && self.interval.is_zero())
    }

    /// Polls until there is nothing more to do or the stop signal arrives. A panic does not end
    /// the loop.
    pub(crate) fn run(mut self, stop: &StopSignal) {
        if self.restore() {
            if pause(stop, COMPILE_DELAY) {
                return;
            }
            guarded(|| self.flags.compile());
            let delay = self.backoff.after_success();
            if pause(stop, delay) {
                return;
            }
        }
        loop {
            let delay = guarded(|| self.poll(stop))
                .unwrap_or_else(|| Some(self.backoff.after_failure(Retry::Transient)));
            // After the last poll, a program that ends soon saves the work, too.
            if delay.is_none() && pause(stop, COMPILE_DELAY) {
                return;
            }
            guarded(|| self.flags.compile());
            guarded(|| self.flags.report_unknown());
            let Some(delay) = delay else { return };
            if self.pause(stop, delay) {
                return;
            }
        }
    }

    /// Continues from the cached rules, and returns whether they are fresh.
    fn restore(&mut self) -> bool {
        let Some(cached) = self.cached.take() else { return false };
        self.fetcher.restore(cached.text.text().as_bytes(), cached.etag);
        cached.fresh
    }

    /// Waits, and returns whether the stop signal has arrived.
    fn pause(&mut self, stop: &StopSignal, delay: Duration) -> bool {
        let grace = if self.replaced.is_some() { self.grace.min(delay) } else { Duration::ZERO };
        if pause(stop, grace) {
            return true;
        }
        self.replaced = None;
        pause(stop, delay - grace)
    }

    /// Polls once, and returns the delay until the next poll, or `None` if there is none.
    fn poll(&mut self, stop: &StopSignal) -> Option<Duration> {
        if !self.flags.have_rules() {
            // The cached rules could not be used: an equal response is refused, not unchanged.
            self.fetcher.forget();
        }
        let fetched = self.fetcher.fetch(ClientView {
            ruleset: &|| self.flags.compiled(),
            has_rules: &|| self.flags.have_rules(),
            is_stopped: &|| is_stopped(stop),
        });
        if is_stopped(stop) {
            return None;
        }
        match fetched {
            Ok(new) => {
                if self.backoff.is_failing() {
                    log!(info, "the service responds again");
                }
                match new {
                    Some(new) => self.accept(&new),
                    None => self.confirm(),
                }
                (!self.interval.is_zero()).then(|| self.backoff.after_success())
            }
            Err(Failure { cause, incomplete }) => {
                self.fail(&cause, incomplete, stop);
                Some(self.backoff.after_failure(Retry::of(&cause)))
            }
        }
    }

    /// Uses a new ruleset. Listeners are called last: a program that ends in a listener finds the
    /// ruleset in the cache at its next start.
    fn accept(&mut self, new: &NewRuleset) {
        self.fetcher.accept(new);
        let Some(installed) = self.flags.install(&new.ruleset, RulesSource::Service) else {
            return;
        };
        self.save(new);
        self.flags.readiness.poll_succeeded(true);
        self.replaced = self.flags.notify(installed);
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
        self.flags.readiness.poll_succeeded(false);
    }

    fn save(&self, new: &NewRuleset) {
        if let Some(cache) = &self.cache {
            cache.save(&new.body, new.cacheable_etag());
            self.paths.keep();
        }
    }

    fn fail(
        &mut self,
        failure: &RequestError,
        incomplete: Option<Box<NewRuleset>>,
        stop: &StopSignal,
    ) {
        // A refused key is logged even if other failures precede it.
        let key_refused = Retry::of(failure) == Retry::Permanent;
        if !self.backoff.is_failing() || key_refused && !self.key_refused {
            log!(warn, "failed to fetch the ruleset: {failure:#}");
        }
        self.key_refused = key_refused;
        if let Some(new) = incomplete {
            self.accept_incomplete(&new, failure);
            return;
        }
        // In offline mode, a failed poll makes the client ready, so the bootstrap is tried first.
        if self.offline_mode {
            self.fall_back(stop);
            self.flags.readiness.poll_failed(failure, true);
        } else {
            self.flags.readiness.poll_failed(failure, false);
            self.fall_back(stop);
        }
    }

    /// Fetches and uses the bootstrap URL if there are no rules.
    fn fall_back(&mut self, stop: &StopSignal) {
        let Some(url) = &self.bootstrap_url else {
            return;
        };
        if self.flags.have_rules() {
            return;
        }
        let fetched = self.http.get_anywhere(url).and_then(|response| {
            self.flags
                .parse(&response.body)
                .map_err(|cause| RequestError::Ruleset { url: url.clone(), cause })
        });
        if is_stopped(stop) {
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
            Err(failure) if !self.backoff.is_failing() => {
                log!(warn, "failed to fetch the bootstrap: {failure:#}");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ClientState;
    use crate::ruleset::IndexedText;
    use crate::support::{Reply, Server, ruleset, wait_until};
    use crate::value::Value;
    use crate::worker::Worker;

    /// A poller that polls again soon after a refused key.
    fn poll(server: &Server, flags: &Arc<Flags>, refused_delay: Duration) -> Worker {
        poll_with(server, flags, |poller| {
            poller.backoff = Backoff::for_test(Duration::from_millis(10), refused_delay, 1);
        })
    }

    fn poll_with(server: &Server, flags: &Arc<Flags>, change: impl Fn(&mut Poller)) -> Worker {
        let interval = Duration::from_millis(10);
        let config = Config {
            base_url: server.url(),
            api_key: "sdk-dev-1".to_owned(),
            polling_interval: interval,
            ..Config::default()
        };
        let http = Arc::new(Http::new(&config).unwrap());
        let paths = Arc::new(Paths::new(None));
        let mut poller = Poller::new(http, paths, flags.clone(), &config, None, None);
        change(&mut poller);
        Worker::spawn("poller", move |stop| poller.run(&stop)).unwrap()
    }

    #[test]
    fn recovers_when_a_refused_key_works_again() {
        for status in [401, 403] {
            let server = Server::start(move |_| Reply::status(status));
            let flags = Arc::new(Flags::default());
            let _poller = poll(&server, &flags, Duration::from_millis(20));
            wait_until("the key is refused", || flags.readiness.state() == ClientState::KeyRefused);
            server.respond(|_| Reply::json(ruleset(1, &["a"])));
            wait_until("the client is ready", || flags.readiness.state() == ClientState::Ready);
        }
    }

    #[test]
    fn no_evaluation_has_to_free_a_replaced_ruleset() {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let flags = Arc::new(Flags::default());
        let poller = poll_with(&server, &flags, |poller| {
            poller.backoff = Backoff::for_test(Duration::from_millis(10), Duration::ZERO, 1);
            poller.grace = Duration::from_secs(3600);
        });
        let version = || flags.store.current().map(|ruleset| ruleset.version().clone());
        wait_until("the first ruleset", || version() == Some(Value::from(1)));
        // An evaluation is running while the ruleset is replaced.
        let evaluation = flags.store.current().unwrap();
        let tables = evaluation.weak();
        server.respond(|_| Reply::json(ruleset(2, &["a"])));
        wait_until("the second ruleset", || version() == Some(Value::from(2)));
        drop(evaluation);
        assert!(tables.upgrade().is_some(), "the evaluation freed it");
        drop(poller);
        wait_until("the poller frees it", || tables.upgrade().is_none());
    }

    #[test]
    fn a_response_equal_to_unusable_cached_rules_is_refused() {
        const TEXT: &str = r#"{"flags": 1}"#;
        let server = Server::start(|_| Reply::json(TEXT));
        let mut bytes = Vec::new();
        IndexedText::encode(TEXT, &mut bytes).unwrap();
        let text = Arc::new(IndexedText::decode(bytes, 0).unwrap());
        let cached = CacheEntry {
            ruleset: Ruleset::lazy(text.clone(), None, Ruleset::parse),
            text,
            location: String::new(),
            etag: None,
            age: None,
            fresh: true,
        };
        let flags = Arc::new(Flags::default());
        assert!(flags.serve_cached(&cached.ruleset, "", None, true));
        let _poller = poll_with(&server, &flags, |poller| {
            poller.cached = Some(cached.clone());
            poller.backoff = Backoff::for_test(Duration::from_millis(10), Duration::ZERO, 1);
        });
        wait_until("a refused response", || flags.readiness.polls().refused > 0);
        assert!(!flags.have_rules());
        let state = flags.readiness.state();
        assert!(matches!(state, ClientState::Stale { .. }), "{state}");
    }

    #[test]
    fn polls_slow_down_for_a_refused_key() {
        let server = Server::start(|_| Reply::status(401));
        let flags = Arc::new(Flags::default());
        let _poller = poll(&server, &flags, Duration::from_secs(300));
        wait_until("the key is refused", || flags.readiness.state() == ClientState::KeyRefused);
        // Many polls would fit into this time at the normal interval.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(server.requests().len(), 1);
    }
}
