//! What a client reports about its rules: its state, its failures, and the flags that do not exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use phaseflag::{
    ClientBuilder, ClientState, Error, EvaluationError, PhaseFlagClient, Ruleset, Value,
};

use crate::support::{RAPIDLY, SOON, started, wait_until};

const RULES: &str = r#"{"version": 7, "flags": [
    {"key": "on", "default_variation": "v", "variations": [{"key": "v", "value": true}]},
    {"key": "text", "default_variation": "v", "variations": [{"key": "v", "value": "dark"}]},
    {"key": 7}]}"#;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("phaseflag-health-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn builder() -> ClientBuilder {
    PhaseFlagClient::builder("", "")
}

fn watching(path: &Path) -> ClientBuilder {
    builder().bootstrap_file(path).bootstrap_watch(RAPIDLY)
}

/// Returns the age of stale rules, or `None` if the rules are not stale.
fn stale(client: &PhaseFlagClient) -> Option<Option<Duration>> {
    match client.state() {
        ClientState::Stale { age, .. } => Some(age),
        _ => None,
    }
}

/// Makes a path unusable as a bootstrap file, and returns the reason.
type Fault = fn(&Path) -> String;

const FAULTS: [(&str, Fault); 5] = [
    ("a missing file", |path| {
        let _ = fs::remove_file(path);
        fs::metadata(path).unwrap_err().to_string()
    }),
    ("an empty file", |path| write(path, "")),
    ("a broken file", |path| write(path, "[{")),
    ("no list of flags", |path| write(path, "7")),
    ("a folder", |path| {
        let _ = fs::remove_file(path);
        fs::create_dir(path).unwrap();
        "it is a folder, not a regular file".to_owned()
    }),
];

fn write(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    Ruleset::parse(text).unwrap_err().to_string()
}

/// Waits until the client reports that it cannot use the bootstrap for this reason.
fn wait_for_failure(client: &PhaseFlagClient, path: &Path, reason: &str) {
    let text = format!("failed to load bootstrap `{}`: {reason}", path.display());
    let reports = |failure: Option<Error>| {
        failure.is_some_and(|failure| {
            matches!(failure, Error::Bootstrap { .. }) && format!("{failure:#}") == text
        })
    };
    wait_until(&text, || reports(client.last_failure()));
    assert!(reports(client.statistics().last_bootstrap_failure), "{text}");
    assert!(client.statistics().last_failure.is_none(), "{text}");
}

#[test]
fn a_watched_file_that_becomes_unusable_makes_the_rules_stale() {
    for (name, spoil) in FAULTS {
        let folder = Folder::new();
        let path = folder.file("flags.json");
        fs::write(&path, RULES).unwrap();
        let client = started(watching(&path));
        assert_eq!(client.state(), ClientState::Ready, "{name}");
        assert!(client.last_failure().is_none(), "{name}");

        let reason = spoil(&path);
        wait_for_failure(&client, &path, &reason);
        assert!(matches!(stale(&client), Some(Some(age)) if age < SOON), "{name}");
        assert!(client.is_ready(), "{name}");
        assert!(client.get_boolean_value("on", false, None), "{name}");

        let _ = fs::remove_dir(&path);
        fs::write(&path, RULES).unwrap();
        wait_until(name, || client.state() == ClientState::Ready);
        assert!(client.last_failure().is_some(), "{name}");
        let statistics = client.statistics();
        assert!(statistics.last_bootstrap_failure.is_some(), "{name}");
        assert!(statistics.rules_age.is_some_and(|age| age < SOON), "{name}");
        assert!((1..=2).contains(&statistics.rulesets_loaded), "{name}");
        client.stop();
        assert_eq!(client.state(), ClientState::Stopped, "{name}");
    }
}

