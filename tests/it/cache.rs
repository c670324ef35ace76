//! The cache of rules between runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use phaseflag::{ClientBuilder, ClientState, PhaseFlagClient};

use crate::logger;
use crate::support::{
    NEVER, RAPIDLY, Reply, SOON, Server, builder, flag, ready, ruleset, started, wait_until,
};

const RULESET: &str = "/sdk/ruleset";

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("phaseflag-cache-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        logger::listen();
        Folder(path)
    }

    /// Returns the warnings that name the folder.
    fn warnings(&self) -> Vec<String> {
        logger::warnings_with(self.0.to_str().expect("a path"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Returns the one file whose name ends with this suffix.
    fn file_named(&self, end: &str) -> PathBuf {
        let ends = |path: &PathBuf| path.extension().is_some_and(|extension| extension == end);
        self.files().into_iter().find(ends).expect("a file")
    }

    /// Returns the only file of the folder, not counting the lock of clients that poll.
    fn file(&self) -> PathBuf {
        let mut files = self.files();
        files.retain(|path| path.extension().is_none_or(|extension| extension != "lock"));
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Settings of a client that polls once and caches the rules.
fn caching(server: &Server, folder: &Folder) -> ClientBuilder {
    builder(server).cache_dir(&folder.0).polling_interval(Duration::ZERO)
}

/// Returns a server and a folder that caches its ruleset.
fn cached(name: &str, rules: impl Into<String>) -> (Server, Folder) {
    let (server, folder) = (Server::with_ruleset(rules), Folder::new(name));
    ready(caching(&server, &folder)).stop();
    (server, folder)
}

fn is_on(client: &PhaseFlagClient, key: &str) -> bool {
    client.get_boolean_value(key, false, None)
}

fn set_age(file: &Path, age: Duration) {
    let file = File::options().write(true).open(file).expect("the file");
    file.set_modified(SystemTime::now() - age).expect("its time");
}

#[test]
fn a_cached_ruleset_is_served_before_the_service_responds() {
    let (server, folder) = cached("served", ruleset(1, &["a", "b"]));
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder));
    assert!(is_on(&client, "a"));
    assert!(!is_on(&client, "c"));
    assert_eq!(client.get_variation("b", None).expect("a result").variation_key(), Some("v"));
    assert!(client.has_rules() && !client.is_ready());
    assert_eq!(client.state(), ClientState::NotReady);
    // The whole ruleset is there, too.
    assert_eq!(client.flags().len(), 2);
    assert_eq!(client.evaluate_all(None).len(), 2);
    assert_eq!(client.ruleset().expect("rules").version().as_i64(), Some(1));
    assert!(is_on(&client, "b"));
}

#[test]
fn a_fresh_ruleset_makes_the_client_ready_without_a_request() {
    let (server, folder) = cached("fresh", ruleset(1, &["a"]));
    let before = server.requests().len();
    let client = started(caching(&server, &folder).cache_max_age(NEVER));
    assert!(client.is_ready());
    assert_eq!(client.state(), ClientState::Ready);
    client.wait_until_ready(Duration::ZERO).expect("a ready client");
    assert!(is_on(&client, "a"));
    client.stop();
    assert!(is_on(&client, "a"));
    assert_eq!(client.flags().len(), 1);
    assert_eq!(server.requests().len(), before);
}

#[test]
fn problems_of_a_cached_ruleset_are_reported_once() {
    type Change = fn(ClientBuilder) -> ClientBuilder;
    let settings: [(&str, Change); 3] = [
        ("one-poll", |settings| settings),
        ("polls", |settings| settings.polling_interval(RAPIDLY)),
        ("fresh", |settings| settings.polling_interval(NEVER).cache_max_age(NEVER)),
    ];
    for (name, change) in settings {
        let operator = format!("cache-{name}");
        let rule = format!(r#"{{"conditions": [{{"attribute": "a", "operator": "{operator}"}}]}}"#);
        let text = format!(r#"[{{"key": "f", "targeting_rules": [{rule}]}}]"#);
        let (server, folder) = cached(&format!("problems-{name}"), text);
        wait_until("the first report", || logger::warnings_with(&operator).len() == 1);
        let client = started(change(caching(&server, &folder)));
        wait_until(name, || logger::warnings_with(&operator).len() == 2);
        if name == "polls" {
            server.wait_for(server.requests().len() + 3, RULESET);
        }
        // Methods that need all flags report nothing more.
        assert_eq!(client.statistics().problems, 1);
        let warnings = logger::warnings_with(&operator);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].starts_with("problems of the ruleset from the cache: 1; first: "));
    }
}

#[test]
fn polls_follow_a_fresh_ruleset() {
    let (server, folder) = cached("turn", ruleset(1, &["a"]));
    let settings = builder(&server).cache_dir(&folder.0).cache_max_age(NEVER);
    let client = started(settings.polling_interval(Duration::from_millis(200)));
    assert!(client.is_ready());
    assert!(is_on(&client, "a"));
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    wait_until("the next ruleset", || is_on(&client, "b"));
    assert!(!is_on(&client, "a"));
}

#[test]
fn an_old_ruleset_is_served_while_the_first_request_runs() {
    let (server, folder) = cached("old", ruleset(1, &["a"]));
    set_age(&folder.file(), Duration::from_secs(61));
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    let client = started(caching(&server, &folder).cache_max_age(Duration::from_secs(60)));
    client.wait_until_ready(SOON).expect("a ready client");
    assert!(is_on(&client, "b"));
    assert_eq!(server.requests_to(RULESET).len(), 2);
}

#[test]
fn a_ruleset_from_the_future_is_not_fresh() {
    let (server, folder) = cached("future", ruleset(1, &["a"]));
    let file = File::options().write(true).open(folder.file()).expect("the file");
    file.set_modified(SystemTime::now() + NEVER).expect("its time");
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder).cache_max_age(NEVER * 10));
    assert!(!client.is_ready());
    assert!(is_on(&client, "a"));
}

