//! Marks the thread that polls for a client or calls its listeners: it must not wait for itself.

use std::cell::Cell;

thread_local! {
    /// The address of what the innermost client has for itself, or 0.
    static CLIENT: Cell<usize> = const { Cell::new(0) };
}

/// A mark of the current thread. It ends with the drop.
pub(super) struct Busy {
    before: usize,
}

impl Busy {
    pub(super) fn mark<T>(client: &T) -> Busy {
        Busy { before: CLIENT.replace(address(client)) }
    }

    /// Returns whether the current thread has the mark of this client.
    #[cfg(feature = "http")]
    pub(super) fn is_marked<T>(client: &T) -> bool {
        CLIENT.get() == address(client)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        CLIENT.set(self.before);
    }
}

fn address<T>(client: &T) -> usize {
    std::ptr::from_ref(client) as usize
}
