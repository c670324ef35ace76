//! `phaseflag serve`: the event stream.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{PhaseFlagClient, Value};

use crate::support::{Folder, KEY, SOON, Service};

/// A time that no test reaches.
const NEVER: Duration = Duration::from_secs(1000 * 24 * 3600);

/// How long an edit may take to be in force: a second, on a busy machine.
const A_SECOND_OR_SO: Duration = Duration::from_secs(10);

fn serve(folder: &Folder, options: &[&str]) -> Service {
    Service::start_with(folder, &[&["flags.json", "--port", "0"], options].concat())
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < SOON, "it never came to be: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A connection of which the lines are read.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(service: &Service, key: Option<&str>) -> Stream {
        let address = service.base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let key = key.map(|key| format!("X-API-Key: {key}\r\n")).unwrap_or_default();
        let request = format!("GET /api/v1/sdk/stream HTTP/1.1\r\nHost: {address}\r\n{key}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Stream(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Skips to the next line with this start, and returns the rest of it.
    fn next(&mut self, start: &str) -> String {
        loop {
            if let Some(rest) = self.line().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}

#[test]
fn sends_an_event_for_each_flag_that_changes() {
    for options in [&[] as &[&str], &["--self-hosted"]] {
        let folder = Folder::new("streams-events");
        folder.write("flags.json", "[]");
        let service = serve(&folder, options);
        let mut stream = Stream::open(&service, Some(KEY));
        assert_eq!(stream.line(), "HTTP/1.1 200 OK");
        assert_eq!(stream.next("Content-Type: "), "text/event-stream");
        assert_eq!(stream.next("event: "), "connected");
        let flag = |key: &str, rest: &str| format!(r#"{{"key": "{key}"{rest}}}"#);
        let mut id = 0;
        for (flags, expected) in [
            (
                vec![flag("b", ""), flag("a", "")],
                vec![("flag.created", "a"), ("flag.created", "b")],
            ),
            (vec![flag("a", ""), flag("b", r#", "name": "B""#)], vec![("flag.updated", "b")]),
            (
                vec![flag("a", r#", "enabled": false"#), flag("c", "")],
                vec![("flag.toggled", "a"), ("flag.created", "c"), ("flag.deleted", "b")],
            ),
            (vec![flag("a", r#", "enabled": false"#)], vec![("flag.deleted", "c")]),
            // Flags of two environments with the same key.
            (
                vec![
                    flag("a", r#", "environment": "staging""#),
                    flag("a", r#", "enabled": false"#),
                ],
                vec![("flag.created", "a")],
            ),
            (
                vec![
                    flag("a", r#", "environment": "staging", "name": "A""#),
                    flag("a", r#", "enabled": false"#),
                ],
                vec![("flag.updated", "a")],
            ),
        ] {
            folder.write("flags.json", &format!("[{}]", flags.join(",")));
            for (name, key) in expected {
                id += 1;
                assert_eq!(stream.next("id: "), id.to_string());
                assert_eq!(stream.next("event: "), name);
                let data: Value = stream.next("data: ").parse().unwrap();
                assert_eq!(data["flag_key"].as_str(), Some(key));
                assert_eq!(data["event"].as_str(), Some(name));
            }
        }
    }
}

#[test]
fn a_change_of_a_segment_is_one_of_the_flags_that_use_it() {
    // The self-hosted service announces none.
    for (options, updated) in
        [(&[] as &[&str], &["a", "b"] as &[&str]), (&["--self-hosted"], &["b"])]
    {
        let folder = Folder::new("streams-segments");
        let rules = |name: &str, segments: &str| {
            let flag = |key: &str, segment: &str, name: &str| {
                format!(
                    r#"{{"key": "{key}", "name": "{name}", "default_variation": "v",
                        "variations": [{{"key": "v", "value": true}}],
                        "targeting_rules": [{{"segment_id": "{segment}", "variation": "v"}}]}}"#
                )
            };
            let flags = [flag("a", "s", ""), flag("b", "s", name), flag("c", "other", "")];
            format!(r#"{{"flags": [{}], "segments": [{segments}]}}"#, flags.join(","))
        };
        let segment = |key: &str, value: &str| {
            format!(
                r#"{{"id": "{key}", "key": "{key}", "conditions": [
                    {{"attribute": "country", "operator": "is", "value": "{value}"}}]}}"#
            )
        };
        let other = segment("other", "US");
        folder.write("flags.json", &rules("", &[segment("s", "US"), other.clone()].join(",")));
        let service = serve(&folder, options);
        let mut stream = Stream::open(&service, Some(KEY));
        assert_eq!(stream.next("event: "), "connected");
        for (name, segments) in [
            ("changed", [segment("s", "GB"), other.clone()].join(",")),
            ("removed", other.clone()),
            ("added", [segment("s", "GB"), other.clone()].join(",")),
            ("unused", [segment("s", "GB"), other.clone(), segment("unused", "")].join(",")),
        ] {
            folder.write("flags.json", &rules(name, &segments));
            let mut keys = vec!["b"];
            keys.extend(updated.iter().filter(|key| name != "unused" && **key != "b"));
            for key in keys {
                assert_eq!(stream.next("event: "), "flag.updated");
                let data: Value = stream.next("data: ").parse().unwrap();
                assert_eq!(data["flag_key"].as_str(), Some(key), "{name} {options:?}");
            }
        }
    }
}

#[test]
fn an_edit_is_in_force_within_a_second() {
    for options in [&[] as &[&str], &["--self-hosted"]] {
        let folder = Folder::new("streams-edit");
        let rules = |value: &str| {
            format!(
                r#"[{{"key": "f", "default_variation": "v",
                    "variations": [{{"key": "v", "value": "{value}"}}]}}]"#
            )
        };
        folder.write("flags.json", &rules("before"));
        let service = serve(&folder, options);
        let client = PhaseFlagClient::builder(&service.base_url, KEY)
            .polling_interval(NEVER)
            .streaming(true)
            .build()
            .unwrap();
        client.start().unwrap();
        client.wait_until_ready(SOON).unwrap();
        // An event before the stream is open is lost.
        let begun = Instant::now();
        while client.get_string_value("f", "", None) == "before" {
            folder.write("flags.json", &rules(&format!("{:?}", begun.elapsed())));
            assert!(begun.elapsed() < SOON, "the stream brings nothing");
            thread::sleep(Duration::from_millis(300));
        }
        for value in ["first", "second", "third"] {
            folder.write("flags.json", &rules(value));
            let edited = Instant::now();
            wait_until(value, || client.get_string_value("f", "", None) == value);
            let taken = edited.elapsed();
            assert!(taken < A_SECOND_OR_SO, "{value}: {taken:?}");
        }
    }
}

#[test]
fn refuses_a_wrong_key_and_too_many_streams() {
    let folder = Folder::new("streams-refused");
    folder.write("flags.json", "[]");
    for (options, status) in
        [(&["--key", KEY] as &[&str], 401), (&["--key", KEY, "--self-hosted"], 403)]
    {
        let service = serve(&folder, options);
        let line = |key| Stream::open(&service, key).line();
        assert!(line(Some("sdk-other")).starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(line(None).starts_with("HTTP/1.1 401 "));

        let mut streams: Vec<_> = (0..100).map(|_| Stream::open(&service, Some(KEY))).collect();
        for stream in &mut streams {
            assert_eq!(stream.line(), "HTTP/1.1 200 OK");
        }
        assert_eq!(line(Some(KEY)), "HTTP/1.1 503 Service Unavailable");
        // A client that has gone leaves room for another one.
        streams.pop();
        if status == 401 {
            wait_until("room for a stream", || line(Some(KEY)) == "HTTP/1.1 200 OK");
        }
    }
}