#[test]
fn the_etag_is_cached_and_a_304_makes_the_ruleset_fresh() {
    let folder = Folder::new("etag");
    let server = Server::start(|request| match request.header("if-none-match") {
        Some("\"one\"") => Reply::status(304),
        _ => Reply::json(ruleset(1, &["a"])).with("etag", "\"one\""),
    });
    ready(caching(&server, &folder)).stop();
    set_age(&folder.file(), NEVER);
    let client = ready(caching(&server, &folder));
    assert!(is_on(&client, "a"));
    assert_eq!(client.statistics().rulesets_accepted, 0);
    let conditions: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("if-none-match").map(str::to_owned))
        .collect();
    assert_eq!(conditions, [None, Some("\"one\"".to_owned())]);
    let modified = fs::metadata(folder.file()).and_then(|metadata| metadata.modified());
    assert!(modified.expect("its time").elapsed().expect("a past time") < SOON * 10);
    // Without `conditional_fetch`, the request has no condition.
    ready(caching(&server, &folder).conditional_fetch(false));
    assert_eq!(server.requests().last().expect("a request").header("if-none-match"), None);
}

#[test]
fn an_equal_response_makes_the_ruleset_fresh() {
    let (server, folder) = cached("equal", r#"{"version": "1", "flags": []}"#);
    set_age(&folder.file(), NEVER);
    let client = ready(caching(&server, &folder));
    assert_eq!(client.statistics().rulesets_accepted, 0);
    let fresh = started(caching(&server, &folder).cache_max_age(Duration::from_secs(600)));
    assert!(fresh.is_ready());
    assert_eq!(server.requests_to(RULESET).len(), 2);
}

#[test]
fn a_removed_file_is_written_again() {
    let folder = Folder::new("removed");
    let server = Server::start(|request| match request.header("if-none-match") {
        Some("\"one\"") => Reply::status(304),
        _ => Reply::json(ruleset(1, &["a"])).with("etag", "\"one\""),
    });
    let client = ready(caching(&server, &folder).polling_interval(RAPIDLY));
    let file = folder.file_named("rules");
    fs::remove_file(&file).expect("a removed file");
    wait_until("the file", || file.exists());
    client.stop();
}

#[test]
fn rules_of_the_service_replace_the_cached_ruleset() {
    let (server, folder) = cached("replaced", ruleset(1, &["a"]));
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    ready(caching(&server, &folder)).stop();
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder));
    assert!(is_on(&client, "b"));
    assert!(!is_on(&client, "a"));
    folder.file();
}

#[test]
fn an_invalid_ruleset_is_not_cached() {
    let (server, folder) = cached("refused", ruleset(1, &["a"]));
    let before = fs::read(folder.file()).expect("the file");
    server.respond(|_| Reply::json("{}"));
    let client = started(caching(&server, &folder));
    wait_until("the response is refused", || client.statistics().rulesets_refused > 0);
    client.stop();
    assert_eq!(fs::read(folder.file()).expect("the file"), before);
}

