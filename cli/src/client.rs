//! The client that the commands share: its settings, and rules to answer from.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, Error, PhaseFlagClient};

use crate::args::{Arguments, Choice};
use crate::failure::Failure;
use crate::output;

/// The option of every command that reads rules.
pub(crate) const ENVIRONMENT: Choice = Choice::with(
    "--environment",
    "NAME",
    "flags of other environments do not count, instead of PHASEFLAG_ENVIRONMENT",
);

/// The options of every command that needs rules.
pub(crate) const OPTIONS: [Choice; 8] = [
    Choice::with("--base-url", "URL", "the service, instead of PHASEFLAG_BASE_URL"),
    Choice::with(
        "--api-key",
        "KEY",
        "its key; better set PHASEFLAG_API_KEY, since others may see arguments",
    ),
    Choice::with("--bootstrap", "FILE", "rules from a file, instead of PHASEFLAG_BOOTSTRAP"),
    ENVIRONMENT,
    Choice::with("--timeout", "SECONDS", "how long to wait for the service, more than 0 (10)"),
    Choice::with("--max-age", "SECONDS", "how old remembered rules may be without asking it (60)"),
    Choice::with(
        "--cache-dir",
        "DIR",
        "where rules are remembered, instead of the user's own place",
    ),
    Choice::switch("--no-cache", "remembers no rules, and uses none that were remembered"),
];

const TIMEOUT: Duration = Duration::from_secs(10);

/// How long remembered rules are as good as those of the service: scripts ask again and again.
const MAX_AGE: Duration = Duration::from_secs(60);

/// How often a failure is looked for while there are rules that could stand in.
const GLANCE: Duration = Duration::from_millis(10);

/// What the options and the environment say of the service.
struct Settings {
    base_url: String,
    api_key: String,
    bootstrap: Option<PathBuf>,
    environment: Option<String>,
    timeout: Duration,
    cache: Cache,
    max_age: Duration,
}

/// Where rules are remembered from one run to the next.
enum Cache {
    None,
    OfUser,
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
            None => Cache::OfUser,
        };
        Ok(Settings {
            base_url: text(arguments, "--base-url", "PHASEFLAG_BASE_URL")?,
            api_key: text(arguments, "--api-key", "PHASEFLAG_API_KEY")?,
            bootstrap: bootstrap.filter(|path| !path.is_empty()).map(PathBuf::from),
            environment: environment(arguments)?,
            timeout: timeout(arguments)?,
            cache,
            max_age: arguments.seconds("--max-age")?.unwrap_or(MAX_AGE),
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
            Cache::OfUser => builder.cache_dir_default(),
            Cache::At(path) => builder.cache_dir(path),
        };
        if let Some(path) = &self.bootstrap {
            builder = builder.bootstrap_file(path);
        }
        if let Some(name) = &self.environment {
            builder = builder.environment(name);
        }
        Ok(builder)
    }
}

/// Returns a client that talks to the service, and has not been started.
pub(crate) fn of_service(arguments: &Arguments) -> Result<PhaseFlagClient, Failure> {
    let settings = Settings::read(arguments)?;
    if settings.base_url.is_empty() {
        return Err(Failure::other(
            "there is no service to ask: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY",
        ));
    }
    Ok(settings.builder()?.build()?)
}

/// Returns a client that has rules, and asks for no newer ones. Where they may be old, says so.
pub(crate) fn ready(arguments: &Arguments) -> Result<PhaseFlagClient, Failure> {
    watching(arguments, Duration::ZERO)
}

/// Returns a client that has rules, and looks for newer ones at an interval; zero is never. Where
/// they may be old, says so.
pub(crate) fn watching(
    arguments: &Arguments,
    interval: Duration,
) -> Result<PhaseFlagClient, Failure> {
    let settings = Settings::read(arguments)?;
    if settings.base_url.is_empty() && settings.bootstrap.is_none() {
        return Err(Failure::other(
            "there are no rules to read: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY, \
             or PHASEFLAG_BOOTSTRAP",
        ));
    }
    let mut builder = settings.builder()?.polling_interval(interval);
    if !interval.is_zero() && settings.bootstrap.is_some() {
        builder = builder.bootstrap_watch(interval);
    }
    let client = builder.build()?;
    client.start()?;
    let Err(error) = wait(&client, settings.timeout) else {
        return Ok(client);
    };
    if client.has_rules() {
        output::warn(format_args!("the rules may be old: {}", cause(&error)));
        return Ok(client);
    }
    // A file that cannot be used is as wrong here as it is where there is no service.
    match settings.bootstrap.as_ref().map_or(Ok(()), unusable) {
        Ok(()) => Err(Failure::NoRules(format!("{error:#}"))),
        Err(unusable) => Err(Failure::Other(format!("{error:#}; {unusable:#}"))),
    }
}

/// Waits until the service has answered. Where there are rules already, its first failure ends
/// the wait.
fn wait(client: &PhaseFlagClient, timeout: Duration) -> Result<(), Error> {
    if !client.has_rules() {
        return client.wait_until_ready(timeout);
    }
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left =
            deadline.map_or(GLANCE, |deadline| deadline.saturating_duration_since(Instant::now()));
        match client.wait_until_ready(GLANCE.min(left)) {
            Err(Error::NotReady { cause: None, .. }) if !left.is_zero() => {}
            outcome => return outcome,
        }
    }
}

/// Says why there was no answer, without saying how long that was waited for.
fn cause(error: &Error) -> String {
    match error {
        Error::NotReady { cause: Some(cause), .. } => format!("{cause:#}"),
        Error::NotReady { .. } => "the service has not answered yet".to_owned(),
        error => format!("{error:#}"),
    }
}

/// Says why a bootstrap file is of no use.
fn unusable(path: &PathBuf) -> Result<(), Error> {
    PhaseFlagClient::builder("", "").bootstrap_file(path).build()?.start()
}

/// Returns the environment whose flags count; `None` for those of all.
pub(crate) fn environment(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let name = text(arguments, "--environment", "PHASEFLAG_ENVIRONMENT")?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// Returns the time that a request may take.
fn timeout(arguments: &Arguments) -> Result<Duration, Failure> {
    match arguments.seconds("--timeout")? {
        Some(Duration::ZERO) => Err(arguments.usage("`--timeout` must not be 0")),
        timeout => Ok(timeout.unwrap_or(TIMEOUT)),
    }
}

/// Reads a setting from an option, or else from the environment.
fn text(arguments: &Arguments, option: &str, variable: &str) -> Result<String, Failure> {
    if let Some(text) = arguments.text(option)? {
        return Ok(text.to_owned());
    }
    let text = env::var_os(variable).unwrap_or_default().into_string();
    text.map_err(|_| Failure::Other(format!("the value of {variable} is no text")))
}
