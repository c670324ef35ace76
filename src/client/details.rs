//! `EvaluationDetails`: the value of a typed getter with its variation and reason, or its error.

use super::evaluation::Evaluation;
use super::evaluation_error::EvaluationError;
use crate::context::EvaluationContext;
use crate::ruleset::{EvaluationResult, Reason};
use crate::value::Value;

/// A value of the requested type with its variation and reason.
///
/// If the flag does not serve such a value, it is the caller's default, and
/// [`error`](EvaluationDetails::error) returns the cause. It keeps its ruleset in memory.
///
/// ```
/// use phaseflag::{PhaseFlagClient, Reason};
///
/// let client = PhaseFlagClient::without_service()
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
    result: Result<EvaluationResult, EvaluationError>,
}

impl<T> EvaluationDetails<T> {
    /// Returns the details of a result, or of the default if the result has another type.
    pub(crate) fn new(
        key: &str,
        result: Result<EvaluationResult, EvaluationError>,
        asked: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
        default: impl FnOnce() -> T,
    ) -> EvaluationDetails<T> {
        let result = match result {
            Ok(result) => result,
            Err(error) => return EvaluationDetails { value: default(), result: Err(error) },
        };
        match read(result.value()) {
            Some(value) => EvaluationDetails { value, result: Ok(result) },
            None => {
                let error = EvaluationError::wrong_type(key, result.value().type_name(), asked);
                EvaluationDetails { value: default(), result: Err(error) }
            }
        }
    }

    /// Returns the evaluation that a hook sees; `value` is that of the details.
    pub(super) fn evaluation<'a>(
        &'a self,
        key: &'a str,
        context: Option<&'a EvaluationContext>,
        value: &'a Value,
    ) -> Evaluation<'a> {
        Evaluation { key, context, value: Some(value), outcome: self.result.as_ref().into() }
    }

    /// Returns the value that the flag serves, or the default.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the value without the details.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Returns the key of the variation, or `None` for the caller's default, for an override, and for
    /// a variation without a key.
    pub fn variation_key(&self) -> Option<&str> {
        self.result.as_ref().ok()?.variation_key()
    }

    /// Returns the reason, or `None` for the caller's default.
    pub fn reason(&self) -> Option<Reason> {
        self.result.as_ref().ok().map(EvaluationResult::reason)
    }

    /// Returns why the value is the caller's default, or `None` if the flag serves it.
    pub fn error(&self) -> Option<&EvaluationError> {
        self.result.as_ref().err()
    }
}
