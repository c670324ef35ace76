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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use crate::config::{CacheDir, Config};
use crate::error::RulesetError;
use crate::files;
use crate::flags::Kept;
use crate::identity::identity;
use crate::json;
use crate::logging::log;
use crate::remembered::{Head, Remembered, encode, head};
use crate::ruleset::{AskWhole, Ruleset};

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
                    rules: Arc::new(Rules::new(remembered)),
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
    // Names and places take less than the text.
    let limit = (max_size as u64).saturating_mul(2).saturating_add(1024);
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

/// A remembered ruleset, of which each flag is compiled when it is asked for.
#[derive(Debug)]
struct Rules {
    remembered: Remembered,
    parts: Mutex<Parts>,
    whole: OnceLock<Result<Ruleset, RulesetError>>,
}

#[derive(Debug)]
struct Parts {
    known: Vec<(Box<str>, Ruleset)>,
    /// How many bytes may still be read for parts: then the whole is less work.
    allowed: usize,
}

/// How many flags are compiled by themselves.
const MOST: usize = 32;

impl Rules {
    fn new(remembered: Remembered) -> Rules {
        let allowed = remembered.length() / 4;
        Rules {
            remembered,
            parts: Mutex::new(Parts { known: Vec::new(), allowed }),
            whole: OnceLock::new(),
        }
    }
}

impl Kept for Rules {
    fn part(&self, key: &str) -> Result<Option<Ruleset>, AskWhole> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = parts.known.iter().find(|(known, _)| **known == *key) {
            return Ok(Some(known.clone()));
        }
        if parts.known.len() == MOST {
            return Err(AskWhole);
        }
        let part = Ruleset::part(&self.remembered, key, &mut parts.allowed)?;
        if let Some(part) = &part {
            parts.known.push((key.into(), part.clone()));
        }
        Ok(part)
    }

    fn whole(&self) -> Result<Ruleset, RulesetError> {
        self.whole.get_or_init(|| Ruleset::parse(self.remembered.text())).clone()
    }

    fn text(&self) -> &[u8] {
        self.remembered.text().as_bytes()
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the body's own entry is run with the other fuzz bodies")]
#[path = "../fuzz/bodies/evaluate.rs"]
mod evaluate;

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::context::EvaluationContext;

    /// What is remembered of a text, with leave to read all of it in parts.
    fn remember(text: &str) -> Rules {
        let bytes = encode(text, Some("tag")).expect("a text that fits");
        let rules = Rules::new(Remembered::decode(bytes).expect("what was encoded"));
        rules.parts.lock().expect("a lock").allowed = usize::MAX;
        rules
    }

    #[test]
    fn a_part_answers_as_the_whole_does() {
        arbtest(|u| {
            let length = u.len();
            let u = Unstructured::new(u.bytes(length)?);
            let mut maker = evaluate::Maker { u, faults: true };
            let text = maker.ruleset()?.to_string();
            let contexts = [EvaluationContext::new(), maker.context()?, maker.context()?];
            let rules = remember(&text);
            assert_eq!((rules.text(), rules.remembered.etag()), (text.as_bytes(), Some("tag")));
            let whole = rules.whole().expect("what was accepted");
            for flag in whole.flags() {
                let part = rules.part(flag.key()).expect("a part").expect("the flag");
                for context in &contexts {
                    let (found, expected) =
                        (part.evaluate(flag.key(), context), whole.evaluate(flag.key(), context));
                    assert_eq!(found, expected, "{} {context:?} {text}", flag.key());
                }
            }
            assert!(rules.part("no such flag").expect("a part").is_none());
            Ok(())
        })
        .size_min(1024)
        .size_max(8192)
        .budget_ms(2000);
    }

    #[test]
    fn names_are_found_as_they_read_and_the_last_of_them_counts() {
        let text = r#"{"flags": [
            {"key": "a\u0062", "variations": [{"key": "v", "value": 1}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 2}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 3}], "default_variation": "v"},
            {"key": "other", "variations": [{"key": "v", "value": 4}], "default_variation": "v",
             "key": "last"},
            {"key": "", "variations": [{"key": "v", "value": 5}], "default_variation": "v"},
            {"key": 7}, 7]}"#;
        let rules = remember(text);
        for (key, value) in [("ab", 1), ("twice", 3), ("last", 4), ("", 5)] {
            let part = rules.part(key).expect("a part").expect("the flag");
            let result = part.evaluate(key, None).expect("a result");
            assert_eq!(result.value().as_i64(), Some(value), "{key}");
        }
        assert!(rules.part("other").expect("a part").is_none());
    }

    #[test]
    fn parts_are_asked_for_up_to_a_bound() {
        let flag = |n| format!(r#"{{"key": "flag-{n}"}}"#);
        let flags: Vec<_> = (0..1000).map(flag).collect();
        let rules = remember(&format!("[{}]", flags.join(",")));
        for n in 0..MOST {
            assert!(rules.part(&format!("flag-{n}")).expect("a part").is_some());
        }
        assert!(rules.part("flag-0").expect("a part").is_some());
        rules.part(&format!("flag-{MOST}")).expect_err("the whole is less work");
        // A part that is nearly everything is not read as one.
        let rules = remember(r#"[{"key": "one"}]"#);
        rules.parts.lock().expect("a lock").allowed = 4;
        rules.part("one").expect_err("the whole is less work");
    }
}
