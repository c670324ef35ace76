//! The event of an evaluation.

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use phaseflag::{Evaluation, EvaluationError, Reason, Value};

/// Returns a function for `on_evaluation` that emits an event for each evaluation. It runs in the
/// span of the caller, so that the SDK adds the trace to the event.
pub fn reporter<P>(provider: &P) -> impl Fn(&Evaluation<'_>) + Send + Sync + use<P>
where
    P: LoggerProvider,
    P::Logger: Send + Sync + 'static,
{
    let logger = provider.logger("phaseflag");
    move |evaluation| {
        let mut event = logger.create_log_record();
        event.set_event_name("feature_flag.evaluation");
        event.set_severity_number(match evaluation.error() {
            None => Severity::Info,
            Some(_) => Severity::Warn,
        });
        event.add_attribute("feature_flag.key", evaluation.key().to_owned());
        event.add_attribute("feature_flag.provider.name", "phaseflag");
        if let Some(value) = evaluation.value() {
            event.add_attribute("feature_flag.result.value", any(value));
        }
        if let Some(variation) = evaluation.variation_key() {
            event.add_attribute("feature_flag.result.variant", variation.to_owned());
        }
        let reason = evaluation.reason().map_or("error", |reason| reason_name(&reason));
        event.add_attribute("feature_flag.result.reason", reason);
        // It may identify a person: leave it out if your policy asks for that.
        if let Some(user) = evaluation.context().get_user_id() {
            event.add_attribute("feature_flag.context.id", user.to_owned());
        }
        if let Some(error) = evaluation.error() {
            event.add_attribute("error.type", error_type(error));
            event.add_attribute("feature_flag.error.message", format!("{error:#}"));
        }
        logger.emit(event);
    }
}

/// Returns the reason as the conventions name it.
fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::TargetingMatch => "targeting_match",
        Reason::PercentageRollout => "split",
        Reason::Default | Reason::PrerequisiteFailed => "default",
        Reason::FlagInactive => "disabled",
        Reason::Override => "static",
        _ => "unknown",
    }
}

/// Returns the error as OpenFeature names it.
fn error_type(error: &EvaluationError) -> &'static str {
    match error {
        EvaluationError::NotReady { .. } => "provider_not_ready",
        EvaluationError::FlagNotFound { .. } => "flag_not_found",
        EvaluationError::WrongType { .. } | EvaluationError::WrongShape { .. } => "type_mismatch",
        _ => "general",
    }
}

/// Returns a value as OpenTelemetry has it; lists and objects become JSON text.
fn any(value: &Value) -> AnyValue {
    match value {
        Value::Bool(value) => AnyValue::Boolean(*value),
        Value::String(text) => AnyValue::from(text.clone()),
        Value::Number(_) => match value.as_i64() {
            Some(integer) => AnyValue::Int(integer),
            None => AnyValue::Double(value.as_f64().unwrap_or(f64::NAN)),
        },
        _ => AnyValue::from(value.to_string()),
    }
}

/// Returns the value of an attribute as text.
pub fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::Boolean(value) => value.to_string(),
        AnyValue::Int(value) => value.to_string(),
        AnyValue::Double(value) => value.to_string(),
        AnyValue::String(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
    use phaseflag::{EvaluationContext, PhaseFlagClient};

    use super::*;

    const RULES: &str = r#"{"flags": [
        {"key": "on", "default_variation": "v", "variations": [{"key": "v", "value": 3}]},
        {"key": "off", "enabled": false, "default_variation": "v",
         "variations": [{"key": "v", "value": 1.5}]},
        {"key": "list", "variations": [{"key": "v", "value": [1, "a"]}],
         "targeting_rules": [{"variation": "v", "conditions": []}]},
        {"key": "half", "variations": [{"key": "v", "value": "text"}],
         "targeting_rules": [{"percentage_rollout": [{"variation": "v", "percentage": 100}]}]},
        {"key": "needs-off", "default_variation": "v", "variations": [{"key": "v", "value": true}],
         "prerequisites": [{"flag_key": "off", "variation_key": "v"}]}]}"#;

    /// Returns the attributes of the events of these evaluations, in one text each.
    fn events(evaluate: fn(&PhaseFlagClient)) -> Vec<String> {
        let exporter = InMemoryLogExporter::default();
        let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let client = PhaseFlagClient::without_service().bootstrap_text(RULES);
        let client = client.on_evaluation(reporter(&provider)).build().unwrap();
        client.start().unwrap();
        evaluate(&client);
        let logs = exporter.get_emitted_logs().unwrap();
        let texts = logs.iter().map(|log| {
            assert_eq!(log.record.event_name(), Some("feature_flag.evaluation"));
            let attribute = |(name, value): &(opentelemetry::Key, AnyValue)| {
                let name = name.as_str();
                format!("{}={}", name.trim_start_matches("feature_flag."), text(value))
            };
            log.record.attributes_iter().map(attribute).collect::<Vec<_>>().join(" ")
        });
        texts.collect()
    }

    #[test]
    fn an_event_has_the_attributes_of_the_conventions() {
        let events = events(|client| {
            let ada = EvaluationContext::new().user_id("ada");
            client.get_number_value("on", 0.0, &ada);
            client.get_number_value("off", 0.0, None);
            client.get_json_value("list", Value::Null, None);
            client.get_string_value("half", "", &ada);
            client.get_boolean_value("needs-off", false, None);
            client.set_override("on", false);
            client.get_boolean_value("on", true, None);
        });
        assert_eq!(
            events,
            [
                "key=on provider.name=phaseflag result.value=3 result.variant=v \
             result.reason=default context.id=ada",
                "key=off provider.name=phaseflag result.value=1.5 result.variant=v \
             result.reason=disabled",
                "key=list provider.name=phaseflag result.value=[1,\"a\"] result.variant=v \
             result.reason=targeting_match",
                "key=half provider.name=phaseflag result.value=text result.variant=v \
             result.reason=split context.id=ada",
                "key=needs-off provider.name=phaseflag result.value=true result.variant=v \
             result.reason=default",
                "key=on provider.name=phaseflag result.value=false result.reason=static",
            ]
        );
    }

    #[test]
    fn an_event_of_a_default_has_the_error() {
        let events = events(|client| {
            client.get_string_value("theme", "light", None);
            client.get_boolean_value("half", true, &EvaluationContext::new().user_id("ada"));
            client.get_variation("theme", None);
        });
        assert_eq!(
            events,
            [
                "key=theme provider.name=phaseflag result.value=light result.reason=error \
             error.type=flag_not_found error.message=there is no flag `theme`",
                "key=half provider.name=phaseflag result.value=true result.reason=error \
             context.id=ada error.type=type_mismatch \
             error.message=flag `half` serves a string, not a boolean",
                "key=theme provider.name=phaseflag result.reason=error \
             error.type=flag_not_found error.message=there is no flag `theme`",
            ]
        );
    }
}
