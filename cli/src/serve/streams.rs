//! Open responses with server-sent events.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::http::{Request, Response};

/// The number of streams that may be open at once.
pub(crate) const MAX_STREAMS: usize = 100;

/// After this time without an event, each stream gets a comment.
const SILENCE: Duration = Duration::from_secs(30);

/// Streams that all get the same events.
///
/// Nothing waits for a reader: a stream that cannot take an event at once is closed. Its client
/// opens another one, and asks for what it has missed.
pub(crate) struct Streams {
    open: Vec<TcpStream>,
    last_sent: Instant,
}

impl Streams {
    pub(crate) fn new() -> Streams {
        Streams { open: Vec::new(), last_sent: Instant::now() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= MAX_STREAMS
    }

    /// Opens a stream, whose first events are the body of a response.
    /// [`is_full`](Streams::is_full) must be checked before.
    pub(crate) fn open(&mut self, request: Request, response: &Response) {
        let begin = || -> io::Result<TcpStream> {
            let stream = request.begin_response(response)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        // A client that has closed the connection opens another stream.
        self.open.extend(begin());
    }

    /// Sends events to all streams.
    pub(crate) fn send(&mut self, event: &str) {
        if event.is_empty() {
            return;
        }
        self.last_sent = Instant::now();
        self.open.retain_mut(
            |stream| matches!(stream.write(event.as_bytes()), Ok(sent) if sent == event.len()),
        );
    }

    /// Forgets the streams that their clients have closed, and breaks a long silence, so that
    /// clients can tell a silent stream from a broken one.
    pub(crate) fn tend(&mut self) {
        self.open.retain(|stream| !is_closed(stream));
        if self.last_sent.elapsed() >= SILENCE {
            self.send(": keepalive\n\n");
        }
    }
}

/// Formats an event with one line of data.
pub(crate) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// Returns whether the client has closed the connection.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.peek(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn open() -> (Streams, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (Streams { open: vec![stream], ..Streams::new() }, client)
    }

    #[test]
    fn a_stream_that_is_not_read_is_closed_instead_of_waited_for() {
        let (mut streams, mut client) = open();
        streams.send(&event("a", "1"));
        assert!(!streams.is_empty());
        let piece = "x".repeat(1 << 20);
        for _ in 0..64 {
            streams.send(&piece);
        }
        assert!(streams.is_empty());
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert!(received.starts_with(b"event: a\ndata: 1\n\nx"));
        assert!(received.len() < 64 << 20);
    }

    #[test]
    fn a_long_silence_is_broken() {
        let (mut streams, mut client) = open();
        streams.tend();
        streams.last_sent = Instant::now().checked_sub(SILENCE).unwrap();
        streams.tend();
        streams.tend();
        drop(streams);
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert_eq!(received, ": keepalive\n\n");
    }
}