#[test]
fn a_watched_file_that_is_unusable_at_the_start_is_reported() {
    for (name, spoil) in FAULTS {
        let folder = Folder::new();
        let path = folder.file("flags.json");
        let reason = spoil(&path);
        let client = started(watching(&path));
        assert_eq!(stale(&client), Some(None), "{name}");
        wait_for_failure(&client, &path, &reason);
        assert!(client.is_ready(), "{name}");
        // The flag may exist, but the file is not there.
        let details = client.get_boolean_details("on", false, None);
        let Some(EvaluationError::NotReady { cause: Some(cause), .. }) = details.error() else {
            panic!("{name}: {details:?}");
        };
        assert!(cause.to_string().contains("flags.json"), "{name}: {cause}");
        let details = client.snapshot().get_boolean_details("on", false, None);
        let error = details.error().map(EvaluationError::as_str);
        assert_eq!(error, Some("not_ready"), "{name}");
        let statistics = client.statistics();
        assert_eq!((statistics.flags, statistics.rules_age), (0, None), "{name}");
        assert_eq!(statistics.rulesets_loaded, 0, "{name}");

        let _ = fs::remove_dir(&path);
        fs::write(&path, RULES).unwrap();
        wait_until(name, || client.state() == ClientState::Ready);
        wait_until(name, || client.get_boolean_value("on", false, None));
        assert_eq!(client.statistics().rulesets_loaded, 1, "{name}");
    }
}

#[test]
fn a_bootstrap_that_is_not_watched_is_reported_too() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    let client = builder().bootstrap_file(&path).build().unwrap();
    let error = client.start().unwrap_err();
    let failure = client.last_failure().unwrap();
    assert_eq!(format!("{failure:#}"), format!("{error:#}"));
    assert_eq!(client.state(), ClientState::NotReady);
    fs::write(&path, RULES).unwrap();
    client.start().unwrap();
    assert_eq!(client.state(), ClientState::Ready);
    assert!(client.statistics().last_bootstrap_failure.is_some());
}

#[test]
fn statistics_describe_the_rules() {
    let client = builder().bootstrap_text(RULES).build().unwrap();
    let before = client.statistics();
    assert_eq!((before.flags, before.problems, before.rulesets_loaded), (0, 0, 0));
    assert_eq!((before.version, before.rules_age), (None, None));
    client.start().unwrap();
    let after = client.statistics();
    assert_eq!((after.flags, after.problems, after.rulesets_loaded), (2, 1, 1));
    assert_eq!(after.version, Some(Value::from(7)));
    let age = after.rules_age.unwrap();
    wait_until("older rules", || client.statistics().rules_age > Some(age));
    assert!(after.last_bootstrap_failure.is_none() && client.last_failure().is_none());

    for (text, version) in
        [("[]", None), (r#"{"version": "9", "flags": []}"#, Some(Value::from("9")))]
    {
        let client = started(builder().bootstrap_text(text));
        assert_eq!(client.statistics().version, version, "{text}");
    }
}

#[test]
fn reloads_are_counted() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, RULES).unwrap();
    let client = started(watching(&path));
    for (loaded, version) in [(2, 8), (3, 9)] {
        let text = RULES.replace("\"version\": 7", &format!("\"version\": {version}"));
        fs::write(folder.file("aside"), text).unwrap();
        fs::rename(folder.file("aside"), &path).unwrap();
        wait_until("a reload", || client.statistics().version == Some(Value::from(version)));
        assert_eq!(client.statistics().rulesets_loaded, loaded);
    }
}

/// Calls every getter for a key; only a boolean flag serves the first one of a pair a value.
macro_rules! ask {
    ($flags:expr, $key:expr) => {{
        let flags = $flags;
        flags.get_boolean_value($key, true, None);
        flags.get_string_value($key, "", None);
        flags.get_number_value($key, 0.0, None);
        flags.get_json_value($key, 0, None);
        flags.get_boolean_details($key, true, None);
        flags.get_string_details($key, "", None);
        flags.get_number_details($key, 0.0, None);
        flags.get_json_details($key, 0, None);
        let _ = flags.get_json_as::<bool>($key, None);
        flags.get_variation($key, None);
    }};
}

