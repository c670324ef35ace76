//! Shared by the benchmarks: a realistic ruleset, the sketch as a baseline, programs that run in turn,
//! and times.

pub mod kept;
pub mod process;
pub mod programs;
pub mod realistic;
pub mod runs;
pub mod serve;
pub mod sketch;
mod times;

pub use times::Times;
