//! nginx with the configuration of `examples/fleet`, between clients and a service.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient, Value};

use crate::nginx::{LISTEN, Nginx, configuration};
use crate::support::{NEVER, Reply, Request, SOON, Server, ready, ruleset, started, wait_until};

const CONFIGURATION: &str = include_str!("../../examples/fleet/nginx.conf");

/// The polling interval of the clients, for which nginx keeps the rules.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time for which nginx keeps an error.
const ERROR_AGE: Duration = Duration::from_secs(5);

/// Starts nginx before a service, or returns `None` if it is not installed.
fn cache(service: &Server) -> Option<Nginx> {
    let interval = ("proxy_cache_valid 200 30s", "proxy_cache_valid 200 1s");
    Nginx::start(&configured(service, &[interval]))
}

/// Does the same, but nginx keeps the rules for longer than a test takes.
fn lasting_cache(service: &Server) -> Option<Nginx> {
    let hour = ("proxy_cache_valid 200 30s", "proxy_cache_valid 200 1h");
    Nginx::start(&configured(service, &[hour]))
}

/// Returns a client of nginx.
fn client(nginx: &Nginx, key: &str) -> ClientBuilder {
    nginx.client(key).polling_interval(INTERVAL)
}

/// Returns the configuration for a service without TLS, as its comments say, with these changes.
fn configured(service: &Server, changes: &[(&str, &str)]) -> String {
    let address = service.address().to_string();
    let plain = [("api.phaseflag.com:443", &*address), ("https://service", "http://service")];
    changed(&[&plain, changes].concat())
}

/// Returns the configuration with these changes.
fn changed(changes: &[(&str, &str)]) -> String {
    assert_eq!(LISTEN.map(|listen| CONFIGURATION.matches(&format!("{listen};")).count()), [1, 2]);
    changes.iter().fold(CONFIGURATION.to_owned(), |text, (line, change)| {
        assert_eq!(text.matches(line).count(), 1, "{line}");
        text.replace(line, change)
    })
}

/// Returns a reply with one flag.
fn rules(key: &str) -> Reply {
    // The service forbids caches to keep its rules.
    Reply::json(ruleset(1, &[key])).with("cache-control", "no-store").with("vary", "*")
}

/// Returns how many requests with this key the server has received.
fn requests(server: &Server, key: &str) -> usize {
    server.requests().iter().filter(|request| request.header("x-api-key") == Some(key)).count()
}

#[test]
fn fifty_clients_make_one_request_an_interval() {
    let server = Server::start(|_| rules("before"));
    let Some(nginx) = cache(&server) else { return };
    let begin = Instant::now();
    let clients: Vec<_> = (0..50).map(|_| started(client(&nginx, "key"))).collect();
    let all_have =
        |key: &str| clients.iter().all(|client| client.get_variation(key, None).is_some());
    wait_until("all clients have the rules", || all_have("before"));
    wait_until("all clients have polled again", || {
        clients.iter().all(|client| client.statistics().polls > 3)
    });

    server.respond(|_| rules("after"));
    let edit = Instant::now();
    wait_until("all clients have the edit", || all_have("after"));
    // Ten times the two intervals.
    assert!(edit.elapsed() < 20 * INTERVAL, "{:?}", edit.elapsed());

    let requests = server.requests().len();
    let intervals = begin.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
    assert!(requests as f64 <= intervals + 2.0, "{requests} in {intervals} intervals");
}

#[test]
fn rules_are_served_while_the_service_is_down() {
    const FAILURES: [&str; 6] = ["429", "500", "502", "503", "504", "closed"];
    let server = Server::start(|request| rules(request.header("x-api-key").unwrap()));
    let Some(nginx) = cache(&server) else { return };
    for failure in FAILURES {
        drop(ready(client(&nginx, failure)));
    }
    server.respond(|request| match request.header("x-api-key").unwrap() {
        "closed" => Reply::Raw(Vec::new()),
        status => Reply::status(status.parse().unwrap()),
    });
    let clients = FAILURES.map(|failure| (failure, ready(client(&nginx, failure))));
    for (failure, client) in &clients {
        wait_until("nginx has asked in vain", || requests(&server, failure) > 1);
        let polls = client.statistics().polls;
        wait_until("another poll", || client.statistics().polls > polls + 1);
        assert!(client.statistics().last_failure.is_none(), "{failure}");
    }
    drop(server);
    // The rules are on its disk.
    let nginx = nginx.restart();
    for failure in FAILURES {
        let client = ready(client(&nginx, failure));
        assert!(client.get_variation(failure, None).is_some(), "{failure}");
    }
}

