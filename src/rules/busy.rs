//! Marks the thread that polls for a client or calls its listeners: it must not wait for itself.

use std::cell::Cell;

/// How many clients a thread marks at once: a listener of one client may refresh another one, whose
/// listeners may do so, too.
const DEPTH: usize = 4;

thread_local! {
    /// The addresses of what the innermost clients have for themselves, or 0.
    static CLIENTS: Cell<[usize; DEPTH]> = const { Cell::new([0; DEPTH]) };
}

/// A mark of the current thread. It ends with the drop.
pub(super) struct Busy {
    before: [usize; DEPTH],
}

impl Busy {
    pub(super) fn mark<T>(client: &T) -> Busy {
        let before @ [first, second, third, _] = CLIENTS.get();
        let client = address(client);
        if !before.contains(&client) {
            CLIENTS.set([client, first, second, third]);
        }
        Busy { before }
    }

    /// Returns whether the current thread has the mark of this client.
    #[cfg(feature = "http")]
    pub(super) fn is_marked<T>(client: &T) -> bool {
        CLIENTS.get().contains(&address(client))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        CLIENTS.set(self.before);
    }
}

fn address<T>(client: &T) -> usize {
    std::ptr::from_ref(client) as usize
}
