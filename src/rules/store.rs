//! The compiled ruleset in use, shared between threads.
//!
//! Each shard holds a replica with a separate reference count on a separate cache line, so that
//! threads on different shards do not write to the same memory.

use std::sync::{PoisonError, RwLock};

use super::shard::{SHARDS, shard_of_this_thread};
use crate::ruleset::Ruleset;

/// The compiled ruleset in use; empty at first.
#[derive(Debug, Default)]
pub(super) struct Store {
    shards: [Shard; SHARDS],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(RwLock<Option<Ruleset>>);

impl Store {
    /// Returns the ruleset in use.
    #[inline]
    pub(super) fn current(&self) -> Option<Ruleset> {
        let shard = self.shards.get(shard_of_this_thread())?;
        shard.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Passes the ruleset in use to `read`, which delays a replacement: it must be short, and must not
    /// run code of the program, which might use the client again.
    #[inline]
    pub(super) fn read<T>(&self, read: impl FnOnce(&Ruleset) -> T) -> Option<T> {
        let shard = self.shards.get(shard_of_this_thread())?;
        shard.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(read)
    }

    /// Replaces the ruleset in use, and returns the one before.
    pub(super) fn replace(&self, ruleset: Option<&Ruleset>) -> Option<Ruleset> {
        let mut before = None;
        for shard in &self.shards {
            let replica = ruleset.map(Ruleset::replica);
            let mut current = shard.0.write().unwrap_or_else(PoisonError::into_inner);
            before = std::mem::replace(&mut *current, replica);
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_replaced_ruleset_is_freed_while_the_threads_that_used_it_idle() {
        let (store, in_use, checked) = (Store::default(), Barrier::new(5), Barrier::new(5));
        let first = Ruleset::default();
        let tables = first.weak();
        store.replace(Some(&first));
        drop(first);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert!(store.current().is_some());
                    in_use.wait();
                    checked.wait();
                });
            }
            in_use.wait();
            assert!(tables.upgrade().is_some());
            store.replace(Some(&Ruleset::default()));
            let freed = tables.upgrade().is_none();
            checked.wait();
            assert!(freed);
        });
    }
}
