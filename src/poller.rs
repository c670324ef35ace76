//! The thread that keeps the ruleset fresh: fetch, parse, swap, notify, wait.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{Backoff, Setback};
use crate::cache::{Cache, Memory, Recalled};
use crate::config::Config;
use crate::error::RequestError;
use crate::flags::{Flags, GRACE, Origin};
use crate::guard::guarded;
use crate::http::{Answer, Http};
use crate::json;
use crate::logging::log;
use crate::ruleset::Ruleset;
use crate::ruleset_error::RulesetError;
use crate::value::Value;
use crate::worker::{StopSignal, is_stopped, pause};

const RULESET: &str = "/sdk/ruleset";

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
    conditional: Option<bool>,
    bootstrap_url: Option<String>,
    offline_mode: bool,
    cache: Option<Arc<dyn Cache>>,
    /// What the program knew when it started.
    recalled: Option<Recalled>,
    hasher: RandomState,
    accepted: Option<Accepted>,
    /// The ruleset before the one in use, kept for a moment: to free a large one takes
    /// milliseconds, and no evaluation that was under way should be the one to do that.
    replaced: Option<Ruleset>,
    grace: Duration,
    /// Whether the last failure was a refused key.
    refused: bool,
}

/// The last body that became the ruleset in use.
struct Accepted {
    fingerprint: u64,
    etag: Option<String>,
}

/// A ruleset that is not the one in use.
struct News {
    ruleset: Ruleset,
    body: Vec<u8>,
}

impl Poller {
    pub(crate) fn new(
        http: Arc<Http>,
        flags: Arc<Flags>,
        config: &Config,
        memory: Option<Memory>,
    ) -> Poller {
        let (cache, recalled) = match memory {
            Some(Memory { cache, recalled }) => (Some(cache), recalled),
            None => (None, None),
        };
        Poller {
            http,
            flags,
            backoff: Backoff::new(config.polling_interval),
            interval: config.polling_interval,
            conditional: config.conditional_fetch,
            bootstrap_url: config.bootstrap_url.clone(),
            offline_mode: config.offline_mode,
            cache,
            recalled,
            hasher: RandomState::new(),
            accepted: None,
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
                .unwrap_or_else(|| Some(self.backoff.after_failure(Setback::Passing)));
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
        self.accepted = Some(Accepted {
            fingerprint: self.hasher.hash_one(recalled.rules.text()),
            etag: recalled.etag.filter(|_| self.conditional != Some(false)),
        });
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
        let outcome = self.fetch();
        if is_stopped(stop) {
            return None;
        }
        match outcome {
            Ok(news) => {
                self.accept(news);
                (!self.interval.is_zero()).then(|| self.backoff.after_success())
            }
            Err(failure) => {
                self.fail(&failure, stop);
                Some(self.backoff.after_failure(setback(&failure)))
            }
        }
    }

    /// Asks the service; `None` where the rules in use are still those.
    fn fetch(&mut self) -> Result<Option<News>, RequestError> {
        let etag = self.accepted.as_ref().and_then(|accepted| accepted.etag.clone());
        let Answer { not_modified, etag, body } =
            self.http.get(RULESET, etag.as_deref()).map_err(hint)?;
        if not_modified {
            return Ok(None);
        }
        let fingerprint = self.hasher.hash_one(&body);
        if let Some(accepted) = &mut self.accepted
            && accepted.fingerprint == fingerprint
        {
            // The news is the `ETag` alone; where none was kept, none is wanted.
            accepted.etag = accepted.etag.take().and(etag);
            return Ok(None);
        }
        let ruleset = self
            .flags
            .parse(&body)
            .map_err(|cause| RequestError::Ruleset { url: self.http.url(RULESET), cause })?;
        // Services that send a string derive their ETag from the keys of the flags alone.
        let reliable = matches!(ruleset.version(), Value::Number(_));
        let etag = etag.filter(|_| self.conditional.unwrap_or(reliable));
        self.accepted = Some(Accepted { fingerprint, etag });
        Ok(Some(News { ruleset, body }))
    }

    fn accept(&mut self, news: Option<News>) {
        if self.backoff.is_failing() {
            log!(info, "the service answers again");
        }
        match news {
            Some(News { ruleset, body }) => {
                self.replaced = self.flags.install(&ruleset, Origin::Service, |readiness| {
                    // Before anybody is told: a program that then ends finds it the next time.
                    if let Some(cache) = &self.cache {
                        let etag = self.accepted.as_ref();
                        cache.keep(&body, etag.and_then(|accepted| accepted.etag.as_deref()));
                    }
                    readiness.answered(true);
                });
            }
            None => {
                if self.cache.as_ref().is_some_and(|cache| !cache.confirm()) {
                    // Somebody has cleared the folder, or kept other rules: the next answer is
                    // kept again.
                    self.accepted = None;
                }
                self.flags.readiness.answered(false);
            }
        }
    }

    fn fail(&mut self, failure: &RequestError, stop: &StopSignal) {
        // A key that is refused amid other failures is worth a line of its own.
        let refused = setback(failure) == Setback::Hopeless;
        if !self.backoff.is_failing() || refused && !self.refused {
            log!(warn, "failed to fetch the ruleset: {failure:#}");
        }
        self.refused = refused;
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

/// Asks the service once for its ruleset, and returns the text where it is one.
pub(crate) fn fetch_text(http: &Http) -> Result<String, RequestError> {
    let answer = http.get(RULESET, None).map_err(hint)?;
    let text = json::utf8(&answer.body).map_err(RulesetError::syntax);
    let checked = text.and_then(|text| Ruleset::parse(text).map(|_| text.to_owned()));
    checked.map_err(|cause| RequestError::Ruleset { url: http.url(RULESET), cause })
}

/// Adds the likely reason to a path that is not there.
fn hint(failure: RequestError) -> RequestError {
    match failure {
        RequestError::Status { url, status: 404, code, message, retry_after }
            if !url.contains("/api/v1/") =>
        {
            let hint = "does the base URL lack its `/api/v1`?";
            let message = match message.as_str() {
                "" => hint.to_owned(),
                message => format!("{message} ({hint})"),
            };
            RequestError::Status { url, status: 404, code, message, retry_after }
        }
        failure => failure,
    }
}

fn setback(failure: &RequestError) -> Setback {
    match failure {
        RequestError::Status { status: 401 | 403, .. } => Setback::Hopeless,
        RequestError::Status { retry_after: Some(least), .. } => Setback::RetryAfter(*least),
        _ => Setback::Passing,
    }
}

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(test)]
mod tests {
    use super::support::{Reply, Server, ruleset, wait_until};
    use super::*;
    use crate::readiness::ClientState;
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
        let mut poller = Poller::new(http, flags.clone(), &config, None);
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
