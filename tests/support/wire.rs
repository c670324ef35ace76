//! A server on loopback for raw connections, for behaviour that no HTTP server has.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::listener;

/// A running server. It stops accepting connections on drop.
pub struct Wire {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Wire {
    /// Starts a server that handles each connection, with the number of earlier ones, on a thread.
    pub fn start(handler: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Wire {
        Wire::on(listener(), handler)
    }

    /// Does the same with an existing listener.
    pub fn on(
        listener: TcpListener,
        handler: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> Wire {
        let wire = Wire {
            address: listener.local_addr().expect("an address"),
            accepted: Arc::default(),
            stopped: Arc::default(),
        };
        let (accepted, stopped) = (wire.accepted.clone(), wire.stopped.clone());
        let handler = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let number = accepted.fetch_add(1, Ordering::AcqRel);
                let _ = stream.set_nodelay(true);
                let handler = handler.clone();
                thread::spawn(move || handler(stream, number));
            }
        });
        wire
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the accepting thread, so that it ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Waits for the first byte of a request, writes this, and resets the connection: the kernel resets
/// a socket that is closed with unread input.
pub fn reset_after(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.peek(&mut [0]);
    let _ = stream.write_all(bytes);
}

/// Reads one request and returns its bytes, or `None` at the end of the connection.
pub fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        request.extend(byte);
    }
    let head = String::from_utf8(request).ok()?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap_or(0));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

/// Writes a JSON response that keeps the connection open.
pub fn write_response(stream: &mut impl Write, status: u16, body: &str) -> bool {
    let length = body.len();
    let reply = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(reply.as_bytes()).is_ok() && stream.flush().is_ok()
}

/// Reads until the peer disconnects.
pub fn hang(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest), Ok(1..)) {}
}

/// A port with a full backlog: a connection to it waits.
pub struct Blackhole {
    listener: TcpListener,
    queued: Vec<TcpStream>,
}

impl Blackhole {
    pub fn open() -> Blackhole {
        Blackhole::on(listener())
    }

    /// Does the same with an existing listener.
    pub fn on(listener: TcpListener) -> Blackhole {
        let address = listener.local_addr().expect("an address");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
            assert!(queued.len() < 5000, "the backlog never fills up");
        }
        Blackhole { listener, queued }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address())
    }
}

/// Runs a closure that must return in time, and returns its result.
pub fn within<T>(limit: Duration, what: &str, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = run();
    let took = begun.elapsed();
    assert!(took < limit, "{what} took {took:?}, more than {limit:?}");
    result
}
