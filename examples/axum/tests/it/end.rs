//! How a signal ends the server, whatever its connections do.

use std::io::{Read, Write};
#[cfg(target_os = "linux")]
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Command;

use crate::exchange::exchange;
use crate::monitoring::wait_until_ready;
use crate::program::Program;
use crate::serve::{KINDS, Service};
use crate::support::{Reply, SOON, Server, wait_until};

const FLAGS: &str = include_str!("../../../flags.json");

const FLAGS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../flags.json");

const SERVER: &str = env!("CARGO_BIN_EXE_example-axum");

/// The beginning of a request, and the rest.
const HALF: &str = "GET /checkout HTTP/1.1\r\nHost: localhost\r\n";
const REST: &str = "x-user-id: eve\r\n\r\n";

/// The line about a request that got no response.
const CUT_OFF: &str = "abandoning requests that are not complete after ";

/// A running server, and its address.
struct Shop {
    program: Program,
    address: String,
}

impl Shop {
    fn start(base_url: &str) -> Shop {
        // A busy machine cuts off no request.
        Shop::start_by(Command::new(SERVER).env("DRAIN_SECONDS", "3600"), base_url)
    }

    /// Starts a server that has the flags of its service.
    fn start_by(command: &mut Command, base_url: &str) -> Shop {
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // A proxy of this machine must not interfere.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        wait_until_ready(line.strip_prefix("serving ").unwrap());
        let address = line.strip_prefix("serving http://").unwrap().to_owned();
        Shop { program, address }
    }

    /// Requests the page of a user, which tracks an event.
    fn checkout(&self, user: &str) {
        let url = format!("http://{}/checkout", self.address);
        assert_eq!(exchange("GET", &url, &[("x-user-id", user)], "").status, 200);
    }

    /// Sends bytes on a new connection, and returns when the server has accepted it and read them: it
    /// closes a connection from which it has read nothing at the end.
    fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        // It accepts connections in turn.
        self.checkout("ada");
        #[cfg(target_os = "linux")]
        wait_until("the server has read the bytes", || unread(&stream) == Some(0));
        stream
    }

    /// Sends a signal, and waits until the server accepts no more connections.
    fn tell(&self, signal: &str) {
        self.send(signal);
        let refused = || TcpStream::connect(&self.address).is_err();
        wait_until("the server takes no more connections", refused);
    }

    fn send(&self, signal: &str) {
        let id = self.program.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(kill.success(), "{signal}");
    }

    /// Waits for the end, and returns after which time requests were cut off, if any were.
    fn end(mut self, delivered: usize) -> Option<String> {
        self.program.line(&format!("events delivered: {delivered}"));
        self.program.line("events dropped: 0");
        let mut lines = self.program.untaken().iter();
        let cut_off = lines.find_map(|line| line.strip_prefix(CUT_OFF)).map(str::to_owned);
        assert!(self.program.end().success());
        cut_off
    }
}

/// Returns how many bytes of a connection the server has not read yet.
#[cfg(target_os = "linux")]
fn unread(stream: &TcpStream) -> Option<u64> {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            format!("{ip:08X}:{:04X}", address.port())
        }
        SocketAddr::V6(address) => panic!("{address}"),
    };
    let (own, server) = (hex(stream.local_addr().unwrap()), hex(stream.peer_addr().unwrap()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[1] == server && row[2] == own)?;
    u64::from_str_radix(row[4].split(':').nth(1)?, 16).ok()
}

#[test]
fn a_signal_ends_it_and_delivers_the_events() {
    for signal in ["INT", "TERM"] {
        let service = Server::with_ruleset(FLAGS);
        let shop = Shop::start(&service.url());
        shop.checkout("ada");
        shop.tell(signal);
        assert_eq!(shop.end(1), None);
        assert!(service.requests_to("/sdk/events")[0].body.contains("ada"));
    }
}

/// Runs against each kind of service of the command: with a segment in the rules, and with events.
#[test]
fn each_kind_of_service_serves_rules_and_receives_events() {
    for options in KINDS {
        let mut service = Service::start(FLAGS_FILE, options);
        let shop = Shop::start(service.url());
        for (user, email, plan, checkout, dashboard) in [
            ("ada", "ada@shop.example", "pro", "one-page", true),
            ("bob", "bob@mail.example", "free", "three-steps", false),
            ("cleo", "", "free", "three-steps", false),
        ] {
            let url = format!("http://{}/checkout?plan={plan}", shop.address);
            let headers = [("x-user-id", user), ("x-user-email", email)];
            let page = exchange("GET", &url, &headers, "").json();
            assert_eq!(page["checkout"].as_str(), Some(checkout), "{user} {options:?}");
            assert_eq!(page["dashboard"].as_bool(), Some(dashboard), "{user} {options:?}");
        }
        shop.tell("TERM");
        assert_eq!(shop.end(3), None);

        for user in ["ada", "bob", "cleo"] {
            let event = service.event();
            assert_eq!(event["user_id"].as_str(), Some(user), "{options:?}");
            assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"));
        }
        assert!(service.has_no_more_events());
    }
}

#[test]
fn a_pending_request_gets_its_response() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    let mut connection = shop.connect(HALF);
    shop.tell("TERM");
    connection.write_all(REST.as_bytes()).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert_eq!(shop.end(2), None);
}

#[test]
fn a_connection_that_is_kept_alive_does_not_delay_the_end() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    let mut connection = shop.connect(&format!("{HALF}{REST}"));
    let mut response = [0; 15];
    connection.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 200 OK");
    shop.tell("TERM");
    assert_eq!(shop.end(2), None);
}

#[test]
fn an_incomplete_request_is_cut_off() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start_by(&mut Command::new(SERVER), &service.url());
    let _connection = shop.connect(HALF);
    shop.tell("TERM");
    assert_eq!(shop.end(1).as_deref(), Some("3s"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let service = Server::with_ruleset(FLAGS);
    let mut shop = Shop::start(&service.url());
    let _connection = shop.connect(HALF);
    // The events take until the timeout of the client, after the pending request.
    service.respond(|_| Reply::Hang);
    shop.tell("TERM");
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
    let shop = Shop { program, address: String::new() };
    shop.send("TERM");
    assert_eq!(shop.end(0), None);
}

#[cfg(target_os = "linux")]
#[test]
fn signals_end_the_first_process_of_a_container() {
    use crate::container;

    let Some(options) = container::options() else { return };
    for (first, second) in [("INT", "TERM"), ("TERM", "INT")] {
        let service = Server::with_ruleset(FLAGS);
        let mut command = Command::new("unshare");
        let shop = Shop::start_by(command.args(options).arg(SERVER), &service.url());
        let _connection = shop.connect(HALF);
        container::signal(&shop.program, first);
        assert_eq!(shop.end(1).as_deref(), Some("3s"));

        // The second signal does not wait for the request.
        let mut command = Command::new("unshare");
        let mut shop = Shop::start_by(command.args(options).arg(SERVER), &service.url());
        let _connection = shop.connect(HALF);
        container::signal(&shop.program, first);
        container::signal(&shop.program, second);
        shop.program.line("second signal");
        assert_eq!(shop.program.end().code(), Some(1), "{first} {second}");
    }
}
