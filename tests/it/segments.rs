//! Segments that `/sdk/ruleset` lacks: when `/sdk/bootstrap` is requested, and what a client does
//! if that fails or does not exist.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phaseflag::{ClientState, Error, EvaluationContext, PhaseFlagClient, Ruleset, Value};

use crate::support::{
    NEVER, RAPIDLY, Reply, Request, SOON, Server, builder, ready, started, wait_until,
};

const RULESET: &str = "/api/v1/sdk/ruleset";
const BOOTSTRAP: &str = "/api/v1/sdk/bootstrap";

/// Documents of a self-hosted service: the flags, and the flags with their segments.
const RULES: &str = include_str!("../data/service/ruleset.json");
const WHOLE: &str = include_str!("../data/service/bootstrap.json");

/// A flag that depends only on the segment `beta-testers`.
const FLAG: &str = "seg-only";

/// Rules that name no segment.
const PLAIN: &str = r#"{"version": "7", "flags": [{"key": "plain"}]}"#;

/// Returns a user in the segment `beta-testers`.
fn tester() -> EvaluationContext {
    EvaluationContext::new().user_id("u").attribute("plan", "beta").attribute("country", "SE")
}

fn is_tester(client: &PhaseFlagClient) -> bool {
    client.get_boolean_value(FLAG, false, &tester())
}

