//! Rules from a file or a text: read at the start, and watched for changes.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::state::{Flags, GRACE, Origin};
use crate::config::{Bootstrap, Config};
use crate::error::BootstrapError;
use crate::log::log;
use crate::ruleset::Ruleset;
use crate::worker::guarded;
use crate::worker::spawn_detached;

/// How long ago a file must have been written for its time to be trusted: within this, a second
/// change may have left the same time and length.
const SETTLED: Duration = Duration::from_secs(2);

/// How many times in a row the file could not be used when a warning was due: once may be while
/// it is replaced.
const WARNED: u32 = 2;

impl Bootstrap {
    /// Returns the path of the file, or the name of the setting.
    pub(crate) fn location(&self) -> String {
        match self {
            Bootstrap::File(path) => path.display().to_string(),
            Bootstrap::Text(_) => "bootstrap_text".to_owned(),
        }
    }

    /// Reads the rules, a file of at most so many bytes.
    pub(crate) fn load(&self, flags: &Flags, max_size: usize) -> Result<Ruleset, BootstrapError> {
        match self {
            Bootstrap::File(path) => parse(flags, &read(path, max_size)?),
            Bootstrap::Text(text) => parse(flags, text.as_bytes()),
        }
    }
}

fn read(path: &Path, max_size: usize) -> Result<Vec<u8>, BootstrapError> {
    let read = || {
        let mut text = Vec::new();
        let file = File::open(path)?;
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(max_size);
        text.reserve_exact(size.min(max_size).saturating_add(1));
        file.take((max_size as u64).saturating_add(1)).read_to_end(&mut text)?;
        if text.len() > max_size {
            let message = format!("the file is larger than {max_size} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(text)
    };
    read().map_err(|cause| BootstrapError::Io { cause })
}

fn parse(flags: &Flags, text: &[u8]) -> Result<Ruleset, BootstrapError> {
    flags.parse(text).map_err(|cause| BootstrapError::Ruleset { cause })
}

/// Makes what watches a file. It comes with the setting: a program that watches nothing does not
/// carry the code.
pub(crate) type NewWatch = fn(&Path, &Arc<Flags>, &Config) -> Box<dyn Watch>;

/// A bootstrap file, to be read again when it has changed.
pub(crate) trait Watch: Send {
    /// Reads the rules; `None` where they are those that were read before.
    fn changed(&mut self) -> Result<Option<Ruleset>, BootstrapError>;

    /// Looks at the file again at an interval, until the service has sent rules, or what is
    /// returned is dropped.
    fn start(self: Box<Self>, interval: Duration) -> io::Result<Watching>;
}

/// A thread that watches a file. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watching {
    _stop: Sender<Never>,
}

/// What is never sent: the channel closes when it is time to stop.
#[derive(Debug, PartialEq)]
enum Never {}

pub(crate) fn watch(path: &Path, flags: &Arc<Flags>, config: &Config) -> Box<dyn Watch> {
    Box::new(Watcher {
        // The program may change its folder.
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        max_size: config.max_body_size,
        offline_mode: config.offline_mode,
        location: path.display().to_string(),
        flags: flags.clone(),
        hasher: RandomState::new(),
        seen: None,
        replaced: None,
        failures: 0,
    })
}

struct Watcher {
    path: PathBuf,
    max_size: usize,
    offline_mode: bool,
    location: String,
    flags: Arc<Flags>,
    hasher: RandomState,
    seen: Option<Seen>,
    /// The ruleset before the one in use, kept for the evaluations that were under way: none of
    /// them should have to free it.
    replaced: Option<Ruleset>,
    /// How many times in a row the file could not be used.
    failures: u32,
}

/// What the file was like when it was last read.
struct Seen {
    /// `None` while the file may still change without a trace.
    stamp: Option<Stamp>,
    fingerprint: u64,
}

impl Watcher {
    /// Puts the rules in force, where they have changed. Says so where they cannot be used, if
    /// that is no passing state: files are not always replaced in one step.
    fn look(&mut self) {
        match self.changed() {
            Ok(None) => self.failures = 0,
            Ok(Some(ruleset)) => {
                let warned = std::mem::take(&mut self.failures) >= WARNED;
                let origin = Origin::Bootstrap(&self.location);
                self.replaced = self.flags.install(&ruleset, origin, |readiness| {
                    if self.offline_mode {
                        readiness.make_ready();
                    }
                });
                if warned {
                    log!(info, "the bootstrap `{}` can be used again", self.location);
                }
            }
            Err(cause) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == WARNED {
                    log!(warn, "failed to load bootstrap `{}`: {cause}", self.location);
                }
            }
        }
    }
}

impl Watch for Watcher {
    fn changed(&mut self) -> Result<Option<Ruleset>, BootstrapError> {
        let before = self.seen.take();
        // Taken first: a change while the file is read is then seen the next time.
        let stamp = Stamp::of(&self.path).map_err(|cause| BootstrapError::Io { cause })?;
        if let Some(seen) = &before
            && seen.stamp.as_ref() == Some(&stamp)
        {
            self.seen = before;
            return Ok(None);
        }
        let stamp = stamp.is_settled().then_some(stamp);
        let text = read(&self.path, self.max_size)?;
        let fingerprint = self.hasher.hash_one(&text);
        let known = before.is_some_and(|seen| seen.fingerprint == fingerprint);
        let ruleset = if known { None } else { Some(parse(&self.flags, &text)?) };
        self.seen = Some(Seen { stamp, fingerprint });
        Ok(ruleset)
    }

    fn start(mut self: Box<Self>, interval: Duration) -> io::Result<Watching> {
        if self.seen.is_none() {
            // The start has said so.
            self.failures = WARNED;
        }
        let (stop, stopped) = channel::<Never>();
        spawn_detached("phaseflag-file", move || {
            let pause = |delay| stopped.recv_timeout(delay) == Err(RecvTimeoutError::Timeout);
            while pause(interval) && !self.flags.are_served() {
                // A logger that panics does not end it.
                guarded(|| self.look());
                if self.replaced.is_some() && !pause(GRACE) {
                    return;
                }
                self.replaced = None;
            }
        })?;
        Ok(Watching { _stop: stop })
    }
}

/// What a change of a file changes, a link that is moved to another file included.
#[derive(Debug, PartialEq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    /// On Unix the device and the number of the file there, and when anything of it was last
    /// changed, in seconds and nanoseconds, which no program can set. Elsewhere when it was made,
    /// which tells most files that took its place from it.
    identity: [i64; 4],
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            // A pipe would be waited for.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            let (device, number) = (metadata.dev() as i64, metadata.ino() as i64);
            [device, number, metadata.ctime(), metadata.ctime_nsec()]
        };
        #[cfg(not(unix))]
        let identity = {
            let made =
                metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
            let made = made.unwrap_or_default();
            [0, 0, made.as_secs() as i64, i64::from(made.subsec_nanos())]
        };
        Ok(Stamp { modified: metadata.modified()?, length: metadata.len(), identity })
    }

    /// Returns whether a later change would have another time.
    fn is_settled(&self) -> bool {
        let [_, _, changed, _] = self.identity;
        let changed = UNIX_EPOCH + Duration::from_secs(changed.unsigned_abs());
        self.modified.max(changed).elapsed().is_ok_and(|age| age >= SETTLED)
    }
}
