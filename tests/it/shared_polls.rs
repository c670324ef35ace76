//! Processes with the same cache share their polls.

use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use phaseflag::{ClientBuilder, ClientState, Error, PhaseFlagClient};
use tempfile::TempDir;

use crate::logger;
#[cfg(target_os = "linux")]
use crate::mounts::{may_mount, mount};
use crate::program::Program;
use crate::support::{
    NEVER, Reply, Request, SOON, Server, builder, ready, ruleset, started, wait_until,
};

const RULESET: &str = "/sdk/ruleset";

/// An interval with time for many looks, of which few fit into a test.
const INTERVAL: Duration = Duration::from_millis(300);

/// A cache that processes share.
struct Cache(TempDir);

impl Cache {
    fn new() -> Cache {
        logger::listen();
        Cache(TempDir::new().unwrap())
    }

    /// Returns a cache with rules of the server.
    fn with_rules(server: &Server) -> Cache {
        let cache = Cache::new();
        ready(cache.client(server).polling_interval(Duration::ZERO)).stop();
        cache
    }

    fn client(&self, server: &Server) -> ClientBuilder {
        builder(server).cache_dir(self.0.path()).polling_interval(NEVER)
    }

    /// Returns the path of the file with this extension, which may not exist.
    fn file(&self, extension: &str) -> PathBuf {
        let mut entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let file = entries.find(|path| path.extension().is_some_and(|end| end == "rules"));
        file.expect("a file of rules").with_extension(extension)
    }

    /// Takes the lock, as a process that asks the service does.
    fn lock(&self) -> File {
        let path = self.file("lock");
        let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
        file.try_lock().unwrap();
        file
    }

    fn set_time(&self, time: SystemTime) {
        let file = File::options().write(true).open(self.file("rules")).unwrap();
        file.set_modified(time).unwrap();
    }

    fn warnings(&self) -> Vec<String> {
        logger::warnings_with(self.0.path().to_str().unwrap())
    }
}

/// Returns a server whose ruleset has one flag, named after the version.
fn server(version: u64) -> Server {
    let server = Server::start(|_| Reply::Hang);
    serve(&server, version);
    server
}

fn serve(server: &Server, version: u64) {
    server.respond(move |_| rules(version));
}

fn rules(version: u64) -> Reply {
    Reply::json(ruleset(version, &[&format!("v{version}")]))
}

fn has(client: &PhaseFlagClient, version: u64) -> bool {
    client.get_boolean_value(&format!("v{version}"), false, None)
}

/// Returns how many polls the client has made, and how many of them made no request.
fn polls(client: &PhaseFlagClient) -> (u64, u64) {
    let statistics = client.statistics();
    (statistics.polls, statistics.shared_polls)
}

/// Refreshes the other client until this holds.
fn refresh_until(other: &PhaseFlagClient, condition: impl Fn() -> bool) {
    wait_until("the client takes the rules of the other client", || {
        if !condition() {
            other.refresh().unwrap();
        }
        condition()
    });
}

/// Starts a client, and another one that polls for it.
fn pair(cache: &Cache, server: &Server) -> (PhaseFlagClient, PhaseFlagClient) {
    let client = ready(cache.client(server).polling_interval(Duration::from_secs(1)));
    let other = ready(cache.client(server));
    // Its next poll is almost a second later, and then the file is younger than the interval.
    refresh_until(&other, || client.statistics().shared_polls > 0);
    (client, other)
}

