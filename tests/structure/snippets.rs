//! What the rules find in small files, and what they accept.

use crate::package::{Fault, Package};

type Rule = fn(&Package) -> Vec<Fault>;

/// The other files beside a snippet.
const OTHERS: [(&str, &str); 9] = [
    ("src/lib.rs", "mod client; mod events; mod rules; mod ruleset; pub use rules::News;"),
    ("src/value/mod.rs", "pub(crate) mod json; pub struct Value;"),
    ("src/value/json.rs", "pub(crate) fn parse() {}"),
    ("src/rules/mod.rs", "mod fetch; mod poller; pub use fetch::{News, fetch};"),
    ("src/rules/fetch.rs", "pub struct News; pub(crate) fn fetch() {}"),
    ("src/events/mod.rs", "mod ledger; pub(crate) use ledger::Ledger;"),
    ("src/ruleset/mod.rs", "mod tables; mod compile; pub struct Ruleset;"),
    ("src/ruleset/tables/mod.rs", "mod index; pub(crate) use index::Index;"),
    ("src/ruleset/compile/mod.rs", "pub(crate) struct Compiler;"),
];

/// A file, its text, and the lines where a rule finds something.
type Snippet = (&'static str, &'static str, &'static [usize]);

fn check(rule: Rule, snippets: &[Snippet]) {
    for (file, source, expected) in snippets {
        let others = OTHERS.into_iter().filter(|(other, _)| other != file);
        let sources = others.chain([(*file, *source)]);
        let package = Package::new(sources.map(|(f, s)| (f.to_string(), s.to_string())), "src");
        let faults = rule(&package);
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, *expected, "{file}: {source}\n{faults:?}");
        assert!(faults.iter().all(|fault| fault.file == *file), "{source}\n{faults:?}");
    }
}

#[test]
fn upward_names_are_found() {
    check(
        Package::upward,
        &[
            (
                "src/http/a.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests {}\nuse crate::client::Inner;",
                &[4],
            ),
            ("src/http/a.rs", "fn f() {\n    use crate::client::Inner;\n}", &[2]),
            (
                "src/http/a.rs",
                "fn f() {\n    if true {\n        crate::client::start();\n    }\n}",
                &[3],
            ),
            ("src/http/a.rs", "fn f(inner: &crate::client::Inner) {}", &[1]),
            ("src/http/a.rs", "fn f() -> Box<dyn Fn(crate::client::Inner)> { todo!() }", &[1]),
            ("src/http/a.rs", "fn f(x: u8) { match x { crate::client::MAX => {} _ => {} } }", &[1]),
            (
                "src/http/a.rs",
                "use crate::{\n    error::Error,\n    client::{self as c},\n};",
                &[3],
            ),
            ("src/http/a.rs", "use crate as root;\nuse root::client::Inner;", &[1, 2]),
            ("src/http/a.rs", "use super::super::client::Inner;", &[1]),
            ("src/http/a.rs", "use crate::News;", &[1]),
            ("src/http/a.rs", "use crate::*;", &[1]),
            ("src/http/a.rs", "fn f() { phaseflag::PhaseFlagClient::new(); }", &[1]),
            ("src/http/a.rs", "#[cfg(feature = \"x\")]\nuse crate::client::Inner;", &[2]),
            ("src/http/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::client::Inner;\n}", &[3]),
            (
                "src/http/a.rs",
                "#[test]\nfn f() {\n    assert!(\n        crate::client::is_on()\n    );\n}",
                &[4],
            ),
            ("src/http/a.rs", "macro_rules! m {\n    () => { $crate::client::f() };\n}", &[2]),
            (
                "src/http/a.rs",
                "macro_rules! m { () => {\n    use crate::{error::Error,\n        client::Inner};\n} }",
                &[3],
            ),
            ("src/http/a.rs", "#[derive(crate::client::Derive)]\nstruct S;", &[1]),
            ("src/http/a.rs", "#[cfg(not(test))]\nuse crate::support::Server;", &[2]),
            ("src/rules/a.rs", "use crate::events::Ledger;", &[1]),
            ("src/events/a.rs", "fn f() { crate::rules::fetch(); }", &[1]),
            ("src/events/a.rs", "mod inner {\n    use super::super::super::rules::News;\n}", &[2]),
            ("src/ruleset/tables/a.rs", "use crate::ruleset::compile::Compiler;", &[1]),
            ("src/ruleset/tables/a.rs", "use super::super::compile::Compiler;", &[1]),
            ("src/odd.rs", "use crate::value::Value;", &[1]),
        ],
    );
}

