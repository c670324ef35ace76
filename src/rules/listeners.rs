//! Listeners: callbacks that receive the changes of each new ruleset.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::log::log;
use crate::ruleset::{Difference, Ruleset};
use crate::worker::guarded;

/// The changes between two rulesets. Keys are in the order of their ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagsChanged {
    len: usize,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    segments_changed: bool,
}

impl FlagsChanged {
    fn new(len: usize, difference: Difference) -> FlagsChanged {
        let keys = |keys: Vec<Arc<str>>| keys.iter().map(ToString::to_string).collect();
        FlagsChanged {
            len,
            added: keys(difference.added),
            removed: keys(difference.removed),
            changed: keys(difference.changed),
            segments_changed: difference.segments,
        }
    }

    /// Returns the number of flags in the new ruleset.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the new ruleset has no flags.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the keys of new flags.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// Returns the keys of removed flags.
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// Returns the keys of flags whose definition changed, or a segment that their rules name.
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// Returns whether a flag is among those that were added, removed or changed.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let client = PhaseFlagClient::without_service().bootstrap_text(r#"[{"key": "a"}]"#).build()?;
    /// client.on_flags_changed(|flags| {
    ///     if flags.contains("a") {
    ///         println!("the flag `a` has changed");
    ///     }
    /// });
    /// # client.start()?;
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn contains(&self, key: &str) -> bool {
        let mut lists = [&self.added, &self.removed, &self.changed].into_iter();
        lists.any(|keys| keys.iter().any(|other| other == key))
    }

    /// Returns whether a segment was added, removed or changed.
    pub fn segments_changed(&self) -> bool {
        self.segments_changed
    }
}

pub(super) type Callback = dyn Fn(&FlagsChanged) + Send + Sync;

/// Returns what a ruleset changed, or `None` if it changed nothing.
type Compare = fn(Option<&Ruleset>, &Ruleset) -> Option<FlagsChanged>;

/// The listeners of a client.
#[derive(Default)]
pub(super) struct Listeners {
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    callbacks: Vec<(u64, Arc<Callback>)>,
    /// Set by the first listener, so that a program without one does not contain the code.
    compare: Option<Compare>,
}

impl Listeners {
    /// Adds a listener.
    pub(super) fn add(self: &Arc<Self>, callback: Arc<Callback>) -> Subscription {
        let mut registry = self.lock();
        let number = registry.next;
        registry.next += 1;
        registry.callbacks.push((number, callback));
        registry.compare = Some(compare);
        Subscription { listeners: Arc::downgrade(self), number }
    }

    /// Returns whether there are no listeners.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().callbacks.is_empty()
    }

    /// Returns the number that the next listener will get.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Calls the listeners with a number below `end` if the ruleset changed anything. Holds no lock
    /// during the calls.
    pub(super) fn notify(&self, end: u64, before: Option<&Ruleset>, now: &Ruleset) {
        let (mut callbacks, compare) = {
            let registry = self.lock();
            (registry.callbacks.clone(), registry.compare)
        };
        callbacks.retain(|(number, _)| *number < end);
        let compare = compare.filter(|_| !callbacks.is_empty());
        let Some(change) = compare.and_then(|compare| compare(before, now)) else {
            return;
        };
        for (number, callback) in callbacks {
            if !self.has(number) {
                continue;
            }
            // Dropped inside of `guarded`: this may be the last reference to a listener that has
            // unsubscribed itself, and dropping its captures may panic.
            let call = || {
                callback(&change);
                drop(callback);
            };
            if guarded(call).is_none() {
                log!(warn, "a listener panicked");
            }
        }
    }

    fn has(&self, number: u64) -> bool {
        self.lock().callbacks.iter().any(|(other, _)| *other == number)
    }

    fn remove(&self, number: u64) {
        let removed = {
            let mut registry = self.lock();
            let position = registry.callbacks.iter().position(|(other, _)| *other == number);
            position.map(|position| registry.callbacks.remove(position))
        };
        // Dropped without the lock: it may capture a client.
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compare(before: Option<&Ruleset>, now: &Ruleset) -> Option<FlagsChanged> {
    let difference = difference(before, now);
    (!difference.is_empty()).then(|| FlagsChanged::new(now.len(), difference))
}

/// Returns whether a ruleset differs from the one before.
#[cfg(feature = "http")]
pub(super) type Differs = fn(Option<&Ruleset>, &Ruleset) -> bool;

/// Returns whether listeners would be called for a ruleset.
#[cfg(feature = "http")]
pub(super) fn differs(before: Option<&Ruleset>, now: &Ruleset) -> bool {
    !difference(before, now).is_empty()
}

fn difference(before: Option<&Ruleset>, now: &Ruleset) -> Difference {
    match before {
        Some(before) => before.difference(now),
        None => Ruleset::default().difference(now),
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("count", &self.lock().callbacks.len()).finish()
    }
}

/// A handle of a registered listener. Dropping the handle keeps the listener.
#[derive(Clone, Debug)]
pub struct Subscription {
    listeners: Weak<Listeners>,
    number: u64,
}

impl Subscription {
    /// Removes the listener. A call that has begun or is about to begin still completes.
    pub fn unsubscribe(&self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove(self.number);
        }
    }
}
