//! The tests that can share one process, with a module for each subject.

#[path = "../support/alone.rs"]
mod alone;
#[cfg(feature = "http")]
#[path = "../support/curl.rs"]
mod curl;
#[cfg(feature = "http")]
#[path = "../support/logger.rs"]
mod logger;
#[cfg(target_os = "linux")]
#[path = "../support/mounts.rs"]
mod mounts;
#[cfg(all(unix, feature = "http"))]
#[path = "../support/nginx.rs"]
mod nginx;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/processor_time.rs"]
mod processor_time;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "http")]
#[path = "../support/wire.rs"]
mod wire;

// For `program`.
use support::SOON;

#[cfg(all(feature = "http", target_os = "linux"))]
mod addresses;
#[cfg(all(feature = "http", feature = "regex"))]
mod answers;
mod arbitrary_rulesets;
#[cfg(feature = "http")]
mod bad_events;
#[cfg(feature = "http")]
mod bootstrap;
mod bootstrap_watch;
#[cfg(feature = "http")]
mod cache;
mod check;
#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
mod connections;
mod contexts;
#[cfg(feature = "http")]
mod delivery;
mod details;
#[cfg(feature = "http")]
mod early_answers;
#[cfg(feature = "http")]
mod endings;
mod environment;
#[cfg(feature = "http")]
mod errors;
mod evaluation;
#[cfg(feature = "http")]
mod events;
mod examples;
mod explain;
#[cfg(feature = "http")]
mod fetch;
#[cfg(all(unix, feature = "http"))]
mod files;
#[cfg(all(unix, feature = "http"))]
mod fleet;
mod from_env;
mod from_python;
mod fuzz_regressions;
mod health;
mod hook;
mod json;
#[cfg(feature = "http")]
mod listeners;
#[cfg(feature = "http")]
mod loggers;
mod mistakes;
#[cfg(feature = "http")]
mod network;
#[cfg(not(feature = "http"))]
mod no_network;
mod no_service;
mod numbers;
mod overrides;
#[cfg(feature = "http")]
mod paths;
#[cfg(feature = "http")]
mod polling;
mod properties;
#[cfg(feature = "http")]
mod proxies;
#[cfg(feature = "http")]
mod recorded;
#[cfg(feature = "http")]
mod refresh;
#[cfg(feature = "http")]
mod remote;
#[cfg(feature = "http")]
mod rotation;
mod ruleset;
#[cfg(feature = "http")]
mod segments;
#[cfg(feature = "http")]
mod shared_polls;
#[cfg(feature = "http")]
mod snapshot;
mod split;
#[cfg(feature = "http")]
mod spool;
#[cfg(feature = "http")]
mod starts;
#[cfg(all(unix, feature = "http"))]
mod static_rules;
#[cfg(feature = "http")]
mod streaming;
mod testing;
#[cfg(feature = "http")]
mod thread_locals;
#[cfg(feature = "http")]
mod threads;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
mod typed_json;
mod version;
