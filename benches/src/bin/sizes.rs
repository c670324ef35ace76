//! Measures what the client adds to a program: bytes over an empty `main`, and crates.
//!
//! `cargo run --release --bin sizes` compares with the stored figures; `keep` stores the new ones.

use std::fs;
use std::process::ExitCode;

use phaseflag_benches::kept::{Figure, Kept, Limit};
use phaseflag_benches::programs::{
    CORE, CORE_REGEX, DEFAULT, EMPTY, EVALUATOR, HTTP, Profile, Program, RUSTLS,
};

const BYTES: Limit = Limit::Share { same_compiler: 0.02, other_compiler: 0.10 };

fn main() -> ExitCode {
    Kept::new("sizes.txt", "Bytes that the client adds to an empty program, and crates.")
        .run(measure)
}

fn measure() -> Result<Vec<Figure>, String> {
    let empty = size(EMPTY)?;
    let mut figures = Vec::new();
    for program in [EVALUATOR, CORE, CORE_REGEX, HTTP, RUSTLS, DEFAULT] {
        let bytes = size(program)? - empty;
        let name = |what: &str| format!("{}, {what}", program.name);
        figures.push(Figure { name: name("bytes"), value: bytes, limit: BYTES });
        let crates = program.crates()? as f64;
        figures.push(Figure { name: name("crates"), value: crates, limit: Limit::Nothing });
    }
    Ok(figures)
}

fn size(program: Program) -> Result<f64, String> {
    eprintln!("building {}", program.name);
    let path = program.build(Profile::Small)?;
    let metadata = fs::metadata(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(metadata.len() as f64)
}
