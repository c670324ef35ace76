//! Settings from environment variables: `builder_from_env`, and the names of the variables.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::{ClientBuilder, PhaseFlagClient};
use crate::error::Error;
use crate::log::log;
use crate::ruleset::{excerpt, variable_of};

const BASE_URL: &str = "PHASEFLAG_BASE_URL";
const API_KEY: &str = "PHASEFLAG_API_KEY";
const BOOTSTRAP: &str = "PHASEFLAG_BOOTSTRAP";
const ENVIRONMENT: &str = "PHASEFLAG_ENVIRONMENT";
const OFFLINE: &str = "PHASEFLAG_OFFLINE";

impl PhaseFlagClient {
    /// Returns a builder with the settings of these environment variables:
    ///
    /// | variable | setting |
    /// | --- | --- |
    /// | `PHASEFLAG_BASE_URL` | the URL of the service, as in [`builder`](PhaseFlagClient::builder) |
    /// | `PHASEFLAG_API_KEY` | its API key |
    /// | `PHASEFLAG_BOOTSTRAP` | the path of a [`bootstrap_file`](ClientBuilder::bootstrap_file) |
    /// | `PHASEFLAG_ENVIRONMENT` | the [`environment`](ClientBuilder::environment) |
    /// | `PHASEFLAG_OFFLINE` | the [`offline_mode`](ClientBuilder::offline_mode): `true`, `yes`, `on` or `1`; or `false`, `no`, `off` or `0`; in any case |
    ///
    /// A variable that is not set, or empty, leaves the default. So without `PHASEFLAG_BASE_URL` the
    /// client never uses the network. White space around a value is ignored, such as the end of the
    /// line of a key from a file; the path is used as it is. The setters replace what the variables
    /// set.
    ///
    /// The environment is read once, by this call. The command `phaseflag` reads the same variables.
    ///
    /// If a variable cannot be used, [`build`](ClientBuilder::build) returns
    /// [`Error::InvalidSetting`] with the name of the variable as its `setting`, even if a setter
    /// replaces the value.
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let client = PhaseFlagClient::builder_from_env().override_from_env().build()?;
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn builder_from_env() -> ClientBuilder {
        let settings = match EnvSettings::read() {
            Ok(settings) => settings,
            Err(fault) => return PhaseFlagClient::without_service().failing(fault),
        };
        if settings.base_url.is_empty()
            && !settings.api_key.is_empty()
            && settings.bootstrap.is_none()
        {
            log!(warn, "`{API_KEY}` is set, but `{BASE_URL}` is not: the client has no service");
        }
        let mut builder = PhaseFlagClient::builder(settings.base_url, settings.api_key)
            .offline_mode(settings.offline)
            .naming_errors(name_variable);
        if let Some(path) = settings.bootstrap {
            builder = builder.bootstrap_file(path);
        }
        if let Some(name) = settings.environment {
            builder = builder.environment(name);
        }
        builder
    }

    /// Returns the name of the environment variable that overrides a flag if the client is built with
    /// [`override_from_env`](ClientBuilder::override_from_env).
    ///
    /// ```
    /// use phaseflag::PhaseFlagClient;
    ///
    /// let name = PhaseFlagClient::override_variable("new-checkout-flow");
    /// assert_eq!(name, "PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW");
    /// ```
    pub fn override_variable(key: &str) -> String {
        variable_of(key)
    }

    /// Returns the names of the environment variables of
    /// [`override_from_env`](ClientBuilder::override_from_env) that match no flag of the current
    /// rules; empty if there are no rules. Such a name is probably misspelled.
    pub fn unmatched_variables(&self) -> Vec<String> {
        let flags = &self.inner.flags;
        match (&flags.variables, flags.current()) {
            (Some(variables), Some(rules)) => variables.unmatched(&rules),
            _ => Vec::new(),
        }
    }
}

/// Names the variable of a setting in an error.
fn name_variable(error: Error) -> Error {
    match error {
        Error::InvalidSetting { setting: "base_url", reason } => Error::setting(BASE_URL, reason),
        Error::InvalidSetting { setting: "api_key", reason } => Error::setting(API_KEY, reason),
        error => error,
    }
}

/// The values of the environment variables that
/// [`builder_from_env`](PhaseFlagClient::builder_from_env) uses, for programs that combine them with
/// other sources, such as a command line.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EnvSettings {
    /// `PHASEFLAG_BASE_URL`, or empty.
    pub base_url: String,
    /// `PHASEFLAG_API_KEY`, or empty.
    pub api_key: String,
    /// `PHASEFLAG_BOOTSTRAP`, or `None`.
    pub bootstrap: Option<PathBuf>,
    /// `PHASEFLAG_ENVIRONMENT`, or `None`.
    pub environment: Option<String>,
    /// `PHASEFLAG_OFFLINE`, or `false`.
    pub offline: bool,
}

