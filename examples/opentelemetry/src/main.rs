//! Reports each evaluation as an event `feature_flag.evaluation` with the attributes of
//! OpenTelemetry's semantic conventions.
//!
//! ```console
//! $ cargo run -p example-opentelemetry
//! feature_flag.evaluation feature_flag.key=checkout …
//! ```
//!
//! The events are log records, as the conventions want it. The example keeps them in memory and
//! prints them; a program sends them with an exporter such as that of `opentelemetry-otlp`.

mod event;

use std::error::Error;

use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use phaseflag::{EvaluationContext, PhaseFlagClient};

const RULES: &str = r#"{"flags": [{"key": "checkout",
    "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 100}]}]}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
    // With the URL of the service instead of "", the rules come from the service.
    let client = PhaseFlagClient::without_service()
        .bootstrap_text(RULES)
        .on_evaluation(event::reporter(&provider))
        .build()?;
    client.start()?;

    let ada = EvaluationContext::new().user_id("ada");
    client.get_boolean_value("checkout", false, &ada);
    client.get_string_value("theme", "light", &ada);

    provider.shutdown()?;
    for log in exporter.get_emitted_logs()? {
        print!("{}", log.record.event_name().unwrap_or_default());
        for (name, value) in log.record.attributes_iter() {
            print!(" {name}={}", event::text(value));
        }
        println!();
    }
    Ok(())
}
