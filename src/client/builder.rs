//! `ClientBuilder`: one setter for each setting of a client. The setters never fail; `build` checks.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::PhaseFlagClient;
use super::extras::{CACHING, Extras};
use super::lifecycle::Inner;
use crate::config::{Bootstrap, CacheDir, Config, Environment};
use crate::context::EvaluationContext;
use crate::error::Error;
#[cfg(feature = "http")]
use crate::rules::STREAMING;
use crate::rules::{read_variables, watch_bootstrap};
use crate::ruleset::Ruleset;

/// Builds a client from its settings.
///
/// A duration of more than ten years counts as ten years. A relative path is in the working
/// directory of the process at [`build`](ClientBuilder::build).
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    pub(super) config: Config,
    pub(super) extras: Extras,
    from_env: Option<FromEnv>,
}

/// What `builder_from_env` adds to a builder.
#[derive(Clone)]
enum FromEnv {
    /// A variable cannot be used.
    Failed(Error),
    /// Names the variable of a setting in an error.
    Read(fn(Error) -> Error),
}

impl PhaseFlagClient {
    /// Returns a builder for the service at `base_url`, which includes the version of the API, such
    /// as `https://api.phaseflag.com/api/v1`. If `base_url` is empty, the client never uses the
    /// network.
    ///
    /// `base_url` must be an `http` or `https` URL without query, fragment and credentials. With
    /// one, `api_key` must not be empty and must be valid in an HTTP header.
    #[doc(alias = "api_key")]
    #[doc(alias = "base_url")]
    pub fn builder(base_url: impl Into<String>, api_key: impl Into<String>) -> ClientBuilder {
        let config =
            Config { base_url: base_url.into(), api_key: api_key.into(), ..Config::default() };
        ClientBuilder { config, extras: Extras::default(), from_env: None }
    }

    /// Returns a builder for a client without a service: `builder("", "")`. The client never uses the
    /// network. It evaluates the rules of a bootstrap, and overrides.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let rules = r#"[{"key": "beta", "variations": [{"key": "on", "value": true}],
    ///                 "default_variation": "on"}]"#;
    /// let client = PhaseFlagClient::without_service().bootstrap_text(rules).build()?;
    /// client.start()?;
    /// assert!(client.get_boolean_value("beta", false, None));
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn without_service() -> ClientBuilder {
        PhaseFlagClient::builder("", "")
    }
}

impl ClientBuilder {
    /// Sets the environment to evaluate, such as `production`. Flags with another `environment` are
    /// ignored, whatever their source; flags without one stay. Names are compared exactly. Must not
    /// be empty.
    ///
    /// If two flags have the same key, one with the environment wins over one without; otherwise
    /// the last one wins. [`fetch_ruleset`](PhaseFlagClient::fetch_ruleset) and
    /// [`cache_dir`](ClientBuilder::cache_dir) still keep the flags of all environments.
    ///
    /// Defaults to the flags of all environments. The last of several flags with the same key wins.
    pub fn environment(mut self, name: impl Into<String>) -> ClientBuilder {
        self.config.environment = Some(Environment::new(name.into()));
        self
    }

