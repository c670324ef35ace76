//! Answers of Phase Flag as answers of OpenFeature: value, variant and reason, or an error.

use open_feature::provider::ResolutionDetails;
use open_feature::{EvaluationError, EvaluationErrorCode, EvaluationReason, FlagMetadata};
use phaseflag::{EvaluationResult, Reason, Value};

/// Returns what a flag serves, read as the type that was asked for.
///
/// # Errors
///
/// `TYPE_MISMATCH` where the flag serves something else; `null` included, which is no value of any
/// type.
pub(crate) fn resolve<T>(
    key: &str,
    result: &EvaluationResult,
    expected: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> open_feature::EvaluationResult<ResolutionDetails<T>> {
    let Some(value) = read(result.value()) else {
        let found = result.value().type_name();
        let message = format!("the flag `{key}` serves {found}, and not {expected}");
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

/// Returns an error of OpenFeature.
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

/// Returns Phase Flag's own reason where OpenFeature's says less.
fn to_metadata(reason: &Reason) -> Option<FlagMetadata> {
    let says_less = matches!(reason, Reason::PrerequisiteFailed);
    says_less.then(|| FlagMetadata::default().with_value("reason", reason.as_str()))
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
