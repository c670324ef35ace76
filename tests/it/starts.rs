//! Starts that fail, panic or overlap.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use std::{env, fs, process};

use phaseflag::{ClientBuilder, Error, PhaseFlagClient};

use crate::logger::{self, WHIM};
use crate::support::{NEVER, SOON, Server, builder, ready, ruleset, wait_until};
use crate::wire::within;

/// A time in which a call that waits does not return.
const SHORTLY: Duration = Duration::from_millis(100);

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("phaseflag-starts-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes the logger call this at the next line of this thread.
fn at_next_line(whim: impl Fn() + 'static) {
    logger::listen();
    WHIM.with(|place| *place.borrow_mut() = Some(Box::new(whim)));
}

/// Starts a client on another thread, where the first log line takes until the test lets it end.
/// Returns when that line has begun.
fn start_slowly(client: &PhaseFlagClient) -> (impl FnOnce(), Receiver<Result<(), Error>>) {
    let (begin, begun) = channel();
    let (proceed, may_proceed) = channel::<()>();
    let (end, ended) = channel();
    let client = client.clone();
    thread::spawn(move || {
        at_next_line(move || {
            begin.send(()).unwrap();
            let _ = may_proceed.recv();
        });
        let _ = end.send(client.start());
    });
    begun.recv_timeout(SOON).unwrap();
    (move || drop(proceed), ended)
}

fn start_on_a_thread(client: &PhaseFlagClient) -> Receiver<Result<(), Error>> {
    let (end, ended) = channel();
    let client = client.clone();
    thread::spawn(move || end.send(client.start()));
    ended
}

fn bootstrapped(text: &str) -> PhaseFlagClient {
    PhaseFlagClient::builder("", "").bootstrap_text(text).build().unwrap()
}

#[test]
fn a_second_start_fails_if_the_first_does() {
    let client = bootstrapped("[oops");
    let (proceed, first) = start_slowly(&client);
    let others = [(); 3].map(|()| start_on_a_thread(&client));
    for other in &others {
        other.recv_timeout(SHORTLY).unwrap_err();
    }
    proceed();
    for ended in [&first].into_iter().chain(&others) {
        let error = ended.recv_timeout(SOON).unwrap().unwrap_err();
        assert!(matches!(error, Error::Bootstrap { .. }), "{error}");
    }
}

#[test]
fn a_second_start_returns_when_the_first_has_succeeded() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for client in [
        bootstrapped("[]"),
        builder(&server).bootstrap_text("[]").build().unwrap(),
        builder(&server).bootstrap_text("[oops").build().unwrap(),
    ] {
        let (proceed, first) = start_slowly(&client);
        let second = start_on_a_thread(&client);
        second.recv_timeout(SHORTLY).unwrap_err();
        proceed();
        first.recv_timeout(SOON).unwrap().unwrap();
        second.recv_timeout(SOON).unwrap().unwrap();
        client.wait_until_ready(SOON).unwrap();
    }
}

#[test]
fn a_start_that_does_not_end_is_waited_for_ten_seconds() {
    let client = bootstrapped("[]");
    let (proceed, first) = start_slowly(&client);
    let error = start_on_a_thread(&client).recv_timeout(10 * SOON).unwrap().unwrap_err();
    assert!(matches!(error, Error::Starting), "{error}");
    assert_eq!(error.to_string(), "the start of the client has not ended");
    proceed();
    first.recv_timeout(SOON).unwrap().unwrap();
    client.start().unwrap();
}

#[test]
fn stop_ends_every_start() {
    let client = bootstrapped("[]");
    let (proceed, first) = start_slowly(&client);
    let second = start_on_a_thread(&client);
    second.recv_timeout(SHORTLY).unwrap_err();
    within(SOON / 4, "a stop", || client.stop());
    let stopped = |ended: &Receiver<Result<(), Error>>| {
        let error = ended.recv_timeout(SOON).unwrap().unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error}");
    };
    stopped(&second);
    proceed();
    stopped(&first);
}

/// A listener may wait for a thread that starts the client.
#[test]
fn a_listener_of_a_start_does_not_wait_for_it() {
    let client = bootstrapped(r#"[{"key": "a"}]"#);
    let (said, heard) = channel();
    let own = client.clone();
    client.on_flags_changed(move |_| said.send(own.start()).unwrap());
    within(SOON / 4, "a start", || client.start()).unwrap();
    heard.recv_timeout(SOON).unwrap().unwrap();
    client.stop();
}

#[test]
fn until_a_start_has_ended_the_client_is_not_started() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).bootstrap_text("[]").build().unwrap();
    let is_unready = |client: &PhaseFlagClient, text: &str| {
        for timeout in [Duration::ZERO, SHORTLY] {
            let error = client.wait_until_ready(timeout).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    };
    let not_started = |client: &PhaseFlagClient| {
        is_unready(client, "the client has not been started");
    };
    not_started(&client);
    let (proceed, first) = start_slowly(&client);
    is_unready(&client, "the start of the client has not ended");
    assert!(matches!(client.flush_events(), Err(Error::Starting)));
    proceed();
    first.recv_timeout(SOON).unwrap().unwrap();
    client.wait_until_ready(SOON).unwrap();

    let failed = bootstrapped("[oops");
    failed.start().unwrap_err();
    not_started(&failed);
    failed.stop();
    assert!(matches!(failed.wait_until_ready(Duration::ZERO), Err(Error::Stopped)));
}

#[test]
fn a_logger_that_panics_does_not_end_a_start() {
    let folder = Folder::new("panics");
    let file = folder.0.join("flags.json");
    fs::write(&file, ruleset(1, &["a"])).unwrap();
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let cached = || builder(&server).cache_dir(folder.0.join("cache"));
    ready(cached().polling_interval(Duration::ZERO)).stop();
    let without = || PhaseFlagClient::builder("", "");
    let cases: [(&str, ClientBuilder); 7] = [
        ("a bootstrap", without().bootstrap_file(&file)),
        ("a watched bootstrap", without().bootstrap_file(&file).bootstrap_watch(SOON)),
        ("a missing bootstrap that is watched", {
            without().bootstrap_file(folder.0.join("none")).bootstrap_watch(SOON)
        }),
        ("an unusable bootstrap", builder(&server).bootstrap_text("[oops")),
        ("cached rules", cached().polling_interval(Duration::ZERO)),
        ("fresh cached rules", cached().cache_max_age(NEVER)),
        ("rapid polls", builder(&server).polling_interval(Duration::from_millis(500))),
    ];
    for (what, settings) in cases {
        let client = settings.build().unwrap();
        let starting = client.clone();
        let started = thread::spawn(move || {
            at_next_line(|| panic!("a logger"));
            starting.start().unwrap();
            WHIM.with(|whim| whim.borrow().is_none())
        });
        assert!(started.join().expect(what), "{what}: nothing was logged");
        client.wait_until_ready(SOON).unwrap();
        wait_until(what, || client.get_boolean_value("a", false, None) || !client.has_rules());
        client.stop();
    }
}
