//! A small HTTP server on loopback. A test controls every byte that it sends.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, PhaseFlagClient, Value};

/// The shortest polling interval that a client accepts.
pub const RAPIDLY: Duration = Duration::from_millis(10);

/// A time that no test reaches. Nor does one reach a random part of it, such as the first wait between
/// two polls.
pub const NEVER: Duration = Duration::from_secs(1000 * 24 * 3600);

/// The longest that a test waits for a condition.
pub const SOON: Duration = Duration::from_secs(20);

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// The names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The number of earlier requests, of any path.
    pub number: usize,
    /// The time at which the request was read.
    pub at: Instant,
}

impl Request {
    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        self.body.parse().expect("a body of JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole response; `Content-Length` is added.
    Response { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, one at a time with this delay, until the client disconnects.
    Drip(Vec<u8>, Duration),
    /// An event stream in chunks, with these pieces when they come, until the sender is dropped.
    Stream(Arc<Mutex<Receiver<Vec<u8>>>>),
    /// No response, until the client disconnects or the server ends.
    Hang,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        Reply::Response { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn json(body: impl Into<String>) -> Reply {
        Reply::status(200).with_body(body.into()).with("content-type", "application/json")
    }

    pub fn with_status(mut self, code: u16) -> Reply {
        if let Reply::Response { status, .. } = &mut self {
            *status = code;
        }
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Reply {
        if let Reply::Response { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn with_body(mut self, text: impl Into<Vec<u8>>) -> Reply {
        if let Reply::Response { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Mutex<Arc<Handler>>,
    requests: Mutex<Vec<Request>>,
    came: Condvar,
    /// The open connections, by the number of earlier ones.
    connections: Mutex<BTreeMap<usize, TcpStream>>,
    stopped: AtomicBool,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = listener();
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            handler: Mutex::new(Arc::new(handler)),
            requests: Mutex::default(),
            came: Condvar::new(),
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                if let Ok(copy) = stream.try_clone() {
                    lock(&accepting.connections).insert(number, copy);
                }
                // The drop did not close a connection that was listed after it.
                if accepting.stopped.load(Ordering::Acquire) {
                    accepting.close_connections();
                    return;
                }
                let shared = accepting.clone();
                thread::spawn(move || {
                    shared.serve(stream);
                    lock(&shared.connections).remove(&number);
                });
            }
        });
        Server { address, shared }
    }

    /// Starts a server that serves this ruleset and accepts all events.
    pub fn with_ruleset(ruleset: impl Into<String>) -> Server {
        let ruleset = ruleset.into();
        Server::start(move |request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(ruleset.clone()),
            "/api/v1/sdk/events" => Reply::status(202).with_body(r#"{"accepted": 1}"#),
            _ => Reply::status(404),
        })
    }

    /// Changes what the server does from now on.
    pub fn respond(&self, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *lock(&self.shared.handler) = Arc::new(handler);
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Returns the requests so far whose path ends with this suffix.
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path.ends_with(path)).collect()
    }

    /// Waits for that many requests whose path ends with this suffix, and returns them.
    pub fn wait_for(&self, count: usize, path: &str) -> Vec<Request> {
        let few = |requests: &mut Vec<Request>| {
            requests.iter().filter(|request| request.path.ends_with(path)).count() < count
        };
        let requests = lock(&self.shared.requests);
        let (requests, timeout) = self
            .shared
            .came
            .wait_timeout_while(requests, SOON, few)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "fewer than {count} requests to {path}: {requests:#?}");
        drop(requests);
        self.requests_to(path)
    }

    /// Closes every connection that is open now.
    pub fn close_connections(&self) {
        self.shared.close_connections();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.close_connections();
        // Wakes the accepting thread, so that it ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn close_connections(&self) {
        for connection in std::mem::take(&mut *lock(&self.connections)).values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(copy) = stream.try_clone() else { return };
        let mut reader = BufReader::new(copy);
        let mut writer = stream;
        while let Some((request, handler)) = self.read(&mut reader) {
            let reply = handler(&request);
            if !self.write(&mut writer, reply) {
                let _ = writer.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Reads and counts a request, and returns it with its handler: one that is set after the request
    /// is counted does not answer it.
    fn read(&self, reader: &mut BufReader<TcpStream>) -> Option<(Request, Arc<Handler>)> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).expect("a body in UTF-8");
        let mut requests = lock(&self.requests);
        let request =
            Request { method, path, headers, body, number: requests.len(), at: Instant::now() };
        let handler = lock(&self.handler).clone();
        requests.push(request.clone());
        self.came.notify_all();
        Some((request, handler))
    }

    /// Writes the reply, and returns whether the connection stays open.
    fn write(&self, writer: &mut TcpStream, reply: Reply) -> bool {
        match reply {
            Reply::Response { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Status\r\n");
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                if status != 304 && status != 204 {
                    head += &format!("content-length: {}\r\n", body.len());
                }
                head += "\r\n";
                let whole = [head.as_bytes(), &body].concat();
                writer.write_all(&whole).is_ok()
            }
            Reply::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                false
            }
            Reply::Drip(bytes, pause) => {
                for byte in bytes {
                    if writer.write_all(&[byte]).is_err() || self.stopped.load(Ordering::Acquire) {
                        break;
                    }
                    thread::sleep(pause);
                }
                false
            }
            Reply::Stream(pieces) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                    transfer-encoding: chunked\r\n\r\n";
                let mut is_open = writer.write_all(head.as_bytes()).is_ok();
                while is_open && let Ok(piece) = lock(&pieces).recv() {
                    let length = format!("{:x}\r\n", piece.len());
                    let chunk = [length.as_bytes(), &piece, b"\r\n"].concat();
                    is_open = writer.write_all(&chunk).is_ok();
                }
                let _ = writer.write_all(b"0\r\n\r\n");
                false
            }
            Reply::Hang => {
                let mut rest = [0; 64];
                while matches!(writer.read(&mut rest), Ok(1..)) {}
                false
            }
        }
    }
}

/// Listens on a free port of 127.0.0.1 that no other test of this process has had: clients and log
/// lines of an earlier server may name its port.
pub fn listener() -> TcpListener {
    static USED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        if lock(&USED).insert(listener.local_addr().expect("an address").port()) {
            return listener;
        }
    }
}

