//! Listeners: which changes they receive, and what they may call.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{
    ClientState, Error, EvaluationEvent, FlagsChanged, PhaseFlagClient, Subscription, Value,
};

use crate::support::{
    self, NEVER, RAPIDLY, Reply, SOON, Server, block, builder, flag, ready, ruleset, started,
    wait_until,
};
use crate::wire::within;

const RULESET: &str = "/sdk/ruleset";

/// Sends every change to a channel.
fn hear(client: &PhaseFlagClient) -> Receiver<FlagsChanged> {
    let (sender, receiver) = channel();
    client.on_flags_changed(move |change| {
        let _ = sender.send(change.clone());
    });
    receiver
}

fn next(heard: &Receiver<FlagsChanged>) -> FlagsChanged {
    heard.recv_timeout(SOON).expect("a change")
}

/// Describes the keys of a change in one line.
fn described(change: &FlagsChanged) -> (usize, String, String, String, bool) {
    (
        change.len(),
        change.added().join(" "),
        change.removed().join(" "),
        change.changed().join(" "),
        change.segments_changed(),
    )
}

fn expected(
    len: usize,
    added: &str,
    removed: &str,
    changed: &str,
    segments: bool,
) -> (usize, String, String, String, bool) {
    (len, added.to_owned(), removed.to_owned(), changed.to_owned(), segments)
}

/// Returns a client that polls rapidly and is not started, and a server that serves these rulesets
/// in turn and then repeats the last one.
fn serving(rulesets: Vec<String>) -> (Server, PhaseFlagClient) {
    let server = Server::start(move |request| {
        let last = rulesets.len() - 1;
        Reply::json(rulesets[request.number.min(last)].clone())
    });
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    (server, client)
}

fn document(flags: &[String], segments: &str) -> String {
    format!(r#"{{"flags": [{}], "segments": [{segments}]}}"#, flags.join(","))
}

/// Returns a flag that serves `true` to a segment.
fn segmented(key: &str, segment: &str) -> String {
    format!(
        r#"{{"key": "{key}", "default_variation": "off",
            "variations": [{{"key": "on", "value": true}}, {{"key": "off", "value": false}}],
            "targeting_rules": [{{"variation": "on", "segment_id": "{segment}"}}]}}"#
    )
}

fn segment(key: &str, plan: &str) -> String {
    format!(
        r#"{{"key": "{key}", "conditions": [{{"attribute": "plan", "operator": "is", "value": "{plan}"}}]}}"#
    )
}

#[test]
fn listeners_hear_which_flags_were_added_removed_and_changed() {
    let (_server, client) = serving(vec![
        document(&[flag("c", true), flag("a", true), flag("b", true)], ""),
        document(&[flag("a", true), flag("b", false), flag("d", true)], ""),
        document(&[], ""),
        document(&[flag("a", true)], ""),
    ]);
    let heard = hear(&client);
    client.start().unwrap();
    assert_eq!(described(&next(&heard)), expected(3, "c a b", "", "", false));
    let change = next(&heard);
    assert_eq!(described(&change), expected(3, "d", "c", "b", false));
    let known = ["a", "b", "c", "d", "e", ""].map(|key| change.contains(key));
    assert_eq!(known, [false, true, true, true, false, false]);
    let change = next(&heard);
    assert_eq!(described(&change), expected(0, "", "a b d", "", false));
    assert!(change.is_empty());
    assert_eq!(described(&next(&heard)), expected(1, "a", "", "", false));
}

