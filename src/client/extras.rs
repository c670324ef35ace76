//! Code behind function pointers and trait objects, so that the linker drops it from programs that do not use it.

use std::sync::Arc;

use super::Hook;
use crate::events::NewRecorder;
#[cfg(feature = "http")]
use crate::events::NewSpool;
use crate::rules::{NewCache, NewVariables, NewWatch, open_cache};
#[cfg(feature = "http")]
use crate::rules::{Share, Streaming, share};

/// The optional parts of a client; `None` if their setting is not used.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) watch: Option<NewWatch>,
    pub(crate) cache: Option<Caching>,
    pub(crate) recorder: Option<NewRecorder>,
    pub(crate) variables: Option<NewVariables>,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    #[cfg(feature = "http")]
    pub(crate) spool: Option<NewSpool>,
    #[cfg(feature = "http")]
    pub(crate) streaming: Option<Streaming>,
}

/// The code of the cache.
#[derive(Clone, Copy)]
pub(crate) struct Caching {
    pub(crate) open: NewCache,
    /// Shares the polls of processes with the same cache.
    #[cfg(feature = "http")]
    pub(crate) share: Share,
}

pub(crate) const CACHING: Caching = Caching {
    open: open_cache,
    #[cfg(feature = "http")]
    share,
};
