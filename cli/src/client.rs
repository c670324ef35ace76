//! Builds the client that the commands share, from options and environment variables.

use std::path::PathBuf;
use std::time::Duration;

use phaseflag::{ClientBuilder, EnvSettings, Error, EvaluationResult, PhaseFlagClient};

use crate::args::{Arguments, OptionSpec};
use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::waiting::Wait;
use crate::{document, input, output};

/// The option that selects an environment.
pub(crate) const ENVIRONMENT: OptionSpec = OptionSpec::with_value(
    "--environment",
    "NAME",
    "ignore flags of other environments; overrides PHASEFLAG_ENVIRONMENT",
);

/// The options of each command that needs rules.
pub(crate) const OPTIONS: [OptionSpec; 10] = [
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
    OptionSpec::with_value(
        "--bootstrap",
        "FILE",
        "a file of rules, or `-` for standard input; overrides PHASEFLAG_BOOTSTRAP",
    )
    .short('b'),
    ENVIRONMENT,
    OptionSpec::with_value(
        "--timeout",
        "SECONDS",
        "how long to wait for the service or a pipe; not 0 [default: 10]",
    ),
    OptionSpec::switch(
        "--wait",
        "wait until then, also if the service cannot be reached or responds with an error",
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

/// The size limit of the file of `--ca`, in bytes.
const MAX_CERTIFICATES: u64 = 64 * 1024 * 1024;

/// How long cached rules are used without a request, since scripts run the command repeatedly.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);

/// The settings, from options and environment variables.
struct Settings {
    base_url: Setting,
    api_key: Setting,
    ca: Option<PathBuf>,
    bootstrap: Option<PathBuf>,
    environment: Option<String>,
    offline: bool,
    timeout: Duration,
    /// Whether to wait for the service although it fails.
    wait: bool,
    cache: Cache,
    max_age: Duration,
}

/// A text, and the option or the variable that it comes from.
struct Setting {
    text: String,
    source: &'static str,
}

/// The start of each API key. An error must not repeat one.
const KEY_PREFIX: &str = "sdk-";

impl Setting {
    /// Returns the error for a URL that is invalid for a reason: what was given, and what was meant if
    /// only the scheme is missing.
    fn invalid_url(&self, reason: &str) -> String {
        let Setting { text, source } = self;
        if text.starts_with(KEY_PREFIX) {
            return format!("`{source}` {reason}, but probably an API key");
        }
        // It may hold a password, or a key in its query.
        if reason.contains(text) || text.contains(['@', '?', '#']) {
            return format!("`{source}` {reason}");
        }
        let host = text.split(['/', ':']).next().unwrap_or_default();
        if text.contains("://") || host.is_empty() || text.contains(char::is_whitespace) {
            return format!("`{source}` {reason}: `{text}`");
        }
        let scheme = if matches!(host, "localhost" | "127.0.0.1") { "http" } else { "https" };
        format!(
            "`{source}` must begin with http:// or https://, not `{text}`: \
             did you mean `{scheme}://{text}`?"
        )
    }
}

/// Where rules are cached between runs.
enum Cache {
    None,
    Default,
    At(PathBuf),
}

impl Settings {
    fn read(arguments: &Arguments) -> Result<Settings, Failure> {
        let from_env = from_env()?;
        let bootstrap = match arguments.raw("--bootstrap") {
            Some(path) => Some(PathBuf::from(path)),
            None => from_env.bootstrap,
        };
        let cache = match arguments.raw("--cache-dir") {
            _ if arguments.has("--no-cache") => Cache::None,
            Some(path) => Cache::At(PathBuf::from(path)),
            None => Cache::Default,
        };
        Ok(Settings {
            base_url: setting(arguments, "--base-url", "PHASEFLAG_BASE_URL", from_env.base_url)?,
            api_key: setting(arguments, "--api-key", "PHASEFLAG_API_KEY", from_env.api_key)?,
            ca: arguments.raw("--ca").map(PathBuf::from),
            bootstrap: bootstrap.filter(|path| !path.as_os_str().is_empty()),
            environment: environment(arguments)?,
            offline: from_env.offline,
            timeout: timeout(arguments)?,
            wait: arguments.has("--wait"),
            cache,
            max_age: arguments.seconds("--max-age")?.unwrap_or(DEFAULT_MAX_AGE),
        })
    }

    fn builder(&self) -> Result<ClientBuilder, Failure> {
        if !self.base_url.text.is_empty() && self.api_key.text.is_empty() {
            return Err(Failure::other("the API key is missing: set PHASEFLAG_API_KEY"));
        }
        let mut builder = PhaseFlagClient::builder(&self.base_url.text, &self.api_key.text)
            .request_timeout(self.timeout)
            .shutdown_timeout(Duration::ZERO)
            .offline_mode(self.offline)
            .keep_text(true)
            .cache_max_age(self.max_age);
        builder = match &self.cache {
            Cache::None => builder,
            Cache::Default => builder.cache_dir_default(),
            Cache::At(path) => builder.cache_dir(path),
        };
        if let Some(path) = &self.ca {
            let failed = |reason: String| {
                Failure::Other(format!("failed to read `{}`: {reason}", path.display()))
            };
            let pem = input::read_within(self.timeout, path, MAX_CERTIFICATES, failed)?;
            builder = builder.root_certificates_pem(pem);
        }
        if let Some(name) = &self.environment {
            builder = builder.environment(name);
        }
        Ok(builder)
    }

    /// Builds the client. An error names the option or the variable.
    fn build(&self, builder: ClientBuilder) -> Result<PhaseFlagClient, Failure> {
        builder.build().map_err(|error| {
            let Error::InvalidSetting { setting, reason, .. } = &error else { return error.into() };
            match (*setting, &self.ca) {
                ("base_url", _) => Failure::Other(self.base_url.invalid_url(reason)),
                ("api_key", _) => Failure::Other(format!("`{}` {reason}", self.api_key.source)),
                ("cache_dir", _) => Failure::Other(format!("`--cache-dir` {reason}")),
                ("root_certificates_pem", Some(path)) => {
                    Failure::Other(format!("the file `{}` of `--ca` {reason}", path.display()))
                }
                _ => error.into(),
            }
        })
    }

    fn wait(&self) -> Wait<'_> {
        Wait { base_url: &self.base_url.text, timeout: self.timeout, on: self.wait }
    }
}

/// Fetches the ruleset from the service.
///
/// # Errors
///
/// If no service is configured, a setting is invalid, or the service sends no rules.
pub(crate) fn fetch(arguments: &Arguments) -> Result<String, Failure> {
    let settings = Settings::read(arguments)?;
    if settings.base_url.text.is_empty() {
        return Err(Failure::other(
            "no service is configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY",
        ));
    }
    let client = settings.build(settings.builder()?)?;
    Ok(settings.wait().fetch(&client)?)
}

/// Returns a client with rules that does not poll for newer ones. Warns if they may be stale. Flags
/// are overridden by environment variables.
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
    if settings.base_url.text.is_empty() && settings.bootstrap.is_none() {
        return Err(Failure::other(
            "no rules are configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY, \
             or PHASEFLAG_BOOTSTRAP or `--bootstrap FILE`",
        ));
    }
    let mut builder = settings.builder()?.polling_interval(interval).override_from_env();
    let path = settings.bootstrap.as_ref();
    let (bootstrap, unusable) = match path.map(|path| Bootstrap::at(path, settings.timeout)) {
        Some(Ok(bootstrap)) => (Some(bootstrap), None),
        Some(Err(failure)) if settings.base_url.text.is_empty() => return Err(failure),
        // The service may still respond.
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, None),
    };
    if let Some(bootstrap) = &bootstrap {
        builder = bootstrap.add_to(builder, interval);
    }
    let client = settings.build(builder)?;
    client.start()?;
    let wait = settings.wait();
    let waited = match wait.until_ready(&client) {
        // In offline mode, the client is also ready if every source of rules has failed.
        Ok(()) if settings.offline && !settings.base_url.text.is_empty() && !client.has_rules() => {
            client.last_failure().map_or(Ok(()), Err)
        }
        waited => waited,
    };
    if let Err(error) = &waited
        && client.has_rules()
    {
        output::warn(format_args!("the rules may be stale: {}", wait.reason(error)));
    }
    for name in client.unmatched_variables() {
        output::warn(format_args!("the environment variable `{name}` matches no flag"));
    }
    if let (Some(name), Some(rules)) = (&settings.environment, client.ruleset())
        && rules.flags().all(|flag| flag.environment() != Some(name))
    {
        document::warn_of_environment(&document::of(&rules), name, "the rules");
    }
    let error = match waited {
        Err(error) if !client.has_rules() => error,
        _ => return Ok(client),
    };
    let reason = match error {
        Error::KeyRefused { .. } => "key_refused",
        _ => "not_ready",
    };
    let failure = wait.failure(&error);
    // An invalid file is an error with a service as well as without one.
    let fault = bootstrap.and_then(|bootstrap| bootstrap.fault()).map(Failure::from);
    match unusable.or(fault) {
        None => Err(Failure::NoRules { message: failure, reason }),
        Some(fault) => Err(Failure::Other(format!("{failure}; {fault}"))),
    }
}