#[test]
fn listeners_hear_of_every_kind_of_change() {
    let base = r#"{"key": "a", "flag_type": "boolean", "enabled": true, "default_variation": "off",
        "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "prerequisites": [{"flag_key": "gate", "variation_key": "v"}],
        "targeting_rules": [
            {"priority": 1, "variation": "on",
             "conditions": [{"attribute": "plan", "operator": "is", "value": "pro"}]},
            {"priority": 2, "percentage_rollout": [
                {"variation": "on", "percentage": 10}, {"variation": "off", "percentage": 90}]}]}"#;
    for (old, new) in [
        (r#""enabled": true"#, r#""enabled": false"#),
        (r#""default_variation": "off""#, r#""default_variation": "on""#),
        (r#""value": false"#, r#""value": null"#),
        (r#""variation_key": "v""#, r#""variation_key": "w""#),
        (r#""operator": "is""#, r#""operator": "is_not""#),
        (r#""value": "pro""#, r#""value": "free""#),
        (r#""priority": 2"#, r#""priority": 0"#),
        (r#""percentage": 10"#, r#""percentage": 11"#),
        (r#""flag_type": "boolean""#, r#""flag_type": "json""#),
    ] {
        let changed = base.replacen(old, new, 1);
        assert_ne!(base, changed, "{new}");
        let gate = flag("gate", true);
        let (_server, client) = serving(vec![
            document(&[base.to_owned(), gate.clone()], ""),
            document(&[changed, gate], ""),
        ]);
        let heard = hear(&client);
        client.start().unwrap();
        next(&heard);
        assert_eq!(described(&next(&heard)), expected(2, "", "", "a", false), "{new}");
    }
}

#[test]
fn listeners_hear_of_segments() {
    let flags = [segmented("a", "beta"), flag("b", true)];
    let (_server, client) = serving(vec![
        document(&flags, ""),
        document(&flags, &segment("other", "x")),
        document(&flags, &segment("beta", "pro")),
        document(&flags, &segment("beta", "team")),
    ]);
    let heard = hear(&client);
    client.start().unwrap();
    assert_eq!(described(&next(&heard)), expected(2, "a b", "", "", false));
    assert_eq!(described(&next(&heard)), expected(2, "", "", "", true));
    assert_eq!(described(&next(&heard)), expected(2, "", "", "a", true));
    assert_eq!(described(&next(&heard)), expected(2, "", "", "a", true));
}

#[test]
fn moving_a_rule_without_changing_the_evaluation_order_is_no_change() {
    let flag = |rules: &str| {
        format!(r#"{{"key": "a", "variations": [{{"key": "on"}}], "targeting_rules": [{rules}]}}"#)
    };
    let [first, second] = [1, 2].map(|it| format!(r#"{{"priority": {it}, "variation": "{it}"}}"#));
    let (_server, client) = serving(vec![
        document(&[flag(&format!("{first}, {second}"))], ""),
        document(&[flag(&format!("{second}, {{}}, {first}"))], ""),
        document(&[], ""),
    ]);
    let heard = hear(&client);
    client.start().unwrap();
    next(&heard);
    assert_eq!(described(&next(&heard)), expected(0, "", "a", "", false));
}

#[test]
fn the_order_of_targets_is_no_change() {
    let targets = |targets: &[&str]| {
        let rule = format!(
            r#"{{"key": "a", "variations": [{{"key": "on", "value": true}}],
                "targeting_rules": [{{"variation": "on", "conditions": [
                    {{"attribute": "plan", "operator": "one_of", "value": {targets:?}}}]}}]}}"#
        );
        document(&[rule], "")
    };
    for plans in [&["a", "b", "c"][..], &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]] {
        let reversed: Vec<_> = plans.iter().rev().copied().collect();
        let (_server, client) =
            serving(vec![targets(plans), targets(&reversed), targets(&plans[1..])]);
        let heard = hear(&client);
        client.start().unwrap();
        assert_eq!(described(&next(&heard)), expected(1, "a", "", "", false));
        // No change came between: the rules that lack a target are the next one.
        assert_eq!(described(&next(&heard)), expected(1, "", "", "a", false));
        wait_until("polls", || client.statistics().polls >= 4);
        assert!(heard.try_recv().is_err());
    }
}

#[test]
fn segments_of_the_same_name_are_compared_in_order() {
    let segments = |plans: [&str; 2]| {
        let [first, second] = plans.map(|plan| {
            format!(
                r#""key": "k", "conditions": [
                    {{"attribute": "plan", "operator": "is", "value": "{plan}"}}]}}"#
            )
        });
        let segments = format!(r#"{{"id": "1", {first}, {{"id": "2", {second}"#);
        document(&[segmented("a", "1"), segmented("b", "2")], &segments)
    };
    let rulesets = [["x", "y"], ["x", "y"], ["y", "z"]].map(segments);
    let (_server, client) = serving(rulesets.into());
    let heard = hear(&client);
    client.start().unwrap();
    assert_eq!(described(&next(&heard)), expected(2, "a b", "", "", true));
    assert_eq!(described(&next(&heard)), expected(2, "", "", "a b", true));
}

#[test]
fn the_version_and_the_time_alone_are_no_change() {
    let rules = |version: &str, time: &str, keys: &[&str]| {
        let flags: Vec<_> = keys.iter().map(|key| flag(key, true)).collect();
        format!(
            r#"{{"data": {{"version": {version}, "fetched_at": "{time}", "environment_id": "e",
                "flags": [{}]}}}}"#,
            flags.join(",")
        )
    };
    let (_server, client) = serving(vec![
        rules("1", "2026-04-04T15:00:00Z", &["a"]),
        rules("2", "2026-04-04T15:00:00Z", &["a"]),
        rules("2", "2026-04-05T15:00:00Z", &["a"]),
        rules("\"x\"", "2026-04-05T15:00:00Z", &["a"]),
        rules("3", "2026-04-05T15:00:00Z", &["a", "b"]),
    ]);
    let heard = hear(&client);
    client.start().unwrap();
    assert_eq!(described(&next(&heard)), expected(1, "a", "", "", false));
    assert_eq!(described(&next(&heard)), expected(2, "b", "", "", false));
    assert_eq!(client.ruleset().unwrap().version(), &Value::from(3));
    assert_eq!(client.statistics().rulesets_accepted, 5);
}

#[test]
fn a_first_ruleset_without_flags_is_no_change() {
    let (server, client) = serving(vec![document(&[], ""), document(&[flag("a", true)], "")]);
    let heard = hear(&client);
    client.start().unwrap();
    assert_eq!(described(&next(&heard)), expected(1, "a", "", "", false));
    server.wait_for(4, RULESET);
    assert!(heard.try_recv().is_err());
}

#[test]
fn listeners_hear_of_the_bootstrap_and_of_the_first_fetch() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = builder(&server).bootstrap_text(ruleset(0, &["a"])).build().unwrap();
    let (sender, heard) = channel();
    client.on_flags_changed(move |change| {
        sender.send((described(change), thread::current().id())).unwrap();
    });
    client.start().unwrap();
    let here = thread::current().id();
    let (change, thread) = heard.recv_timeout(SOON).unwrap();
    assert_eq!(change, expected(1, "a", "", "", false));
    assert_eq!(thread, here);
    let (change, thread) = heard.recv_timeout(SOON).unwrap();
    assert_eq!(change, expected(2, "b", "", "", false));
    assert_ne!(thread, here);
}

#[test]
fn a_fetch_equal_to_the_bootstrap_is_no_change() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server)
        .polling_interval(RAPIDLY)
        .bootstrap_text(ruleset(0, &["a"]))
        .build()
        .unwrap();
    let heard = hear(&client);
    client.start().unwrap();
    next(&heard);
    server.wait_for(3, RULESET);
    assert!(heard.try_recv().is_err());
}

