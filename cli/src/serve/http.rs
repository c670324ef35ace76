//! A minimal HTTP server on loopback: one request per connection.
//!
//! A library would make the binary 5 % larger.

use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Object, Value};

use super::log;

/// The largest head and the largest body of a request, in bytes.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// The timeout of each read from a connection, and of a whole response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after a connection could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const JSON: &str = "application/json";

/// A server that is listening.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Receiver<Request>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 is any free one. Each connection has its own thread, so that a
    /// silent one does not block others.
    pub(crate) fn start(port: u16) -> io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            loop {
                let Ok((stream, peer)) = listener.accept() else {
                    thread::sleep(ACCEPT_RETRY);
                    continue;
                };
                let sender = sender.clone();
                // If no thread can be started, the connection is closed.
                let _ = thread::Builder::new().spawn(move || {
                    if let Some(request) = Request::read(stream, peer.ip()) {
                        // The receiver is gone only if the program is ending.
                        let _ = sender.send(request);
                    }
                });
            }
        })?;
        Ok(Server { address, requests })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next request. With a limit, returns [`Next::Nothing`] if none comes in time.
    pub(crate) fn next(&self, limit: Option<Duration>) -> Next {
        let received = match limit {
            Some(limit) => self.requests.recv_timeout(limit),
            None => self.requests.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            Ok(request) => Next::Request(request),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }
}

/// What the server has received.
pub(crate) enum Next {
    Request(Request),
    /// The limit has passed.
    Nothing,
    /// The server accepts no more connections.
    End,
}

/// A request, and the connection for the response.
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    address: IpAddr,
    /// When its first line was read.
    received: Instant,
    stream: TcpStream,
}

/// A response.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Headers in addition to those of every response.
    pub(crate) headers: Vec<(&'static str, String)>,
    content_type: &'static str,
    pub(crate) body: String,
    is_logged: bool,
}

impl Response {
    pub(crate) fn json(status: u16, body: Object) -> Response {
        Response::text(status, JSON, Value::from(body).to_string())
    }

    pub(crate) fn empty(status: u16) -> Response {
        Response::text(status, JSON, String::new())
    }

    pub(crate) fn text(
        status: u16,
        content_type: &'static str,
        body: impl Into<String>,
    ) -> Response {
        Response { status, headers: Vec::new(), content_type, body: body.into(), is_logged: true }
    }

    /// Keeps the request out of the log.
    pub(crate) fn unlogged(mut self) -> Response {
        self.is_logged = false;
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why no request could be read.
enum ReadError {
    /// The connection was closed, or timed out.
    Closed,
    /// The request is invalid or too large; the response has this status.
    Rejected(u16),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> ReadError {
        ReadError::Closed
    }
}

impl Request {
    /// Reads a request. Responds to an invalid one, and returns `None`.
    fn read(stream: TcpStream, address: IpAddr) -> Option<Request> {
        let output = stream.try_clone().ok()?;
        match Request::parse(stream, address) {
            Ok(request) => Some(request),
            Err(ReadError::Closed) => None,
            Err(ReadError::Rejected(status)) => {
                reject(output, status);
                None
            }
        }
    }

    fn parse(stream: TcpStream, address: IpAddr) -> Result<Request, ReadError> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = (&mut reader).take(MAX_HEAD);
        let first = line(&mut head)?;
        let mut words = first.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(ReadError::Rejected(400));
        };
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut request = Request {
            method: method.to_owned(),
            path,
            headers: Vec::new(),
            body: Vec::new(),
            address,
            received: Instant::now(),
            stream,
        };
        loop {
            let line = line(&mut head)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(ReadError::Rejected(400))?;
            request.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Host")).count() > 1
        {
            return Err(ReadError::Rejected(400));
        }
        let length = request.content_length()?;
        if request.header("Expect").is_some() {
            request.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let read = reader.take(length).read_to_end(&mut request.body)?;
        if read as u64 != length {
            return Err(ReadError::Closed);
        }
        Ok(request)
    }

    /// Returns the length of the body.
    fn content_length(&self) -> Result<u64, ReadError> {
        match self.header("Content-Length").map(str::parse) {
            None if self.header("Transfer-Encoding").is_some() => Err(ReadError::Rejected(411)),
            None => Ok(0),
            Some(Ok(length @ 0..=MAX_BODY)) => Ok(length),
            Some(Ok(_)) => Err(ReadError::Rejected(413)),
            Some(Err(_)) => Err(ReadError::Rejected(400)),
        }
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path without the query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the address of the client.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Sends a response, without its body if the method is HEAD, and closes the connection.
    pub(crate) fn respond(self, mut response: Response) -> io::Result<()> {
        if self.method == "HEAD" {
            response.body.clear();
        }
        send(&self.stream, &response)?;
        self.log(&response);
        Ok(())
    }

    /// Sends the head of a response and the beginning of its body, which ends when the returned
    /// connection is closed.
    pub(crate) fn begin_response(self, response: &Response) -> io::Result<TcpStream> {
        let bytes = head(response, None) + &response.body;
        write(&self.stream, bytes.as_bytes(), TIMEOUT)?;
        self.log(response);
        Ok(self.stream)
    }

    fn log(&self, response: &Response) {
        if response.is_logged {
            let (duration, bytes) = (self.received.elapsed(), response.body.len());
            log::request(&self.method, &self.path, response.status, duration, bytes);
        }
    }
}

/// Reads a line of the head, without its line end.
fn line(head: &mut Take<impl BufRead>) -> Result<String, ReadError> {
    let mut line = Vec::new();
    head.read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(if head.limit() == 0 { ReadError::Rejected(431) } else { ReadError::Closed });
    };
    let line = std::str::from_utf8(line).map_err(|_| ReadError::Rejected(400))?;
    Ok(line.trim_end_matches('\r').to_owned())
}

fn reject(stream: TcpStream, status: u16) {
    let start = Instant::now();
    // The client may be gone.
    let _ = send(&stream, &Response::empty(status));
    log::request("-", "-", status, start.elapsed(), 0);
    // Closing a connection with unread data may discard the response.
    let _ = io::copy(&mut stream.take(MAX_HEAD), &mut io::sink());
}

fn send(stream: &TcpStream, response: &Response) -> io::Result<()> {
    let bytes = head(response, Some(response.body.len())) + &response.body;
    write(stream, bytes.as_bytes(), TIMEOUT)?;
    stream.shutdown(Shutdown::Write)
}

/// Returns the head of a response, with the empty line at its end.
fn head(response: &Response, length: Option<usize>) -> String {
    let status = response.status;
    let mut head = format!("HTTP/1.1 {status} {}\r\nConnection: close\r\n", phrase(status));
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if status != 304 {
        head += &format!("Content-Type: {}\r\n", response.content_type);
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
    }
    head + "\r\n"
}

/// Writes all bytes within a time limit, even to a slow reader.
fn write(mut stream: &TcpStream, mut bytes: &[u8], limit: Duration) -> io::Result<()> {
    let start = Instant::now();
    while !bytes.is_empty() {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reader is slow: each write succeeds, but not all of them in time.
    #[test]
    fn a_response_has_one_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut reader = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let reading = thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while reader.read(&mut piece).is_ok_and(|read| read > 0) {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let written = write(&stream, &vec![0; 64 << 20], Duration::from_millis(200));
        let kind = written.unwrap_err().kind();
        assert!(matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{kind}");
        drop(stream);
        reading.join().unwrap();
    }
}
