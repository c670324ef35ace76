//! As much of an HTTP server as the local service needs: one request a connection, on loopback.
//!
//! A library that does this makes the program a twentieth larger than these lines do.

use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Object, Value};

/// The most bytes that are read of a request's head, and of its body.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// The longest that a connection may be silent, and that a whole answer may take.
const SILENCE: Duration = Duration::from_secs(10);

/// How long to wait where no connection can be accepted.
const RECOVERY: Duration = Duration::from_millis(100);

/// A server that is listening.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Receiver<Request>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 is any free one. Each connection is read on a thread of its
    /// own, so that one that is silent holds up no other.
    pub(crate) fn start(port: u16) -> io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let (sender, requests) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            loop {
                let Ok((stream, peer)) = listener.accept() else {
                    thread::sleep(RECOVERY);
                    continue;
                };
                let sender = sender.clone();
                // Where the system has no thread left, the connection is closed.
                let _ = thread::Builder::new().spawn(move || {
                    if let Some(request) = Request::read(stream, peer.ip()) {
                        // Nobody takes it at the end of the program.
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

    /// Returns the requests as they come.
    pub(crate) fn requests(&self) -> impl Iterator<Item = Request> {
        self.requests.iter()
    }
}

/// A request, and the connection that waits for the answer.
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    address: IpAddr,
    stream: TcpStream,
}

/// What a request is answered with.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Headers, beside those that every answer has.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Object) -> Answer {
        Answer { status, headers: Vec::new(), text: Value::from(body).to_string() }
    }

    pub(crate) fn empty(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), text: String::new() }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why there is no request to answer.
enum Unread {
    /// The connection has ended, or is silent.
    Gone,
    /// It is not understood, and refused with a status.
    Refused(u16),
}

impl From<io::Error> for Unread {
    fn from(_: io::Error) -> Unread {
        Unread::Gone
    }
}

impl Request {
    /// Reads a request. One that is not understood is refused here.
    fn read(stream: TcpStream, address: IpAddr) -> Option<Request> {
        let answers = stream.try_clone().ok()?;
        match Request::parse(stream, address) {
            Ok(request) => Some(request),
            Err(Unread::Gone) => None,
            Err(Unread::Refused(status)) => {
                refuse(answers, status);
                None
            }
        }
    }

    fn parse(stream: TcpStream, address: IpAddr) -> Result<Request, Unread> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = (&mut reader).take(MAX_HEAD);
        let first = line(&mut head)?;
        let mut words = first.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(Unread::Refused(400));
        };
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut request = Request {
            method: method.to_owned(),
            path,
            headers: Vec::new(),
            body: Vec::new(),
            address,
            stream,
        };
        loop {
            let line = line(&mut head)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(Unread::Refused(400))?;
            request.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length = request.length()?;
        if request.header("Expect").is_some() {
            request.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let read = reader.take(length).read_to_end(&mut request.body)?;
        if read as u64 != length {
            return Err(Unread::Gone);
        }
        Ok(request)
    }

    /// Returns how long the body is.
    fn length(&self) -> Result<u64, Unread> {
        match self.header("Content-Length").map(str::parse) {
            None if self.header("Transfer-Encoding").is_some() => Err(Unread::Refused(411)),
            None => Ok(0),
            Some(Ok(length @ 0..=MAX_BODY)) => Ok(length),
            Some(Ok(_)) => Err(Unread::Refused(413)),
            Some(Err(_)) => Err(Unread::Refused(400)),
        }
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path, without what follows a question mark.
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

    /// Returns the address of the sender.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Answers, and closes the connection. The answer to HEAD ends with its head.
    pub(crate) fn respond(self, mut answer: Answer) -> io::Result<()> {
        if self.method == "HEAD" {
            answer.text.clear();
        }
        respond(&self.stream, &answer)
    }
}

/// Reads a line of a head, without its end.
fn line(head: &mut Take<impl BufRead>) -> Result<String, Unread> {
    let mut line = Vec::new();
    head.read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(if head.limit() == 0 { Unread::Refused(431) } else { Unread::Gone });
    };
    let line = std::str::from_utf8(line).map_err(|_| Unread::Refused(400))?;
    Ok(line.trim_end_matches('\r').to_owned())
}

fn refuse(stream: TcpStream, status: u16) {
    // Whoever sent this may not be there to hear it.
    let _ = respond(&stream, &Answer::empty(status));
    // Where something has not been read, the end of the connection may overtake the answer.
    let _ = io::copy(&mut stream.take(MAX_HEAD), &mut io::sink());
}

fn respond(stream: &TcpStream, answer: &Answer) -> io::Result<()> {
    let Answer { status, headers, text } = answer;
    let mut bytes = format!("HTTP/1.1 {status} {}\r\nConnection: close\r\n", phrase(*status));
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    if *status != 304 {
        bytes += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", text.len());
    }
    bytes += "\r\n";
    bytes += text;
    write(stream, bytes.as_bytes(), SILENCE)?;
    stream.shutdown(Shutdown::Write)
}

/// Writes all of an answer within a time, however slowly it is read.
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
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes something again and again, but not all of it in time.
    #[test]
    fn an_answer_has_one_deadline() {
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