#[test]
fn clients_do_not_repeat_each_others_failures() {
    let server = Server::start(|_| rules("rules"));
    let Some(nginx) = cache(&server) else { return };
    drop(ready(client(&nginx, "warm")));
    server.respond(|request| match request.header("x-api-key").unwrap() {
        "refused" => Reply::status(401),
        _ => Reply::status(500),
    });
    let begin = Instant::now();
    let before = requests(&server, "warm");
    let start = |key| (0..20).map(|_| started(client(&nginx, key))).collect::<Vec<_>>();
    let clients = ["warm", "cold", "refused"].map(start);
    for client in clients.iter().flatten() {
        wait_until("a poll", || client.statistics().polls > 0);
    }
    for client in &clients[0] {
        wait_until("another poll", || client.statistics().polls > 3);
    }
    let counts = [
        ("warm", requests(&server, "warm") - before),
        ("cold", requests(&server, "cold")),
        ("refused", requests(&server, "refused")),
    ];
    let enough = begin.elapsed().as_secs_f64() / ERROR_AGE.as_secs_f64() + 1.0;
    for (key, count) in counts {
        assert!(count > 0 && count as f64 <= enough, "{key}: {count} instead of {enough}");
    }
}

#[test]
fn clients_wait_together_for_a_service_that_hangs() {
    let server = Server::start(|_| rules("rules"));
    let Some(nginx) = cache(&server) else { return };
    // The service has its usual time, and a busy machine ten times of it.
    let patient = |key| client(&nginx, key).request_timeout(10 * Duration::from_secs(10));
    drop(ready(patient("warm")));
    server.respond(|_| Reply::Hang);
    let (before, begin) = (requests(&server, "warm"), Instant::now());
    let cold: Vec<_> = (0..20).map(|_| started(patient("cold").polling_interval(NEVER))).collect();
    let warm: Vec<_> = (0..20).map(|_| ready(patient("warm"))).collect();
    wait_until("nginx has asked for the stale rules", || requests(&server, "warm") > before);
    let failed = |client: &PhaseFlagClient| client.statistics().last_failure;
    for client in &cold {
        wait_until("a failure", || failed(client).is_some());
        assert_eq!(failed(client).unwrap().status(), Some(504));
    }
    let at_most = 1.0 + begin.elapsed().as_secs_f64() / ERROR_AGE.as_secs_f64();
    let asked = requests(&server, "cold");
    assert!(asked > 0 && asked as f64 <= at_most, "{asked} instead of {at_most}");
    for client in &warm {
        let polls = client.statistics().polls;
        wait_until("another poll", || client.statistics().polls > polls);
        assert!(failed(client).is_none());
    }
}

#[test]
fn the_service_gets_its_name_and_one_key() {
    let server = Server::start(|_| rules("rules"));
    let Some(nginx) = lasting_cache(&server) else { return };
    drop(ready(client(&nginx, "key")));
    // A second key would choose the rules that the others of the first key get.
    let mut connection = TcpStream::connect(nginx.address).unwrap();
    let request = "GET /api/v1/sdk/ruleset HTTP/1.1\r\nhost: nginx\r\nconnection: close\r\n\
        x-api-key: one\r\nx-api-key: two\r\n\r\n";
    connection.write_all(request.as_bytes()).unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.header("host"), Some("api.phaseflag.com"));
        let keys = request.headers.iter().filter(|(name, _)| name == "x-api-key").count();
        assert_eq!(keys, 1, "{request:?}");
    }
}

