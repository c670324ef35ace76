//! Who polls, and when: the thread of the client if a poll is due, or a caller of `refresh`.
//!
//! One thread at a time has the poller. Nothing else waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::busy::Busy;
use super::cache::{Cache, CacheEntry};
use super::flags::{Flags, GRACE};
use super::listeners::{Differs, differs};
use super::poller::{Polled, Poller, Share};
use super::timetable::{Look, Timetable};
use crate::config::Config;
use crate::error::{Error, RequestError};
use crate::http::{Http, Paths, Retry, RulesPath};
use crate::worker::guarded;

/// The delay from the start until cached rules are compiled as a whole. A program that ends earlier
/// saves the work.
const COMPILE_DELAY: Duration = Duration::from_millis(50);

/// The polls of one client.
pub(crate) struct Polling {
    http: Arc<Http>,
    flags: Arc<Flags>,
    turn: Mutex<Turn>,
    /// Notified when a poll ends, when another one is due, and by the stop.
    changed: Condvar,
    grace: Duration,
}

/// Whose turn it is.
struct Turn {
    /// `None` while a thread polls.
    poller: Option<Box<Poller>>,
    timetable: Timetable,
    /// The outcome of the last poll, and when the service had answered it.
    outcome: Result<(), RequestError>,
    answered: Option<Instant>,
    stopped: bool,
}

