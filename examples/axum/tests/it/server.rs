//! The server as a user runs it: a program of its own, over loopback.

use std::process::Command;

use crate::exchange::{Answer, exchange};
use crate::program::Program;
use crate::support::Server;

const FLAGS: &str = include_str!("../../../flags.json");

const CONFIG: &str = r#"{"invoice":false,"max_items":50}"#;

/// A running server, and where it serves.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    /// Starts a server whose flags come from this service.
    fn start(base_url: &str) -> Shop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-axum"));
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // No proxy of this machine may stand in the way.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        let address = line.strip_prefix("serving ").unwrap().to_owned();
        Shop { program, address }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        exchange("GET", &format!("{}{path}", self.address), headers, "")
    }

    /// Asks for the page of a user, who is counted by an event.
    fn checkout(&self, user: &str, query: &str) -> Answer {
        self.get(&format!("/checkout{query}"), &[("x-user-id", user)])
    }
}

#[test]
fn each_request_is_decided() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    let page = |checkout| {
        format!(
            r#"{{"checkout":"{checkout}","config":{CONFIG},"dashboard":false,"theme":"light"}}"#
        )
    };

    let answer = shop.checkout("ada", "?plan=pro");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!((answer.status, answer.body), (200, page("one-page")));
    let answer = shop.checkout("bob", "");
    assert_eq!((answer.status, answer.body), (200, page("three-steps")));
    // What is not UTF-8 is read with a mark in its place, and takes nothing else with it.
    let answer = shop.checkout("bob", "?plan=%ff");
    assert_eq!((answer.status, answer.body), (200, page("three-steps")));
    let answer = shop.checkout("zoë", "?x=%ff&plan=pro");
    assert_eq!((answer.status, answer.body), (200, page("one-page")));

    for headers in [&[][..], &[("x-user-id", "")]] {
        let answer = shop.get("/checkout?plan=pro", headers);
        assert_eq!((answer.status, answer.body.as_str()), (400, r#"{"error":"no user"}"#));
    }
    assert_eq!(shop.get("/no-such-page", &[]).status, 404);
    let health = shop.get("/health", &[]);
    assert_eq!(health.status, 200);
    let health = health.json();
    assert_eq!(health["state"].as_str(), Some("ready"));
    assert_eq!(health["flags"].as_i64(), Some(8));
    assert!(health["last_failure"].is_null());
    // The second may come at any time.
    assert!(health["polls"].as_i64() >= Some(1));
    let metrics = shop.get("/metrics", &[]);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);
}

#[test]
fn defaults_are_served_where_there_is_no_service() {
    // Port 9 discards, where anything listens there at all.
    let mut shop = Shop::start("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.checkout("ada", "?plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
    let health = shop.get("/health", &[]).json();
    assert_eq!(health["state"].as_str(), Some("not ready"));
    assert!(health["last_failure"].as_str().is_some());
}
