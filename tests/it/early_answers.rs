//! Deliveries to servers that respond, or close the connection, before they have read the body.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient, RequestError, Value};

use crate::curl::not_checked;
use crate::port::Port;
use crate::program::Program;
use crate::support::{NEVER, listener, ruleset, started, wait_until};
use crate::wire::{Blackhole, Wire, hang, write_response};

/// What a server does with a body that it does not read.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Node's `writeHead(STATUS).end()` and `req.destroy()`: closes with unread input, which
    /// resets the connection.
    Node,
    /// Node's `Connection: close`, hyper and tiny_http: the end of the output, then the end.
    Orderly,
    /// No response: a reset once this many bytes of the body were read.
    Reset(usize),
    /// No response: the end of the output while the body arrives.
    Silent,
}

/// A service that handles bodies of more than `limit` bytes in a way of its own.
struct Service {
    wire: Wire,
    /// The lengths of the bodies, and whether they were read.
    posts: Arc<Mutex<Vec<(usize, bool)>>>,
    arrived: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(status: u16, limit: usize, end: End) -> Service {
        let posts: Arc<Mutex<Vec<_>>> = Arc::default();
        let arrived: Arc<Mutex<Vec<_>>> = Arc::default();
        let (seen, keys) = (posts.clone(), arrived.clone());
        let wire = Wire::start(move |mut stream, _| {
            while let Some((is_post, length)) = read_head(&mut stream) {
                if is_post {
                    seen.lock().unwrap().push((length, length <= limit));
                }
                if is_post && length > limit {
                    return close(stream, status, end);
                }
                let mut body = vec![0; length];
                if stream.read_exact(&mut body).is_err() {
                    return;
                }
                match is_post {
                    true => {
                        keys.lock().unwrap().extend(keys_of(std::str::from_utf8(&body).unwrap()));
                        write_response(&mut stream, 202, r#"{"accepted": 1}"#);
                    }
                    false => {
                        write_response(&mut stream, 200, &ruleset(1, &["a"]));
                    }
                }
            }
        });
        Service { wire, posts, arrived }
    }

    fn client(&self) -> PhaseFlagClient {
        client_of(&self.wire.url())
    }

    fn posts(&self) -> Vec<(usize, bool)> {
        self.posts.lock().unwrap().clone()
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }
}

fn client_of(url: &str) -> PhaseFlagClient {
    client_with(url, |builder| builder)
}

fn client_with(url: &str, set: impl Fn(ClientBuilder) -> ClientBuilder) -> PhaseFlagClient {
    let builder = PhaseFlagClient::builder(url, "sdk-dev-1")
        .polling_interval(NEVER)
        .event_flush_interval(NEVER)
        .event_batch_size(MANY.0)
        .shutdown_timeout(Duration::from_millis(100));
    started(set(builder))
}

/// Reads the headers of a request. Returns whether it is a POST, and the length of its body.
fn read_head(stream: &mut TcpStream) -> Option<(bool, usize)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some((head.starts_with("post"), length.map_or(0, |length| length.parse().unwrap())))
}