#[test]
fn the_rules_are_in_use_when_listeners_are_called() {
    let (_server, client) = serving(vec![ruleset(1, &["a"]), ruleset(2, &["b"])]);
    let (sender, heard) = channel();
    let asked = client.clone();
    let subscription = client.on_flags_changed(move |_| {
        let all: Vec<_> = asked.evaluate_all(None).into_keys().collect();
        sender.send((asked.is_ready(), all)).unwrap();
    });
    client.start().unwrap();
    for key in ["a", "b"] {
        assert_eq!(heard.recv_timeout(SOON).unwrap(), (true, vec![key.to_owned()]));
    }
    subscription.unsubscribe();
}

#[test]
fn a_late_listener_hears_the_next_change() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let polls = server.requests_to(RULESET).len();
    server.wait_for(polls + 2, RULESET);
    let heard = hear(&client);
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    assert_eq!(described(&next(&heard)), expected(1, "b", "a", "", false));
}

#[test]
fn unsubscribing_ends_the_calls() {
    let (_server, client) = serving((1..=60).map(|n| ruleset(n, &[&n.to_string()])).collect());
    let heard = hear(&client);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let subscription = client.on_flags_changed(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    subscription.unsubscribe();
    subscription.clone().unsubscribe();
    client.start().unwrap();
    for _ in 0..3 {
        next(&heard);
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn dropping_a_subscription_keeps_the_listener() {
    let (_server, client) = serving(vec![ruleset(1, &["a"]), ruleset(2, &["b"])]);
    let (sender, heard) = channel();
    drop(client.on_flags_changed(move |change| {
        sender.send(change.len()).unwrap();
    }));
    client.start().unwrap();
    for _ in 0..2 {
        assert_eq!(heard.recv_timeout(SOON), Ok(1));
    }
}

#[test]
fn a_subscription_can_outlive_its_client() {
    let (_server, client) = serving(vec![ruleset(1, &["a"])]);
    let subscription = client.on_flags_changed(|_| {});
    drop(client);
    subscription.unsubscribe();
}

#[test]
fn a_listener_can_unsubscribe_itself() {
    let (_server, client) = serving((1..=60).map(|n| ruleset(n, &[&n.to_string()])).collect());
    let own: Arc<OnceLock<Subscription>> = Arc::default();
    let count = Arc::new(AtomicUsize::new(0));
    let (held, counted) = (own.clone(), count.clone());
    own.set(client.on_flags_changed(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        held.get().unwrap().unsubscribe();
    }))
    .unwrap();
    let heard = hear(&client);
    client.start().unwrap();
    for _ in 0..3 {
        next(&heard);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panicking_listener_does_not_stop_the_others() {
    let (server, client) = serving((1..=60).map(|n| ruleset(n, &[&n.to_string()])).collect());
    let before = hear(&client);
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = panics.clone();
    client.on_flags_changed(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        // Unwinds like a panic, without its output.
        panic::resume_unwind(Box::new("on purpose"));
    });
    let after = hear(&client);
    client.start().unwrap();
    for _ in 0..3 {
        next(&before);
        next(&after);
    }
    assert!(panics.load(Ordering::SeqCst) >= 3);
    assert!(client.is_ready());
    server.wait_for(5, RULESET);
    client.track_event(EvaluationEvent::new("a"));
    server.respond(|_| Reply::status(202));
    client.flush_events().unwrap();
}

#[test]
fn a_panicking_listener_does_not_fail_the_start() {
    let client =
        PhaseFlagClient::builder("", "").bootstrap_text(ruleset(1, &["a"])).build().unwrap();
    client.on_flags_changed(|_| panic::resume_unwind(Box::new("on purpose")));
    client.start().unwrap();
    assert!(client.is_ready());
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn a_listener_can_call_any_method() {
    for bootstrap in [false, true] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let mut builder = builder(&server).event_flush_interval(NEVER);
        if bootstrap {
            builder = builder.bootstrap_text(ruleset(0, &["a"]));
        }
        let client = builder.build().unwrap();
        let (sender, heard) = channel();
        let (asked, sender) = (client.clone(), Mutex::new(Some(sender)));
        let subscription = client.on_flags_changed(move |_| {
            let Some(sender) = sender.lock().unwrap().take() else {
                return;
            };
            asked.start().unwrap();
            assert!(asked.get_boolean_value("a", false, None));
            assert!(asked.get_variation("a", None).is_some());
            assert_eq!(asked.flags().len(), 1);
            assert_eq!(asked.evaluate_all(None).len(), 1);
            asked.set_override("a", false);
            asked.clear_override("a");
            asked.clear_all_overrides();
            asked.on_flags_changed(|_| {}).unsubscribe();
            asked.evaluate("a", None).unwrap_err();
            asked.track_event(EvaluationEvent::new("a"));
            let flushed = asked.flush_events().is_ok();
            let waited = asked.wait_until_ready(Duration::ZERO).is_ok();
            let state = (asked.is_ready(), asked.statistics().events.queued);
            asked.state();
            sender.send((flushed, waited, state)).unwrap();
        });
        client.start().unwrap();
        // The bootstrap is loaded during the start.
        let expected = match bootstrap {
            true => (false, false, (false, 1)),
            false => (true, true, (true, 0)),
        };
        assert_eq!(heard.recv_timeout(SOON), Ok(expected));
        subscription.unsubscribe();
    }
}

#[test]
fn a_listener_can_stop_the_client() {
    let (server, client) = serving((1..=60).map(|n| ruleset(n, &[&n.to_string()])).collect());
    let (sender, heard) = channel();
    let stopped = client.clone();
    let subscription = client.on_flags_changed(move |_| {
        stopped.track_event(EvaluationEvent::new("a"));
        stopped.stop();
        sender.send(stopped.statistics().events).unwrap();
    });
    client.start().unwrap();
    let events = heard.recv_timeout(SOON).unwrap();
    assert_eq!((events.queued, events.delivered), (0, 1));
    assert!(matches!(client.start(), Err(Error::Stopped)));
    assert_eq!(server.requests_to("/sdk/events").len(), 1);
    assert_eq!(server.requests_to(RULESET).len(), 1);
    assert_eq!(client.flags()[0].key(), "1");
    subscription.unsubscribe();
}

#[test]
fn a_listener_can_stop_the_client_while_it_starts() {
    let server = Server::with_ruleset(ruleset(1, &["a", "b"]));
    let client = builder(&server).bootstrap_text(ruleset(0, &["a"])).build().unwrap();
    let stopped = client.clone();
    let subscription = client.on_flags_changed(move |_| stopped.stop());
    assert!(matches!(client.start(), Err(Error::Stopped)));
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(server.requests().len(), 0);
    subscription.unsubscribe();
}

#[test]
fn a_listener_can_drop_the_last_handle() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).build().unwrap();
    let held = Arc::new(Mutex::new(None));
    let (sender, heard) = channel();
    let last = held.clone();
    client.on_flags_changed(move |_| {
        let client: Option<PhaseFlagClient> = loop {
            if let Some(client) = last.lock().unwrap().take() {
                break Some(client);
            }
            thread::yield_now();
        };
        drop(client);
        sender.send(()).unwrap();
    });
    client.track_event(EvaluationEvent::new("a"));
    client.start().unwrap();
    *held.lock().unwrap() = Some(client);
    heard.recv_timeout(SOON).unwrap();
    assert_eq!(server.wait_for(1, "/sdk/events").len(), 1);
}

#[test]
fn a_client_held_by_its_listener_delivers_events_on_stop() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server));
    let held = client.clone();
    client.on_flags_changed(move |_| held.track_event(EvaluationEvent::new("heard")));
    client.wait_until_ready(SOON).unwrap();
    client.track_event(EvaluationEvent::new("a"));
    client.stop();
    assert!(!server.requests_to("/sdk/events").is_empty());
    assert_eq!(client.statistics().events.queued, 0);
}

