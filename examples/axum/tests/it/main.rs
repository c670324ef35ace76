//! The tests of the server, in one program with a module for each subject.

#[cfg(target_os = "linux")]
#[path = "../../../../tests/support/container.rs"]
mod container;
#[path = "../../../../tests/support/exchange.rs"]
mod exchange;
#[path = "../../../../tests/support/monitoring.rs"]
mod monitoring;
#[path = "../../../../tests/support/program.rs"]
mod program;
#[path = "../../../../tests/support/prometheus.rs"]
mod prometheus;
#[path = "../../../../tests/support/serve.rs"]
mod serve;
#[path = "../../../../tests/support/mod.rs"]
mod support;

use support::SOON;

#[cfg(unix)]
mod end;
mod server;
