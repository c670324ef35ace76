//! What a user does with a client, against a server on loopback.

mod support;

use std::time::Duration;

use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient, Reason, Value};
use support::{Reply, SOON, Server, ruleset, wait_until};

#[test]
fn fetches_and_serves() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = PhaseFlagClient::builder(server.url() + "/", "sdk-dev-1")
        .build()
        .unwrap();
    assert!(!client.get_boolean_value("a", false, None));
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    let context = EvaluationContext::new().user_id("u");
    assert!(client.get_boolean_value("a", false, &context));
    assert!(client.get_boolean_value("a", false, None));
    let result = client.get_variation("a", &context).unwrap();
    assert_eq!(
        (result.value(), result.reason(), result.variation_key()),
        (&Value::from(true), Reason::Default, Some("v"))
    );
    client.track_event(
        EvaluationEvent::new("a")
            .user_id("u")
            .metadata("page", "checkout"),
    );
    client.flush_events().unwrap();
    println!("{:#?}", server.requests());
    client.track_event(EvaluationEvent::new("b"));
    drop(client);
    assert_eq!(server.requests_to("/sdk/events").len(), 2);
}

#[test]
fn polls_again() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = PhaseFlagClient::builder(server.url(), "k")
        .polling_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    server.respond(|_| Reply::json(ruleset(2, &["a", "c"])));
    wait_until("c", || client.get_boolean_value("c", false, None));
    println!("{:?} {:?}", client, client.statistics());
}
