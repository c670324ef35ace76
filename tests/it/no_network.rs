//! The crate without the feature `http`: no network, and clear errors for requests.

use std::fs;

use phaseflag::{Error, EvaluationEvent, PhaseFlagClient};

const RULES: &str = r#"{"flags": [{"key": "a", "default_variation": "v",
    "variations": [{"key": "v", "value": true}]}]}"#;

#[test]
fn a_base_url_is_refused() {
    for url in ["http://localhost/api/v1", "https://example.com", "nonsense"] {
        let error = PhaseFlagClient::builder(url, "sdk-dev-1").build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to build client: `base_url` needs the feature `http`"
        );
    }
}

#[test]
fn a_bootstrap_url_is_refused() {
    let error = PhaseFlagClient::builder("", "")
        .bootstrap_url("http://localhost/bootstrap.json")
        .build()
        .unwrap_err();
    assert_eq!(error.to_string(), "failed to build client: `bootstrap_url` needs a `base_url`");
}

#[test]
fn files_texts_and_overrides_are_served() {
    let path =
        std::env::temp_dir().join(format!("phaseflag-no-network-{}.json", std::process::id()));
    fs::write(&path, RULES).unwrap();
    for builder in [
        PhaseFlagClient::builder("", "").bootstrap_file(&path),
        PhaseFlagClient::builder("", "").bootstrap_text(RULES),
    ] {
        let client = builder.build().unwrap();
        client.start().unwrap();
        assert!(client.is_ready());
        assert!(client.get_boolean_value("a", false, None));
        client.set_override("a", false);
        assert!(!client.get_boolean_value("a", true, None));
        client.clear_all_overrides();
        assert_eq!(client.evaluate_all(None).len(), 1);
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn events_are_dropped_and_counted() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    client.start().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap();
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped()), (0, 1));
}

#[test]
fn requests_to_the_service_are_errors() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    client.start().unwrap();
    assert!(matches!(client.evaluate("a", None), Err(Error::NoService)));
}
