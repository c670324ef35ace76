//! Failures of the network and the service: the rules in use stay, the cause can be read, and one
//! line is logged at the begin and at the end of a failure.

use std::collections::HashSet;
use std::error::Error as _;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::Level;
use phaseflag::{
    ClientBuilder, ClientState, Error, EvaluationEvent, PhaseFlagClient, RequestError,
};

use crate::logger;
use crate::support::{NEVER, Reply, Request, SOON, Server, listener, ruleset, wait_until};
use crate::wire::{Wire, read_request, within, write_response};

/// The longest that an immediate call takes on a busy machine.
const AT_ONCE: Duration = SOON;

/// Longer, so that a stop that waits for it is noticed.
const SHUTDOWN_TIMEOUT: Duration = SOON.saturating_mul(2);

/// A time that no test here reaches.
const FOREVER: Duration = Duration::from_secs(600);

/// Long for a response on loopback from a busy machine, and short for a test.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

const MAX_BODY: usize = 100_000;

/// Returns the lines, from this one on, of threads that have named this address, except the one about
/// the first rules. Another test may have used the port before.
fn lines_about(address: SocketAddr, since: usize) -> Vec<(Level, String)> {
    let address = address.to_string();
    let lines = &logger::lines()[since..];
    let about = lines.iter().filter(|line| line.text.contains(&address));
    let threads: HashSet<_> = about.map(|line| line.thread).collect();
    let own = lines.iter().filter(|line| threads.contains(&line.thread));
    let own = own.filter(|line| !line.text.starts_with("flags in use: "));
    own.map(|line| (line.level, line.text.clone())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the server does with a request.
#[derive(Clone)]
enum Act {
    /// A response of 200 with this body; the connection stays open.
    Respond(String),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then a reset of the connection.
    Reset(Vec<u8>),
    /// These bytes, one at a time.
    Drip(Vec<u8>),
    /// The first bytes once, then the second ones repeatedly.
    Flood(Vec<u8>, Vec<u8>),
    Hang,
}

/// A server that handles every request alike, until that is changed.
struct Actor {
    wire: Wire,
    act: Arc<Mutex<Act>>,
    /// The number of lines that were logged before.
    since: usize,
}

impl Actor {
    fn start(act: Act) -> Actor {
        Actor::on(listener(), act)
    }

    fn on(listener: TcpListener, act: Act) -> Actor {
        let act = Arc::new(Mutex::new(act));
        let current = act.clone();
        let wire = Wire::on(listener, move |mut stream, _| {
            while matches!(stream.peek(&mut [0]), Ok(1)) {
                let act = lock(&current).clone();
                if !perform(act, &mut stream) {
                    return;
                }
            }
        });
        let since = logger::lines().len();
        Actor { wire, act, since }
    }

    /// Returns the lines that the client of this server has logged.
    fn lines(&self) -> Vec<(Level, String)> {
        lines_about(self.wire.address(), self.since)
    }

    fn now(&self, act: Act) {
        *lock(&self.act) = act;
    }
}

/// Returns whether the connection stays open.
fn perform(act: Act, stream: &mut TcpStream) -> bool {
    if let Act::Reset(bytes) = act {
        // The kernel resets a connection that is closed with unread input.
        let _ = stream.write_all(&bytes);
        return false;
    }
    if read_request(stream).is_none() {
        return false;
    }
    match act {
        Act::Respond(body) => return write_response(stream, 200, &body),
        Act::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Act::Drip(bytes) => {
            for byte in bytes {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        Act::Flood(bytes, more) => {
            let more = more.repeat(1 + 10_000 / more.len());
            let mut sent = stream.write_all(&bytes);
            while sent.is_ok() {
                sent = stream.write_all(&more);
                // The other tests need the processor, too.
                thread::sleep(Duration::from_millis(1));
            }
        }
        Act::Hang => {
            let _ = read_request(stream);
        }
        Act::Reset(_) => {}
    }
    false
}

/// Returns a response with this head and these bytes.
fn raw(head: &str, body: impl AsRef<[u8]>) -> Act {
    let head = head.replace('\n', "\r\n");
    Act::Bytes([head.as_bytes(), b"\r\n\r\n", body.as_ref()].concat())
}

/// Returns a response with its `Content-Length`.
fn whole(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Act {
    let length = body.as_ref().len();
    let separator = if headers.is_empty() { "" } else { "\n" };
    let head = format!("HTTP/1.1 {status} S\ncontent-length: {length}{separator}{headers}");
    raw(&head, body)
}

fn good() -> Act {
    Act::Respond(ruleset(1, &["a"]))
}

fn builder(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1")
        .request_timeout(REQUEST_TIMEOUT)
        .polling_interval(Duration::from_millis(100))
        .max_body_size(MAX_BODY)
}

fn started(builder: ClientBuilder) -> PhaseFlagClient {
    logger::listen();
    let client = builder.build().unwrap();
    client.start().unwrap();
    client
}

/// Returns the last failure with its causes, without the address.
fn last_failure(client: &PhaseFlagClient, url: &str) -> String {
    let failure = client.statistics().last_failure.expect("a failure");
    let mut sentence = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        sentence += &format!(": {error}");
        cause = error.source();
    }
    sentence.replace(&format!("{url}/sdk/ruleset"), "URL")
}

/// Returns whether a flag is there. A getter would log that it is not there yet.
fn has(client: &PhaseFlagClient, key: &str) -> bool {
    client.flags().iter().any(|flag| flag.key() == key)
}

/// Waits as long as a few retries may take, with their doubling delays.
fn eventually(what: &str, client: &PhaseFlagClient, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        let statistics = client.statistics();
        assert!(begun.elapsed() < 6 * SOON, "{what}: {statistics:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs an episode: the rules arrive, a fault lasts for at least two polls, and ends.
fn episode(name: &str, fault: Act, expected: &str) {
    let actor = Actor::start(good());
    let url = actor.wire.url();
    let client = started(builder(&url));
    client.wait_until_ready(SOON).expect(name);
    actor.now(fault);
    let stale = || matches!(client.state(), ClientState::Stale { age: Some(_), .. });
    eventually(name, &client, stale);
    let polls = client.statistics().polls;
    eventually(name, &client, || client.statistics().polls > polls);
    assert!(stale(), "{name}");
    assert!(client.is_ready(), "{name}");
    assert!(client.get_boolean_value("a", false, None), "{name}");
    let failure = last_failure(&client, &url);
    match expected.strip_suffix('*') {
        Some(beginning) => assert!(failure.starts_with(beginning), "{name}: {failure}"),
        None => assert_eq!(failure, expected, "{name}"),
    }
    let statistics = client.statistics();
    let refused = expected.contains("with an invalid ruleset");
    assert_eq!(statistics.rulesets_refused > 0, refused, "{name}");
    actor.now(Act::Respond(ruleset(2, &["b"])));
    eventually(name, &client, || has(&client, "b"));
    eventually(name, &client, || client.state() == ClientState::Ready);
    let lines = actor.lines();
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::Warn, Level::Info], "{name}: {lines:?}");
    let sentence = expected.replace("URL", &format!("{url}/sdk/ruleset"));
    let warning = format!("failed to fetch the ruleset: {sentence}");
    assert!(lines[0].1.starts_with(warning.trim_end_matches('*')), "{name}: {lines:?}");
    assert_eq!(lines[1].1, "the service responds again", "{name}");
}

/// Runs many cases in parallel, because each spends its time waiting.
fn in_parallel<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    let run = &run;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || run(case));
        }
    });
}

