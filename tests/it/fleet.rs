//! nginx with the configuration of `examples/fleet`, between clients and a service.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient, Value};
use tempfile::TempDir;

use crate::curl::not_checked;
use crate::program::Program;
use crate::support::{Reply, SOON, Server, ready, ruleset, started, wait_until};

const CONFIGURATION: &str = include_str!("../../examples/fleet/nginx.conf");

/// The polling interval of the clients, for which nginx keeps the rules.
const INTERVAL: Duration = Duration::from_secs(1);

/// A running nginx, and its folder.
struct Nginx {
    address: SocketAddr,
    /// Ends before its folder is removed.
    _program: Program,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx before a service, or returns `None` if it is not installed.
    fn start(service: &Server) -> Option<Nginx> {
        let installed = |path: &&&str| Command::new(path).arg("-v").output().is_ok();
        let Some(nginx) = ["nginx", "/usr/sbin/nginx"].iter().find(installed) else {
            not_checked("the configuration for nginx: there is no nginx");
            return None;
        };
        let folder = TempDir::new().unwrap();
        let address = free_address();
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, configured(service.address(), address)).unwrap();
        let mut command = Command::new(nginx);
        command.arg("-p").arg(folder.path()).arg("-c").arg(configuration);
        // One process, so that its end is the end of all.
        command.args(["-g", "daemon off; master_process off;"]);
        let program = Program::start(&mut command);
        wait_until("nginx listens", || TcpStream::connect(address).is_ok());
        Some(Nginx { address, _program: program, _folder: folder })
    }

    fn client(&self, key: &str) -> ClientBuilder {
        let url = format!("http://{}/api/v1", self.address);
        PhaseFlagClient::builder(url, key).polling_interval(INTERVAL)
    }
}

/// Returns the configuration for a service without TLS, as its comments say.
fn configured(service: SocketAddr, listen: SocketAddr) -> String {
    let changes = [
        ("api.phaseflag.com:443", service.to_string()),
        ("127.0.0.1:8080", listen.to_string()),
        ("https://service", "http://service".to_owned()),
        ("proxy_cache_valid 200 30s", format!("proxy_cache_valid 200 {}s", INTERVAL.as_secs())),
    ];
    changes.iter().fold(CONFIGURATION.to_owned(), |text, (line, change)| {
        assert_eq!(text.matches(line).count(), 1, "{line}");
        text.replace(line, change)
    })
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Returns a reply with one flag.
fn rules(key: &str) -> Reply {
    // The service forbids caches to keep its rules.
    Reply::json(ruleset(1, &[key])).with("cache-control", "no-store").with("vary", "*")
}

#[test]
fn fifty_clients_make_one_request_an_interval() {
    let server = Server::start(|_| rules("before"));
    let Some(nginx) = Nginx::start(&server) else { return };
    let begin = Instant::now();
    let clients: Vec<_> = (0..50).map(|_| started(nginx.client("key"))).collect();
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
    let server = Server::start(|_| rules("rules"));
    let Some(nginx) = Nginx::start(&server) else { return };
    drop(ready(nginx.client("key")));
    for status in [500, 502, 503, 504, 429] {
        server.respond(move |_| Reply::status(status));
        let before = server.requests().len();
        // A new client gets rules, also after nginx has asked in vain.
        wait_until("nginx has asked", || {
            drop(ready(nginx.client("key")));
            server.requests().len() > before
        });
        let client = ready(nginx.client("key"));
        assert!(client.get_variation("rules", None).is_some(), "{status}");
    }
    drop(server);
    let client = ready(nginx.client("key"));
    assert!(client.get_variation("rules", None).is_some(), "nothing listens");
}

#[test]
fn each_key_has_its_own_rules() {
    let server = Server::start(|request| match request.header("x-api-key") {
        Some("refused") => Reply::status(401),
        Some(key) => rules(key),
        None => Reply::status(403),
    });
    let Some(nginx) = Nginx::start(&server) else { return };
    let clients = [1, 2].map(|_| ["one", "two"].map(|key| (key, ready(nginx.client(key)))));
    for (key, client) in clients.as_flattened() {
        assert!(client.get_variation(key, None).is_some(), "{key}");
        assert_eq!(client.statistics().flags, 1, "{key}");
    }
    let refused = started(nginx.client("refused"));
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
    let Some(nginx) = Nginx::start(&server) else { return };
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
    let Some(nginx) = Nginx::start(&server) else { return };
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
    let Some(nginx) = Nginx::start(&server) else { return };
    let client = ready(nginx.client("key"));
    assert_eq!(client.evaluate("flag", None).unwrap().value(), &Value::from(7));
    assert_eq!(client.evaluate("flag", None).unwrap().value(), &Value::from(7));
    client.track_event(EvaluationEvent::new("flag"));
    client.flush_events().unwrap();
    assert_eq!(server.requests_to("/evaluate").len(), 2);
    let events = server.requests_to("/sdk/events");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].header("x-api-key"), Some("key"));
}
