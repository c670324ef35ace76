//! Calls of other people's code, whose panics end here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a function; `None` where it panicked.
///
/// What it panicked with is not dropped: that may run its code once more, which may panic once
/// more.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            std::mem::forget(payload);
            None
        }
    }
}
