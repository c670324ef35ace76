//! The cache: a folder that keeps rulesets from one run of a program to the next.
//!
//! Each service and key has one file of rules, and a second one if the service has unusual paths. A
//! process that fetches rules for others holds the lock of a third one.
//! Files are replaced as a whole, so that a crash or concurrent writers leave a complete file. The
//! modification time of the rules is that of the last request that confirmed them.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::cache_disk::{confirm, is_later, read, read_paths};
use super::cache_file::{CacheFile, Header, encode, header};
use crate::config::{CacheDir, Config, Parser};
use crate::files::{self, LockedFile};
use crate::http::{KeepPaths, KnownPaths};
use crate::identity::identity;
use crate::log::log;
use crate::ruleset::{IndexedText, Ruleset};
use crate::value::json;

/// The age from which a temporary file counts as abandoned by its writer.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The extensions of the files.
const RULES: &str = ".rules";
const PATHS: &str = ".paths";
const LOCK: &str = ".lock";

/// How long after a failure to store rules the next response is stored although it is equal.
const SAVE_RETRY: Duration = Duration::from_secs(60);

/// Creates the cache. Only the setting refers to the function, so that a program without it does
/// not contain the code.
pub(crate) type NewCache = fn(&Config) -> Arc<dyn Cache>;

/// Stores the ruleset of one service and key. The first failure is logged; none is returned.
pub(crate) trait Cache: KeepPaths {
    /// Loads the stored ruleset, or returns `None`.
    fn load(&self) -> Option<CacheEntry>;

    /// Notes that the service is asked now: what it responds is not older.
    fn note_request(&self);

    /// Stores a ruleset of the service, unless another process has asked for the stored one later.
    fn save(&self, body: &[u8], etag: Option<&str>);

    /// Sets the time of the last confirmation to that of the request. Returns `false` if the file
    /// does not hold these rules: another process has replaced or deleted it, or this one failed to
    /// write it a minute ago.
    fn confirm(&self) -> bool;

    /// Returns the file of rules if another process has asked for them within `max_age`, and after
    /// the last time that this one did.
    fn newer(&self, max_age: Duration) -> Option<NewerFile>;

    /// Reads the file of rules, or returns `None` if that fails: the next response replaces it.
    fn read(&self) -> Option<CacheFile>;

    /// Notes that the rules in use are those of a file with this header, confirmed at this time.
    fn adopt(&self, header: Header, confirmed: SystemTime);

    /// Tries to take the lock that a process holds while it fetches rules for all.
    fn lock(&self) -> CacheLock;
}

/// A file of rules that another process has fetched or confirmed.
#[derive(Debug)]
pub(crate) struct NewerFile {
    pub(super) header: Header,
    pub(super) location: String,
    pub(super) confirmed: SystemTime,
    /// The time since the service confirmed the rules.
    pub(super) age: Duration,
}

/// The result of an attempt to lock.
pub(crate) enum CacheLock {
    /// Dropping it releases the lock.
    Held(Box<dyn Send>),
    /// Another process holds it.
    Busy,
    /// The system cannot lock the file, or the rules could not be stored for others.
    Unusable,
}

/// A ruleset loaded from the cache.
#[derive(Clone, Debug)]
pub(crate) struct CacheEntry {
    pub(crate) ruleset: Ruleset,
    /// The text of the ruleset, as the service sent it.
    pub(crate) text: Arc<IndexedText>,
    pub(crate) location: String,
    pub(crate) etag: Option<String>,
    /// The time since the service confirmed it; `None` if that is in the future.
    pub(crate) age: Option<Duration>,
    /// Whether the age is less than `cache_max_age`.
    pub(crate) fresh: bool,
}

pub(crate) fn open_cache(config: &Config) -> Arc<dyn Cache> {
    Arc::new(CacheFolder::new(config))
}

