//! What ends the server: a signal.

use std::io;

use tokio::signal;

/// Hears of every wish that the server should end, from its making on: Ctrl-C, and SIGTERM, with
/// which a container or an init system ends a program.
#[cfg(unix)]
pub struct End {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl End {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// Where the system lets nobody listen for its signals.
    pub fn listen() -> io::Result<End> {
        use signal::unix::{SignalKind, signal};

        Ok(End {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits until somebody wants the server to end, who has not been heard before.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Hears of every wish that the server should end, from its making on: Ctrl-C.
#[cfg(windows)]
pub struct End {
    interrupt: signal::windows::CtrlC,
}

#[cfg(windows)]
impl End {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// Where the system lets nobody listen for its signals.
    pub fn listen() -> io::Result<End> {
        Ok(End { interrupt: signal::windows::ctrl_c()? })
    }

    /// Waits until somebody wants the server to end, who has not been heard before.
    pub async fn told(&mut self) {
        self.interrupt.recv().await;
    }
}
