//! The paths of requests for which services differ.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// The first line of stored paths. The number is the version of the format.
const MARK: &str = "phaseflag paths 1";

/// The path of the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum RulesPath {
    #[default]
    Ruleset,
    /// The ruleset together with the segments that its rules name.
    Bootstrap,
}

impl RulesPath {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            RulesPath::Ruleset => "/sdk/ruleset",
            RulesPath::Bootstrap => "/sdk/bootstrap",
        }
    }
}

/// The path of remote evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum EvaluatePath {
    #[default]
    Documented,
    Older,
}

impl EvaluatePath {
    pub(super) fn other(self) -> EvaluatePath {
        match self {
            EvaluatePath::Documented => EvaluatePath::Older,
            EvaluatePath::Older => EvaluatePath::Documented,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            EvaluatePath::Documented => "/evaluate",
            EvaluatePath::Older => "/sdk/evaluate",
        }
    }
}

/// What is known about the paths of a service. The default is the assumption before the first
/// request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct KnownPaths {
    pub(crate) rules: RulesPath,
    pub(crate) evaluate: EvaluatePath,
    /// When `/sdk/bootstrap` was last found missing, in seconds since 1970.
    bootstrap_missing: Option<u64>,
}

impl KnownPaths {
    /// Returns whether to request `/sdk/bootstrap`: it was not found missing within `retry_after`.
    pub(crate) fn may_have_bootstrap(&self, retry_after: Duration) -> bool {
        // A clock that was set back makes the age unknown.
        let age = self.bootstrap_missing.map(|missing| now().checked_sub(missing));
        age.flatten().is_none_or(|age| age >= retry_after.as_secs())
    }

    /// Returns the paths as text.
    pub(crate) fn encode(&self) -> String {
        let (rules, evaluate) = (self.rules.as_str(), self.evaluate.as_str());
        let mut text = format!("{MARK}\nrules {rules}\nevaluate {evaluate}\n");
        if let Some(missing) = self.bootstrap_missing {
            text += &format!("bootstrap-missing {missing}\n");
        }
        text
    }

    /// Parses the output of `encode`, or returns `None` for any other text.
    pub(crate) fn decode(text: &str) -> Option<KnownPaths> {
        let mut known = KnownPaths::default();
        for line in text.strip_suffix('\n')?.strip_prefix(MARK)?.strip_prefix('\n')?.split('\n') {
            match line.split_once(' ')? {
                ("rules", path) => {
                    let paths = [RulesPath::Ruleset, RulesPath::Bootstrap];
                    known.rules = paths.into_iter().find(|known| known.as_str() == path)?;
                }
                ("evaluate", path) => {
                    let paths = [EvaluatePath::Documented, EvaluatePath::Older];
                    known.evaluate = paths.into_iter().find(|known| known.as_str() == path)?;
                }
                ("bootstrap-missing", time) => known.bootstrap_missing = Some(time.parse().ok()?),
                _ => return None,
            }
        }
        Some(known)
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Storage that keeps paths from one run of the program to the next.
pub(crate) trait KeepPaths: Send + Sync + fmt::Debug {
    /// Returns the stored paths, or `None`.
    fn recall_paths(&self) -> Option<KnownPaths>;

    /// Replaces the stored paths.
    fn keep_paths(&self, known: &KnownPaths);
}

/// The paths in use, shared by the poller and remote evaluation.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Loaded on first use.
    known: OnceLock<Mutex<KnownPaths>>,
    keeper: Option<Arc<dyn KeepPaths>>,
    /// Whether this process, or one that shares its polls, got the current rules from
    /// `/sdk/bootstrap`.
    uses_bootstrap: AtomicBool,
}

impl Paths {
    /// Returns the paths that `keeper` holds, or the default ones.
    pub(crate) fn new(keeper: Option<Arc<dyn KeepPaths>>) -> Paths {
        Paths { known: OnceLock::new(), keeper, uses_bootstrap: AtomicBool::new(false) }
    }

    /// Returns the paths to use for the next request.
    pub(crate) fn known(&self) -> KnownPaths {
        *self.lock()
    }

    /// Sets the path of the rules, after a response whose rules have all their segments.
    pub(crate) fn set_rules_path(&self, path: RulesPath) {
        self.uses_bootstrap.store(path == RulesPath::Bootstrap, Ordering::Release);
        self.update(|known| {
            known.rules = path;
            known.bootstrap_missing = None;
        });
    }

