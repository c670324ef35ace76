//! Which rules are in force: where they come from, who brings them, and who hears of it.

mod bootstrap;
mod cache;
#[cfg(feature = "http")]
mod fetch;
mod listeners;
mod parts;
#[cfg(feature = "http")]
mod poller;
mod readiness;
mod remembered;
mod state;
mod store;

pub(crate) use bootstrap::{NewWatch, Watch, Watching, watch as watch_bootstrap};
pub(crate) use cache::{Cache, Memory, NewCache, open as open_cache};
#[cfg(feature = "http")]
pub(crate) use fetch::fetch_text;
pub use listeners::{FlagsChanged, Subscription};
#[cfg(feature = "http")]
pub(crate) use poller::Poller;
pub use readiness::ClientState;
pub(crate) use state::{Flags, Origin};
