//! `phaseflag serve`: the responses of the local service, and how it reloads its file.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use phaseflag::{Error, EvaluationContext, Object, PhaseFlagClient, Value};

use crate::support::{FLAGS, Folder, KEY, SOON, Service, exchange, outcome, run, unreadable};

#[test]
fn responds_with_304_until_the_file_changes() {
    let folder = Folder::new("serve-conditional");
    let service = Service::with_flags(&folder);

    let first = service.get("/sdk/ruleset", &[]);
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["version"].as_i64(), Some(1));
    let flags = FLAGS.parse::<Value>().unwrap()["flags"].clone();
    assert_eq!(first.json()["flags"], flags);

    let etag = first.header("ETag").unwrap();
    let second = service.get("/sdk/ruleset", &[("If-None-Match", etag)]);
    assert_eq!((second.status, second.body.as_str()), (304, ""));

    folder.write("flags.json", &FLAGS.replace("inactive", "active"));
    let third = service.get("/sdk/ruleset", &[("If-None-Match", etag)]);
    assert_eq!(third.status, 200);
    assert_eq!(third.json()["version"].as_i64(), Some(2));
    assert_ne!(third.header("ETag"), Some(etag));
}

#[test]
fn serves_a_bootstrap_with_segments() {
    let folder = Folder::new("serve-bootstrap");
    let service = Service::with_flags(&folder);
    let response = service.get("/sdk/bootstrap", &[]);
    assert_eq!((response.status, response.header("ETag")), (200, None));
    let (bootstrap, file) = (response.json(), FLAGS.parse::<Value>().unwrap());
    assert_eq!(bootstrap["flags"], file["flags"]);
    assert_eq!(bootstrap["segments"], file["segments"]);
    assert_eq!(bootstrap["version"].as_i64(), Some(1));
    assert_eq!(bootstrap["generated_at"].as_str().map(str::len), Some(26));
    assert_eq!(bootstrap["signature"].as_str().map(str::len), Some(64));
    assert_eq!(bootstrap.as_object().map(Object::len), Some(5));

    // Segments may be beside the object with the flags, or absent.
    let segments = r#"[{"id": "s", "conditions": []}]"#;
    for (text, segments) in [
        (format!(r#"{{"data": {{"flags": []}}, "segments": {segments}}}"#), segments),
        (format!(r#"{{"data": {{"flags": [], "segments": {segments}}}}}"#), segments),
        (format!(r#"{{"flags": [], "segments": {segments}}}"#), segments),
        (r#"{"flags": [], "segments": null}"#.to_owned(), "[]"),
        ("[]".to_owned(), "[]"),
    ] {
        folder.write("flags.json", &text);
        let bootstrap = service.get("/sdk/bootstrap", &[]).json();
        assert_eq!(bootstrap["flags"], "[]".parse().unwrap(), "{text}");
        assert_eq!(bootstrap["segments"], segments.parse().unwrap(), "{text}");
    }
    assert_eq!(
        exchange("GET", &format!("{}/sdk/bootstrap", service.base_url), &[], "").status,
        401
    );
}

#[test]
fn keeps_its_rules_if_the_file_is_invalid() {
    let folder = Folder::new("serve-bad");
    let mut service = Service::with_flags(&folder);
    let before = service.get("/sdk/ruleset", &[]);

    folder.write("flags.json", "{\"flags\": [");
    assert_eq!(service.get("/sdk/ruleset", &[]).body, before.body);
    assert_eq!(
        service.program.line("failed to parse ruleset"),
        "phaseflag: failed to load `flags.json`: failed to parse ruleset: \
         the end of the text where a value was expected at line 1, column 12; the last rules stay in use"
    );

    fs::remove_file(folder.file("flags.json")).unwrap();
    assert_eq!(service.get("/sdk/ruleset", &[]).body, before.body);
    service.program.line("failed to read");
}

#[test]
fn reads_every_format_of_rules() {
    let flag = r#"{"key": "a", "variations": [{"key": "v", "value": 1}]}"#;
    for (name, text) in [
        ("list", format!("[{flag}]")),
        ("object", format!("{{\"flags\": [{flag}]}}")),
        ("wrapped", format!("{{\"data\": {{\"flags\": [{flag}]}}}}")),
    ] {
        let folder = Folder::new(&format!("serve-{name}"));
        folder.write("rules.json", &text);
        let service = Service::start(&folder, "rules.json");
        let rules = service.get("/sdk/ruleset", &[]).json();
        assert_eq!(rules["flags"][0], flag.parse().unwrap(), "{name}");
        assert_eq!(rules["version"].as_i64(), Some(1), "{name}");
    }
}

#[test]
fn evaluates() {
    let folder = Folder::new("serve-evaluates");
    let service = Service::with_flags(&folder);

    let response = service.post(
        "/evaluate",
        r#"{"flags": ["new-checkout-flow", "instant-search", "ui-theme", "express-pay",
                      "product-recommendations", "no-such-flag"],
            "context": {"user_key": "bob", "attributes": {"plan": "free", "seats": 3}}}"#,
    );
    assert_eq!(response.status, 200);
    let evaluations = &response.json()["data"]["evaluations"];
    assert_eq!(
        evaluations["instant-search"].to_string(),
        r#"{"reason":"PERCENTAGE_ROLLOUT","value":true,"variation_key":"on"}"#
    );
    assert_eq!(
        evaluations["no-such-flag"].to_string(),
        r#"{"reason":"FLAG_NOT_FOUND","value":null,"variation_key":null}"#
    );
    for (key, reason) in [
        ("new-checkout-flow", "DEFAULT"),
        ("ui-theme", "DEFAULT"),
        ("express-pay", "PREREQUISITE"),
        ("product-recommendations", "DISABLED"),
    ] {
        assert_eq!(evaluations[key]["reason"].as_str(), Some(reason), "{key}");
    }

    let all = service
        .post("/evaluate", r#"{"flags": ["*"], "context": {"attributes": {"plan": "pro"}}}"#);
    let all = all.json()["data"]["evaluations"].clone();
    assert_eq!(all.as_object().map(Object::len), Some(8));
    assert_eq!(all["new-checkout-flow"]["reason"].as_str(), Some("TARGETING_RULE"));
    assert_eq!(service.post("/evaluate", "{}").status, 422);
    assert_eq!(service.post("/evaluate", "{").status, 422);
}

#[test]
fn evaluates_as_older_services_do() {
    let folder = Folder::new("serve-older");
    let service = Service::with_flags(&folder);
    let ask = |key: &str| {
        let context = r#"{"user_id": "bob", "session_id": "s", "attributes": {}}"#;
        let body = format!(r#"{{"flag_key": "{key}", "context": {context}}}"#);
        service.post("/sdk/evaluate", &body)
    };

    let response = ask("instant-search");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.body,
        r#"{"flag_key":"instant-search","reason":"percentage_rollout","value":true,"variation_id":null,"variation_key":"on"}"#
    );
    assert_eq!(ask("no-such-flag").status, 404);
    assert_eq!(ask("product-recommendations").status, 400);
}

#[test]
fn the_identifiers_of_a_request_win_over_attributes_of_their_names() {
    let folder = Folder::new("serve-identifiers");
    folder.write(
        "rules.json",
        r#"[{"key": "f", "default_variation": "no",
             "variations": [{"key": "user"}, {"key": "session"}, {"key": "no"}],
             "targeting_rules": [
                 {"variation": "user", "conditions":
                     [{"attribute": "user_id", "operator": "is", "value": "42"}]},
                 {"variation": "session", "conditions":
                     [{"attribute": "session_id", "operator": "is", "value": "s1"}]}]}]"#,
    );
    let service = Service::start(&folder, "rules.json");
    for (context, expected) in [
        (r#"{"attributes": {"user_id": "42"}}"#, "user"),
        (r#"{"attributes": {"user_id": 42}}"#, "user"),
        (r#"{"attributes": {"session_id": "s1"}}"#, "session"),
        (r#"{"user_id": "bob", "attributes": {"user_id": "42"}}"#, "no"),
        (r#"{"user_key": "bob", "attributes": {"user_id": "42"}}"#, "no"),
        (r#"{"user_id": null, "attributes": {"user_id": "42"}}"#, "user"),
        (r#"{"user_id": "42", "attributes": {"user_id": "bob"}}"#, "user"),
        (r#"{"user_id": "42", "attributes": {"user_id": null}}"#, "user"),
    ] {
        let body = format!(r#"{{"flag_key": "f", "context": {context}}}"#);
        let response = service.post("/sdk/evaluate", &body);
        assert_eq!(response.json()["variation_key"].as_str(), Some(expected), "{context}");
    }
}

#[test]
fn refuses_what_the_service_refuses() {
    let folder = Folder::new("serve-refuses");
    let mut service = Service::with_flags(&folder);

    let url = format!("{}/sdk/ruleset", service.base_url);
    let keyless = exchange("GET", &url, &[], "");
    assert_eq!(keyless.status, 401);
    assert_eq!(
        keyless.body,
        r#"{"error":{"code":"UNAUTHORIZED","message":"the API key is missing"}}"#
    );
    assert_eq!(service.get("/nothing", &[]).status, 404);

    let events = |count| {
        let events = vec![r#"{"flag_key": "a"}"#; count].join(",");
        format!(r#"{{"events": [{events}]}}"#)
    };
    assert_eq!(service.post("/sdk/events", &events(501)).status, 422);
    let accepted = service.post("/sdk/events", &events(500));
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body, r#"{"accepted":500}"#);
    for _ in 0..500 {
        assert_eq!(service.program.line("event "), r#"event {"flag_key":"a"}"#);
    }
}

#[test]
fn service_and_client_evaluate_alike() {
    let folder = Folder::new("serve-same");
    let service = Service::with_flags(&folder);
    let client = PhaseFlagClient::builder(&service.base_url, "sdk-dev-local").build().unwrap();
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    let ada = EvaluationContext::new()
        .user_id("ada")
        .attribute("plan", "pro")
        .attribute("app_version", "4.2.0");
    let session = EvaluationContext::new().session_id("bob").attribute("prefers_contrast", true);
    assert_eq!(client.flags().len(), 8);
    for context in [&ada, &session, &EvaluationContext::new()] {
        for flag in client.flags() {
            let here = client.get_variation(flag.key(), context);
            let there = client.evaluate(flag.key(), context).ok();
            assert_eq!(here, there, "{}", flag.key());
        }
    }
    let unknown = client.evaluate("no-such-flag", None);
    assert!(matches!(unknown, Err(Error::FlagNotFound { .. })));
}

#[test]
fn a_key_may_be_required() {
    let folder = Folder::new("serve-key");
    folder.write("flags.json", FLAGS);
    let service = Service::start_with(&folder, &["flags.json", "--port=0", "--key", "right"]);
    let url = format!("{}/sdk/ruleset", service.base_url);
    assert_eq!(exchange("GET", &url, &[("X-API-Key", "right")], "").status, 200);
    let wrong = exchange("GET", &url, &[("X-API-Key", "wrong")], "");
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.body, r#"{"error":{"code":"UNAUTHORIZED","message":"the API key is wrong"}}"#);
}

#[test]
fn problems_of_the_file_are_reported_and_the_rest_is_served() {
    let folder = Folder::new("serve-problems");
    folder.write("rules.json", r#"[{"key": "a", "default_variation": "no"}, {"key": 7}]"#);
    let mut service = Service::start(&folder, "rules.json");
    service.program.line("phaseflag: flags[0].default_variation: ");
    service.program.line("phaseflag: flags[1].key: ");
    assert_eq!(service.get("/sdk/ruleset", &[]).status, 200);
}

#[test]
fn what_cannot_be_served_is_an_error() {
    let folder = Folder::new("serve-error");
    folder.write("broken.json", "{\"flags\": [");
    folder.write("flags.json", FLAGS);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, errors) in [
        (
            vec!["serve", "missing.json"],
            format!(
                "phaseflag: failed to read `missing.json`: {}\n",
                unreadable(folder.file("missing.json"))
            ),
        ),
        (
            vec!["serve", "broken.json"],
            "phaseflag: failed to load `broken.json`: failed to parse ruleset: \
             the end of the text where a value was expected at line 1, column 12\n"
                .to_owned(),
        ),
        (
            vec!["serve", "flags.json", "--port", &port],
            format!(
                "phaseflag: failed to serve on port {port}: {}\n",
                TcpListener::bind(taken.local_addr().unwrap()).unwrap_err()
            ),
        ),
        (
            vec!["serve", "flags.json", "--port", "65536"],
            "phaseflag: `--port` needs a number up to 65535, not `65536` \
             (see `phaseflag serve --help`)\n"
                .to_owned(),
        ),
        (
            vec!["serve"],
            "phaseflag: `serve` needs FILE (see `phaseflag serve --help`)\n".to_owned(),
        ),
    ] {
        assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(2, "", &errors));
    }
}

/// Sends bytes unchanged, and reads the response until the connection ends.
fn raw(service: &Service, bytes: &[u8]) -> String {
    let address = service.base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address.split('/').next().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn malformed_requests_are_refused() {
    let folder = Folder::new("serve-raw");
    let service = Service::with_flags(&folder);
    let head = |lines: &str| format!("POST /api/v1/evaluate HTTP/1.1\r\n{lines}\r\n");
    for (request, expected) in [
        ("\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
        ("GET\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
        (head("no colon\r\n"), "HTTP/1.1 400 Bad Request"),
        (head("Content-Length: ten\r\n"), "HTTP/1.1 400 Bad Request"),
        (head("Content-Length: -1\r\n"), "HTTP/1.1 400 Bad Request"),
        (head("Content-Length: 16777217\r\n"), "HTTP/1.1 413 Content Too Large"),
        (head("Transfer-Encoding: chunked\r\n"), "HTTP/1.1 411 Length Required"),
        (head(""), "HTTP/1.1 401 Unauthorized"),
        (head("x-api-key: a\r\n"), "HTTP/1.1 422 Unprocessable Content"),
        (head("X-API-KEY: a\r\nexpect: 100-continue\r\n"), "HTTP/1.1 100 Continue"),
    ] {
        let response = raw(&service, request.as_bytes());
        assert_eq!(response.lines().next(), Some(expected), "{request}");
    }
    let bytes = raw(&service, b"GET / HTTP/1.1\r\nX: \xff\r\n\r\n");
    assert_eq!(bytes.lines().next(), Some("HTTP/1.1 400 Bad Request"));
    // A long line, and many lines.
    for endless in ["x".repeat(80 * 1024), "X: x\r\n".repeat(16 * 1024)] {
        let response = raw(&service, format!("GET / HTTP/1.1\r\nX: {endless}").as_bytes());
        let expected = "HTTP/1.1 431 Request Header Fields Too Large";
        assert_eq!(response.lines().next(), Some(expected));
    }
    assert_eq!(service.get("/sdk/ruleset?a=b", &[]).status, 200);
}

#[test]
fn a_silent_connection_does_not_delay_others() {
    let folder = Folder::new("serve-silent");
    let service = Service::with_flags(&folder);
    let address = service.base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let silent: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    let start = Instant::now();
    assert_eq!(service.get("/sdk/ruleset", &[]).status, 200);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(silent);
}

#[test]
fn an_unread_response_does_not_delay_others() {
    let folder = Folder::new("serve-unread");
    let value = "x".repeat(16 << 20);
    let flag = format!(r#"[{{"key": "a", "variations": [{{"key": "v", "value": "{value}"}}]}}]"#);
    folder.write("rules.json", &flag);
    let service = Service::start(&folder, "rules.json");
    let address = service.base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut unread = TcpStream::connect(address).unwrap();
    unread.set_read_timeout(Some(SOON)).unwrap();
    unread.write_all(b"GET /api/v1/sdk/ruleset HTTP/1.1\r\nX-API-Key: a\r\n\r\n").unwrap();
    // The response has begun, and the rest is not read.
    unread.read_exact(&mut [0; 8]).unwrap();
    let start = Instant::now();
    assert_eq!(service.get("/nothing", &[]).status, 404);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(unread);
}

/// Anyone who can reach the port can send events.
#[test]
fn an_event_stays_on_its_line() {
    let folder = Folder::new("serve-event");
    let mut service = Service::with_flags(&folder);
    let body = "{\"events\": [{\"flag_key\": \"a\u{9b}\u{202e}\u{2028}\"}]}";
    assert_eq!(service.post("/sdk/events", body).status, 202);
    assert_eq!(service.program.line("event "), r#"event {"flag_key":"a\u{9b}\u{202e}\u{2028}"}"#);
}

#[test]
fn other_methods_are_refused() {
    let folder = Folder::new("serve-methods");
    let service = Service::with_flags(&folder);
    let url = format!("{}/sdk/ruleset", service.base_url);
    for (method, body) in [
        ("HEAD", ""),
        (
            "OPTIONS",
            r#"{"error":{"code":"METHOD_NOT_ALLOWED","message":"the method OPTIONS is not supported"}}"#,
        ),
    ] {
        let response = exchange(method, &url, &[], "");
        assert_eq!((response.status, response.body.as_str()), (405, body), "{method}");
        assert_eq!(response.header("Allow"), Some("GET, POST"), "{method}");
    }
}

/// It is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_closed_output_does_not_end_the_service() {
    let folder = Folder::new("serve-closed");
    folder.write("flags.json", FLAGS);
    let mut command = folder.phaseflag(&["serve", "flags.json", "--port", "0"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let base_url = line.trim_end().strip_prefix("serving ").unwrap();
    let headers = [("X-API-Key", KEY)];
    let url = format!("{base_url}/sdk/events");
    let body = r#"{"events": [{"flag_key": "a"}]}"#;
    assert_eq!(exchange("POST", &url, &headers, body).status, 202);
    folder.write("flags.json", "[]");
    let url = format!("{base_url}/sdk/ruleset");
    let response = exchange("GET", &url, &headers, "");
    assert_eq!(response.json()["version"].as_i64(), Some(2));
    assert_eq!(exchange("GET", &url, &headers, "").status, 200);
}

/// Linux gives this machine every address that begins with 127.
#[cfg(target_os = "linux")]
#[test]
fn only_this_machine_can_connect() {
    let folder = Folder::new("serve-address");
    for options in [&[] as &[&str], &["--self-hosted"]] {
        folder.write("flags.json", FLAGS);
        let service =
            Service::start_with(&folder, &[&["flags.json", "--port=0"], options].concat());
        let page = service.page();
        let port = page.strip_prefix("http://127.0.0.1:").expect("this address");
        let port: u16 = port.trim_end_matches('/').parse().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        for other in ["127.0.0.2", "::1"] {
            let error = TcpStream::connect((other, port)).expect_err(other);
            assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{other}");
        }
    }
}
