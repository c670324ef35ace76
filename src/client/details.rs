//! `EvaluationDetails`: the value that a typed getter gives, and how it came about.

use super::evaluation_error::EvaluationError;
use crate::ruleset::{EvaluationResult, Reason};
use crate::value::Value;

/// A value of the type that was asked for, and how it came about.
///
/// Where the flag has none to give, it is the caller's default, and
/// [`error`](EvaluationDetails::error) says why. It keeps the ruleset that it comes from in memory
/// while it lives.
///
/// ```
/// use phaseflag::{PhaseFlagClient, Reason};
///
/// let client = PhaseFlagClient::builder("", "")
///     .bootstrap_text(r#"{"flags": [{"key": "ui-theme", "default_variation": "dim",
///         "variations": [{"key": "dim", "value": "dark"}]}]}"#)
///     .build()?;
/// client.start()?;
///
/// let theme = client.get_string_details("ui-theme", "light", None);
/// assert_eq!(theme.value(), "dark");
/// assert_eq!(theme.reason(), Some(Reason::Default));
/// assert_eq!(theme.variation_key(), Some("dim"));
/// assert!(theme.error().is_none());
///
/// let theme = client.get_boolean_details("ui-theme", false, None);
/// assert_eq!(theme.value(), &false);
/// assert_eq!(theme.reason(), None);
/// let error = theme.error().unwrap();
/// assert_eq!(error.as_str(), "wrong_type");
/// assert_eq!(error.to_string(), "flag `ui-theme` serves a string, not a boolean");
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EvaluationDetails<T> {
    value: T,
    origin: Result<EvaluationResult, EvaluationError>,
}

impl<T> EvaluationDetails<T> {
    /// The details of a result that holds a value of the right type, or else of the default.
    pub(crate) fn new(
        key: &str,
        result: Result<EvaluationResult, EvaluationError>,
        asked: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
        default: impl FnOnce() -> T,
    ) -> EvaluationDetails<T> {
        let result = match result {
            Ok(result) => result,
            Err(error) => return EvaluationDetails { value: default(), origin: Err(error) },
        };
        match read(result.value()) {
            Some(value) => EvaluationDetails { value, origin: Ok(result) },
            None => {
                let error = EvaluationError::wrong_type(key, result.value().type_name(), asked);
                EvaluationDetails { value: default(), origin: Err(error) }
            }
        }
    }

    /// Returns the value that the flag serves, or the default.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the value alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Returns the key of the variation; `None` where the default is given, for an override, and
    /// for a variation without a key.
    pub fn variation_key(&self) -> Option<&str> {
        self.origin.as_ref().ok()?.variation_key()
    }

    /// Returns why this value is served; `None` where the default is given.
    pub fn reason(&self) -> Option<Reason> {
        self.origin.as_ref().ok().map(EvaluationResult::reason)
    }

    /// Returns why the default is given; `None` where the flag serves the value.
    pub fn error(&self) -> Option<&EvaluationError> {
        self.origin.as_ref().err()
    }
}
