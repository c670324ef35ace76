//! Builds the client that the commands share, from options and environment variables.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs};

use phaseflag::{ClientBuilder, Error, PhaseFlagClient};

use crate::args::{Arguments, OptionSpec};
use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::output;

/// The option that selects an environment.
pub(crate) const ENVIRONMENT: OptionSpec = OptionSpec::with_value(
    "--environment",
    "NAME",
    "ignore flags of other environments; overrides PHASEFLAG_ENVIRONMENT",
);

/// The options of each command that needs rules.
pub(crate) const OPTIONS: [OptionSpec; 9] = [
    OptionSpec::with_value("--base-url", "URL", "the service; overrides PHASEFLAG_BASE_URL"),
    OptionSpec::with_value(
        "--api-key",
        "KEY",
        "its API key; prefer PHASEFLAG_API_KEY: arguments are visible to others",
    ),
    OptionSpec::with_value(
        "--ca",
        "FILE",
        "trust these root certificates, in PEM; overrides SSL_CERT_FILE",
    ),
    OptionSpec::with_value("--bootstrap", "FILE", "a file of rules; overrides PHASEFLAG_BOOTSTRAP")
        .short('b'),
    ENVIRONMENT,
    OptionSpec::with_value(
        "--timeout",
        "SECONDS",
        "how long to wait for the service or a pipe; not 0 [default: 10]",
    ),
    OptionSpec::with_value("--max-age", "SECONDS", "use cached rules up to this age [default: 60]"),
    OptionSpec::with_value(
        "--cache-dir",
        "DIR",
        "where rules are cached [default: the cache of the user]",
    ),
    OptionSpec::switch("--no-cache", "neither read nor write the cache"),
];

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long cached rules are used without a request, since scripts run the command repeatedly.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);

/// How often `wait` checks for a failure while there are fallback rules.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The settings, from options and environment variables.
struct Settings {
    base_url: String,
    api_key: String,
    ca: Option<PathBuf>,
    bootstrap: Option<PathBuf>,
    environment: Option<String>,
    timeout: Duration,
    cache: Cache,
    max_age: Duration,
}

/// Where rules are cached between runs.
enum Cache {
    None,
    Default,
    At(PathBuf),
}

impl Settings {
    fn read(arguments: &Arguments) -> Result<Settings, Failure> {
        let bootstrap = match arguments.raw("--bootstrap") {
            Some(path) => Some(path.to_owned()),
            None => env::var_os("PHASEFLAG_BOOTSTRAP"),
        };
        let cache = match arguments.raw("--cache-dir") {
            _ if arguments.has("--no-cache") => Cache::None,
            Some(path) => Cache::At(PathBuf::from(path)),
            None => Cache::Default,
        };
        Ok(Settings {
            base_url: text(arguments, "--base-url", "PHASEFLAG_BASE_URL")?,
            api_key: text(arguments, "--api-key", "PHASEFLAG_API_KEY")?,
            ca: arguments.raw("--ca").map(PathBuf::from),
            bootstrap: bootstrap.filter(|path| !path.is_empty()).map(PathBuf::from),
            environment: environment(arguments)?,
            timeout: timeout(arguments)?,
            cache,
            max_age: arguments.seconds("--max-age")?.unwrap_or(DEFAULT_MAX_AGE),
        })
    }

    fn builder(&self) -> Result<ClientBuilder, Failure> {
        if !self.base_url.is_empty() && self.api_key.is_empty() {
            return Err(Failure::other("the API key is missing: set PHASEFLAG_API_KEY"));
        }
        let mut builder = PhaseFlagClient::builder(&self.base_url, &self.api_key)
            .request_timeout(self.timeout)
            .shutdown_timeout(Duration::ZERO)
            .cache_max_age(self.max_age);
        builder = match &self.cache {
            Cache::None => builder,
            Cache::Default => builder.cache_dir_default(),
            Cache::At(path) => builder.cache_dir(path),
        };
        if let Some(path) = &self.ca {
            let pem = fs::read(path).map_err(|error| {
                Failure::Other(format!("failed to read `{}`: {error}", path.display()))
            })?;
            builder = builder.root_certificates_pem(pem);
        }
        if let Some(name) = &self.environment {
            builder = builder.environment(name);
        }
        Ok(builder)
    }

    /// Builds the client. An error of the root certificates names their file.
    fn build(&self, builder: ClientBuilder) -> Result<PhaseFlagClient, Failure> {
        builder.build().map_err(|error| match (&error, &self.ca) {
            (
                Error::InvalidSetting { setting: "root_certificates_pem", reason, .. },
                Some(path),
            ) => Failure::Other(format!("the file `{}` of `--ca` {reason}", path.display())),
            _ => error.into(),
        })
    }
}

