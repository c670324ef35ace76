//! The rules in use, shared by the client and its threads: how they are read and replaced.
//!
//! A cached ruleset compiles each flag when it is first used. It is replaced by its compiled form when
//! a caller needs all flags, or by the poller.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::busy::Busy;
use super::listeners::{Callback, Listeners, Subscription};
use super::misses::Misses;
use super::readiness::Readiness;
use super::source::{Precedence, RulesSource};
use super::store::Store;
use super::variables::Variables;
use crate::config::{Config, Parser};
use crate::context::EvaluationContext;
use crate::log::log;
use crate::ruleset::{Long, Problem, Ruleset, RulesetError};
use crate::value::Value;

/// How long a thread that replaced a ruleset keeps it for evaluations that still use it.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The rules in use, the client's readiness and its listeners.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    parser: Parser,
    pub(super) store: Store,
    pub(crate) readiness: Readiness,
    pub(crate) misses: Arc<Misses>,
    /// The overrides from the environment; `None` without any.
    pub(crate) variables: Option<Arc<dyn Variables>>,
    has_service: bool,
    listeners: Arc<Listeners>,
    precedence: Mutex<Precedence>,
}

/// A replacement of the ruleset of which the listeners are not notified yet.
#[must_use]
pub(super) struct Installed<'a> {
    ruleset: &'a Ruleset,
    source: RulesSource<'a>,
    before: Option<Ruleset>,
    /// Whether it is the first ruleset in force.
    first: bool,
    /// The number of the first listener that was added after the replacement.
    listeners_end: u64,
}

impl Flags {
    /// Returns the flags of a client that has no rules yet.
    pub(crate) fn new(config: &Config, variables: Option<Arc<dyn Variables>>) -> Flags {
        Flags {
            parser: config.parser(),
            readiness: Readiness::with_patience(config.patience()),
            variables,
            has_service: config.has_service(),
            ..Flags::default()
        }
    }

    /// Parses a ruleset, without the flags of other environments.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        self.parser.parse(bytes)
    }

    /// Returns whether there are rules.
    pub(crate) fn have_rules(&self) -> bool {
        self.store.read(|_| ()).is_some()
    }

    /// Returns whether rules of the service are in use.
    pub(super) fn are_served(&self) -> bool {
        self.precedence().served
    }

    /// Returns the ruleset in use. It may be lazy.
    #[inline]
    pub(crate) fn current(&self) -> Option<Ruleset> {
        self.store.current()
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
            Some(Err(Long)) | None => self.current()?.read_value(key, context, read),
        }
    }

    /// Returns the ruleset in use with all flags compiled.
    pub(crate) fn compiled(&self) -> Option<Ruleset> {
        self.compile();
        self.current()
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
        cached: &Ruleset,
        location: &str,
        age: Option<Duration>,
        ready: bool,
    ) -> bool {
        let cached = match self.listeners.is_empty() {
            true => Ok(cached.clone()),
            false => cached.compiled(),
        };
        let ruleset = match cached {
            Ok(ruleset) => ruleset,
            Err(error) => {
                log_unusable(&error);
                return false;
            }
        };
        let Some(installed) = self.install(&ruleset, RulesSource::Cache(location)) else {
            return false;
        };
        self.readiness.rules_cached(age, ready);
        self.notify(installed);
        true
    }

    /// Replaces the ruleset in use if the precedence of the source permits. The caller updates the
    /// readiness, then passes the result to [`notify`](Flags::notify).
    pub(super) fn install<'a>(
        &self,
        ruleset: &'a Ruleset,
        source: RulesSource<'a>,
    ) -> Option<Installed<'a>> {
        let (before, listeners_end, first) = {
            let mut precedence = self.precedence();
            if !precedence.permits(source, self.have_rules()) {
                return None;
            }
            precedence.served |= source.is_service();
            precedence.loaded += 1;
            (self.store.replace(Some(ruleset)), self.listeners.next(), precedence.loaded == 1)
        };
        Some(Installed { ruleset, source, before, first, listeners_end })
    }

    /// Logs a replacement, calls the listeners with what it changed, without a lock, and returns the
    /// ruleset before if an evaluation may still use it.
    pub(super) fn notify(&self, installed: Installed<'_>) -> Option<Ruleset> {
        let _busy = Busy::mark(self);
        self.log(&installed);
        let Installed { ruleset, before, listeners_end, .. } = installed;
        self.report_variables(ruleset);
        self.listeners.notify(listeners_end, before.as_ref(), ruleset);
        before.filter(Ruleset::is_shared)
    }

    /// Logs likely mistakes in the variables that override flags. While the client waits for the rules of
    /// the service, those of a bootstrap or an old cache may lack new flags.
    pub(super) fn report_variables(&self, ruleset: &Ruleset) {
        if let Some(variables) = &self.variables {
            let is_complete = !self.has_service || self.readiness.is_ready();
            variables.report(ruleset, is_complete);
        }
    }

    /// Logs where a ruleset is from, and its problems if they differ from those before. A lazy ruleset
    /// is not compiled for that.
    fn log(&self, installed: &Installed<'_>) {
        let Installed { ruleset, source, before, first, .. } = installed;
        match self.parser.environment() {
            Some(name) if ruleset.is_lazy() => {
                let count = ruleset.listed_flags();
                log!(info, "flags in use: those of `{name}` among {count}, from {source}");
            }
            _ if *first => log!(info, "flags in use: {}, from {source}", ruleset.listed_flags()),
            _ => log!(debug, "flags in use: {}, from {source}", ruleset.listed_flags()),
        }
        if ruleset.is_lazy() {
            return;
        }
        let before = before.as_ref().filter(|before| !before.is_lazy());
        let problems_before = before.map(Ruleset::problems).unwrap_or_default();
        match ruleset.problems() {
            problems if problems == problems_before => {}
            [] => log!(info, "the ruleset from {source} no longer has problems"),
            problems => log_problems(source, problems),
        }
    }

    /// Replaces a lazy ruleset by its compiled form, which frees its text, and logs its problems.
    pub(crate) fn compile(&self) {
        let is_lazy = || self.store.read(Ruleset::is_lazy) == Some(true);
        let Some(lazy) = self.current().filter(Ruleset::is_lazy) else { return };
        let compiled = lazy.compiled();
        let precedence = self.precedence();
        // Another ruleset may have replaced it meanwhile.
        if !is_lazy() {
            return;
        }
        let before = self.store.replace(compiled.as_ref().ok());
        drop(precedence);
        drop(before);
        match compiled {
            Ok(ruleset) => log_problems(&"the cache", ruleset.problems()),
            Err(error) => log_unusable(&error),
        }
    }

    /// Returns whether the rules in use are closed.
    #[cfg(feature = "http")]
    pub(super) fn are_closed(&self) -> bool {
        self.precedence().closed
    }

    /// Closes the rules in use: no source may replace them any more.
    pub(crate) fn close(&self) {
        self.precedence().closed = true;
    }

    fn precedence(&self) -> MutexGuard<'_, Precedence> {
        self.precedence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_problems(source: &dyn fmt::Display, problems: &[Problem]) {
    if let [first, ..] = problems {
        log!(warn, "problems of the ruleset from {source}: {}; first: {first}", problems.len());
    }
}

fn log_unusable(error: &RulesetError) {
    log!(warn, "failed to use the cached ruleset: {error}");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// An evaluation that holds the lock never ends.
    const AT_MOST: Duration = Duration::from_secs(20);

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
        let value = evaluated.recv_timeout(AT_MOST);
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
