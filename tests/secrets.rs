//! Tests that the key is only sent to the service, and is in no error, debug text or log line.
//!
//! The only test of its program, because it keeps every log line of the process.
#![cfg(feature = "http")]

mod support;
#[path = "support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use log::Level;
use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};
use support::{NEVER, Reply, Request, Server, refusing_address, ruleset, wait_until};
use wire::{Wire, read_request};

/// The key. The test finds it whole, and each half of it.
const KEY: &str = "sdk-prod-5ecret-Key";
const PARTS: [&str; 2] = ["5ecret", "prod-5ec"];

/// The password of a proxy.
const PASSWORD: &str = "pr0xyPass";

/// The lines of a target, each with the thread that wrote it.
type Lines = Vec<(ThreadId, Level, String)>;

/// Keeps every line, by its target.
struct Everything(Mutex<BTreeMap<String, Lines>>);

static EVERYTHING: Everything = Everything(Mutex::new(BTreeMap::new()));

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut line = record.args().to_string();
        for (name, value) in [
            ("file", record.file().unwrap_or_default()),
            ("module", record.module_path().unwrap_or_default()),
        ] {
            line += &format!(" {name}={value}");
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(record.target().to_owned()).or_default().push((
            thread::current().id(),
            record.level(),
            line,
        ));
    }

    fn flush(&self) {}
}

/// Returns whether a text contains the key, or consecutive rows of 16 bytes do.
fn contains_key(text: &str) -> bool {
    PARTS.iter().any(|part| text.contains(part)) || text.contains(PASSWORD)
}

/// The last column of ureq's rows: two characters for a byte in groups of four, and the bytes.
fn bytes_of_row(line: &str) -> Option<&str> {
    let row = line.split(" file=").next()?;
    row.get(41..57)
}

/// The places that contain the key and must not.
static BETRAYED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn check_text(what: &str, text: String) {
    if contains_key(&text) {
        let mut betrayed = BETRAYED.lock().unwrap_or_else(PoisonError::into_inner);
        betrayed.insert(format!("{what}: {text}"));
    }
}

fn check(what: &str, value: &(impl Debug + ?Sized)) {
    check_text(what, format!("{value:?}"));
    check_text(what, format!("{value:#?}"));
}

fn check_error(what: &str, error: &dyn StdError) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        check(what, error);
        check_text(what, error.to_string());
        cause = error.source();
    }
}

fn builder(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, KEY)
        .polling_interval(NEVER)
        .streaming(true)
        .request_timeout(Duration::from_millis(500))
        .shutdown_timeout(Duration::from_millis(100))
        .event_batch_size(1)
}

/// Makes every kind of request, and checks everything that can be printed.
fn exercise(what: &str, settings: ClientBuilder) {
    check(what, &settings);
    let client = settings.build().unwrap();
    check(what, &client);
    client.start().unwrap();
    wait_until(what, || client.statistics().polls > 0);
    if let Err(error) = client.wait_until_ready(Duration::ZERO) {
        check_error(what, &error);
    }
    if let Err(error) = client.evaluate("a", None) {
        check_error(what, &error);
    }
    if let Err(error) = client.refresh() {
        check_error(what, &error);
    }
    client.track_event(EvaluationEvent::new("a"));
    if let Err(error) = client.flush_events() {
        check_error(what, &error);
    }
    if let Some(failure) = client.statistics().last_failure {
        check_error(what, &failure);
    }
    check(what, &client);
    check(what, &client.statistics());
    check(what, &client.state());
    check(what, &client.ruleset());
    client.stop();
    check(what, &client);
}

