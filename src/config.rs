//! The settings of a client: their defaults and checks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::context::EvaluationContext;
use crate::error::Error;
use crate::ruleset::{Ruleset, RulesetError};

/// The maximum of each duration, so that adding one to the time cannot overflow.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The minimum of an interval other than zero. A smaller one is most likely a mistaken unit.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// Declares `Config`: each setting with its type and default. A setting that cannot hold a secret
/// is `shown` by `Debug`.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr $(, $shown:ident)?;)*) => {
        /// The settings of a client.
        #[derive(Clone)]
        pub(crate) struct Config {
            $($(#[$doc])* pub(crate) $name: $type,)*
        }

        impl Default for Config {
            fn default() -> Config {
                Config { $($name: $default,)* }
            }
        }

        impl Config {
            /// Adds the settings that are `shown` to a `Debug` text.
            pub(crate) fn show(&self, text: &mut fmt::DebugStruct<'_, '_>) {
                $($(let $shown = stringify!($name); text.field($shown, &self.$name);)?)*
            }
        }
    };
}

settings! {
    /// Empty for a client without a service.
    base_url: String = String::new();
    api_key: String = String::new();
    /// `None` for the flags of all environments.
    environment: Option<Environment> = None, shown;
    polling_interval: Duration = Duration::from_secs(30), shown;
    streaming: bool = false, shown;
    event_flush_interval: Duration = Duration::from_secs(30), shown;
    event_batch_size: usize = 100, shown;
    event_queue_capacity: usize = 10_000, shown;
    event_spool: Option<PathBuf> = None;
    event_spool_size: usize = 8 * 1024 * 1024, shown;
    offline_mode: bool = false, shown;
    bootstrap: Option<Bootstrap> = None;
    bootstrap_watch: Option<Duration> = None, shown;
    bootstrap_url: Option<String> = None;
    cache_dir: Option<CacheDir> = None;
    cache_max_age: Duration = Duration::ZERO, shown;
    request_timeout: Duration = Duration::from_secs(10), shown;
    shutdown_timeout: Duration = Duration::from_secs(5), shown;
    default_context: Option<Arc<EvaluationContext>> = None;
    /// `None` to decide by the version of each ruleset.
    conditional_fetch: Option<bool> = None, shown;
    max_body_size: usize = 64 * 1024 * 1024, shown;
    proxy: Option<String> = None;
    root_certificates_pem: Option<Vec<u8>> = None;
    keep_text: Option<KeepText> = None;
}

/// Adds its text to a ruleset. Only the setting refers to the function, so that a program without it
/// does not contain the code.
pub(crate) type KeepText = fn(Ruleset, &[u8]) -> Ruleset;

/// The environment whose flags are used. It holds its parser as a function pointer, so that the
/// linker drops the parser from programs without this setting.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) name: Arc<str>,
    parse: fn(&[u8], &str) -> Result<Ruleset, RulesetError>,
}

impl Environment {
    pub(crate) fn new(name: String) -> Environment {
        Environment { name: name.into(), parse: |bytes, name| Ruleset::parse_for(bytes, name) }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

/// Parses rulesets, whatever their source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parser {
    environment: Option<Environment>,
    keep_text: Option<KeepText>,
}

impl Parser {
    /// Parses the flags of the environment, or all flags.
    pub(crate) fn parse(&self, bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        let ruleset = match &self.environment {
            Some(environment) => (environment.parse)(bytes, &environment.name)?,
            None => Ruleset::parse_bytes(bytes)?,
        };
        Ok(match self.keep_text {
            Some(keep) => keep(ruleset, bytes),
            None => ruleset,
        })
    }

    /// Returns the environment whose flags are used, or `None` for all.
    pub(crate) fn environment(&self) -> Option<&Arc<str>> {
        self.environment.as_ref().map(|environment| &environment.name)
    }
}

/// The rules to use until the service responds.
#[derive(Clone)]
pub(crate) enum Bootstrap {
    File {
        path: PathBuf,
        /// The path before `check`, for messages.
        given: String,
    },
    Text(String),
}

/// The folder where rulesets are cached.
#[derive(Clone)]
pub(crate) enum CacheDir {
    Path(PathBuf),
    /// The platform's folder for caches.
    Platform,
}

impl Config {
    /// Returns the parser of rulesets for these settings.
    pub(crate) fn parser(&self) -> Parser {
        Parser { environment: self.environment.clone(), keep_text: self.keep_text }
    }

