//! Signals: they end the command as the first process of a container, and what it runs with it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::process::{self, Child};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::{register_conditional_shutdown, register_usize};
use signal_hook::low_level::{emulate_default_handler, pipe};

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

/// Calls a function when a signal ends the command. A signal that the command ignores, as under
/// `nohup`, does not end it.
///
/// The kernel ends the other processes of a container with the first one.
pub(crate) fn before_the_end(end: impl Fn() + Send + 'static) -> io::Result<()> {
    if process::id() == 1 {
        return Ok(());
    }
    let ignored = ignored();
    let last = Arc::new(AtomicUsize::new(0));
    let (mut woken, wake) = UnixStream::pair()?;
    for signal in SIGNALS.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
        register_usize(signal, last.clone(), signal as usize)?;
        pipe::register(signal, wake.try_clone()?)?;
    }
    thread::Builder::new().spawn(move || {
        while woken.read_exact(&mut [0]).is_ok() {
            end();
            // Ends the process; if that fails, as it never does, the next signal tries again.
            let _ = emulate_default_handler(last.load(Ordering::SeqCst) as i32);
        }
    })?;
    Ok(())
}

/// Returns the ignored signals as a mask, from the lowest bit for signal 1. Only Linux tells.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Asks the process group of a child to end.
pub(crate) fn end_group(child: &Child) -> io::Result<()> {
    Ok(kill_process_group(Pid::from_child(child), Signal::TERM)?)
}
