//! The flags known now: the ruleset in use, whether the client is ready, and who hears of changes.

use std::sync::Arc;

use crate::listeners::Listeners;
use crate::logging::log;
use crate::readiness::Readiness;
use crate::ruleset::Ruleset;
use crate::store::Store;

/// What the client and its poller share.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) store: Store,
    pub(crate) readiness: Readiness,
    pub(crate) listeners: Arc<Listeners>,
}

impl Flags {
    /// Puts a ruleset in force, and returns the one before where an evaluation may still use it.
    /// `announce` comes between that and the listeners.
    pub(crate) fn install(
        &self,
        ruleset: &Ruleset,
        origin: &str,
        announce: impl FnOnce(&Readiness),
    ) -> Option<Ruleset> {
        let before = self.store.replace(ruleset);
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
