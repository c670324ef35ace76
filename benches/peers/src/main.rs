//! Compares the evaluation of phaseflag with other feature-flag crates.
//!
//! ```console
//! $ cargo run --release --manifest-path benches/peers/Cargo.toml          # a table
//! $ cargo run --release --manifest-path benches/peers/Cargo.toml -- keep  # and results.txt
//! ```
//!
//! Every peer loads a hundred flags from text in its own format, and evaluates in
//! memory, without a network, whether a flag is on for a user:
//!
//! - `plain`: a flag without rules, on for every user;
//! - `rule`: a flag that is on for half of the users whose `plan` is one of three,
//!   and off for all others.
//!
//! The results for two thousand users are checked before the measurement, and an
//! error is a panic. Sixteen users who match the rule are then evaluated in turn,
//! half of them in the rollout. The peers take turns
//! within each round, so that a busy machine slows all of them; each figure is the
//! median over the rounds, in nanoseconds for one call. A turn is short, and begins
//! with the CPU caches of the previous peer.
//!
//! Allocations are those of one call, rounded, counted by another program (a
//! reallocation is one). `crates` are those that a program compiles for the peer's
//! line in `Cargo.toml`, the peer among them:
//!
//! ```console
//! $ cargo tree -e normal --prefix none | cut -d' ' -f1,2 | sort -u | wc -l
//! ```
//!
//! in a program with only that dependency, minus one. phaseflag, the engines and
//! Featurevisor are built without HTTP; eppo_core, posthog-rs and growthbook-rust
//! always include it.
//!
//! All peers share one build, so common dependencies have the features that any of
//! them enables. SDKs that evaluate only through a client with threads and events
//! are left out, and so is flagd's provider around its engine.

use std::fmt::Write as _;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use peers::{PLAIN, RULE, Ready, crates};

const ROUNDS: usize = 401;
/// Shorter than the time slice of a busy system, so that most turns are not interrupted.
const TURN: Duration = Duration::from_micros(500);

fn main() {
    let keep = env::args().any(|argument| argument == "keep");
    let allocations = allocations();
    let peers = peers::all();
    let times = times(&peers);

    let mut results = header();
    for (peer, [plain, rule]) in peers.iter().zip(times) {
        let name = peer.name;
        let version = crates::version(name);
        let allocations = allocations
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
            .expect("each peer's allocations are counted");
        let crates = crates::count(name).map_or("-".to_owned(), |crates| crates.to_string());
        let line = format!("{name}\t{version}\t{plain:.0}\t{rule:.0}\t{allocations}\t{crates}\n");
        results.push_str(&line);
    }
    print_table(&results);
    if keep {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/results.txt");
        fs::write(path, results).expect("results.txt can be written");
    }
}

/// The medians of each peer, plain and rule, in nanoseconds.
fn times(peers: &[Ready]) -> Vec<[f64; 2]> {
    let calls: Vec<_> =
        peers.iter().map(|peer| [PLAIN, RULE].map(|flag| calls(peer, flag))).collect();
    let mut times = vec![[const { Vec::new() }; 2]; peers.len()];
    let mut order: Vec<_> = (0..peers.len()).collect();
    for round in 0..ROUNDS {
        // The order must vary between rounds.
        order.sort_by_cached_key(|peer| hash_one((round, peer)));
        for &peer in &order {
            for (question, flag) in [PLAIN, RULE].into_iter().enumerate() {
                let calls = calls[peer][question];
                let nanoseconds = time(&peers[peer], flag, calls).as_nanos() as f64;
                times[peer][question].push(nanoseconds / calls as f64);
            }
        }
    }
    times.into_iter().map(|questions| questions.map(median)).collect()
}

fn hash_one(value: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Returns how many calls fill a turn, even if some tries are interrupted.
fn calls(peer: &Ready, flag: &str) -> usize {
    let mut calls = 16;
    while (0..5).any(|_| time(peer, flag, calls) < TURN) {
        calls *= 2;
    }
    calls
}

fn time(peer: &Ready, flag: &str, calls: usize) -> Duration {
    let start = Instant::now();
    (peer.ask)(flag, calls);
    start.elapsed()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// One line for each peer: its name, and its allocations for `plain` and for `rule`.
fn allocations() -> String {
    let arguments = ["run", "--release", "--quiet", "--bin", "allocations"];
    let output = crates::cargo().args(arguments).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the names are text")
}

fn header() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find(|line| line.starts_with("model name"));
    let cpu = cpu.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    let (date, rustc) = (output("date", "-I"), output("rustc", "--version"));
    let mut text = String::new();
    writeln!(text, "# date: {date}").unwrap();
    writeln!(text, "# rustc: {rustc}").unwrap();
    writeln!(text, "# cpu: {cpu}").unwrap();
    writeln!(text, "# {ROUNDS} rounds; medians, nanoseconds for one call").unwrap();
    writeln!(text, "# name\tversion\tplain\trule\tallocations plain\tallocations rule\tcrates")
        .unwrap();
    text
}

fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or("unknown".to_owned())
}

fn print_table(results: &str) {
    for line in results.lines() {
        let cells: Vec<_> = line.trim_start_matches("# ").split('\t').collect();
        match cells[..] {
            [name, version, plain, rule, allocations_plain, allocations_rule, crates] => println!(
                "{name:<36}{version:<9}{plain:>7}{rule:>7}{allocations_plain:>19}\
                 {allocations_rule:>18}{crates:>8}"
            ),
            _ => println!("{line}"),
        }
    }
}
