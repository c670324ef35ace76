//! The page of `phaseflag serve`: the hosts that it answers, its JSON, and its stream of edits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use phaseflag::Value;

use crate::support::{FLAGS, Folder, KEY, Response, SOON, Service, exchange};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn get(service: &Service, path: &str) -> Response {
    exchange("GET", &format!("{}{path}", service.page()), &[], "")
}

/// Sends a request with exactly these headers, and returns its status.
fn status(service: &Service, request: &str, headers: &str) -> u16 {
    let mut stream = connect(service);
    write!(stream, "{request} HTTP/1.1\r\n{headers}\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

fn connect(service: &Service) -> TcpStream {
    let page = service.page();
    let address = page.strip_prefix("http://").unwrap().trim_end_matches('/');
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Returns the whole answer. One that takes a second may be cut, which a busy machine does not do each
/// time.
fn answer(service: &Service, request: &str) -> Value {
    let url = format!("{}_page/answer", service.page());
    for _ in 0..5 {
        let start = Instant::now();
        let response = exchange("POST", &url, &[JSON], request);
        assert_eq!(response.status, 200, "{}", response.body);
        if start.elapsed() < Duration::from_secs(1) {
            return response.json();
        }
    }
    panic!("each answer takes more than a second: {request:.200}");
}

#[test]
fn its_files_are_served_with_a_strict_policy() {
    let folder = Folder::new("page-files");
    let service = Service::with_flags(&folder);
    for (path, content_type, part) in [
        ("", "text/html; charset=utf-8", "<!doctype html>"),
        ("_page/style.css", "text/css; charset=utf-8", "prefers-color-scheme: dark"),
        ("_page/page.js", "text/javascript; charset=utf-8", "EventSource"),
        ("_page/icon.svg", "image/svg+xml", "<svg"),
        ("_page/flags", "application/json", "instant-search"),
    ] {
        let response = get(&service, path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("Content-Type"), Some(content_type), "{path}");
        assert!(response.body.contains(part), "{path}");
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ] {
            assert_eq!(response.header(name), Some(value), "{path}");
        }
        let policy = response.header("Content-Security-Policy").unwrap();
        let mut directives: Vec<_> = policy.split("; ").collect();
        directives.sort_unstable();
        let expected = [
            "base-uri 'none'",
            "connect-src 'self'",
            "default-src 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "img-src 'self'",
            "require-trusted-types-for 'script'",
            "script-src 'self'",
            "style-src 'self'",
            "trusted-types 'none'",
        ];
        assert_eq!(directives, expected, "{path}");
        assert_eq!(response.header("Access-Control-Allow-Origin"), None, "{path}");
    }
    // Nothing comes from elsewhere, and no script is in the page itself.
    let html = get(&service, "").body;
    assert!(!html.contains("//"), "{html}");
    assert!(!html.contains(" on") && !html.contains("style="), "{html}");
    assert_eq!(html.matches("<script").count(), html.matches("<script src=\"/_page/").count());
}

#[test]
fn its_address_is_printed() {
    let folder = Folder::new("page-address");
    let mut service = Service::with_flags(&folder);
    assert_eq!(service.program.line("page "), format!("page {}", service.page()));
}

#[test]
fn other_paths_and_methods_are_refused() {
    let folder = Folder::new("page-methods");
    let service = Service::with_flags(&folder);
    let host = "Host: localhost\r\n";
    for (request, expected) in [
        ("HEAD /", 200),
        ("HEAD /_page/page.js", 200),
        ("POST /", 405),
        ("OPTIONS /", 405),
        ("DELETE /_page/flags", 405),
        ("HEAD /_page/changes", 405),
        ("POST /_page/changes", 405),
        ("GET /_page/answer", 405),
        ("GET /_page/", 404),
        ("GET /_page/../flags.json", 404),
        ("GET /_page/%2e%2e/flags.json", 404),
        // Other paths are those of the service, which wants a key.
        ("GET /_pages", 401),
        ("GET /index.html", 401),
        ("GET /favicon.ico", 401),
    ] {
        assert_eq!(status(&service, request, host), expected, "{request}");
    }
    let response = exchange("POST", &service.page(), &[], "");
    assert_eq!(response.header("Allow"), Some("GET"));
    let response = get(&service, "_page/answer");
    assert_eq!(response.header("Allow"), Some("POST"));
}

/// A page whose name resolves to this machine is in its browser the same site.
#[test]
fn a_host_that_is_not_this_machine_is_refused() {
    let folder = Folder::new("page-hosts");
    let service = Service::with_flags(&folder);
    let port = service.page().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let ruleset = format!("X-API-Key: {KEY}\r\n");
    for (host, page, program) in [
        (format!("Host: 127.0.0.1:{port}\r\n"), 200, 200),
        (format!("Host: localhost:{port}\r\n"), 200, 200),
        (format!("hOsT: LOCALHOST:{port}\r\n"), 200, 200),
        (format!("Host: [::1]:{port}\r\n"), 200, 200),
        // Behind `ssh -L`.
        ("Host: localhost:9\r\n".to_owned(), 200, 200),
        (format!("Host: example.com:{port}\r\n"), 421, 421),
        (format!("Host: 127.0.0.1.example.com:{port}\r\n"), 421, 421),
        (format!("Host: localhost.example.com:{port}\r\n"), 421, 421),
        // A machine of the local network may claim it.
        (format!("Host: printer.local:{port}\r\n"), 421, 421),
        // Programs in containers.
        (format!("Host: host.docker.internal:{port}\r\n"), 421, 200),
        (format!("Host: 192.168.1.7:{port}\r\n"), 421, 200),
        (format!("Host: flags:{port}\r\n"), 421, 200),
        (String::new(), 421, 200),
        ("Host:\r\n".to_owned(), 421, 200),
        (format!("Host: localhost:{port}\r\nHost: example.com\r\n"), 400, 400),
    ] {
        for path in ["/", "/_page/page.js", "/_page/flags", "/_page/nothing"] {
            let expected = if path.ends_with("nothing") && page == 200 { 404 } else { page };
            assert_eq!(status(&service, &format!("GET {path}"), &host), expected, "{path} {host}");
        }
        if page != 200 {
            assert_eq!(status(&service, "GET /_page/changes", &host), page, "{host}");
        }
        let headers = format!("{host}{ruleset}");
        let request = "GET /api/v1/sdk/ruleset";
        assert_eq!(status(&service, request, &headers), program, "{host}");
    }
}

#[test]
fn another_site_cannot_request_its_parts() {
    let folder = Folder::new("page-sites");
    let service = Service::with_flags(&folder);
    let port = service.page().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let host = format!("Host: localhost:{port}\r\n");
    for (request, headers, expected) in [
        ("GET /_page/flags", "Sec-Fetch-Site: same-origin\r\n".to_owned(), 200),
        ("GET /_page/flags", "Sec-Fetch-Site: none\r\n".to_owned(), 200),
        ("GET /_page/flags", "Sec-Fetch-Site: same-site\r\n".to_owned(), 403),
        ("GET /_page/flags", "Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        ("GET /_page/changes", "Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        ("GET /_page/page.js", "Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        // A link may lead to the page.
        ("GET /", "Sec-Fetch-Site: cross-site\r\n".to_owned(), 200),
        ("GET /_page/flags", format!("Origin: http://localhost:{port}\r\n"), 200),
        ("GET /_page/flags", "Origin: http://localhost:1\r\n".to_owned(), 403),
        ("GET /_page/flags", format!("Origin: https://localhost:{port}\r\n"), 403),
        ("GET /", "Origin: http://example.com\r\n".to_owned(), 403),
        (
            "POST /_page/answer",
            "Origin: null\r\nContent-Type: application/json\r\n".to_owned(),
            403,
        ),
        // What a form can send.
        ("POST /_page/answer", String::new(), 415),
        ("POST /_page/answer", "Content-Type: text/plain\r\n".to_owned(), 415),
        ("POST /_page/answer", "Content-Type: text/plain; application/json\r\n".to_owned(), 415),
        ("POST /_page/answer", "Content-Type: application/json\r\n".to_owned(), 422),
        ("POST /_page/answer", "content-type: Application/JSON; charset=utf-8\r\n".to_owned(), 422),
    ] {
        let found = status(&service, request, &format!("{host}{headers}"));
        assert_eq!(found, expected, "{request} {headers}");
    }
    // A script elsewhere may not send the header with the key.
    let asked = [
        ("Origin", "http://example.com"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "x-api-key"),
    ];
    let response = exchange("OPTIONS", &format!("{}/sdk/ruleset", service.base_url), &asked, "");
    assert_eq!(response.status, 405);
    assert_eq!(response.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn the_page_needs_no_key_and_shows_none() {
    let folder = Folder::new("page-key");
    folder.write("flags.json", FLAGS);
    let options = ["flags.json", "--port=0", "--key", "sdk-secret", "--self-hosted"];
    let service = Service::start_with(&folder, &options);
    // Neither does it count towards the limit of the service.
    for _ in 0..130 {
        let flags = get(&service, "_page/flags");
        assert_eq!(flags.status, 200);
        assert!(!flags.body.contains("sdk-secret"));
    }
    assert!(!get(&service, "").body.contains("sdk-secret"));
    let url = format!("{}/sdk/ruleset", service.base_url);
    assert_eq!(exchange("GET", &url, &[("X-API-Key", "sdk-secret")], "").status, 200);
    assert_eq!(exchange("GET", &url, &[], "").status, 401);
}

#[test]
fn it_lists_the_flags_of_both_formats() {
    let folder = Folder::new("page-flags");
    let service = Service::with_flags(&folder);
    let state = get(&service, "_page/flags").json();
    assert_eq!(state["file"].as_str(), Some("flags.json"));
    assert_eq!((state["version"].as_u64(), state["edits"].as_u64()), (Some(1), Some(0)));
    assert!(state["trouble"].is_null());
    assert_eq!(state["flags"].as_array().unwrap().len(), 8);
    let mut flag = state["flags"][3].as_object().unwrap().clone();
    assert_eq!(flag.remove("fingerprint").unwrap().as_str().map(str::len), Some(16));
    assert_eq!(
        Value::from(flag).to_string(),
        r##"{"default_variation":"off","description":"Results while typing, for a quarter of all users.","environment":"development","key":"instant-search","kind":"boolean","name":"Instant search","on":true,"rules":1,"tags":["search","rollout"]}"##
    );

    folder.write(
        "flags.json",
        r#"{"data": {"version": 7, "flags": [
            {"key": "a", "enabled": false, "default_variation": "v", "variations": [{"key": "v", "value": 1}]},
            {"key": "b", "tags": "none", "name": 3}, {"key": 4}, {"key": "b", "name": "Last"}]}}"#,
    );
    let state = get(&service, "_page/flags").json();
    assert_eq!((state["version"].as_u64(), state["edits"].as_u64()), (Some(2), Some(1)));
    let flags = state["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 2);
    assert_eq!(flags[0]["on"].as_bool(), Some(false));
    assert_eq!(flags[1]["name"].as_str(), Some("Last"));
    assert_eq!(state["problem_count"].as_u64(), Some(2));
    assert_eq!(state["problems"].as_array().unwrap().len(), 2);

    folder.write("flags.json", "{");
    let state = get(&service, "_page/flags").json();
    assert_eq!((state["version"].as_u64(), state["edits"].as_u64()), (Some(2), Some(2)));
    let trouble = state["trouble"].as_str().unwrap();
    assert!(trouble.starts_with("failed to load `flags.json`: failed to parse"), "{trouble}");
    assert_eq!(state["flags"].as_array().unwrap().len(), 2);

    folder.write("flags.json", "[]");
    let state = get(&service, "_page/flags").json();
    assert!(state["trouble"].is_null());
    assert_eq!(state["flags"].as_array().unwrap().len(), 0);
}

#[test]
fn an_answer_has_the_explanation_and_the_split() {
    let folder = Folder::new("page-answer");
    let service = Service::with_flags(&folder);
    let it = answer(&service, r#"{"key": "instant-search", "user_id": "bob"}"#);
    assert_eq!(it["values"].as_object().unwrap().len(), 8);
    assert_eq!(it["values"]["instant-search"].as_str(), Some("true"));
    assert_eq!(it["values"]["ui-theme"].as_str(), Some("light"));
    assert_eq!(
        it["explanation"].to_string(),
        r#"{"attributes":[],"key":"instant-search","on":true,"prerequisites":[],"prerequisites_never_hold":false,"reason":"percentage_rollout","rules":[{"conditions":[],"decides":true,"index":0,"matches":true,"segment":null,"serves":{"bucket":14,"entries":[{"chosen":true,"lower":0.0,"upper":25.0,"variation":{"exists":true,"key":"on"}},{"chosen":false,"lower":25.0,"upper":100.0,"variation":{"exists":true,"key":"off"}}],"identified_by":"user_id","identifier":"bob","kind":"rollout"}}],"segments":[],"value":"true","variation_key":"on"}"#
    );
    assert_eq!(
        it["split"].to_string(),
        r#"{"shares":[{"count":251,"value":"true","variation_key":"on"},{"count":749,"value":"false","variation_key":"off"}],"total":1000}"#
    );

    // Attributes are read like those of `--attr` and `--attr-text`; the last one of a name counts.
    let it = answer(
        &service,
        r#"{"key": "new-checkout-flow", "attributes": [
            {"name": "a", "value": "1.10"}, {"name": "b", "value": "1.10", "text": true},
            {"name": "c", "value": "true"}, {"name": "", "value": "false"}, {"name": "d", "value": " 1"},
            {"name": "user_id", "value": "1e3"}, {"name": "plan", "value": "free"},
            {"name": "plan", "value": "pro"}, {}, 7, null]}"#,
    );
    assert_eq!(
        it["kinds"].to_string(),
        r#"["number","text","boolean","boolean","text","text","text","text","text","text","text"]"#
    );
    let explanation = &it["explanation"];
    assert_eq!(explanation["reason"].as_str(), Some("targeting_match"));
    assert_eq!(
        explanation["rules"][0]["conditions"][0].to_string(),
        r#"{"attribute":"plan","holds":true,"operator":"one_of","target":"[\"pro\", \"team\"]","value":"pro"}"#
    );
    assert_eq!(explanation["attributes"].to_string(), r#"["plan"]"#);
    assert_eq!(it["split"]["shares"][0]["count"].as_u64(), Some(1000));

    let it = answer(&service, r#"{"key": "express-pay", "user_id": "", "session_id": ""}"#);
    assert_eq!(it["explanation"]["reason"].as_str(), Some("prerequisite_failed"));
    assert_eq!(
        it["explanation"]["prerequisites"][0].to_string(),
        r#"{"flag_key":"new-checkout-flow","holds":false,"on":true,"reason":"default","served":{"exists":true,"key":"disabled"},"variation_key":"enabled"}"#
    );

    for request in [r#"{"key": "no-such-flag"}"#, "{}", "[]", "null", r#"{"key": 7}"#] {
        let it = answer(&service, request);
        assert!(it["explanation"].is_null() && it["split"].is_null(), "{request}");
        assert_eq!(it["values"].as_object().unwrap().len(), 8, "{request}");
    }
    let url = format!("{}_page/answer", service.page());
    for body in ["", "{", "\u{1}"] {
        assert_eq!(exchange("POST", &url, &[JSON], body).status, 422, "{body}");
    }
}

/// The explanation is not much longer than the rules, and long texts are cut.
#[test]
fn an_answer_repeats_no_segment_and_no_long_text() {
    let folder = Folder::new("page-large");
    let condition = r#"{"attribute": "a", "operator": "is_not", "value": "b"}"#;
    let segment = vec![condition; 500].join(",");
    let rule = r#"{"segment_id": "s", "conditions": [{"attribute": "t", "operator": "is", "value": "x"}],
        "percentage_rollout": [{"variation": "v", "percentage": 100}]}"#;
    let rules = vec![rule; 500].join(",");
    let value = "ü".repeat(30_000);
    folder.write(
        "rules.json",
        &format!(
            r#"{{"segments": [{{"id": "s", "conditions": [{segment}]}}],
                 "flags": [{{"key": "f", "default_variation": "v", "flag_type": "string",
                     "variations": [{{"key": "v", "value": "{value}"}}], "targeting_rules": [{rules}]}}]}}"#
        ),
    );
    let service = Service::start(&folder, "rules.json");
    let text = "y".repeat(100_000);
    let attributes = format!(r#"[{{"name": "t", "value": "{text}"}}]"#);
    let request = format!(r#"{{"key": "f", "user_id": "{text}", "attributes": {attributes}}}"#);
    let it = answer(&service, &request);
    let explanation = &it["explanation"];
    assert_eq!(explanation["rules"].as_array().unwrap().len(), 500);
    assert_eq!(explanation["segments"].as_array().unwrap().len(), 1);
    let length = |text: &Value| text.as_str().unwrap().chars().count();
    assert_eq!(length(&explanation["value"]), 20_001);
    assert_eq!(length(&explanation["rules"][0]["conditions"][0]["value"]), 401);
    assert_eq!(length(&explanation["rules"][0]["serves"]["identifier"]), 401);
    assert_eq!(length(&it["values"]["f"]), 81);
    assert!(it.to_string().len() < 1_000_000, "{}", it.to_string().len());
}

/// Each user takes some milliseconds, and there are a thousand of them.
#[test]
fn a_slow_split_ends_early_and_delays_no_other_request() {
    let folder = Folder::new("page-slow");
    let rule = r#"{"variation": "v", "conditions": [
        {"attribute": "text", "operator": "matches_regex", "value": "(a|b|c|aa|bb|cc)*[d-f]"}]}"#;
    let rules = [rule; 3];
    folder.write(
        "rules.json",
        &format!(
            r#"[{{"key": "f", "variations": [{{"key": "v"}}], "targeting_rules": [{}]}}]"#,
            rules.join(",")
        ),
    );
    let service = Service::start(&folder, "rules.json");
    let text = "abc".repeat(3000);
    let body = format!(r#"{{"key": "f", "attributes": [{{"name": "text", "value": "{text}"}}]}}"#);
    let ask = || {
        let mut slow = connect(&service);
        write!(
            slow,
            "POST /_page/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        slow
    };
    let total = |slow: TcpStream| {
        let mut lines = BufReader::new(slow).lines();
        let json = lines.find(|line| line.as_ref().unwrap().starts_with('{')).unwrap().unwrap();
        json.parse::<Value>().unwrap()["split"]["total"].as_u64().unwrap()
    };
    // A busy machine may take a second for the other request, or before the first user, once, but not
    // each time.
    let works = (0..10).any(|_| {
        let slow = ask();
        assert_eq!(get(&service, "_page/flags").status, 200);
        slow.set_nonblocking(true).unwrap();
        let is_waiting = slow.peek(&mut [0]).is_err();
        slow.set_nonblocking(false).unwrap();
        let total = total(slow);
        assert!(total < 1000, "{total}");
        is_waiting && total > 0
    });
    assert!(works, "the slow answer came first, or has no users");
}

/// An open stream of edits.
struct Edits(BufReader<TcpStream>);

impl Edits {
    fn open(service: &Service) -> Edits {
        let mut stream = connect(service);
        stream.write_all(b"GET /_page/changes HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        Edits(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads the head, and returns its first line and the line with the content type.
    fn head(&mut self) -> (String, String) {
        let first = self.line();
        let mut content_type = String::new();
        loop {
            let line = self.line();
            if line.starts_with("Content-Type") {
                content_type = line;
            } else if line.is_empty() {
                return (first, content_type);
            }
        }
    }

    /// Returns the data of the next event.
    fn next(&mut self) -> String {
        loop {
            if let Some(data) = self.line().strip_prefix("data: ") {
                return data.to_owned();
            }
        }
    }
}

#[test]
fn edits_are_sent_without_a_request() {
    let folder = Folder::new("page-edits");
    let service = Service::with_flags(&folder);
    let mut streams: Vec<_> = (0..3).map(|_| Edits::open(&service)).collect();
    for stream in &mut streams {
        let head = ("HTTP/1.1 200 OK".to_owned(), "Content-Type: text/event-stream".to_owned());
        assert_eq!(stream.head(), head);
        assert_eq!((stream.line(), stream.line()), ("retry: 1000".into(), "event: edited".into()));
        assert_eq!((stream.line(), stream.line()), ("data: 0".into(), String::new()));
    }
    // The last text has the length of the one before.
    for (edits, text) in ["[]", "{", "}", FLAGS].into_iter().enumerate() {
        folder.write("flags.json", text);
        for stream in &mut streams {
            assert_eq!(stream.next(), (edits + 1).to_string(), "{text}");
        }
    }
    // An edit that a request has found is sent as well.
    folder.write("flags.json", "[]");
    assert_eq!(service.get("/sdk/ruleset", &[]).json()["version"].as_u64(), Some(4));
    for stream in &mut streams {
        assert_eq!(stream.next(), "5");
    }
    assert_eq!(get(&service, "_page/flags").json()["edits"].as_u64(), Some(5));
}

#[test]
fn the_number_of_streams_is_bounded() {
    let folder = Folder::new("page-bound");
    let service = Service::with_flags(&folder);
    let mut streams: Vec<_> = (0..100).map(|_| Edits::open(&service)).collect();
    for stream in &mut streams {
        assert_eq!(stream.next(), "0");
    }
    let mut refused = Edits::open(&service);
    assert_eq!(refused.head().0, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(
        refused.line(),
        r#"{"error":{"code":"TOO_MANY_STREAMS","message":"100 streams are open"}}"#
    );
    // The others work on, and so does the rest of the service.
    assert_eq!(service.get("/sdk/ruleset", &[]).status, 200);
    folder.write("flags.json", "[]");
    for stream in &mut streams {
        assert_eq!(stream.next(), "1");
    }
    // A stream that its client has closed makes room, though nothing is sent to it.
    streams.pop();
    let mut again = Edits::open(&service);
    let start = Instant::now();
    while again.head().0 != "HTTP/1.1 200 OK" {
        assert!(start.elapsed() < SOON);
        again = Edits::open(&service);
    }
    assert_eq!(again.next(), "1");
}

/// A browser gives up requests as its user types.
#[test]
fn a_request_that_a_browser_gives_up_is_no_warning() {
    let folder = Folder::new("page-given-up");
    let description = "x".repeat(20_000);
    let flags = (0..600).map(|n| format!(r#"{{"key": "{n}", "description": "{description}"}}"#));
    folder.write("rules.json", &format!("[{}]", flags.collect::<Vec<_>>().join(",")));
    let mut service = Service::start(&folder, "rules.json");
    for path in ["/_page/flags", "/api/v1/sdk/ruleset"] {
        let mut stream = connect(&service);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\n\r\n").unwrap();
        // The response has begun, and the rest is not read.
        stream.read_exact(&mut [0; 8]).unwrap();
    }
    service.program.line("failed to send response");
    for _ in 0..20 {
        assert_eq!(get(&service, "_page/icon.svg").status, 200);
    }
    let lines = service.program.untaken();
    assert!(!lines.iter().any(|line| line.contains("failed")), "{lines:?}");
}
