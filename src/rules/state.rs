//! The flags known now: the ruleset in use, whether the client is ready, and who hears of changes.
//!
//! A ruleset that was remembered may be in use before it is compiled: until somebody asks for the
//! whole, or the service sends another, each flag is compiled when it is asked for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::listeners::{Callback, Listeners, Subscription};
use super::readiness::Readiness;
use super::store::Store;
use crate::log::log;
use crate::ruleset::RulesetError;
use crate::ruleset::{NeedsWhole, Ruleset};

/// How long whoever replaced a ruleset keeps it for the evaluations that were under way.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// What the client and its threads share.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// The one whose flags are wanted; `None` for all.
    environment: Option<Box<str>>,
    pub(super) store: Store,
    pub(crate) readiness: Readiness,
    listeners: Arc<Listeners>,
    authority: Mutex<Authority>,
    /// What is in use while the store is empty.
    kept: Mutex<Option<Arc<dyn Kept>>>,
}

/// Rules that are compiled as they are asked for.
pub(crate) trait Kept: Send + Sync + fmt::Debug {
    /// Returns a ruleset that answers for one flag as the whole would; `None` where there is no
    /// such flag.
    fn part(&self, key: &str) -> Result<Option<Ruleset>, NeedsWhole>;

    /// Returns the whole ruleset.
    fn whole(&self) -> Result<Ruleset, RulesetError>;

    /// Returns the text as the service sent it.
    fn text(&self) -> &[u8];
}

/// Who may still bring rules.
#[derive(Debug, Default)]
struct Authority {
    /// The service has sent its own.
    served: bool,
    /// The client is stopped.
    closed: bool,
}

impl Authority {
    fn permits(&self, origin: Origin<'_>, has_rules: bool) -> bool {
        !self.closed
            && match origin {
                Origin::Service => true,
                Origin::Remembered(_) => !self.served,
                Origin::Bootstrap(_) => !self.served,
                Origin::BootstrapUrl => !has_rules,
            }
    }
}

/// Where a ruleset comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin<'a> {
    Service,
    /// The service, when the program ran before.
    Remembered(&'a str),
    /// A file or a text: never takes the place of the service's own rules.
    Bootstrap(&'a str),
    /// Counts only where there are no rules.
    BootstrapUrl,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Service => f.write_str("the service"),
            Origin::Remembered(location) | Origin::Bootstrap(location) => f.write_str(location),
            Origin::BootstrapUrl => f.write_str("the bootstrap URL"),
        }
    }
}

impl Flags {
    /// Returns those of an environment; of all for `None`.
    pub(crate) fn of(environment: Option<&str>) -> Flags {
        Flags { environment: environment.map(Box::from), ..Flags::default() }
    }