impl EnvSettings {
    /// Reads the variables, as [`builder_from_env`](PhaseFlagClient::builder_from_env) describes.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidSetting`] with the name of the variable as its `setting` if a value is
    /// not UTF-8, except for the path, or if `PHASEFLAG_OFFLINE` is neither true nor false.
    pub fn read() -> Result<EnvSettings, Error> {
        EnvSettings::from(|name| env::var_os(name))
    }

    fn from(get: impl Fn(&str) -> Option<OsString>) -> Result<EnvSettings, Error> {
        let text = |name: &'static str| match get(name).unwrap_or_default().into_string() {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(Error::setting(name, "is not UTF-8")),
        };
        Ok(EnvSettings {
            base_url: text(BASE_URL)?,
            api_key: text(API_KEY)?,
            bootstrap: get(BOOTSTRAP).filter(|path| !path.is_empty()).map(PathBuf::from),
            environment: Some(text(ENVIRONMENT)?).filter(|name| !name.is_empty()),
            offline: is_true(&text(OFFLINE)?)?,
        })
    }
}

/// Returns the value of `PHASEFLAG_OFFLINE`.
fn is_true(text: &str) -> Result<bool, Error> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "" | "false" | "no" | "off" | "0" => Ok(false),
        _ => {
            let reason = format!("must be `true` or `false`, not `{}`", excerpt(text));
            Err(Error::setting(OFFLINE, reason))
        }
    }
}

/// Shows the settings that cannot hold a secret. A URL that is not checked yet may have a password.
impl fmt::Debug for EnvSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvSettings")
            .field("bootstrap", &self.bootstrap)
            .field("environment", &self.environment)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<EnvSettings, Error> {
        EnvSettings::from(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_variable_that_is_empty_counts_as_not_set() {
        assert_eq!(read(&[]).unwrap(), EnvSettings::default());
        let names = [BASE_URL, API_KEY, BOOTSTRAP, ENVIRONMENT, OFFLINE];
        assert_eq!(read(&names.map(|name| (name, ""))).unwrap(), EnvSettings::default());
        let blank = [BASE_URL, API_KEY, ENVIRONMENT, OFFLINE].map(|name| (name, " \r\n"));
        assert_eq!(read(&blank).unwrap(), EnvSettings::default());
    }

    #[test]
    fn white_space_around_a_value_is_ignored_except_in_a_path() {
        let settings = read(&[
            (BASE_URL, " http://localhost:8000/api/v1\r\n"),
            (API_KEY, "sdk-dev-1\n"),
            (BOOTSTRAP, " my flags.json "),
            (ENVIRONMENT, "\tpre production "),
            (OFFLINE, "true\n"),
        ]);
        assert_eq!(
            settings.unwrap(),
            EnvSettings {
                base_url: "http://localhost:8000/api/v1".to_owned(),
                api_key: "sdk-dev-1".to_owned(),
                bootstrap: Some(" my flags.json ".into()),
                environment: Some("pre production".to_owned()),
                offline: true,
            }
        );
    }

    #[test]
    fn offline_is_true_or_false_in_several_words() {
        for text in ["true", "True", "TRUE", "yes", "on", "ON", "1", " 1 "] {
            assert!(read(&[(OFFLINE, text)]).unwrap().offline, "{text}");
        }
        for text in ["false", "False", "no", "off", "0", ""] {
            assert!(!read(&[(OFFLINE, text)]).unwrap().offline, "{text}");
        }
        for (text, shown) in [("maybe", "maybe"), ("2", "2"), ("tru\ne", "tru\\ne"), ("-", "-")] {
            assert_eq!(
                read(&[(OFFLINE, text)]).unwrap_err().to_string(),
                format!(
                    "failed to build client: `PHASEFLAG_OFFLINE` must be `true` or `false`, \
                     not `{shown}`"
                )
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_utf_8_is_an_error_except_for_a_path() {
        use std::os::unix::ffi::OsStringExt;
        for name in [BASE_URL, API_KEY, ENVIRONMENT, OFFLINE, BOOTSTRAP] {
            let bytes = || OsString::from_vec(b"a\xff".to_vec());
            let settings = EnvSettings::from(|other| (other == name).then(bytes));
            match settings {
                Ok(settings) => assert_eq!(settings.bootstrap, Some(bytes().into())),
                Err(error) => assert_eq!(
                    error.to_string(),
                    format!("failed to build client: `{name}` is not UTF-8")
                ),
            }
        }
    }

    #[test]
    fn neither_the_key_nor_the_password_of_a_url_is_shown() {
        let variables = [
            (API_KEY, "sdk-secret"),
            (BASE_URL, "https://user:secret@localhost/api/v1"),
            (ENVIRONMENT, "staging"),
        ];
        let shown = format!("{:?}", read(&variables).unwrap());
        assert!(shown.contains("staging") && !shown.contains("secret"), "{shown}");
    }
}