/// Returns an address that refuses connections: no server of this process takes its port.
pub fn refusing_address() -> SocketAddr {
    listener().local_addr().expect("an address")
}

/// Adds a listener that blocks until the sender is dropped. Returns a receiver for the calls, too.
pub fn block(client: &PhaseFlagClient) -> (Sender<()>, Receiver<()>) {
    let (proceed, may_proceed) = channel::<()>();
    let (begin, begun) = channel();
    let may_proceed = Mutex::new(may_proceed);
    client.on_flags_changed(move |_| {
        let _ = begin.send(());
        let _ = lock(&may_proceed).recv();
    });
    (proceed, begun)
}

/// Returns settings for a client of this server.
pub fn builder(server: &Server) -> ClientBuilder {
    PhaseFlagClient::builder(server.url(), "sdk-dev-1")
}

/// Builds a client and starts it.
pub fn started(builder: ClientBuilder) -> PhaseFlagClient {
    let client = builder.build().expect("valid settings");
    client.start().expect("a started client");
    client
}

/// Builds a client, starts it and waits until it is ready.
pub fn ready(builder: ClientBuilder) -> PhaseFlagClient {
    let client = started(builder);
    client.wait_until_ready(SOON).expect("a ready client");
    client
}

/// Waits until the condition holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to be: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sets a flag when it is dropped, also by a failed assertion, so that the threads of the test end.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Returns a ruleset of dialect D with one boolean flag for each key, on for every context.
pub fn ruleset(version: u64, keys: &[&str]) -> String {
    let flags: Vec<_> = keys.iter().map(|key| flag(key, true)).collect();
    format!(r#"{{"data": {{"version": {version}, "flags": [{}]}}}}"#, flags.join(","))
}

/// Returns a boolean flag that serves the same value to every context.
pub fn flag(key: &str, value: bool) -> String {
    format!(
        r#"{{"key": "{key}", "variations": [{{"key": "v", "value": {value}}}], "default_variation": "v"}}"#
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
