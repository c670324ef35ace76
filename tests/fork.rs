//! A process that is forked after the start of a client: it never waits, and delivers nothing twice.
//!
//! Each test runs in a separate process, because only the forking thread exists in a forked one.
#![cfg(all(feature = "http", unix))]

#[path = "support/alone.rs"]
mod alone;
#[path = "support/asleep.rs"]
mod asleep;
#[path = "support/logger.rs"]
mod logger;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use alone::is_alone;
use asleep::others_sleep;
use fork::{Fork, fork, waitpid, waitpid_nohang};
use phaseflag::{ClientBuilder, ClientState, Error, EvaluationEvent, PhaseFlagClient};
use support::{NEVER, RAPIDLY, Reply, SOON, Server, builder, ready, ruleset, started, wait_until};

/// The longest that an immediate call takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

const WARNING: &str = "this process was forked after the start of the client";

/// Runs a check in a forked process, and fails if the check does or takes too long.
#[track_caller]
fn in_fork(what: &str, check: impl FnOnce()) {
    let report = env::temp_dir().join(format!("phaseflag-fork-{}", process::id()));
    wait_until_asleep();
    match fork().unwrap() {
        Fork::Child => {
            let outcome = catch_unwind(AssertUnwindSafe(check)).map_err(|payload| {
                let text = payload.downcast_ref::<String>().cloned();
                text.or(payload.downcast_ref::<&str>().map(|text| text.to_string()))
            });
            fs::write(report, format!("{outcome:?}")).unwrap();
            process::exit(0);
        }
        Fork::Parent(child) => {
            let deadline = Instant::now() + SOON;
            while waitpid_nohang(child).unwrap().is_none() {
                if Instant::now() > deadline {
                    Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
                    panic!("{what}: the forked process does not end");
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            let outcome = fs::read_to_string(&report).unwrap_or_default();
            let _ = fs::remove_file(report);
            assert_eq!(outcome, "Ok(())", "{what}");
        }
    }
}

/// Waits until all other threads sleep: a lock that one of them holds stays locked in a forked process.
fn wait_until_asleep() {
    if cfg!(target_os = "linux") {
        wait_until("all other threads sleep", others_sleep);
    }
}

/// A builder whose events wait for a flush.
fn quiet(server: &Server) -> ClientBuilder {
    builder(server).polling_interval(NEVER).event_flush_interval(NEVER).shutdown_timeout(NEVER)
}

fn track(client: &PhaseFlagClient, keys: &[&str]) {
    for key in keys {
        client.track_event(EvaluationEvent::new(*key));
    }
}

/// Returns the keys of all events that the server received, sorted.
fn received(server: &Server) -> Vec<String> {
    let requests = server.requests_to("/sdk/events");
    let events = requests.iter().flat_map(|request| {
        let events = request.json()["events"].as_array().unwrap().to_vec();
        events.into_iter().map(|event| event["flag_key"].as_str().unwrap().to_owned())
    });
    let mut keys: Vec<_> = events.collect();
    keys.sort();
    keys
}

fn is_forked(result: Result<(), Error>) {
    assert!(matches!(result, Err(Error::Forked)), "{result:?}");
}

/// What a forked process may call first. None of it waits.
type Call = fn(&PhaseFlagClient);

const CALLS: [(&str, Call); 11] = [
    ("nothing but drop", |_| {}),
    ("state", |client| assert_eq!(client.state(), ClientState::Stopped)),
    ("track_event", |client| track(client, &["forked"])),
    ("flush_events", |client| is_forked(client.flush_events())),
    ("stop", PhaseFlagClient::stop),
    ("stop_now", PhaseFlagClient::stop_now),
    ("start", |client| is_forked(client.start())),
    ("wait_until_ready", |client| is_forked(client.wait_until_ready(NEVER))),
    ("evaluate", |client| is_forked(client.evaluate("a", None).map(drop))),
    ("fetch_ruleset", |client| is_forked(client.fetch_ruleset().map(drop))),
    ("refresh", |client| is_forked(client.refresh().map(drop))),
];

/// What ends a client.
const ENDS: [fn(PhaseFlagClient); 3] = [drop, |client| client.stop(), |client| client.stop_now()];

#[test]
fn no_call_waits_and_no_event_is_sent_twice() {
    if !is_alone("no_call_waits_and_no_event_is_sent_twice") {
        return;
    }
    // The client is not ready.
    let server = Server::start(|request| match request.path.ends_with("/sdk/events") {
        true => Reply::status(202).with_body("{}"),
        false => Reply::Hang,
    });
    let client = started(quiet(&server));
    track(&client, &["1", "2", "3"]);
    for (what, call) in CALLS {
        let client = client.clone();
        in_fork(what, || {
            let begun = Instant::now();
            call(&client);
            for (_, call) in CALLS {
                call(&client);
            }
            drop(client);
            assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        });
    }
    assert_eq!(received(&server), [""; 0]);
    client.flush_events().unwrap();
    assert_eq!(received(&server), ["1", "2", "3"]);
    assert_eq!(client.state(), ClientState::NotReady);
}

/// Dropping the last handle of the forked process.
#[test]
fn a_dropped_client_neither_delivers_nor_spools() {
    if !is_alone("a_dropped_client_neither_delivers_nor_spools") {
        return;
    }
    let spool = env::temp_dir().join(format!("phaseflag-fork-spool-{}", process::id()));
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for end in [drop, |client: PhaseFlagClient| client.stop_now()] {
        let client = ready(quiet(&server).event_spool(&spool));
        track(&client, &["spooled"]);
        let mut handle = Some(client);
        in_fork("an end", || {
            handle.take().map(end);
            assert!(!spool.exists());
        });
        let client = handle.unwrap();
        client.stop_now();
        assert_eq!(client.statistics().events.spooled, 1);
        fs::remove_file(&spool).unwrap();
    }
    let _ = fs::remove_file(PathBuf::from(format!("{}.lock", spool.display())));
}

/// A folder with a spool, and a service that responds to events only after `release`.
struct Delivery {
    server: Server,
    folder: PathBuf,
    responds: Sender<()>,
}

impl Delivery {
    fn new(name: &str) -> Delivery {
        let folder = env::temp_dir().join(format!("phaseflag-fork-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        let (responds, released) = channel::<()>();
        let released = Mutex::new(released);
        let server = Server::start(move |request| match request.path.ends_with("/sdk/events") {
            true => {
                let _ = released.lock().unwrap().recv();
                Reply::status(202).with_body("{}")
            }
            false => Reply::json(ruleset(1, &["a"])),
        });
        Delivery { server, folder, responds }
    }

    /// Makes a client that delivers the spool.
    fn client(&self) -> PhaseFlagClient {
        ready(quiet(&self.server).event_spool(self.folder.join("events")))
    }

    /// Leaves an event in the spool.
    fn leave(&self, key: &str) {
        let client = self.client();
        track(&client, &[key]);
        client.stop_now();
        assert_eq!(client.statistics().events.spooled, 1);
    }

    /// Makes a client that is delivering an event from the spool, which it has locked for that.
    fn delivering(&self) -> PhaseFlagClient {
        self.leave("1");
        let client = self.client();
        self.server.wait_for(1, "/sdk/events");
        client
    }

    fn release(&mut self) {
        self.responds = channel().0;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A forked process has the lock files of the spool open, too.
#[test]
fn a_forked_process_keeps_no_lock_of_the_spool() {
    if !is_alone("a_forked_process_keeps_no_lock_of_the_spool") {
        return;
    }
    let mut delivery = Delivery::new("lock");
    let client = delivery.delivering();
    wait_until_asleep();
    let child = match fork().unwrap() {
        Fork::Child => {
            std::thread::sleep(2 * SOON);
            process::exit(0);
        }
        Fork::Parent(child) => child,
    };
    delivery.release();
    client.stop();
    assert_eq!(client.statistics().events.delivered_spooled, 1);
    delivery.leave("2");
    let client = delivery.client();
    client.stop();
    Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
    waitpid(child).unwrap();
    assert_eq!(client.statistics().events.delivered_spooled, 1);
    assert_eq!(received(&delivery.server), ["1", "2"]);
}

/// A release in the forked process would release the lock for both.
#[test]
fn no_end_in_the_forked_process_releases_a_lock_of_the_spool() {
    if !is_alone("no_end_in_the_forked_process_releases_a_lock_of_the_spool") {
        return;
    }
    let mut delivery = Delivery::new("release");
    let mut handle = Some(delivery.delivering());
    for end in ENDS {
        in_fork("an end", || {
            handle.take().map(end);
        });
    }
    let other = delivery.client();
    other.stop();
    assert_eq!(received(&delivery.server), ["1"]);
    let client = handle.unwrap();
    delivery.release();
    client.stop();
    let spooled = |client: &PhaseFlagClient| client.statistics().events.delivered_spooled;
    assert_eq!((spooled(&client), spooled(&other)), (1, 0));
    assert_eq!(received(&delivery.server), ["1"]);
}

/// The connection belongs to the other process, too.
#[test]
fn no_end_in_the_forked_process_ends_the_event_stream() {
    if !is_alone("no_end_in_the_forked_process_ends_the_event_stream") {
        return;
    }
    let (send, pieces) = channel::<Vec<u8>>();
    let pieces = Arc::new(Mutex::new(pieces));
    let server = Server::start(move |request| match request.path.ends_with("/sdk/stream") {
        true => Reply::Stream(pieces.clone()),
        false => Reply::json(ruleset(request.number as u64, &[["a", "b"][request.number % 2]])),
    });
    let client = ready(quiet(&server).streaming(true));
    server.wait_for(1, "/sdk/stream");
    let mut handle = Some(client);
    for end in ENDS {
        in_fork("an end", || {
            handle.take().map(end);
        });
    }
    let client = handle.unwrap();
    let accepted = || client.statistics().rulesets_accepted;
    let before = accepted();
    send.send(b"data: {}\n\n".to_vec()).unwrap();
    wait_until("the poll that the event hastens", || accepted() > before);
    assert_eq!(server.requests_to("/sdk/stream").len(), 1);
}

#[test]
fn the_forked_process_serves_rules_counts_events_and_reports_once() {
    if !is_alone("the_forked_process_serves_rules_counts_events_and_reports_once") {
        return;
    }
    logger::listen();
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(quiet(&server).record_evaluations(true));
    track(&client, &["1", "2"]);
    in_fork("a fork", || {
        assert!(client.get_boolean_value("a", false, None));
        client.wait_until_ready(NEVER).unwrap();
        assert_eq!(client.state(), ClientState::Stopped);
        track(&client, &["forked", "forked"]);
        is_forked(client.flush_events());
        let counts = client.statistics().events;
        assert_eq!((counts.queued, counts.delivered, counts.dropped_undelivered), (0, 0, 3));
        client.stop();
        assert!(client.get_boolean_value("a", false, None));
        assert_eq!(logger::warnings_with(WARNING).len(), 1);
        // A client that is started after the fork.
        let own = ready(quiet(&server));
        track(&own, &["own"]);
        own.flush_events().unwrap();
        // A fork of the fork.
        in_fork("a fork of the fork", || is_forked(client.start()));
    });
    assert_eq!(logger::warnings_with(WARNING), [""; 0]);
    client.flush_events().unwrap();
    assert_eq!(received(&server), ["1", "2", "own"]);
    assert_eq!(client.statistics().events.dropped(), 0);
    assert_eq!(client.state(), ClientState::Ready);
}

#[test]
fn without_rules_the_details_give_the_reason() {
    if !is_alone("without_rules_the_details_give_the_reason") {
        return;
    }
    let server = Server::start(|_| Reply::Hang);
    let client = started(quiet(&server));
    in_fork("details", || {
        let details = client.get_boolean_details("a", false, None);
        let error = format!("{:#}", details.error().unwrap());
        assert!(
            error.ends_with("the client was started before this process was forked"),
            "{error}"
        );
    });
}

#[test]
fn a_client_that_is_built_before_the_fork_can_be_started_after_it() {
    if !is_alone("a_client_that_is_built_before_the_fork_can_be_started_after_it") {
        return;
    }
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = quiet(&server).build().unwrap();
    // A start that failed does not count.
    let failed = PhaseFlagClient::builder("", "").bootstrap_text("[oops").build().unwrap();
    failed.start().unwrap_err();
    for _ in 0..2 {
        in_fork("a start", || {
            assert!(matches!(failed.start(), Err(Error::Bootstrap { .. })));
            client.start().unwrap();
            client.wait_until_ready(SOON).unwrap();
            track(&client, &["forked"]);
            client.flush_events().unwrap();
            assert_eq!(client.state(), ClientState::Ready);
            client.stop();
        });
    }
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    assert_eq!(received(&server), ["forked"; 2]);
}

#[test]
fn a_client_that_watches_a_file_is_left_too() {
    if !is_alone("a_client_that_watches_a_file_is_left_too") {
        return;
    }
    let file = env::temp_dir().join(format!("phaseflag-fork-{}.json", process::id()));
    fs::write(&file, ruleset(1, &["a"])).unwrap();
    let client =
        started(PhaseFlagClient::builder("", "").bootstrap_file(&file).bootstrap_watch(RAPIDLY));
    in_fork("a fork", || {
        assert_eq!(client.state(), ClientState::Stopped);
        assert!(client.get_boolean_value("a", false, None));
        client.flush_events().unwrap();
        client.stop();
    });
    fs::write(&file, ruleset(1, &["b"])).unwrap();
    wait_until("the watcher of the parent", || client.get_boolean_value("b", false, None));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_client_without_threads_is_as_good_in_a_fork() {
    if !is_alone("a_client_without_threads_is_as_good_in_a_fork") {
        return;
    }
    logger::listen();
    let client = started(PhaseFlagClient::builder("", "").bootstrap_text(ruleset(1, &["a"])));
    in_fork("a fork", || {
        client.start().unwrap();
        client.wait_until_ready(NEVER).unwrap();
        assert_eq!(client.state(), ClientState::Ready);
        track(&client, &["dropped"]);
        client.flush_events().unwrap();
        assert!(client.get_boolean_value("a", false, None));
        client.stop();
        assert_eq!(logger::warnings_with(WARNING), [""; 0]);
    });
}
