//! The macro `log!`, which writes the crate's log lines with the target `phaseflag`.
//!
//! Levels: `warn` once when a problem begins, `info` once when it ends and for the first ruleset,
//! `debug` for each later ruleset and each delivery. A line never contains a key or an attribute's
//! value. Without the feature `http`, nothing is logged.

#[cfg(feature = "http")]
use std::fmt::Arguments;

#[cfg(feature = "http")]
use crate::worker::guarded;

macro_rules! log {
    (warn, $($message:tt)+) => { log!(@ Warn, $($message)+) };
    (info, $($message:tt)+) => { log!(@ Info, $($message)+) };
    (debug, $($message:tt)+) => { log!(@ Debug, $($message)+) };
    (@ $level:ident, $($message:tt)+) => {{
        #[cfg(feature = "http")]
        $crate::log::write(::log::Level::$level, format_args!($($message)+));
        #[cfg(not(feature = "http"))]
        let _ = format_args!($($message)+);
    }};
}
pub(crate) use log;

/// Writes a line. A logger that panics, as one that prints to a closed terminal does, must not keep
/// rules or events back.
#[cfg(feature = "http")]
pub(crate) fn write(level: ::log::Level, message: Arguments<'_>) {
    guarded(|| ::log::log!(target: "phaseflag", level, "{message}"));
}
