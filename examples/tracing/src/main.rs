//! Reports each evaluation as an event of the crate `tracing`, in the span of its caller.
//!
//! ```console
//! $ cargo run -p example-tracing
//! DEBUG request{path="/checkout"}: phaseflag::evaluation: evaluated a flag flag="checkout" …
//! ```
//!
//! An evaluation is an event of the level DEBUG, and one that served the caller's default of the
//! level WARN. The attributes of the context are not reported, since they may identify a person.

use std::io;

use phaseflag::{Evaluation, EvaluationContext, PhaseFlagClient};
use tracing::{Level, debug, info_span, warn};

/// The target of the events, for filters.
const TARGET: &str = "phaseflag::evaluation";

const RULES: &str = r#"{"flags": [{"key": "checkout", "default_variation": "off",
    "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    "targeting_rules": [{"variation": "on",
        "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]}]}]}"#;

fn main() -> Result<(), phaseflag::Error> {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .without_time()
        .with_ansi(false)
        .with_writer(io::stdout)
        .finish();
    tracing::subscriber::with_default(subscriber, run)
}

fn run() -> Result<(), phaseflag::Error> {
    // With the URL of the service instead of "", the rules come from the service.
    let client =
        PhaseFlagClient::without_service().bootstrap_text(RULES).on_evaluation(report).build()?;
    client.start()?;

    let _request = info_span!("request", path = "/checkout").entered();
    let ada = EvaluationContext::new().user_id("ada").attribute("plan", "pro");
    client.get_boolean_value("checkout", false, &ada);
    client.get_string_value("theme", "light", &ada);
    Ok(())
}

/// Reports an evaluation as an event.
fn report(evaluation: &Evaluation<'_>) {
    let flag = evaluation.key();
    // Absent fields are left out.
    let value = evaluation.value().map(tracing::field::display);
    let variation = evaluation.variation_key();
    let user = evaluation.context().get_user_id();
    match evaluation.error() {
        None => {
            let reason = evaluation.reason().map(tracing::field::display);
            debug!(target: TARGET, flag, value, variation, reason, user, "evaluated a flag");
        }
        Some(error) => {
            let error = format!("{error:#}");
            warn!(target: TARGET, flag, value, error, user, "served the caller's default");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_evaluation_is_an_event_in_the_span_of_its_caller() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .without_time()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, run).unwrap();
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let span = r#"request{path="/checkout"}: phaseflag::evaluation:"#;
        assert_eq!(
            lines,
            [
                format!(
                    "DEBUG {span} evaluated a flag flag=\"checkout\" value=true variation=\"on\" \
                 reason=targeting_match user=\"ada\""
                ),
                format!(
                    "WARN {span} served the caller's default flag=\"theme\" value=\"light\" \
                 error=\"there is no flag `theme`\" user=\"ada\""
                ),
            ]
        );
    }
}
