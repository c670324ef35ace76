//! Runs the examples as separate programs, over loopback.
//!
//! `cargo test` builds the examples first; `cargo test --test it` alone does not.

// Without the feature `http` there are fewer examples.
#![cfg_attr(not(feature = "http"), allow(dead_code, unused_imports))]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::program::Program;
use phaseflag::Ruleset;

use crate::support::{Reply, Server};

const FLAGS: &str = include_str!("../../examples/flags.json");

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
    assert_eq!(table, include_str!("../data/quickstart.txt"));
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
    assert!(event["timestamp"].as_str().unwrap().len() == 23);
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
    watch.line("state: the last rules stay in use: failed to");
    watch.say("stop");
    assert!(watch.end().success());
}

/// Returns the path of an example that `cargo test` has built.
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
    // A proxy of this machine must not interfere.
    Program::start(command.env("NO_PROXY", "127.0.0.1"))
}