/// Returns whether a service is configured.
pub(crate) fn has_service(arguments: &Arguments) -> Result<bool, Failure> {
    Ok(!arguments.text("--base-url")?.map_or(from_env()?.base_url, str::to_owned).is_empty())
}

/// Returns the environment whose flags are used; `None` for all.
pub(crate) fn environment(arguments: &Arguments) -> Result<Option<String>, Failure> {
    match arguments.text("--environment")? {
        Some(name) => Ok(Some(name.to_owned()).filter(|name| !name.is_empty())),
        None => Ok(from_env()?.environment),
    }
}

/// Returns the result of a flag that an environment variable overrides, if there are no rules. The
/// failure is then a warning. A value that is JSON counts as JSON, whatever the type of the flag.
///
/// # Errors
///
/// The failure, if it is another one or if the flag is not overridden.
pub(crate) fn overridden_without_rules(
    key: &str,
    failure: Failure,
) -> Result<EvaluationResult, Failure> {
    let Failure::NoRules { message, .. } = &failure else { return Err(failure) };
    let client = PhaseFlagClient::without_service().override_from_env().build()?;
    let Some(result) = client.get_variation(key, None) else { return Err(failure) };
    output::warn(message);
    Ok(result)
}

/// Returns how long a request may take.
fn timeout(arguments: &Arguments) -> Result<Duration, Failure> {
    match arguments.seconds("--timeout")? {
        Some(Duration::ZERO) => Err(arguments.usage("`--timeout` must not be 0")),
        timeout => Ok(timeout.unwrap_or(DEFAULT_TIMEOUT)),
    }
}

/// Returns the settings in environment variables.
fn from_env() -> Result<EnvSettings, Failure> {
    EnvSettings::read().map_err(|error| match error {
        Error::InvalidSetting { setting, reason, .. } => {
            Failure::Other(format!("the value of {setting} {reason}"))
        }
        error => error.into(),
    })
}

/// Returns a setting from an option, or else from an environment variable.
fn setting(
    arguments: &Arguments,
    option: &'static str,
    variable: &'static str,
    from_env: String,
) -> Result<Setting, Failure> {
    Ok(match arguments.text(option)? {
        Some(text) => Setting { text: text.to_owned(), source: option },
        None => Setting { text: from_env, source: variable },
    })
}
