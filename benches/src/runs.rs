//! Runs programs in turn, so that the load of the machine affects all of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::programs::{Profile, Program};

/// How many times each program runs.
pub const ROUNDS: usize = 300;

/// A program with its arguments.
pub struct Run {
    path: PathBuf,
    arguments: Vec<String>,
}

impl Run {
    /// An existing program.
    pub fn new(path: impl Into<PathBuf>, arguments: &[&str]) -> Run {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Run { path: path.into(), arguments }
    }

    /// A program that is built first.
    pub fn of(program: Program, arguments: &[&str]) -> Result<Run, String> {
        Ok(Run::new(program.build(Profile::Release)?, arguments))
    }

    /// Returns how many milliseconds the program takes.
    pub fn time(&self) -> Result<f64, String> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null());
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
pub fn all_times<const N: usize>(runs: &[Run; N]) -> Result<[Vec<f64>; N], String> {
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

/// Compares the times of two programs, round by round.
pub fn paired(left: &[f64], right: &[f64], compare: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| compare(*left, *right)).collect()
}

/// Returns the median.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