#[test]
fn a_poll_of_another_process_counts() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER / 2);
    let client = ready(cache.client(&server));
    assert!(has(&client, 1));
    assert_eq!(client.state(), ClientState::Ready);
    assert_eq!(polls(&client), (1, 1));
    let statistics = client.statistics();
    assert!(statistics.rules_age.unwrap() >= NEVER / 2);
    assert_eq!((statistics.rulesets_accepted, statistics.rulesets_loaded), (0, 1));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_poll_before_the_interval_does_not_count() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let client = ready(cache.client(&server));
    assert_eq!(polls(&client), (1, 0));
    // The service has confirmed the rules for the next process.
    assert_eq!(polls(&ready(cache.client(&server))), (1, 1));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_poll_in_the_future_does_not_count() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() + SOON);
    serve(&server, 2);
    let client = ready(cache.client(&server));
    assert!(has(&client, 2));
    assert_eq!(polls(&client), (1, 0));
    assert_eq!(polls(&ready(cache.client(&server))), (1, 1));
}

#[test]
fn a_process_does_not_count_its_own_polls_twice() {
    for etag in [false, true] {
        let server = Server::start(move |request| match request.header("if-none-match") {
            Some(_) => Reply::status(304),
            None if etag => rules(1).with("etag", "\"one\""),
            None => rules(1),
        });
        let cache = Cache::new();
        let client = ready(cache.client(&server).polling_interval(Duration::from_millis(20)));
        server.wait_for(5, RULESET);
        wait_until("five polls", || client.statistics().polls >= 5);
        assert_eq!(client.statistics().shared_polls, 0, "{etag}");
    }
}

#[test]
fn without_polls_there_is_no_lock() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    assert_eq!(fs::read_dir(cache.0.path()).unwrap().count(), 1);
    let client = ready(cache.client(&server).polling_interval(Duration::ZERO));
    assert_eq!(polls(&client), (1, 0));
    assert_eq!(fs::read_dir(cache.0.path()).unwrap().count(), 1);
}

#[test]
fn a_change_that_another_process_fetched_is_announced_to_listeners() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let (client, other) = pair(&cache, &server);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = heard.clone();
    client.on_flags_changed(move |flags| {
        hearing.lock().unwrap().push((flags.added().to_vec(), flags.removed().to_vec()));
    });
    serve(&server, 2);
    refresh_until(&other, || has(&client, 2));
    wait_until("the listener", || !heard.lock().unwrap().is_empty());
    let names = |name: &str| vec![name.to_owned()];
    assert_eq!(*heard.lock().unwrap(), [(names("v2"), names("v1"))]);
}

#[test]
fn a_refresh_asks_the_service_for_all() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let client = ready(cache.client(&server));
    assert!(!client.refresh().unwrap());
    assert_eq!(server.requests().len(), 2);
    serve(&server, 2);
    assert!(client.refresh().unwrap());
    assert_eq!(server.requests().len(), 3);
    let other = ready(cache.client(&server));
    assert!(has(&other, 2));
    assert_eq!(polls(&other), (1, 1));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_new_folder_has_a_lock_from_the_first_poll_on() {
    let server = server(1);
    let cache = Cache::new();
    let folder = cache.0.path().join("new").join("folder");
    let settings = || cache.client(&server).cache_dir(&folder);
    assert_eq!(polls(&ready(settings())), (1, 0));
    assert_eq!(polls(&ready(settings())), (1, 1));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    assert!(cache.warnings().is_empty());
}

#[test]
fn a_byte_order_mark_makes_no_response_new() {
    let server = Server::with_ruleset(format!("\u{feff}{}", ruleset(1, &["v1"])));
    let cache = Cache::with_rules(&server);
    let client = ready(cache.client(&server));
    assert!(!client.refresh().unwrap());
    assert_eq!(client.statistics().rulesets_accepted, 0);
}

#[test]
fn a_listener_holds_no_lock() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    fs::remove_file(cache.file("rules")).unwrap();
    let (entered, entering) = channel();
    let (leave, leaving) = channel::<()>();
    let leaving = Mutex::new(leaving);
    let client = cache.client(&server).build().unwrap();
    client.on_flags_changed(move |_| {
        entered.send(()).unwrap();
        let _ = leaving.lock().unwrap().recv();
    });
    client.start().unwrap();
    entering.recv_timeout(SOON).unwrap();
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let other = started(cache.client(&server).offline_mode(true).request_timeout(NEVER));
    server.wait_for(3, RULESET);
    wait_until("the poll", || polls(&other) == (1, 0));
    drop(leave);
}

