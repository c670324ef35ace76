//! Converts evaluation results to OpenFeature resolutions: value, variant and reason, or an error.

use open_feature::provider::ResolutionDetails;
use open_feature::{EvaluationError, EvaluationErrorCode, EvaluationReason, FlagMetadata};
use phaseflag::{EvaluationResult, Reason, Value};

/// Returns the resolution of a result, with its value read as the requested type.
///
/// # Errors
///
/// `TYPE_MISMATCH` if the value has another type, or is `null`.
pub(crate) fn resolve<T>(
    key: &str,
    result: &EvaluationResult,
    expected: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> open_feature::EvaluationResult<ResolutionDetails<T>> {
    let Some(value) = read(result.value()) else {
        let found = result.value().type_name();
        let message = format!("the flag `{key}` serves {found}, not {expected}");
        return Err(error(EvaluationErrorCode::TypeMismatch, message));
    };
    let reason = result.reason();
    Ok(ResolutionDetails {
        value,
        variant: result.variation_key().map(str::to_owned),
        flag_metadata: to_metadata(&reason),
        reason: Some(to_reason(&reason)),
    })
}

/// Returns an OpenFeature error.
pub(crate) fn error(code: EvaluationErrorCode, message: String) -> EvaluationError {
    EvaluationError { code, message: Some(message) }
}

fn to_reason(reason: &Reason) -> EvaluationReason {
    match reason {
        Reason::TargetingMatch => EvaluationReason::TargetingMatch,
        Reason::PercentageRollout => EvaluationReason::Split,
        Reason::Default | Reason::PrerequisiteFailed => EvaluationReason::Default,
        Reason::FlagInactive => EvaluationReason::Disabled,
        Reason::Override => EvaluationReason::Static,
        other => EvaluationReason::Other(other.as_str().to_owned()),
    }
}

/// Returns the Phase Flag reason if the OpenFeature reason is less specific.
fn to_metadata(reason: &Reason) -> Option<FlagMetadata> {
    let is_specific = matches!(reason, Reason::PrerequisiteFailed);
    is_specific.then(|| FlagMetadata::default().with_value("reason", reason.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_counterpart() {
        let cases = [
            (Reason::TargetingMatch, "TARGETING_MATCH"),
            (Reason::PercentageRollout, "SPLIT"),
            (Reason::Default, "DEFAULT"),
            (Reason::FlagInactive, "DISABLED"),
            (Reason::PrerequisiteFailed, "DEFAULT"),
            (Reason::Override, "STATIC"),
            (Reason::Other("HOLDOUT".into()), "HOLDOUT"),
        ];
        for (reason, expected) in cases {
            assert_eq!(to_reason(&reason).to_string(), expected);
            assert_eq!(to_metadata(&reason).is_some(), reason == Reason::PrerequisiteFailed);
        }
    }
}
