//! The responses to health checks, for a client in each state.

#[path = "../../../monitoring/health.rs"]
mod source;

use phaseflag::{ClientState, EvaluationEvent, PhaseFlagClient, Value};
use source::{is_ready, report};

use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, ready, ruleset, started, wait_until,
};

/// Returns whether the report says that the client is ready, and the last failure.
fn reported(client: &PhaseFlagClient) -> (bool, String) {
    let report = report(client);
    let failure = report.get("last_failure").and_then(Value::as_str).unwrap_or_default();
    (report.get("ready").and_then(Value::as_bool).unwrap(), failure.to_owned())
}

#[test]
fn a_bootstrap_is_enough_to_be_ready() {
    let service = Server::start(|_| Reply::status(500));
    let without = started(builder(&service));
    let with = started(builder(&service).bootstrap_text(ruleset(1, &["checkout"])));
    for (client, expected) in [(&without, false), (&with, true)] {
        wait_until("a failure", || client.last_failure().is_some());
        let (is_ready_now, failure) = reported(client);
        assert_eq!((is_ready(client), is_ready_now), (expected, expected));
        assert_eq!(client.state(), ClientState::NotReady);
        assert!(failure.contains("responded with status 500"), "{failure}");
    }
}

#[test]
fn an_outage_or_a_refused_key_does_not_end_it() {
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let client = ready(builder(&service).polling_interval(RAPIDLY));
    assert_eq!(reported(&client), (true, String::new()));
    for (status, state) in [(500, "stale"), (401, "key refused")] {
        service.respond(move |_| Reply::status(status));
        wait_until(state, || client.state().to_string().starts_with(state));
        let (ready, failure) = reported(&client);
        assert!(ready && failure.contains(&status.to_string()), "{failure}");
    }
    let refused = started(builder(&service));
    refused.wait_until_ready(SOON).unwrap_err();
    assert!(!reported(&refused).0);
}

#[test]
fn a_client_without_a_service_is_ready() {
    let client = PhaseFlagClient::without_service().build().unwrap();
    assert!(!reported(&client).0);
    client.start().unwrap();
    assert_eq!(reported(&client), (true, String::new()));
}

#[test]
fn a_failed_delivery_is_reported_with_its_cause() {
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let client = ready(builder(&service).polling_interval(NEVER).event_flush_interval(NEVER));
    service.respond(|_| Reply::status(400));
    client.track_event(EvaluationEvent::new("checkout"));
    client.flush_events().unwrap_err();
    let report = report(&client);
    assert_eq!(report.get("events_dropped").and_then(Value::as_i64), Some(1));
    let failure = report.get("last_delivery_failure").and_then(Value::as_str).unwrap();
    assert!(failure.contains("400"), "{failure}");
    assert_eq!(report.get("last_failure"), Some(&Value::Null));
}