impl Polling {
    pub(crate) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        flags: Arc<Flags>,
        config: &Config,
        cache: Option<Arc<dyn Cache>>,
        share: Option<Share>,
        differs: Option<Differs>,
    ) -> Polling {
        let turn = Turn {
            poller: Some(Box::new(Poller::new(
                http.clone(),
                paths,
                flags.clone(),
                config,
                cache,
                share,
                differs,
            ))),
            timetable: Timetable::new(config.polling_interval, Instant::now()),
            outcome: Ok(()),
            answered: None,
            stopped: false,
        };
        Polling { http, flags, turn: Mutex::new(turn), changed: Condvar::new(), grace: GRACE }
    }

    /// Continues from the cached rules. Returns whether a poll will be due, which needs the thread.
    pub(crate) fn start(&self, cached: Option<CacheEntry>) -> bool {
        let mut turn = self.lock();
        if let Some(cached) = cached {
            if cached.fresh {
                turn.timetable.succeed(Instant::now(), false);
            }
            let has_thread = turn.timetable.due().is_some();
            // If another thread polls, its response is newer.
            if let Some(poller) = &mut turn.poller {
                poller.remember(cached, has_thread);
            }
        }
        turn.timetable.due().is_some()
    }

    /// Hastens the next poll, since the service has announced a change.
    pub(super) fn hasten(&self) {
        self.lock().timetable.hasten(Instant::now());
        self.changed.notify_all();
    }

    /// Stops the thread. Does not wait for a poll that is under way.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Polls until no poll will be due, or the stop.
    pub(crate) fn run(&self) {
        self.restore();
        if self.due_in() != Some(Duration::ZERO) {
            if self.pause(COMPILE_DELAY) {
                return;
            }
            guarded(|| self.flags.compile());
        }
        while let Some(poller) = self.next_turn() {
            let _ = self.poll(poller, None);
            // After the last poll, a program that ends soon saves the work, too.
            let delay = if self.due_in().is_none() { COMPILE_DELAY } else { Duration::ZERO };
            if self.pause(delay) {
                return;
            }
            guarded(|| self.flags.compile());
            guarded(|| self.flags.report_unknown());
            if self.has_replaced() {
                let stopped = self.pause(self.grace.min(self.due_in().unwrap_or_default()));
                self.free_replaced();
                if stopped {
                    return;
                }
            }
        }
    }

    /// Polls now, or waits for a poll that is under way. Returns whether the rules in use are others
    /// than before. Takes at most one request timeout, besides the listeners.
    ///
    /// # Errors
    ///
    /// If the poll fails, in a listener, and after the stop.
    pub(crate) fn refresh(&self) -> Result<bool, Error> {
        if Busy::is_marked(&*self.flags) {
            return Err(Error::Busy);
        }
        let since = Instant::now();
        let (loaded, before) = (self.flags.loaded(), self.flags.compiled());
        let outcome = self.poll_or_join(since);
        // The thread may not come to it before the next poll, or has ended.
        self.free_replaced();
        if self.flags.are_closed() {
            return Err(Error::Stopped);
        }
        self.flags.report_unknown();
        outcome.map_err(Error::of_rules)?;
        if self.flags.loaded() == loaded {
            return Ok(false);
        }
        Ok(self.flags.compiled().is_some_and(|now| differs(before.as_ref(), &now)))
    }

    /// Polls, or waits for a poll that the service answers after `since`, until the stop.
    fn poll_or_join(&self, since: Instant) -> Result<(), RequestError> {
        let mut turn = self.lock();
        while !turn.stopped {
            if turn.answered >= Some(since) {
                return turn.outcome.clone();
            }
            if let Some(poller) = turn.poller.take() {
                drop(turn);
                return self.poll(poller, Some(since));
            }
            let url = self.http.url(RulesPath::Ruleset.as_str());
            let left = self.http.time_left(&url, since.elapsed())?;
            let waited = self.changed.wait_timeout(turn, left);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Reads the cached rules, so that their text can be freed.
    fn restore(&self) {
        let Some(mut poller) = self.lock().poller.take() else { return };
        guarded(|| poller.restore());
        self.lock().poller = Some(poller);
        self.changed.notify_all();
    }

    /// Waits until a poll is due and no other thread polls. Returns `None` if no poll will be due,
    /// or after the stop.
    fn next_turn(&self) -> Option<Box<Poller>> {
        let mut turn = self.lock();
        loop {
            if turn.stopped {
                return None;
            }
            let left = turn.timetable.due()?.saturating_duration_since(Instant::now());
            let left = match turn.poller.take_if(|_| left.is_zero()) {
                Some(poller) => return Some(poller),
                // Another thread polls.
                None if left.is_zero() => Duration::MAX,
                None => left,
            };
            let waited = self.changed.wait_timeout(turn, left);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Polls, and ends the turn. A refresh has begun at `since`: it asks the service, and all its
    /// requests together take one request timeout.
    fn poll(&self, mut poller: Box<Poller>, since: Option<Instant>) -> Result<(), RequestError> {
        let look = self.lock().timetable.begin(Instant::now());
        let look = if since.is_some() { Look::default() } else { look };
        let busy = Busy::mark(&*self.flags);
        let polled = guarded(|| poller.poll(since, look));
        let polled = polled.unwrap_or_else(|| Err(poller.panicked()));
        drop(busy);
        let mut turn = self.lock();
        let now = Instant::now();
        match &polled {
            Ok(Polled::Asked { new }) => turn.timetable.succeed(now, *new),
            Ok(Polled::Shared { new, age }) => turn.timetable.share(now, *new, *age),
            Ok(Polled::PutOff(delay)) => turn.timetable.put_off(now, *delay),
            Err(failure) => turn.timetable.fail(now, Retry::of(failure)),
        }
        let is_asked = !matches!(polled, Ok(Polled::Shared { .. } | Polled::PutOff(_)));
        let outcome = polled.map(drop);
        if is_asked {
            turn.outcome = outcome.clone();
            turn.answered = poller.answered;
        }
        turn.poller = Some(poller);
        drop(turn);
        self.changed.notify_all();
        outcome
    }

    /// Returns whether there is a ruleset to free.
    fn has_replaced(&self) -> bool {
        self.lock().poller.as_ref().is_some_and(|poller| poller.replaced.is_some())
    }

    /// Frees the ruleset before the one in use.
    fn free_replaced(&self) {
        let replaced = self.lock().poller.as_mut().and_then(|poller| poller.replaced.take());
        drop(replaced);
    }

    /// Returns the time until the next poll is due; `None` if none will be.
    fn due_in(&self) -> Option<Duration> {
        let due = self.lock().timetable.due();
        Some(due?.saturating_duration_since(Instant::now()))
    }

    /// Waits, and returns whether the thread is stopped.
    fn pause(&self, delay: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), delay, |turn| !turn.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Backoff;
    use crate::rules::ClientState;
    use crate::rules::poller::Decision;
    use crate::ruleset::{IndexedText, Ruleset};
    use crate::support::{Reply, Server, ruleset, wait_until};
    use crate::worker::spawn_detached;

    const INTERVAL: Duration = Duration::from_millis(10);

    fn polling(server: &Server, flags: &Arc<Flags>, share: Option<Share>) -> Polling {
        let config = Config {
            base_url: server.url(),
            api_key: "sdk-dev-1".to_owned(),
            polling_interval: INTERVAL,
            ..Config::default()
        };
        let http = Arc::new(Http::new(&config).unwrap());
        let paths = Arc::new(Paths::new(None));
        Polling::new(http, paths, flags.clone(), &config, None, share, None)
    }

    /// A thread that polls. It stops when this is dropped.
    struct Thread(Arc<Polling>);

    impl Drop for Thread {
        fn drop(&mut self) {
            self.0.stop();
        }
    }

    /// Polls again soon after a refused key.
    fn poll(server: &Server, flags: &Arc<Flags>, refused_delay: Duration) -> Thread {
        poll_with(server, flags, refused_delay, |_| {})
    }

    fn poll_with(
        server: &Server,
        flags: &Arc<Flags>,
        refused_delay: Duration,
        change: impl Fn(&mut Polling),
    ) -> Thread {
        let mut polling = polling(server, flags, None);
        let backoff = Backoff::for_test(INTERVAL, refused_delay, 1);
        polling.lock().timetable = Timetable::for_test(backoff, INTERVAL);
        change(&mut polling);
        let polling = Arc::new(polling);
        let thread = Thread(polling.clone());
        spawn_detached("poller", move || polling.run()).unwrap();
        thread
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
        let hour = Duration::from_secs(3600);
        // One poll at once, and the next one much later.
        let one_poll = || Timetable::for_test(Backoff::for_test(hour, hour, 1), hour);
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let flags = Arc::new(Flags::default());
        let poller = poll_with(&server, &flags, hour, |polling| {
            polling.grace = hour;
            polling.lock().timetable = one_poll();
        });
        wait_until("the first ruleset", || poller.0.lock().answered.is_some());
        // An evaluation is running while the ruleset is replaced.
        let evaluation = flags.store.current().unwrap();
        let tables = evaluation.weak();
        server.respond(|_| Reply::json(ruleset(2, &["a"])));
        poller.0.lock().timetable = one_poll();
        poller.0.changed.notify_all();
        wait_until("the second ruleset", || poller.0.has_replaced());
        drop(evaluation);
        assert!(tables.upgrade().is_some(), "the evaluation freed it");
        drop(poller);
        wait_until("the poller frees it", || tables.upgrade().is_none());
    }

    #[test]
    fn a_refresh_keeps_no_replaced_ruleset() {
        for interval in [Duration::ZERO, Duration::from_secs(3600)] {
            let server = Server::with_ruleset(ruleset(1, &["a"]));
            let flags = Arc::new(Flags::default());
            let polling = poll_with(&server, &flags, Duration::ZERO, |polling| {
                polling.lock().timetable = Timetable::new(interval, Instant::now());
            });
            wait_until("a poll", || polling.0.lock().answered.is_some());
            let tables = flags.store.current().unwrap().weak();
            server.respond(|_| Reply::json(ruleset(2, &["b"])));
            assert!(polling.0.refresh().unwrap());
            wait_until("the first ruleset is freed", || tables.upgrade().is_none());
        }
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
        let _poller = poll_with(&server, &flags, Duration::ZERO, |polling| {
            assert!(polling.start(Some(cached.clone())));
        });
        wait_until("a refused response", || flags.readiness.polls().refused > 0);
        assert!(!flags.have_rules());
        let state = flags.readiness.state();
        assert!(matches!(state, ClientState::Stale { .. }), "{state}");
    }

    #[test]
    fn a_refresh_joins_no_poll_without_a_request() {
        let server = Server::start(|_| Reply::status(500));
        let put_off: Share = |_, _| Decision::Ended(Polled::PutOff(INTERVAL));
        let shared: Share =
            |_, _| Decision::Ended(Polled::Shared { new: false, age: Duration::ZERO });
        for (requests, share) in [(1, put_off), (2, shared)] {
            let polling = polling(&server, &Arc::new(Flags::default()), Some(share));
            let since = Instant::now();
            assert!(polling.poll_or_join(since).is_err());
            let poller = polling.lock().poller.take().unwrap();
            assert!(polling.poll(poller, None).is_ok());
            // One that has begun before the failure.
            assert!(polling.poll_or_join(since).is_err());
            assert_eq!(server.requests().len(), requests);
        }
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
