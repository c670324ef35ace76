//! Measures the CPU time to build a program with the client, compared with a program that has only the
//! dependencies of the client.
//!
//! `cargo run --release --bin build_time` prints the times and their ratio. Needs Linux.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use phaseflag_benches::process::{ended, output};

const ROUNDS: usize = 3;

/// Clock ticks per second.
const TICKS: f64 = 100.0;

const CLIENT: &str = r#"
[dependencies]
phaseflag = { path = "ROOT" }
"#;

/// The dependencies of the client, with the features that it uses by default.
const DEPENDENCIES: &str = r#"
[dependencies]
crossbeam-channel = "0.5.15"
fnv = "1.0.7"
log = "0.4.25"
miniserde = "0.1.43"
regex-lite = "0.1.9"
ureq = { version = "3.3", default-features = false, features = ["rustls"] }
"#;

/// Both programs do the same, so that only the libraries differ.
const PROGRAM: &str = "fn main() {\n    println!(\"Hello\");\n}\n";

fn main() -> ExitCode {
    ended(measure().map(|()| ExitCode::SUCCESS))
}

fn measure() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("phaseflag-build-{}", std::process::id()));
    let rounds = rounds(&folder);
    let _ = fs::remove_dir_all(&folder);
    let (mut with, mut without) = rounds?;
    with.sort_by(f64::total_cmp);
    without.sort_by(f64::total_cmp);
    println!("with the client  {with:.2?} s");
    println!("without          {without:.2?} s");
    // Other load only makes a build longer.
    println!("the shortest: {:.3} (the aim is 1.08)", with[0] / without[0]);
    Ok(())
}

/// Builds both programs in turn, and returns the seconds of each.
fn rounds(folder: &Path) -> Result<(Vec<f64>, Vec<f64>), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("there is no root")?;
    let client = CLIENT.replace("ROOT", &root.to_string_lossy());
    let with = project(&folder.join("with"), &client, root)?;
    let without = project(&folder.join("without"), DEPENDENCIES, root)?;
    let (mut with_times, mut without_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with_times.push(build(&with)?);
        without_times.push(build(&without)?);
    }
    Ok((with_times, without_times))
}

/// Writes a project with the versions that the client was tested with, and fetches its dependencies.
fn project(folder: &Path, dependencies: &str, root: &Path) -> Result<PathBuf, String> {
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n{dependencies}\n[workspace]\n"
    );
    fs::create_dir_all(folder.join("src"))
        .and_then(|()| fs::write(&manifest, text))
        .and_then(|()| fs::write(folder.join("src/main.rs"), PROGRAM))
        .and_then(|()| fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")))
        .map_err(|error| format!("`{}`: {error}", folder.display()))?;
    output(Command::new("cargo").args(["fetch", "--manifest-path"]).arg(&manifest))?;
    Ok(manifest)
}

/// Builds everything anew, and returns the seconds of processor time.
fn build(manifest: &Path) -> Result<f64, String> {
    let target = manifest.with_file_name("target");
    let _ = fs::remove_dir_all(&target);
    let before = children()?;
    output(
        Command::new("cargo")
            .args(["build", "--release", "--offline", "--target-dir"])
            .arg(&target)
            .arg("--manifest-path")
            .arg(manifest)
            .env_remove("RUSTFLAGS"),
    )?;
    Ok(children()? - before)
}

/// The processor time of all children that have ended, and theirs, in seconds.
fn children() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    // After the name, which may hold anything, `cutime` and `cstime` are the 14th and 15th.
    let (_, fields) = text.rsplit_once(')').ok_or("there is no name in `/proc/self/stat`")?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    match (field(13), field(14)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err("there are no times in `/proc/self/stat`".to_owned()),
    }
}