/// Responds as recorded from Node 20, and ends the connection.
fn close(mut stream: TcpStream, status: u16, end: End) {
    let response = |connection, chunk| {
        format!(
            "HTTP/1.1 {status} Status\r\n{connection}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
        )
    };
    match end {
        End::Node => {
            let response = response("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", "");
            let _ = stream.peek(&mut [0]);
            let _ = stream.write_all(response.as_bytes());
        }
        End::Orderly => {
            let response = response("Connection: close\r\n", "9\r\ntoo large\r\n");
            let _ = stream.write_all(response.as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
        }
        End::Reset(bytes) => {
            let mut part = vec![0; bytes];
            let _ = stream.read_exact(&mut part);
            // Closing with unread input resets the connection.
            let _ = stream.peek(&mut [0]);
        }
        End::Silent => {
            let _ = stream.shutdown(Shutdown::Write);
            hang(stream);
        }
    }
}

fn keys_of(body: &str) -> Vec<String> {
    let body: Value = body.parse().unwrap();
    let events = body["events"].as_array().unwrap();
    events.iter().map(|event| event["flag_key"].as_str().unwrap().to_owned()).collect()
}

/// Tracks `count` events of about `bytes` bytes each.
fn track(client: &PhaseFlagClient, count: usize, bytes: usize) {
    for number in 0..count {
        client.track_event(event(&number.to_string(), bytes));
    }
}

fn event(key: &str, bytes: usize) -> EvaluationEvent {
    EvaluationEvent::new(key).metadata("page", "x".repeat(bytes))
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// A batch of 1.6 MB: the number of events, and the bytes of each.
const MANY: (usize, usize) = (200, 8_000);

#[test]
fn a_body_that_is_too_large_is_split_although_it_was_not_read() {
    for end in [End::Node, End::Orderly] {
        let service = Service::start(413, 30_000, end);
        let client = service.client();
        track(&client, MANY.0, MANY.1);
        client.flush_events().unwrap_or_else(|error| panic!("{end:?}: {error:?}"));
        assert_eq!(service.arrived(), numbers(MANY.0), "{end:?}");
        let refused = service.posts().iter().filter(|(_, was_read)| !was_read).count();
        assert!(refused > 0, "{end:?}");
        // The failure of no request counts: each response was read.
        let statistics = client.statistics();
        assert_eq!(statistics.failed_deliveries, 0, "{end:?}: {refused} refused");
        assert_eq!(statistics.events.delivered, MANY.0 as u64, "{end:?}");
    }
}

#[test]
fn a_refused_key_is_noticed_although_the_body_was_not_read() {
    for (status, end) in [(401, End::Node), (401, End::Orderly), (403, End::Node)] {
        let service = Service::start(status, 0, end);
        let client = service.client();
        track(&client, MANY.0, MANY.1);
        // A whole batch is due at once.
        wait_until("a failure", || client.statistics().failed_deliveries > 0);
        // Any other failure is retried within a second.
        thread::sleep(Duration::from_millis(1200));
        assert_eq!(service.posts().len(), 1, "{status} {end:?}");
        let Err(Error::Flush { queued, cause, .. }) = client.flush_events() else {
            panic!("{status} {end:?}: delivered");
        };
        assert_eq!((queued, cause.status()), (MANY.0, Some(status)), "{end:?}");
    }
}

/// Runs a test of this file in a network of its own, on which the shell command acts first.
#[cfg(target_os = "linux")]
fn in_network(setup: &str, name: &str) {
    let child = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg(format!("ip link set lo up mtu 1500 && {setup} && exec \"$@\""))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("early_answers::{name}"), "--ignored", "--nocapture"])
        .env(ETHERNET, "")
        .output();
    match child.map(|child| (child.status, String::from_utf8(child.stdout).unwrap())) {
        Ok((status, text)) if text.contains("running 1 test") => {
            assert!(status.success() && text.contains("<<noticed>>"), "{text}");
        }
        _ => not_checked("small packets: there is no network namespace here"),
    }
}

/// On loopback, the send buffer holds a whole body. With the packets of an Ethernet it does not.
#[test]
#[cfg(target_os = "linux")]
fn a_refused_key_is_noticed_after_a_few_halves_on_an_ethernet() {
    in_network("true", "child_on_an_ethernet");
}

/// The system waits anew for each part of a body that it takes, so the time limit of a request grows
/// with its size.
#[test]
#[cfg(target_os = "linux")]
fn a_network_that_takes_the_body_slowly_is_not_waited_for_long() {
    let small_windows = "echo 4096 4096 4096 > /proc/sys/net/ipv4/tcp_rmem";
    in_network(small_windows, "child_on_a_slow_network");
}

#[test]
#[ignore = "another test runs it in a separate process"]
#[cfg(target_os = "linux")]
fn child_on_a_slow_network() {
    if std::env::var_os(ETHERNET).is_none() {
        return;
    }
    let wire = Wire::start(|mut stream, _| {
        while matches!(stream.read(&mut [0; 1000]), Ok(1..)) {
            thread::sleep(Duration::from_millis(100));
        }
    });
    for (count, size) in [MANY, (1, 1_000_000)] {
        let client = client_with(&wire.url(), |builder| builder.request_timeout(SLOW));
        track(&client, count, size);
        let begin = Instant::now();
        let Err(Error::Flush { queued, cause, .. }) = client.flush_events() else {
            panic!("delivered")
        };
        // With one write of 256 KiB it takes 20 s.
        assert!(begin.elapsed() < 10 * SLOW, "{count}: {:?}", begin.elapsed());
        assert!(matches!(cause, RequestError::Timeout { .. }), "{count}: {cause:?}");
        assert_eq!(queued, count);
    }
    println!("<<noticed>>");
}

/// A request timeout that a slow network exceeds.
#[cfg(target_os = "linux")]
const SLOW: Duration = Duration::from_secs(1);