#[test]
fn a_service_over_tls_must_have_its_name() {
    let server = Server::start(|_| rules("rules"));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
    let tls = configuration(&format!(
        "listen 127.0.0.1:8080 ssl;
        ssl_certificate {folder}/localhost.pem;
        ssl_certificate_key {folder}/localhost.key;
        location / {{ proxy_pass http://{}; }}",
        server.address()
    ));
    let Some(tls) = Nginx::start(&tls) else { return };
    for (name, key, is_trusted) in [("localhost", "one", true), ("elsewhere", "two", false)] {
        let nginx = Nginx::start(&changed(&[
            ("api.phaseflag.com:443", &tls.address.to_string()),
            ("proxy_ssl_name api.phaseflag.com", &format!("proxy_ssl_name {name}")),
            ("/etc/ssl/certs/ca-certificates.crt", &format!("{folder}/authority.pem")),
        ]));
        let nginx = nginx.unwrap();
        let client = started(client(&nginx, key));
        match is_trusted {
            true => client.wait_until_ready(SOON).unwrap(),
            false => wait_until("a failure", || client.statistics().last_failure.is_some()),
        }
        assert_eq!(requests(&server, key) > 0, is_trusted, "{name}");
    }
}

#[test]
fn an_event_of_the_stream_brings_the_change() {
    let (sender, pieces) = channel::<Vec<u8>>();
    let stream = Reply::Stream(Arc::new(Mutex::new(pieces)));
    let service = |key: &'static str| {
        let stream = stream.clone();
        move |request: &Request| match request.path.ends_with("/sdk/stream") {
            true => stream.clone(),
            false => rules(key),
        }
    };
    let server = Server::start(service("before"));
    let Some(nginx) = cache(&server) else { return };
    let client = ready(client(&nginx, "key").streaming(true).polling_interval(NEVER));
    server.wait_for(1, "/sdk/stream");
    server.respond(service("after"));
    // The first poll may get the rules that nginx keeps, the second look comes later.
    sender.send(b"event: flag.updated\ndata: {}\n\n".to_vec()).unwrap();
    wait_until("the change", || client.get_variation("after", None).is_some());
}

#[test]
fn each_key_has_its_own_rules() {
    let server = Server::start(|request| match request.header("x-api-key") {
        Some("refused") => Reply::status(401),
        Some(key) => rules(key),
        None => Reply::status(403),
    });
    let Some(nginx) = cache(&server) else { return };
    let clients = [1, 2].map(|_| ["one", "two"].map(|key| (key, ready(client(&nginx, key)))));
    for (key, client) in clients.as_flattened() {
        assert!(client.get_variation(key, None).is_some(), "{key}");
        assert_eq!(client.statistics().flags, 1, "{key}");
    }
    let refused = started(client(&nginx, "refused"));
    let error = refused.wait_until_ready(SOON).unwrap_err();
    assert!(error.to_string().contains("key"), "{error}");
}

/// The service also takes a key as a bearer token.
#[test]
fn each_token_has_its_own_rules() {
    let server = Server::start(|request| match request.header("authorization") {
        Some(token) => rules(token.trim_start_matches("Bearer ")),
        None => Reply::status(401),
    });
    let Some(nginx) = lasting_cache(&server) else { return };
    let url = format!("http://{}/api/v1/sdk/ruleset", nginx.address);
    for token in ["one", "two", "one"] {
        let request = ureq::get(&url).header("authorization", format!("Bearer {token}"));
        let body = request.call().unwrap().body_mut().read_to_string().unwrap();
        assert_eq!(body, ruleset(1, &[token]));
    }
    let refused = ureq::get(&url).call().unwrap_err();
    assert!(matches!(refused, ureq::Error::StatusCode(401)), "{refused}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn nginx_answers_an_unchanged_ruleset_with_304() {
    let server = Server::start(|_| rules("rules").with("etag", r#""one""#));
    let Some(nginx) = lasting_cache(&server) else { return };
    let url = format!("http://{}/api/v1/sdk/ruleset", nginx.address);
    let request = |name, value| {
        let mut response =
            ureq::get(&url).header("x-api-key", "key").header(name, value).call().unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), body.len())
    };
    let (status, length) = request("accept-encoding", "identity");
    assert_eq!((status, length), (200, ruleset(1, &["rules"]).len()));
    assert_eq!(request("if-none-match", r#""one""#), (304, 0));
    // As nginx marks an entity tag if it has compressed the body.
    assert_eq!(request("if-none-match", r#"W/"one""#), (304, 0));
    assert_eq!(request("if-none-match", r#""other""#).0, 200);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn events_and_evaluations_reach_the_service() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/evaluate" => {
            Reply::json(r#"{"data": {"evaluations": {"flag": {"value": 7, "reason": "DEFAULT"}}}}"#)
        }
        "/api/v1/sdk/events" => Reply::status(202).with_body(r#"{"accepted": 1}"#),
        _ => rules("rules"),
    });
    let Some(nginx) = cache(&server) else { return };
    let client = ready(client(&nginx, "key"));
    assert_eq!(client.evaluate("flag", None).unwrap().value(), &Value::from(7));
    assert_eq!(client.evaluate("flag", None).unwrap().value(), &Value::from(7));
    client.track_event(EvaluationEvent::new("flag"));
    client.flush_events().unwrap();
    assert_eq!(server.requests_to("/evaluate").len(), 2);
    let events = server.requests_to("/sdk/events");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].header("x-api-key"), Some("key"));
}

/// The files of its cache hold the keys of the clients.
#[test]
fn only_nginx_can_read_its_cache() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(|_| rules("rules"));
    let Some(nginx) = lasting_cache(&server) else { return };
    drop(ready(client(&nginx, "sdk-dev-secret")));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let cache = nginx.folder.path().join("cache");
    assert_eq!(mode(&cache), 0o700);
    let files: Vec<_> = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0]), 0o600);
    let bytes = fs::read(&files[0]).unwrap();
    assert!(bytes.windows(14).any(|part| part == b"sdk-dev-secret"));
}
