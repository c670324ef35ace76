//! The library's examples against each kind of service of the command, as users run them.
//!
//! `cargo test` builds the examples first; `cargo test -p phaseflag-cli` alone does not.

use std::env;
use std::path::Path;
use std::process::Command;

use phaseflag::Value;

use crate::support::{FLAGS, Folder, KEY, Program, Service};

/// Rules, one of which names a segment.
const BY_SEGMENT: &str = include_str!("../../../tests/data/segment.json");

/// The options of each kind of service: as documented, and self-hosted.
const KINDS: [&[&str]; 2] = [&[], &["--self-hosted"]];

fn serve(folder: &Folder, rules: &str, options: &[&str]) -> Service {
    folder.write("rules.json", rules);
    Service::start_with(folder, &[&["rules.json", "--port", "0"], options].concat())
}

/// Starts an example that `cargo test` has built.
fn start(name: &str, service: &Service) -> Program {
    let profile = Path::new(env!("CARGO_BIN_EXE_phaseflag")).parent().unwrap();
    let path = profile.join(format!("examples/{name}{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "there is no `{}`: run `cargo build --examples`", path.display());
    let mut command = Command::new(path);
    command.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    // A proxy of this machine must not interfere.
    Program::start(command.env("NO_PROXY", "127.0.0.1"))
}

#[test]
fn script_delivers_its_event() {
    for (rules, options) in
        [FLAGS, BY_SEGMENT].iter().flat_map(|rules| KINDS.map(|kind| (rules, kind)))
    {
        let folder = Folder::new("examples-script");
        let mut service = serve(&folder, rules, options);
        let mut script = start("script", &service);
        script.line("new-checkout-flow for ada: true");
        assert!(script.end().success());

        let line = service.program.line("event ");
        let event: Value = line.strip_prefix("event ").unwrap().parse().unwrap();
        assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"), "{options:?}");
        assert_eq!(event["user_id"].as_str(), Some("ada"), "{options:?}");
        assert_eq!(event["metadata"]["page"].as_str(), Some("checkout"), "{options:?}");
        let untaken = service.program.untaken();
        assert!(untaken.iter().all(|line| !line.starts_with("event ")), "{untaken:?}");
    }
}

#[test]
fn watch_sees_a_segment_change() {
    for (options, flags) in KINDS.into_iter().zip([8, 7]) {
        let folder = Folder::new("examples-watch");
        let service = serve(&folder, FLAGS, options);
        let mut watch = start("watch", &service);
        // The first rules are a change, too.
        watch.line("changed: segments");
        watch.line(&format!("flags now: {flags}"));
        watch.line("state: the rules are fresh");
        folder.write("rules.json", &FLAGS.replace("@shop.example", "@store.example"));
        watch.line("changed: segments");
        watch.say("stop");
        assert!(watch.end().success());
    }
}
