//! Runs the server as a user does: as a separate program, over loopback.

use std::process::Command;

use crate::exchange::{Response, exchange};
use crate::monitoring::{
    check_metrics, check_probes_with_flags, check_probes_without_flags, wait_until_ready,
};
use crate::program::Program;
use crate::support::Server;

const FLAGS: &str = include_str!("../../../flags.json");

const CONFIG: &str = r#"{"invoice":false,"max_items":50}"#;

/// A running server, and its address.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    /// Starts a server that has the flags of its service.
    fn start(base_url: &str) -> Shop {
        let shop = Shop::start_without_flags(base_url);
        wait_until_ready(&shop.address);
        shop
    }

    /// Starts a server whose service cannot be reached.
    fn start_without_flags(base_url: &str) -> Shop {
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
    check_metrics(&shop.address);
}

#[test]
fn defaults_are_served_without_a_service() {
    // Port 9 is usually closed, and otherwise discards its input.
    let mut shop = Shop::start_without_flags("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.checkout("ada", "?plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
}

#[test]
fn the_probes_say_whether_there_are_flags_and_why_not() {
    // Port 9 is usually closed, and otherwise discards its input.
    check_probes_without_flags(&Shop::start_without_flags("http://127.0.0.1:9/api/v1").address);

    let service = Server::with_ruleset(FLAGS);
    check_probes_with_flags(&Shop::start(&service.url()).address, 8);
}