/// Returns the platform's folder for caches, or `None` if its environment variables are not set.
fn platform_folder() -> Option<PathBuf> {
    // As the XDG specification says, a relative path is ignored.
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

/// The files of one service and key in the folder.
#[derive(Debug)]
struct CacheFolder {
    /// Empty if the platform has no folder for caches.
    path: PathBuf,
    /// The name of each file without its extension.
    name: String,
    max_size: usize,
    max_age: Duration,
    save_retry: Duration,
    parser: Parser,
    known: Mutex<Known>,
    warned: AtomicBool,
}

/// What is known about the file of rules.
#[derive(Debug, Default)]
struct Known {
    /// Its header when it was last read or written.
    header: Option<Header>,
    /// The time of the last request that confirmed the rules of this process.
    confirmed: Option<SystemTime>,
    /// When this process last asked the service.
    asked: Option<SystemTime>,
    /// When it last failed to be written; `None` if it was written since.
    failed: Option<Instant>,
}

impl Cache for CacheFolder {
    fn load(&self) -> Option<CacheEntry> {
        let path = self.file(RULES)?;
        match read(&path, self.max_size) {
            Ok((file, modified)) => {
                self.known().header = Some(file.header);
                let age = modified.elapsed().ok();
                let text = Arc::new(file.text);
                Some(CacheEntry {
                    ruleset: self.ruleset(text.clone()),
                    text,
                    location: path.display().to_string(),
                    etag: file.etag,
                    age,
                    fresh: age.is_some_and(|age| age < self.max_age),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn("read", "ruleset", &path, &error);
                None
            }
        }
    }

    fn note_request(&self) {
        self.known().asked = Some(SystemTime::now());
    }

    fn save(&self, body: &[u8], etag: Option<&str>) {
        let Some(path) = self.file(RULES) else { return };
        let text = json::without_mark(std::str::from_utf8(body).unwrap_or_default());
        let asked = self.known().asked.unwrap_or_else(SystemTime::now);
        let stored = files::metadata(&path).and_then(|metadata| metadata.modified());
        if stored.is_ok_and(|stored| is_later(stored, asked)) {
            // The next poll takes it, or finds that these rules are still the last ones.
            let mut known = self.known();
            (known.header, known.confirmed) = (None, Some(asked));
            return;
        }
        let Some(bytes) = encode(text, etag) else { return };
        let written = self.write(&path, &bytes, Some(asked));
        *self.known() = Known {
            header: header(&bytes).filter(|_| written.is_ok()),
            confirmed: Some(asked),
            asked: Some(asked),
            failed: written.is_err().then(Instant::now),
        };
        if let Err(error) = written {
            self.warn("write", "ruleset", &path, &error);
        }
    }

    fn confirm(&self) -> bool {
        let Some(path) = self.file(RULES) else { return true };
        let Known { header, asked, failed, .. } = *self.known();
        if let Some(failed) = failed {
            return failed.elapsed() < self.save_retry;
        }
        let Some(header) = header else { return false };
        let asked = asked.unwrap_or_else(SystemTime::now);
        match confirm(&path, &header, asked) {
            Ok(confirmed) => {
                if confirmed {
                    self.known().confirmed = Some(asked);
                }
                confirmed
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.known().failed = Some(Instant::now());
                self.warn("write", "ruleset", &path, &error);
                true
            }
        }
    }

    fn newer(&self, max_age: Duration) -> Option<NewerFile> {
        let path = self.file(RULES)?;
        let confirmed = files::metadata(&path).ok()?.modified().ok()?;
        let age = confirmed.elapsed().ok().filter(|age| *age < max_age)?;
        // If the clock was set back, it is not known which one is later.
        let known = self.known().confirmed.filter(|known| known.elapsed().is_ok());
        if Some(confirmed) <= known {
            return None;
        }
        let mut header = [0; size_of::<Header>()];
        File::open(&path).ok()?.read_exact(&mut header).ok()?;
        Some(NewerFile { header, location: path.display().to_string(), confirmed, age })
    }

    fn read(&self) -> Option<CacheFile> {
        Some(read(&self.file(RULES)?, self.max_size).ok()?.0)
    }

    fn adopt(&self, header: Header, confirmed: SystemTime) {
        let mut known = self.known();
        (known.header, known.confirmed, known.failed) = (Some(header), Some(confirmed), None);
    }

    fn lock(&self) -> CacheLock {
        let path = self.file(LOCK).filter(|_| self.known().failed.is_none());
        let Some(path) = path else { return CacheLock::Unusable };
        let opened = files::make_folder(&self.path).and_then(|()| files::open_lock(&path));
        let locked = opened.map_err(TryLockError::Error).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match locked {
            Ok(file) => CacheLock::Held(Box::new(LockedFile(file))),
            Err(TryLockError::WouldBlock) => CacheLock::Busy,
            Err(TryLockError::Error(error)) => {
                self.warn("lock", "ruleset", &path, &error);
                CacheLock::Unusable
            }
        }
    }
}

impl KeepPaths for CacheFolder {
    fn recall_paths(&self) -> Option<KnownPaths> {
        let path = self.file(PATHS)?;
        match read_paths(&path) {
            Ok(paths) => Some(paths),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn("read", "paths", &path, &error);
                None
            }
        }
    }

    fn keep_paths(&self, paths: &KnownPaths) {
        let Some(path) = self.file(PATHS) else { return };
        let saved = if *paths == KnownPaths::default() {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        } else {
            self.write(&path, paths.encode().as_bytes(), None)
        };
        if let Err(error) = saved {
            self.warn("write", "paths", &path, &error);
        }
    }
}

impl CacheFolder {
    fn new(config: &Config) -> CacheFolder {
        let folder = match &config.cache_dir {
            Some(CacheDir::Path(path)) => Some(path.clone()),
            Some(CacheDir::Platform) => platform_folder(),
            None => None,
        };
        let folder = CacheFolder {
            name: identity(&config.base_url, &config.api_key),
            path: folder.unwrap_or_default(),
            max_size: config.max_body_size,
            max_age: config.cache_max_age,
            save_retry: SAVE_RETRY,
            parser: config.parser(),
            known: Mutex::default(),
            warned: AtomicBool::new(false),
        };
        if folder.path.as_os_str().is_empty() {
            let message = "no environment variable names a cache folder";
            let error = io::Error::new(io::ErrorKind::NotFound, message);
            folder.warn("find", "ruleset", Path::new(&(folder.name.clone() + RULES)), &error);
        }
        folder
    }

    /// Returns the ruleset of a text. Nothing is compiled yet.
    fn ruleset(&self, text: Arc<IndexedText>) -> Ruleset {
        let parser = self.parser.clone();
        let environment = parser.environment().cloned();
        Ruleset::lazy(text, environment, move |text| parser.parse(text.as_bytes()))
    }

    fn file(&self, extension: &str) -> Option<PathBuf> {
        let name = || self.path.join(format!("{}{extension}", self.name));
        (!self.path.as_os_str().is_empty()).then(name)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, action: &str, what: &str, path: &Path, error: &io::Error) {
        if !self.warned.swap(true, Ordering::AcqRel) {
            log!(warn, "failed to {action} the cached {what} `{}`: {error}", path.display());
        }
    }

    /// Replaces a file, which only its owner can read.
    fn write(&self, path: &Path, bytes: &[u8], time: Option<SystemTime>) -> io::Result<()> {
        files::make_folder(&self.path)?;
        self.remove_abandoned(path);
        files::replace(path, &files::temporary(path), bytes, time)
    }

    /// Removes the temporary files of killed writers.
    fn remove_abandoned(&self, path: &Path) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let prefix = format!("{name}.");
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let temporary =
                entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
            let modified = || entry.metadata().and_then(|metadata| metadata.modified()).ok();
            if temporary
                && modified().is_some_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED))
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_could_not_be_stored_are_stored_later() {
        let path = env::temp_dir().join(format!("phaseflag-save-{}", std::process::id()));
        let config = Config { cache_dir: Some(CacheDir::Path(path.clone())), ..Config::default() };
        let mut folder = CacheFolder::new(&config);
        let file = folder.file(RULES).unwrap();
        // A folder in place of the file.
        fs::create_dir_all(&file).unwrap();
        folder.save(br#"{"flags": []}"#, None);
        // Until then, equal responses are not parsed again, and no lock is held in vain.
        assert!(folder.confirm());
        assert!(matches!(folder.lock(), CacheLock::Unusable));
        folder.save_retry = Duration::ZERO;
        assert!(!folder.confirm());
        fs::remove_dir(&file).unwrap();
        folder.save(br#"{"flags": []}"#, None);
        assert!(folder.confirm());
        assert!(matches!(folder.lock(), CacheLock::Held(_)));
        assert!(folder.load().is_some());
        // A file that can no longer be written is replaced later, too.
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        folder.save_retry = SAVE_RETRY;
        assert!(folder.confirm());
        assert!(matches!(folder.lock(), CacheLock::Unusable));
        folder.save_retry = Duration::ZERO;
        assert!(!folder.confirm());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_clock_that_was_set_back_hides_no_result() {
        let path = env::temp_dir().join(format!("phaseflag-clock-{}", std::process::id()));
        let config = Config { cache_dir: Some(CacheDir::Path(path.clone())), ..Config::default() };
        let folder = CacheFolder::new(&config);
        folder.save(br#"{"flags": []}"#, None);
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        for (known, is_newer) in [(now, false), (now + hour, true), (now - hour, true)] {
            folder.known().confirmed = Some(known);
            assert_eq!(folder.newer(hour).is_some(), is_newer, "{known:?}");
        }
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn one_process_at_a_time_has_the_lock() {
        let path = env::temp_dir().join(format!("phaseflag-lock-{}", std::process::id()));
        let config = Config { cache_dir: Some(CacheDir::Path(path.clone())), ..Config::default() };
        let (one, other) = (CacheFolder::new(&config), CacheFolder::new(&config));
        let held = one.lock();
        assert!(matches!(held, CacheLock::Held(_)));
        assert!(matches!(other.lock(), CacheLock::Busy));
        drop(held);
        assert!(matches!(other.lock(), CacheLock::Held(_)));
        // As in a process that was forked meanwhile.
        let file = files::open_lock(&one.file(LOCK).unwrap()).unwrap();
        let inherited = file.try_clone().unwrap();
        file.try_lock().unwrap();
        drop(LockedFile(file));
        assert!(matches!(other.lock(), CacheLock::Held(_)));
        drop(inherited);
        fs::remove_dir_all(&path).unwrap();
    }
}