/// The variable of the child process.
#[cfg(target_os = "linux")]
const ETHERNET: &str = "PHASEFLAG_TEST_ETHERNET";

#[test]
#[ignore = "another test runs it in a separate process"]
#[cfg(target_os = "linux")]
fn child_on_an_ethernet() {
    if std::env::var_os(ETHERNET).is_none() {
        return;
    }
    for end in [End::Node, End::Orderly] {
        let service = Service::start(401, 0, end);
        let client = service.client();
        track(&client, MANY.0, MANY.1);
        wait_until("a refused key", || {
            let failure = client.statistics().last_delivery_failure;
            failure.is_some_and(|failure| failure.status() == Some(401))
        });
        // 64, 32, 16 and 8 KB, of which the last ones fit for certain.
        let posts = service.posts().len();
        assert!((1..=4).contains(&posts), "{end:?}: {posts}");
        let events = client.statistics().events;
        assert_eq!((events.queued, events.dropped()), (MANY.0, 0), "{end:?}");
    }
    println!("<<noticed>>");
}

#[test]
fn a_body_holds_at_most_64_kib_unless_one_event_is_larger() {
    let service = Service::start(413, usize::MAX, End::Node);
    let client = service.client();
    for (number, bytes) in [100_000, 100, 100_000, 8_000, 50_000, 30_000].into_iter().enumerate() {
        client.track_event(event(&number.to_string(), bytes));
    }
    client.flush_events().unwrap();
    assert_eq!(service.arrived(), numbers(6));
    let lengths: Vec<_> = service.posts().iter().map(|(length, _)| length / 1000).collect();
    assert_eq!(lengths, [100, 0, 100, 58, 30]);
}

#[test]
fn a_connection_that_breaks_makes_the_next_request_smaller() {
    for read in [0, 1000, 20_000] {
        let service = Service::start(0, 20_000, End::Reset(read));
        let client = service.client();
        track(&client, MANY.0, MANY.1);
        client.flush_events().unwrap_or_else(|error| panic!("{read}: {error:?}"));
        assert_eq!(service.arrived(), numbers(MANY.0), "{read}");
        let posts = service.posts();
        // The last of these requests is small enough.
        let sizes: Vec<_> = posts.iter().take(3).map(|(length, _)| length / 8_000).collect();
        assert_eq!(sizes, [8, 4, 2], "{read}");
        let events = client.statistics().events;
        assert_eq!((events.delivered, events.dropped()), (MANY.0 as u64, 0), "{read}");
    }
}

/// A proxy or a TLS library may close the connection in order, although it has not read the body.
#[test]
fn a_connection_that_closes_without_a_response_makes_the_next_request_smaller() {
    let service = Service::start(0, 20_000, End::Silent);
    let client = service.client();
    track(&client, 40, MANY.1);
    let mut causes = Vec::new();
    while let Err(error) = client.flush_events() {
        let Error::Flush { rejected: 0, cause, .. } = error else { panic!("{error:?}") };
        causes.push(format!("{cause:#}"));
        assert!(causes.len() < 100, "{:?}", service.posts());
    }
    assert_eq!(service.arrived(), numbers(40));
    let posts = service.posts();
    let sizes: Vec<_> = posts.iter().take(3).map(|(length, _)| length / 8_000).collect();
    assert_eq!(sizes, [8, 4, 2]);
    let text = ": the server closed the connection without a response: ";
    assert!(causes.iter().all(|cause| cause.contains(text)), "{causes:?}");
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.dropped()), (40, 0));
}

#[test]
fn one_event_that_breaks_the_connection_does_not_hold_up_others() {
    let service = Service::start(0, 100_000, End::Reset(1000));
    let client = service.client();
    client.track_event(event("bad", 150_000));
    track(&client, 20, 100);
    for _ in 0..10 {
        let _ = client.flush_events();
    }
    assert_eq!(service.arrived(), numbers(20));
    let events = client.statistics().events;
    assert_eq!((events.delivered, events.dropped_server_error, events.dropped()), (20, 1, 1));
}

