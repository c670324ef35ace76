//! Does nothing, as the baseline for the others.

fn main() {}
