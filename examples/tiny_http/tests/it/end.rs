//! How a signal ends the server, whatever its connections do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::program::Program;
use crate::serve::{KINDS, Service};
use crate::shop::{FLAGS, SERVER, Shop};
use crate::support::{Reply, SOON, Server};

const FLAGS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flags.json");

/// The line about a request that got no response.
const CUT_OFF: &str = "abandoning requests that are not complete after 3s";

impl Shop {
    fn send(&self, signal: &str) {
        let id = self.program.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(kill.success(), "{signal}");
    }

    /// Begins a request that occupies a worker, even after its response.
    fn hold(&self) -> TcpStream {
        let address = self.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut response = [0; 12];
        stream.read_exact(&mut response).unwrap();
        assert_eq!(&response, b"HTTP/1.1 404");
        stream
    }
}

/// Waits for the end of a server that delivers its events.
fn end(mut program: Program, delivered: usize) {
    program.line(&format!("events delivered: {delivered}"));
    program.line("events dropped: 0");
    assert!(program.end().success());
}

#[test]
fn a_signal_ends_it_and_delivers_the_events() {
    for signal in ["INT", "TERM"] {
        let service = Server::with_ruleset(FLAGS);
        let shop = Shop::start(&service.url());
        for user in ["ada", "bob"] {
            assert_eq!(shop.get(&format!("/checkout?user={user}")).status, 200);
        }
        shop.send(signal);
        end(shop.program, 2);
        let delivered = service.requests_to("/sdk/events");
        for user in ["ada", "bob"] {
            let named = delivered.iter().any(|request| request.body.contains(user));
            assert!(named, "{user} {signal}");
        }
    }
}

/// Runs against each kind of service of the command: with a segment in the rules, and with events.
#[test]
fn each_kind_of_service_serves_rules_and_receives_events() {
    for options in KINDS {
        let mut service = Service::start(FLAGS_FILE, options);
        let shop = Shop::start(service.url());
        for (visitor, checkout, dashboard) in [
            ("user=ada&plan=pro&email=ada@shop.example", "one-page", true),
            ("user=bob&email=bob@mail.example", "three-steps", false),
            ("user=cleo", "three-steps", false),
        ] {
            let page = shop.get(&format!("/checkout?{visitor}")).json();
            assert_eq!(page["checkout"].as_str(), Some(checkout), "{visitor} {options:?}");
            assert_eq!(page["dashboard"].as_bool(), Some(dashboard), "{visitor} {options:?}");
        }
        shop.send("TERM");
        end(shop.program, 3);

        for user in ["ada", "bob", "cleo"] {
            let event = service.event();
            assert_eq!(event["user_id"].as_str(), Some(user), "{options:?}");
            assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"));
        }
        assert!(service.has_no_more_events());
    }
}

#[test]
fn incomplete_bodies_do_not_delay_the_end() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    assert_eq!(shop.get("/checkout?user=ada").status, 200);
    // One for each worker.
    let _held: Vec<TcpStream> = (0..4).map(|_| shop.hold()).collect();
    shop.send("TERM");
    shop.program.line(CUT_OFF);
    end(shop.program, 1);
    assert!(service.requests_to("/sdk/events")[0].body.contains("ada"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    assert_eq!(shop.get("/checkout?user=ada").status, 200);
    // The event takes until the timeout of the client.
    service.respond(|_| Reply::Hang);
    shop.send("TERM");
    shop.send("INT");
    shop.program.line("second signal: ending now, undelivered events are lost");
    assert_eq!(shop.program.end().code(), Some(1));
}

#[test]
fn a_signal_during_the_start_ends_it() {
    let service = Server::start(|_| Reply::Hang);
    let mut command = Command::new(SERVER);
    command.env("PHASEFLAG_BASE_URL", service.url()).env("PORT", "0");
    let program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
    // The server waits for its client.
    service.wait_for(1, "/sdk/ruleset");
    let kill = Command::new("kill").args(["-s", "TERM", &program.id().to_string()]).status();
    assert!(kill.unwrap().success());
    end(program, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn signals_end_the_first_process_of_a_container() {
    use crate::container;

    let Some(options) = container::options() else { return };
    for (first, second) in [("INT", "TERM"), ("TERM", "INT")] {
        let service = Server::with_ruleset(FLAGS);
        let mut command = Command::new("unshare");
        let mut shop = Shop::start_by(command.args(options).arg(SERVER), &service.url());
        assert_eq!(shop.get("/checkout?user=ada").status, 200);
        let _held = shop.hold();
        container::signal(&shop.program, first);
        shop.program.line(CUT_OFF);
        end(shop.program, 1);

        // The second signal does not wait for the request.
        let mut command = Command::new("unshare");
        let mut shop = Shop::start_by(command.args(options).arg(SERVER), &service.url());
        let _held = shop.hold();
        container::signal(&shop.program, first);
        container::signal(&shop.program, second);
        shop.program.line("second signal");
        assert_eq!(shop.program.end().code(), Some(1), "{first} {second}");
    }
}
