//! Marks the thread that polls for a client or calls its listeners: it must not wait for itself.

use std::cell::Cell;

use super::flags::Flags;

thread_local! {
    /// The address of the flags of the innermost client, or 0.
    static CLIENT: Cell<usize> = const { Cell::new(0) };
}

/// A mark of the current thread. It ends with the drop.
pub(super) struct Busy {
    before: usize,
}

impl Busy {
    pub(super) fn mark(flags: &Flags) -> Busy {
        Busy { before: CLIENT.replace(address(flags)) }
    }

    /// Returns whether the current thread has the mark of this client.
    #[expect(dead_code)]
    pub(super) fn is_marked(flags: &Flags) -> bool {
        CLIENT.get() == address(flags)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        CLIENT.set(self.before);
    }
}

fn address(flags: &Flags) -> usize {
    std::ptr::from_ref(flags) as usize
}
