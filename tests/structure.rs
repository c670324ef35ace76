//! The rules of the house: which file may use which, and where each dependency comes in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files of `src`, each of which uses only files above it.
const ORDER: &[&str] = &[
    "error",
    "evaluation_error",
    "scan",
    "hash",
    "json",
    "number",
    "order",
    "value",
    "typed",
    "typed_serde",
    "serde_values",
    "context",
    "ruleset/version",
    "ruleset/bucket",
    "ruleset/index",
    "ruleset/table",
    "ruleset/pattern",
    "ruleset/problem",
    "ruleset/place",
    "ruleset/document",
    "ruleset/outline",
    "ruleset/condition",
    "ruleset/flag",
    "ruleset/variations",
    "ruleset/check",
    "ruleset/prerequisites",
    "ruleset/result",
    "ruleset/diff",
    "ruleset/compile",
    "ruleset/link",
    "ruleset/part",
    "ruleset/evaluate",
    "ruleset/explanation",
    "ruleset/spell",
    "ruleset/explain",
    "ruleset/split",
    "ruleset/reach",
    "ruleset/warning",
    "ruleset/locate",
    "ruleset/finding",
    "ruleset/mod",
    "remembered",
    "identity",
    "logging",
    "guard",
    "thread",
    "date",
    "backoff",
    "config",
    "events",
    "address",
    "proxy",
    "tls",
    "http",
    "remote",
    "worker",
    "details",
    "fingerprints",
    "evaluation",
    "recorder",
    "getters",
    "overrides",
    "snapshot",
    "store",
    "readiness",
    "listeners",
    "flags",
    "parts",
    "files",
    "cache",
    "bootstrap",
    "poller",
    "queue",
    "spool",
    "flusher",
    "extras",
    "service",
    "no_service",
    "lifecycle",
    "client",
];

/// Those that stand below all others.
const LAST: [&str; 4] = ["builder", "testing", "guide", "lib"];

/// The files that may name a dependency.
const DOORS: [(&str, &[&str]); 8] = [
    (
        "miniserde",
        &[
            "scan",
            "json",
            "number",
            "value",
            "typed",
            "ruleset/place",
            "ruleset/document",
            "ruleset/part",
            "getters",
        ],
    ),
    ("serde", &["typed_serde", "serde_values", "getters"]),
    ("serde_json", &["serde_values"]),
    ("fnv", &["ruleset/table"]),
    ("regex_lite", &["ruleset/pattern"]),
    ("ureq", &["address", "proxy", "tls", "http"]),
    ("crossbeam_channel", &["worker", "queue", "flusher"]),
    ("log", &["logging"]),
];

/// What the pure core must not touch.
const IMPURE: [&str; 12] = [
    "std::thread",
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "Mutex",
    "RwLock",
    "Atomic",
    "log!",
    "println!",
];

fn order() -> Vec<&'static str> {
    ORDER.iter().copied().chain(LAST).collect()
}

/// The code of a file, without comments and unit tests.
fn code(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file).with_extension("rs");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names that follow a prefix such as `crate::`, those in braces included.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices(prefix) {
        if code[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &code[start + prefix.len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest,
        };
        let one = !rest.starts_with('{');
        for name in list.split(',').take(if one { 1 } else { usize::MAX }) {
            let name =
                name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn every_file_has_its_place() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for (folder, prefix) in [(source.clone(), ""), (source.join("ruleset"), "ruleset/")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(format!("{prefix}{}", path.file_stem().unwrap().to_str().unwrap()));
            }
        }
    }
    assert_eq!(found, order().into_iter().map(str::to_owned).collect());
}

#[test]
fn a_file_uses_only_files_above_it() {
    let order = order();
    let position = |name: &str| order.iter().position(|file| *file == name);
    for (place, file) in order.iter().enumerate() {
        let code = code(file);
        let in_core = file.starts_with("ruleset/");
        let mut used: Vec<String> = names_after(&code, "crate::").into_iter().collect();
        if in_core {
            for prefix in ["super::", "crate::ruleset::"] {
                used.extend(
                    names_after(&code, prefix).into_iter().map(|name| format!("ruleset/{name}")),
                );
            }
        }
        for name in used {
            let name = if name == "ruleset" && !in_core { "ruleset/mod".to_owned() } else { name };
            if let Some(other) = position(&name) {
                assert!(other <= place, "`{file}` uses `{name}`, which does not stand above it");
            }
        }
    }
}

#[test]
fn each_dependency_has_its_doors() {
    for file in order() {
        let code = code(file);
        for (dependency, doors) in DOORS {
            let named = code.match_indices(dependency).any(|(start, _)| {
                let before = code[..start].chars().next_back();
                let after = &code[start + dependency.len()..];
                let whole = !before.is_some_and(|c| c.is_alphanumeric() || "_:\"-/".contains(c));
                whole && after.starts_with("::")
            });
            assert!(!named || doors.contains(&file), "`{file}` names `{dependency}`");
        }
    }
}

#[test]
fn the_core_is_pure() {
    for file in order().into_iter().filter(|file| file.starts_with("ruleset/")) {
        let code = code(file);
        for impure in IMPURE {
            assert!(!code.contains(impure), "`{file}` touches `{impure}`");
        }
    }
}

#[test]
fn the_design_lists_the_files_in_order() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("DESIGN.md");
    let design = fs::read_to_string(path).unwrap();
    let house = design.split("```").nth(1).expect("the house");
    let mut folder = "";
    let mut listed = Vec::new();
    for line in house.lines() {
        let Some(name) = line.split_whitespace().next() else {
            continue;
        };
        match name.strip_suffix(".rs") {
            Some(file) => {
                if !line.starts_with("    ") {
                    folder = "";
                }
                listed.push(format!("{folder}{file}"));
            }
            None if name == "ruleset/" => folder = "ruleset/",
            None => {}
        }
    }
    assert_eq!(listed, order());
}

#[test]
fn the_guarantees_name_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/guide/guarantees.md")).unwrap();
    let named: Vec<_> =
        page.split('`').filter(|text| text.starts_with("tests/") && text.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        let (file, name) = test.split_once("::").unwrap();
        let text = fs::read_to_string(root.join(file)).expect(test);
        assert!(text.contains(&format!("\nfn {name}() {{")), "{test}");
    }
}

#[test]
fn pages_link_to_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for folder in ["", "cli", "docs", "fuzz", "openfeature"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let page = entry.unwrap().path();
            if page.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = fs::read_to_string(&page).unwrap();
            for link in text.split("](").skip(1) {
                let target = link.split([')', '#']).next().unwrap();
                if !target.is_empty() && !target.contains("://") {
                    links += 1;
                    let there = page.with_file_name(target).exists();
                    assert!(there, "{} links to {target}", page.display());
                }
            }
        }
    }
    assert!(links > 5, "{links}");
}