/// Holds the responses back until the sender is dropped.
fn hold_back(server: &Server, version: u64, proceeding: Receiver<()>) {
    let proceeding = Mutex::new(proceeding);
    server.respond(move |_| {
        let _ = proceeding.lock().unwrap().recv();
        rules(version)
    });
}

#[test]
fn two_processes_do_not_ask_at_once() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let (proceed, proceeding) = channel();
    hold_back(&server, 2, proceeding);
    let settings = || cache.client(&server).offline_mode(true).request_timeout(NEVER);
    let first = started(settings());
    server.wait_for(2, RULESET);
    let others = [(); 4].map(|()| started(settings()));
    for client in &others {
        // What is there is in use.
        assert!(client.is_ready() && has(client, 1));
    }
    drop(proceed);
    for client in others.iter().chain([&first]) {
        // The rules are in use before the poll is counted.
        wait_until("the response", || polls(client).0 > 0);
        assert!(has(client, 2));
    }
    assert_eq!(polls(&first), (1, 0));
    assert_eq!(others.map(|client| polls(&client)), [(1, 1); 4]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_lock_is_waited_for_as_long_as_a_request_takes() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let lock = cache.lock();
    let timeout = Duration::from_millis(300);
    let begin = Instant::now();
    let settings = cache.client(&server).offline_mode(true).request_timeout(timeout);
    let client = started(settings.polling_interval(Duration::from_millis(20)));
    // Ready, and it serves what is there.
    assert!(client.is_ready() && has(&client, 1));
    for polls in 1..=3 {
        server.wait_for(1 + polls as usize, RULESET);
        assert!(begin.elapsed() >= timeout * polls);
    }
    drop(lock);
}

#[test]
fn a_client_without_rules_waits_less_long_for_a_lock() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let _lock = cache.lock();
    fs::remove_file(cache.file("rules")).unwrap();
    let begin = Instant::now();
    let client = ready(cache.client(&server).request_timeout(NEVER));
    assert!(has(&client, 1));
    assert!(begin.elapsed() >= Duration::from_secs(2));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_released_lock_is_taken() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let lock = cache.lock();
    let settings = cache.client(&server).offline_mode(true).request_timeout(NEVER);
    let client = started(settings);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.requests().len(), 1, "the lock is held");
    // As the process that held it dies: without a response.
    drop(lock);
    server.wait_for(2, RULESET);
    wait_until("the poll", || polls(&client) == (1, 0));
}

#[test]
fn a_refresh_does_not_wait_for_a_lock() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let _lock = cache.lock();
    let settings = cache.client(&server).offline_mode(true).request_timeout(NEVER);
    let client = started(settings);
    serve(&server, 2);
    assert!(client.refresh().unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn failures_are_not_shared() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    server.respond(|_| Reply::status(503));
    let clients = [(); 3].map(|()| started(cache.client(&server)));
    for client in &clients {
        wait_until("a failure", || client.statistics().last_failure.is_some());
        assert!(has(client, 1) && !client.is_ready());
    }
    assert!(server.requests().len() >= 4);
    // The first success ends the failures of all.
    serve(&server, 2);
    for client in &clients {
        wait_until("the recovery", || client.state() == ClientState::Ready);
        assert!(has(client, 2));
    }
}

#[test]
fn an_older_success_does_not_end_a_failure() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let client = ready(cache.client(&server));
    assert_eq!(polls(&client), (1, 1));
    // Another process polls, then the service fails.
    ready(cache.client(&server)).refresh().unwrap();
    server.respond(|_| Reply::status(503));
    let requests = server.requests().len();
    assert!(matches!(client.refresh(), Err(Error::Request { .. })));
    server.wait_for(requests + 2, RULESET);
    wait_until("another failure", || client.statistics().polls >= 3);
    assert!(matches!(client.state(), ClientState::Stale { .. }), "{}", client.state());
}

