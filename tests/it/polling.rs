//! Polling: intervals, conditions, failures and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{PhaseFlagClient, Value};

use crate::support::{
    self, NEVER, RAPIDLY, Reply, Request, SOON, Server, builder, ready, ruleset, started,
    wait_until,
};

const RULESET: &str = "/sdk/ruleset";

/// Returns a ruleset whose version is this JSON text.
fn versioned(version: &str, keys: &[&str]) -> String {
    ruleset(0, keys).replacen(r#""version": 0"#, &format!(r#""version": {version}"#), 1)
}

/// Adds a listener that counts its calls.
fn counting(client: &PhaseFlagClient) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    client.on_flags_changed(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    count
}

fn conditions(requests: &[Request]) -> Vec<Option<&str>> {
    requests.iter().map(|request| request.header("if-none-match")).collect()
}

/// Returns the times between the requests.
fn gaps(requests: &[Request]) -> Vec<Duration> {
    requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}

#[test]
fn the_first_poll_is_made_at_once() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let start = Instant::now();
    ready(builder(&server).polling_interval(NEVER));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn polls_at_its_interval() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let interval = Duration::from_millis(60);
    let _client = ready(builder(&server).polling_interval(interval));
    // The first gap is random.
    let gaps = gaps(&server.wait_for(8, RULESET)).split_off(1);
    let shortest = *gaps.iter().min().unwrap();
    // A busy machine makes gaps longer, but not each of them.
    assert!((interval..interval * 11).contains(&shortest), "{gaps:?}");
}

#[test]
fn new_rules_take_effect() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    wait_until("b", || client.get_boolean_value("b", false, None));
    assert_eq!(client.get_variation("a", None), None);
}