fn episodes(cases: Vec<(&'static str, Act, &'static str)>) {
    in_parallel(cases, |(name, fault, expected)| episode(name, fault, expected));
}

#[test]
fn broken_connections_keep_the_rules_in_use() {
    let chunked = "HTTP/1.1 200 OK\ntransfer-encoding: chunked";
    let body = ruleset(9, &["z"]);
    let length = body.len();
    episodes(vec![
        ("reset before the headers", Act::Reset(Vec::new()), "failed to reach `URL`: io: *"),
        (
            "reset in the headers",
            Act::Reset(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
            "failed to reach `URL`: io: *",
        ),
        (
            "reset in the body",
            Act::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"fl".to_vec()),
            "failed to reach `URL`: io: *",
        ),
        (
            "closed before the headers",
            Act::Bytes(Vec::new()),
            "failed to reach `URL`: io: Peer disconnected",
        ),
        (
            "closed in the headers",
            Act::Bytes(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
            "failed to reach `URL`: io: Peer disconnected",
        ),
        (
            "a truncated chunk",
            raw(chunked, "10\r\n{\"data\""),
            "failed to reach `URL`: io: Peer disconnected",
        ),
        (
            "chunks without the last",
            raw(chunked, format!("{length:x}\r\n{body}\r\n")),
            "failed to reach `URL`: io: Peer disconnected",
        ),
        (
            "a chunk without a size",
            raw(chunked, "zz\r\n{}\r\n0\r\n\r\n"),
            "failed to reach `URL`: protocol: chunk length cannot be read as a number",
        ),
        (
            "a chunk of an absurd size",
            raw(chunked, "ffffffffffffffffff\r\n{}"),
            "failed to reach `URL`: protocol: chunk length cannot be read as a number",
        ),
        (
            "a body shorter than its length",
            raw(&format!("HTTP/1.1 200 OK\ncontent-length: {}", length + 1), &body),
            "failed to reach `URL`: io: Peer disconnected",
        ),
        (
            "a body cut at its length",
            raw(&format!("HTTP/1.1 200 OK\ncontent-length: {}", length - 1), &body),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: a missing `,` or `}` at line 1, column 120",
        ),
        (
            "a length that is none",
            raw("HTTP/1.1 200 OK\ncontent-length: many", &body),
            "failed to reach `URL`: protocol: content-length header not a number",
        ),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\ncontent-length: 2\ncontent-length: 5", "{}   "),
            "failed to reach `URL`: protocol: conflicting content-length headers",
        ),
    ]);
}

