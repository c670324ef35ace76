//! The processor time of a thread, which other threads and programs do not lengthen.
#![allow(dead_code, reason = "each test file uses its own part")]

#[cfg(unix)]
use std::time::Duration;
/// The time that passes: this crate does not ask other systems for the processor time.
#[cfg(not(unix))]
pub use std::time::Instant as ProcessorTime;

/// Measures the processor time that this thread uses.
#[cfg(unix)]
pub struct ProcessorTime(Duration);

#[cfg(unix)]
impl ProcessorTime {
    pub fn now() -> ProcessorTime {
        ProcessorTime(used())
    }

    pub fn elapsed(&self) -> Duration {
        used().saturating_sub(self.0)
    }
}

/// Returns the processor time that this thread has used since it began.
#[cfg(unix)]
fn used() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.try_into().expect("a time since the thread began")
}
