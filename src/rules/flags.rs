//! The rules in use, shared by the client and its threads: how they are read and replaced.
//!
//! A cached ruleset may be in use before it is compiled. Until a caller needs the whole, or the
//! service sends another, each flag is compiled at its first evaluation.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::listeners::{Callback, Listeners, Subscription};
use super::misses::Misses;
use super::readiness::Readiness;
use super::source::{Precedence, RulesSource};
use super::store::Store;
use crate::config::{Config, Environment, parse_for};
use crate::context::EvaluationContext;
use crate::log::log;
use crate::ruleset::RulesetError;
use crate::ruleset::{Long, NeedsWhole, Ruleset};
use crate::value::Value;

/// How long a thread that replaced a ruleset keeps it for evaluations that still use it.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The rules in use, the client's readiness and its listeners.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// The environment whose flags are used; `None` for all.
    environment: Option<Environment>,
    pub(super) store: Store,
    pub(crate) readiness: Readiness,
    pub(crate) misses: Arc<Misses>,
    listeners: Arc<Listeners>,
    precedence: Mutex<Precedence>,
    /// The ruleset in use while the store is empty.
    lazy: Mutex<Option<Arc<dyn LazyRuleset>>>,
}

/// A ruleset whose flags are compiled when they are first evaluated.
pub(crate) trait LazyRuleset: Send + Sync + fmt::Debug {
    /// Returns a ruleset that evaluates one flag as the whole would, or `None` if the flag does not
    /// exist.
    fn part(&self, key: &str) -> Result<Option<Ruleset>, NeedsWhole>;

    /// Returns the whole ruleset.
    fn whole(&self) -> Result<Ruleset, RulesetError>;

    /// Returns the text as the service sent it.
    fn text(&self) -> &[u8];

    /// Returns the number of flags in the text, of all environments.
    fn len(&self) -> usize;
}

/// A replacement of the ruleset of which the listeners are not notified yet.
#[must_use]
pub(super) struct Installed<'a> {
    ruleset: &'a Ruleset,
    before: Option<Ruleset>,
    /// The number of the first listener that was added after the replacement.
    listeners_end: u64,
}

impl Flags {
    /// Returns the flags of a client that has no rules yet.
    pub(crate) fn new(config: &Config) -> Flags {
        Flags {
            environment: config.environment.clone(),
            readiness: Readiness::with_patience(config.patience()),
            ..Flags::default()
        }
    }

