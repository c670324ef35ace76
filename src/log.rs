//! The macro `log!`, which writes the crate's log lines with the target `phaseflag`.
//!
//! Levels: `warn` once when a problem begins, `info` once when it ends and for the first ruleset,
//! `debug` for each later ruleset and each delivery. A line never contains a key or an attribute's value. Without the feature `http`, nothing
//! is logged.

macro_rules! log {
    ($level:ident, $($message:tt)+) => {{
        #[cfg(feature = "http")]
        log::$level!(target: "phaseflag", $($message)+);
        #[cfg(not(feature = "http"))]
        let _ = format_args!($($message)+);
    }};
}
pub(crate) use log;
