//! Runs the server as a user does: as a separate program, over loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::exchange::{Response, get};
use crate::program::Program;
use crate::serve::{KINDS, Service};
use crate::support::{SOON, Server};

const FLAGS: &str = include_str!("../../../flags.json");

const FLAGS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flags.json");

const SERVER: &str = env!("CARGO_BIN_EXE_example-tiny-http");

/// A running server, and its address.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    /// Starts a server whose flags come from this service.
    fn start(base_url: &str) -> Shop {
        Shop::start_by(&mut Command::new(SERVER), base_url)
    }

    fn start_by(command: &mut Command, base_url: &str) -> Shop {
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // A proxy of this machine must not interfere.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        let address = line.strip_prefix("serving ").unwrap().to_owned();
        Shop { program, address }
    }

    fn get(&self, path: &str) -> Response {
        get(&format!("{}{path}", self.address))
    }
}

#[test]
fn flags_are_evaluated_for_each_request() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"one-page","config":{"invoice":false,"max_items":50},"dashboard":false,"theme":"light"}"#
    );
    assert_eq!(
        shop.get("/checkout?user=bob").body,
        r#"{"checkout":"three-steps","config":{"invoice":false,"max_items":50},"dashboard":false,"theme":"light"}"#
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

/// Runs against each kind of service of the command: with a segment in the rules, and with events.
#[test]
fn each_kind_of_service_serves_rules_and_receives_events() {
    for options in KINDS {
        let mut service = Service::start(FLAGS_FILE, options);
        let mut shop = Shop::start(service.url());
        for (visitor, checkout, dashboard) in [
            ("user=ada&plan=pro&email=ada@shop.example", "one-page", true),
            ("user=bob&email=bob@mail.example", "three-steps", false),
            ("user=cleo", "three-steps", false),
        ] {
            let page = shop.get(&format!("/checkout?{visitor}")).json();
            assert_eq!(page["checkout"].as_str(), Some(checkout), "{visitor} {options:?}");
            assert_eq!(page["dashboard"].as_bool(), Some(dashboard), "{visitor} {options:?}");
        }
        shop.program.say("stop");
        shop.program.line("events delivered: 3");
        shop.program.line("events dropped: 0");
        assert!(shop.program.end().success());

        for user in ["ada", "bob", "cleo"] {
            let event = service.event();
            assert_eq!(event["user_id"].as_str(), Some(user), "{options:?}");
            assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"));
        }
        assert!(service.has_no_more_events());
    }
}

#[test]
fn defaults_are_served_without_a_service() {
    // Port 9 is usually closed, and otherwise discards its input.
    let mut shop = Shop::start("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
}

#[test]
fn incomplete_bodies_do_not_delay_the_end() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    assert_eq!(shop.get("/checkout?user=ada").status, 200);
    let address = shop.address.strip_prefix("http://").unwrap();
    // Each occupies one of the four workers, even after its response.
    let _held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let mut response = [0; 12];
            stream.read_exact(&mut response).unwrap();
            assert_eq!(&response, b"HTTP/1.1 404");
            stream
        })
        .collect();

    shop.program.say("stop");
    shop.program.line("abandoning requests that are not complete after 3s");
    shop.program.line("events delivered: 1");
    shop.program.line("events dropped: 0");
    assert!(shop.program.end().success());
    assert!(service.requests_to("/sdk/events")[0].body.contains("ada"));
}

#[cfg(unix)]
#[test]
fn the_end_of_the_input_does_not_end_the_server() {
    let service = Server::with_ruleset(FLAGS);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" </dev/null", SERVER]);
    let mut shop = Shop::start_by(&mut command, &service.url());
    for _ in 0..20 {
        assert_eq!(shop.get("/checkout?user=ada").status, 200);
    }
    let untaken = shop.program.untaken();
    assert!(untaken.is_empty(), "{untaken:?}");
}