#[test]
fn each_key_and_service_has_its_own_file() {
    let (server, folder) = cached("others", ruleset(1, &["a"]));
    server.respond(|_| Reply::Hang);
    let other_key = PhaseFlagClient::builder(server.url(), "sdk-prod-2");
    let other_service = PhaseFlagClient::builder(server.url() + "/other", "sdk-dev-1");
    for other in [other_key, other_service] {
        let client = started(other.cache_dir(&folder.0).offline_mode(true));
        assert!(!is_on(&client, "a"));
    }
    let same = PhaseFlagClient::builder(server.url() + "/", "sdk-dev-1");
    assert!(is_on(&started(same.cache_dir(&folder.0)), "a"));
}

/// Returns a folder with every file that a client keeps: rules, unusual paths, and a lock.
fn with_all_files(name: &str) -> Folder {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/evaluate" => Reply::status(404),
        "/api/v1/sdk/evaluate" => {
            Reply::json(r#"{"flag_key": "a", "value": 7, "reason": "default"}"#)
        }
        _ => Reply::json(ruleset(1, &["a"])),
    });
    let folder = Folder::new(name);
    let client = ready(caching(&server, &folder).polling_interval(NEVER));
    client.evaluate("a", None).expect("the older path");
    client.stop();
    for extension in ["rules", "paths", "lock"] {
        folder.file_named(extension);
    }
    folder
}

#[test]
fn the_key_is_neither_in_the_name_nor_in_the_file() {
    for file in with_all_files("key").files() {
        assert!(!file.to_str().expect("a name").contains("sdk-dev-1"));
        let bytes = fs::read(&file).expect("the file");
        assert!(!bytes.windows(9).any(|window| window == b"sdk-dev-1"), "{file:?}");
    }
}