    /// Returns whether the client has a service.
    pub(crate) fn has_service(&self) -> bool {
        !self.base_url.is_empty()
    }

    /// Returns how long the next response to a poll may take, with room for two requests and for
    /// jitter, or, without a service, the next check of a watched file; `None` if there is neither.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let interval = match self.has_service() {
            true => Some(self.polling_interval).filter(|interval| !interval.is_zero()),
            false => self.bootstrap_watch,
        };
        Some(interval?.saturating_add(self.request_timeout).saturating_mul(2))
    }

    /// Checks the settings without the network, resolves the paths, and limits the durations.
    pub(crate) fn check(mut self) -> Result<Config, Error> {
        if self.environment.as_ref().is_some_and(|environment| environment.name.is_empty()) {
            return Err(Error::setting("environment", "must not be empty"));
        }
        if self.request_timeout.is_zero() {
            return Err(Error::setting("request_timeout", "must not be zero"));
        }
        if self.max_body_size == 0 {
            return Err(Error::setting("max_body_size", "must not be zero"));
        }
        if !self.polling_interval.is_zero() && self.polling_interval < MIN_INTERVAL {
            let reason = format!(
                "must be zero or at least {MIN_INTERVAL:?}, not {:?}",
                self.polling_interval
            );
            return Err(Error::setting("polling_interval", reason));
        }
        if self.streaming && self.polling_interval.is_zero() {
            return Err(Error::setting("streaming", "needs a `polling_interval` that is not zero"));
        }
        if self.event_flush_interval.is_zero() {
            return Err(Error::setting("event_flush_interval", "must not be zero"));
        }
        if self.event_queue_capacity == 0 {
            return Err(Error::setting("event_queue_capacity", "must not be zero"));
        }
        if self.event_batch_size == 0 {
            return Err(Error::setting("event_batch_size", "must not be zero"));
        }
        if self.event_batch_size > self.event_queue_capacity {
            let reason = format!(
                "must not be larger than `event_queue_capacity`, which is {}",
                self.event_queue_capacity
            );
            return Err(Error::setting("event_batch_size", reason));
        }
        self.resolve_paths()?;
        if self.event_spool_size == 0 {
            return Err(Error::setting("event_spool_size", "must not be zero"));
        }
        if self.bootstrap_watch.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::setting("bootstrap_watch", "must not be zero"));
        }
        if let Some(interval) = self.bootstrap_watch.filter(|interval| *interval < MIN_INTERVAL) {
            let reason = format!("must be at least {MIN_INTERVAL:?}, not {interval:?}");
            return Err(Error::setting("bootstrap_watch", reason));
        }
        if self.bootstrap_watch.is_some() && !matches!(self.bootstrap, Some(Bootstrap::File { .. }))
        {
            return Err(Error::setting("bootstrap_watch", "needs a `bootstrap_file`"));
        }
        if self.bootstrap_url.is_some() && !self.has_service() {
            return Err(Error::setting("bootstrap_url", "needs a `base_url`"));
        }
        if self.api_key.is_empty() && self.has_service() {
            return Err(Error::setting("api_key", "must not be empty"));
        }
        self.bootstrap_watch = self.bootstrap_watch.map(|interval| TEN_YEARS.min(interval));
        for duration in [
            &mut self.polling_interval,
            &mut self.event_flush_interval,
            &mut self.request_timeout,
            &mut self.shutdown_timeout,
        ] {
            *duration = TEN_YEARS.min(*duration);
        }
        Ok(self)
    }

    /// Makes each path absolute: the program may change its working directory before the start.
    fn resolve_paths(&mut self) -> Result<(), Error> {
        if let Some(Bootstrap::File { path, .. }) = &mut self.bootstrap {
            resolve("bootstrap_file", path)?;
        }
        if let Some(path) = &mut self.event_spool {
            resolve("event_spool", path)?;
        }
        if let Some(CacheDir::Path(path)) = &mut self.cache_dir {
            resolve("cache_dir", path)?;
        }
        Ok(())
    }
}

fn resolve(setting: &'static str, path: &mut PathBuf) -> Result<(), Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::setting(setting, "must not be empty"));
    }
    // Without a working directory, such as a deleted one, a relative path names no file.
    if let Ok(absolute) = absolute(path) {
        *path = absolute;
    }
    Ok(())
}

#[cfg(unix)]
fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    // A kilobyte smaller than the function of the standard library.
    std::env::current_dir().map(|folder| folder.join(path))
}

#[cfg(not(unix))]
fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}
