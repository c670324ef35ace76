//! Runs the bodies of the fuzz targets over past failures, all seeds and hundreds of fresh inputs.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arbtest::arbtest;

#[path = "../../fuzz/bodies/evaluate.rs"]
pub mod evaluate;
#[cfg(feature = "http")]
#[path = "../../fuzz/bodies/event_body.rs"]
mod event_body;
#[path = "../../fuzz/bodies/parse_ruleset.rs"]
mod parse_ruleset;
#[cfg(feature = "regex")]
#[path = "../../fuzz/bodies/pattern.rs"]
mod pattern;
#[cfg(feature = "http")]
#[path = "../../fuzz/bodies/remote_answer.rs"]
mod remote_answer;
#[cfg(feature = "http")]
#[path = "../../fuzz/server.rs"]
mod server;
#[path = "../../fuzz/bodies/version.rs"]
mod version;

/// Runs a body over the files kept for it, and over arbitrary bytes.
fn run(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for directory in ["regressions", "seeds"] {
        let directory = fuzz.join(directory).join(target);
        let files = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for file in files {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| body(&data))).is_err() {
                panic!("{target} fails on {}", path.display());
            }
        }
    }
    arbtest(|u| {
        let length = u.len();
        body(u.bytes(length)?);
        Ok(())
    })
    .size_max(8192)
    .budget_ms(1000);
}

#[test]
fn parse_ruleset_bodies_hold() {
    run("parse_ruleset", parse_ruleset::run);
}

#[test]
fn evaluate_bodies_hold() {
    run("evaluate", evaluate::run);
}

#[test]
fn version_bodies_hold() {
    run("version", version::run);
}

#[cfg(feature = "regex")]
#[test]
fn pattern_bodies_hold() {
    run("pattern", pattern::run);
}

#[cfg(feature = "http")]
#[test]
fn remote_answer_bodies_hold() {
    run("remote_answer", remote_answer::run);
}

#[cfg(feature = "http")]
#[test]
fn event_body_bodies_hold() {
    run("event_body", event_body::run);
}

#[test]
fn every_target_has_a_body_and_a_test() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |directory: &str| {
        let mut names: Vec<String> = fs::read_dir(fuzz.join(directory))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("fuzz_targets"), names("bodies"));
    let tests = include_str!("fuzz_regressions.rs");
    for body in names("bodies") {
        let call = format!("{}::run", body.trim_end_matches(".rs"));
        assert!(tests.contains(&call), "no test calls {call}");
    }
}
