//! Evaluations that served the caller's default, and the keys of unknown flags.
//!
//! A hit never comes here. A miss writes only to a counter on a cache line of its thread's shard,
//! unless its key is new.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use super::shard::{SHARDS, shard_of_this_thread};
use crate::hash::hash;
use crate::log::log;
use crate::ruleset::{Ruleset, excerpt};
use crate::value::Value;

/// The largest number of unknown keys that are kept.
const MAX_KEYS: usize = 32;

/// The length of the longest key that is kept, in bytes.
const MAX_KEY_LENGTH: usize = 255;

/// The misses of a client and its snapshots.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    counts: [Count; SHARDS],
    /// The hash of each kept key, in their order; zero after the last one.
    hashes: [AtomicUsize; MAX_KEYS],
    keys: Mutex<Vec<UnknownKey>>,
    /// Called with each key that the rules do not have.
    strict: OnceLock<fn(&str)>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

#[derive(Debug)]
struct UnknownKey {
    key: Box<str>,
    reported: bool,
}

impl Misses {
    /// Counts a miss, and keeps the key if the rules do not have it. Never blocks: if another thread
    /// uses the list, a later miss keeps the key.
    pub(crate) fn miss(&self, key: &str, is_unknown: &dyn Fn() -> bool) {
        if let Some(count) = self.counts.get(shard_of_this_thread()) {
            count.0.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(strict) = self.strict.get()
            && is_unknown()
        {
            strict(key);
        }
        if self.may_keep(key) && is_unknown() {
            self.keep(key);
        }
    }

    /// Sets what is called with each key that the rules do not have. It may panic.
    pub(crate) fn be_strict(&self, strict: fn(&str)) {
        let _ = self.strict.set(strict);
    }

    /// Returns the number of misses.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.0.load(Ordering::Relaxed) as u64).sum()
    }

    /// Returns the keys that were missed and that the rules do not have. Forgets the others.
    pub(crate) fn unknown_keys(&self, rules: Option<&Ruleset>) -> Vec<String> {
        let Some(rules) = rules else { return Vec::new() };
        let mut keys = self.lock();
        self.forget_known(&mut keys, rules);
        keys.iter().map(|unknown| unknown.key.to_string()).collect()
    }

    /// Logs each unknown key once. Must not run on a thread that evaluates.
    pub(super) fn report(&self, rules: impl FnOnce() -> Option<Ruleset>) {
        if self.lock().iter().all(|unknown| unknown.reported) {
            return;
        }
        let Some(rules) = rules() else { return };
        let mut new = Vec::new();
        {
            let mut keys = self.lock();
            self.forget_known(&mut keys, &rules);
            for unknown in keys.iter_mut().filter(|unknown| !unknown.reported) {
                unknown.reported = true;
                new.push(unknown.key.clone());
            }
        }
        // With no lock held: a logger may call the client.
        let version = match rules.version() {
            Value::Null => String::new(),
            version => format!(" (version {version})"),
        };
        for key in new {
            log!(warn, "flag `{}` is not in the ruleset{version}", excerpt(&key));
        }
    }

    /// Returns whether there is room for the key, and it is not kept yet.
    fn may_keep(&self, key: &str) -> bool {
        if self.hashes.last().is_none_or(|last| last.load(Ordering::Relaxed) != 0) {
            return false;
        }
        let hash = hash_of(key);
        let kept = self.hashes.iter().map(|kept| kept.load(Ordering::Relaxed));
        !kept.take_while(|kept| *kept != 0).any(|kept| kept == hash) && key.len() <= MAX_KEY_LENGTH
    }

    fn keep(&self, key: &str) {
        let mut keys = match self.keys.try_lock() {
            Ok(keys) => keys,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if keys.iter().any(|unknown| *unknown.key == *key) {
            return;
        }
        if let Some(slot) = self.hashes.get(keys.len()) {
            slot.store(hash_of(key), Ordering::Relaxed);
            keys.push(UnknownKey { key: key.into(), reported: false });
        }
    }

    fn forget_known(&self, keys: &mut Vec<UnknownKey>, rules: &Ruleset) {
        keys.retain(|unknown| !rules.has(&unknown.key));
        let hashes = keys.iter().map(|unknown| hash_of(&unknown.key));
        for (slot, hash) in self.hashes.iter().zip(hashes.chain(std::iter::repeat(0))) {
            slot.store(hash, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<UnknownKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the hash of a key, which is not zero.
fn hash_of(key: &str) -> usize {
    (hash(0, key.as_bytes()) as usize).max(1)
}
