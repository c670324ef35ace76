//! The rules of DESIGN.md: which module may use which, and which may name each dependency.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

#[path = "structure/names.rs"]
mod names;
#[path = "structure/package.rs"]
mod package;
#[path = "structure/snippets.rs"]
mod snippets;

use package::{DEPENDENCIES, Fault, MAX_ENTRIES, Package};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The source files of a folder, with those in its folders.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push((path.clone(), text(&path)));
        }
    }
    found
}

/// The library, the command and the OpenFeature provider.
static PACKAGES: LazyLock<[Package; 3]> =
    LazyLock::new(|| ["src", "cli/src", "openfeature/src"].map(|f| Package::new(sources(f), f)));

fn library() -> &'static Package {
    &PACKAGES[0]
}

#[track_caller]
fn none(faults: Vec<Fault>) {
    let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let library = library();
    assert!(library.uses() > 300, "{}", library.uses());
    none(library.upward());
}

#[test]
fn a_folder_is_used_through_its_mod_file() {
    for package in PACKAGES.iter() {
        none(package.bypasses());
    }
    assert_eq!(library().unused_exceptions(), [""; 0]);
}

#[test]
fn the_core_is_pure() {
    none(library().impure());
}

#[test]
fn each_dependency_is_named_in_its_modules() {
    none(library().dependencies());
    let manifest = text("Cargo.toml");
    let listed = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut listed: Vec<_> =
        listed.lines().map(|line| line.split(' ').next().unwrap().replace('-', "_")).collect();
    let mut named = DEPENDENCIES.map(|(dependency, _)| dependency);
    listed.sort();
    named.sort();
    assert_eq!(listed, named);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    for package in PACKAGES.iter() {
        none(package.circles());
    }
}

#[test]
fn each_file_begins_with_its_purpose() {
    for package in PACKAGES.iter() {
        none(package.without_purpose());
    }
}

#[test]
fn the_library_is_a_few_modules_of_short_files() {
    let entries = fs::read_dir(root().join("src")).unwrap().count();
    assert!(entries <= MAX_ENTRIES, "src has {entries} entries");
    none(library().long());
}

