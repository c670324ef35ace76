//! Log lines of this crate: target `phaseflag`, never a key or an attribute's value.
//!
//! `warn` when something begins to go wrong, once an episode; `info` when it is over; `debug` for
//! each ruleset and delivery. Without the feature `http` there is no `log`, and this is silent.

macro_rules! log {
    ($level:ident, $($message:tt)+) => {{
        #[cfg(feature = "http")]
        log::$level!(target: "phaseflag", $($message)+);
        #[cfg(not(feature = "http"))]
        let _ = format_args!($($message)+);
    }};
}
pub(crate) use log;