#[test]
fn defaults_are_counted() {
    let client = builder().bootstrap_text(RULES).build().unwrap();
    let count = |call: &dyn Fn()| {
        let before = client.statistics().defaults_served;
        call();
        client.statistics().defaults_served - before
    };
    for started in [false, true] {
        if started {
            client.start().unwrap();
        }
        let snapshot = client.snapshot();
        // A boolean flag serves six of the ten calls, a text five.
        for (key, loaded) in [("on", 4), ("text", 5), ("no-such-flag", 10)] {
            let expected = if started { loaded } else { 10 };
            assert_eq!(count(&|| ask!(&client, key)), expected, "{key} {started}");
            assert_eq!(count(&|| ask!(&snapshot, key)), expected, "{key} {started}");
        }
    }
    client.set_override("on", 1);
    // A number serves five.
    assert_eq!(count(&|| ask!(&client, "on")), 5);
    client.evaluate_all(None);
    assert_eq!(count(&|| drop(client.evaluate_all(None))), 0);
}

#[test]
fn unknown_flags_are_kept_once_there_are_rules() {
    let client = builder().bootstrap_text(RULES).build().unwrap();
    let unknown = || client.statistics().unknown_flags;
    ask!(&client, "early");
    client.start().unwrap();
    let snapshot = client.snapshot();
    assert_eq!(unknown(), [""; 0]);
    ask!(&client, "on");
    ask!(&client, "text");
    assert_eq!(unknown(), [""; 0]);
    ask!(&client, "by-client");
    ask!(&snapshot, "by-snapshot");
    ask!(&client, "by-client");
    ask!(&client, "");
    assert_eq!(unknown(), ["by-client", "by-snapshot", ""]);

    // An override is a value, of whatever type.
    client.set_override("overridden", 1);
    ask!(&client, "overridden");
    ask!(&client.snapshot(), "overridden");
    assert_eq!(unknown().len(), 3);
}

#[test]
fn unknown_flags_are_limited_in_number_and_length() {
    let client = started(builder().bootstrap_text(RULES));
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    client.get_boolean_value(&longer, false, None);
    client.get_boolean_value(&longest, false, None);
    let keys: Vec<String> = (0..100).map(|number| format!("flag-{number}")).collect();
    for key in keys.iter().chain(&keys) {
        client.get_boolean_value(key, false, None);
    }
    let expected: Vec<_> = [&longest].into_iter().chain(&keys[..31]).cloned().collect();
    let statistics = client.statistics();
    assert_eq!(statistics.unknown_flags, expected);
    assert_eq!(statistics.defaults_served, 202);
}

/// Asks for a flag until its key is kept: the thread that reports keys may use their list.
fn ask_until_kept(client: &PhaseFlagClient, key: &str) {
    wait_until(key, || {
        client.get_boolean_value(key, false, None);
        client.statistics().unknown_flags.iter().any(|kept| kept == key)
    });
}

#[test]
fn a_flag_that_appears_is_no_longer_unknown() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, RULES).unwrap();
    let client = started(watching(&path));
    let unknown = || client.statistics().unknown_flags;
    for number in 0..32 {
        ask_until_kept(&client, &format!("flag-{number}"));
    }
    client.get_boolean_value("flag-32", false, None);
    assert_eq!(unknown().len(), 32);
    fs::write(&path, r#"[{"key": "flag-0"}, {"key": "flag-31"}, {"key": "on"}]"#).unwrap();
    wait_until("the new rules", || client.statistics().flags == 3);
    assert_eq!(unknown().len(), 30);
    // There is room for others again.
    client.get_boolean_value("flag-1", false, None);
    ask_until_kept(&client, "flag-33");
    assert_eq!(unknown().len(), 31);
    // A flag that is removed is unknown again.
    fs::write(&path, "[]").unwrap();
    wait_until("the empty rules", || client.statistics().flags == 0);
    ask_until_kept(&client, "flag-0");
}

#[test]
fn every_default_of_every_thread_is_counted() {
    let client = started(builder().bootstrap_text(RULES));
    thread::scope(|scope| {
        for number in 0..20 {
            let client = &client;
            scope.spawn(move || {
                for _ in 0..500 {
                    client.get_boolean_value("shared", false, None);
                    client.get_boolean_value(&format!("flag-{number}"), false, None);
                }
            });
        }
    });
    assert_eq!(client.statistics().defaults_served, 20_000);
    let mut expected: Vec<_> = (0..20).map(|number| format!("flag-{number}")).collect();
    expected.push("shared".to_owned());
    expected.sort();
    // A key that was asked for while another thread used the list is kept the next time.
    for key in &expected {
        client.get_boolean_value(key, false, None);
    }
    let mut unknown = client.statistics().unknown_flags;
    unknown.sort();
    assert_eq!(unknown, expected);
}