#[test]
fn the_etag_is_shared() {
    let version = Arc::new(AtomicU32::new(1));
    let current = version.clone();
    let server = Server::start(move |request| {
        let version = current.load(Ordering::Acquire);
        let etag = format!("\"{version}\"");
        match request.header("if-none-match") {
            Some(sent) if sent == etag => Reply::status(304),
            _ => rules(version.into()).with("etag", &etag),
        }
    });
    let cache = Cache::new();
    let (client, other) = pair(&cache, &server);
    version.store(2, Ordering::Release);
    refresh_until(&other, || has(&client, 2));
    // It sends the `ETag` of a response that it did not receive.
    assert!(!client.refresh().unwrap());
    let last = server.requests().pop().unwrap();
    assert_eq!(last.header("if-none-match"), Some("\"2\""));
}

#[test]
fn an_unusable_file_is_replaced() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let client = ready(cache.client(&server).polling_interval(INTERVAL));
    wait_until("a request", || polls(&client).0 > polls(&client).1);
    serve(&server, 2);
    let rules = cache.file("rules");
    wait_until("the edit", || {
        if !has(&client, 2) {
            fs::write(&rules, "phaseflag rules2, but damaged").unwrap();
        }
        has(&client, 2)
    });
    wait_until("the file is complete", || fs::read(&rules).is_ok_and(|file| file.len() > 100));
}

#[test]
fn clients_of_other_environments_share_polls() {
    let flag = |environment: &str| {
        format!(
            r#"{{"key": "{environment}", "environment": "{environment}", "default_variation": "v",
                "variations": [{{"key": "v", "value": true}}]}}"#
        )
    };
    let text = format!("[{},{}]", flag("staging"), flag("production"));
    let server = Server::with_ruleset(text);
    let cache = Cache::new();
    for (environment, other) in [("staging", "production"), ("production", "staging")] {
        let client = ready(cache.client(&server).environment(environment));
        assert!(client.get_boolean_value(environment, false, None));
        assert!(!client.get_boolean_value(other, false, None));
    }
    assert_eq!(server.requests().len(), 1);
}

const PLAIN: &str = r#"{"version": "7", "flags": [{"key": "plain"}]}"#;

/// Serves rules that name segments, and this response of `/sdk/bootstrap`.
fn serve_segments(server: &Server, bootstrap: &'static str) {
    const RULES: &str = include_str!("../data/service/ruleset.json");
    server.respond(move |request: &Request| match request.path.as_str() {
        "/api/v1/sdk/bootstrap" => Reply::json(bootstrap),
        _ => Reply::json(RULES),
    });
}

const WHOLE: &str = include_str!("../data/service/bootstrap.json");

/// A client that adopts rules with segments also adopts where they are from.
#[test]
fn the_path_of_the_rules_is_shared() {
    let server = Server::with_ruleset(PLAIN);
    let cache = Cache::new();
    let (client, other) = pair(&cache, &server);
    serve_segments(&server, WHOLE);
    refresh_until(&other, || client.statistics().flags > 1);
    let before = server.requests().len();
    client.refresh().unwrap();
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert!(paths[before..].iter().all(|path| path.ends_with("/sdk/bootstrap")), "{paths:?}");
}

/// As for the client that has fetched the rules: otherwise rules without segments would replace them
/// in each process.
#[test]
fn a_page_instead_of_a_shared_bootstrap_is_a_failure() {
    let server = Server::with_ruleset(PLAIN);
    let cache = Cache::new();
    let (client, other) = pair(&cache, &server);
    serve_segments(&server, WHOLE);
    refresh_until(&other, || client.statistics().flags > 1);
    // It has loaded equal rules at its start.
    let later = ready(cache.client(&server));
    assert_eq!(polls(&later), (1, 1));
    serve_segments(&server, "<!doctype html>");
    for client in [client, later, other] {
        let problems = client.statistics().problems;
        assert!(client.refresh().is_err());
        assert_eq!(client.statistics().problems, problems);
    }
}