    /// Parses a ruleset, without the flags of other environments.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        parse_for(self.environment.as_ref(), bytes)
    }

    /// Returns whether there are rules.
    pub(crate) fn have_rules(&self) -> bool {
        self.lazy().is_some() || self.store.current().is_some()
    }

    /// Returns whether rules of the service are in use.
    pub(super) fn are_served(&self) -> bool {
        self.precedence().served
    }

    /// Returns a ruleset that evaluates one flag: the one in use, or a part of it.
    #[inline]
    pub(crate) fn find(&self, key: &str) -> Option<Ruleset> {
        self.store.current().or_else(|| self.find_lazy(key))
    }

    /// Evaluates a flag and passes its value to `read`; `None` if there is no value.
    ///
    /// A short evaluation happens under the lock of the rules. `read` must not run code of the
    /// program. The result is `Copy`, so it has no destructor that would.
    #[inline]
    pub(crate) fn read<T: Copy>(
        &self,
        key: &str,
        context: Option<&EvaluationContext>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        match self.store.read(|ruleset| ruleset.read_short(key, context, &read)) {
            Some(Ok(value)) => value,
            Some(Err(Long)) | None => self.find(key)?.read_value(key, context, read),
        }
    }

    /// Returns the whole ruleset in use.
    pub(crate) fn current(&self) -> Option<Ruleset> {
        self.store.current().or_else(|| {
            self.complete();
            self.store.current()
        })
    }

    /// Returns the number of rulesets that came into force.
    pub(crate) fn loaded(&self) -> u64 {
        self.precedence().loaded
    }

    /// Logs the unknown flags that the program asked for, each once.
    pub(super) fn report_unknown(&self) {
        self.misses.report(|| self.current());
    }

    /// Adds a listener for the rulesets that replace the one in use from now on.
    pub(crate) fn listen(&self, callback: Arc<Callback>) -> Subscription {
        let _precedence = self.precedence();
        self.listeners.add(callback)
    }

    /// Uses a bootstrap if its precedence permits, and returns the ruleset before if an evaluation
    /// may still use it. `ready` is whether a bootstrap makes the client ready.
    pub(crate) fn serve_bootstrap(
        &self,
        ruleset: &Ruleset,
        location: &str,
        ready: bool,
    ) -> Option<Ruleset> {
        let installed = self.install(ruleset, RulesSource::Bootstrap(location))?;
        self.readiness.bootstrap_confirmed();
        if ready {
            self.readiness.make_ready();
        }
        self.notify(installed)
    }

    /// Uses a cached ruleset, and returns whether it did. `age` is the time since the service
    /// confirmed it. Without listeners, nothing is compiled yet.
    pub(crate) fn serve_cached(
        &self,
        cached: &Arc<dyn LazyRuleset>,
        location: &str,
        age: Option<Duration>,
        ready: bool,
    ) -> bool {
        let source = RulesSource::Cache(location);
        let mut precedence = self.precedence();
        if self.listeners.is_empty() {
            if !precedence.permits(source, false) {
                return false;
            }
            precedence.served = true;
            precedence.loaded += 1;
            *self.lock_lazy() = Some(cached.clone());
            drop(precedence);
            self.readiness.rules_cached(age, ready);
            match &self.environment {
                None => log!(info, "flags in use: {}, from {source}", cached.len()),
                Some(Environment { name, .. }) => {
                    log!(
                        info,
                        "flags in use: those of `{name}` among {}, from {source}",
                        cached.len()
                    );
                }
            }
            return true;
        }
        drop(precedence);
        match cached.whole() {
            Ok(ruleset) => {
                if let Some(installed) = self.install(&ruleset, source) {
                    self.readiness.rules_cached(age, ready);
                    self.notify(installed);
                }
                true
            }
            Err(error) => {
                log!(warn, "failed to use the cached ruleset: {error}");
                false
            }
        }
    }

    /// Replaces the ruleset in use if the precedence of the source permits. The caller updates the
    /// readiness, then passes the result to [`notify`](Flags::notify).
    pub(super) fn install<'a>(
        &self,
        ruleset: &'a Ruleset,
        source: RulesSource<'_>,
    ) -> Option<Installed<'a>> {
        let (before, listeners_end, first) = {
            let mut precedence = self.precedence();
            while !self.listeners.is_empty() && self.lazy().is_some() {
                // Listeners receive the difference from the whole ruleset.
                drop(precedence);
                self.complete();
                precedence = self.precedence();
            }
            if !precedence.permits(source, self.have_rules()) {
                return None;
            }
            precedence.served |= matches!(source, RulesSource::Service | RulesSource::Cache(_));
            precedence.loaded += 1;
            let before = self.store.replace(ruleset);
            // The order matters, as in `complete`.
            *self.lock_lazy() = None;
            (before, self.listeners.next(), precedence.loaded == 1)
        };
        match first {
            true => log!(info, "flags in use: {}, from {source}", ruleset.len()),
            false => log!(debug, "flags in use: {}, from {source}", ruleset.len()),
        }
        let problems_before = before.as_ref().map(Ruleset::problems).unwrap_or_default();
        match ruleset.problems() {
            problems if problems == problems_before => {}
            [] => log!(info, "the ruleset from {source} no longer has problems"),
            problems @ [first, ..] => {
                log!(
                    warn,
                    "problems of the ruleset from {source}: {}; first: {first}",
                    problems.len()
                );
            }
        }
        Some(Installed { ruleset, before, listeners_end })
    }

    /// Calls the listeners with what a replacement changed, without a lock, and returns the ruleset
    /// before if an evaluation may still use it.
    pub(super) fn notify(&self, installed: Installed<'_>) -> Option<Ruleset> {
        let Installed { ruleset, before, listeners_end } = installed;
        self.listeners.notify(listeners_end, before.as_ref(), ruleset);
        before.filter(Ruleset::is_shared)
    }

    /// Compiles the rules in use unless they are compiled.
    pub(super) fn complete(&self) {
        let Some(lazy) = self.lazy() else { return };
        let whole = lazy.whole();
        let precedence = self.precedence();
        // Another ruleset may have replaced it meanwhile.
        if self.lazy().is_none() {
            return;
        }
        let failure = whole.map(|ruleset| self.store.replace(&ruleset)).err();
        // Cleared last: a thread that finds it empty looks into the store once more.
        *self.lock_lazy() = None;
        drop(precedence);
        if let Some(error) = failure {
            log!(warn, "failed to use the cached ruleset: {error}");
        }
    }

    /// Closes the rules in use: no source may replace them any more.
    pub(crate) fn close(&self) {
        self.precedence().closed = true;
    }

    #[cold]
    fn find_lazy(&self, key: &str) -> Option<Ruleset> {
        match self.lazy().map(|lazy| lazy.part(key)) {
            Some(Ok(part)) => part,
            Some(Err(NeedsWhole)) => self.current(),
            // The whole ruleset may have taken its place a moment ago.
            None => self.store.current(),
        }
    }

    fn precedence(&self) -> MutexGuard<'_, Precedence> {
        self.precedence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lazy(&self) -> Option<Arc<dyn LazyRuleset>> {
        self.lock_lazy().clone()
    }

    fn lock_lazy(&self) -> MutexGuard<'_, Option<Arc<dyn LazyRuleset>>> {
        self.lazy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::support::SOON;

    #[test]
    fn a_ruleset_is_installed_during_a_long_evaluation() {
        // One rule more than a short evaluation has.
        let rules = vec![r#"{"variation": "on"}"#; 64].join(",");
        let text = format!(
            r#"[{{"key": "f", "variations": [{{"key": "on", "value": true}}],
                "targeting_rules": [{rules}]}}]"#
        );
        let flags = Arc::new(Flags::default());
        let ruleset = Ruleset::parse(&text).unwrap();
        assert!(flags.install(&ruleset, RulesSource::Service).is_some());
        let (sender, evaluated) = mpsc::channel();
        thread::spawn(move || {
            // The last step of an evaluation.
            let install = |value: &Value| {
                assert!(flags.install(&ruleset, RulesSource::Service).is_some());
                value.as_bool()
            };
            let _ = sender.send(flags.read("f", None, install));
        });
        let value = evaluated.recv_timeout(SOON);
        assert_eq!(value, Ok(Some(true)), "the evaluation holds the lock");
    }

    #[test]
    fn a_source_replaces_only_rules_of_lower_precedence() {
        use RulesSource::{Bootstrap, BootstrapUrl, Service};
        let flags = Flags::default();
        let mut version = 0;
        let mut accepts = |source| {
            version += 1;
            let text = format!(r#"{{"version": {version}, "flags": []}}"#);
            let ruleset = Ruleset::parse(&text).unwrap();
            let installed = flags.install(&ruleset, source).is_some();
            let current = flags.store.current();
            assert_eq!(
                installed,
                current.is_some_and(|current| current.version() == &Value::from(version))
            );
            installed
        };
        assert!(accepts(BootstrapUrl));
        assert!(!accepts(BootstrapUrl));
        assert!(accepts(Bootstrap("file")));
        assert!(!accepts(BootstrapUrl));
        assert!(accepts(Bootstrap("file")));
        assert!(accepts(Service));
        assert!(!accepts(Bootstrap("file")));
        assert!(!accepts(BootstrapUrl));
        assert!(accepts(Service));
        flags.close();
        assert!(!accepts(Service));
        assert!(!accepts(Bootstrap("file")));
    }
}
