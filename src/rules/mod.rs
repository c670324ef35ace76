//! The rules in use: their sources, the thread that updates them, and their listeners.

#[cfg(feature = "http")]
mod accepted;
mod bootstrap;
mod bootstrap_watch;
mod busy;
mod cache;
mod cache_disk;
mod cache_file;
#[cfg(feature = "http")]
mod fetch;
mod flags;
mod listeners;
mod misses;
#[cfg(feature = "http")]
mod poller;
#[cfg(feature = "http")]
mod polling;
mod readiness;
mod shard;
#[cfg(feature = "http")]
mod shared_poll;
mod source;
mod store;
#[cfg(feature = "http")]
mod stream;
#[cfg(feature = "http")]
mod timetable;
mod variables;

pub(crate) use bootstrap_watch::{NewWatch, Watch, WatchThread, watch_bootstrap};
pub(crate) use cache::{Cache, CacheEntry, NewCache, open_cache};
#[cfg(feature = "http")]
pub(crate) use fetch::fetch_text;
pub(crate) use flags::Flags;
pub use listeners::{FlagsChanged, Subscription};
pub(crate) use misses::Misses;
#[cfg(feature = "http")]
pub(crate) use poller::Share;
#[cfg(feature = "http")]
pub(crate) use polling::Polling;
pub use readiness::ClientState;
#[cfg(feature = "http")]
pub(crate) use shared_poll::share;
#[cfg(feature = "http")]
pub(crate) use stream::{STREAMING, Stream, Streaming};
pub(crate) use variables::{NewVariables, Variables, read_variables};