#[test]
fn an_older_response_replaces_no_newer_one() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    cache.set_time(SystemTime::now() - NEVER - SOON);
    let (proceed, proceeding) = channel();
    hold_back(&server, 2, proceeding);
    let slow = started(cache.client(&server).request_timeout(NEVER));
    server.wait_for(2, RULESET);
    serve(&server, 3);
    // Its own poll waits for the lock.
    let settings = cache.client(&server).offline_mode(true).request_timeout(NEVER);
    let other = started(settings);
    assert!(other.refresh().unwrap());
    drop(proceed);
    wait_until("the older response", || polls(&slow) == (1, 0));
    assert!(has(&slow, 2));
    let next = ready(cache.client(&server));
    assert_eq!(polls(&next), (1, 1));
    assert!(has(&next, 3));
    // The file is up to date, so that the next response is compared with it.
    serve(&server, 4);
    assert!(slow.refresh().unwrap());
    assert!(has(&ready(cache.client(&server)), 4));
}

#[test]
fn a_response_that_takes_longer_than_the_interval_is_shared() {
    let server = Server::start(|_| {
        std::thread::sleep(INTERVAL * 3 / 2);
        rules(1)
    });
    let cache = Cache::new();
    let clients = [(); 4].map(|()| started(cache.client(&server).polling_interval(INTERVAL)));
    for client in &clients {
        wait_until("shared polls", || client.statistics().shared_polls >= 3);
    }
}

/// Two containers with a common volume have processes with the same id.
#[test]
fn the_temporary_file_of_another_container_stays() {
    let server = server(1);
    let cache = Cache::with_rules(&server);
    let rules = cache.file("rules");
    let name = |number| rules.with_extension(format!("rules.{}-{number}", std::process::id()));
    let files: Vec<_> = (0..1000).map(name).collect();
    for file in &files {
        fs::write(file, "half of the rules").unwrap();
    }
    serve(&server, 2);
    let client = ready(cache.client(&server).polling_interval(Duration::ZERO));
    assert!(has(&client, 2));
    let missing = files.iter().filter(|file| !file.exists());
    assert_eq!(missing.count(), 0);
}

