//! `refresh`: polls on demand.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use std::{env, fs, process};

use phaseflag::{ClientState, Error, PhaseFlagClient, RequestError};

use crate::logger::{self, WHIM};
use crate::support::{
    NEVER, RAPIDLY, Reply, Request, SOON, Server, block, builder, flag, ready, ruleset, started,
    wait_until,
};

const RULESET: &str = "/sdk/ruleset";
const BOOTSTRAP: &str = "/sdk/bootstrap";

/// Serves a ruleset whose ETag is its version.
fn with_etag(server: &Server, version: u64, keys: &'static [&str]) {
    server.respond(move |request: &Request| {
        let tag = format!("\"{version}\"");
        match request.header("if-none-match") {
            Some(known) if known == tag => Reply::status(304),
            _ => Reply::json(ruleset(version, keys)).with("etag", &tag),
        }
    });
}

fn start_with_etag(version: u64, keys: &'static [&str]) -> Server {
    let server = Server::start(|_| Reply::Hang);
    with_etag(&server, version, keys);
    server
}

fn conditions(server: &Server) -> Vec<Option<String>> {
    let requests = server.requests_to(RULESET);
    requests.iter().map(|request| request.header("if-none-match").map(str::to_owned)).collect()
}

/// How often a test tries again because a thread began to refresh too late: after the response that
/// it was to wait for.
const ATTEMPTS: usize = 10;

/// Refreshes on another thread, which has begun when this returns.
fn refresh_on_a_thread(client: &PhaseFlagClient) -> Receiver<Result<bool, Error>> {
    let (begin, begun) = channel();
    let (end, ended) = channel();
    let client = client.clone();
    thread::spawn(move || {
        begin.send(()).unwrap();
        let _ = end.send(client.refresh());
    });
    begun.recv_timeout(SOON).unwrap();
    ended
}

/// Returns a server that answers the first request when the test drops the sender.
fn held_back() -> (Server, std::sync::mpsc::Sender<()>) {
    let (proceed, may_proceed) = channel::<()>();
    let may_proceed = Mutex::new(may_proceed);
    let server = Server::start(move |_| {
        let _ = may_proceed.lock().unwrap().recv();
        Reply::json(ruleset(1, &["a"]))
    });
    (server, proceed)
}

