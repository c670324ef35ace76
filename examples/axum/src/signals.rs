//! Waits for the signals that end the server.

use std::io;

use tokio::signal;

/// Receives Ctrl-C and SIGTERM, which containers and init systems send.
#[cfg(unix)]
pub struct EndSignals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl EndSignals {
    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// If the signal handlers cannot be installed.
    pub fn listen() -> io::Result<EndSignals> {
        use signal::unix::{SignalKind, signal};

        Ok(EndSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Receives Ctrl-C.
#[cfg(windows)]
pub struct EndSignals {
    interrupt: signal::windows::CtrlC,
}

#[cfg(windows)]
impl EndSignals {
    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// If the signal handlers cannot be installed.
    pub fn listen() -> io::Result<EndSignals> {
        Ok(EndSignals { interrupt: signal::windows::ctrl_c()? })
    }

    /// Waits for the next signal.
    pub async fn recv(&mut self) {
        self.interrupt.recv().await;
    }
}
