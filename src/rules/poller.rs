//! The thread that keeps the ruleset fresh: fetch, swap, notify, wait.

use std::sync::Arc;
use std::time::Duration;

use super::cache::{Cache, Memory, Recalled};
use super::fetch::{Caller, Failure, Fetcher, News};
use super::state::{Flags, GRACE, Origin};
use crate::config::Config;
use crate::error::RequestError;
use crate::http::Http;
use crate::http::Paths;
use crate::http::{Backoff, Retry};
use crate::log::log;
use crate::ruleset::Ruleset;
use crate::worker::guarded;
use crate::worker::{StopSignal, is_stopped, pause};

/// How long after the start remembered rules are compiled that nobody has asked for as a whole. A
/// program that ends before that is spared the work.
const LATER: Duration = Duration::from_millis(50);

/// What the thread needs and remembers.
pub(crate) struct Poller {
    http: Arc<Http>,
    flags: Arc<Flags>,
    backoff: Backoff,
    /// Zero: until one ruleset is accepted.
    interval: Duration,
    fetcher: Fetcher,
    paths: Arc<Paths>,
    bootstrap_url: Option<String>,
    offline_mode: bool,
    cache: Option<Arc<dyn Cache>>,
    /// What the program knew when it started.
    recalled: Option<Recalled>,
    /// The ruleset before the one in use, kept for a moment: to free a large one takes
    /// milliseconds, and no evaluation that was under way should be the one to do that.
    replaced: Option<Ruleset>,
    grace: Duration,
    /// Whether the last failure was a refused key.
    refused: bool,
}

impl Poller {
    pub(crate) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        flags: Arc<Flags>,
        config: &Config,
        memory: Option<Memory>,
    ) -> Poller {
        let (cache, recalled) = match memory {
            Some(Memory { cache, recalled }) => (Some(cache), recalled),
            None => (None, None),
        };
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
            recalled,
            replaced: None,
            grace: GRACE,
            refused: false,
        }
    }

    /// Returns whether anything will ever have to be asked.
    pub(crate) fn has_work(&self) -> bool {
        let fresh = self.recalled.as_ref().is_some_and(|recalled| recalled.fresh);
        !(fresh && self.interval.is_zero())
    }

    /// Polls until there is nothing more to do, or the signal comes. A logger that panics does not
    /// end it.
    pub(crate) fn run(mut self, stop: &StopSignal) {
        if self.waits_its_turn() {
            if pause(stop, LATER) {
                return;
            }
            guarded(|| self.flags.complete());
            let delay = self.backoff.after_success();
            if pause(stop, delay) {
                return;
            }
        }
        loop {
            let delay = guarded(|| self.poll(stop))
                .unwrap_or_else(|| Some(self.backoff.after_failure(Retry::Transient)));
            let Some(delay) = delay else { return };
            guarded(|| self.flags.complete());
            if self.pause(stop, delay) {
                return;
            }
        }
    }

    /// Takes over what the program knew when it started, and returns whether that is fresh.
    fn waits_its_turn(&mut self) -> bool {
        let Some(recalled) = self.recalled.take() else { return false };
        self.fetcher.recall(recalled.rules.text(), recalled.etag);
        recalled.fresh
    }

    /// Waits, and returns whether the signal to stop came meanwhile.
    fn pause(&mut self, stop: &StopSignal, delay: Duration) -> bool {
        let grace = if self.replaced.is_some() { self.grace.min(delay) } else { Duration::ZERO };
        if pause(stop, grace) {
            return true;
        }
        self.replaced = None;
        pause(stop, delay - grace)
    }

    /// Polls once, and returns how long to wait before the next time; `None` where there is none.
    fn poll(&mut self, stop: &StopSignal) -> Option<Duration> {
        let outcome = self.fetcher.fetch(Caller {
            in_use: &|| self.flags.current(),
            has_rules: &|| self.flags.have_rules(),
            is_stopped: &|| is_stopped(stop),
        });
        if is_stopped(stop) {
            return None;
        }
        match outcome {
            Ok(news) => {
                self.accept(news);
                (!self.interval.is_zero()).then(|| self.backoff.after_success())
            }
            Err(Failure { cause, incomplete }) => {
                self.fail(&cause, incomplete, stop);
                Some(self.backoff.after_failure(retry(&cause)))
            }
        }
    }

    fn accept(&mut self, news: Option<News>) {
        if self.backoff.is_failing() {
            log!(info, "the service answers again");
        }
        match news {
            Some(news) => {
                self.fetcher.accept(&news);
                self.replaced = self.flags.install(&news.ruleset, Origin::Service, |readiness| {
                    // Before anybody is told: a program that then ends finds it the next time.
                    if let Some(cache) = &self.cache {
                        cache.keep(&news.body, news.kept_etag());
                        self.paths.keep();
                    }
                    readiness.answered(true);
                });
            }
            None => {
                if self.cache.as_ref().is_some_and(|cache| !cache.confirm()) {
                    // Somebody has cleared the folder, or kept other rules: the next answer is
                    // kept again.
                    self.fetcher.forget();
                }
                self.flags.readiness.answered(false);
            }
        }
    }

    fn fail(&mut self, failure: &RequestError, incomplete: Option<Box<News>>, stop: &StopSignal) {
        // A key that is refused amid other failures is worth a line of its own.
        let refused = retry(failure) == Retry::Permanent;
        if !self.backoff.is_failing() || refused && !self.refused {
            log!(warn, "failed to fetch the ruleset: {failure:#}");
        }
        self.refused = refused;
        if let Some(news) = incomplete {
            self.make_do(&news, failure);
            return;
        }
        // Whoever waits hears of the failure at once, but in offline mode it is no reason to give
        // up before the bootstrap has been tried.
        if self.offline_mode {
            self.fall_back(stop);
            self.flags.readiness.failed(failure, true);
        } else {
            self.flags.readiness.failed(failure, false);
            self.fall_back(stop);
        }
    }

    /// Serves rules without their segments: better than none, but not what the next start should
    /// begin with.
    fn make_do(&mut self, news: &News, failure: &RequestError) {
        self.fetcher.accept(news);
        self.replaced = self.flags.install(&news.ruleset, Origin::Service, |readiness| {
            readiness.answered_in_part(failure);
        });
    }

    /// Serves the bootstrap URL while there are no rules.
    fn fall_back(&mut self, stop: &StopSignal) {
        let Some(url) = &self.bootstrap_url else {
            return;
        };
        if self.flags.have_rules() {
            return;
        }
        let fetched = self.http.get_anywhere(url).and_then(|answer| {
            self.flags
                .parse(&answer.body)
                .map_err(|cause| RequestError::Ruleset { url: url.clone(), cause })
        });
        if is_stopped(stop) {
            return;
        }
        match fetched {
            Ok(ruleset) => {
                self.replaced = self.flags.install(&ruleset, Origin::BootstrapUrl, |readiness| {
                    if self.offline_mode {
                        readiness.make_ready();
                    }
                });
            }
            Err(failure) if !self.backoff.is_failing() => {
                log!(warn, "failed to fetch the bootstrap: {failure:#}");
            }
            Err(_) => {}
        }
    }
}

