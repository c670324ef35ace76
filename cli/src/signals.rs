//! Ends the command on signals if it is the first process of a container.

use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

/// The signals that end a program: of container runtimes, and of terminals.
const SIGNALS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Makes signals end the command, with the exit status that a shell or an init process reports for
/// them.
///
/// The kernel ignores signals to the first process of a container that it does not handle. Any other
/// process keeps the default action: a shell must see that Ctrl-C ended it, not that it exited.
pub(crate) fn end_the_first_process() {
    if process::id() != 1 {
        return;
    }
    for signal in SIGNALS {
        // Without a handler the command still works, and ends when the container is killed.
        let _ =
            register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
}
