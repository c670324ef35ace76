//! The flags known now: the ruleset in use, whether the client is ready, and who hears of changes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::listeners::Listeners;
use crate::logging::log;
use crate::readiness::Readiness;
use crate::ruleset::Ruleset;
use crate::store::Store;

/// How long whoever replaced a ruleset keeps it for the evaluations that were under way.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What the client and its threads share.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) store: Store,
    pub(crate) readiness: Readiness,
    pub(crate) listeners: Arc<Listeners>,
    authority: Mutex<Authority>,
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
                Origin::Bootstrap(_) => !self.served,
                Origin::BootstrapUrl => !has_rules,
            }
    }
}

/// Where a ruleset comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin<'a> {
    Service,
    /// A file or a text: never takes the place of the service's own rules.
    Bootstrap(&'a str),
    /// Counts only where there are no rules.
    BootstrapUrl,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Service => f.write_str("the service"),
            Origin::Bootstrap(location) => f.write_str(location),
            Origin::BootstrapUrl => f.write_str("the bootstrap URL"),
        }
    }
}

impl Flags {
    /// Returns whether the service's own rules are in force.
    pub(crate) fn are_served(&self) -> bool {
        self.authority().served
    }

    /// Keeps the rules that are in force.
    pub(crate) fn close(&self) {
        self.authority().closed = true;
    }

    fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a ruleset in force, where its origin may still do that, and returns the one before
    /// where an evaluation may still use it. `announce` comes between that and the listeners.
    pub(crate) fn install(
        &self,
        ruleset: &Ruleset,
        origin: Origin<'_>,
        announce: impl FnOnce(&Readiness),
    ) -> Option<Ruleset> {
        let before = {
            let mut authority = self.authority();
            if !authority.permits(origin, self.store.current().is_some()) {
                return None;
            }
            authority.served |= origin == Origin::Service;
            self.store.replace(ruleset)
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
        self.listeners.notify(before.as_ref(), ruleset);
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
