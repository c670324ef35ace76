//! What the measurements share: a realistic ruleset, the sketch that they are compared with,
//! programs that run in turn, and times.

pub mod kept;
pub mod process;
pub mod programs;
pub mod realistic;
pub mod runs;
pub mod serve;
pub mod sketch;
mod times;

pub use times::Times;
