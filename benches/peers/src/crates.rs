//! Determines the version of each peer, and its number of crates.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const MANIFEST: &str = include_str!("../Cargo.toml");
const LOCK: &str = include_str!("../Cargo.lock");

/// Returns a cargo command without the environment variables of this package, because
/// build scripts read them, and would run again.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(HERE);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The version in the lock file.
pub fn version(name: &str) -> &'static str {
    let (_, rest) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
    rest.split('"').next().unwrap()
}

/// Counts the crates that a program compiles if this peer is its only dependency, with
/// the versions of our manifest and lock file. The peer itself is counted. In this build,
/// features that one peer enables are enabled for all.
pub fn count(name: &str) -> Option<usize> {
    let line = MANIFEST.lines().find(|line| line.starts_with(&format!("{name} =")))?;
    let line = line.replace("../..", &format!("{HERE}/../.."));
    let package = env::temp_dir().join(format!("peers-{}", std::process::id()));
    let tree = tree(&package, &line);
    let _ = fs::remove_dir_all(&package);
    let tree = tree?;
    let crates: BTreeSet<_> = tree.lines().map(first_two_words).collect();
    Some(crates.len() - 1) // without the program
}

fn tree(package: &Path, dependency: &str) -> Option<String> {
    fs::create_dir_all(package.join("src")).ok()?;
    fs::write(package.join("src/main.rs"), "fn main() {}").ok()?;
    fs::write(package.join("Cargo.lock"), LOCK).ok()?;
    let manifest = format!(
        "[package]\nname = \"program\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{dependency}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).ok()?;
    let output = cargo()
        .args(["tree", "--quiet", "--offline", "--edges", "normal", "--prefix", "none"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The name and the version; the rest of the line is ignored.
fn first_two_words(line: &str) -> String {
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
