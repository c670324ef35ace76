//! Events: tracked by the program or recorded from evaluations, then queued and delivered, or
//! spooled for a later process.

mod atomic;
#[cfg(feature = "http")]
mod backlog;
#[cfg(feature = "http")]
mod delivery;
#[cfg(feature = "http")]
mod delivery_log;
mod event;
mod fingerprints;
#[cfg(feature = "http")]
mod flusher;
mod ledger;
#[cfg(feature = "http")]
mod outbox;
#[cfg(feature = "http")]
mod outcome;
#[cfg(feature = "http")]
mod queue;
mod recorded;
mod recorder;
#[cfg(feature = "http")]
mod schedule;
#[cfg(feature = "http")]
mod sender;
#[cfg(all(test, feature = "http"))]
mod simulation;
#[cfg(feature = "http")]
mod spool;

pub use event::EvaluationEvent;
#[cfg(feature = "http")]
pub(crate) use flusher::Flusher;
pub use ledger::EventCounts;
pub(crate) use ledger::{Admission, Fate, Ledger};
#[cfg(feature = "http")]
pub(crate) use queue::{EventQueue, queue};
pub(crate) use recorder::{NewRecorder, Recorder, Tracker, open as open_recorder};
#[cfg(feature = "http")]
pub(crate) use spool::{Appended, NewSpool, Spool, open as open_spool};
