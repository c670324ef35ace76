//! One poll for all processes with the same cache: a poll takes what another process has fetched, or
//! asks the service while it holds the lock of the cache.
//!
//! The rules and the lock are files. A process that dies releases the lock. A failed poll leaves no
//! trace, so that each process asks by itself.

use std::time::Duration;

use super::cache::{Cache, CacheLock, NewerFile};
use super::poller::{Decision, Polled, Poller};
use super::timetable::Look;

/// The longest time until a look for the response to another process.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long a client that is not ready waits for the response to another process.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// Takes what another process has fetched, waits if another one asks the service at this moment, or
/// lets this one ask. A lock that cannot be used, or is held for longer than a request may take,
/// prevents no request.
pub(crate) fn share(poller: &mut Poller, look: Look) -> Decision {
    let Look { max_age, waited } = look;
    let Some(cache) = poller.cache.clone() else { return Decision::Ask(None) };
    if let Some(polled) = take(poller, newer(poller, &*cache, max_age)) {
        return Decision::Ended(polled);
    }
    let lock = match cache.lock() {
        CacheLock::Held(lock) => lock,
        CacheLock::Busy if waited < patience(poller) => {
            return Decision::Ended(Polled::PutOff(LOOK_INTERVAL.min(poller.interval)));
        }
        CacheLock::Busy | CacheLock::Unusable => return Decision::Ask(None),
    };
    // The process that held it may have stored its response meanwhile.
    let file = newer(poller, &*cache, max_age);
    if file.is_none() {
        return Decision::Ask(Some(lock));
    }
    // Other processes need not wait for the listeners of this one.
    drop(lock);
    take(poller, file).map_or(Decision::Ask(None), Decision::Ended)
}

/// Returns the file if another process has asked the service for it within `max_age`, or `None`.
fn newer(poller: &Poller, cache: &dyn Cache, max_age: Duration) -> Option<NewerFile> {
    // A result from before a failure of this process does not end the failure.
    let since_answer = poller.answered.map_or(Duration::MAX, |answered| answered.elapsed());
    cache.newer(max_age.min(since_answer))
}

/// Uses the rules of a file, or returns `None` if there is none or its rules cannot be used.
fn take(poller: &mut Poller, file: Option<NewerFile>) -> Option<Polled> {
    let file = file?;
    let new = poller.adopt(&file)?;
    Some(Polled::Shared { new, age: file.age })
}

/// Returns how long to wait for the process that holds the lock.
fn patience(poller: &Poller) -> Duration {
    match poller.flags.readiness.is_ready() {
        true => poller.request_timeout,
        false => poller.request_timeout.min(START_PATIENCE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CacheDir, Config};
    use crate::rules::cache::open_cache;
    use crate::support::wait_until;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_own_file_of_a_process_is_not_newer() {
        let folder = tempfile::TempDir::new().unwrap();
        let config = Config {
            base_url: "http://localhost/api/v1".to_owned(),
            cache_dir: Some(CacheDir::Path(folder.path().to_owned())),
            ..Config::default()
        };
        let (own, other) = (open_cache(&config), open_cache(&config));
        own.save(br#"{"flags": []}"#, None);
        assert!(own.newer(HOUR).is_none());
        let newer = other.newer(HOUR).unwrap();
        assert!(own.confirm() && own.newer(HOUR).is_none());

        other.adopt(newer.header, newer.confirmed);
        wait_until("a later confirmation", || {
            own.note_request();
            assert!(own.confirm() && own.newer(HOUR).is_none());
            other.newer(HOUR).is_some()
        });
        let newer = other.newer(HOUR).unwrap();
        other.adopt(newer.header, newer.confirmed);
        assert!(other.newer(HOUR).is_none());
        wait_until("its own confirmation", || {
            other.note_request();
            other.confirm() && own.newer(HOUR).is_some()
        });
        assert!(other.newer(HOUR).is_none() && own.newer(Duration::ZERO).is_none());
    }
}