fn retry(failure: &RequestError) -> Retry {
    match failure {
        RequestError::Status { status: 401 | 403, .. } => Retry::Permanent,
        RequestError::Status { retry_after: Some(least), .. } => Retry::After(*least),
        _ => Retry::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ClientState;
    use crate::support::{Reply, Server, ruleset, wait_until};
    use crate::value::Value;
    use crate::worker::Worker;

    /// A poller that soon asks again after a refused key.
    fn poll(server: &Server, flags: &Arc<Flags>, hopeless: Duration) -> Worker {
        poll_with(server, flags, |poller| {
            poller.backoff = Backoff::for_test(Duration::from_millis(10), hopeless, 1);
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
        let mut poller = Poller::new(http, paths, flags.clone(), &config, None);
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
        // An evaluation that is under way while the ruleset is replaced.
        let evaluation = flags.store.current().unwrap();
        let tables = evaluation.weak();
        server.respond(|_| Reply::json(ruleset(2, &["a"])));
        wait_until("the second ruleset", || version() == Some(Value::from(2)));
        drop(evaluation);
        assert!(tables.upgrade().is_some(), "it was freed by the evaluation");
        drop(poller);
        wait_until("the poller frees it", || tables.upgrade().is_none());
    }

    #[test]
    fn polls_slow_down_for_a_refused_key() {
        let server = Server::start(|_| Reply::status(401));
        let flags = Arc::new(Flags::default());
        let _poller = poll(&server, &flags, Duration::from_secs(300));
        wait_until("the key is refused", || flags.readiness.state() == ClientState::KeyRefused);
        // As many polls as the interval allows would have come many times over.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(server.requests().len(), 1);
    }
}
