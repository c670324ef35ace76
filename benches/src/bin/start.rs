//! Measures the run time of short programs: with a bootstrap file, and with one fetch.
//!
//! `cargo run --release --bin start` prints the medians. All programs run once in each round, so
//! that the load of the machine affects all of them.

use std::fs;
use std::process::ExitCode;

use phaseflag_benches::process::ended;
use phaseflag_benches::programs::{CORE, EMPTY, GET, HTTP, RUSTLS};
use phaseflag_benches::realistic;
use phaseflag_benches::runs::{ROUNDS, Run, all_times, median, paired};
use phaseflag_benches::serve::serve;

const FLAGS: usize = 100;

fn main() -> ExitCode {
    ended(measure().map(|()| ExitCode::SUCCESS))
}

fn measure() -> Result<(), String> {
    let ruleset = realistic::ruleset(FLAGS);
    let file = std::env::temp_dir().join(format!("phaseflag-start-{}.json", std::process::id()));
    fs::write(&file, &ruleset).map_err(|error| error.to_string())?;
    let url = serve(ruleset).map_err(|error| error.to_string())?;

    let place = file.to_string_lossy().into_owned();
    let runs = [
        Run::of(EMPTY, &[])?,
        Run::of(CORE, &[&place])?,
        Run::of(HTTP, &[&place])?,
        Run::of(RUSTLS, &[&place])?,
        Run::of(GET, &[&url])?,
        Run::of(HTTP, &[&url])?,
    ];
    let times = all_times(&runs);
    let _ = fs::remove_file(&file);
    let [empty, core, http, rustls, get, fetch] = times?;

    println!("start, {FLAGS} flags of a file, one evaluation, end; {ROUNDS} rounds");
    println!("  empty main  {:.3} ms", median(&empty));
    for (name, times, target) in [("core", core, 1.5), ("http", http, 1.5), ("rustls", rustls, 1.8)]
    {
        let ratio = median(&paired(&times, &empty, |time, empty| time / empty));
        let time = median(&times);
        println!("  {name:10}  {time:.3} ms, {ratio:.2} of the empty one (the aim is {target})");
    }
    println!("start, {FLAGS} flags fetched over loopback, one evaluation, end");
    println!("  only fetched  {:.3} ms", median(&get));
    let more = median(&paired(&fetch, &get, |time, get| time - get));
    println!("  http          {:.3} ms, {more:+.3} ms (the aim is +3)", median(&fetch));
    Ok(())
}