/// Returns a client of the service that has not been started.
///
/// # Errors
///
/// If no service is configured, or a setting is invalid.
pub(crate) fn for_service(arguments: &Arguments) -> Result<PhaseFlagClient, Failure> {
    let settings = Settings::read(arguments)?;
    if settings.base_url.is_empty() {
        return Err(Failure::other(
            "no service is configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY",
        ));
    }
    settings.build(settings.builder()?)
}

/// Returns a client with rules that does not poll for newer ones. Warns if they may be stale.
///
/// # Errors
///
/// As [`polling`].
pub(crate) fn ready(arguments: &Arguments) -> Result<PhaseFlagClient, Failure> {
    polling(arguments, Duration::ZERO)
}

/// Returns a client with rules that polls for newer ones at an interval; zero is never. Warns if
/// the rules may be stale.
///
/// # Errors
///
/// [`Failure::NoRules`] if the service sent no rules and there is no fallback; any other failure if
/// a setting or the bootstrap file is invalid.
pub(crate) fn polling(
    arguments: &Arguments,
    interval: Duration,
) -> Result<PhaseFlagClient, Failure> {
    let settings = Settings::read(arguments)?;
    if settings.base_url.is_empty() && settings.bootstrap.is_none() {
        return Err(Failure::other(
            "no rules are configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY, \
             or PHASEFLAG_BOOTSTRAP",
        ));
    }
    let mut builder = settings.builder()?.polling_interval(interval);
    let path = settings.bootstrap.as_ref();
    let (bootstrap, unusable) = match path.map(|path| Bootstrap::at(path, settings.timeout)) {
        Some(Ok(bootstrap)) => (Some(bootstrap), None),
        Some(Err(failure)) if settings.base_url.is_empty() => return Err(failure),
        // The service may still respond.
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, None),
    };
    if let Some(bootstrap) = &bootstrap {
        builder = bootstrap.add_to(builder, interval);
    }
    let client = settings.build(builder)?;
    client.start()?;
    let Err(error) = wait(&client, settings.timeout) else {
        return Ok(client);
    };
    if client.has_rules() {
        output::warn(format_args!("the rules may be stale: {}", cause(&error)));
        return Ok(client);
    }
    // An invalid file is an error with a service as well as without one.
    let fault = bootstrap.and_then(|bootstrap| bootstrap.fault()).map(Failure::from);
    match unusable.or(fault) {
        None => Err(Failure::NoRules(format!("{error:#}"))),
        Some(fault) => Err(Failure::Other(format!("{error:#}; {fault}"))),
    }
}

/// Waits for the first poll. If there are rules already, the first failure ends the wait.
fn wait(client: &PhaseFlagClient, timeout: Duration) -> Result<(), Error> {
    if !client.has_rules() {
        return client.wait_until_ready(timeout);
    }
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left = deadline
            .map_or(CHECK_INTERVAL, |deadline| deadline.saturating_duration_since(Instant::now()));
        match client.wait_until_ready(CHECK_INTERVAL.min(left)) {
            Err(Error::NotReady { cause: None, .. }) if !left.is_zero() => {}
            outcome => return outcome,
        }
    }
}

/// Returns why the service sent no rules, without the time that the client waited.
fn cause(error: &Error) -> String {
    match error {
        Error::NotReady { cause: Some(cause), .. } => format!("{cause:#}"),
        Error::NotReady { .. } => "no response yet".to_owned(),
        error => format!("{error:#}"),
    }
}

/// Returns whether a service is configured.
pub(crate) fn has_service(arguments: &Arguments) -> Result<bool, Failure> {
    Ok(!text(arguments, "--base-url", "PHASEFLAG_BASE_URL")?.is_empty())
}

/// Returns the environment whose flags are used; `None` for all.
pub(crate) fn environment(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let name = text(arguments, "--environment", "PHASEFLAG_ENVIRONMENT")?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// Returns how long a request may take.
fn timeout(arguments: &Arguments) -> Result<Duration, Failure> {
    match arguments.seconds("--timeout")? {
        Some(Duration::ZERO) => Err(arguments.usage("`--timeout` must not be 0")),
        timeout => Ok(timeout.unwrap_or(DEFAULT_TIMEOUT)),
    }
}

/// Returns a setting from an option or an environment variable; empty if neither is set.
fn text(arguments: &Arguments, option: &str, variable: &str) -> Result<String, Failure> {
    if let Some(text) = arguments.text(option)? {
        return Ok(text.to_owned());
    }
    let text = env::var_os(variable).unwrap_or_default().into_string();
    text.map_err(|_| Failure::Other(format!("the value of {variable} is not UTF-8")))
}