/// Returns whether a file has a test of this name that is always run.
fn has_test(file: &str, name: &str) -> bool {
    let text = text(file);
    let Some((before, _)) = text.split_once(&format!("fn {name}() {{")) else { return false };
    let before = before.trim_end().lines().rev().map(str::trim_start);
    let attributes: Vec<_> = before.take_while(|line| line.starts_with("#[")).collect();
    attributes.contains(&"#[test]") && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn claims_name_tests_that_are_there() {
    for page in ["src/guide/guarantees.md", "SECURITY.md"] {
        let text = text(page);
        let named = text.split('`').skip(1).step_by(2).filter(|text| text.contains(".rs::"));
        let named: Vec<_> = named.collect();
        assert!(named.len() > 60, "{page}: {named:?}");
        for test in named {
            let (file, name) = test.split_once("::").unwrap();
            assert!(has_test(file, name), "{page} names {test}");
        }
        let (claims, _) = text.split_once("# Compatibility").unwrap_or((&text, ""));
        let claims: Vec<_> = claims.lines().filter(|line| line.starts_with("- ")).collect();
        // In the other page, a line without a test is advice.
        let tested = |claim: &&&str| claim.contains(". Test: `");
        if page == "src/guide/guarantees.md" {
            assert_eq!(claims.iter().find(|claim| !tested(claim)), None);
        }
        let claims = claims.iter().filter(tested).count();
        assert!(claims > 40, "{page}: {claims}");
    }
}

/// A browser of 1280 pixels shows 94 characters of code in a page of the guide, and a table whose
/// cells have no long code. Everything beyond is cut, and must be scrolled to.
#[test]
fn no_code_of_the_guide_is_cut() {
    let mut wide = Vec::new();
    for entry in fs::read_dir(root().join("src/guide")).unwrap() {
        let page = entry.unwrap().path();
        if page.extension().is_some_and(|extension| extension == "md") {
            let lines = wide_lines(&fs::read_to_string(&page).unwrap());
            wide.extend(lines.into_iter().map(|line| format!("{}:{line}", page.display())));
        }
    }
    assert_eq!(wide, [""; 0]);

    let (fits, wide) = ("x".repeat(94), "x".repeat(95));
    assert_eq!(wide_lines(&format!("{wide}\n```\n{fits}\n{wide}\n# {wide}\n```\n{wide}\n")), [4]);
    let (fits, wide) = ("x".repeat(40), "x".repeat(41));
    assert_eq!(wide_lines(&format!("`{wide}`\n| {wide} | `{fits}` |\n| | `{wide}` |\n")), [3]);
}

/// Returns the lines with code that is too wide, in a fence or in a cell. Hidden lines do not count.
fn wide_lines(page: &str) -> Vec<usize> {
    let mut wide = Vec::new();
    let mut in_fence = false;
    for (number, line) in (1..).zip(page.lines()) {
        let too_wide = if line.starts_with("```") {
            in_fence = !in_fence;
            false
        } else if in_fence {
            line.chars().count() > 94 && !line.starts_with("# ")
        } else {
            let mut code = line.split('`').skip(1).step_by(2);
            line.starts_with('|') && code.any(|code| code.chars().count() > 40)
        };
        if too_wide {
            wide.push(number);
        }
    }
    wide
}

/// Returns the text up to the closing quote, with `…` for what varies, and without backticks.
fn literal(code: &str) -> String {
    let (mut text, mut depth) = (String::new(), 0);
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => while characters.next_if(|it| it.is_whitespace()).is_some() {},
            '{' if depth == 0 => (depth, text) = (1, text + "…"),
            '{' => depth += 1,
            '}' => depth -= 1,
            '`' => {}
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text
}

/// Returns level and text of each log line in some code.
fn log_lines(code: &str) -> Vec<(String, String)> {
    let line = |call: &str| {
        let (level, rest) = call.trim_start().split_once(',').unwrap();
        let text = rest.trim_start().strip_prefix('"').expect("a literal");
        (level.to_owned(), literal(text))
    };
    code.split("log!(").skip(1).map(line).collect()
}

#[test]
fn the_guide_explains_every_log_line() {
    let page = text("src/guide/services.md");
    let rows = page.lines().filter_map(|row| row.strip_prefix("| ")?.strip_suffix(" |"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let is_level = |word: &str| ["warn", "info", "debug"].contains(&word);
    let rows: Vec<_> = rows.iter().filter(|row| is_level(row[0])).collect();
    let code = sources("src").into_iter().filter(|(path, _)| path != "src/log.rs");
    let lines: Vec<_> = code.flat_map(|(_, code)| log_lines(&code)).collect();
    assert!(lines.len() > 30, "{lines:?}");
    let explains = |row: &[&str], (level, text): &(String, String)| {
        let shown: Vec<&str> = row[1].split('…').map(str::trim).collect();
        let mut rest = Some(text.as_str());
        for (position, part) in shown.iter().enumerate() {
            rest = rest.and_then(|rest| {
                let found = rest.find(part)?;
                (position > 0 || found == 0).then(|| &rest[found + part.len()..])
            });
        }
        row[0] == level && rest.is_some()
    };
    for line in &lines {
        assert!(rows.iter().any(|row| explains(row, line)), "not explained: {line:?}");
    }
    for row in rows {
        assert!(lines.iter().any(|line| explains(row, line)), "not logged: {row:?}");
    }
}

#[test]
fn every_file_of_a_test_program_is_a_module_of_it() {
    let mut modules = 0;
    for package in ["", "cli/", "openfeature/", "examples/axum/", "examples/tiny_http/"] {
        let folder = format!("{package}tests/it");
        let main = text(&format!("{folder}/main.rs"));
        for (path, _) in sources(&folder) {
            let file = Path::new(&path).file_stem().unwrap().to_str().unwrap();
            if file != "main" {
                modules += 1;
                let declared = main.contains(&format!("\nmod {file};\n"));
                assert!(declared, "`{folder}/main.rs` does not declare `{file}`");
            }
        }
    }
    assert!(modules > 50, "{modules}");
}

fn is_path(text: &str) -> bool {
    let begins = ["src/", "tests/", "cli/", "fuzz/"].iter().any(|folder| text.starts_with(folder));
    begins && text.ends_with(".rs") && !text.contains("NAME")
}

/// The walks name files by their path in `src`, and files and functions of the same line by name.
#[test]
fn the_walks_pass_through_files_and_functions_that_are_there() {
    let design = fs::read_to_string(root().join("DESIGN.md")).unwrap();
    let (_, walks) = design.split_once("## Four walks through the files").unwrap();
    let (walks, _) = walks.split_once("\n## ").unwrap();
    let mut steps = 0;
    for step in walks.lines().filter(|line| line.starts_with(|it: char| it.is_ascii_digit())) {
        steps += 1;
        let mut folder = root().join("src");
        let mut code = String::new();
        for name in step.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") || name.ends_with('/') {
                let from_source = root().join("src").join(name);
                let path = if from_source.exists() { from_source } else { folder.join(name) };
                assert!(path.exists(), "{name} of: {step}");
                folder = path.parent().unwrap().to_owned();
                code += &fs::read_to_string(&path).unwrap_or_default();
            } else if !name.contains(|it: char| it.is_uppercase()) {
                let function = format!("fn {name}");
                assert!(code.contains(&function), "{name} of: {step}");
            }
        }
    }
    assert_eq!(steps, 40, "four walks of ten steps");
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
            // A file that the text names by its path from the root.
            for path in text.split('`').skip(1).step_by(2).filter(|t| is_path(t)) {
                links += 1;
                assert!(root().join(path).exists(), "{} names {path}", page.display());
            }
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
