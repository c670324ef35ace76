//! Stores figures in a file, one per line, and compares new figures with them.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::process::{ended, output};

/// An improvement by more than this is a reason to store the new figures.
const NOTEWORTHY: f64 = 0.02;

/// What was measured; less is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub limit: Limit,
}

/// How much worse a figure may be than the stored one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// By a fraction: one for the compiler of the stored figures, and one for any other compiler.
    Share { same_compiler: f64, other_compiler: f64 },
    /// Not at all.
    Nothing,
}

/// A file of figures, in the folder `kept`.
pub struct Kept {
    path: PathBuf,
    about: &'static str,
}

impl Kept {
    /// Returns the file of a name. `about` is its first line, which describes the figures.
    pub fn new(file: &str, about: &'static str) -> Kept {
        Kept { path: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kept").join(file), about }
    }

    /// Measures, and runs the subcommand: `check`, the default, or `keep`. The exit status is 1 if a
    /// figure is worse than allowed, and 2 if the measurement failed.
    pub fn run(&self, measure: impl FnOnce() -> Result<Vec<Figure>, String>) -> ExitCode {
        let done = match std::env::args().nth(1).as_deref() {
            None | Some("check") => measure().and_then(|figures| self.check(&figures)),
            Some("keep") => measure().and_then(|figures| self.keep(&figures)),
            Some(other) => Err(format!("`{other}` is neither `check` nor `keep`")),
        };
        ended(done)
    }

    fn keep(&self, figures: &[Figure]) -> Result<ExitCode, String> {
        let text = written(self.about, &compiler()?, figures);
        fs::write(&self.path, &text).map_err(|error| self.failure("write", &error))?;
        print!("{text}");
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self, figures: &[Figure]) -> Result<ExitCode, String> {
        let text = fs::read_to_string(&self.path).map_err(|error| self.failure("read", &error))?;
        let compiler = compiler()?;
        let same = text.lines().any(|line| line == format!("# {compiler}"));
        if !same {
            println!("the figures were kept with another compiler than {compiler}");
        }
        let comparison = compare(&kept_figures(&text)?, figures, same);
        print!("{}", comparison.table);
        if comparison.better {
            println!("some are better: `keep` keeps them");
        }
        if comparison.worse {
            println!("some are worse than allowed, or not in both lists");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn failure(&self, what: &str, error: &std::io::Error) -> String {
        format!("failed to {what} `{}`: {error}", self.path.display())
    }
}

/// The version of the compiler, such as `rustc 1.95.0 (59807616e 2026-04-14)`.
fn compiler() -> Result<String, String> {
    output(Command::new("rustc").arg("--version")).map(|text| text.trim().to_owned())
}

fn written(about: &str, compiler: &str, figures: &[Figure]) -> String {
    let mut text = format!("# {about}\n# {compiler}\n");
    for Figure { name, value, .. } in figures {
        let _ = writeln!(text, "{name}  {value}");
    }
    text
}

fn kept_figures(text: &str) -> Result<Vec<(&str, f64)>, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let figure = |line: &'_ str| {
        let (name, value) = line.rsplit_once("  ").unwrap_or((line, ""));
        let value = value.parse::<f64>().map_err(|_| format!("no kept figure: `{line}`"))?;
        Ok((name.len(), value))
    };
    lines.map(|line| figure(line).map(|(end, value)| (&line[..end], value))).collect()
}

struct Comparison {
    table: String,
    worse: bool,
    better: bool,
}

fn compare(kept: &[(&str, f64)], figures: &[Figure], same_compiler: bool) -> Comparison {
    let mut comparison = Comparison { table: String::new(), worse: false, better: false };
    let mut row = |name: &str, kept: &str, now: &str, change: &str, verdict: &str| {
        let row = format!("{name:32}{kept:>12}{now:>12}{change:>10}  {verdict}");
        comparison.table.push_str(row.trim_end());
        comparison.table.push('\n');
    };
    row("", "kept", "now", "change", "");
    for Figure { name, value, limit } in figures {
        let now = value.to_string();
        let Some((_, before)) = kept.iter().find(|(other, _)| other == name) else {
            row(name, "-", &now, "", "NOT KEPT");
            comparison.worse = true;
            continue;
        };
        let change = if value == before { 0.0 } else { value / before - 1.0 };
        let worse = change > limit.share(same_compiler);
        let better = change < -NOTEWORTHY;
        let verdict = match (worse, better) {
            (true, _) => "WORSE",
            (false, true) => "better",
            (false, false) => "",
        };
        let percents = format!("{:+.1} %", change * 100.0);
        row(name, &before.to_string(), &now, &percents, verdict);
        comparison.worse |= worse;
        comparison.better |= better;
    }
    for (name, before) in kept {
        if !figures.iter().any(|figure| figure.name == *name) {
            row(name, &before.to_string(), "-", "", "NOT MEASURED");
            comparison.worse = true;
        }
    }
    comparison
}

impl Limit {
    fn share(self, same: bool) -> f64 {
        match self {
            Limit::Share { same_compiler, .. } if same => same_compiler,
            Limit::Share { other_compiler, .. } => other_compiler,
            Limit::Nothing => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit::Share { same_compiler: 0.02, other_compiler: 0.25 };

    fn figure(name: &str, value: f64, limit: Limit) -> Figure {
        Figure { name: name.to_owned(), value, limit }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let figures = [figure("one rule", 120.5, LIMIT), figure("crates", 10.0, Limit::Nothing)];
        let text = written("Counts.", "rustc 1", &figures);
        assert_eq!(text, "# Counts.\n# rustc 1\none rule  120.5\ncrates  10\n");
        assert_eq!(kept_figures(&text), Ok(vec![("one rule", 120.5), ("crates", 10.0)]));
        assert!(kept_figures("one rule").is_err());
    }

    #[test]
    fn worse_is_more_than_the_limit_allows() {
        let cases = [
            (101.9, LIMIT, true, (false, false)),
            (102.1, LIMIT, true, (true, false)),
            (102.1, LIMIT, false, (false, false)),
            (125.1, LIMIT, false, (true, false)),
            (97.9, LIMIT, true, (false, true)),
            (98.1, LIMIT, true, (false, false)),
            (101.0, Limit::Nothing, false, (true, false)),
            (100.0, Limit::Nothing, true, (false, false)),
        ];
        for (value, limit, same, expected) in cases {
            let found = compare(&[("a", 100.0)], &[figure("a", value, limit)], same);
            assert_eq!((found.worse, found.better), expected, "{value} {limit:?} {same}");
        }
    }

    #[test]
    fn both_lists_name_the_same_figures() {
        assert!(compare(&[], &[figure("a", 1.0, LIMIT)], true).worse);
        assert!(compare(&[("a", 1.0)], &[], true).worse);
    }
}
