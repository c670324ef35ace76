//! A client without a `base_url`: no thread and no network, and everything else works.

use std::fs;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, ClientState, Error, EvaluationEvent, PhaseFlagClient, Value};

#[cfg(target_os = "linux")]
use crate::alone::is_alone;

const RULES: &str = r#"[{"key": "a", "default_variation": "v",
    "variations": [{"key": "v", "value": true}]}]"#;

fn builder() -> ClientBuilder {
    PhaseFlagClient::builder("", "")
}

/// Returns the names of the threads of this process that the crate has started.
#[cfg(target_os = "linux")]
fn own_threads() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").expect("the list of threads");
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("phaseflag"))
        .collect()
}

#[test]
fn is_ready_after_start_and_not_before() {
    let client = builder().build().unwrap();
    assert!(!client.is_ready());
    assert_eq!(client.state(), ClientState::NotReady);
    let unready = client.wait_until_ready(Duration::from_millis(10));
    assert!(matches!(unready, Err(Error::NotStarted)));
    client.start().unwrap();
    assert!(client.is_ready());
    assert_eq!(client.state(), ClientState::Ready);
    client.wait_until_ready(Duration::ZERO).unwrap();
    client.start().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn starts_no_thread() {
    // Runs in a separate process, because other tests start threads.
    if !is_alone("no_service::starts_no_thread") {
        return;
    }
    for builder in [
        builder(),
        builder().bootstrap_text(RULES),
        builder().bootstrap_text(RULES).offline_mode(true),
        PhaseFlagClient::builder("", "sdk-dev-1").polling_interval(Duration::from_millis(10)),
    ] {
        let client = builder.build().unwrap();
        client.start().unwrap();
        client.track_event(EvaluationEvent::new("a"));
        client.flush_events().unwrap();
        client.evaluate("a", None).unwrap_err();
        assert_eq!(own_threads(), [""; 0]);
        client.stop();
        assert_eq!(own_threads(), [""; 0]);
    }
}

#[test]
fn serves_text_and_files() {
    let path =
        std::env::temp_dir().join(format!("phaseflag-no-service-{}.json", std::process::id()));
    fs::write(&path, RULES).unwrap();
    for builder in [builder().bootstrap_text(RULES), builder().bootstrap_file(&path)] {
        let client = builder.build().unwrap();
        assert!(!client.get_boolean_value("a", false, None));
        client.start().unwrap();
        assert!(client.get_boolean_value("a", false, None));
        assert_eq!(client.flags().len(), 1);
        assert!(client.is_ready());
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn without_rules_every_getter_gives_its_default() {
    let client = builder().build().unwrap();
    client.start().unwrap();
    assert!(client.get_boolean_value("a", true, None));
    assert_eq!(client.get_json_value("a", 1, None), Value::from(1));
    assert!(client.flags().is_empty());
    assert!(client.evaluate_all(None).is_empty());
}

#[test]
fn requests_to_the_service_are_errors() {
    let client = builder().bootstrap_text(RULES).build().unwrap();
    client.start().unwrap();
    assert!(matches!(client.evaluate("a", None), Err(Error::NoService)));
    assert!(matches!(client.fetch_ruleset(), Err(Error::NoService)));
}

#[test]
fn events_are_dropped_and_counted() {
    let client = builder().build().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    client.start().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap();
    client.stop();
    client.track_event(EvaluationEvent::new("a"));
    client.flush_events().unwrap();
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.delivered), (0, 0));
    assert_eq!((counts.dropped_undelivered, counts.dropped()), (3, 3));
}

#[test]
fn a_bootstrap_that_cannot_be_read_is_an_error() {
    for builder in [
        builder().bootstrap_file("/no/such/file"),
        builder().bootstrap_text("[oops"),
        builder().bootstrap_text("[oops").offline_mode(true),
    ] {
        let client = builder.build().unwrap();
        assert!(matches!(client.start(), Err(Error::Bootstrap { .. })));
        assert!(!client.is_ready());
        client.set_override("a", true);
        assert!(client.get_boolean_value("a", false, None));
    }
}

#[test]
fn listeners_hear_of_the_bootstrap() {
    let client = builder().bootstrap_text(RULES).build().unwrap();
    let (sender, heard) = std::sync::mpsc::channel();
    client.on_flags_changed(move |change| {
        sender.send((change.len(), change.added().to_vec())).unwrap();
    });
    client.start().unwrap();
    assert_eq!(heard.try_recv(), Ok((1, vec!["a".to_owned()])));
    client.start().unwrap();
    assert!(heard.try_recv().is_err());
}

#[test]
fn stop_returns_at_once() {
    let client = builder().bootstrap_text(RULES).shutdown_timeout(Duration::MAX).build().unwrap();
    client.start().unwrap();
    client.track_event(EvaluationEvent::new("a"));
    let start = Instant::now();
    client.stop();
    client.stop();
    assert!(matches!(client.start(), Err(Error::Stopped)));
    assert!(client.get_boolean_value("a", false, None));
    drop(client);
    assert!(start.elapsed() < Duration::from_secs(5));
}