#[test]
fn many_small_flags_are_cached_up_to_the_largest_body() {
    let flags: Vec<_> = (0..1000).map(|number| format!(r#"{{"key":"f{number}"}}"#)).collect();
    let rules = format!("[{}]", flags.join(","));
    let (server, folder) = cached("little", rules.clone());
    let settings = caching(&server, &folder).cache_max_age(NEVER).max_body_size(rules.len());
    let client = started(settings);
    assert!(client.is_ready(), "{:?}", folder.warnings());
    assert_eq!(client.flags().len(), 1000);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = with_all_files("owner");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    for file in folder.files() {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

/// A link in the folder leads the client to other rules, but not to another file to write.
#[cfg(unix)]
#[test]
fn a_link_to_a_file_is_read_and_replaced() {
    use std::os::unix::fs::symlink;
    let (server, folder) = cached("link", ruleset(1, &["a"]));
    let (file, target) = (folder.file(), folder.0.join("target"));
    fs::rename(&file, &target).expect("another name");
    symlink(&target, &file).expect("a link");
    let before = fs::read(&target).expect("the target");

    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    let client = started(caching(&server, &folder).cache_max_age(NEVER));
    assert!(client.is_ready() && is_on(&client, "a"), "{:?}", folder.warnings());
    assert!(client.refresh().expect("other rules") && is_on(&client, "b"));
    assert_eq!(fs::read(&target).expect("the target"), before);
    assert!(fs::symlink_metadata(&file).expect("the file").is_file());
}

/// Changes that make a file unusable.
#[test]
fn an_unusable_file_is_ignored() {
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let changes: [(&str, Change); 7] = [
        ("empty", |_| Vec::new()),
        ("cut off in its head", |bytes| bytes[..20].to_vec()),
        ("cut off in its text", |bytes| bytes[..bytes.len() - 1].to_vec()),
        ("longer", |mut bytes| {
            bytes.push(b' ');
            bytes
        }),
        ("another form", |mut bytes| {
            bytes[15] += 1;
            bytes
        }),
        ("one bit", |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("zeros", |bytes| vec![0; bytes.len()]),
    ];
    let (server, folder) = cached("bad", ruleset(1, &["a"]));
    let whole = fs::read(folder.file()).expect("the file");
    for (what, change) in changes {
        fs::write(folder.file(), change(whole.clone())).expect("the file");
        server.respond(|_| Reply::Hang);
        let requests = server.requests_to(RULESET).len();
        let warned = folder.warnings().len();
        let settings = caching(&server, &folder).cache_max_age(NEVER);
        let client = started(settings.bootstrap_text(ruleset(0, &["b"])));
        server.wait_for(requests + 1, RULESET);
        assert!(!client.is_ready() && !is_on(&client, "a") && is_on(&client, "b"), "{what}");
        let warnings = folder.warnings();
        let [warning] = &warnings[warned..] else { panic!("{what}: {warnings:?}") };
        assert!(warning.starts_with("failed to read the cached ruleset `"), "{warning}");
        // The next ruleset replaces it.
        server.respond(|_| Reply::json(ruleset(2, &["a"])));
        ready(caching(&server, &folder)).stop();
        let client = started(caching(&server, &folder).cache_max_age(NEVER));
        assert!(client.is_ready() && is_on(&client, "a"), "{what}");
    }
}

#[test]
fn an_unusable_folder_is_ignored() {
    let folder = Folder::new("unusable");
    fs::write(&folder.0, "no folder").expect("a file");
    let server = Server::start(|request| Reply::json(ruleset(request.number as u64, &["a"])));
    for clients in 1..=2 {
        let settings = caching(&server, &folder).cache_max_age(NEVER);
        let client = ready(settings.polling_interval(RAPIDLY));
        assert!(is_on(&client, "a"));
        wait_until("some polls", || client.statistics().rulesets_accepted > 3);
        client.stop();
        assert_eq!(folder.warnings().len(), clients, "{:?}", folder.warnings());
    }
    fs::remove_file(&folder.0).expect("a removed file");
}

#[cfg(unix)]
#[test]
fn a_pipe_instead_of_the_file_does_not_block() {
    let (server, folder) = cached("pipe", ruleset(1, &["a"]));
    let file = folder.file();
    fs::remove_file(&file).expect("a removed file");
    let made = std::process::Command::new("mkfifo").arg(&file).status().expect("mkfifo");
    assert!(made.success());
    let client = ready(caching(&server, &folder).cache_max_age(NEVER));
    assert!(is_on(&client, "a"));
    assert!(fs::metadata(&file).expect("metadata").is_file());
}

#[test]
fn in_offline_mode_a_cached_ruleset_makes_the_client_ready() {
    let (server, folder) = cached("offline", ruleset(1, &["a"]));
    set_age(&folder.file(), NEVER);
    server.respond(|_| Reply::status(500));
    let settings = caching(&server, &folder).bootstrap_text(ruleset(0, &["b"]));
    let client = started(settings.offline_mode(true));
    assert!(client.is_ready());
    assert!(is_on(&client, "a"));
    assert!(!is_on(&client, "b"), "it comes before the bootstrap");
    wait_until("the failure", || client.statistics().last_failure.is_some());
    let ClientState::Stale { age: Some(age), .. } = client.state() else {
        panic!("{:?}", client.state());
    };
    assert!(age >= NEVER);
    assert_eq!(client.flags().len(), 1);
}

#[test]
fn listeners_hear_of_the_cached_ruleset_and_of_later_changes() {
    let (server, folder) = cached("listeners", ruleset(1, &["a"]));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let client = caching(&server, &folder).build().expect("valid settings");
    let listening = heard.clone();
    server.respond(|_| Reply::json(ruleset(2, &["a", "b"])));
    client.on_flags_changed(move |flags| {
        listening.lock().expect("a lock").push(flags.added().to_vec());
    });
    client.start().expect("a started client");
    client.wait_until_ready(SOON).expect("a ready client");
    wait_until("both", || heard.lock().expect("a lock").len() == 2);
    assert_eq!(*heard.lock().expect("a lock"), [["a"], ["b"]]);

    // A listener that is added after the start receives differences.
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder).polling_interval(RAPIDLY));
    assert!(is_on(&client, "a"));
    let late = Arc::new(Mutex::new(Vec::new()));
    let listening = late.clone();
    client.on_flags_changed(move |flags| {
        listening.lock().expect("a lock").push(flags.added().to_vec());
    });
    server.respond(|_| Reply::json(ruleset(3, &["a", "b", "c"])));
    server.close_connections();
    wait_until("the news", || !late.lock().expect("a lock").is_empty());
    assert_eq!(*late.lock().expect("a lock"), [["c"]]);
}

#[test]
fn a_flag_is_read_with_everything_it_refers_to() {
    let rules = r#"{"version": 1, "flags": [
        {"key": "top", "default_variation": "off",
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "prerequisites": [{"flag_key": "middle", "variation_key": "on"}],
         "targeting_rules": [{"segment_id": "s1", "variation": "on"}]},
        {"key": "middle", "default_variation": "off",
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "targeting_rules": [{"segment_id": "vips", "variation": "on"}]},
        {"key": "dreary", "default_variation": "off",
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "targeting_rules": [{"segment_id": "nobody", "variation": "on"}]}
    ], "segments": [
        {"id": "s1", "key": "people", "conditions": [{"attribute": "kind", "operator": "is", "value": "person"}]},
        {"id": "s2", "key": "vips", "conditions": [{"attribute": "plan", "operator": "is", "values": "pro"}]}
    ]}"#;
    // Many other flags, so that one flag is read alone.
    let others: Vec<_> = (0..100).map(|n| flag(&format!("other-{n}"), true)).collect();
    let rules = rules.replacen("\"flags\": [", &format!("\"flags\": [{},", others.join(",")), 1);
    let (server, folder) = cached("refers", rules);
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder).cache_max_age(NEVER));
    let context = phaseflag::EvaluationContext::new().attribute("kind", "person");
    let pro = context.clone().attribute("plan", "pro");
    for (key, context, served) in [
        ("top", &context, false),
        ("top", &pro, true),
        ("middle", &pro, true),
        ("dreary", &pro, false),
    ] {
        assert_eq!(client.get_boolean_value(key, false, context), served, "{key}");
    }
}

