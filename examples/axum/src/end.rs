//! What ends the server: a signal, or the line `stop`.

use std::future::pending;
use std::io;
use std::thread;

use tokio::signal;
use tokio::sync::mpsc::{self, Receiver};

/// Hears of every wish that the server should end, from its making on.
pub struct End {
    signals: Signals,
    stops: Receiver<()>,
}

impl End {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// Where the system lets nobody listen for its signals, or starts no thread.
    pub fn listen() -> io::Result<End> {
        Ok(End { signals: Signals::listen()?, stops: stops()? })
    }

    /// Waits until somebody wants the server to end, who has not been heard before.
    pub async fn told(&mut self) {
        tokio::select! {
            () = self.signals.next() => {}
            () = next_stop(&mut self.stops) => {}
        }
    }
}

/// Ctrl-C, and SIGTERM, with which a container or an init system ends a program.
#[cfg(unix)]
struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        use signal::unix::{SignalKind, signal};

        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if signal::ctrl_c().await.is_err() {
            // Where nobody can wait for it, it ends the program by itself.
            pending::<()>().await;
        }
    }
}

async fn next_stop(stops: &mut Receiver<()>) {
    if stops.recv().await.is_none() {
        // The end of the input ends nothing: a service has none from its beginning.
        pending::<()>().await;
    }
}

/// Reads the input on a thread of its own, which no executor waits for.
fn stops() -> io::Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            // Where nobody waits any more, the server is at its end already.
            if line.trim() == "stop" && sender.blocking_send(()).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
