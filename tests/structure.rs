//! The rules of the house: which file may use which, and where each dependency comes in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files that may name a dependency.
const DOORS: [(&str, &[&str]); 8] = [
    (
        "miniserde",
        &[
            "scan",
            "json",
            "number",
            "value",
            "slot",
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

/// A folder of code as `DESIGN.md` lists it.
struct House {
    folder: String,
    /// Its files, without their extension. Each uses only files above it.
    files: Vec<String>,
}

impl House {
    fn read(listing: &str) -> Option<House> {
        let folder = listing.lines().nth(1)?.strip_suffix('/')?.to_owned();
        let mut room = "";
        let mut files = Vec::new();
        for line in listing.lines().skip(2) {
            let Some(name) = line.split_whitespace().next() else { continue };
            if !line.starts_with("    ") {
                room = "";
            }
            match name.strip_suffix(".rs") {
                Some(file) => files.push(format!("{room}{file}")),
                None => room = name,
            }
        }
        (!files.is_empty()).then_some(House { folder, files })
    }

    /// The code of a file, without comments and unit tests.
    fn code(&self, file: &str) -> String {
        let text = text(&format!("{}/{file}.rs", self.folder));
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn position(&self, file: &str) -> Option<usize> {
        self.files.iter().position(|listed| listed == file)
    }
}

/// The library, the command and the OpenFeature provider.
fn houses() -> Vec<House> {
    let houses: Vec<_> = text("DESIGN.md").split("```").filter_map(House::read).collect();
    let folders: Vec<_> = houses.iter().map(|house| house.folder.as_str()).collect();
    assert_eq!(folders, ["src", "cli/src", "openfeature/src"]);
    houses
}

fn library() -> House {
    houses().swap_remove(0)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder, those in its folders included.
fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_stem().unwrap().to_str().unwrap());
        if path.is_dir() {
            found.extend(files(&path, &format!("{name}/")));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(name);
        }
    }
    found
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
    for house in houses() {
        let found = files(&root().join(&house.folder), "");
        assert_eq!(house.files.len(), found.len(), "{}", house.folder);
        assert_eq!(BTreeSet::from_iter(house.files), found);
    }
}

#[test]
fn a_file_uses_only_files_above_it() {
    let mut uses = 0;
    for house in houses() {
        for (place, file) in house.files.iter().enumerate() {
            let code = house.code(file);
            let mut used = names_after(&code, "crate::");
            if let Some((room, _)) = file.split_once('/') {
                for prefix in ["super::", &format!("crate::{room}::")] {
                    let names = names_after(&code, prefix);
                    used.extend(names.into_iter().map(|name| format!("{room}/{name}")));
                }
                // Named by the files of its own folder, it is a part of the path.
                used.remove(room);
            }
            for name in used {
                let door = house.position(&format!("{name}/mod"));
                if let Some(other) = house.position(&name).or(door) {
                    uses += 1;
                    let above = other <= place;
                    assert!(above, "`{file}` uses `{name}`, which does not stand above it");
                }
            }
        }
    }
    assert!(uses > 300, "{uses}");
}

#[test]
fn each_dependency_has_its_doors() {
    let library = library();
    for file in &library.files {
        let code = library.code(file);
        for (dependency, doors) in DOORS {
            let named = code.match_indices(dependency).any(|(start, _)| {
                let before = code[..start].chars().next_back();
                let after = &code[start + dependency.len()..];
                let whole = !before.is_some_and(|c| c.is_alphanumeric() || "_:\"-/".contains(c));
                whole && after.starts_with("::")
            });
            assert!(!named || doors.contains(&file.as_str()), "`{file}` names `{dependency}`");
        }
    }
}

#[test]
fn the_core_is_pure() {
    let library = library();
    for file in library.files.iter().filter(|file| file.starts_with("ruleset/")) {
        let code = library.code(file);
        for impure in IMPURE {
            assert!(!code.contains(impure), "`{file}` touches `{impure}`");
        }
    }
}

#[test]
fn the_guarantees_name_tests_that_are_there() {
    let page = text("src/guide/guarantees.md");
    let named: Vec<_> =
        page.split('`').filter(|text| text.starts_with("tests/") && text.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        let (file, name) = test.split_once("::").unwrap();
        assert!(text(file).contains(&format!("\nfn {name}() {{")), "{test}");
    }
}

#[test]
fn every_file_of_a_test_program_is_a_module_of_it() {
    let mut modules = 0;
    for package in ["", "cli/", "openfeature/", "examples/axum/", "examples/tiny_http/"] {
        let folder = format!("{package}tests/it");
        let main = text(&format!("{folder}/main.rs"));
        for file in files(&root().join(&folder), "") {
            if file != "main" {
                modules += 1;
                let declared = main.contains(&format!("\nmod {file};\n"));
                assert!(declared, "`{folder}/main.rs` does not declare `{file}`");
            }
        }
    }
    assert!(modules > 50, "{modules}");
}

#[test]
fn pages_link_to_files_that_are_there() {
    let mut links = 0;
    for folder in ["", "cli", "docs", "fuzz", "openfeature"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
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
