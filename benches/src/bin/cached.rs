//! Measures a program with cached rules, compared with one that has them compiled in, and the command,
//! compared with a program that does nothing.
//!
//! `cargo run --release --bin cached` prints the medians of programs that run in turn.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use phaseflag_benches::process::ended;
use phaseflag_benches::programs::{
    EMPTY, FEW_COMPILED_IN, MANY_COMPILED_IN, Profile, Program, REMEMBERED, build_command,
};
use phaseflag_benches::realistic;
use phaseflag_benches::runs::{ROUNDS, Run, all_times, median, paired};
use phaseflag_benches::serve::serve;

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("phaseflag-cached-{}", std::process::id()));
    let measured = measure(&folder);
    let _ = fs::remove_dir_all(folder);
    ended(measured.map(|()| ExitCode::SUCCESS))
}

fn measure(folder: &Path) -> Result<(), String> {
    println!("start, one evaluation, end; {ROUNDS} rounds");
    compare(folder, 100, FEW_COMPILED_IN)?;
    compare(folder, 10_000, MANY_COMPILED_IN)?;
    command(folder, 1_000)
}

/// Compares `phaseflag get` with `/bin/true`.
fn command(folder: &Path, flags: usize) -> Result<(), String> {
    let url = serve(realistic::ruleset(flags)).map_err(|error| error.to_string())?;
    let cache = folder.join("cache of the command");
    let cache = cache.to_string_lossy();
    let key = realistic::key(0);
    let arguments = ["get", &key, "--user", "user-123", "--base-url", &url, "--api-key", "key"];
    let arguments = [&arguments[..], &["--cache-dir", &cache, "--max-age", "3600"]].concat();
    let runs = [Run::new("/bin/true", &[]), Run::new(build_command()?, &arguments)];
    let [nothing, get] = all_times(&runs)?;
    let more = median(&paired(&get, &nothing, |get, nothing| get - 1.5 * nothing));
    println!("  {flags} flags, the command");
    println!("    /bin/true      {:.3} ms", median(&nothing));
    println!(
        "    phaseflag get  {:.3} ms, 1.5 times that and {more:+.3} ms (the aim is +2)",
        median(&get)
    );
    Ok(())
}

fn compare(folder: &Path, flags: usize, compiled_in: Program) -> Result<(), String> {
    let rules = realistic::ruleset(flags);
    let file = write(folder, flags, &rules).map_err(|error| error.to_string())?;
    let url = serve(rules).map_err(|error| error.to_string())?;
    let cache = folder.join(format!("cache-{flags}"));
    let runs = [
        Run::of(EMPTY, &[])?,
        Run::new(compiled_in.build_with(Profile::Release, &file)?, &[]),
        Run::of(REMEMBERED, &[&url, &cache.to_string_lossy()])?,
    ];
    let [empty, compiled_in, cached] = all_times(&runs)?;
    let ratio = median(&paired(&cached, &compiled_in, |cached, other| cached / other));
    println!("  {flags} flags");
    println!("    empty main   {:.3} ms", median(&empty));
    println!("    compiled in  {:.3} ms", median(&compiled_in));
    println!("    cached   {:.3} ms, {ratio:.2} of that (the aim is 1.3)", median(&cached));
    Ok(())
}

fn write(folder: &Path, flags: usize, rules: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{flags}.json"));
    fs::write(&file, rules)?;
    Ok(file)
}
