//! What ends the server: a signal, the end of its input, or the line `stop`.

use std::future::Future;
use std::io;
use std::thread;

use tokio::signal;
use tokio::sync::oneshot::{self, Receiver};

/// Listens from now on, and returns what is done when the server should end.
///
/// # Errors
///
/// Where the system lets nobody listen for its signals, or starts no thread.
pub fn end() -> io::Result<impl Future<Output = ()>> {
    let signalled = signalled()?;
    let input = end_of_input()?;
    Ok(async move {
        tokio::select! {
            () = signalled => {}
            // An error says that the other end is gone: the input is at its end.
            _ = input => {}
        }
    })
}

/// Waits for Ctrl-C, and for SIGTERM, with which a container or an init system ends a program.
#[cfg(unix)]
fn signalled() -> io::Result<impl Future<Output = ()>> {
    use signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn signalled() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if signal::ctrl_c().await.is_err() {
            // Where nobody can wait for it, it ends the program by itself.
            std::future::pending::<()>().await;
        }
    })
}

/// Reads the input on a thread of its own, which no executor waits for.
fn end_of_input() -> io::Result<Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.find(|line| line.trim() == "stop");
        // Where nobody waits any more, the server is at its end already.
        let _ = sender.send(());
    })?;
    Ok(receiver)
}