#[test]
fn brings_other_rules_before_it_returns() {
    let server = start_with_etag(1, &["a"]);
    let client = ready(builder(&server).polling_interval(NEVER));
    assert!(!client.refresh().unwrap());
    with_etag(&server, 2, &["b"]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = heard.clone();
    client.on_flags_changed(move |flags| {
        hearing.lock().unwrap().push((thread::current().id(), flags.added().to_vec()));
    });
    assert!(client.refresh().unwrap());
    assert!(client.get_boolean_value("b", false, None));
    assert_eq!(*heard.lock().unwrap(), [(thread::current().id(), vec!["b".to_owned()])]);
    assert!(!client.refresh().unwrap());
    let (one, two) = (Some("\"1\"".to_owned()), Some("\"2\"".to_owned()));
    assert_eq!(conditions(&server), [None, one.clone(), one, two]);
    assert_eq!(client.statistics().polls, 4);
}

#[test]
fn only_flags_and_segments_count_as_a_change() {
    let flag = flag("a", true);
    let text = move |number: usize| {
        let segments = if number < 4 { "" } else { r#", "segments": [{"id": "s"}]"# };
        format!(r#"{{"version": {number}, "fetched_at": "{number}", "flags": [{flag}]{segments}}}"#)
    };
    let server = Server::start(move |request| Reply::json(text(request.number)));
    let client = builder(&server).build().unwrap();
    let results: Vec<_> = (0..6).map(|_| client.refresh().unwrap()).collect();
    assert_eq!(results, [true, false, false, false, true, false]);
    assert_eq!(client.statistics().rulesets_accepted, 6);
}

#[test]
fn works_before_the_start_with_the_state_of_the_polls() {
    let server = start_with_etag(1, &["a"]);
    let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
    assert!(client.refresh().unwrap());
    assert!(client.is_ready());
    assert!(client.get_boolean_value("a", false, None));
    client.wait_until_ready(Duration::ZERO).unwrap();
    client.start().unwrap();
    server.wait_for(3, RULESET);
    let one = Some("\"1\"".to_owned());
    assert_eq!(conditions(&server)[..3], [None, one.clone(), one]);
    assert_eq!(client.statistics().rulesets_accepted, 1);
}

#[test]
fn a_start_after_a_refresh_needs_no_poll_if_the_interval_is_zero() {
    let server = start_with_etag(1, &["a"]);
    let client = builder(&server).polling_interval(Duration::ZERO).build().unwrap();
    assert!(client.refresh().unwrap());
    client.start().unwrap();
    client.wait_until_ready(Duration::ZERO).unwrap();
    // Much longer than a poll takes.
    for _ in 0..20 {
        client.evaluate("a", None).unwrap_err();
    }
    assert_eq!(server.requests_to(RULESET).len(), 1);
}

#[test]
fn works_after_the_last_poll_of_an_interval_of_zero() {
    let server = start_with_etag(1, &["a"]);
    let client = ready(builder(&server).polling_interval(Duration::ZERO));
    assert!(!client.refresh().unwrap());
    server.respond(|_| Reply::status(500));
    client.refresh().unwrap_err();
    with_etag(&server, 2, &["b"]);
    assert!(client.refresh().unwrap());
    assert_eq!(server.requests_to(RULESET).len(), 4);
    assert_eq!(client.state(), ClientState::Ready);
}

#[test]
fn reports_unknown_flags_if_no_thread_does() {
    logger::listen();
    let server = start_with_etag(1, &["a"]);
    let client = builder(&server).build().unwrap();
    client.refresh().unwrap();
    assert!(!client.get_boolean_value("unknown-to-a-refresh", false, None));
    for _ in 0..2 {
        client.refresh().unwrap();
        assert_eq!(logger::warnings_with("unknown-to-a-refresh").len(), 1);
    }
}

#[test]
fn a_refresh_that_succeeds_ends_an_interval_of_zero() {
    let server = Server::start(|_| Reply::status(401));
    let client = started(builder(&server).polling_interval(Duration::ZERO));
    wait_until("a refused key", || client.state() == ClientState::KeyRefused);
    with_etag(&server, 1, &["a"]);
    assert!(client.refresh().unwrap());
    client.wait_until_ready(Duration::ZERO).unwrap();
}

#[test]
fn uses_the_cache() {
    let folder = Folder::new("cache");
    let server = start_with_etag(1, &["a"]);
    let settings = || builder(&server).cache_dir(&folder.0).cache_max_age(NEVER);
    let client = settings().build().unwrap();
    assert!(client.refresh().unwrap());
    drop(client);
    for interval in [Duration::ZERO, NEVER] {
        // The rules are fresh, so that the start makes no request.
        let client = ready(settings().polling_interval(interval));
        assert!(!client.refresh().unwrap());
        assert_eq!(client.statistics().rulesets_accepted, 0);
        assert!(client.get_boolean_value("a", false, None));
    }
    let one = Some("\"1\"".to_owned());
    assert_eq!(conditions(&server), [None, one.clone(), one]);
}

#[test]
fn cached_rules_do_not_replace_those_of_a_refresh() {
    let folder = Folder::new("order");
    let server = start_with_etag(1, &["a"]);
    drop(ready(builder(&server).cache_dir(&folder.0)));
    with_etag(&server, 2, &["b"]);
    let client = builder(&server).cache_dir(&folder.0).polling_interval(RAPIDLY).build().unwrap();
    assert!(client.refresh().unwrap());
    client.start().unwrap();
    assert!(client.get_boolean_value("b", false, None));
    let polls = server.requests().len();
    with_etag(&server, 1, &["a"]);
    server.wait_for(polls + 2, RULESET);
    wait_until("a", || client.get_boolean_value("a", false, None));
}

#[test]
fn joins_a_poll_that_is_under_way() {
    let all_join = || {
        let (server, proceed) = held_back();
        let client = started(builder(&server).polling_interval(NEVER));
        server.wait_for(1, RULESET);
        let joined: Vec<_> = (0..8).map(|_| refresh_on_a_thread(&client)).collect();
        for refresh in &joined {
            assert!(refresh.recv_timeout(Duration::from_millis(20)).is_err(), "it does not wait");
        }
        drop(proceed);
        let results = joined.iter().map(|refresh| refresh.recv_timeout(SOON).unwrap().unwrap());
        let results: Vec<_> = results.collect();
        results == [true; 8] && server.requests().len() == 1 && client.statistics().polls == 1
    };
    assert!((0..ATTEMPTS).any(|_| all_join()));
}

#[test]
fn does_not_join_a_poll_that_was_answered_before() {
    let all_bring_other_rules = || {
        let server = start_with_etag(1, &["a"]);
        let client = builder(&server).polling_interval(NEVER).build().unwrap();
        let (proceed, begun) = block(&client);
        client.start().unwrap();
        begun.recv_timeout(SOON).unwrap();
        // The first poll is not over, but the rules change after its response.
        with_etag(&server, 2, &["b"]);
        let refreshes: Vec<_> = (0..4).map(|_| refresh_on_a_thread(&client)).collect();
        for refresh in &refreshes {
            assert!(refresh.recv_timeout(Duration::from_millis(20)).is_err(), "it does not wait");
        }
        drop(proceed);
        let results = refreshes.iter().map(|refresh| refresh.recv_timeout(SOON).unwrap().unwrap());
        let results: Vec<_> = results.collect();
        assert!(client.get_boolean_value("b", false, None));
        assert!(server.requests().len() >= 2);
        results == [true; 4]
    };
    assert!((0..ATTEMPTS).any(|_| all_bring_other_rules()));
}

#[test]
fn joins_another_refresh_and_its_failure() {
    let joins = || {
        let (proceed, may_proceed) = channel::<()>();
        let may_proceed = Mutex::new(may_proceed);
        let server = Server::start(move |_| {
            let _ = may_proceed.lock().unwrap().recv();
            Reply::status(401)
        });
        let client = builder(&server).build().unwrap();
        let first = refresh_on_a_thread(&client);
        server.wait_for(1, RULESET);
        let second = refresh_on_a_thread(&client);
        assert!(second.recv_timeout(Duration::from_millis(100)).is_err(), "it does not wait");
        // The poll of the start comes after it: the key is refused.
        client.start().unwrap();
        drop(proceed);
        for refresh in [first, second] {
            let error = refresh.recv_timeout(SOON).unwrap().unwrap_err();
            assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
        }
        assert_eq!(client.state(), ClientState::KeyRefused);
        server.requests().len() == 1
    };
    assert!((0..ATTEMPTS).any(|_| joins()));
}

#[test]
fn a_success_ends_the_delay_after_a_failure() {
    for trouble in [Reply::status(401), Reply::status(429).with("retry-after", "3600")] {
        let server = Server::start(move |_| trouble.clone());
        let client = started(builder(&server).polling_interval(RAPIDLY));
        wait_until("a failure", || client.last_failure().is_some());
        let error = client.refresh().unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. } | Error::Request { .. }), "{error:?}");
        assert_eq!(server.requests().len(), 2);
        with_etag(&server, 1, &["a"]);
        assert!(client.refresh().unwrap());
        assert_eq!(client.state(), ClientState::Ready);
        server.wait_for(8, RULESET);
    }
}

