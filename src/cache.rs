//! The folder where rulesets are remembered, from one run of a program to the next.
//!
//! One file for each service and key. It is replaced as a whole, so that a crash or two writers at
//! once leave a whole one, and its time is when the service last confirmed it.

use std::env;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::config::{CacheDir, Config};
use crate::files;
use crate::flags::Kept;
use crate::identity::identity;
use crate::json;
use crate::logging::log;
use crate::parts::Parts;
use crate::remembered::{Head, Remembered, encode, head};

/// How old a file must be that was never renamed for its writer to be gone.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Makes the cache. It comes with the setting: a program that remembers nothing does not carry
/// the code.
pub(crate) type NewCache = fn(&Config) -> Arc<dyn Cache>;

/// Where a ruleset is remembered. What goes wrong is warned of once, and changes nothing else.
pub(crate) trait Cache: Send + Sync + fmt::Debug {
    /// Returns what was remembered.
    fn recall(&self) -> Option<Recalled>;

    /// Remembers a ruleset of the service.
    fn keep(&self, body: &[u8], etag: Option<&str>);

    /// Notes that the service has confirmed the ruleset. Returns false where another is there by
    /// now, or none.
    fn confirm(&self) -> bool;
}

/// A ruleset that was remembered.
#[derive(Clone, Debug)]
pub(crate) struct Recalled {
    pub(crate) rules: Arc<dyn Kept>,
    pub(crate) location: String,
    pub(crate) etag: Option<String>,
    /// How long ago the service confirmed it; `None` where that lies in the future.
    pub(crate) age: Option<Duration>,
    /// Whether that is less than `cache_max_age`.
    pub(crate) fresh: bool,
}

/// What the client hands over to whoever polls.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) recalled: Option<Recalled>,
}

pub(crate) fn open(config: &Config) -> Arc<dyn Cache> {
    let folder = match &config.cache_dir {
        // The program may change its folder.
        Some(CacheDir::Path(path)) => Some(std::path::absolute(path).unwrap_or(path.clone())),
        Some(CacheDir::Platform) => platform_folder(),
        None => None,
    };
    let folder = Folder {
        name: identity(&config.base_url, &config.api_key) + ".rules",
        path: folder.unwrap_or_default(),
        max_size: config.max_body_size,
        max_age: config.cache_max_age,
        environment: config.environment.as_deref().map(Box::from),
        known: Mutex::default(),
        warned: AtomicBool::new(false),
    };
    if folder.path.as_os_str().is_empty() {
        let message = "the environment names no folder for it";
        folder.warn("find", &io::Error::new(io::ErrorKind::NotFound, message));
    }
    Arc::new(folder)
}

/// Returns the folder for caches of this platform, as its documents say.
fn platform_folder() -> Option<PathBuf> {
    // A relative one does not count.
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let caches = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_vendor = "apple") {
        folder("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
    };
    Some(caches?.join("phaseflag"))
}

/// A folder of remembered rulesets, and the name of one of them.
#[derive(Debug)]
struct Folder {
    /// Empty where there is none.
    path: PathBuf,
    name: String,
    max_size: usize,
    max_age: Duration,
    environment: Option<Box<str>>,
    /// What the file began with when it was read or written.
    known: Mutex<Option<Head>>,
    warned: AtomicBool,
}

impl Cache for Folder {
    fn recall(&self) -> Option<Recalled> {
        let path = self.file()?;
        match read(&path, self.max_size) {
            Ok((remembered, modified)) => {
                *self.known() = remembered.head();
                let age = modified.elapsed().ok();
                Some(Recalled {
                    location: path.display().to_string(),
                    etag: remembered.etag().map(str::to_owned),
                    age,
                    fresh: age.is_some_and(|age| age < self.max_age),
                    rules: Arc::new(Parts::new(remembered, self.environment.clone())),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn("read", &error);
                None
            }
        }
    }

    fn keep(&self, body: &[u8], etag: Option<&str>) {
        let Some(path) = self.file() else { return };
        let text = json::without_mark(std::str::from_utf8(body).unwrap_or_default());
        let Some(bytes) = encode(text, etag) else { return };
        match self.write(&path, &bytes) {
            Ok(()) => *self.known() = head(&bytes),
            Err(error) => {
                *self.known() = None;
                self.warn("write", &error);
            }
        }
    }

    fn confirm(&self) -> bool {
        let (Some(path), Some(known)) = (self.file(), *self.known()) else { return true };
        match confirm(&path, &known) {
            Ok(confirmed) => confirmed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.warn("write", &error);
                true
            }
        }
    }
}

impl Folder {
    fn file(&self) -> Option<PathBuf> {
        (!self.path.as_os_str().is_empty()).then(|| self.path.join(&self.name))
    }

    fn known(&self) -> MutexGuard<'_, Option<Head>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, what: &str, error: &io::Error) {
        if !self.warned.swap(true, Ordering::AcqRel) {
            let path = self.path.join(&self.name);
            log!(warn, "failed to {what} the remembered ruleset `{}`: {error}", path.display());
        }
    }

    /// Writes a file aside, for its owner alone, and moves it to its place.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        files::make_folder(&self.path)?;
        self.clear_away();
        files::replace(path, &self.path.join(self.name_aside()), bytes)
    }

    /// Returns a name that no other writer has.
    fn name_aside(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{}.{}-{number}", self.name, std::process::id())
    }

    /// Removes what writers have left behind who were killed.
    fn clear_away(&self) {
        let prefix = format!("{}.", self.name);
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let aside = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
            let modified = || entry.metadata().and_then(|metadata| metadata.modified()).ok();
            if aside
                && modified().is_some_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED))
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn read(path: &Path, max_size: usize) -> io::Result<(Remembered, SystemTime)> {
    let fault = |message| io::Error::new(io::ErrorKind::InvalidData, message);
    let length = files::length(path)?;
    // Names and places take less than twice the text, also where flags say nothing but their key.
    let limit = (max_size as u64).saturating_mul(3).saturating_add(1024);
    if length > limit {
        return Err(fault("it is too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((Remembered::decode(bytes).map_err(fault)?, modified))
}

/// Makes a file as new, if it is the one that is known.
fn confirm(path: &Path, known: &Head) -> io::Result<bool> {
    files::length(path)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut found = [0; size_of::<Head>()];
    if file.read_exact(&mut found).is_err() || found != *known {
        return Ok(false);
    }
    file.set_modified(SystemTime::now())?;
    Ok(true)
}