#[test]
fn concurrent_threads_get_the_same_result() {
    let keys: Vec<String> = (0..200).map(|n| format!("flag-{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (server, folder) = cached("threads", ruleset(1, &names));
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder).cache_max_age(NEVER));
    thread::scope(|scope| {
        for part in keys.chunks(50) {
            let client = &client;
            scope.spawn(move || {
                for key in part {
                    assert!(is_on(client, key), "{key}");
                    assert!(!is_on(client, &format!("no-{key}")), "{key}");
                }
                assert_eq!(client.flags().len(), 200);
            });
        }
    });
}

#[test]
fn concurrent_first_uses_of_a_flag_get_the_same_result() {
    const THREADS: usize = 10;
    let rules = r#"{"flags": [
        {"key": "top", "variations": [{"key": "on", "value": {"a": [1, 2, 3]}}],
         "default_variation": "on",
         "prerequisites": [{"flag_key": "gate", "variation_key": "on"}]},
        {"key": "gate", "variations": [{"key": "on", "value": true}], "default_variation": "on"}]}"#;
    let (server, folder) = cached("first", rules);
    server.respond(|_| Reply::Hang);
    for round in 0..50 {
        let client = started(caching(&server, &folder).cache_max_age(NEVER));
        let (snapshot, start) = (client.snapshot(), Barrier::new(THREADS));
        let evaluate = |number: usize| {
            start.wait();
            match number % 2 {
                0 => client.get_variation("top", None),
                _ => snapshot.get_variation("top", None),
            }
        };
        let results: Vec<_> = thread::scope(|scope| {
            let spawn = |number| {
                scope.spawn({
                    let evaluate = &evaluate;
                    move || evaluate(number)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("a result")).collect()
        });
        let first = results[0].as_ref().expect("a flag");
        assert_eq!(first.value().to_string(), r#"{"a":[1,2,3]}"#, "{round}");
        for result in &results {
            let result = result.as_ref().expect("a flag");
            // The same value, not an equal one: the flag was compiled once.
            assert!(std::ptr::eq(result.value(), first.value()), "{round}");
        }
    }
}

#[test]
fn a_snapshot_of_cached_rules_outlives_them() {
    let (server, folder) = cached("snapshot", ruleset(1, &["a", "b", "c"]));
    server.respond(|_| Reply::Hang);
    let client = started(caching(&server, &folder).cache_max_age(NEVER));
    let snapshot = client.snapshot();
    let result = snapshot.get_variation("a", None).expect("a flag");
    // The client compiles all flags, and its text is freed; then it is gone.
    assert_eq!(client.flags().len(), 3);
    assert!(is_on(&client, "b"));
    drop(client);
    fs::remove_dir_all(&folder.0).expect("a removed folder");
    assert_eq!(snapshot.get_variation("a", None).as_ref(), Some(&result));
    assert!(snapshot.get_boolean_value("b", false, None));
    assert_eq!(snapshot.get_variation("d", None), None);
    assert_eq!(snapshot.flags().len(), 3);
    assert_eq!(snapshot.evaluate_all(None).len(), 3);
    assert_eq!(snapshot.ruleset().expect("rules").version().as_i64(), Some(1));
    assert!(snapshot.get_boolean_value("c", false, None));
    drop(snapshot);
    assert_eq!((result.value().as_bool(), result.variation_key()), (Some(true), Some("v")));
}

#[test]
fn rules_are_present_while_compiled_ones_replace_them() {
    let keys: Vec<String> = (0..60).map(|n| format!("flag-{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (server, folder) = cached("race", ruleset(1, &names));
    for round in 0..200 {
        let client = started(caching(&server, &folder).cache_max_age(NEVER));
        thread::scope(|scope| {
            scope.spawn(|| {
                for key in keys.iter().cycle().take(500) {
                    assert!(is_on(&client, key), "{round} {key}");
                    assert!(client.has_rules());
                }
            });
            scope.spawn(|| assert_eq!(client.flags().len(), 60, "{round}"));
            assert_eq!(client.evaluate_all(None).len(), 60, "{round}");
        });
    }
}

#[test]
fn rules_written_by_another_process_are_not_made_fresh() {
    let (server, folder) = cached("foreign", ruleset(1, &["old"]));
    let old = fs::read(folder.file()).expect("the file");
    server.respond(|request| match request.header("if-none-match") {
        Some("\"two\"") => Reply::status(304),
        _ => Reply::json(ruleset(2, &["new"])).with("etag", "\"two\""),
    });
    let client = ready(caching(&server, &folder).polling_interval(RAPIDLY));
    // The first poll may take the file, which is that young.
    wait_until("the newer rules", || client.statistics().rulesets_accepted > 0);
    let new = fs::read(folder.file_named("rules")).expect("the file");
    assert_ne!(new, old);
    fs::write(folder.0.join("aside"), &old).expect("a file");
    set_age(&folder.0.join("aside"), NEVER);
    fs::rename(folder.0.join("aside"), folder.file_named("rules")).expect("a renamed file");
    wait_until("the newer rules are kept again", || {
        fs::read(folder.file_named("rules")).is_ok_and(|bytes| bytes == new)
    });
    client.stop();
}

#[test]
fn concurrent_writers_leave_a_complete_file() {
    let (server, folder) = cached("writers", ruleset(1, &["a"]));
    server.respond(|request| Reply::json(ruleset(request.number as u64, &["a"])));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let client = ready(caching(&server, &folder));
                    assert!(is_on(&client, "a"));
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..40 {
                let client = started(caching(&server, &folder).cache_max_age(NEVER));
                assert!(client.is_ready() && is_on(&client, "a"));
            }
        });
    });
    folder.file();
}

