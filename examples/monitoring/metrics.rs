//! The metrics of a client, in the text format of Prometheus.
//!
//! Copy this file into a service. It needs no other crate.

use std::fmt::Display;

use phaseflag::{ClientState, PhaseFlagClient, Value};

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const STATES: [&str; 5] = ["not_ready", "ready", "stale", "key_refused", "stopped"];

/// The longest version in a label, in characters.
const MAX_VERSION: usize = 64;

/// Returns the current metrics of a client. It reads the file of the `event_spool`, if one is set.
///
/// Every label value is a constant of this file, except the version of the rules: flags and users add
/// no series.
pub fn metrics(client: &PhaseFlagClient) -> String {
    let statistics = client.statistics();
    let events = statistics.events;
    let state = state_name(client.state());
    let mut page = Page::default();

    page.gauge("ready", "Whether the client is ready, 1 or 0.", u8::from(client.is_ready()));
    page.describe("state", "gauge", "The state of the client: 1 for the current one.");
    for name in STATES {
        page.labelled("state", "state", name, u8::from(name == state));
    }

    page.gauge("flags", "Flags of the rules in use.", statistics.flags);
    page.describe("rules_info", "gauge", "The version of the rules in use, as a label.");
    page.labelled("rules_info", "version", &version_label(statistics.version), 1);
    page.gauge("rules_problems", "Problems of the rules in use.", statistics.problems);
    let help = "Seconds since the source of the rules last confirmed them; NaN without rules.";
    // Prometheus advises against series that are missing at times, and 0 would mean new rules.
    let age = statistics.rules_age.map_or("NaN".to_owned(), |age| age.as_secs_f64().to_string());
    page.gauge("rules_age_seconds", help, age);
    let help = "Rulesets that came into use, from any source.";
    page.counter("rulesets_loaded_total", help, statistics.rulesets_loaded);
    let help = "Evaluations that returned the caller's default.";
    page.counter("defaults_served_total", help, statistics.defaults_served);
    let help = "Flags that were asked for and do not exist, at most 32.";
    page.gauge("unknown_flags", help, statistics.unknown_flags.len());

    page.counter("polls_total", "Polls that have ended.", statistics.polls);
    let help = "Polls without a request, since another process had polled.";
    page.counter("shared_polls_total", help, statistics.shared_polls);
    let help = "Rulesets that a poll put into use.";
    page.counter("rulesets_accepted_total", help, statistics.rulesets_accepted);
    let help = "Responses that are not a valid ruleset.";
    page.counter("rulesets_refused_total", help, statistics.rulesets_refused);

    let help = "Events that are neither delivered nor dropped yet.";
    page.gauge("events_queued", help, events.queued);
    let help = "Events that the service accepted.";
    page.counter("events_delivered_total", help, events.delivered);
    let help = "Events from the spool, of earlier clients, that the service accepted.";
    page.counter("events_delivered_spooled_total", help, events.delivered_spooled);
    let help = "Events that this client wrote to the spool at its end.";
    page.counter("events_spooled_total", help, events.spooled);
    let help = "Events in the spool, of this service and key.";
    page.gauge("events_in_spool", help, events.in_spool);
    page.describe("events_dropped_total", "counter", "Events that are lost, by reason.");
    for (reason, count) in [
        ("queue_full", events.dropped_queue_full),
        ("rejected", events.dropped_rejected),
        ("server_error", events.dropped_server_error),
        ("undelivered", events.dropped_undelivered),
        ("spool_full", events.dropped_spool_full),
    ] {
        page.labelled("events_dropped_total", "reason", reason, count);
    }
    let help = "Failed deliveries of events since the last success.";
    page.gauge("failed_deliveries", help, statistics.failed_deliveries);
    let help = "Evaluations that were not recorded because their interval was full.";
    page.counter("evaluations_not_recorded_total", help, events.dropped_interval_full);
    page.0
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

/// Returns the beginning of a version as text, or an empty text, which is a label without a value.
fn version_label(version: Option<Value>) -> String {
    let text = match version {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    text.chars().take(MAX_VERSION).collect()
}

/// The text of the metrics so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.describe(name, "gauge", help);
        self.sample(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.describe(name, "counter", help);
        self.sample(name, value);
    }

    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        self.0 += &format!("# HELP phaseflag_{name} {help}\n# TYPE phaseflag_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, value: impl Display) {
        self.0 += &format!("phaseflag_{name} {value}\n");
    }

    fn labelled(&mut self, name: &str, label: &str, label_value: &str, value: impl Display) {
        let escaped = escape(label_value);
        self.sample(&format!("{name}{{{label}=\"{escaped}\"}}"), value);
    }
}

/// Escapes the value of a label.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}