#[test]
fn requests_are_conditional_only_if_the_version_is_a_number() {
    for (version, conditional, expected) in [
        ("42", None, Some(r#""tag""#)),
        ("4.5", None, Some(r#""tag""#)),
        (r#""42""#, None, None),
        ("null", None, None),
        ("42", Some(true), Some(r#""tag""#)),
        (r#""42""#, Some(true), Some(r#""tag""#)),
        ("null", Some(true), Some(r#""tag""#)),
        ("42", Some(false), None),
        (r#""42""#, Some(false), None),
    ] {
        let rules = versioned(version, &["a"]);
        let server = Server::start(move |_| Reply::json(rules.clone()).with("etag", r#""tag""#));
        let builder = builder(&server).polling_interval(RAPIDLY);
        let _client = started(match conditional {
            Some(conditional) => builder.conditional_fetch(conditional),
            None => builder,
        });
        let requests = server.wait_for(3, RULESET);
        assert_eq!(
            conditions(&requests[..3]),
            [None, expected, expected],
            "{version} {conditional:?}"
        );
    }
}

#[test]
fn sends_the_etag_unchanged() {
    for tag in [r#"W/"v 1,2""#, r#""""#, "bare"] {
        let server = Server::start(move |_| Reply::json(ruleset(1, &["a"])).with("etag", tag));
        let _client = started(builder(&server).polling_interval(RAPIDLY));
        let requests = server.wait_for(2, RULESET);
        assert_eq!(conditions(&requests[..2]), [None, Some(tag)]);
    }
}

#[test]
fn a_304_keeps_the_rules() {
    let server = Server::start(|request| match request.header("if-none-match") {
        Some(_) => Reply::status(304),
        None => Reply::json(ruleset(7, &["a"])).with("etag", r#""7""#),
    });
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let heard = counting(&client);
    client.start().unwrap();
    server.wait_for(5, RULESET);
    assert!(client.get_boolean_value("a", false, None));
    let statistics = client.statistics();
    assert!(statistics.polls >= 4);
    assert_eq!(statistics.rulesets_accepted, 1);
    assert!(statistics.last_failure.is_none());
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

#[test]
fn an_etag_is_kept_only_with_an_accepted_ruleset() {
    let server = Server::start(|request| match request.number {
        0 => Reply::json("no ruleset").with("etag", r#""bad""#),
        1 => Reply::json(ruleset(1, &["a"])).with("etag", r#""good""#),
        2 => Reply::json(r#"{"flags": 1}"#).with("etag", r#""worse""#),
        3 => Reply::status(500).with("etag", r#""worst""#).with("retry-after", "0"),
        4 => Reply::json(ruleset(2, &["b"])),
        _ => Reply::status(503),
    });
    let client = started(builder(&server).polling_interval(RAPIDLY));
    let requests = server.wait_for(6, RULESET);
    let good = Some(r#""good""#);
    assert_eq!(conditions(&requests[..6]), [None, None, good, good, good, None]);
    assert!(client.get_boolean_value("b", false, None));
    assert_eq!(client.statistics().rulesets_refused, 2);
}

#[test]
fn an_equal_body_is_not_read_again() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let heard = counting(&client);
    client.start().unwrap();
    server.wait_for(6, RULESET);
    assert_eq!(client.statistics().rulesets_accepted, 1);
    assert!(client.statistics().polls >= 5);
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

#[test]
fn an_equal_body_after_another_is_read() {
    let server = Server::start(|request| {
        let key = if request.number % 2 == 0 { "a" } else { "b" };
        Reply::json(ruleset(1, &[key]))
    });
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let heard = counting(&client);
    client.start().unwrap();
    server.wait_for(5, RULESET);
    assert!(client.statistics().rulesets_accepted >= 4);
    assert!(heard.load(Ordering::SeqCst) >= 4);
}

#[test]
fn a_new_etag_comes_with_an_equal_body() {
    let server = Server::start(|request| {
        let tag = format!("\"{}\"", request.number);
        Reply::json(ruleset(1, &["a"])).with("etag", &tag)
    });
    let _client = started(builder(&server).polling_interval(RAPIDLY));
    let requests = server.wait_for(3, RULESET);
    assert_eq!(conditions(&requests[..3]), [None, Some(r#""0""#), Some(r#""1""#)]);
}

#[test]
fn a_bad_response_keeps_the_rules_in_use() {
    for bad in [
        Reply::json("[oops"),
        Reply::json("{}"),
        Reply::json(r#"{"data": {"flags": {}}}"#),
        Reply::json(""),
        Reply::status(204),
        Reply::status(304),
        Reply::status(404),
        Reply::status(500),
        Reply::Raw(Vec::new()),
    ] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = ready(builder(&server).polling_interval(RAPIDLY).conditional_fetch(false));
        let shown = format!("{bad:?}");
        server.respond(move |_| bad.clone());
        wait_until(&shown, || client.statistics().last_failure.is_some());
        assert!(client.get_boolean_value("a", false, None), "{shown}");
        assert!(client.is_ready(), "{shown}");
    }
}

#[test]
fn recovers_from_failures() {
    let server = Server::start(|_| Reply::status(500));
    let client = started(builder(&server).polling_interval(RAPIDLY));
    server.wait_for(1, RULESET);
    assert!(!client.is_ready());
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    client.wait_until_ready(SOON).unwrap();
    assert!(client.get_boolean_value("a", false, None));
    let polls = server.requests_to(RULESET).len();
    server.wait_for(polls + 3, RULESET);
}

#[test]
fn an_interval_of_zero_polls_until_one_ruleset_is_accepted() {
    let server = Server::start(|request| match request.number {
        0 => Reply::json("[]oops"),
        _ => Reply::json(ruleset(1, &["a"])),
    });
    let client = ready(builder(&server).polling_interval(Duration::ZERO));
    assert_eq!(server.requests().len(), 2);
    // Much longer than a poll without an interval takes.
    for _ in 0..20 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(server.requests_to(RULESET).len(), 2);
    assert_eq!(client.statistics().polls, 2);
    client.track_event(phaseflag::EvaluationEvent::new("a"));
    server.respond(|_| Reply::status(202));
    client.flush_events().unwrap();
}

#[test]
fn an_interval_of_zero_backs_off_after_failures() {
    for trouble in [
        Reply::status(500),
        Reply::status(503).with("retry-after", "0"),
        Reply::status(429).with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Reply::json("[oops"),
        Reply::Raw(Vec::new()),
    ] {
        let shown = format!("{trouble:?}");
        let server = Server::start(move |_| trouble.clone());
        let _client = started(builder(&server).polling_interval(Duration::ZERO));
        server.wait_for(1, RULESET);
        thread::sleep(Duration::from_millis(200));
        let polls = server.requests().len();
        assert!(polls < 20, "{polls} polls in 200 ms of {shown}");
    }
}

#[test]
fn retry_after_is_a_minimum() {
    for status in [429, 503] {
        let server = Server::start(move |request| match request.number {
            0 => Reply::status(status).with("retry-after", "1"),
            _ => Reply::json(ruleset(1, &["a"])),
        });
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        let requests = server.wait_for(6, RULESET);
        let gaps = gaps(&requests);
        assert!(gaps[0] >= Duration::from_secs(1), "{gaps:?}");
        assert!(gaps[0] < Duration::from_secs(11), "{gaps:?}");
        // A busy machine makes gaps longer, but not each of them.
        assert!(gaps[1..].iter().any(|gap| *gap < Duration::from_secs(1)), "{gaps:?}");
        assert!(client.is_ready());
    }
}

#[test]
fn a_refused_key_is_not_retried_soon() {
    for status in [401, 403] {
        let server = Server::start(move |_| Reply::status(status).with("retry-after", "0"));
        let client = started(builder(&server).polling_interval(RAPIDLY));
        client.wait_until_ready(SOON).unwrap_err();
        for _ in 0..20 {
            client.evaluate("a", None).unwrap_err();
        }
        assert_eq!(server.requests_to(RULESET).len(), 1);
    }
}

#[test]
fn a_poll_in_flight_does_not_delay_stop() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server));
    server.wait_for(1, RULESET);
    let start = Instant::now();
    drop(client);
    // Less than the poll would take.
    assert!(start.elapsed() < SOON / 4);
}

#[test]
fn a_response_after_stop_changes_nothing() {
    let (respond, may_respond) = std::sync::mpsc::channel::<()>();
    let may_respond = std::sync::Mutex::new(may_respond);
    let server = Server::start(move |_| {
        let _ = may_respond.lock().unwrap().recv();
        Reply::json(ruleset(1, &["a"]))
    });
    let client = started(builder(&server));
    let heard = counting(&client);
    server.wait_for(1, RULESET);
    client.stop();
    drop(respond);
    client.evaluate("a", None).unwrap_err();
    assert!(client.flags().is_empty());
    assert!(!client.is_ready());
    assert_eq!(heard.load(Ordering::SeqCst), 0);
}

#[test]
fn both_dialects_and_a_bare_list_are_read() {
    let flag = support::flag("a", true);
    for body in [
        format!(r#"{{"data": {{"version": 1, "flags": [{flag}]}}}}"#),
        format!(r#"{{"version": "1", "flags": [{flag}]}}"#),
        format!("[{flag}]"),
        format!("\u{feff}[{flag}]"),
        format!(r#"{{"flags": [{flag}], "segments": [], "generated_at": "x", "signature": "y"}}"#),
    ] {
        let server = Server::with_ruleset(body);
        let client = ready(builder(&server));
        assert_eq!(client.get_json_value("a", Value::Null, None), Value::from(true));
    }
}

#[test]
fn the_longest_and_the_shortest_interval_are_accepted() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for interval in [Duration::MAX, RAPIDLY, Duration::ZERO] {
        let client = ready(
            builder(&server)
                .polling_interval(interval)
                .request_timeout(Duration::MAX)
                .event_flush_interval(Duration::MAX)
                .shutdown_timeout(Duration::MAX),
        );
        client.track_event(phaseflag::EvaluationEvent::new("a"));
        client.flush_events().unwrap();
        client.wait_until_ready(Duration::MAX).unwrap();
    }
}

#[test]
fn a_304_may_name_an_encoding() {
    let server = Server::start(|request| match request.header("if-none-match") {
        None => Reply::json(ruleset(1, &["a"])).with("etag", "\"1\""),
        Some(_) => Reply::status(304).with("content-encoding", "br"),
    });
    let client = started(builder(&server).polling_interval(RAPIDLY));
    server.wait_for(3, RULESET);
    assert!(client.statistics().last_failure.is_none());
    assert!(client.get_boolean_value("a", false, None));
}
