//! Shards: what many threads use is there once for each of a few groups of threads.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of shards.
pub(super) const SHARDS: usize = 16;

/// Returns the index of this thread's shard. Threads are assigned round-robin.
#[inline]
pub(super) fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
    }
    SHARD.with(|shard| {
        shard.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            shard.set(Some(next));
            next
        })
    })
}
