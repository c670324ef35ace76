//! How long a program takes from its start to its end: with a bootstrap file, and with one fetch.
//!
//! `cargo run --release --bin start` prints the medians. All programs run once in each round, so
//! that what disturbs one round disturbs them all alike.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use std::{fs, io, thread};

use phaseflag_benches::process::ended;
use phaseflag_benches::programs::{CORE, EMPTY, GET, HTTP, Profile, Program, RUSTLS};
use phaseflag_benches::realistic;

const ROUNDS: usize = 300;
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
        Run::new(EMPTY, "")?,
        Run::new(CORE, &place)?,
        Run::new(HTTP, &place)?,
        Run::new(RUSTLS, &place)?,
        Run::new(GET, &url)?,
        Run::new(HTTP, &url)?,
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

/// A program with its argument.
struct Run {
    path: PathBuf,
    argument: String,
}

impl Run {
    fn new(program: Program, argument: &str) -> Result<Run, String> {
        Ok(Run { path: program.build(Profile::Release)?, argument: argument.to_owned() })
    }

    /// Returns how many milliseconds the program takes.
    fn time(&self) -> Result<f64, String> {
        let mut command = Command::new(&self.path);
        command.arg(&self.argument).stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let status = command.status().map_err(|error| failure(&self.path, &error))?;
        let time = start.elapsed();
        if !status.success() {
            return Err(failure(&self.path, &status));
        }
        Ok(time.as_secs_f64() * 1e3)
    }
}

fn failure(path: &Path, what: &impl std::fmt::Display) -> String {
    format!("`{}`: {what}", path.display())
}

/// Returns the times of each program, round by round. The first rounds do not count.
fn all_times<const N: usize>(runs: &[Run; N]) -> Result<[Vec<f64>; N], String> {
    const WARM_UP: usize = 10;
    let mut times = [const { Vec::new() }; N];
    for round in 0..WARM_UP + ROUNDS {
        for (run, times) in runs.iter().zip(&mut times) {
            let time = run.time()?;
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }
    Ok(times)
}

fn paired(left: &[f64], right: &[f64], compare: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| compare(*left, *right)).collect()
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Answers every request with the ruleset, and returns the address.
fn serve(ruleset: String) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever is not answered fails, and that is seen.
            let _ = stream.and_then(|stream| answer(stream, &ruleset));
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream, ruleset: &str) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&part[..read]),
        }
    }
    let length = ruleset.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(format!("{head}{ruleset}").as_bytes())
}
