//! The folder where rulesets are remembered, from one run of a program to the next.
//!
//! One file for each service and key, and a second one for the paths of the service, unless those
//! are the usual ones. Each is replaced as a whole, so that a crash or two writers at once leave a
//! whole one. The time of the rules is when the service last confirmed them.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::parts::Parts;
use super::remembered::{Head, Remembered, encode, head};
use super::state::Kept;
use crate::config::{CacheDir, Config};
use crate::files;
use crate::http::{KeepPaths, KnownPaths};
use crate::identity::identity;
use crate::log::log;
use crate::value::json;

/// How old a file must be that was never renamed for its writer to be gone.
const ABANDONED: Duration = Duration::from_secs(3600);

/// How the names of the files end.
const RULES: &str = ".rules";
const PATHS: &str = ".paths";

/// More than any text of paths has, in bytes.
const MAX_PATHS: u64 = 1024;

/// Makes the cache. It comes with the setting: a program that remembers nothing does not carry
/// the code.
pub(crate) type NewCache = fn(&Config) -> Arc<dyn Cache>;

/// Where a ruleset is remembered. What goes wrong is warned of once, and changes nothing else.
pub(crate) trait Cache: KeepPaths {
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
        name: identity(&config.base_url, &config.api_key),
        path: folder.unwrap_or_default(),
        max_size: config.max_body_size,
        max_age: config.cache_max_age,
        environment: config.environment.as_deref().map(Box::from),
        known: Mutex::default(),
        warned: AtomicBool::new(false),
    };
    if folder.path.as_os_str().is_empty() {
        let message = "the environment names no folder for it";
        let error = io::Error::new(io::ErrorKind::NotFound, message);
        folder.warn("find", "ruleset", Path::new(&(folder.name.clone() + RULES)), &error);
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

/// A folder of remembered rulesets, and how the names of the files of one of them begin.
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
        let path = self.file(RULES)?;
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
                self.warn("read", "ruleset", &path, &error);
                None
            }
        }
    }

    fn keep(&self, body: &[u8], etag: Option<&str>) {
        let Some(path) = self.file(RULES) else { return };
        let text = json::without_mark(std::str::from_utf8(body).unwrap_or_default());
        let Some(bytes) = encode(text, etag) else { return };
        match self.write(&path, &bytes) {
            Ok(()) => *self.known() = head(&bytes),
            Err(error) => {
                *self.known() = None;
                self.warn("write", "ruleset", &path, &error);
            }
        }
    }

    fn confirm(&self) -> bool {
        let (Some(path), Some(known)) = (self.file(RULES), *self.known()) else { return true };
        match confirm(&path, &known) {
            Ok(confirmed) => confirmed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.warn("write", "ruleset", &path, &error);
                true
            }
        }
    }
}

impl KeepPaths for Folder {
    fn recall_paths(&self) -> Option<KnownPaths> {
        let path = self.file(PATHS)?;
        match read_paths(&path) {
            Ok(known) => Some(known),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn("read", "paths", &path, &error);
                None
            }
        }
    }

    fn keep_paths(&self, known: &KnownPaths) {
        let Some(path) = self.file(PATHS) else { return };
        let kept = if *known == KnownPaths::default() {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        } else {
            self.write(&path, known.encode().as_bytes())
        };
        if let Err(error) = kept {
            self.warn("write", "paths", &path, &error);
        }
    }
}

impl Folder {
    fn file(&self, end: &str) -> Option<PathBuf> {
        let name = || self.path.join(format!("{}{end}", self.name));
        (!self.path.as_os_str().is_empty()).then(name)
    }

    fn known(&self) -> MutexGuard<'_, Option<Head>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, action: &str, what: &str, path: &Path, error: &io::Error) {
        if !self.warned.swap(true, Ordering::AcqRel) {
            log!(warn, "failed to {action} the remembered {what} `{}`: {error}", path.display());
        }
    }

    /// Writes a file aside, for its owner alone, and moves it to its place.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        files::make_folder(&self.path)?;
        self.clear_away(path);
        files::replace(path, &aside(path), bytes)
    }

    /// Removes what writers of a file have left behind who were killed.
    fn clear_away(&self, path: &Path) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let prefix = format!("{name}.");
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

/// Returns a path beside a file that no other writer has.
fn aside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    files::beside(path, &format!(".{}-{number}", std::process::id()))
}

fn read_paths(path: &Path) -> io::Result<KnownPaths> {
    files::length(path)?;
    let mut text = String::new();
    File::open(path)?.take(MAX_PATHS).read_to_string(&mut text)?;
    let fault = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    KnownPaths::decode(&text).ok_or_else(fault)
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
