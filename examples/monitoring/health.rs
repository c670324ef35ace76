//! The responses to health checks: whether a client has flags to serve, and why not.
//!
//! Copy this file into a service. It needs no other crate.

use phaseflag::{Object, PhaseFlagClient, Value};

/// Returns whether the client is ready, or has flags of the cache or a bootstrap. Stale flags count,
/// since they are better than none. In offline mode and without a service, it may be ready without flags.
pub fn is_ready(client: &PhaseFlagClient) -> bool {
    client.is_ready() || client.has_rules()
}

/// Returns the state of a client, and its last failures with their causes. The failures stay when the
/// client recovers: the state tells whether they still matter. It reads the file of the `event_spool`,
/// if one is set.
pub fn report(client: &PhaseFlagClient) -> Object {
    let statistics = client.statistics();
    let last_failure = client.last_failure().map(|failure| format!("{failure:#}"));
    let last_delivery_failure =
        statistics.last_delivery_failure.map(|failure| format!("{failure:#}"));
    let age = statistics.rules_age.map(|age| age.as_secs());
    Object::from_iter([
        ("ready", Value::from(is_ready(client))),
        ("state", Value::from(client.state().to_string())),
        ("last_failure", Value::from(last_failure)),
        ("flags", Value::from(statistics.flags)),
        ("version", Value::from(statistics.version)),
        ("rules_age_seconds", Value::from(age)),
        ("problems", Value::from(statistics.problems)),
        ("unknown_flags", Value::from_iter(statistics.unknown_flags)),
        ("defaults_served", Value::from(statistics.defaults_served)),
        ("polls", Value::from(statistics.polls)),
        ("events_queued", Value::from(statistics.events.queued)),
        ("events_delivered", Value::from(statistics.events.delivered)),
        ("events_dropped", Value::from(statistics.events.dropped())),
        ("last_delivery_failure", Value::from(last_delivery_failure)),
    ])
}
