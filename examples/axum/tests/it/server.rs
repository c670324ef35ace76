//! Runs the server as a user does: as a separate program, over loopback.

use std::process::Command;

use crate::exchange::{Response, exchange};
use crate::program::Program;
use crate::prometheus::{metric_names, promtool};
use crate::support::{Server, wait_until};

const FLAGS: &str = include_str!("../../../flags.json");

const METRICS: &str = include_str!("../../../monitoring/metrics.txt");

const CONFIG: &str = r#"{"invoice":false,"max_items":50}"#;

/// A running server, and its address.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    /// Starts a server whose flags come from this service.
    fn start(base_url: &str) -> Shop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-axum"));
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // A proxy of this machine must not interfere.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        let address = line.strip_prefix("serving ").unwrap().to_owned();
        Shop { program, address }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        exchange("GET", &format!("{}{path}", self.address), headers, "")
    }

    /// Requests the page of a user, which tracks an event.
    fn checkout(&self, user: &str, query: &str) -> Response {
        self.get(&format!("/checkout{query}"), &[("x-user-id", user)])
    }
}

#[test]
fn flags_are_evaluated_for_each_request() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    let page = |checkout| {
        format!(
            r#"{{"checkout":"{checkout}","config":{CONFIG},"dashboard":false,"theme":"light"}}"#
        )
    };

    let response = shop.checkout("ada", "?plan=pro");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!((response.status, response.body), (200, page("one-page")));
    let response = shop.checkout("bob", "");
    assert_eq!((response.status, response.body), (200, page("three-steps")));
    // Bytes that are not UTF-8 are replaced, and the rest of the query is used.
    let response = shop.checkout("bob", "?plan=%ff");
    assert_eq!((response.status, response.body), (200, page("three-steps")));
    let response = shop.checkout("zoë", "?x=%ff&plan=pro");
    assert_eq!((response.status, response.body), (200, page("one-page")));

    for headers in [&[][..], &[("x-user-id", "")]] {
        let response = shop.get("/checkout?plan=pro", headers);
        assert_eq!((response.status, response.body.as_str()), (400, r#"{"error":"no user"}"#));
    }
    assert_eq!(shop.get("/no-such-page", &[]).status, 404);
    let metrics = shop.get("/metrics", &[]);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);
    assert_eq!(metric_names(&metrics.body), metric_names(METRICS));
    promtool(&["check", "metrics"], &metrics.body);
}

#[test]
fn defaults_are_served_without_a_service() {
    // Port 9 is usually closed, and otherwise discards its input.
    let mut shop = Shop::start("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.checkout("ada", "?plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
}

#[test]
fn the_probes_say_whether_there_are_flags_and_why_not() {
    // Port 9 is usually closed, and otherwise discards its input.
    let shop = Shop::start("http://127.0.0.1:9/api/v1");
    wait_until("a failure", || !shop.get("/healthz", &[]).json()["last_failure"].is_null());
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        let response = shop.get(path, &[]);
        assert_eq!(response.status, status, "{path}");
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(false));
        assert_eq!(report["state"].as_str(), Some("not ready"));
        // With its cause.
        let failure = report["last_failure"].as_str().unwrap().to_owned();
        assert!(failure.matches(": ").count() >= 2, "{failure}");
    }

    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    for path in ["/healthz", "/readyz"] {
        let response = shop.get(path, &[]);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(true));
        assert_eq!(report["state"].as_str(), Some("ready"));
        assert_eq!(report["flags"].as_i64(), Some(8));
        assert!(report["last_failure"].is_null());
    }
}
