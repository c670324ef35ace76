//! The flags known now: the ruleset in use, whether the client is ready, and who hears of changes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::listeners::Listeners;
use crate::logging::log;
use crate::readiness::Readiness;
use crate::ruleset::Ruleset;
use crate::store::Store;

/// What the client and its threads share.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) store: Store,
    pub(crate) readiness: Readiness,
    pub(crate) listeners: Arc<Listeners>,
    /// Whether the service's own rules are in force.
    served: Mutex<bool>,
}

/// Where a ruleset comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin<'a> {
    Service,
    /// A file, a text or an address: never takes the place of the service's own rules.
    Bootstrap(&'a str),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Service => f.write_str("the service"),
            Origin::Bootstrap(location) => f.write_str(location),
        }
    }
}

impl Flags {
    /// Returns whether the service's own rules are in force.
    pub(crate) fn are_served(&self) -> bool {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a ruleset in force, and returns the one before where an evaluation may still use it.
    /// `announce` comes between that and the listeners.
    pub(crate) fn install(
        &self,
        ruleset: &Ruleset,
        origin: Origin<'_>,
        announce: impl FnOnce(&Readiness),
    ) -> Option<Ruleset> {
        let before = {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            if *served && origin != Origin::Service {
                return None;
            }
            *served = origin == Origin::Service;
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