#[test]
fn names_of_what_stands_above_are_left_alone() {
    check(
        Package::upward,
        &[
            (
                "src/http/a.rs",
                "// use crate::client::Inner;\n/// [`crate::client`]\nfn f() {}",
                &[],
            ),
            ("src/http/a.rs", "const TEXT: &str = \"use crate::client::Inner;\";", &[]),
            ("src/http/a.rs", "fn f() { client::start(); other_crate::client::f(); }", &[]),
            ("src/http/a.rs", "mod client {}\nuse self::client::Inner;", &[]),
            ("src/http/a.rs", "use crate::value::client::Inner;", &[]),
            ("src/http/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::support::Server;\n}", &[]),
            (
                "src/http/a.rs",
                "#[cfg(all(test, feature = \"x\"))]\nuse crate::support::Server;",
                &[],
            ),
            ("src/http/a.rs", "pub(in crate::client) fn f() {}", &[]),
            ("src/client/a.rs", "use crate::{events::Ledger, rules::News};", &[]),
            ("src/ruleset/compile/a.rs", "use crate::ruleset::{Ruleset, tables::Index};", &[]),
        ],
    );
}

#[test]
fn names_past_a_door_are_found() {
    check(
        Package::bypasses,
        &[
            ("src/client/a.rs", "use crate::rules::fetch::News;", &[1]),
            ("src/client/a.rs", "use crate::rules;\nfn f(news: rules::fetch::News) {}", &[2]),
            (
                "src/client/a.rs",
                "use crate::rules::{\n    News,\n    fetch::{self, News as N},\n};",
                &[3],
            ),
            ("src/client/a.rs", "use crate::rules::fetch::*;", &[1]),
            ("src/client/a.rs", "use crate::rules::fetch;\nfn f() { fetch::fetch(); }", &[2]),
            ("src/client/a.rs", "fn f() { vec![crate::rules::fetch::News]; }", &[1]),
            ("src/ruleset/a.rs", "use super::tables::index::Index;", &[1]),
            ("src/ruleset/compile/a.rs", "use crate::ruleset::tables::index::Index;", &[1]),
            ("src/lib.rs", "pub use rules::News;\npub use rules::fetch::fetch;\nmod rules;", &[2]),
        ],
    );
}

#[test]
fn names_through_a_door_are_left_alone() {
    check(
        Package::bypasses,
        &[
            ("src/client/a.rs", "use crate::rules::{News, fetch};\nfn f() { fetch(); }", &[]),
            ("src/client/a.rs", "use crate::rules;\nfn f() { rules::fetch(); }", &[]),
            ("src/client/a.rs", "use crate::value::json;\nfn f() { json::parse(); }", &[]),
            (
                "src/rules/poller.rs",
                "use super::fetch::News;\nuse crate::rules::fetch::fetch;",
                &[],
            ),
            ("src/ruleset/tables/a.rs", "use super::index::Index;", &[]),
            ("src/client/a.rs", "mod rules { pub mod fetch {} }\nuse self::rules::fetch::f;", &[]),
        ],
    );
}

#[test]
fn what_the_core_must_not_name_is_found() {
    check(
        Package::impure,
        &[
            (
                "src/ruleset/a.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests {}\nuse std::time::Instant;",
                &[4],
            ),
            ("src/ruleset/a.rs", "fn f() {\n    use std::time::Instant;\n}", &[2]),
            ("src/ruleset/a.rs", "#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}", &[3]),
            ("src/ruleset/a.rs", "fn f() {\n    assert!(std::time::Instant::now() > x);\n}", &[2]),
            (
                "src/ruleset/a.rs",
                "macro_rules! m {\n    () => {\n        std::time::Instant\n    };\n}",
                &[3],
            ),
            (
                "src/ruleset/a.rs",
                "macro_rules! m { () => {\n use ::std::{fmt,\n time::Instant}; } }",
                &[3],
            ),
            (
                "src/ruleset/a.rs",
                "use std::{\n    fmt,\n    time::{Duration, Instant},\n};",
                &[3, 3],
            ),
            (
                "src/ruleset/a.rs",
                "use std::{self as s};\nfn f() { s::time::Instant::now(); }",
                &[2],
            ),
            ("src/ruleset/a.rs", "extern crate std as s;\nuse s::time::Instant;", &[2]),
            ("src/ruleset/a.rs", "use core::time::Duration;", &[1]),
            ("src/ruleset/a.rs", "use ::std::fs;", &[1]),
            ("src/ruleset/a.rs", "use std::*;", &[1]),
            ("src/ruleset/a.rs", "use std::sync::{Arc, Mutex};", &[1]),
            ("src/ruleset/a.rs", "use std::sync;\nstatic S: sync::RwLock<u8> = f();", &[2]),
            ("src/ruleset/a.rs", "fn f(x: &std::sync::atomic::AtomicU8) {}", &[1]),
            ("src/ruleset/a.rs", "fn f() -> std::io::Result<()> { Ok(()) }", &[1]),
            ("src/ruleset/a.rs", "fn f() { println!(); }", &[1]),
            (
                "src/ruleset/a.rs",
                "use crate::log::log;\nfn f() {\n    log!(warn, \"x\");\n}",
                &[1, 3],
            ),
            ("src/ruleset/tables/a.rs", "use std::env;", &[1]),
            ("src/value/a.rs", "use std::process::exit;", &[1]),
            ("src/context.rs", "#[cfg(unix)]\nuse std::thread;", &[2]),
        ],
    );
}