    /// Notes that `/sdk/bootstrap` is needed but missing. Returns whether that was not yet known.
    pub(crate) fn set_bootstrap_missing(&self) -> bool {
        self.uses_bootstrap.store(false, Ordering::Release);
        let before = self.update(|known| {
            known.rules = RulesPath::Ruleset;
            known.bootstrap_missing = Some(now());
        });
        before.bootstrap_missing.is_none()
    }

    /// Sets the path of remote evaluation.
    pub(super) fn set_evaluate_path(&self, path: EvaluatePath) {
        self.update(|known| known.evaluate = path);
    }

    /// Takes the path of the rules from the keeper, since another process has found it.
    pub(crate) fn recall_rules_path(&self) {
        let stored = self.keeper.as_ref().and_then(|keeper| keeper.recall_paths());
        let stored = stored.unwrap_or_default();
        self.uses_bootstrap.store(stored.rules == RulesPath::Bootstrap, Ordering::Release);
        let mut known = self.lock();
        known.rules = stored.rules;
        known.bootstrap_missing = stored.bootstrap_missing;
    }

    /// Returns whether this process, or one that shares its polls, got the current rules from
    /// `/sdk/bootstrap`.
    pub(crate) fn uses_bootstrap(&self) -> bool {
        self.uses_bootstrap.load(Ordering::Acquire)
    }

    /// Changes the known paths, stores them if they differ, and returns the previous ones.
    fn update(&self, change: impl Fn(&mut KnownPaths)) -> KnownPaths {
        let (before, now) = {
            let mut known = self.lock();
            let before = *known;
            change(&mut known);
            (before, *known)
        };
        if now != before {
            self.keep(change);
        }
        before
    }

    /// Stores the path of the rules, which may have been removed.
    pub(crate) fn keep_rules_path(&self) {
        let KnownPaths { rules, bootstrap_missing, .. } = self.known();
        self.keep(|known| {
            known.rules = rules;
            known.bootstrap_missing = bootstrap_missing;
        });
    }

    /// Changes the stored paths, of which another process may have found the others.
    fn keep(&self, change: impl Fn(&mut KnownPaths)) {
        // Not under the lock: the keeper logs, and a logger may call the client.
        if let Some(keeper) = &self.keeper {
            let mut known = keeper.recall_paths().unwrap_or_else(|| self.known());
            change(&mut known);
            keeper.keep_paths(&known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, KnownPaths> {
        if self.known.get().is_none() {
            let stored = self.keeper.as_ref().and_then(|keeper| keeper.recall_paths());
            // Fails if another thread was faster: its paths are then used.
            let _ = self.known.set(Mutex::new(stored.unwrap_or_default()));
        }
        self.known.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn stored_paths_round_trip() {
        for rules in [RulesPath::Ruleset, RulesPath::Bootstrap] {
            for evaluate in [EvaluatePath::Documented, EvaluatePath::Older] {
                for bootstrap_missing in [None, Some(0), Some(u64::MAX)] {
                    let known = KnownPaths { rules, evaluate, bootstrap_missing };
                    let text = known.encode();
                    assert_eq!(KnownPaths::decode(&text), Some(known), "{text}");
                    for end in 0..text.len() {
                        let cut = KnownPaths::decode(&text[..end]);
                        let line = text[..end].ends_with('\n');
                        assert!(cut.is_none() || line, "{:?}", &text[..end]);
                    }
                }
            }
        }
    }

    #[test]
    fn other_text_is_not_decoded() {
        for text in [
            "",
            "\n",
            "phaseflag paths 1",
            "phaseflag paths 2\nrules /sdk/ruleset\nevaluate /evaluate\n",
            "phaseflag paths 1\nrules /elsewhere\n",
            "phaseflag paths 1\nevaluate http://elsewhere/\n",
            "phaseflag paths 1\nbootstrap-missing -1\n",
            "phaseflag paths 1\nbootstrap-missing\n",
            "phaseflag paths 1\n\n",
            "phaseflag paths 1\nrules /sdk/bootstrap\r\n",
        ] {
            assert_eq!(KnownPaths::decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_missing_bootstrap_is_requested_again_after_an_hour() {
        let missing_for = |seconds: i64| KnownPaths {
            bootstrap_missing: Some(now().saturating_add_signed(-seconds)),
            ..KnownPaths::default()
        };
        assert!(KnownPaths::default().may_have_bootstrap(HOUR));
        assert!(!missing_for(1).may_have_bootstrap(HOUR));
        assert!(!missing_for(3590).may_have_bootstrap(HOUR));
        assert!(missing_for(3600).may_have_bootstrap(HOUR));
        // The clock was set back.
        assert!(missing_for(-100).may_have_bootstrap(HOUR));
        assert!(missing_for(1).may_have_bootstrap(Duration::ZERO));
    }
}
