//! Whether the other threads of this process sleep.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;

/// Returns whether all other threads sleep, those of a test's server, too. A thread that is late on a
/// busy machine does not sleep: it has work left, and may hold a lock. Only on Linux.
pub fn others_sleep() -> bool {
    let own = fs::read_link("/proc/thread-self").unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut others = tasks.filter(|task| Some(&*task.file_name()) != own.file_name());
    others.all(|task| {
        let status = fs::read_to_string(task.path().join("status"));
        status.map_or(true, |status| status.contains("State:\tS"))
    })
}
