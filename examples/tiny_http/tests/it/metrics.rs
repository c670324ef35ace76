//! The metrics page, for a client in each state.

#[allow(dead_code, reason = "only the servers use `CONTENT_TYPE`")]
#[path = "../../../monitoring/metrics.rs"]
mod source;

use std::env;
use std::fs;
use std::path::Path;
use std::process;

use phaseflag::{EvaluationEvent, PhaseFlagClient};
use source::metrics;

use crate::prometheus::promtool;
use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, ready, ruleset, started, wait_until,
};

/// The metrics of a client that has done nothing.
pub const UNUSED: &str = include_str!("../../../monitoring/metrics.txt");

/// Returns the samples that are not 0, except the age of the rules.
fn counted(client: &PhaseFlagClient) -> Vec<String> {
    let page = metrics(client);
    let samples = page.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
    let samples = samples.filter(|line| !line.contains("rules_age_seconds"));
    samples.map(|sample| sample.strip_prefix("phaseflag_").unwrap().to_owned()).collect()
}

fn track(client: &PhaseFlagClient, count: usize) {
    for _ in 0..count {
        client.track_event(EvaluationEvent::new("checkout"));
    }
}

#[test]
fn a_new_client_has_every_metric() {
    let client = PhaseFlagClient::without_service().build().unwrap();
    assert_eq!(metrics(&client), UNUSED);
    promtool(&["check", "metrics"], UNUSED);
}

/// The failures are in the reports of the probes.
#[test]
fn every_counter_of_the_statistics_is_a_metric() {
    let client = PhaseFlagClient::without_service().build().unwrap();
    let statistics = format!("{:#?}", client.statistics());
    let fields = statistics.lines().filter_map(|line| line.trim_start().split_once(": "));
    let fields = fields.map(|(name, _)| name).filter(|name| !name.starts_with("last_"));
    let fields: Vec<&str> = fields.filter(|name| *name != "events").collect();
    assert!(fields.len() > 20, "{fields:?}");
    let code = include_str!("../../../monitoring/metrics.rs");
    for field in fields {
        let read = [format!("statistics.{field}"), format!("events.{field}")];
        assert!(read.iter().any(|read| code.contains(read)), "{field}");
    }
}