#[test]
fn a_service_that_breaks_every_connection_loses_nothing() {
    let service = Service::start(0, 0, End::Reset(0));
    let client = service.client();
    track(&client, 40, 10);
    let mut cause = None;
    for _ in 0..5 {
        let Err(Error::Flush { queued, rejected, cause: last, .. }) = client.flush_events() else {
            panic!("delivered");
        };
        assert_eq!((queued, rejected), (40, 0));
        cause = Some(last);
    }
    let url = format!("{}/sdk/events", service.wire.url());
    let cause: RequestError = cause.unwrap();
    let text = format!("{cause:#}");
    let expected =
        format!("failed to reach `{url}`: the connection broke while the request was sent: ");
    assert!(text.starts_with(&expected), "{text}");
    // 40, 20, 10, 5, 2 and three single events, then one in each flush.
    let posts = service.posts().len();
    assert!((8..=20).contains(&posts), "{posts}");
    assert_eq!(client.statistics().events.queued, 40);
}

/// Starts a service that accepts everything, and collects the number of events of each request.
fn collecting(listener: std::net::TcpListener, sizes: Arc<Mutex<Vec<usize>>>) -> Wire {
    Wire::on(listener, move |mut stream, _| {
        while let Some((is_post, length)) = read_head(&mut stream) {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            if is_post {
                sizes.lock().unwrap().push(keys_of(std::str::from_utf8(&body).unwrap()).len());
            }
            write_response(&mut stream, 202, "{}");
        }
    })
}

#[test]
fn a_service_that_cannot_be_reached_changes_no_batch() {
    let port = Port::hold();
    let client = client_of(&port.base_url());
    track(&client, 40, 10);
    for _ in 0..5 {
        let Err(Error::Flush { queued, .. }) = client.flush_events() else { panic!("delivered") };
        assert_eq!(queued, 40);
    }
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let listener = std::net::TcpListener::bind(port.address()).unwrap();
    let _wire = collecting(listener, sizes.clone());
    client.flush_events().unwrap();
    assert_eq!(*sizes.lock().unwrap(), [40]);
}

#[test]
fn a_service_that_accepts_no_connection_in_time_changes_no_batch() {
    let listener = listener();
    let dead = Blackhole::on(listener.try_clone().unwrap());
    // Shorter than the time limit of a connection.
    let builder = PhaseFlagClient::builder(dead.url(), "sdk-dev-1")
        .polling_interval(NEVER)
        .event_flush_interval(NEVER)
        .request_timeout(Duration::from_millis(3500))
        .shutdown_timeout(Duration::from_millis(100));
    let client = started(builder);
    track(&client, 40, 10);
    for _ in 0..2 {
        let Err(Error::Flush { queued, cause, .. }) = client.flush_events() else {
            panic!("delivered")
        };
        assert_eq!(queued, 40);
        assert!(format!("{cause:#}").ends_with(": no connection within 3.5s"), "{cause:#}");
    }
    drop(dead);
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let _wire = collecting(listener, sizes.clone());
    wait_until("it is delivered", || client.flush_events().is_ok());
    assert_eq!(*sizes.lock().unwrap(), [40]);
}

/// A server that refuses bodies of more than 30,000 bytes, in the way that its second argument
/// names, and accepts all others.
const NODE: &str = r#"
const refuse = {
  destroy: (req, res) => { res.writeHead(413).end(); req.destroy(); },
  close: (req, res) => { res.writeHead(413, { connection: 'close' }).end('too large'); },
  hang_up: (req, res) => {
    res.writeHead(413, { connection: 'close' }).end('too large', () => req.socket.destroy());
  },
  keep: (req, res) => { res.writeHead(413).end('too large'); },
}[process.argv[1]];
const server = require('http').createServer((req, res) => {
  if (Number(req.headers['content-length'] || 0) > 30000) return refuse(req, res);
  let body = '';
  req.on('data', (data) => { body += data; });
  req.on('end', () => {
    if (req.method === 'GET') return res.end('{"version": 1, "flags": []}');
    res.statusCode = 202;
    res.end(JSON.stringify({ accepted: JSON.parse(body).events.length }));
  });
});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
"#;

#[test]
fn node_refuses_a_body_early() {
    let found = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        println!("NOT CHECKED: there is no `node`");
        return;
    }
    for way in ["destroy", "close", "hang_up", "keep"] {
        let mut node = Program::start(Command::new("node").args(["-e", NODE, way]));
        let line = node.line("port ");
        let port = line.strip_prefix("port ").unwrap();
        let client = client_of(&format!("http://127.0.0.1:{port}/api/v1"));
        track(&client, MANY.0, MANY.1);
        client.flush_events().unwrap_or_else(|error| panic!("{way}: {error:?}"));
        let statistics = client.statistics();
        assert_eq!(statistics.events.delivered, MANY.0 as u64, "{way}");
        assert_eq!(statistics.failed_deliveries, 0, "{way}");
    }
}
