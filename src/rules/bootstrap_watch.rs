//! Watches a bootstrap file, and uses its rules when it changes.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bootstrap::{parse, read};
use super::flags::{Flags, GRACE};
use crate::config::Config;
use crate::error::BootstrapError;
use crate::files;
use crate::log::log;
use crate::ruleset::Ruleset;
use crate::worker::guarded;
use crate::worker::spawn_detached;

/// The age from which a modification time is trusted. Within it, a second change may leave the same
/// time and length.
const SETTLED: Duration = Duration::from_secs(2);

/// The number of failures in a row that cause a warning. One may happen while the file is replaced.
const FAILURES_TO_WARN: u32 = 2;

/// Creates the watch of a file, which messages call by the given text. Only the setting refers to
/// the function, so that a program without it does not contain the code.
pub(crate) type NewWatch = fn(&Path, &str, &Arc<Flags>, &Config) -> Box<dyn Watch>;

/// A bootstrap file that is read again when it changes.
pub(crate) trait Watch: Send {
    /// Reads the rules, or returns `None` if they are the same as the last time.
    fn changed(&mut self) -> Result<Option<Ruleset>, BootstrapError>;

    /// Starts a thread that checks the file at an interval. It ends when the service has sent
    /// rules, or when the return value is dropped.
    fn start(self: Box<Self>, interval: Duration) -> io::Result<WatchThread>;
}

/// A thread that watches a file. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct WatchThread {
    _stop: Sender<Never>,
}

/// The type of a message that is never sent: closing the channel is the signal to stop.
#[derive(Debug, PartialEq)]
enum Never {}

pub(crate) fn watch_bootstrap(
    path: &Path,
    given: &str,
    flags: &Arc<Flags>,
    config: &Config,
) -> Box<dyn Watch> {
    Box::new(FileWatch {
        path: path.to_owned(),
        max_size: config.max_body_size,
        offline_mode: config.offline_mode,
        location: given.to_owned(),
        flags: flags.clone(),
        hasher: RandomState::new(),
        last_read: None,
        replaced: None,
        failures: 0,
    })
}

struct FileWatch {
    path: PathBuf,
    max_size: usize,
    offline_mode: bool,
    location: String,
    flags: Arc<Flags>,
    hasher: RandomState,
    last_read: Option<LastRead>,
    /// The ruleset before the one in use. It is kept for a moment, so that no evaluation has to
    /// free it.
    replaced: Option<Ruleset>,
    /// How many times in a row the file could not be used.
    failures: u32,
}

/// The file when it was last read.
struct LastRead {
    /// `None` if the file may still change without a new version.
    version: Option<FileVersion>,
    /// A hash of the text.
    fingerprint: u64,
}

impl FileWatch {
    /// Uses the rules if they have changed. A failure counts if it lasts: not every file is replaced
    /// in one step.
    fn check(&mut self) {
        match self.changed() {
            Ok(None) => {
                self.failures = 0;
                self.flags.readiness.bootstrap_confirmed();
            }
            Ok(Some(ruleset)) => {
                let warned = std::mem::take(&mut self.failures) >= FAILURES_TO_WARN;
                self.replaced =
                    self.flags.serve_bootstrap(&ruleset, &self.location, self.offline_mode);
                if warned {
                    log!(info, "the bootstrap `{}` can be used again", self.location);
                }
            }
            Err(cause) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == FAILURES_TO_WARN {
                    log!(warn, "failed to load bootstrap `{}`: {cause}", self.location);
                }
                if self.failures >= FAILURES_TO_WARN {
                    self.flags.readiness.bootstrap_failed(&self.location, &cause);
                }
            }
        }
    }
}

impl Watch for FileWatch {
    fn changed(&mut self) -> Result<Option<Ruleset>, BootstrapError> {
        let before = self.last_read.take();
        // Taken before the file is read: the next check then sees a change during the read.
        let version = FileVersion::of(&self.path).map_err(BootstrapError::io)?;
        if let Some(last_read) = &before
            && last_read.version.as_ref() == Some(&version)
        {
            self.last_read = before;
            return Ok(None);
        }
        let version = version.is_settled().then_some(version);
        let text = read(&self.path, self.max_size)?;
        let fingerprint = self.hasher.hash_one(&text);
        let unchanged = before.is_some_and(|last_read| last_read.fingerprint == fingerprint);
        let ruleset = if unchanged { None } else { Some(parse(&self.flags, &text)?) };
        self.last_read = Some(LastRead { version, fingerprint });
        Ok(ruleset)
    }

    fn start(mut self: Box<Self>, interval: Duration) -> io::Result<WatchThread> {
        if self.last_read.is_none() {
            // The client has logged the failure at its start.
            self.failures = FAILURES_TO_WARN;
        }
        let (stop, stopped) = channel::<Never>();
        spawn_detached("phaseflag-file", move || {
            let pause = |delay| stopped.recv_timeout(delay) == Err(RecvTimeoutError::Timeout);
            while pause(interval) && !self.flags.are_served() {
                // A panic does not end the thread.
                guarded(|| self.check());
                guarded(|| self.flags.report_unknown());
                if self.replaced.is_some() && !pause(GRACE) {
                    return;
                }
                self.replaced = None;
            }
        })?;
        Ok(WatchThread { _stop: stop })
    }
}

/// The metadata that a change of a file changes, also if a link now points to another file.
#[derive(Debug, PartialEq)]
struct FileVersion {
    modified: SystemTime,
    length: u64,
    /// On Unix: device, inode and change time in seconds and nanoseconds. No program can set the
    /// change time. Elsewhere: the creation time, which differs for most replaced files.
    identity: [i64; 4],
}

impl FileVersion {
    fn of(path: &Path) -> io::Result<FileVersion> {
        let metadata = files::metadata(path)?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            let (device, number) = (metadata.dev() as i64, metadata.ino() as i64);
            [device, number, metadata.ctime(), metadata.ctime_nsec()]
        };
        #[cfg(not(unix))]
        let identity = {
            let created =
                metadata.created().ok().and_then(|created| created.duration_since(UNIX_EPOCH).ok());
            let created = created.unwrap_or_default();
            [0, 0, created.as_secs() as i64, i64::from(created.subsec_nanos())]
        };
        Ok(FileVersion { modified: metadata.modified()?, length: metadata.len(), identity })
    }

    /// Returns whether a later change will have another modification time.
    fn is_settled(&self) -> bool {
        let [_, _, changed, _] = self.identity;
        let changed = UNIX_EPOCH + Duration::from_secs(changed.unsigned_abs());
        self.modified.max(changed).elapsed().is_ok_and(|age| age >= SETTLED)
    }
}
