//! The end of a client, without holding up an executor: on a thread of its own.

use std::ops::Deref;
use std::sync::mpsc::{self, Sender};
use std::thread::Builder;

use phaseflag::PhaseFlagClient;

/// A handle of a client, whose drop does not wait where it is the last one: the client ends on a
/// thread of its own, which delivers what is queued.
pub(crate) struct Handle {
    client: PhaseFlagClient,
    /// Dropped after the client, which tells the thread that its own handle is the last of the two.
    gone: Option<Sender<()>>,
}

impl Handle {
    pub(crate) fn new(client: PhaseFlagClient) -> Handle {
        Handle { client, gone: None }
    }
}

impl Deref for Handle {
    type Target = PhaseFlagClient;

    fn deref(&self) -> &PhaseFlagClient {
        &self.client
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let client = self.client.clone();
        let (gone, told) = mpsc::channel();
        let run = move || {
            // An error says that the other end is gone, which is how it tells.
            let _ = told.recv();
            drop(client);
        };
        // Where no thread starts, the client ends on this one.
        if Builder::new().name("phaseflag-openfeature".to_owned()).spawn(run).is_ok() {
            self.gone = Some(gone);
        }
    }
}
