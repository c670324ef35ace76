//! The client in use, which another one with a new key can replace while requests run.
//!
//! Copy this file into a service. It needs no other crate.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{mem, thread};

use phaseflag::{Error, PhaseFlagClient};

/// The client in use.
pub struct CurrentClient(RwLock<Arc<PhaseFlagClient>>);

impl CurrentClient {
    /// Begins with this client.
    pub fn new(client: PhaseFlagClient) -> CurrentClient {
        CurrentClient(RwLock::new(Arc::new(client)))
    }

    /// Returns the client in use, for one request, which uses it until its end.
    pub fn get(&self) -> Arc<PhaseFlagClient> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the client when the new one is ready, and stops the old one when no request
    /// uses it any more, or after `timeout`. It waits at most `timeout` for the new one, too.
    ///
    /// # Errors
    ///
    /// If the new client does not become ready. The old one stays in use then.
    pub fn replace(&self, new: PhaseFlagClient, timeout: Duration) -> Result<(), Error> {
        new.start()?;
        new.wait_until_ready(timeout)?;
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = mem::replace(&mut *current, Arc::new(new));
        drop(current);
        let deadline = Instant::now() + timeout;
        while Arc::get_mut(&mut old).is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        old.stop();
        Ok(())
    }
}
