//! Connections of deliveries: which responses keep them, and how much of a response is read.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Error, EvaluationEvent, PhaseFlagClient};

use crate::support::{NEVER, ready, ruleset};
use crate::wire::{Wire, read_request, write_response};

/// How many events a test delivers, each in a request of its own.
const POSTS: usize = 5;

/// Starts a service that responds to polls, and handles each event request with `respond`, which
/// returns whether the connection stays open.
fn service(
    respond: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static,
) -> (Wire, Arc<AtomicUsize>) {
    let posting = Arc::new(AtomicUsize::new(0));
    let count = posting.clone();
    let wire = Wire::start(move |mut stream, _| {
        let mut counted = false;
        while let Some(request) = read_request(&mut stream) {
            if request.starts_with("GET") {
                write_response(&mut stream, 200, &ruleset(1, &["a"]));
                continue;
            }
            if !std::mem::replace(&mut counted, true) {
                count.fetch_add(1, Ordering::AcqRel);
            }
            if !respond(&mut stream) {
                return;
            }
        }
    });
    (wire, posting)
}

fn client(wire: &Wire) -> PhaseFlagClient {
    let builder = PhaseFlagClient::builder(wire.url(), "sdk-dev-1")
        .polling_interval(NEVER)
        .event_flush_interval(NEVER)
        .shutdown_timeout(Duration::from_millis(100));
    // A poll would use the connection of a delivery, and close it.
    ready(builder)
}

/// Delivers events one at a time, and returns the number of connections.
fn connections(respond: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static) -> usize {
    let (wire, posting) = service(respond);
    let client = client(&wire);
    for number in 0..POSTS {
        client.track_event(EvaluationEvent::new(number.to_string()));
        client.flush_events().unwrap();
    }
    assert_eq!(client.statistics().events.delivered, POSTS as u64);
    posting.load(Ordering::Acquire)
}

fn chunked(head: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut response =
        format!("HTTP/1.1 202 Accepted\r\n{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in chunks.iter().chain([&b"".as_slice()]) {
        response.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        response.extend(*chunk);
        response.extend(b"\r\n");
    }
    response
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_complete_response_keeps_the_connection() {
    let text = br#"{"accepted": 1}"#.as_slice();
    let long = [b' '; 60_000];
    let gzip = gzipped(text);
    let gzip_length = format!(
        "HTTP/1.1 202 A\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        gzip.len()
    );
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a length", b"HTTP/1.1 202 A\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
        ("an empty body", b"HTTP/1.1 202 A\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ("no body", b"HTTP/1.1 204 A\r\n\r\n".to_vec()),
        ("one chunk", chunked("", &[text])),
        ("many chunks", chunked("", &text.chunks(1).collect::<Vec<_>>())),
        ("no chunk", chunked("", &[])),
        ("a long body", chunked("", &long.chunks(1000).collect::<Vec<_>>())),
        ("gzip in chunks", chunked("content-encoding: gzip\r\n", &[&gzip])),
        ("gzip of a length", [gzip_length.as_bytes(), &gzip].concat()),
        ("an unknown encoding", chunked("content-encoding: br\r\n", &[b"?"])),
        (
            "chunks and a trailer",
            b"HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n"
                .to_vec(),
        ),
    ];
    for (name, response) in cases {
        let count = connections(move |stream| stream.write_all(&response).is_ok());
        assert_eq!(count, 1, "{name}");
    }
}

#[test]
fn any_other_response_costs_one_connection() {
    let chunk = chunked("", &[&[b' '; 70_000]]);
    let bomb = chunked("content-encoding: gzip\r\n", &[&gzipped(&[b' '; 10_000_000])]);
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("a body beyond the limit", chunk),
        ("half of a chunk", b"HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{".to_vec()),
        ("no length", b"HTTP/1.1 202 A\r\n\r\n{}".to_vec()),
        ("HTTP/1.0", b"HTTP/1.0 202 A\r\n\r\n{}".to_vec()),
        ("close", b"HTTP/1.1 202 A\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
    ];
    if cfg!(feature = "gzip") {
        cases.push(("a bomb", bomb));
    }
    for (name, response) in cases {
        let count = connections(move |stream| {
            let _ = stream.write_all(&response);
            false
        });
        assert_eq!(count, POSTS, "{name}");
    }
}

#[test]
fn evaluations_of_unknown_flags_share_a_connection() {
    let body = r#"{"error": {"code": "FLAG_NOT_FOUND", "message": "no flag"}}"#;
    let (wire, posting) = service(move |stream| write_response(stream, 404, body));
    let client = client(&wire);
    for _ in 0..POSTS {
        let error = client.evaluate("a", None).unwrap_err();
        assert!(matches!(error, Error::FlagNotFound { .. }), "{error:?}");
    }
    assert_eq!(posting.load(Ordering::Acquire), 1);
}

/// A server may close the connection a moment after an early response to a delivery.
#[test]
fn a_connection_of_a_failed_delivery_is_not_used_again() {
    let posts = AtomicUsize::new(0);
    let (wire, posting) = service(move |stream| {
        let first = posts.fetch_add(1, Ordering::AcqRel) == 0;
        write_response(stream, if first { 401 } else { 202 }, "{}")
    });
    let client = client(&wire);
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap_err();
    // Only the next request avoids it, whatever the request is for.
    for _ in 0..POSTS {
        client.evaluate("a", None).unwrap_err();
        client.flush_events().unwrap();
        client.track_event(EvaluationEvent::new("a"));
    }
    assert_eq!(posting.load(Ordering::Acquire), 2);
}

/// A client reads neither much nor long of a body that has no end.
#[test]
fn an_endless_response_is_cut_short() {
    const LENGTH: &[u8] = b"content-length: 99999999\r\n\r\n";
    const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n\r\n";
    struct Case {
        name: &'static str,
        head: &'static [u8],
        piece: Vec<u8>,
        pause: Duration,
    }
    let flood = Duration::ZERO;
    let drip = Duration::from_millis(5);
    let extension = [b"1;".as_slice(), &[b'x'; 60_000]].concat();
    for Case { name, head, piece, pause } in [
        Case { name: "chunks", head: CHUNKED, piece: b"1\r\nx\r\n".repeat(1000), pause: flood },
        Case {
            name: "chunks that drip",
            head: CHUNKED,
            piece: b"1\r\nx\r\n".to_vec(),
            pause: drip,
        },
        Case { name: "one chunk", head: CHUNKED, piece: b"fffffff\r\nx".to_vec(), pause: drip },
        Case { name: "an extension", head: CHUNKED, piece: extension, pause: flood },
        Case { name: "no length", head: b"\r\n", piece: vec![b'x'; 60_000], pause: flood },
        Case { name: "no length that drips", head: b"\r\n", piece: b"x".to_vec(), pause: drip },
        Case { name: "a long body", head: LENGTH, piece: vec![b'x'; 60_000], pause: flood },
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let (wire, _) = service(move |stream| {
            let _ = stream.write_all(&[b"HTTP/1.1 202 A\r\n", head].concat());
            while stream.write_all(&piece).is_ok() {
                count.fetch_add(piece.len(), Ordering::AcqRel);
                thread::sleep(pause);
            }
            false
        });
        let client = client(&wire);
        client.track_event(EvaluationEvent::new("a"));
        let begun = Instant::now();
        client.flush_events().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
        // The buffers of the system take megabytes that the client does not read.
        let sent = sent.load(Ordering::Acquire);
        assert!(sent < 20_000_000, "{name}: {sent} bytes");
        assert_eq!(client.statistics().events.delivered, 1, "{name}");
    }
}