#[test]
fn a_failure_keeps_the_rules_and_is_that_of_a_poll() {
    let server = start_with_etag(1, &["a"]);
    // Not started: no other poll joins in.
    let client = builder(&server).build().unwrap();
    assert!(client.refresh().unwrap());
    for (reply, text) in [
        (Reply::status(500), "/sdk/ruleset` responded with status 500"),
        (Reply::json("[oops"), "/sdk/ruleset` responded with an invalid ruleset"),
        (Reply::Raw(Vec::new()), "failed to reach `http://127.0.0.1:"),
    ] {
        server.respond(move |_| reply.clone());
        let error = client.refresh().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(matches!(error, Error::Request { .. }), "{error:?}");
        assert_eq!(client.last_failure().unwrap().to_string(), error.to_string());
        assert!(matches!(client.state(), ClientState::Stale { .. }));
        assert!(client.get_boolean_value("a", false, None));
    }
}

#[test]
fn falls_back_to_the_bootstrap_url() {
    let server = Server::start(|request| match request.path.as_str() {
        "/rules.json" => Reply::json(ruleset(1, &["a"])),
        _ => Reply::status(503),
    });
    let client = builder(&server).bootstrap_url("/rules.json").build().unwrap();
    let error = client.refresh().unwrap_err();
    assert!(matches!(error, Error::Request { .. }), "{error:?}");
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn all_requests_together_take_one_request_timeout() {
    let timeout = Duration::from_secs(5);
    let late = Duration::from_millis(500);
    let server = Server::start(move |request| {
        if request.path.ends_with(BOOTSTRAP) || request.path.ends_with("rules.json") {
            return Reply::Hang;
        }
        thread::sleep(late);
        Reply::json(r#"[{"key": "f", "targeting_rules": [{"segment_id": "s"}]}]"#)
    });
    let client = builder(&server)
        .request_timeout(timeout)
        .bootstrap_text("[]")
        .polling_interval(NEVER)
        .build()
        .unwrap();
    let error = client.refresh().unwrap_err();
    let Error::Request { cause: RequestError::Timeout { url, limit, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(url.ends_with(BOOTSTRAP), "{url}");
    assert!(*limit <= timeout - late, "{limit:?}");

    // A bootstrap URL is part of the time, too.
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server)
        .request_timeout(Duration::from_millis(200))
        .bootstrap_url("/rules.json")
        .build()
        .unwrap();
    client.refresh().unwrap_err();
    assert_eq!(server.requests_to("rules.json").len(), 0);
}

#[test]
fn waits_for_a_poll_for_at_most_one_request_timeout() {
    let server = start_with_etag(1, &["a"]);
    let timeout = Duration::from_secs(2);
    let settings = builder(&server).polling_interval(NEVER).request_timeout(timeout);
    let client = settings.build().unwrap();
    let (proceed, begun) = block(&client);
    client.start().unwrap();
    begun.recv_timeout(SOON).unwrap();
    // A listener blocks the poll.
    let error = client.refresh().unwrap_err();
    assert!(
        matches!(&error, Error::Request { cause: RequestError::Timeout { limit, .. }, .. }
            if *limit == timeout),
        "{error:?}"
    );
    drop(proceed);
    let refreshed = || client.refresh().is_ok_and(|changed| !changed);
    wait_until("a refresh after the listener", refreshed);
}

/// Adds a listener that refreshes the client, and sends the results.
fn refresh_in_a_listener(client: &PhaseFlagClient) -> Receiver<Result<bool, Error>> {
    let (send, results) = channel();
    let own = client.clone();
    client.on_flags_changed(move |_| {
        let _ = send.send(own.refresh());
    });
    results
}

#[test]
fn a_listener_cannot_refresh_its_client() {
    let server = start_with_etag(1, &["a"]);
    let assert_busy = |results: &Receiver<Result<bool, Error>>| {
        let error = results.recv_timeout(SOON).unwrap().unwrap_err();
        assert!(matches!(error, Error::Busy), "{error:?}");
        assert_eq!(error.to_string(), "a listener or a logger of the client cannot refresh it");
    };
    // On the thread that polls, on one that refreshes, and on one that starts.
    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    let results = refresh_in_a_listener(&client);
    client.start().unwrap();
    assert_busy(&results);
    client.stop();

    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    let results = refresh_in_a_listener(&client);
    assert!(client.refresh().unwrap());
    assert_busy(&results);
    client.stop();

    let server = Server::start(|_| Reply::Hang);
    let rules = ruleset(1, &["a"]);
    let client = builder(&server).bootstrap_text(rules).build().unwrap();
    let results = refresh_in_a_listener(&client);
    client.start().unwrap();
    assert_busy(&results);
    client.stop();
}

#[test]
fn a_listener_can_refresh_another_client() {
    let server = start_with_etag(1, &["a"]);
    let other = builder(&server).build().unwrap();
    let client = builder(&server).build().unwrap();
    let (send, results) = channel();
    let refreshed = other.clone();
    client.on_flags_changed(move |_| send.send(refreshed.refresh()).unwrap());
    assert!(client.refresh().unwrap());
    assert!(results.recv_timeout(SOON).unwrap().unwrap());
    // The mark of the thread is that of the outer client again, and then none.
    assert!(!client.refresh().unwrap());
    assert!(!other.refresh().unwrap());
}

#[test]
fn a_listener_of_another_client_cannot_refresh_the_client_that_calls_it() {
    let server = start_with_etag(1, &["a"]);
    let clients: Vec<_> = (0..3).map(|_| builder(&server).build().unwrap()).collect();
    let (send, results) = channel();
    for (number, client) in clients.iter().enumerate() {
        let (send, next) = (send.clone(), clients[(number + 1) % clients.len()].clone());
        client.on_flags_changed(move |_| send.send(next.refresh()).unwrap());
    }
    assert!(clients[0].refresh().unwrap());
    // The innermost call ends first.
    let result = results.recv_timeout(SOON).unwrap();
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    for _ in 1..clients.len() {
        assert!(results.recv_timeout(SOON).unwrap().unwrap());
    }
    clients.iter().for_each(PhaseFlagClient::stop);
}

#[test]
fn a_logger_cannot_refresh_the_client_that_polls() {
    let server = Server::start(|_| Reply::status(500));
    let client = builder(&server).build().unwrap();
    let (send, results) = channel();
    let own = client.clone();
    logger::listen();
    WHIM.with(|place| {
        *place.borrow_mut() = Some(Box::new(move || {
            let _ = send.send(own.refresh());
        }));
    });
    client.refresh().unwrap_err();
    let error = results.recv_timeout(SOON).unwrap().unwrap_err();
    assert!(matches!(error, Error::Busy), "{error:?}");
}

#[test]
fn a_listener_that_panics_does_not_fail_the_refresh() {
    let server = start_with_etag(1, &["a"]);
    let client = builder(&server).build().unwrap();
    client.on_flags_changed(|_| panic!("a listener"));
    assert!(client.refresh().unwrap());
    assert!(!client.refresh().unwrap());
}

#[test]
fn a_stop_ends_it() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).request_timeout(NEVER).build().unwrap();
    let first = refresh_on_a_thread(&client);
    server.wait_for(1, RULESET);
    client.stop();
    server.close_connections();
    let assert_stopped = |result: Result<bool, Error>| {
        assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    };
    assert_stopped(first.recv_timeout(SOON).unwrap());
    assert_stopped(client.refresh());

    // One that waits for a poll returns at once.
    let client = started(builder(&server).request_timeout(NEVER));
    server.wait_for(2, RULESET);
    let waiting = refresh_on_a_thread(&client);
    assert!(waiting.recv_timeout(Duration::from_millis(100)).is_err(), "it does not wait");
    client.stop();
    assert_stopped(waiting.recv_timeout(SOON).unwrap());
    assert_eq!(server.requests().len(), 2);
    server.close_connections();

    let client = builder(&server).build().unwrap();
    client.stop_now();
    assert_stopped(client.refresh());
}

#[test]
fn a_listener_can_stop_the_client_during_a_refresh() {
    let server = start_with_etag(1, &["a"]);
    let client = builder(&server).build().unwrap();
    let own = client.clone();
    client.on_flags_changed(move |_| own.stop());
    assert!(matches!(client.refresh(), Err(Error::Stopped)));
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn needs_a_service() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    assert!(matches!(client.refresh(), Err(Error::NoService)));
}

#[test]
fn many_threads_refresh_start_and_stop_at_once() {
    let server = Server::start(|request| {
        Reply::json(ruleset(request.number as u64, &[["a", "b"][request.number % 2]]))
    });
    for round in 0..20 {
        let client = builder(&server).polling_interval(RAPIDLY).build().unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let result = client.refresh();
                        assert!(matches!(result, Ok(_) | Err(Error::Stopped)), "{result:?}");
                    }
                });
            }
            scope.spawn(|| {
                let _ = client.start();
                if round % 2 == 0 {
                    client.stop();
                }
            });
        });
        let rules = client.snapshot();
        let keys = ["a", "b"].map(|key| rules.get_boolean_value(key, false, None));
        assert!(round % 2 == 0 || keys[0] != keys[1], "{keys:?}");
    }
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(env::temp_dir().join(format!("phaseflag-refresh-{}-{name}", process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