#[cfg(feature = "http")]
mod with_a_service {
    use std::sync::{Mutex, PoisonError};

    use log::{Level, LevelFilter, Log, Metadata, Record};
    use phaseflag::RequestError;

    use super::*;
    use crate::alone::is_alone;
    use crate::logger;
    use crate::support::{NEVER, Reply, Server, builder as polling, ready, ruleset};

    #[test]
    fn the_state_is_that_of_the_service_once_it_responds() {
        let folder = Folder::new();
        let path = folder.file("flags.json");
        fs::write(&path, RULES).unwrap();
        let server = Server::start(|_| Reply::Hang);
        let client = started(
            polling(&server)
                .offline_mode(true)
                .polling_interval(RAPIDLY)
                .bootstrap_file(&path)
                .bootstrap_watch(RAPIDLY),
        );
        assert_eq!(client.state(), ClientState::Ready);
        fs::write(&path, "{").unwrap();
        let failed = || matches!(client.last_failure(), Some(Error::Bootstrap { .. }));
        wait_until("the file", failed);
        assert!(stale(&client).is_some());
        server.respond(|_| Reply::status(503));
        server.wait_for(1, "/sdk/ruleset");
        server.close_connections();
        wait_until("a failed poll", || client.statistics().last_failure.is_some());
        server.respond(|_| Reply::json(ruleset(1, &["a"])));
        wait_until("the service", || client.state() == ClientState::Ready);
        let statistics = client.statistics();
        assert!(statistics.last_bootstrap_failure.is_some());
        assert!(statistics.rules_age.is_some_and(|age| age < SOON));
        assert_eq!((statistics.flags, statistics.rulesets_loaded), (1, 2));
    }

    #[test]
    fn the_last_failure_is_the_latest_of_any_source() {
        let folder = Folder::new();
        let path = folder.file("missing.json");
        let server = Server::start(|_| Reply::status(503));
        let client = started(polling(&server).polling_interval(RAPIDLY).bootstrap_file(path));
        let polled = || {
            let failure = client.last_failure();
            let cause = RequestError::status;
            matches!(failure, Some(Error::Request { cause: error, .. }) if cause(&error) == Some(503))
        };
        wait_until("a failed poll", polled);
        assert!(client.statistics().last_bootstrap_failure.is_some());
    }

    fn lines_about(key: &str) -> Vec<logger::Line> {
        let key = format!("`{key}`");
        logger::lines().iter().filter(|line| line.text.contains(&key)).cloned().collect()
    }

    #[test]
    fn an_unknown_flag_is_reported_once_by_the_thread_that_polls() {
        logger::listen();
        let server = Server::with_ruleset(ruleset(3, &["a"]));
        let client = ready(polling(&server).polling_interval(RAPIDLY));
        let snapshot = client.snapshot();
        for _ in 0..10 {
            client.get_boolean_value("health-unknown", false, None);
            snapshot.get_string_value("health-unknown-too", "", None);
        }
        for key in ["health-unknown", "health-unknown-too"] {
            wait_until(key, || !lines_about(key).is_empty());
        }
        server.wait_for(server.requests().len() + 5, "/sdk/ruleset");
        client.get_boolean_value("health-unknown", false, None);
        server.wait_for(server.requests().len() + 5, "/sdk/ruleset");
        for key in ["health-unknown", "health-unknown-too"] {
            let lines = lines_about(key);
            let [line] = &lines[..] else { panic!("{lines:?}") };
            assert_eq!(line.level, Level::Warn);
            assert_eq!(line.text, format!("flag `{key}` is not in the ruleset (version 3)"));
            assert_ne!(line.thread, thread::current().id());
        }
    }

    #[test]
    fn an_unknown_flag_is_reported_by_the_thread_that_watches_a_file() {
        logger::listen();
        let folder = Folder::new();
        let path = folder.file("flags.json");
        fs::write(&path, "[]").unwrap();
        let client = started(watching(&path));
        for key in ["health-in-file", "health\nforged"] {
            ask_until_kept(&client, key);
        }
        wait_until("the line", || !lines_about("health-in-file").is_empty());
        wait_until("one line", || !lines_about("health\\nforged").is_empty());
        let lines = lines_about("health-in-file");
        assert_eq!(lines[0].text, "flag `health-in-file` is not in the ruleset");
        assert_ne!(lines[0].thread, thread::current().id());
    }

