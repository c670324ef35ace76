//! Callbacks, and what changed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::log::log;
use crate::ruleset::{Difference, Ruleset};
use crate::worker::guarded;

/// What a new ruleset changed. Keys stand in the order of their ruleset.
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

    /// Returns how many flags there are now.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no flag now.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the keys of the flags that were not there before.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// Returns the keys of the flags that are gone.
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// Returns the keys of the flags whose definition differs, the segments that their rules ask
    /// for included.
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// Returns whether a segment was added, removed or changed.
    pub fn segments_changed(&self) -> bool {
        self.segments_changed
    }
}

pub(super) type Callback = dyn Fn(&FlagsChanged) + Send + Sync;

/// Finds what a ruleset changed; `None` where it is nothing.
type Compare = fn(Option<&Ruleset>, &Ruleset) -> Option<FlagsChanged>;

/// The callbacks of a client.
#[derive(Default)]
pub(super) struct Listeners {
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    callbacks: Vec<(u64, Arc<Callback>)>,
    /// Comes with the first callback: a program that never listens does not carry the code.
    compare: Option<Compare>,
}

impl Listeners {
    pub(super) fn add(self: &Arc<Self>, callback: Arc<Callback>) -> Subscription {
        let mut registry = self.lock();
        let number = registry.next;
        registry.next += 1;
        registry.callbacks.push((number, callback));
        registry.compare = Some(compare);
        Subscription { listeners: Arc::downgrade(self), number }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().callbacks.is_empty()
    }

    /// Returns the number of the next listener.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Tells those with a number below `end` what the ruleset changed, if it did. Holds no lock
    /// meanwhile.
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
            // The callback is dropped inside, too: it may be the last handle of a listener that
            // has unsubscribed itself, and what it has captured may panic.
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
        // Dropped here, where no lock is held: what it has captured may be a client.
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compare(before: Option<&Ruleset>, now: &Ruleset) -> Option<FlagsChanged> {
    let difference = match before {
        Some(before) => before.difference(now),
        None => Ruleset::default().difference(now),
    };
    (!difference.is_empty()).then(|| FlagsChanged::new(now.len(), difference))
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("count", &self.lock().callbacks.len()).finish()
    }
}

/// A listener that is registered. Dropping it keeps the listener.
#[derive(Clone, Debug)]
pub struct Subscription {
    listeners: Weak<Listeners>,
    number: u64,
}

impl Subscription {
    /// Removes the listener. A call of it that has begun, or is about to, goes on.
    pub fn unsubscribe(&self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove(self.number);
        }
    }
}
