//! The metrics of a client, in the text format of Prometheus.

use phaseflag::{ClientState, PhaseFlagClient};

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const STATES: [&str; 5] = ["not_ready", "ready", "stale", "key_refused", "stopped"];

/// Returns the current metrics of a client.
///
/// Every label value is a constant of this file: none needs escaping, and flags and users add no
/// series.
pub fn metrics(client: &PhaseFlagClient) -> String {
    let statistics = client.statistics();
    let events = statistics.events;
    let state = client.state();
    let mut page = String::new();

    gauge(&mut page, "ready", "Whether the client is ready, 1 or 0.", client.is_ready().into());
    describe(&mut page, "state", "gauge", "The state of the client: 1 for the current one.");
    for name in STATES {
        let is_current = u64::from(name == state_name(state));
        sample(&mut page, &format!("state{{state=\"{name}\"}}"), is_current);
    }
    gauge(&mut page, "flags", "Flags of the rules in use.", statistics.flags as u64);
    let help = "Problems of the rules in use.";
    gauge(&mut page, "rules_problems", help, statistics.problems as u64);
    // Without rules, they have no age.
    if let Some(age) = statistics.rules_age {
        let help = "Seconds since the source of the rules last confirmed them.";
        gauge(&mut page, "rules_age_seconds", help, age.as_secs());
    }
    let help = "Rulesets that came into use, from any source.";
    counter(&mut page, "rulesets_loaded_total", help, statistics.rulesets_loaded);
    let help = "Evaluations that returned the caller's default.";
    counter(&mut page, "defaults_served_total", help, statistics.defaults_served);
    let help = "Flags that were asked for and do not exist, at most 32.";
    gauge(&mut page, "unknown_flags", help, statistics.unknown_flags.len() as u64);

    counter(&mut page, "polls_total", "Polls that have ended.", statistics.polls);
    let help = "Rulesets that a poll put into use.";
    counter(&mut page, "rulesets_accepted_total", help, statistics.rulesets_accepted);
    let help = "Responses that are not a valid ruleset.";
    counter(&mut page, "rulesets_refused_total", help, statistics.rulesets_refused);

    let help = "Events that are neither delivered nor dropped yet.";
    gauge(&mut page, "events_queued", help, events.queued as u64);
    let help = "Events that the service accepted.";
    counter(&mut page, "events_delivered_total", help, events.delivered);
    let help = "Events from the spool, of earlier clients, that the service accepted.";
    counter(&mut page, "events_delivered_spooled_total", help, events.delivered_spooled);
    let help = "Events that this client wrote to the spool at its end.";
    counter(&mut page, "events_spooled_total", help, events.spooled);
    let help = "Events in the spool, of this service and key.";
    gauge(&mut page, "events_in_spool", help, events.in_spool);
    describe(&mut page, "events_dropped_total", "counter", "Events that are lost, by reason.");
    for (reason, count) in [
        ("queue_full", events.dropped_queue_full),
        ("rejected", events.dropped_rejected),
        ("server_error", events.dropped_server_error),
        ("undelivered", events.dropped_undelivered),
        ("spool_full", events.dropped_spool_full),
    ] {
        sample(&mut page, &format!("events_dropped_total{{reason=\"{reason}\"}}"), count);
    }
    let help = "Failed deliveries of events since the last success.";
    gauge(&mut page, "failed_deliveries", help, statistics.failed_deliveries);
    let help = "Evaluations that were not recorded because their interval was full.";
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
        // `ClientState` is non-exhaustive.
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
