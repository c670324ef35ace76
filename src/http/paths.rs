//! Which paths of the service a client uses, where services differ.
//!
//! Knows nothing of files: with a cache, the paths are kept from one run of a program to the next.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// How the text of kept paths begins. A later form has another number.
const MARK: &str = "phaseflag paths 1";

/// The document that holds the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum RulesPath {
    #[default]
    Ruleset,
    /// The same flags, and the segments that their rules name.
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

/// The path that evaluates a flag.
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

/// What a client has found out about its service; the default is what it supposes at first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct KnownPaths {
    pub(crate) rules: RulesPath,
    pub(crate) evaluate: EvaluatePath,
    /// When `/sdk/bootstrap` was needed and did not exist, in seconds since 1970.
    bootstrap_missing: Option<u64>,
}

impl KnownPaths {
    /// Returns whether `/sdk/bootstrap` may be requested: it was not found missing, or so long ago.
    pub(crate) fn may_have_bootstrap(&self, patience: Duration) -> bool {
        // If the clock was set back, nothing is known.
        let age = self.bootstrap_missing.map(|missing| now().checked_sub(missing));
        age.flatten().is_none_or(|age| age >= patience.as_secs())
    }

    pub(crate) fn encode(&self) -> String {
        let (rules, evaluate) = (self.rules.as_str(), self.evaluate.as_str());
        let mut text = format!("{MARK}\nrules {rules}\nevaluate {evaluate}\n");
        if let Some(missing) = self.bootstrap_missing {
            text += &format!("bootstrap-missing {missing}\n");
        }
        text
    }

    /// Reads what `encode` has written; `None` for anything else.
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

/// Where paths are kept from one run to the next.
pub(crate) trait KeepPaths: Send + Sync + fmt::Debug {
    /// Returns the paths that were kept.
    fn recall_paths(&self) -> Option<KnownPaths>;

    /// Keeps paths in the place of those of before.
    fn keep_paths(&self, known: &KnownPaths);
}

/// The paths in use, shared between polls and evaluations.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Read when they are first needed.
    known: OnceLock<Mutex<KnownPaths>>,
    keeper: Option<Arc<dyn KeepPaths>>,
    /// Whether this process has had the rules in use from `/sdk/bootstrap`.
    bootstrap_seen: AtomicBool,
}

impl Paths {
    pub(crate) fn new(keeper: Option<Arc<dyn KeepPaths>>) -> Paths {
        Paths { known: OnceLock::new(), keeper, bootstrap_seen: AtomicBool::new(false) }
    }

    /// Returns the paths to use now.
    pub(crate) fn known(&self) -> KnownPaths {
        *self.lock()
    }

    /// Notes the path to request next, and that the rules lack no segment.
    pub(crate) fn find_rules(&self, path: RulesPath) {
        self.bootstrap_seen.store(path == RulesPath::Bootstrap, Ordering::Release);
        self.update(|known| {
            known.rules = path;
            known.bootstrap_missing = None;
        });
    }

    /// Notes that `/sdk/bootstrap` is needed and does not exist. Returns whether that is new.
    pub(crate) fn miss_bootstrap(&self) -> bool {
        self.bootstrap_seen.store(false, Ordering::Release);
        let before = self.update(|known| {
            known.rules = RulesPath::Ruleset;
            known.bootstrap_missing = Some(now());
        });
        before.bootstrap_missing.is_none()
    }

    /// Notes the path that evaluates flags.
    pub(super) fn find_evaluation(&self, path: EvaluatePath) {
        self.update(|known| known.evaluate = path);
    }

    /// Returns whether this process has had the rules in use from `/sdk/bootstrap`.
    pub(crate) fn has_seen_bootstrap(&self) -> bool {
        self.bootstrap_seen.load(Ordering::Acquire)
    }

    /// Changes what is known, keeps it if it differs, and returns what was known before.
    fn update(&self, change: impl FnOnce(&mut KnownPaths)) -> KnownPaths {
        let (before, now) = {
            let mut known = self.lock();
            let before = *known;
            change(&mut known);
            (before, *known)
        };
        if now != before {
            self.keep();
        }
        before
    }

    /// Keeps what is known. No lock is held: a log line may make the program call the client.
    pub(crate) fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.keep_paths(&self.known());
        }
    }

    fn lock(&self) -> MutexGuard<'_, KnownPaths> {
        if self.known.get().is_none() {
            let recalled = self.keeper.as_ref().and_then(|keeper| keeper.recall_paths());
            // Another thread may have been faster.
            let _ = self.known.set(Mutex::new(recalled.unwrap_or_default()));
        }
        self.known.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn kept_paths_are_read_as_they_were_written() {
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
    fn text_of_another_form_is_no_kept_paths() {
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
    fn a_missing_bootstrap_may_be_there_after_an_hour() {
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