/// Returns the rules of the service, with Sweden removed from the segment.
fn edited() -> String {
    let edited = WHOLE.replace(r#"["SE","NO"]"#, r#"["NO"]"#);
    assert_ne!(edited, WHOLE);
    edited
}

/// Returns the responses of a service with both documents.
fn responses<R: Into<String>>(rules: R, whole: Reply) -> impl Fn(&Request) -> Reply + use<R> {
    let rules = rules.into();
    move |request| match request.path.as_str() {
        RULESET => Reply::json(rules.clone()),
        BOOTSTRAP => whole.clone(),
        _ => Reply::status(404),
    }
}

fn service(rules: &str, whole: Reply) -> Server {
    Server::start(responses(rules.to_owned(), whole))
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

/// Returns a list of changes, one for each call of a listener.
type Heard = Arc<Mutex<Vec<(Vec<String>, bool)>>>;

fn listen(client: &PhaseFlagClient) -> (Heard, phaseflag::Subscription) {
    let heard = Heard::default();
    let subscription = client.on_flags_changed({
        let heard = heard.clone();
        move |flags| {
            let changed = flags.changed().to_vec();
            heard.lock().unwrap().push((changed, flags.segments_changed()));
        }
    });
    (heard, subscription)
}

#[test]
fn one_poll_brings_the_rules_and_their_segments() {
    let server = service(RULES, Reply::json(WHOLE));
    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    let (heard, _subscription) = listen(&client);
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    assert!(is_tester(&client));
    assert!(!client.get_boolean_value(FLAG, true, &EvaluationContext::new().user_id("u")));
    assert!(client.get_boolean_value("seg-and", false, &tester().attribute("age", 30)));
    wait_until("the listener is called", || !heard.lock().unwrap().is_empty());
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert_eq!(paths(&server), [RULESET, BOOTSTRAP]);
    assert!(server.requests().iter().all(|request| request.header("x-api-key").is_some()));
    let statistics = client.statistics();
    assert_eq!((statistics.polls, statistics.rulesets_accepted), (1, 1));
    assert!(statistics.last_failure.is_none());
    assert_eq!(client.state(), ClientState::Ready);
}

#[test]
fn later_polls_request_only_the_bootstrap_and_see_an_edit_of_a_segment() {
    let server = service(RULES, Reply::json(WHOLE));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let (heard, _subscription) = listen(&client);
    server.wait_for(4, BOOTSTRAP);
    assert!(is_tester(&client));
    server.respond(responses(RULES, Reply::json(edited())));
    wait_until("the edit is heard", || !heard.lock().unwrap().is_empty());
    assert!(!is_tester(&client));
    let (changed, segments) = heard.lock().unwrap()[0].clone();
    assert!(segments);
    assert!(changed.iter().any(|key| key == FLAG), "{changed:?}");
    assert_eq!(server.requests_to(RULESET).len(), 1);
}

#[test]
fn a_bootstrap_with_only_a_new_timestamp_is_no_change() {
    let stamped = |number: usize| {
        let stamp = format!("2026-11-28T15:00:00.{number:06}");
        WHOLE
            .replace("2026-11-28T14:53:29.951633", &stamp)
            .replace("9a4a70275c8b3b46b23233d77b18441b", &format!("{number:032x}"))
    };
    assert_ne!(stamped(1), stamped(2));
    let server = Server::start(move |request| match request.path.as_str() {
        RULESET => Reply::json(RULES),
        _ => Reply::json(stamped(request.number)),
    });
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    let (heard, _subscription) = listen(&client);
    wait_until("some polls", || client.statistics().polls > 5);
    assert_eq!(client.statistics().rulesets_accepted, 1);
    assert!(heard.lock().unwrap().is_empty());
    // A change of anything but the timestamp counts, at any position.
    server.respond(responses(RULES, Reply::json(edited())));
    wait_until("the edit is in force", || !is_tester(&client));
}

#[test]
fn a_client_requests_the_ruleset_again_when_no_rule_names_a_segment() {
    let server = service(RULES, Reply::json(WHOLE));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    server.wait_for(2, BOOTSTRAP);
    let plain = |key: &str| PLAIN.replace("plain", key);
    let whole = plain("whole").replace("}]}", r#"}], "segments": [{"id": "unused"}]}"#);
    server.respond(responses(plain("rules"), Reply::json(whole)));
    wait_until("the rules of the other path", || client.flags()[0].key() == "rules");
    let before = server.requests_to(BOOTSTRAP).len();
    server.wait_for(server.requests_to(RULESET).len() + 3, RULESET);
    assert_eq!(server.requests_to(BOOTSTRAP).len(), before);
    // And back to the bootstrap.
    server.respond(responses(RULES, Reply::json(WHOLE)));
    wait_until("the segments", || is_tester(&client));
}

#[test]
fn the_bootstrap_is_not_requested_if_the_ruleset_needs_no_segments() {
    let rule = |segment: &str| {
        format!(r#"[{{"key": "f", "targeting_rules": [{{"segment_id": {segment}}}]}}]"#)
    };
    let (named, unnamed) = (rule(r#""s""#), rule(r#""""#));
    for rules in [
        format!(r#"{{"version": 1, "flags": {named}, "segments": [{{"id": "s"}}]}}"#),
        format!(r#"{{"version": 1, "flags": {named}, "segments": []}}"#),
        format!(r#"{{"data": {{"version": 1, "flags": {named}, "segments": []}}}}"#),
        format!(r#"{{"version": 1, "flags": {unnamed}}}"#),
        format!(r#"{{"version": 1, "flags": {}}}"#, rule("null")),
        PLAIN.to_owned(),
        "[]".to_owned(),
    ] {
        let server = service(&rules, Reply::json(WHOLE));
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        wait_until("some polls", || client.statistics().polls > 2);
        assert!(paths(&server).iter().all(|path| path == RULESET), "{rules}");
    }
}

/// Transient failures of `/sdk/bootstrap`.
fn transient() -> Vec<Reply> {
    vec![
        Reply::status(500),
        Reply::status(502).with_body("<html>bad gateway</html>"),
        Reply::status(503),
        Reply::status(503).with("retry-after", "0"),
        Reply::status(408),
        Reply::status(429).with("retry-after", "0"),
        Reply::Raw(Vec::new()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
        Reply::Hang,
    ]
}

#[test]
fn a_transient_bootstrap_failure_keeps_the_rules_in_use() {
    for failure in transient() {
        let shown = format!("{failure:?}");
        let server = service(PLAIN, Reply::json(WHOLE));
        let timeout = Duration::from_secs(2);
        let client = ready(builder(&server).request_timeout(timeout).polling_interval(RAPIDLY));
        let (heard, _subscription) = listen(&client);
        server.respond(responses(RULES, failure));
        // On a busy machine, a request for the ruleset may take too long, too.
        let failure = || client.statistics().last_failure.map(|failure| failure.to_string());
        let is_bootstrap = |failure: String| failure.contains("/sdk/bootstrap");
        wait_until("a failed poll", || failure().is_some_and(is_bootstrap));
        assert!(matches!(client.state(), ClientState::Stale { .. }), "{shown}");
        assert_eq!(client.flags()[0].key(), "plain", "{shown}");
        assert_eq!(client.statistics().rulesets_accepted, 1, "{shown}");
        assert!(heard.lock().unwrap().is_empty(), "{shown}");
        server.respond(responses(RULES, Reply::json(WHOLE)));
        wait_until("the segments", || is_tester(&client));
        // The rules are in use a moment before the poll counts as accepted.
        wait_until("the poll is accepted", || client.state() == ClientState::Ready);
        assert_eq!(client.statistics().rulesets_accepted, 2, "{shown}");
    }
}

#[test]
fn rules_without_segments_are_served_if_there_are_no_others() {
    for failure in transient() {
        let shown = format!("{failure:?}");
        let server = service(RULES, failure);
        let timeout = Duration::from_secs(2);
        // One ruleset is enough, but not without its segments.
        let settings = builder(&server).request_timeout(timeout).polling_interval(Duration::ZERO);
        let client = ready(settings);
        assert!(!is_tester(&client), "{shown}");
        assert_eq!(client.get_number_value("limit", 0.0, None), 10.0, "{shown}");
        assert!(matches!(client.state(), ClientState::Stale { age: Some(_), .. }), "{shown}");
        let statistics = client.statistics();
        assert_eq!(statistics.rulesets_accepted, 1, "{shown}");
        assert!(statistics.last_failure.is_some(), "{shown}");
        let (heard, _subscription) = listen(&client);
        server.respond(responses(RULES, Reply::json(WHOLE)));
        wait_until("the segments", || is_tester(&client));
        wait_until("the listener is called", || heard.lock().unwrap().len() == 1);
        assert!(heard.lock().unwrap()[0].1, "{shown}");
        assert_eq!(client.state(), ClientState::Ready, "{shown}");
    }
}

#[test]
fn retry_after_of_the_bootstrap_is_honored() {
    let failure = Reply::status(429).with("retry-after", "3600");
    let server = service(RULES, failure);
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    // Wait for many polling intervals.
    std::thread::sleep(RAPIDLY * 40);
    assert_eq!(client.statistics().polls, 1);
    assert_eq!(paths(&server), [RULESET, BOOTSTRAP]);
}

#[test]
fn rules_of_a_file_stay_while_segments_cannot_be_fetched() {
    let server = service(RULES, Reply::status(503));
    let client = started(builder(&server).bootstrap_text(PLAIN).polling_interval(RAPIDLY));
    wait_until("a failed poll", || client.statistics().polls > 0);
    assert_eq!(client.flags()[0].key(), "plain");
    assert_eq!(client.state(), ClientState::NotReady);
    server.respond(responses(RULES, Reply::json(WHOLE)));
    client.wait_until_ready(SOON).unwrap();
    assert!(is_tester(&client));
}

#[test]
fn a_bootstrap_that_does_not_exist_is_not_requested_at_each_poll() {
    for missing in [
        Reply::status(404).with_body(r#"{"error":{"code":404,"message":"Not Found"}}"#),
        Reply::status(400),
        Reply::status(401),
        Reply::status(403),
        Reply::status(405),
        Reply::status(410),
        Reply::status(422),
        Reply::status(301).with("location", "/elsewhere"),
        Reply::status(302).with("location", "/api/v1/sdk/ruleset"),
        Reply::status(200).with_body("<!doctype html><title>Phase Flag</title>"),
        Reply::json("{}"),
        Reply::json(""),
        Reply::json(r#"{"flags": 7}"#),
        Reply::json(WHOLE).with("content-encoding", "br"),
    ] {
        let shown = format!("{missing:?}");
        let server = service(RULES, missing);
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        wait_until("some polls", || client.statistics().polls > 3);
        assert_eq!(server.requests_to(BOOTSTRAP).len(), 1, "{shown}");
        assert_eq!(client.state(), ClientState::Ready, "{shown}");
        assert_eq!(client.statistics().rulesets_accepted, 1, "{shown}");
        // The rule matches no context instead of every context.
        assert!(!is_tester(&client), "{shown}");
        assert_eq!(client.get_number_value("limit", 0.0, None), 10.0, "{shown}");
        let ruleset = client.ruleset().unwrap();
        let problems: Vec<_> = ruleset.problems().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains("there is no segment")), "{shown}");
    }
}

#[test]
fn a_key_refused_on_both_paths_is_refused() {
    for status in [401, 403] {
        let server = service(RULES, Reply::json(WHOLE));
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        server.respond(move |_| Reply::status(status));
        wait_until("the key is refused", || client.state() == ClientState::KeyRefused);
        let failure = client.statistics().last_failure.unwrap();
        assert_eq!(failure.status(), Some(status));
        assert!(failure.to_string().contains("/sdk/ruleset"), "{failure}");
        assert!(is_tester(&client));
    }
}

#[test]
fn an_invalid_bootstrap_is_a_failure_after_a_valid_one() {
    for body in ["<!doctype html>", "{}", ""] {
        let server = service(RULES, Reply::json(WHOLE));
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        server.respond(responses(RULES, Reply::status(200).with_body(body)));
        wait_until("a failed poll", || matches!(client.state(), ClientState::Stale { .. }));
        // A fetch of the program does not change that.
        client.fetch_ruleset().unwrap_err();
        server.wait_for(server.requests_to(BOOTSTRAP).len() + 1, BOOTSTRAP);
        assert!(is_tester(&client), "{body}");
        assert_eq!(server.requests_to(RULESET).len(), 1, "{body}");
        assert!(client.statistics().rulesets_refused > 0, "{body}");
    }
}

#[test]
fn the_ruleset_replaces_a_bootstrap_that_no_longer_exists() {
    for status in [401, 403, 404, 410] {
        let server = service(RULES, Reply::json(WHOLE));
        let client = ready(builder(&server).polling_interval(RAPIDLY));
        server.wait_for(2, BOOTSTRAP);
        server.respond(responses(RULES, Reply::status(status)));
        wait_until("the rules without segments", || !is_tester(&client));
        assert_eq!(client.state(), ClientState::Ready);
        let before = server.requests_to(BOOTSTRAP).len();
        server.wait_for(server.requests_to(RULESET).len() + 3, RULESET);
        assert_eq!(server.requests_to(BOOTSTRAP).len(), before, "{status}");
    }
}

#[test]
fn a_404_on_both_paths_does_not_forget_the_bootstrap() {
    let server = service(RULES, Reply::json(WHOLE));
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    server.respond(|_| Reply::status(404));
    wait_until("a failed poll", || matches!(client.state(), ClientState::Stale { .. }));
    assert!(is_tester(&client));
    // A poll that is under way still finds neither.
    server.respond(|request| match request.path.as_str() {
        BOOTSTRAP => Reply::json(edited()),
        _ => Reply::status(404),
    });
    wait_until("the edit of the segment", || !is_tester(&client));
    wait_until("the poll is accepted", || client.state() == ClientState::Ready);
    let last = server.requests().pop().unwrap();
    assert_eq!(last.path, BOOTSTRAP);
}

#[test]
fn each_document_has_its_own_etag() {
    let numbered = |document: &str| document.replace(r#""version":"2471210985""#, r#""version":7"#);
    let (rules, whole) = (numbered(RULES), numbered(WHOLE));
    assert_ne!(rules, RULES);
    let plain = PLAIN.replace(r#""7""#, "8");
    let tagged = |body: String, tag: &str, request: &Request| match request.header("if-none-match")
    {
        Some(known) if known == tag => Reply::status(304).with("etag", tag),
        _ => Reply::json(body).with("etag", tag),
    };
    let server = Server::start(move |request| match request.path.as_str() {
        RULESET => tagged(rules.clone(), r#""rules""#, request),
        _ => tagged(whole.clone(), r#""whole""#, request),
    });
    let client = ready(builder(&server).polling_interval(RAPIDLY));
    server.wait_for(3, BOOTSTRAP);
    let tags = |path: &str| {
        let tag = |request: &Request| request.header("if-none-match").map(str::to_owned);
        server.requests_to(path).iter().map(tag).collect::<Vec<_>>()
    };
    assert_eq!(tags(RULESET), [None]);
    let whole = Some(r#""whole""#.to_owned());
    assert_eq!(tags(BOOTSTRAP)[..3], [None, whole.clone(), whole]);
    assert_eq!(client.statistics().rulesets_accepted, 1);
    // The earlier ruleset is not in use, so the request has no condition.
    let others = plain.replace("plain", "rules");
    server.respond(move |request| match request.path.as_str() {
        BOOTSTRAP => Reply::json(plain.clone()).with("etag", r#""plain""#),
        _ => tagged(others.clone(), r#""rules""#, request),
    });
    wait_until("the rules of the other path", || client.flags()[0].key() == "rules");
    server.wait_for(3, RULESET);
    let rules = Some(r#""rules""#.to_owned());
    assert_eq!(tags(RULESET)[..3], [None, None, rules.clone()]);
    // An ETag of the ruleset is not sent for the bootstrap.
    let before = server.requests_to(BOOTSTRAP).len();
    server.respond(responses(numbered(RULES), Reply::json(numbered(WHOLE))));
    server.wait_for(before + 1, BOOTSTRAP);
    assert_eq!(tags(BOOTSTRAP)[before], None);
}

#[test]
fn no_request_follows_stop() {
    let (came, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server::start({
        let (came, go) = (came.clone(), go.clone());
        move |request| {
            if request.path == RULESET {
                came.store(1, Ordering::Release);
                wait_until("the end of the client", || go.load(Ordering::Acquire) == 1);
            }
            Reply::json(if request.path == RULESET { RULES } else { WHOLE })
        }
    });
    let client = started(builder(&server));
    wait_until("a request", || came.load(Ordering::Acquire) == 1);
    client.stop();
    go.store(1, Ordering::Release);
    // A thread that continued would make its request at once.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(paths(&server), [RULESET]);
}

#[test]
fn a_fetched_ruleset_has_its_segments() {
    let server = service(RULES, Reply::json(WHOLE));
    let client = builder(&server).build().unwrap();
    let text = client.fetch_ruleset().unwrap();
    assert_eq!(text, WHOLE);
    assert_eq!(client.fetch_ruleset().unwrap(), WHOLE);
    assert_eq!(paths(&server), [RULESET, BOOTSTRAP, BOOTSTRAP]);
    let result = Ruleset::parse(&text).unwrap().evaluate(FLAG, &tester()).unwrap();
    assert_eq!(result.value(), &Value::from(true));
}

#[test]
fn a_fetched_ruleset_lacks_segments_only_if_the_service_has_none() {
    for missing in [Reply::status(404), Reply::status(403), Reply::json("<html>")] {
        let server = service(RULES, missing);
        let client = builder(&server).build().unwrap();
        assert_eq!(client.fetch_ruleset().unwrap(), RULES);
        assert_eq!(paths(&server), [RULESET, BOOTSTRAP]);
    }
    for failure in [Reply::status(503), Reply::Raw(Vec::new())] {
        let server = service(RULES, failure);
        let client = builder(&server).build().unwrap();
        let error = client.fetch_ruleset().unwrap_err();
        assert!(matches!(error, Error::Request { .. }), "{error:?}");
        assert!(error.to_string().contains("/sdk/bootstrap"), "{error}");
    }
    let server = Server::start(|_| Reply::status(403));
    let error = builder(&server).build().unwrap().fetch_ruleset().unwrap_err();
    assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
}
