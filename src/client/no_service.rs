//! Replaces `service.rs` if the crate is built without the feature `http`.

use std::sync::Arc;
use std::time::Duration;

use super::extras::Extras;
use super::home::Home;
use crate::config::Config;
use crate::context::EvaluationContext;
use crate::error::Error;
use crate::events::{EvaluationEvent, Ledger, Recorder};
use crate::rules::{Cache, CacheEntry, Flags};
use crate::ruleset::EvaluationResult;

/// Has no values: without `http` no client has a service.
#[derive(Debug)]
pub(super) enum Service {}

impl Service {
    pub(crate) fn new(
        _: &Arc<Config>,
        _: &Arc<Flags>,
        _: Arc<Ledger>,
        _: Arc<Home>,
        _: &Extras,
    ) -> Result<Arc<Service>, Error> {
        Err(Error::setting("base_url", "needs the feature `http`"))
    }

    pub(crate) fn cache(&self) -> Option<Arc<dyn Cache>> {
        match *self {}
    }

    pub(crate) fn recorder(&self) -> Option<Arc<dyn Recorder>> {
        match *self {}
    }

    pub(crate) fn start(&self, _: Option<CacheEntry>) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn stop(&self, _: Duration) {
        match *self {}
    }

    pub(super) fn leave(&self) {
        match *self {}
    }

    pub(super) fn track(&self, _: EvaluationEvent) {
        match *self {}
    }

    pub(super) fn in_spool(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn evaluate(
        &self,
        _: &str,
        _: &EvaluationContext,
    ) -> Result<EvaluationResult, Error> {
        match *self {}
    }

    pub(super) fn refresh(&self) -> Result<bool, Error> {
        match *self {}
    }

    pub(super) fn fetch_ruleset(&self) -> Result<String, Error> {
        match *self {}
    }
}