#[test]
fn overrides_are_no_change() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let heard = hear(&client);
    client.start().unwrap();
    next(&heard);
    client.set_override("a", false);
    client.set_override("b", 1);
    let polls = server.requests_to(RULESET).len();
    server.wait_for(polls + 2, RULESET);
    client.clear_all_overrides();
    server.wait_for(polls + 4, RULESET);
    assert!(heard.try_recv().is_err());
}

#[test]
fn listeners_are_called_in_subscription_order() {
    let (_server, client) = serving(vec![ruleset(1, &["a"])]);
    let (sender, heard) = channel();
    for number in 0..5 {
        let sender = sender.clone();
        client.on_flags_changed(move |_| sender.send(number).unwrap());
    }
    client.start().unwrap();
    let order: Vec<_> = (0..5).map(|_| heard.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

/// Panics on drop.
struct Grudge;

impl Drop for Grudge {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("the last word of a listener");
        }
    }
}

#[test]
fn a_listener_that_panics_on_drop_does_not_end_polling() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    let own: Arc<OnceLock<Subscription>> = Arc::default();
    let (handle, grudge) = (own.clone(), Grudge);
    let subscription = client.on_flags_changed(move |_| {
        let _held = &grudge;
        handle.get().unwrap().unsubscribe();
    });
    own.set(subscription).unwrap();
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    support::wait_until("the next rules", || client.get_boolean_value("b", false, None));
}

