//! What a client counts, as text that Prometheus reads.

use phaseflag::{ClientState, PhaseFlagClient};

/// The type of the text, as its header names it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const STATES: [&str; 5] = ["not_ready", "ready", "stale", "key_refused", "stopped"];

/// Returns the metrics of a client, of this moment.
///
/// Every label is one of a few words of this file, so that none needs to be escaped, and no flag
/// and no user makes a series of its own.
pub fn metrics(client: &PhaseFlagClient) -> String {
    let statistics = client.statistics();
    let events = statistics.events;
    let state = client.state();
    let mut page = String::new();

    gauge(&mut page, "ready", "Whether the client is ready, 1 or 0.", client.is_ready().into());
    describe(&mut page, "state", "gauge", "How the connection is: 1 for the state of now.");
    for name in STATES {
        let now = u64::from(name == state_name(state));
        sample(&mut page, &format!("state{{state=\"{name}\"}}"), now);
    }
    // While polls succeed the rules are as fresh as they can be.
    if let ClientState::Stale { age: Some(age), .. } = state {
        let help = "Seconds since the service last answered, while polls fail.";
        gauge(&mut page, "stale_seconds", help, age.as_secs());
    }

    counter(
        &mut page,
        "polls_total",
        "Requests for the ruleset that have ended.",
        statistics.polls,
    );
    let help = "Rulesets that came into force by a poll.";
    counter(&mut page, "rulesets_accepted_total", help, statistics.rulesets_accepted);
    let help = "Answers that were no ruleset.";
    counter(&mut page, "rulesets_refused_total", help, statistics.rulesets_refused);

    let help = "Events that are neither delivered nor dropped yet.";
    gauge(&mut page, "events_queued", help, events.queued as u64);
    let help = "Events that the service accepted.";
    counter(&mut page, "events_delivered_total", help, events.delivered);
    let help = "Events of earlier clients, from the spool, that the service accepted.";
    counter(&mut page, "events_delivered_spooled_total", help, events.delivered_spooled);
    counter(&mut page, "events_spooled_total", "Events left in the spool.", events.spooled);
    describe(&mut page, "events_dropped_total", "counter", "Events that are lost, by reason.");
    for (reason, count) in [
        ("queue_full", events.dropped_queue_full),
        ("rejected", events.dropped_rejected),
        ("undelivered", events.dropped_undelivered),
        ("spool_full", events.dropped_spool_full),
    ] {
        sample(&mut page, &format!("events_dropped_total{{reason=\"{reason}\"}}"), count);
    }
    let help = "Evaluations that were not recorded, for want of room in their interval.";
    counter(&mut page, "evaluations_not_recorded_total", help, events.dropped_interval_full);
    page
}

fn state_name(state: ClientState) -> &'static str {
    match state {
        ClientState::NotReady => "not_ready",
        ClientState::Ready => "ready",
        ClientState::Stale { .. } => "stale",
        ClientState::KeyRefused => "key_refused",
        ClientState::Stopped => "stopped",
        // A later version may know more.
        _ => "unknown",
    }
}

fn gauge(page: &mut String, name: &str, help: &str, value: u64) {
    describe(page, name, "gauge", help);
    sample(page, name, value);
}

fn counter(page: &mut String, name: &str, help: &str, value: u64) {
    describe(page, name, "counter", help);
    sample(page, name, value);
}

fn describe(page: &mut String, name: &str, kind: &str, help: &str) {
    *page += &format!("# HELP phaseflag_{name} {help}\n# TYPE phaseflag_{name} {kind}\n");
}

fn sample(page: &mut String, name: &str, value: u64) {
    *page += &format!("phaseflag_{name} {value}\n");
}