#[test]
fn polls_and_events_are_counted() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metrics-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let rarely = || {
        builder(&service)
            .polling_interval(NEVER)
            .event_flush_interval(NEVER)
            .event_batch_size(3)
            .event_queue_capacity(3)
            .event_spool(folder.join("events"))
    };
    let client = ready(rarely());
    track(&client, 2);
    client.flush_events().unwrap();
    let rules = [
        "flags 1",
        "rules_info{version=\"1\"} 1",
        "rulesets_loaded_total 1",
        "polls_total 1",
        "rulesets_accepted_total 1",
    ];
    let polled = [&["ready 1", "state{state=\"ready\"} 1"], &rules[..]].concat();
    assert_eq!(counted(&client), [&polled[..], &["events_delivered_total 2"]].concat());

    service.respond(|_| Reply::status(400));
    track(&client, 1);
    client.flush_events().unwrap_err();
    service.respond(|_| Reply::Hang);
    track(&client, 5);
    let dropped = [
        "events_dropped_total{reason=\"queue_full\"} 2",
        "events_dropped_total{reason=\"rejected\"} 1",
    ];
    let queued = ["events_queued 3", "events_delivered_total 2"];
    let failed = ["failed_deliveries 1"];
    assert_eq!(counted(&client), [&polled[..], &queued, &dropped, &failed].concat());

    client.stop_now();
    let stopped = [&["ready 1", "state{state=\"stopped\"} 1"], &rules[..]].concat();
    let spooled = ["events_delivered_total 2", "events_spooled_total 3", "events_in_spool 3"];
    assert_eq!(counted(&client), [&stopped[..], &spooled, &dropped, &failed].concat());

    service.respond(|request| match request.path.ends_with("/events") {
        true => Reply::status(202).with_body(r#"{"accepted": 3}"#),
        false => Reply::json(ruleset(1, &["checkout"])),
    });
    let later = ready(rarely());
    track(&later, 1);
    later.flush_events().unwrap();
    let delivered = ["events_delivered_total 1", "events_delivered_spooled_total 3"];
    assert_eq!(counted(&later), [&polled[..], &delivered].concat());
    later.stop();
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_event_that_the_service_fails_on_is_counted() {
    let service = Server::start(|request| match request.path.ends_with("/events") {
        true if request.body.contains("\"bad\"") => Reply::status(500),
        true => Reply::status(202),
        false => Reply::json(ruleset(1, &["checkout"])),
    });
    let client = ready(builder(&service).polling_interval(NEVER).event_flush_interval(NEVER));
    client.track_event(EvaluationEvent::new("bad"));
    track(&client, 3);
    client.stop();
    let page = metrics(&client);
    assert!(page.contains("phaseflag_events_delivered_total 3\n"), "{page}");
    let dropped = "phaseflag_events_dropped_total{reason=\"server_error\"} 1\n";
    assert!(page.contains(dropped), "{page}");
}

#[test]
fn evaluations_that_are_not_recorded_are_counted() {
    let service = Server::with_ruleset(ruleset(1, &["checkout", "theme"]));
    let client = builder(&service).polling_interval(NEVER).event_flush_interval(NEVER);
    let client = client.event_queue_capacity(1).event_batch_size(1).record_evaluations(true);
    let client = ready(client);
    for _ in 0..3 {
        client.get_boolean_value("checkout", false, None);
        client.get_boolean_value("theme", false, None);
    }
    assert!(counted(&client).contains(&"evaluations_not_recorded_total 3".to_owned()));
}

#[test]
fn stale_rules_have_an_age() {
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let client = ready(builder(&service).polling_interval(RAPIDLY));
    service.respond(|_| Reply::json("no ruleset"));
    let stale = || metrics(&client).contains("phaseflag_state{state=\"stale\"} 1\n");
    wait_until("stale rules", stale);

    let page = metrics(&client);
    let (_, age) = page.split_once("\nphaseflag_rules_age_seconds ").unwrap();
    let age: f64 = age.lines().next().unwrap().parse().unwrap();
    assert!(0.0 < age && age <= SOON.as_secs_f64(), "{age}");
    promtool(&["check", "metrics"], &page);
    assert!(page.contains("phaseflag_ready 1\n"));
    assert!(!page.contains("phaseflag_rulesets_refused_total 0\n"));
}

#[test]
fn defaults_and_unknown_flags_are_counted() {
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let client = ready(builder(&service).polling_interval(NEVER));
    client.get_string_value("checkout", "", None);
    client.get_boolean_value("no-such-flag", false, None);
    client.get_boolean_value("no-such-flag", false, None);
    let counted = counted(&client);
    for sample in ["defaults_served_total 3", "unknown_flags 1"] {
        assert!(counted.contains(&sample.to_owned()), "{counted:?}");
    }
}

#[test]
fn a_refused_key_is_a_state() {
    let service = Server::start(|_| Reply::status(401));
    let client = started(builder(&service));
    client.wait_until_ready(SOON).unwrap_err();
    assert_eq!(
        counted(&client),
        ["state{state=\"key_refused\"} 1", "rules_info{version=\"\"} 1", "polls_total 1"]
    );
}

#[test]
fn a_poll_of_another_process_is_counted() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shared-{}", process::id()));
    let service = Server::with_ruleset(ruleset(1, &["checkout"]));
    let sharing = || ready(builder(&service).polling_interval(NEVER).cache_dir(&folder));
    let first = sharing();
    let second = sharing();
    assert!(counted(&first).iter().all(|sample| !sample.starts_with("shared_polls")));
    wait_until("a shared poll", || counted(&second).contains(&"shared_polls_total 1".to_owned()));
    assert_eq!(service.requests_to("/sdk/ruleset").len(), 1);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn any_version_is_a_label() {
    for (version, label) in [
        ("7", "7"),
        ("7.5", "7.5"),
        ("null", ""),
        (r#""""#, ""),
        (r#""2026-04-04""#, "2026-04-04"),
        (r#""a\"b\\c\nd é""#, r#"a\"b\\c\nd é"#),
        (r#""a\u0000\rb""#, "a\0\rb"),
        (&format!("\"{}\"", "é".repeat(65)), &"é".repeat(64)),
    ] {
        let text = format!(r#"{{"version": {version}, "flags": []}}"#);
        let client = PhaseFlagClient::without_service().bootstrap_text(text).build().unwrap();
        client.start().unwrap();
        let page = metrics(&client);
        let sample = format!("\nphaseflag_rules_info{{version=\"{label}\"}} 1\n");
        assert!(page.contains(&sample), "{version}: {page}");
        promtool(&["check", "metrics"], &page);
    }
}