    /// Keeps the text of each ruleset while the ruleset is in use, for programs that show what only the
    /// text has, such as the names, descriptions and tags of flags:
    /// [`Ruleset::text`](crate::Ruleset::text) returns it. The text takes memory of its own size.
    ///
    /// Defaults to `false`.
    ///
    /// ```
    /// use phaseflag::{PhaseFlagClient, Value};
    ///
    /// let client = PhaseFlagClient::without_service()
    ///     .bootstrap_text(r#"[{"key": "checkout", "name": "The new checkout"}]"#)
    ///     .keep_text(true)
    ///     .build()?;
    /// client.start()?;
    /// let ruleset = client.ruleset().unwrap_or_default();
    /// let document: Value = ruleset.text().unwrap_or_default().parse()?;
    /// assert_eq!(document[0]["name"], Value::from("The new checkout"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_text(mut self, keep: bool) -> ClientBuilder {
        self.config.keep_text = keep.then_some(Ruleset::with_text);
        self
    }

    /// Sets the time between two polls. Zero polls until the client has accepted one ruleset, and
    /// then stops. Otherwise it must be at least 10 ms; below 1 s, `start` logs a warning with the
    /// number of requests per minute.
    ///
    /// Defaults to 30 s.
    pub fn polling_interval(mut self, interval: Duration) -> ClientBuilder {
        self.config.polling_interval = interval;
        self
    }

    /// Sets whether the client listens to the event stream of the service, so that a change is in
    /// force within seconds: each event hastens the next poll. Polls are made at the interval, too,
    /// so the [`polling_interval`](ClientBuilder::polling_interval) must not be zero.
    ///
    /// An event causes a poll at a random time within half a second, and another one 2 s later if
    /// that brought nothing new, but at most one poll a second. A stream that ends, cannot be opened
    /// or is silent for 75 s is opened again, with delays that grow up to a minute; if the service has
    /// too many streams or none, after five to six minutes. The service announces no change of a
    /// segment.
    ///
    /// The stream takes a thread and a connection, which count towards the limits of the service:
    /// see [fleets](crate::guide::fleets). A client without a service has no stream.
    ///
    /// Defaults to `false`.
    pub fn streaming(mut self, stream: bool) -> ClientBuilder {
        self.config.streaming = stream;
        #[cfg(feature = "http")]
        {
            self.extras.streaming = stream.then_some(STREAMING);
        }
        self
    }

    /// Sets a file with the rules that the client serves until the service responds. Replaces a
    /// [`bootstrap_text`](ClientBuilder::bootstrap_text). Must be a regular file or a link to one:
    /// a pipe or a device is refused, since reading it may never end. The path must not be empty.
    ///
    /// Defaults to no bootstrap.
    pub fn bootstrap_file(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        let path = path.into();
        let given = path.display().to_string();
        self.config.bootstrap = Some(Bootstrap::File { path, given });
        self
    }

    /// Sets how often the client checks the bootstrap file for changes. Must be at least 10 ms, and
    /// needs a [`bootstrap_file`](ClientBuilder::bootstrap_file).
    ///
    /// Rules that are complete and valid come into force, and listeners are called; otherwise the
    /// old rules stay. An empty list of flags is valid. If the file does not exist yet, `start`
    /// succeeds. The client stops checking when the service has sent rules.
    ///
    /// Defaults to reading the file once, in `start`.
    pub fn bootstrap_watch(mut self, interval: Duration) -> ClientBuilder {
        self.config.bootstrap_watch = Some(interval);
        self.extras.watch = Some(watch_bootstrap);
        self
    }

    /// Sets the text of the rules that the client serves until the service responds. Replaces a
    /// [`bootstrap_file`](ClientBuilder::bootstrap_file).
    ///
    /// Defaults to no bootstrap.
    #[doc(alias = "bootstrap_data")]
    pub fn bootstrap_text(mut self, text: impl Into<String>) -> ClientBuilder {
        self.config.bootstrap = Some(Bootstrap::Text(text.into()));
        self
    }

    /// Sets a URL to fetch rules from if the service does not respond and the client has no rules.
    /// A URL that begins with `/` is on the host of `base_url`. The key is sent only to that host.
    ///
    /// Needs a `base_url`. Must be an `http` or `https` URL without query, fragment and
    /// credentials.
    ///
    /// Defaults to no URL.
    pub fn bootstrap_url(mut self, url: impl Into<String>) -> ClientBuilder {
        self.config.bootstrap_url = Some(url.into());
        self
    }

    /// Sets a folder where the client keeps the last ruleset of the service. The next start serves
    /// it at once, instead of a bootstrap. The path must not be empty; the folder is created if it
    /// does not exist.
    ///
    /// Processes with the same folder, service and key share their polls. A poll makes no request if
    /// another process has fetched or confirmed the rules within `polling_interval`, also in an
    /// earlier run, and two processes do not request them at once. A
    /// [`refresh`](PhaseFlagClient::refresh) always makes a request. The folder must be on a disk of
    /// the machine.
    ///
    /// There is one file of rules for each service and key, an empty file to lock, and one for the
    /// paths of a service that does not have the usual ones. They do not contain the key; on Unix,
    /// only their owner can read them. They are replaced as a whole; one that cannot be replaced,
    /// such as a mounted file, is overwritten. A failure to read, write or lock them is logged once
    /// and has no other effect: each process then polls by itself. A client without a service keeps
    /// nothing.
    ///
    /// Defaults to keeping nothing.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.config.cache_dir = Some(CacheDir::Path(path.into()));
        self.extras.cache = Some(CACHING);
        self
    }

    /// Sets the [`cache_dir`](ClientBuilder::cache_dir) to `phaseflag` in the platform's folder for
    /// caches: `$XDG_CACHE_HOME` or else `$HOME/.cache`; `$HOME/Library/Caches` on Apple systems;
    /// `%LOCALAPPDATA%` on Windows.
    pub fn cache_dir_default(mut self) -> ClientBuilder {
        self.config.cache_dir = Some(CacheDir::Platform);
        self.extras.cache = Some(CACHING);
        self
    }

    /// Sets the age up to which a cached ruleset counts as fresh, measured from the last time that
    /// the service confirmed it. With a fresh one the client is ready at once and makes no request
    /// until the next poll is due, or none at all if `polling_interval` is zero. An older one is
    /// served while the client requests a new one.
    ///
    /// Defaults to zero: every start polls. The poll makes no request if the rules are younger than
    /// `polling_interval`.
    pub fn cache_max_age(mut self, age: Duration) -> ClientBuilder {
        self.config.cache_max_age = age;
        self
    }

    /// Sets whether the client is ready without the service: with a cached ruleset of any age, with
    /// a bootstrap, or when every source of rules has failed. The client still polls.
    ///
    /// Defaults to `false`.
    pub fn offline_mode(mut self, offline: bool) -> ClientBuilder {
        self.config.offline_mode = offline;
        self
    }

    /// Sets the longest time that one request takes, from name resolution to the last byte. Must
    /// not be zero.
    ///
    /// At most 4 s of it, or a third if that is longer, are for the connection, with its proxy
    /// and TLS. If the name has several addresses, each gets a share of this time, and the first
    /// one the largest: of two addresses, the second is tried after 2.7 s.
    ///
    /// Defaults to 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.config.request_timeout = timeout;
        self
    }

    /// Sets the longest time that [`stop`](PhaseFlagClient::stop), or dropping the last handle,
    /// spends on delivering events. Failed requests are retried within this time, unless the
    /// service refuses the key.
    ///
    /// Defaults to 5 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// Sets the context for calls that pass none. It is not merged with a context that is passed.
    ///
    /// Defaults to an empty context.
    pub fn default_context(mut self, context: EvaluationContext) -> ClientBuilder {
        self.config.default_context = Some(Arc::new(context));
        self
    }

    /// Sets whether polls send the `ETag` of the last ruleset, so that the service can respond that
    /// nothing has changed.
    ///
    /// Defaults to `true` if the ruleset's `version` is a number. Services that send a string
    /// derive their `ETag` from the flags' ids alone, which would hide a changed rule.
    pub fn conditional_fetch(mut self, conditional: bool) -> ClientBuilder {
        self.config.conditional_fetch = Some(conditional);
        self
    }

    /// Sets the largest accepted size of a response body, after decompression, and of a bootstrap
    /// file, in bytes. Must not be zero.
    ///
    /// Defaults to 64 MiB.
    pub fn max_body_size(mut self, bytes: usize) -> ClientBuilder {
        self.config.max_body_size = bytes;
        self
    }

    /// Sets the HTTP proxy for every request, such as `http://user:pass@proxy:3128`. Must be the
    /// URL of an HTTP or HTTPS proxy. It must permit tunnels (`CONNECT`) to the host and port of
    /// the service, also for `http://`.
    ///
    /// Defaults to the first of `ALL_PROXY`, `all_proxy`, `HTTPS_PROXY`, `https_proxy`,
    /// `HTTP_PROXY` and `http_proxy` that is set and not empty, whatever the scheme of the request.
    /// A variable with the URL of a SOCKS proxy is passed over if a later one names an HTTP proxy;
    /// otherwise a variable that does not hold the URL of a supported proxy is an error. The
    /// hosts in `no_proxy`, or else `NO_PROXY`, are reached directly, by the rules of curl 8; a
    /// proxy that is set here is used for all hosts.
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.config.proxy = Some(url.into());
        self
    }

    /// Sets the root certificates to trust, in PEM, instead of the built-in ones. Must hold at
    /// least one certificate. Text between certificates and a byte-order mark are skipped. A
    /// `TRUSTED CERTIFICATE` of OpenSSL is used if its settings permit servers.
    ///
    /// A server's own certificate can be its root. rustls refuses one that is marked as a CA, which
    /// `openssl req -x509` does unless it gets `-addext basicConstraints=critical,CA:FALSE`.
    ///
    /// Defaults to the file that the environment variable `SSL_CERT_FILE` names, if a URL or the
    /// proxy needs TLS, and else to Mozilla's root certificates.
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> ClientBuilder {
        self.config.root_certificates_pem = Some(pem.into());
        self
    }

    /// Sets whether environment variables override flags: `PHASEFLAG_FLAG_` and the key, with ASCII
    /// letters in upper case, and `_` for each character but ASCII letters and digits. So
    /// `PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW=true` overrides `new-checkout-flow`.
    ///
    /// A value is JSON, or else a text: `true`, `20`, `dark`, `{"max": 3}`. If the type of the flag
    /// is `string`, the value is always the text as it stands, such as `1.10`; before the client has
    /// rules, it cannot know the type. An empty value is an empty text. The type of the value decides
    /// which getters serve it, as for [`set_override`](PhaseFlagClient::set_override), which takes
    /// precedence: clearing that override uncovers the one from the environment.
    ///
    /// The environment is read once, by [`build`](ClientBuilder::build). Overrides work for flags
    /// that are not in the rules, too, except that
    /// [`evaluate_all`](PhaseFlagClient::evaluate_all) cannot know their keys. They have the reason
    /// `override`, and do not change what prerequisites see.
    ///
    /// When the client gets rules, it logs each variable that matches no flag, that overrides several
    /// flags, or whose value is of another type than all values of the flag, once. The rules of a
    /// bootstrap or an old cache may lack new flags, so a variable that matches no flag is logged only
    /// when the client is ready. It never logs a value. See [`unmatched_variables`](PhaseFlagClient::unmatched_variables).
    ///
    /// Defaults to ignoring these variables.
    pub fn override_from_env(mut self) -> ClientBuilder {
        self.extras.variables = Some(read_variables);
        self
    }

    /// Makes `build` fail.
    pub(super) fn failing(mut self, fault: Error) -> ClientBuilder {
        self.from_env = Some(FromEnv::Failed(fault));
        self
    }

    /// Passes an error of `build` to a function.
    pub(super) fn naming_errors(mut self, name: fn(Error) -> Error) -> ClientBuilder {
        self.from_env = Some(FromEnv::Read(name));
        self
    }

    /// Checks the settings and returns a client. Uses no network, reads no file except that of
    /// `SSL_CERT_FILE`, and starts no thread.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidSetting`], which names the setting and the reason, if a setting is
    /// not what its setter accepts, or needs a feature that the crate was built without; or if an
    /// environment variable is malformed.
    pub fn build(self) -> Result<PhaseFlagClient, Error> {
        let name_variable = match self.from_env {
            None => None,
            Some(FromEnv::Failed(fault)) => return Err(fault),
            Some(FromEnv::Read(name)) => Some(name),
        };
        let inner = self.config.check().and_then(|config| Inner::new(config, self.extras));
        match (inner, name_variable) {
            (Ok(inner), _) => Ok(PhaseFlagClient::new(inner)),
            (Err(error), Some(name)) => Err(name(error)),
            (Err(error), None) => Err(error),
        }
    }
}

/// Shows the settings that cannot hold a secret.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ClientBuilder");
        self.config.show(&mut text);
        text.finish_non_exhaustive()
    }
}
