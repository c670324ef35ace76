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
fn nightly_takes_settings_and_overrides_from_its_environment_and_loses_no_event() {
    let folder = env::temp_dir().join(format!("phaseflag-nightly-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let server = Server::with_ruleset(
        r#"{"version": 1, "flags": [{"key": "batch-size", "default_variation": "v",
            "variations": [{"key": "v", "value": 100}]}]}"#,
    );
    let run = |flag: Option<&str>| {
        let mut command = Command::new(example("nightly"));
        command.current_dir(&folder).env("PHASEFLAG_BASE_URL", server.url());
        command.env("PHASEFLAG_API_KEY", "sdk-dev-local");
        for cache in ["XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
            command.env(cache, &folder);
        }
        command.envs(flag.map(|value| ("PHASEFLAG_FLAG_BATCH_SIZE", value)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let events = || -> usize {
        let requests = server.requests_to("/sdk/events");
        requests.iter().map(|it| it.json()["events"].as_array().unwrap().len()).sum()
    };

    server.respond(|_| Reply::status(401));
    assert_eq!(run(None), "importing 500 rows at a time\n");
    assert_eq!(run(Some("20")), "importing 20 rows at a time\n");
    let refused = events();
    server.respond(|request| match request.path.as_str() {
        path if path.ends_with("/sdk/events") => Reply::json(r#"{"accepted": 1}"#).with_status(202),
        _ => Reply::json(
            r#"{"version": 1, "flags": [{"key": "batch-size", "default_variation": "v",
                "variations": [{"key": "v", "value": 100}]}]}"#,
        ),
    });
    // On a busy machine, the rules may come after the two seconds that a run waits for them.
    let runs = (1..10).find(|_| run(None) == "importing 100 rows at a time\n").unwrap();
    assert_eq!(events() - refused, 2 + runs);
    assert_eq!(run(Some("20")), "importing 20 rows at a time\n");
    assert_eq!(events() - refused, 3 + runs);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The guide shows the script as it is.
#[test]
fn nightly_is_the_script_of_the_documentation() {
    let example = include_str!("../../examples/nightly.rs");
    let (_, code) = example.split_once("```\n\n").unwrap();
    let code = code.replacen(";\n\nuse", ";\nuse", 1);
    assert!(include_str!("../../src/guide/scripts.md").contains(&code), "{code}");
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

    // Not the end of the server: another program may listen at its port.
    server.respond(|_| Reply::Raw(Vec::new()));
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
