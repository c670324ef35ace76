//! The rules of the provider's own house: which file may use which.

use std::fs;
use std::path::Path;

/// The files of `src` as `DESIGN.md` lists them.
fn listed() -> Vec<String> {
    let design = fs::read_to_string(root().join("../DESIGN.md")).unwrap();
    let houses = design.split("```").filter(|block| block.starts_with("\nopenfeature/src/\n"));
    let houses: Vec<_> = houses.collect();
    assert_eq!(houses.len(), 1, "the house of the provider");
    let names = houses[0].lines().filter_map(|line| line.split_whitespace().next());
    names.filter_map(|name| name.strip_suffix(".rs")).map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_design_lists_the_files() {
    let files = fs::read_dir(root().join("src")).unwrap();
    let mut found: Vec<_> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut listed = listed();
    listed.sort();
    assert_eq!(listed, found);
}

#[test]
fn a_file_uses_only_files_above_it() {
    let listed = listed();
    for (place, file) in listed.iter().enumerate() {
        let path = root().join("src").join(file).with_extension("rs");
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("use crate::")) {
            let name = line.split("::").next().unwrap();
            let other = listed.iter().position(|other| other == name).unwrap();
            assert!(other < place, "`{file}` uses `{name}`, which does not stand above it");
        }
    }
}