/// A service that repeats the key in every part of a response.
fn echo(shape: usize, request: &Request) -> Reply {
    let key = request.header("x-api-key").unwrap_or(KEY);
    let padding = "x".repeat(290);
    match shape {
        0 => Reply::status(401).with_body(format!(
            r#"{{"error": {{"code": "{key}", "message": "no key {key}, {key}"}}}}"#
        )),
        1 => Reply::status(403).with_body(format!(r#"{{"error": "bad key: {key}"}}"#)),
        2 => Reply::status(500).with_body(format!(r#"{{"detail": "x-api-key={key}"}}"#)),
        3 => Reply::status(422).with_body(format!(r#"{{"detail": [{{"msg": "{key}"}}]}}"#)),
        4 => Reply::status(404).with_body(format!(r#"{{"detail": ["{key}"]}}"#)),
        // The key is at the position where the message is cut.
        5 => Reply::status(503).with_body(format!(r#"{{"error": "{padding}{key}"}}"#)),
        6 => Reply::status(503).with_body(format!(r#"{{"error": "{}"}}"#, escaped(key))),
        7 => Reply::status(200).with("content-encoding", key).with_body("?"),
        8 => Reply::status(302).with("location", &format!("http://127.0.0.1:1/{key}")),
        9 => Reply::status(200).with_body(format!("{key} is not JSON")),
        10 => Reply::status(200).with_body(format!(r#"{{"{key}": 1}}"#)),
        11 => Reply::status(200).with_body(format!(r#"{{"reason": 5, "{key}": 1}}"#)),
        12 => Reply::Raw(format!("HTTP/1.1 {key} {key}\r\n\r\n").into_bytes()),
        13 => Reply::Raw(format!("HTTP/1.1 200 OK\r\n{key}\r\n\r\n").into_bytes()),
        14 => Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {key}\r\n\r\n").into_bytes()),
        15 => Reply::Raw(
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{key}\r\n").into_bytes(),
        ),
        16 => Reply::status(429).with("retry-after", key),
        17 => Reply::status(304).with("etag", key),
        _ => Reply::Hang,
    }
}

/// Returns the text as JSON escapes.
fn escaped(text: &str) -> String {
    let escape = |unit: u16| format!("\\u{unit:04x}");
    text.encode_utf16().map(escape).collect()
}

#[test]
fn the_key_is_in_no_error_debug_text_or_log_line() {
    log::set_logger(&EVERYTHING).expect("the only logger");
    log::set_max_level(log::LevelFilter::Trace);

    let good = Server::with_ruleset(ruleset(1, &["a"]));
    exercise("a good service", builder(&good.url()));
    assert!(good.requests().iter().all(|request| request.header("x-api-key") == Some(KEY)));
    exercise("nothing there", builder(&format!("http://{}", refusing_address())));
    let proxy = Wire::start(|mut stream, _| {
        let _ = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    });
    exercise(
        "a proxy",
        builder(&good.url()).proxy(format!("http://me:{PASSWORD}@{}", proxy.address())),
    );
    // The target that `SECURITY.md` names.
    assert_eq!(targets_that_log_the_key(), [("ureq_proto::util".to_owned(), Level::Trace)].into());
    thread::scope(|scope| {
        for shape in 0..=18 {
            scope.spawn(move || {
                let server = Server::start(move |request| echo(shape, request));
                let what = format!("echo {shape}");
                exercise(&what, builder(&server.url()));
                let settings = builder(&server.url()).offline_mode(true);
                exercise(&what, settings.bootstrap_url("/bootstrap.json"));
            });
        }
    });
    for (what, settings) in [
        ("a key that is no header", PhaseFlagClient::builder("http://h", format!("{KEY}\n"))),
        ("credentials in the URL", builder(&format!("http://me:{KEY}@localhost/api/v1"))),
        ("a key in the query", builder(&format!("http://localhost/api/v1?key={KEY}"))),
        ("a key in the fragment", builder(&format!("http://localhost/api/v1#{KEY}"))),
        (
            "a bootstrap with a query",
            builder("http://localhost/api/v1").bootstrap_url(format!("/b.json?key={KEY}")),
        ),
        (
            "a bootstrap with credentials",
            builder("http://localhost/api/v1").bootstrap_url(format!("http://me:{KEY}@h/b")),
        ),
        (
            "a proxy of another kind",
            builder("http://localhost/api/v1").proxy(format!("socks5://me:{PASSWORD}@h:1")),
        ),
        ("a proxy that is none", builder("http://localhost/api/v1").proxy(format!("::{PASSWORD}"))),
    ] {
        let error = settings.build().expect_err(what);
        check_error(what, &error);
    }

    // If a service repeats the key in its headers, those are logged, too.
    assert_eq!(
        targets_that_log_the_key(),
        [
            ("ureq::body".to_owned(), Level::Debug),
            ("ureq::run".to_owned(), Level::Debug),
            ("ureq_proto::util".to_owned(), Level::Trace),
        ]
        .into()
    );
    let betrayed = BETRAYED.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(betrayed.is_empty(), "{betrayed:#?}");
}

/// Returns the targets whose lines contain the key, with their levels.
fn targets_that_log_the_key() -> BTreeSet<(String, Level)> {
    let lines = EVERYTHING.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(lines.contains_key("phaseflag"), "{:?}", lines.keys());
    let mut betrayers = BTreeSet::new();
    for (target, lines) in lines.iter() {
        let mut rows: BTreeMap<(String, Level), String> = BTreeMap::new();
        for (thread, level, line) in lines {
            let row = rows.entry((format!("{thread:?}"), *level)).or_default();
            row.push_str(bytes_of_row(line).unwrap_or_default());
            if target.starts_with("phaseflag") {
                check_text(target, line.clone());
            } else if contains_key(line) {
                betrayers.insert((target.clone(), *level));
            }
        }
        let rows = rows.into_iter().filter(|(_, row)| contains_key(row));
        betrayers.extend(rows.map(|((_, level), _)| (target.clone(), level)));
    }
    betrayers
}