    /// Reads a ruleset, without the flags of other environments.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        Ruleset::read_bytes(bytes, self.environment.as_deref())
    }

    /// Returns a ruleset that answers for a flag: the one in use, or a part of it.
    pub(crate) fn find(&self, key: &str) -> Option<Ruleset> {
        self.store.current().or_else(|| self.find_kept(key))
    }

    #[cold]
    fn find_kept(&self, key: &str) -> Option<Ruleset> {
        match self.kept().map(|kept| kept.part(key)) {
            Some(Ok(part)) => part,
            Some(Err(NeedsWhole)) => self.current(),
            // Where it was there a moment ago, the whole has taken its place.
            None => self.store.current(),
        }
    }

    /// Returns the whole ruleset in use.
    pub(crate) fn current(&self) -> Option<Ruleset> {
        self.store.current().or_else(|| {
            self.complete();
            self.store.current()
        })
    }

    /// Compiles the rules in use, where that has not been done.
    pub(super) fn complete(&self) {
        let Some(kept) = self.kept() else { return };
        let whole = kept.whole();
        let authority = self.authority();
        // Another ruleset may have come meanwhile.
        if self.kept().is_none() {
            return;
        }
        let failure = whole.map(|ruleset| self.store.replace(&ruleset)).err();
        // After that: whoever finds nothing kept looks into the store once more.
        *self.lock_kept() = None;
        drop(authority);
        if let Some(error) = failure {
            log!(warn, "failed to use the remembered ruleset: {error}");
        }
    }

    /// Puts rules in force that were remembered, and returns whether they are. `announce` comes
    /// between that and the listeners; where there are none, the rules are compiled later.
    pub(crate) fn remember(
        &self,
        kept: &Arc<dyn Kept>,
        location: &str,
        announce: impl FnOnce(&Readiness),
    ) -> bool {
        let origin = Origin::Remembered(location);
        let mut authority = self.authority();
        if self.listeners.is_empty() {
            if !authority.permits(origin, false) {
                return false;
            }
            authority.served = true;
            *self.lock_kept() = Some(kept.clone());
            drop(authority);
            log!(debug, "the rules of {origin} are in force");
            announce(&self.readiness);
            return true;
        }
        drop(authority);
        match kept.whole() {
            Ok(ruleset) => {
                self.install(&ruleset, origin, announce);
                true
            }
            Err(error) => {
                log!(warn, "failed to use the remembered ruleset: {error}");
                false
            }
        }
    }

    /// Adds a listener, which hears of every ruleset that comes into force from now on.
    pub(crate) fn listen(&self, callback: Arc<Callback>) -> Subscription {
        let _authority = self.authority();
        self.listeners.add(callback)
    }

    /// Returns whether there are rules.
    pub(crate) fn have_rules(&self) -> bool {
        self.kept().is_some() || self.store.current().is_some()
    }

    /// Returns whether the service's own rules are in force.
    pub(super) fn are_served(&self) -> bool {
        self.authority().served
    }

    /// Keeps the rules that are in force.
    pub(crate) fn close(&self) {
        self.authority().closed = true;
    }

    fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<Arc<dyn Kept>> {
        self.lock_kept().clone()
    }

    fn lock_kept(&self) -> MutexGuard<'_, Option<Arc<dyn Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a ruleset in force, where its origin may still do that, and returns the one before
    /// where an evaluation may still use it. `announce` comes between that and the listeners.
    pub(crate) fn install(
        &self,
        ruleset: &Ruleset,
        origin: Origin<'_>,
        announce: impl FnOnce(&Readiness),
    ) -> Option<Ruleset> {
        let (before, end) = {
            let mut authority = self.authority();
            while !self.listeners.is_empty() && self.kept().is_some() {
                // They hear of what differs from the whole of it.
                drop(authority);
                self.complete();
                authority = self.authority();
            }
            if !authority.permits(origin, self.have_rules()) {
                return None;
            }
            authority.served |= matches!(origin, Origin::Service | Origin::Remembered(_));
            let before = self.store.replace(ruleset);
            // As in `complete`.
            *self.lock_kept() = None;
            (before, self.listeners.next())
        };
        log!(debug, "{} flags from {origin} are in force", ruleset.len());
        let known = before.as_ref().map(Ruleset::problems).unwrap_or_default();
        match ruleset.problems() {
            problems if problems == known => {}
            [] => log!(info, "the ruleset from {origin} has no problems any more"),
            problems @ [first, ..] => {
                log!(
                    warn,
                    "problems of the ruleset from {origin}: {}; first: {first}",
                    problems.len()
                );
            }
        }
        announce(&self.readiness);
        self.listeners.notify(end, before.as_ref(), ruleset);
        before.filter(Ruleset::is_shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn rules_come_from_where_they_may_still_come_from() {
        use Origin::{Bootstrap, BootstrapUrl, Service};
        let flags = Flags::default();
        let mut version = 0;
        let mut accepts = |origin| {
            version += 1;
            let text = format!(r#"{{"version": {version}, "flags": []}}"#);
            flags.install(&Ruleset::parse(&text).unwrap(), origin, |_| {});
            let current = flags.store.current();
            current.is_some_and(|current| current.version() == &Value::from(version))
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
