//! Tracks arbitrary events, and checks that the request has them as JSON.

use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Unstructured;
use phaseflag::{EvaluationEvent, Object, PhaseFlagClient, Value};

use super::server::Server;

static SERVICE: LazyLock<(Server, PhaseFlagClient)> = LazyLock::new(|| {
    let server = Server::start();
    server.answer(202, b"{}");
    let client = PhaseFlagClient::builder(server.url(), "sdk-fuzz")
        .polling_interval(Duration::ZERO)
        .build()
        .expect("a client");
    client.start().expect("a start");
    (server, client)
});

/// Builds an event from the bytes, delivers it, and checks the request.
pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let _ = deliver(&mut source);
}

fn deliver(source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let flag: String = source.arbitrary()?;
    let user: Option<String> = source.arbitrary()?;
    let mut event = EvaluationEvent::new(&flag);
    if let Some(user) = &user {
        event = event.user_id(user);
    }
    let mut metadata = Object::new();
    for _ in 0..source.int_in_range(0..=4)? {
        let (name, value): (String, Value) = source.arbitrary()?;
        metadata.insert(&name, value.clone());
        event = event.metadata(&name, value);
    }
    let (server, client) = &*SERVICE;
    client.track_event(event);
    client.flush_events().expect("a delivery");
    let body = String::from_utf8(server.request()).expect("UTF-8");
    let body: Value = body.parse().expect("JSON");
    let arrived = &body["events"][0];
    assert_eq!(arrived["flag_key"], Value::from(&flag));
    assert_eq!(arrived["user_id"], Value::from(user));
    let metadata = if metadata.is_empty() { Value::Null } else { Value::from(metadata) };
    assert_eq!(arrived["metadata"], metadata);
    assert!(arrived["timestamp"].as_str().is_some_and(|time| time.len() == 23));
    Ok(())
}