#[test]
fn what_the_core_may_name_is_left_alone() {
    check(
        Package::impure,
        &[
            ("src/rules/a.rs", "use std::time::Instant;\nuse std::sync::Mutex;", &[]),
            ("src/ruleset/a.rs", "//! Needs no std::time::Instant.\nuse std::fmt;", &[]),
            ("src/ruleset/a.rs", "use std::sync::{Arc, OnceLock, Weak};\nuse std::sync;", &[]),
            ("src/ruleset/a.rs", "fn f(time: u8) { time::now(); io::read(); log(); }", &[]),
            ("src/ruleset/a.rs", "use crate::value::time::Instant;", &[]),
            (
                "src/ruleset/a.rs",
                "use other::std::time;\nuse std::ops::Add;\nuse std::fmt::*;",
                &[],
            ),
            ("src/ruleset/a.rs", "const TEXT: &str = \"std::time::Instant println!()\";", &[]),
            (
                "src/ruleset/a.rs",
                "fn f(println: bool) -> bool { matches!(println != true, true) }",
                &[],
            ),
        ],
    );
}

#[test]
fn dependencies_elsewhere_are_found() {
    check(
        Package::dependencies,
        &[
            ("src/rules/a.rs", "use ureq::Agent;", &[1]),
            ("src/rules/a.rs", "fn f() -> ::ureq::Agent { todo!() }", &[1]),
            ("src/rules/a.rs", "extern crate ureq as http_client;", &[1]),
            ("src/rules/a.rs", "use ureq as u;\nfn f(_: u::Agent) {}", &[1, 2]),
            ("src/rules/a.rs", "macro_rules! m {\n    ($l:ident) => { log::$l!() };\n}", &[2]),
            ("src/rules/a.rs", "fn f() { log::warn!(\"x\"); }", &[1]),
            ("src/rules/a.rs", "#[derive(serde::Serialize)]\nstruct S;", &[1]),
            ("src/ruleset/a.rs", "use miniserde::de::Visitor;", &[1]),
            ("src/value/a.rs", "use miniserde::json::to_string;", &[]),
            ("src/value/a.rs", "use miniserde::json;\nfn f() { json::from_str(\"1\"); }", &[2]),
            ("src/http/a.rs", "use ureq::Agent;", &[]),
            ("src/rules/a.rs", "use crate::log;\nfn f() { log::log!(); }", &[]),
            ("src/rules/a.rs", "mod serde { pub fn f() {} }\nfn f() { serde::f(); }", &[]),
            ("src/rules/a.rs", "use crate::value::serde::Value;", &[]),
        ],
    );
}

#[test]
fn circles_are_found() {
    let circle = |a: &str, b: &str, expected: &[&str]| {
        let mod_file = "mod a; mod b; pub use a::A; pub use b::B;";
        let sources = [("src/x/mod.rs", mod_file), ("src/x/a.rs", a), ("src/x/b.rs", b)];
        let package = Package::new(sources.map(|(f, s)| (f.to_owned(), s.to_owned())), "src");
        let places: Vec<_> = package
            .circles()
            .iter()
            .map(|fault| format!("{}:{}", fault.file, fault.line))
            .collect();
        assert_eq!(places, expected, "{a} {b}");
    };
    circle("use super::b::B;", "\nuse super::a::A;", &["src/x/a.rs:1", "src/x/b.rs:2"]);
    // Through the `mod.rs`.
    circle("use crate::x::B;", "use super::A;", &["src/x/a.rs:1", "src/x/b.rs:1"]);
    circle("use super::B;", "", &[]);
    circle("use super::B;", "#[cfg(test)] mod tests { use crate::x::A; }", &[]);
}

#[test]
fn a_test_module_in_its_own_file_is_for_tests_alone() {
    for (attribute, expected) in [("#[cfg(test)]", 0), ("", 1)] {
        let sources = [
            ("src/http/a.rs", format!("{attribute} mod tests;")),
            ("src/http/a/tests.rs", "use crate::support::Server;".to_owned()),
        ];
        let package = Package::new(sources.map(|(f, s)| (f.to_owned(), s)), "src");
        assert_eq!(package.upward().len(), expected, "{attribute}");
    }
}

#[test]
fn files_without_a_purpose_and_long_files_are_found() {
    let long = format!("//! A.\n{}", "// x\n".repeat(450));
    let short = format!("//! A.\n{}", "// x\n".repeat(449));
    let sources = [
        ("src/a.rs", "// A.\n//! B."),
        ("src/b.rs", ""),
        ("src/c.rs", long.as_str()),
        ("src/d.rs", short.as_str()),
    ];
    let package = Package::new(sources.map(|(f, s)| (f.to_owned(), s.to_owned())), "src");
    let files = |faults: Vec<Fault>| Vec::from_iter(faults.into_iter().map(|fault| fault.file));
    assert_eq!(files(package.without_purpose()), ["src/a.rs", "src/b.rs"]);
    assert_eq!(files(package.long()), ["src/c.rs"]);
}
