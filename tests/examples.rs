//! The examples as a user runs them: as programs of their own, over loopback.
//!
//! `cargo test` builds the examples first; `cargo test --test examples` alone does not.

// Without the service there are fewer examples to run.
#![cfg_attr(not(feature = "http"), allow(dead_code, unused_imports))]

#[path = "support/program.rs"]
mod program;
mod support;

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use phaseflag::{Ruleset, Value};
use program::Program;
use support::{Reply, SOON, Server};

const FLAGS: &str = include_str!("../examples/flags.json");

#[test]
fn the_flags_have_no_problems() {
    let ruleset = Ruleset::parse(FLAGS).unwrap();
    assert_eq!(ruleset.problems(), []);
}

#[test]
fn quickstart_prints_the_table() {
    let output = Command::new(example("quickstart")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table, include_str!("data/quickstart.txt"));
}

#[cfg(feature = "http")]
#[test]
fn script_delivers_its_event() {
    let server = Server::with_ruleset(FLAGS);
    let mut script = start("script", &[], &[("PHASEFLAG_BASE_URL", &server.url())]);
    script.line("new-checkout-flow for ada: true");
    assert!(script.end().success());

    let delivered = server.requests_to("/sdk/events");
    assert_eq!(delivered.len(), 1);
    let event = &delivered[0].json()["events"][0];
    assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"));
    assert_eq!(event["user_id"].as_str(), Some("ada"));
    assert_eq!(event["metadata"]["page"].as_str(), Some("checkout"));
    assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[cfg(feature = "http")]
#[test]
fn checkout_server_decides_each_request() {
    let server = Server::with_ruleset(FLAGS);
    let mut shop =
        start("checkout_server", &[], &[("PHASEFLAG_BASE_URL", &server.url()), ("PORT", "0")]);
    let address = shop.line("serving http://");
    let address = address.strip_prefix("serving ").unwrap();
    let get = |path: &str| get(&format!("{address}{path}"));

    assert_eq!(
        get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"one-page","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    assert_eq!(
        get("/checkout?user=bob").body,
        r#"{"checkout":"three-steps","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    assert_eq!(get("/checkout").status, 400);
    assert_eq!(get("/no-such-page").status, 404);
    let health = get("/health").json();
    assert_eq!(health["state"].as_str(), Some("Ready"));
    assert_eq!(health["flags"].as_i64(), Some(8));
    assert_eq!(health["events_dropped"].as_i64(), Some(0));

    shop.say("stop");
    shop.line("events delivered: 2");
    shop.line("events dropped: 0");
    assert!(shop.end().success());
    let delivered = server.requests_to("/sdk/events");
    for user in ["ada", "bob"] {
        assert!(delivered.iter().any(|request| request.body.contains(user)), "{user}");
    }
}

#[cfg(feature = "http")]
#[test]
fn checkout_server_serves_defaults_where_there_is_no_service() {
    let mut shop = start(
        "checkout_server",
        &[],
        &[
            // Port 9 discards, where anything listens there at all.
            ("PHASEFLAG_BASE_URL", "http://127.0.0.1:9/api/v1"),
            ("PORT", "0"),
        ],
    );
    shop.line("serving defaults for now: the client was not ready within 2s: ");
    let address = shop.line("serving http://");
    let address = address.strip_prefix("serving ").unwrap();
    let url = format!("{address}/checkout?user=ada&plan=pro");
    assert_eq!(get(&url).body, r#"{"checkout":"three-steps","config":null,"theme":"light"}"#);
}

#[cfg(feature = "http")]
#[test]
fn watch_sees_the_rules_change() {
    let server = Server::with_ruleset(FLAGS);
    let mut watch = start("watch", &[], &[("PHASEFLAG_BASE_URL", &server.url())]);
    watch.line("added: product-recommendations");
    watch.line("flags now: 8");
    watch.line("state: the rules are fresh");

    server.respond(|_| Reply::json(FLAGS.replace("inactive", "active")));
    watch.line("changed: product-recommendations");
    watch.line("flags now: 8");

    server.respond(|_| Reply::json(FLAGS.replace("instant-search", "instant-find")));
    watch.line("added: instant-find");
    watch.line("removed: instant-search");

    drop(server);
    watch.line("state: the rules of before are in use: failed to");
    watch.say("stop");
    assert!(watch.end().success());
}

/// The path of an example that `cargo test` has built.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let path = profile.join("examples").join(file);
    assert!(
        path.is_file(),
        "there is no `{}`: run `cargo build --examples` with the same features and profile",
        path.display()
    );
    path
}

/// Starts an example.
fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
    let mut command = Command::new(example(name));
    command.args(arguments).envs(environment.iter().copied());
    // No proxy of this machine may stand in the way.
    Program::start(command.env("NO_PROXY", "127.0.0.1"))
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        self.body.parse().unwrap()
    }
}

/// Sends one request, and reads the whole answer.
fn get(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: body.to_owned() }
}
