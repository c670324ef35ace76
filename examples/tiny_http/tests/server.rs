//! The server as a user runs it: a program of its own, over loopback.

#[path = "../../../tests/support/exchange.rs"]
mod exchange;
#[path = "../../../tests/support/program.rs"]
mod program;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::Command;

use exchange::{Answer, get};
use program::Program;
use support::{SOON, Server};

const FLAGS: &str = include_str!("../../flags.json");

/// A running server, and where it serves.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    /// Starts a server whose flags come from this service.
    fn start(base_url: &str) -> Shop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-tiny-http"));
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // No proxy of this machine may stand in the way.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        let address = line.strip_prefix("serving ").unwrap().to_owned();
        Shop { program, address }
    }

    fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.address))
    }
}

#[test]
fn each_request_is_decided() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"one-page","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    assert_eq!(
        shop.get("/checkout?user=bob").body,
        r#"{"checkout":"three-steps","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    for path in ["/checkout", "/checkout?user=", "/checkout?user=&plan=pro"] {
        assert_eq!(shop.get(path).status, 400, "{path}");
    }
    assert_eq!(shop.get("/no-such-page").status, 404);
    let health = shop.get("/health").json();
    assert_eq!(health["state"].as_str(), Some("ready"));
    assert_eq!(health["flags"].as_i64(), Some(8));
    assert_eq!(health["events_dropped"].as_i64(), Some(0));
    let metrics = shop.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);

    shop.program.say("stop");
    shop.program.line("events delivered: 2");
    shop.program.line("events dropped: 0");
    assert!(shop.program.end().success());
    let delivered = service.requests_to("/sdk/events");
    for user in ["ada", "bob"] {
        assert!(delivered.iter().any(|request| request.body.contains(user)), "{user}");
    }
}

#[test]
fn defaults_are_served_where_there_is_no_service() {
    // Port 9 discards, where anything listens there at all.
    let mut shop = Shop::start("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"theme":"light"}"#
    );
}
