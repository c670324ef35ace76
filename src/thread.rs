//! The threads of this crate: each has a name, and a small stack.

use std::io;
use std::thread::{Builder, ThreadId};

/// The size of a stack, unless the environment asks for another. TLS needs the most of it, but for
/// the listeners of a program.
const STACK: usize = 1024 * 1024;

/// Starts a thread that nobody joins.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<ThreadId> {
    let mut thread = Builder::new().name(name.to_owned());
    if std::env::var_os("RUST_MIN_STACK").is_none() {
        thread = thread.stack_size(STACK);
    }
    thread.spawn(body).map(|handle| handle.thread().id())
}