#[test]
fn a_listener_that_blocks_makes_the_state_stale() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let settings = builder(&server).polling_interval(RAPIDLY).request_timeout(50 * RAPIDLY);
    let client = settings.build().unwrap();
    let (proceed, begun) = block(&client);
    client.start().unwrap();
    begun.recv_timeout(SOON).unwrap();
    let last_failure = || client.statistics().last_failure.map(|failure| failure.to_string());
    // On a busy machine, an earlier poll may have taken too long.
    let failure_before = last_failure();
    let stale_for = |client: &PhaseFlagClient| match client.state() {
        ClientState::Stale { age, .. } => age,
        _ => None,
    };
    for milliseconds in [1020, 1200] {
        let age = Duration::from_millis(milliseconds);
        wait_until("stale rules", || stale_for(&client) >= Some(age));
    }
    assert!(client.is_ready());
    assert_eq!(last_failure(), failure_before);
    drop(proceed);
    wait_until("a later poll", || client.state() == ClientState::Ready);
}

#[test]
fn stop_and_drop_do_not_wait_for_a_listener() {
    for explicitly in [true, false] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = builder(&server).shutdown_timeout(NEVER).build().unwrap();
        let (proceed, begun) = block(&client);
        client.start().unwrap();
        begun.recv_timeout(SOON).unwrap();
        client.track_event(EvaluationEvent::new("e"));
        within(SOON / 4, "an end", || {
            if explicitly {
                client.stop();
            }
            drop(client);
        });
        assert_eq!(server.requests_to("/sdk/events").len(), 1);
        drop(proceed);
    }
}

