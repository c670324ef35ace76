//! Code behind function pointers and trait objects, so that the linker drops it from programs that do not use it.

use std::sync::Arc;

use super::Hook;
use crate::events::NewRecorder;
#[cfg(feature = "http")]
use crate::events::NewSpool;
#[cfg(feature = "http")]
use crate::rules::Streaming;
use crate::rules::{NewCache, NewVariables, NewWatch};

/// The optional parts of a client; `None` if their setting is not used.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) watch: Option<NewWatch>,
    pub(crate) cache: Option<NewCache>,
    pub(crate) recorder: Option<NewRecorder>,
    pub(crate) variables: Option<NewVariables>,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    #[cfg(feature = "http")]
    pub(crate) spool: Option<NewSpool>,
    #[cfg(feature = "http")]
    pub(crate) streaming: Option<Streaming>,
}