#[test]
fn endless_responses_time_out() {
    let head = b"HTTP/1.1 200 OK\r\n";
    let dripping = [head.as_slice(), b"content-length: 9999\r\n\r\n", &[b' '; 9999]].concat();
    episodes(vec![
        ("no response", Act::Hang, "failed to get a response from `URL` within 4s"),
        (
            "a body that drips",
            Act::Drip(dripping.clone()),
            "failed to get a response from `URL` within 4s",
        ),
        (
            "headers that drip",
            Act::Drip([head.as_slice(), &[b'x'; 9999]].concat()),
            "failed to get a response from `URL` within 4s",
        ),
        (
            "headers without end",
            Act::Flood(head.to_vec(), b"x-noise: 1\r\n".to_vec()),
            "failed to reach `URL`: *",
        ),
        (
            "a header without end",
            Act::Flood([head.as_slice(), b"x-noise: "].concat(), b"noise".to_vec()),
            "failed to reach `URL`: response header is too big: *",
        ),
        (
            "a status line without end",
            Act::Flood(b"HTTP/1.1 200 ".to_vec(), b"noise".to_vec()),
            "failed to reach `URL`: response header is too big: *",
        ),
        (
            "news of a response without end",
            Act::Flood(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
            "failed to reach `URL`: *",
        ),
        (
            "hints without end",
            Act::Flood(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec()),
            "failed to reach `URL`: *",
        ),
        (
            "a body without end",
            Act::Flood([head.as_slice(), b"\r\n"].concat(), b" ".to_vec()),
            "`URL` responded with more than 100000 bytes",
        ),
        (
            "chunks without end",
            Act::Flood(
                [head.as_slice(), b"transfer-encoding: chunked\r\n\r\n"].concat(),
                format!("64\r\n{:100}\r\n", "").into_bytes(),
            ),
            "`URL` responded with more than 100000 bytes",
        ),
        (
            "a chunk's size without end",
            Act::Flood(
                [head.as_slice(), b"transfer-encoding: chunked\r\n\r\n"].concat(),
                b"0".to_vec(),
            ),
            "failed to reach `URL`: body data reading stalled",
        ),
        (
            "trailers without end",
            Act::Flood(
                [head.as_slice(), b"transfer-encoding: chunked\r\n\r\n0\r\n"].concat(),
                b"x-noise: 1\r\n".to_vec(),
            ),
            "failed to get a response from `URL` within 4s",
        ),
        (
            "a length beyond the limit",
            raw("HTTP/1.1 200 OK\ncontent-length: 999999999999", "{"),
            "failed to reach `URL`: io: Peer disconnected",
        ),
    ]);
}

#[test]
fn responses_of_other_servers_are_failures() {
    let shape = |body: &str| whole(200, "", body);
    episodes(vec![
        (
            "another protocol",
            Act::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
            "failed to reach `URL`: protocol: http parse fail: invalid HTTP version",
        ),
        (
            "zeros",
            Act::Bytes(vec![0; 100]),
            "failed to reach `URL`: protocol: http parse fail: invalid HTTP version",
        ),
        (
            "a version to come",
            raw("HTTP/9.9 200 OK\ncontent-length: 2", "{}"),
            "failed to reach `URL`: protocol: http parse fail: invalid HTTP version",
        ),
        (
            "a status of two digits",
            raw("HTTP/1.1 20 OK\ncontent-length: 2", "{}"),
            "failed to reach `URL`: protocol: http parse fail: invalid response status",
        ),
        (
            "a login page",
            whole(200, "content-type: text/html", "<!doctype html>\n<html>"),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: an unexpected character where a value was expected at line 1, column 1",
        ),
        (
            "a text",
            shape("\"flags\""),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: expected a list of flags, found a string",
        ),
        (
            "null",
            shape("null"),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: expected a list of flags, found null",
        ),
        (
            "no list",
            shape("{}"),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: expected a list of flags at `flags`, found nothing",
        ),
        (
            "a list that is none",
            shape(r#"{"data": {"flags": {"a": true}}}"#),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: expected a list of flags at `data.flags`, found an object",
        ),
        (
            "half a document",
            shape(r#"{"data": {"flags": ["#),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: the end of the text where a value was expected at line 1, column 21",
        ),
        (
            "more than a document",
            shape("[] []"),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: text after the end of the document at line 1, column 4",
        ),
        (
            "deep nesting",
            shape(&"[".repeat(50_000)),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: nesting deeper than 128 at line 1, column 129",
        ),
        (
            "no text",
            whole(200, "", b"[\xff\xfe]"),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: invalid UTF-8 at line 1, column 2",
        ),
        (
            "an empty body",
            shape(""),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: the end of the text where a value was expected at line 1, column 1",
        ),
        (
            "no content",
            raw("HTTP/1.1 204 No Content", ""),
            "`URL` responded with an invalid ruleset: failed to parse ruleset: the end of the text where a value was expected at line 1, column 1",
        ),
        (
            "a body too large",
            shape(&" ".repeat(MAX_BODY + 1)),
            "`URL` responded with more than 100000 bytes",
        ),
        (
            "a response to no condition",
            raw("HTTP/1.1 304 Not Modified", ""),
            "`URL` responded with status 304 to a request without a condition",
        ),
        (
            "an upgrade",
            raw("HTTP/1.1 101 Switching Protocols\nupgrade: h2c", ""),
            "`URL` responded with status 101",
        ),
        (
            "a compression that nobody asked for",
            whole(200, "content-encoding: br", "?"),
            "`URL` responded with a body in the encoding `br`, which was not requested",
        ),
        (
            "a compression of a compression",
            whole(200, "content-encoding: gzip, gzip", "?"),
            "`URL` responded with a body in the encoding `gzip, gzip`, which was not requested",
        ),
    ]);
}

#[test]
fn error_responses_are_failures() {
    episodes(vec![
        ("500", whole(500, "", ""), "`URL` responded with status 500"),
        (
            "502 with a page",
            whole(502, "content-type: text/html", "<html>"),
            "`URL` responded with status 502",
        ),
        (
            "503 in the first shape",
            whole(503, "", r#"{"error": {"code": "X", "message": "down", "details": 1}}"#),
            "`URL` responded with status 503: down",
        ),
        (
            "503 in the second shape",
            whole(503, "", r#"{"error": "down"}"#),
            "`URL` responded with status 503: down",
        ),
        (
            "503 in the third shape",
            whole(503, "", r#"{"detail": "down"}"#),
            "`URL` responded with status 503: down",
        ),
        (
            "422 with a list",
            whole(422, "", r#"{"detail": [{"msg": "bad"}]}"#),
            "`URL` responded with status 422: bad",
        ),
        ("503 in no shape", whole(503, "", r#"[{"error": 5}]"#), "`URL` responded with status 503"),
        ("503 in no text", whole(503, "", b"\xff"), "`URL` responded with status 503"),
        (
            "a long complaint",
            whole(500, "", format!(r#"{{"error": "{}"}}"#, "é".repeat(1000))),
            "`URL` responded with status 500: é*",
        ),
        (
            "a failure whose body breaks",
            raw("HTTP/1.1 500 S\ncontent-length: 99", "{"),
            "`URL` responded with status 500",
        ),
        ("408", whole(408, "", ""), "`URL` responded with status 408"),
        (
            "404",
            whole(404, "", r#"{"error": "no such path"}"#),
            "`URL` responded with status 404: no such path",
        ),
        (
            "302",
            whole(302, "location: /elsewhere", ""),
            "`URL` responded with status 302, and redirects are not followed",
        ),
        ("429 without a wait", whole(429, "", ""), "`URL` responded with status 429"),
        (
            "429 with a wait that is none",
            whole(429, "retry-after: soon", ""),
            "`URL` responded with status 429",
        ),
        (
            "429 with a date that is past",
            whole(429, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT", ""),
            "`URL` responded with status 429",
        ),
    ]);
}

#[test]
fn noise_around_a_response_is_ignored() {
    let body = ruleset(2, &["b"]);
    let length = body.len();
    let chunks = format!(
        "{:x};noise=1\r\n{}\r\n{:X}\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n",
        20,
        &body[..20],
        length - 20,
        &body[20..]
    );
    let informed = |noise: &str| raw(&format!("{noise}HTTP/1.1 200 OK"), &body);
    for (name, act) in [
        ("a response without a length", raw("HTTP/1.1 200 OK", &body)),
        ("an older version", raw("HTTP/1.0 200 OK", &body)),
        ("no reason", raw("HTTP/1.1 200", &body)),
        ("a mark before the text", raw("HTTP/1.1 200 OK", format!("\u{feff}{body}"))),
        ("another type", whole(200, "content-type: text/html", &body)),
        ("no encoding", whole(200, "content-encoding: identity", &body)),
        ("chunks with noise", raw("HTTP/1.1 200 OK\ntransfer-encoding: chunked", chunks)),
        ("100 before the response", informed("HTTP/1.1 100 Continue\n\n")),
        ("103 before the response", informed("HTTP/1.1 103 Early Hints\nlink: </x>\n\n")),
        ("102 three times before the response", informed(&"HTTP/1.1 102 Processing\n\n".repeat(3))),
        (
            "a body longer than its length",
            raw(&format!("HTTP/1.1 200 OK\ncontent-length: {length}"), format!("{body} and so on")),
        ),
        (
            "a body of the largest size",
            whole(200, "", body.clone() + &" ".repeat(MAX_BODY - length)),
        ),
        ("203", whole(203, "", &body)),
    ] {
        let actor = Actor::start(act);
        let client = started(builder(&actor.wire.url()));
        assert!(client.wait_until_ready(SOON).is_ok(), "{name}: {client:?}");
        assert!(client.get_boolean_value("b", false, None), "{name}");
        actor.now(Act::Respond(ruleset(3, &["c"])));
        wait_until(name, || has(&client, "c"));
        assert!(client.statistics().last_failure.is_none(), "{name}");
        assert_eq!(actor.lines(), [], "{name}");
    }
}

#[test]
fn bytes_after_a_response_are_no_response() {
    let wire = Wire::start(move |mut stream, _| {
        while read_request(&mut stream).is_some() {
            // Both at once: later bytes could be taken for the response to the next request.
            let mut bytes = Vec::new();
            write_response(&mut bytes, 200, &ruleset(1, &["a"]));
            write_response(&mut bytes, 200, &ruleset(9, &["forged"]));
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let client = started(builder(&wire.url()).polling_interval(Duration::from_millis(50)));
    client.wait_until_ready(SOON).unwrap();
    wait_until("eight polls", || client.statistics().polls >= 8);
    assert!(!client.get_boolean_value("forged", false, None));
    assert_eq!(client.statistics().rulesets_accepted, 1);
}

#[test]
fn connections_closed_between_requests_are_no_failure() {
    let posts_closed = Arc::new(AtomicU64::new(0));
    let closed = posts_closed.clone();
    let wire = Wire::start(move |mut stream, _| {
        let request = read_request(&mut stream).unwrap_or_default();
        let status = if request.starts_with("GET") { 200 } else { 202 };
        write_response(&mut stream, status, &ruleset(1, &["a"]));
        drop(stream);
        closed.fetch_add(u64::from(status == 202), Ordering::AcqRel);
    });
    let client = started(builder(&wire.url()).polling_interval(NEVER));
    client.wait_until_ready(SOON).unwrap();
    for number in 1..=18 {
        client.track_event(EvaluationEvent::new("a"));
        client.flush_events().unwrap();
        wait_until("the end", || posts_closed.load(Ordering::Acquire) == number);
        client.refresh().unwrap();
    }
    assert!(client.statistics().last_failure.is_none());
    assert_eq!(client.statistics().events.delivered, 18);
}

#[test]
fn a_kept_connection_is_reused() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let wire = Wire::start({
        let address = server.address();
        move |mut stream, _| {
            let mut onward = TcpStream::connect(address).unwrap();
            let mut back = onward.try_clone().unwrap();
            let mut out = stream.try_clone().unwrap();
            thread::spawn(move || std::io::copy(&mut back, &mut out));
            let _ = std::io::copy(&mut stream, &mut onward);
        }
    });
    let client = started(builder(&wire.url()).polling_interval(NEVER));
    client.wait_until_ready(SOON).unwrap();
    for _ in 0..20 {
        client.track_event(EvaluationEvent::new("a"));
        client.flush_events().unwrap();
    }
    // One for the poll, and another one if a connection was not yet back in the pool.
    assert!(wire.connections() <= 4, "{} connections", wire.connections());
}

/// Returns a port that is unlikely to be taken while nothing listens on it.
fn free_port() -> TcpListener {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    (first..first + 1000)
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .expect("a free port")
}

#[test]
fn a_refused_connection_is_logged_like_other_failures() {
    let since = logger::lines().len();
    let listener = free_port();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/api/v1");
    // The error text of this system.
    let refused = TcpStream::connect(address).unwrap_err();
    let client = started(builder(&url).bootstrap_text(ruleset(0, &["old"])));
    wait_until("two failures", || client.statistics().polls >= 2);
    assert!(client.get_boolean_value("old", false, None));
    assert_eq!(client.state(), ClientState::NotReady);
    let failure = last_failure(&client, &url);
    assert_eq!(failure, format!("failed to reach `URL`: io: {refused}"));
    let actor = Actor::on(TcpListener::bind(address).unwrap(), good());
    client.wait_until_ready(SOON).unwrap();
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(client.state(), ClientState::Ready);
    let lines = lines_about(actor.wire.address(), since);
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::Warn, Level::Info], "{lines:?}");
}

#[test]
fn a_service_that_is_down_at_the_start_is_found_later() {
    in_parallel([500, 503], |status| {
        let actor = Actor::start(whole(status, "", r#"{"error": {"message": "starting"}}"#));
        let client = started(builder(&actor.wire.url()));
        wait_until("a response", || client.statistics().polls > 0);
        let error = client.wait_until_ready(Duration::from_millis(100)).unwrap_err();
        let cause = error.source().map(ToString::to_string);
        let url = actor.wire.url();
        let expected = format!("`{url}/sdk/ruleset` responded with status {status}: starting");
        assert_eq!(error.to_string(), "the client was not ready within 100ms");
        assert_eq!(cause, Some(expected));
        assert_eq!(client.state(), ClientState::NotReady);
        actor.now(good());
        client.wait_until_ready(SOON).unwrap();
        assert!(client.get_boolean_value("a", false, None));
    });
}

#[test]
fn a_refused_key_is_logged_at_once_and_not_retried_soon() {
    in_parallel([401, 403], |status| {
        let actor = Actor::start(whole(status, "", r#"{"detail": "bad key"}"#));
        let url = actor.wire.url();
        let client = started(builder(&url).polling_interval(Duration::from_millis(10)));
        let error = within(AT_ONCE, "the wait", || client.wait_until_ready(FOREVER).unwrap_err());
        assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
        assert_eq!(error.to_string(), "the service refused the API key");
        let cause = error.source().map(ToString::to_string);
        let expected = format!("`{url}/sdk/ruleset` responded with status {status}: bad key");
        assert_eq!(cause, Some(expected));
        assert_eq!(client.state(), ClientState::KeyRefused);
        // Any other failure is retried within a second.
        thread::sleep(Duration::from_millis(1200));
        assert_eq!(client.statistics().polls, 1);
        assert_eq!(actor.lines().len(), 1);
    });
}

#[test]
fn a_key_refused_later_keeps_the_rules_in_use() {
    let actor = Actor::start(good());
    let client = started(builder(&actor.wire.url()).shutdown_timeout(SHUTDOWN_TIMEOUT));
    client.wait_until_ready(SOON).unwrap();
    actor.now(whole(401, "", ""));
    wait_until("refused", || client.state() == ClientState::KeyRefused);
    assert!(client.get_boolean_value("a", false, None));
    client.wait_until_ready(FOREVER).unwrap();
    within(AT_ONCE, "drop", || drop(client));
}

#[test]
fn a_missing_path_suggests_the_usual_one() {
    let server = Server::start(|_| Reply::status(404).with_body(r#"{"detail": "Not Found"}"#));
    let url = format!("http://{}", server.address());
    let client = started(builder(&url));
    wait_until("a failure", || client.statistics().last_failure.is_some());
    assert_eq!(
        last_failure(&client, &url),
        "`URL` responded with status 404: Not Found (does the base URL lack its `/api/v1`?)"
    );
}

#[test]
fn retry_after_is_honored() {
    let in_three_seconds = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        http_date(now.as_secs() + 3)
    };
    type Wait = fn(&dyn Fn() -> String) -> String;
    let cases: [(&str, Wait, Duration); 2] = [
        ("seconds", |_| "1".to_owned(), Duration::from_secs(1)),
        // A date has no fractions of a second.
        ("a date", |date| date(), Duration::from_millis(1900)),
    ];
    in_parallel(cases, |(name, wait, least)| {
        let server = Server::start(move |request| match request.number {
            0 => Reply::status(429).with("retry-after", &wait(&in_three_seconds)),
            _ => Reply::json(ruleset(1, &["a"])),
        });
        let begun = Instant::now();
        let client = started(builder(&server.url()).polling_interval(Duration::from_millis(10)));
        client.wait_until_ready(SOON).unwrap();
        assert!(begun.elapsed() >= least, "{name}: {:?}", begun.elapsed());
        let failure = client.statistics().last_failure.unwrap();
        let RequestError::Status { retry_after, .. } = failure else {
            panic!("{name}: {failure:?}");
        };
        let retry_after = retry_after.expect(name);
        assert!(retry_after <= Duration::from_secs(3), "{name}");
    });
}

#[test]
fn a_huge_retry_after_does_not_block_the_client() {
    in_parallel(
        [
            "86400",
            "18446744073709551615",
            "99999999999999999999999999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ],
        |wait| {
            let server = Server::start(move |_| Reply::status(429).with("retry-after", wait));
            let client = started(builder(&server.url()).shutdown_timeout(SHUTDOWN_TIMEOUT));
            client.track_event(EvaluationEvent::new("a"));
            assert!(client.flush_events().is_err());
            wait_until("a failure", || client.statistics().last_failure.is_some());
            thread::sleep(Duration::from_millis(300));
            assert_eq!(server.requests_to("/sdk/ruleset").len(), 1, "{wait}");
            assert_eq!(server.requests_to("/sdk/events").len(), 1, "{wait}");
            // A flush does not wait for the delay.
            assert!(within(AT_ONCE, wait, || client.flush_events()).is_err());
            within(AT_ONCE, wait, || drop(client));
        },
    );
}

#[test]
fn an_invalid_retry_after_is_ignored() {
    in_parallel(
        ["soon", "-1", "1.5", "", "1e9", "+900", "0x99", "900 s", "900, 900", "９００"],
        |wait| {
            let server = Server::start(move |request| match request.number {
                0 => Reply::status(429).with("retry-after", wait),
                _ => Reply::json(ruleset(1, &["a"])),
            });
            let client = started(builder(&server.url()));
            client.wait_until_ready(SOON).expect(wait);
            let failure = client.statistics().last_failure.unwrap();
            let RequestError::Status { retry_after, .. } = failure else {
                panic!("{wait}: {failure:?}");
            };
            assert_eq!(retry_after, None, "{wait}");
        },
    );
}

/// Formats a time as an HTTP date.
fn http_date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = WEEKDAYS[(day % 7) as usize];
    let mut year = 1970;
    // Every fourth year is a leap year, until 2100.
    let leap = |year| u64::from(year % 4 == 0);
    while day >= 365 + leap(year) {
        day -= 365 + leap(year);
        year += 1;
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let month = &MONTHS[3 * month..][..3];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}

#[test]
fn an_etag_is_kept_only_with_accepted_rules() {
    let tagged = |tag: &str, body: String| Reply::json(body).with("etag", tag);
    let script: Vec<(Reply, Option<&str>)> = vec![
        // The response, and the condition of its request.
        (tagged("\"bad-0\"", "<html>".to_owned()), None),
        (Reply::status(503).with("etag", "\"bad-1\""), None),
        (tagged("W/\"good-1\"", ruleset(1, &["a"])), None),
        (tagged("\"bad-2\"", "{}".to_owned()), Some("W/\"good-1\"")),
        (Reply::status(500).with("etag", "\"bad-3\""), Some("W/\"good-1\"")),
        (Reply::status(304).with("etag", "\"bad-4\""), Some("W/\"good-1\"")),
        (tagged("\"good-2\"", ruleset(2, &["b"])), Some("W/\"good-1\"")),
        (Reply::json(ruleset(3, &["c"])), Some("\"good-2\"")),
        (Reply::status(304), None),
        (tagged("\"good-3\"", ruleset(4, &["d"])), None),
        (Reply::status(304), Some("\"good-3\"")),
    ];
    let replies: Vec<_> = script.iter().map(|(reply, _)| reply.clone()).collect();
    let server = Server::start(move |request| match replies.get(request.number) {
        Some(reply) => reply.clone(),
        None => Reply::status(304),
    });
    let client = started(builder(&server.url()).polling_interval(Duration::from_millis(10)));
    let requests = server.wait_for(script.len(), "/sdk/ruleset");
    for (number, (request, (_, condition))) in requests.iter().zip(&script).enumerate() {
        assert_eq!(request.header("if-none-match"), *condition, "{number}");
    }
    wait_until("the last", || client.state() == ClientState::Ready);
    assert!(client.get_boolean_value("d", false, None));
    assert_eq!(client.statistics().rulesets_accepted, 4);
    assert_eq!(client.statistics().rulesets_refused, 2);
}

#[test]
fn the_key_reaches_no_second_host() {
    for status in [300, 301, 302, 303, 307, 308] {
        for form in ["http://{}/api/v1/x", "//{}/x"] {
            let stranger = Wire::start(|mut stream, _| {
                write_response(&mut stream, 200, &ruleset(9, &["stolen"]));
            });
            let location = form.replace("{}", &stranger.address().to_string());
            let server = Server::start(move |_| Reply::status(status).with("location", &location));
            let settings = builder(&server.url()).streaming(true).polling_interval(NEVER);
            let client = started(settings.bootstrap_url("/bootstrap.json"));
            server.wait_for(1, "/sdk/stream");
            server.wait_for(1, "/sdk/ruleset");
            server.wait_for(1, "/bootstrap.json");
            let evaluated = client.evaluate("a", None).unwrap_err();
            assert!(evaluated.to_string().contains(&status.to_string()));
            client.track_event(EvaluationEvent::new("a"));
            assert!(client.flush_events().is_err());
            client.stop();
            for path in
                ["/sdk/ruleset", "/sdk/stream", "/bootstrap.json", "/evaluate", "/sdk/events"]
            {
                let requests: Vec<Request> = server.requests_to(path);
                assert!(!requests.is_empty(), "{path}");
                assert!(
                    requests
                        .iter()
                        .all(|request| { request.header("x-api-key") == Some("sdk-dev-1") })
                );
            }
            assert_eq!(stranger.connections(), 0, "{status} to {form}");
            assert!(!client.get_boolean_value("stolen", false, None));
        }
    }
}

/// Nor is it kept: an error shows the begin of a message.
#[test]
fn the_body_of_an_error_is_not_read_to_its_end() {
    let wire = Wire::start(|mut stream, _| {
        if read_request(&mut stream).is_none() {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 503 Unavailable\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 64 * 1024]).is_ok() {}
    });
    let client = PhaseFlagClient::builder(wire.url(), "sdk-dev-1").request_timeout(FOREVER);
    let client = client.build().unwrap();
    let (send, failed) = channel();
    thread::spawn(move || send.send(client.fetch_ruleset().unwrap_err().to_string()));
    let error = failed.recv_timeout(SOON).expect("an error");
    assert!(error.ends_with("/sdk/ruleset` responded with status 503"), "{error}");
}

#[test]
fn a_bootstrap_elsewhere_is_fetched_without_the_key() {
    let stranger = Server::start(|_| Reply::json(ruleset(1, &["a"])));
    let server = Server::start(|_| Reply::status(500));
    // The same host with another port, and with another name.
    for host in ["127.0.0.1", "localhost"] {
        let bootstrap = format!("http://{host}:{}/b.json", stranger.address().port());
        let client = started(builder(&server.url()).bootstrap_url(bootstrap));
        wait_until("the rules", || client.get_boolean_value("a", false, None));
    }
    for request in stranger.requests_to("/b.json") {
        assert_eq!(request.header("x-api-key"), None);
        assert!(!format!("{request:?}").contains("sdk-dev-1"));
    }
}

#[cfg(feature = "gzip")]
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
#[cfg(not(feature = "gzip"))]
fn a_compressed_body_is_neither_requested_nor_read() {
    episodes(vec![(
        "gzip",
        whole(200, "content-encoding: gzip", b"\x1f\x8b\x08\0"),
        "`URL` responded with a body in the encoding `gzip`, which was not requested",
    )]);
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server.url()));
    client.wait_until_ready(SOON).unwrap();
    assert_eq!(server.requests()[0].header("accept-encoding"), None);
}

#[test]
#[cfg(feature = "gzip")]
fn a_compressed_body_is_read() {
    let body = gzip(ruleset(1, &["a"]).as_bytes());
    let server = Server::start(move |_| {
        Reply::status(200).with("content-encoding", "gzip").with_body(body.clone())
    });
    let client = started(builder(&server.url()));
    client.wait_until_ready(SOON).unwrap();
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
}

#[test]
#[cfg(feature = "gzip")]
fn a_compressed_body_is_limited_by_its_decompressed_size() {
    let bomb = gzip(&vec![b' '; 200 * 1024 * 1024]);
    assert!(bomb.len() < 400_000);
    let body = gzip(ruleset(9, &["z"]).as_bytes());
    let encoded = |body: &[u8]| whole(200, "content-encoding: gzip", body);
    episodes(vec![
        ("a bomb", encoded(&bomb), "`URL` responded with more than 100000 bytes"),
        ("half of one", encoded(&body[..body.len() / 2]), "failed to reach `URL`: *"),
        (
            "one that is named in capitals",
            whole(200, "content-encoding: GZIP", &body),
            "`URL` responded with a body in the encoding `GZIP`, which was not requested",
        ),
        ("none", encoded(b"plain"), "failed to reach `URL`: *"),
        ("nothing", encoded(b""), "failed to reach `URL`: *"),
    ]);
}