    #[test]
    fn without_rules_no_flag_is_unknown() {
        logger::listen();
        let server = Server::start(|_| Reply::status(503));
        let client = started(polling(&server).polling_interval(RAPIDLY));
        client.get_boolean_value("health-early", false, None);
        server.wait_for(2, "/sdk/ruleset");
        server.respond(|_| Reply::json(ruleset(1, &["a"])));
        client.wait_until_ready(SOON).unwrap();
        server.wait_for(server.requests().len() + 3, "/sdk/ruleset");
        assert!(lines_about("health-early").is_empty());
        assert_eq!(client.statistics().unknown_flags, [""; 0]);
    }

    /// Keeps the lines of all crates, as a program with `RUST_LOG=info` does.
    struct Everything(Mutex<Vec<(Level, String)>>);

    static EVERYTHING: Everything = Everything(Mutex::new(Vec::new()));

    impl Log for Everything {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            let line = (record.level(), format!("{}: {}", record.target(), record.args()));
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }

        fn flush(&self) {}
    }

    /// Takes the lines so far.
    fn lines() -> Vec<(Level, String)> {
        std::mem::take(&mut EVERYTHING.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[test]
    fn a_healthy_start_logs_one_line() {
        if !is_alone("health::with_a_service::a_healthy_start_logs_one_line") {
            return;
        }
        log::set_logger(&EVERYTHING).unwrap();
        log::set_max_level(LevelFilter::Info);
        let folder = Folder::new();
        let (cache, file) = (folder.file("cache"), folder.file("flags.json"));
        let text = ruleset(1, &["a", "b"]);
        fs::write(&file, &text).unwrap();
        let server = Server::with_ruleset(&*text);
        let polling = || polling(&server).polling_interval(Duration::from_secs(1));
        let cached = || polling().cache_dir(&cache);
        // The path of the cached rules, after the first poll.
        let rules = || {
            let entry = fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
            // Its lock is beside it.
            entry.path().with_extension("rules").display().to_string()
        };
        let info = |source: &str| [(Level::Info, format!("phaseflag: flags in use: {source}"))];
        let bootstrap = format!("2, from the bootstrap `{}`", file.display());
        for (name, settings, source) in [
            ("a service", polling(), "2, from the service"),
            ("a service, with an empty cache", cached(), "2, from the service"),
            ("a cache", cached(), "2, from the cache `RULES`"),
            ("a fresh cache", cached().cache_max_age(NEVER), "2, from the cache `RULES`"),
            (
                "the cache of an environment",
                cached().environment("production"),
                "those of `production` among 2, from the cache `RULES`",
            ),
            ("a file", builder().bootstrap_file(&file), &bootstrap),
            ("a watched file", watching(&file), &bootstrap),
            ("a file that a service replaces", polling().bootstrap_file(&file), &bootstrap),
            ("a text", builder().bootstrap_text(&*text), "2, from the bootstrap `bootstrap_text`"),
        ] {
            let client = ready(settings);
            assert!(client.get_boolean_value("a", true, None), "{name}");
            if name.contains("service") {
                let polls = client.statistics().polls + 2;
                wait_until(name, || client.statistics().polls >= polls);
            }
            client.stop();
            let source = match source.contains("RULES") {
                true => source.replace("RULES", &rules()),
                false => source.to_owned(),
            };
            assert_eq!(lines(), info(&source), "{name}");
        }

        // While the service is down, a warning precedes the line.
        server.respond({
            let text = text.clone();
            move |request| match request.path.as_str() {
                "/rules.json" => Reply::json(&*text),
                _ => Reply::status(503),
            }
        });
        let client = started(polling().bootstrap_url("/rules.json"));
        wait_until("the bootstrap URL", || client.has_rules());
        client.stop();
        let lines = lines();
        let infos: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Info).collect();
        let expected = info("2, from the bootstrap URL");
        assert_eq!(infos, expected.iter().collect::<Vec<_>>());
    }
}
