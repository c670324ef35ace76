//! Small programs that use the client: see the folder `programs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::output;

/// A program, and the features that it is built with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Program {
    pub name: &'static str,
    source: &'static str,
    features: &'static str,
}

/// What a program is built for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// Speed, as by default.
    Release,
    /// Size.
    Small,
}

/// Does nothing.
pub const EMPTY: Program = Program { name: "empty", source: "empty", features: "" };

/// Fetches a URL, without the client.
pub const GET: Program = Program { name: "get", source: "get", features: "get" };

/// The evaluator alone.
pub const EVALUATOR: Program = Program { name: "evaluator", source: "evaluator", features: "core" };

/// The client without the service.
pub const CORE: Program = Program { name: "core", source: "bootstrap", features: "core" };

/// The same, with patterns.
pub const CORE_REGEX: Program =
    Program { name: "core and regex", source: "bootstrap", features: "core,regex" };

/// The client over plain HTTP.
pub const HTTP: Program = Program { name: "http", source: "service", features: "http" };

/// Rules that are compiled in: 100 flags.
pub const FEW_COMPILED_IN: Program =
    Program { name: "few compiled in", source: "compiled_in", features: "compiled_in" };

/// The same with 10,000 flags.
pub const MANY_COMPILED_IN: Program =
    Program { name: "many compiled in", source: "compiled_in", features: "compiled_in" };

/// The client with cached rules.
pub const REMEMBERED: Program = Program { name: "cached", source: "cached", features: "http" };

/// The client over HTTPS.
pub const RUSTLS: Program = Program { name: "rustls", source: "service", features: "rustls" };

/// The client with its default features: HTTPS and patterns.
pub const DEFAULT: Program =
    Program { name: "default features", source: "service", features: "rustls,regex" };

impl Program {
    /// Builds the program, and returns its path: a separate folder beside the running program.
    pub fn build(self, profile: Profile) -> Result<PathBuf, String> {
        self.build_with(profile, Path::new(""))
    }

    /// Builds it with rules that are compiled in.
    pub fn build_with(self, profile: Profile, rules: &Path) -> Result<PathBuf, String> {
        let profile = match profile {
            Profile::Release => "release",
            Profile::Small => "small",
        };
        let target = target()?.join("programs");
        let built = target.join(profile).join(self.source);
        let kept = target.join(format!("{profile} {}", self.name));
        output(
            cargo("build", PROGRAMS)
                .args(["--locked", "--profile", profile])
                .args(["--features", self.features, "--bin", self.source])
                .arg("--target-dir")
                .arg(&target)
                .env("PHASEFLAG_RULES", rules),
        )?;
        // The next program may be the same one with other features.
        fs::copy(&built, &kept).map_err(|error| format!("`{}`: {error}", built.display()))?;
        Ok(kept)
    }

    /// Counts the crates of the program, without itself and the client.
    pub fn crates(self) -> Result<usize, String> {
        let tree = output(cargo("tree", PROGRAMS).args([
            "--edges=normal",
            "--prefix=none",
            "--no-dedupe",
            "--format={p}",
            "--features",
            self.features,
        ]))?;
        let mut crates: Vec<_> =
            tree.lines().filter(|line| !line.starts_with("phaseflag")).collect();
        crates.sort_unstable();
        crates.dedup();
        Ok(crates.len())
    }
}

/// Builds the command `phaseflag` for size, and returns its path.
pub fn build_command() -> Result<PathBuf, String> {
    let target = target()?.join("command");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/Cargo.toml");
    output(
        cargo("build", manifest)
            .args(["--locked", "--profile", "small"])
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("small").join("phaseflag"))
}

/// Returns the target folder of the program that runs.
fn target() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    this.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .ok_or_else(|| "there is no target folder".to_owned())
}

/// The manifest of the small programs.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/Cargo.toml");

/// Returns a cargo command, without the build settings of this program.
fn cargo(command: &str, manifest: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg(command).arg("--manifest-path").arg(manifest).env_remove("RUSTFLAGS");
    cargo
}
