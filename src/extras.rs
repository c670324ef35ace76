//! What comes with a setting: a program that does not use it does not carry the code.

use std::sync::Arc;

use crate::bootstrap::NewWatch;
use crate::cache::NewCache;
use crate::events::EventSink;
use crate::recorder::NewRecorder;
#[cfg(feature = "http")]
use crate::spool::NewSpool;

/// How to make each of them, where it was asked for.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) watch: Option<NewWatch>,
    pub(crate) cache: Option<NewCache>,
    /// Where events go where there is no service.
    pub(crate) sink: Option<Arc<dyn EventSink>>,
    pub(crate) recorder: Option<NewRecorder>,
    #[cfg(feature = "http")]
    pub(crate) spool: Option<NewSpool>,
}