#[cfg(unix)]
#[test]
fn a_lock_that_is_no_file_prevents_no_poll() {
    type Make = fn(&PathBuf);
    let kinds: [(&str, &str, Make); 3] = [
        ("pipe", "it is a pipe, not a regular file", |path| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("device", "it is a device, not a regular file", |path| {
            std::os::unix::fs::symlink("/dev/full", path).unwrap();
        }),
        ("folder", "Is a directory (os error 21)", |path| fs::create_dir(path).unwrap()),
    ];
    for (what, reason, make) in kinds {
        let server = server(1);
        let cache = Cache::with_rules(&server);
        let lock = cache.file("lock");
        make(&lock);
        cache.set_time(SystemTime::now() - NEVER - SOON);
        let client = ready(cache.client(&server).polling_interval(Duration::from_millis(20)));
        serve(&server, 2);
        wait_until(what, || has(&client, 2) && client.statistics().polls > 3);
        assert_eq!(client.statistics().shared_polls, 0, "{what}");
        let path = lock.display();
        let expected = format!(
            "failed to lock the cached ruleset `{path}`: failed to open the lock file `{path}`: {reason}"
        );
        assert_eq!(cache.warnings(), [expected]);
        // What it fetched counts for others nevertheless.
        client.stop();
        assert_eq!(polls(&ready(cache.client(&server))), (1, 1), "{what}");
    }
}

/// Each process polls by itself, and none waits for another.
#[cfg(target_os = "linux")]
#[test]
fn a_full_or_read_only_disk_prevents_no_poll() {
    if !may_mount("shared_polls::a_full_or_read_only_disk_prevents_no_poll") {
        return;
    }
    for full in [true, false] {
        let server = server(1);
        let cache = Cache::new();
        let path = cache.0.path().to_str().unwrap();
        let options = "size=64k,nr_inodes=8";
        mount(&["-t", "tmpfs", "-o", options, "tmpfs", path]);
        if full {
            let mut rest = File::create(cache.0.path().join("rest")).unwrap();
            while rest.write_all(&[0; 1024]).is_ok() {}
        } else {
            mount(&["-o", "remount,ro", path]);
        }
        let settings = || cache.client(&server).polling_interval(INTERVAL);
        let clients = [(); 4].map(|()| ready(settings().request_timeout(NEVER)));
        serve(&server, 2);
        for client in &clients {
            wait_until("the edit", || has(client, 2));
            wait_until("some polls", || client.statistics().polls >= 4);
            assert_eq!(client.statistics().shared_polls, 0, "{full}");
            assert!(has(client, 2));
        }
        assert!(!cache.warnings().is_empty());
        drop(clients);
        Command::new("umount").arg(path).status().unwrap();
    }
}

/// In place of a folder, for processes that share nothing.
const NO_FOLDER: &str = "-";

/// A client in a process of its own. It answers each line of its input with its state.
#[test]
#[ignore = "other tests run it in separate processes"]
fn process() {
    let settings = std::env::var("PHASEFLAG_TEST_SHARED").expect("settings");
    let words: Vec<&str> = settings.split(' ').collect();
    let [url, folder, interval] = words[..] else { panic!("{settings}") };
    let interval = Duration::from_millis(interval.parse().unwrap());
    let client = PhaseFlagClient::builder(url, "sdk-dev-1").polling_interval(interval);
    let client = if folder == NO_FOLDER { client } else { client.cache_dir(folder) };
    let client = client.request_timeout(SOON).build().unwrap();
    client.on_flags_changed(|flags| {
        let added = flags.added().concat();
        let mut output = std::io::stdout().lock();
        writeln!(output, "\nserves {added}").unwrap();
        output.flush().unwrap();
    });
    client.start().unwrap();
    for line in std::io::stdin().lock().lines() {
        let (polls, shared) = polls(&client);
        println!("\n{} {polls} {shared}", line.unwrap());
    }
}

/// Processes that share a cache, and the server that they poll.
struct Fleet {
    server: Server,
    version: Arc<AtomicU32>,
    _cache: Cache,
    processes: Vec<Program>,
    begin: Instant,
    interval: Duration,
}

impl Fleet {
    fn start(count: usize, interval: Duration, is_shared: bool) -> Fleet {
        let version = Arc::new(AtomicU32::new(1));
        let served = version.clone();
        let server = Server::start(move |_| rules(served.load(Ordering::Acquire).into()));
        let cache = Cache::new();
        let folder = if is_shared { cache.0.path().to_str().unwrap() } else { NO_FOLDER };
        let settings = format!("{} {folder} {}", server.url(), interval.as_millis());
        let begin = Instant::now();
        let start = |_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["shared_polls::process", "--exact", "--ignored", "--nocapture"]);
            Program::start(command.env("PHASEFLAG_TEST_SHARED", &settings))
        };
        let processes = (0..count).map(start).collect();
        let mut fleet = Fleet { server, version, _cache: cache, processes, begin, interval };
        fleet.wait_for_rules();
        fleet
    }

    /// Changes the rules, and returns how long it takes until each process serves them.
    fn edit(&mut self) -> Vec<Duration> {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.wait_for_rules()
    }

    fn wait_for_rules(&mut self) -> Vec<Duration> {
        let version = self.version.load(Ordering::Acquire);
        let begin = Instant::now();
        let wait = |process: &mut Program| {
            process.line(&format!("serves v{version}"));
            begin.elapsed()
        };
        self.processes.iter_mut().map(wait).collect()
    }

    /// Returns the sums of all polls and of those that made no request.
    fn polls(&mut self) -> (u64, u64) {
        let mut sums = (0, 0);
        for process in &mut self.processes {
            process.say("polls");
            let line = process.line("polls ");
            let mut numbers = line.split(' ').skip(1).map(|number| number.parse::<u64>().unwrap());
            sums.0 += numbers.next().unwrap();
            sums.1 += numbers.next().unwrap();
        }
        sums
    }

    /// Returns how many intervals have passed since the start.
    fn intervals(&self) -> f64 {
        self.begin.elapsed().as_secs_f64() / self.interval.as_secs_f64()
    }
}