#[test]
fn a_client_that_polls_no_more_is_not_stale() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let once = builder(&server).polling_interval(Duration::ZERO).request_timeout(50 * RAPIDLY);
    let client = once.build().unwrap();
    let (_proceed, begun) = block(&client);
    client.start().unwrap();
    begun.recv_timeout(SOON).unwrap();
    let until = Instant::now() + 120 * RAPIDLY;
    while Instant::now() < until {
        assert_eq!(client.state(), ClientState::Ready);
        thread::sleep(RAPIDLY);
    }
}

/// The listener blocks the thread that checks the file.
#[test]
fn a_listener_that_blocks_the_watch_of_a_file_makes_the_state_stale() {
    let path = std::env::temp_dir().join(format!("phaseflag-listeners-{}", std::process::id()));
    std::fs::write(&path, ruleset(1, &["a"])).unwrap();
    let watching = PhaseFlagClient::builder("", "").bootstrap_file(&path).bootstrap_watch(RAPIDLY);
    let client = support::started(watching.request_timeout(5 * RAPIDLY));
    let (proceed, begun) = block(&client);
    std::fs::write(&path, ruleset(1, &["a", "b"])).unwrap();
    begun.recv_timeout(SOON).unwrap();
    let is_stale = |client: &PhaseFlagClient| {
        let limit = Duration::from_millis(120);
        matches!(client.state(), ClientState::Stale { age, .. } if age >= Some(limit))
    };
    wait_until("stale rules", || is_stale(&client));
    drop(proceed);
    wait_until("a later check", || client.state() == ClientState::Ready);
    std::fs::remove_file(&path).unwrap();
}