#[test]
fn nothing_is_cached_without_a_service() {
    let folder = Folder::new("no-service");
    let client = started(
        PhaseFlagClient::builder("", "").cache_dir(&folder.0).bootstrap_text(ruleset(1, &["a"])),
    );
    assert!(is_on(&client, "a"));
    client.stop();
    assert_eq!(folder.files(), Vec::<PathBuf>::new());
}

/// The text of the rules in use is kept if the client is told to, whatever the source.
#[test]
fn the_text_is_that_of_the_rules_in_use() {
    let (first, second) = (ruleset(1, &["a"]), ruleset(2, &["b"]));
    let text = |client: &PhaseFlagClient| client.ruleset()?.text().map(str::to_owned);
    let (server, folder) = cached("text", format!("\u{feff}{first}"));
    assert_eq!(text(&ready(caching(&server, &folder))), None);
    server.respond(|_| Reply::Hang);
    for environment in [None, Some("production")] {
        let of = |builder: ClientBuilder| match environment {
            Some(name) => builder.keep_text(true).environment(name),
            None => builder.keep_text(true),
        };
        let client = started(of(caching(&server, &folder)));
        assert_eq!(text(&client).as_deref(), Some(&*first), "from the cache");
        assert!(is_on(&client, "a"));
        let marked = format!("\u{feff}{second}");
        let client = started(of(PhaseFlagClient::builder("", "").bootstrap_text(marked)));
        assert_eq!(text(&client).as_deref(), Some(&*second), "from a bootstrap");
    }
    server.respond(move |_| Reply::json(second.clone()));
    let client = started(caching(&server, &folder).polling_interval(RAPIDLY).keep_text(true));
    wait_until("the second ruleset", || is_on(&client, "b"));
    assert_eq!(text(&client), Some(ruleset(2, &["b"])));
    server.respond(|_| Reply::json("["));
    let refused = || client.statistics().rulesets_refused > 0;
    wait_until("a refused ruleset", refused);
    assert_eq!(text(&client), Some(ruleset(2, &["b"])));
}
