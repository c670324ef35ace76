//! Many threads that evaluate while the rules change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use phaseflag::{EvaluationContext, Value};

use crate::support::{RAPIDLY, Reply, SOON, Server, SetOnDrop, builder, ready, wait_until};

const THREADS: usize = 8;

/// How many times the rules change during the evaluations.
const CHANGES: u64 = 60;

/// Returns rules in which every flag serves the version. Variation key and plan name the version,
/// too. There are ten flags more than the last digit of the version.
fn rules(version: usize) -> String {
    let flags: Vec<_> = (0..10 + version % 10)
        .map(|number| {
            format!(
                r#"{{"key": "flag-{number}", "default_variation": "v{version}",
                    "variations": [{{"key": "v{version}", "value": {version}}}],
                    "prerequisites": [{{"flag_key": "gate", "variation_key": "v{version}"}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"version": {version}, "flags": [
            {{"key": "gate", "default_variation": "v{version}",
              "variations": [{{"key": "v{version}", "value": {version}}}]}}, {}]}}"#,
        flags.join(",")
    )
}

#[test]
fn no_thread_sees_half_of_a_ruleset() {
    let server = Server::start(|request| Reply::json(rules(request.number)));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let (enough, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let end = SetOnDrop(&enough);
        for thread in 0..THREADS {
            let (client, enough, seen) = (&client, &enough, &seen);
            scope.spawn(move || {
                let context = EvaluationContext::new().user_id(format!("user-{thread}"));
                let mut newest = 0.0;
                while !enough.load(Ordering::Acquire) {
                    let result = client.get_variation("flag-9", &context).unwrap();
                    let key = format!("v{}", result.value());
                    assert_eq!(result.variation_key(), Some(key.as_str()));
                    assert_eq!(result.reason().as_str(), "default");

                    let all = client.evaluate_all(&context);
                    let version = all["gate"].value().as_i64().unwrap() as usize;
                    assert_eq!(all.len(), 11 + version % 10);
                    assert!(all.values().all(|result| result.value() == all["gate"].value()));

                    let flags = client.flags();
                    assert_eq!(flags[0].key(), "gate");
                    assert!((11..=20).contains(&flags.len()));

                    // A thread never sees older rules after newer ones.
                    let number = client.get_number_value("flag-0", -1.0, None);
                    assert!(number >= newest, "{number} after {newest}");
                    newest = number;
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until("many changes", || {
            client.statistics().rulesets_accepted >= CHANGES
                && seen.load(Ordering::Relaxed) > 100 * THREADS
        });
        drop(end);
    });
}

#[test]
fn threads_can_call_every_method_at_once() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/sdk/ruleset" => Reply::json(rules(request.number)),
        "/api/v1/evaluate" => {
            Reply::json(r#"{"flag_key": "gate", "value": 1, "reason": "default"}"#)
        }
        _ => Reply::status(202),
    });
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = client.clone();
            scope.spawn(move || {
                client.start().unwrap();
                client.wait_until_ready(SOON).unwrap();
                // A ready client has rules on every thread.
                assert!(client.get_number_value("gate", -1.0, None) >= 0.0);
                let own = format!("own-{thread}");
                for round in 0..50 {
                    let subscription = client.on_flags_changed(|_| {});
                    client.set_override(&own, round);
                    assert_eq!(client.get_json_value(&own, Value::Null, None), Value::from(round));
                    assert!(client.evaluate_all(None).len() >= 11);
                    client.track_event(phaseflag::EvaluationEvent::new("gate"));
                    client.evaluate("gate", None).unwrap();
                    if round % 10 == thread {
                        client.flush_events().unwrap();
                    }
                    client.clear_override(&own);
                    assert_eq!(client.get_variation(&own, None), None);
                    subscription.unsubscribe();
                }
            });
        }
    });
    client.flush_events().unwrap();
    assert_eq!(client.statistics().events.delivered, 50 * THREADS as u64);
}

#[test]
fn every_waiting_thread_is_woken() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let ready = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                client.wait_until_ready(SOON).unwrap();
                assert!(client.is_ready());
                assert!(client.get_number_value("gate", -1.0, None) >= 0.0);
                ready.fetch_add(1, Ordering::Relaxed);
            });
        }
        client.start().unwrap();
        server.wait_for(1, "/sdk/ruleset");
        assert_eq!(ready.load(Ordering::Relaxed), 0);
        server.respond(|_| Reply::json(rules(1)));
        server.close_connections();
    });
    assert_eq!(ready.load(Ordering::Relaxed), THREADS);
}
