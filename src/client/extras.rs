//! What comes with a setting: a program that does not use it does not carry the code.

use crate::events::NewRecorder;
#[cfg(feature = "http")]
use crate::events::NewSpool;
use crate::rules::NewCache;
use crate::rules::NewWatch;

/// How to make each of them, where it was asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras {
    pub(crate) watch: Option<NewWatch>,
    pub(crate) cache: Option<NewCache>,
    pub(crate) recorder: Option<NewRecorder>,
    #[cfg(feature = "http")]
    pub(crate) spool: Option<NewSpool>,
}
