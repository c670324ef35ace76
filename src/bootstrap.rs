//! Rules from a file or a text: read at the start, and watched for changes.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};
use std::{fs, io, thread};

use crate::config::Bootstrap;
use crate::error::BootstrapError;
use crate::flags::{Flags, Origin};
use crate::guard::guarded;
use crate::logging::log;
use crate::ruleset::Ruleset;

/// How long ago a file must have been written for its time to be trusted: within this, a second
/// change may have left the same time and length.
const SETTLED: Duration = Duration::from_secs(2);

/// How long a replaced ruleset is kept.
const MOMENT: Duration = Duration::from_secs(1);

/// The size of the watching thread's stack, unless the environment asks for another.
const STACK: usize = 1024 * 1024;

impl Bootstrap {
    /// Returns the path of the file, or the name of the setting.
    pub(crate) fn location(&self) -> String {
        match self {
            Bootstrap::File(path) => path.display().to_string(),
            Bootstrap::Text(_) => "bootstrap_text".to_owned(),
        }
    }

    /// Reads the rules.
    pub(crate) fn load(&self) -> Result<Ruleset, BootstrapError> {
        match self {
            Bootstrap::File(path) => parse(&read(path)?),
            Bootstrap::Text(text) => parse(text.as_bytes()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BootstrapError> {
    fs::read(path).map_err(|cause| BootstrapError::Io { cause })
}

fn parse(text: &[u8]) -> Result<Ruleset, BootstrapError> {
    Ruleset::parse_bytes(text).map_err(|cause| BootstrapError::Ruleset { cause })
}

/// Makes what watches a file. It comes with the setting: a program that watches nothing does not
/// carry the code.
pub(crate) type NewWatch = fn(&Path, &Arc<Flags>) -> Box<dyn Watch>;

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

pub(crate) fn watch(path: &Path, flags: &Arc<Flags>) -> Box<dyn Watch> {
    Box::new(Watcher {
        path: path.to_owned(),
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
            Ok(None) => {}
            Ok(Some(ruleset)) => {
                if self.failures > 1 {
                    log!(info, "the bootstrap `{}` can be used again", self.location);
                }
                self.failures = 0;
                self.replaced =
                    self.flags.install(&ruleset, Origin::Bootstrap(&self.location), |_| {});
            }
            Err(cause) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == 2 {
                    let location = &self.location;
                    log!(
                        warn,
                        "failed to load bootstrap `{location}`, its last rules stay: {cause}"
                    );
                }
            }
        }
    }
}

impl Watch for Watcher {
    fn changed(&mut self) -> Result<Option<Ruleset>, BootstrapError> {
        let before = self.seen.take();
        // Taken first: a change while the file is read is then seen the next time.
        let stamp = Stamp::of(&self.path);
        if let Some(seen) = &before
            && stamp.is_some()
            && seen.stamp == stamp
        {
            self.seen = before;
            return Ok(None);
        }
        let text = read(&self.path)?;
        let fingerprint = self.hasher.hash_one(&text);
        let known = before.is_some_and(|seen| seen.fingerprint == fingerprint);
        let ruleset = if known { None } else { Some(parse(&text)?) };
        self.seen = Some(Seen { stamp: stamp.filter(Stamp::is_settled), fingerprint });
        Ok(ruleset)
    }

    fn start(mut self: Box<Self>, interval: Duration) -> io::Result<Watching> {
        let (stop, stopped) = channel::<Never>();
        let mut thread = thread::Builder::new().name("phaseflag-file".to_owned());
        if std::env::var_os("RUST_MIN_STACK").is_none() {
            thread = thread.stack_size(STACK);
        }
        thread.spawn(move || {
            let pause = |delay| stopped.recv_timeout(delay) == Err(RecvTimeoutError::Timeout);
            while pause(interval) && !self.flags.are_served() {
                // A logger that panics does not end it.
                guarded(|| self.look());
                if self.replaced.is_some() && !pause(MOMENT) {
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
    /// The device, and the number of the file there, where the system has such numbers.
    identity: (u64, u64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Some(Stamp { modified: metadata.modified().ok()?, length: metadata.len(), identity })
    }

    /// Returns whether a later change would have another time.
    fn is_settled(&self) -> bool {
        self.modified.elapsed().is_ok_and(|age| age >= SETTLED)
    }
}