#[test]
fn processes_share_their_polls() {
    const PROCESSES: usize = 8;
    let mut fleet = Fleet::start(PROCESSES, Duration::from_millis(500), true);
    for _ in 0..3 {
        let delays = fleet.edit();
        // Ten times the two intervals.
        assert!(delays.iter().all(|delay| *delay < 20 * fleet.interval), "{delays:?}");
        // A process that dies, even while it asks the service, holds up no other.
        drop(fleet.processes.pop());
    }
    let enough = Instant::now() + SOON;
    while fleet.polls().0 < 60 && Instant::now() < enough {
        std::thread::sleep(fleet.interval);
    }
    let (polls, shared) = fleet.polls();
    let (requests, intervals) = (fleet.server.requests().len() as f64, fleet.intervals());
    assert!(polls >= 60 && shared >= 30, "{polls} {shared}");
    // Each process may ask once more after its first poll.
    assert!(requests <= intervals + PROCESSES as f64 + 2.0, "{requests} in {intervals} intervals");
}

#[test]
fn a_process_that_is_killed_while_it_asks_holds_up_no_other() {
    let (server, cache) = (server(1), Cache::new());
    let (proceed, proceeding) = channel();
    hold_back(&server, 1, proceeding);
    let settings = format!("{} {} 3600000", server.url(), cache.0.path().display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["shared_polls::process", "--exact", "--ignored", "--nocapture"]);
    let asking = Program::start(command.env("PHASEFLAG_TEST_SHARED", settings));
    server.wait_for(1, RULESET);
    let client = started(cache.client(&server));
    drop(asking);
    server.wait_for(2, RULESET);
    drop(proceed);
    client.wait_until_ready(SOON).unwrap();
    assert_eq!(polls(&client), (1, 0));
}

/// Prints its measurement: 50 processes that poll every second, for a minute, some of which are
/// killed; first without a cache, then with one.
#[test]
#[ignore = "a measurement that takes two minutes"]
fn fifty_processes_for_a_minute() {
    for is_shared in [false, true] {
        let mut fleet = Fleet::start(50, Duration::from_secs(1), is_shared);
        println!(
            "\nwith a cache: {is_shared}; rules everywhere after {:.1?}",
            fleet.begin.elapsed()
        );
        let (before, begin) = (fleet.server.requests().len(), Instant::now());
        let mut slowest = Duration::ZERO;
        let mut edits = 0;
        while begin.elapsed() < Duration::from_secs(60) {
            slowest = fleet.edit().into_iter().max().unwrap().max(slowest);
            edits += 1;
            if edits % 4 == 0 {
                drop(fleet.processes.pop());
            }
        }
        let (requests, elapsed) = (fleet.server.requests().len() - before, begin.elapsed());
        let (polls, shared) = fleet.polls();
        println!("{requests} requests in {elapsed:.1?}, {before} before");
        println!("{edits} edits, each in force everywhere within {slowest:.2?}");
        println!("{polls} polls of the last {} processes, {shared} shared", fleet.processes.len());
    }
}
