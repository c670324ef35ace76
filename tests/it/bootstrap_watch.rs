//! A bootstrap file that changes while the client runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use phaseflag::{ClientBuilder, Error, PhaseFlagClient};

use crate::support::{RAPIDLY, SOON, started, wait_until};

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("phaseflag-watch-{}-{number}", std::process::id());
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

/// Returns rules with one flag that serves a text.
fn rules(value: &str) -> String {
    format!(
        r#"[{{"key": "a", "default_variation": "v",
            "variations": [{{"key": "v", "value": "{value}"}}]}}]"#
    )
}

fn watching(path: &Path) -> ClientBuilder {
    PhaseFlagClient::builder("", "").bootstrap_file(path).bootstrap_watch(RAPIDLY)
}

fn value(client: &PhaseFlagClient) -> String {
    client.get_string_value("a", "default", None)
}

/// Asserts that the value stays the same during a dozen checks of the file.
fn assert_stays(client: &PhaseFlagClient, expected: &str) {
    let until = Instant::now() + 12 * RAPIDLY;
    while Instant::now() < until {
        assert_eq!(value(client), expected);
        thread::sleep(RAPIDLY);
    }
}

#[test]
fn a_new_file_is_served_and_listeners_hear_of_it() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    let client = started(watching(&path));
    assert_eq!(value(&client), "one");

    let changes = Arc::new(Mutex::new(Vec::new()));
    let heard = changes.clone();
    client.on_flags_changed(move |change| {
        heard.lock().unwrap().push(change.changed().to_vec());
    });
    let aside = folder.file("aside");
    fs::write(&aside, rules("two")).unwrap();
    fs::rename(&aside, &path).unwrap();
    wait_until("the file that was renamed over", || value(&client) == "two");
    fs::write(&path, rules("three")).unwrap();
    wait_until("the file that was written anew", || value(&client) == "three");
    wait_until("both changes", || changes.lock().unwrap().len() == 2);
    assert_eq!(*changes.lock().unwrap(), [["a"], ["a"]]);
}

#[test]
fn a_change_that_keeps_length_and_time_is_seen() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    let client = started(watching(&path));
    for text in ["two", "six", "ten"] {
        let time = SystemTime::now();
        fs::write(&path, rules(text)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        wait_until(text, || value(&client) == text);
    }
}

#[test]
#[cfg(unix)]
fn a_changed_symlink_is_followed() {
    let folder = Folder::new();
    let old = SystemTime::now() - Duration::from_secs(3600);
    for name in ["one", "two"] {
        fs::write(folder.file(name), rules(name)).unwrap();
        File::options().write(true).open(folder.file(name)).unwrap().set_modified(old).unwrap();
    }
    let (path, aside) = (folder.file("flags.json"), folder.file("aside"));
    std::os::unix::fs::symlink(folder.file("one"), &path).unwrap();
    let client = started(watching(&path));
    for name in ["two", "one", "two"] {
        // Another file of the same length and time.
        std::os::unix::fs::symlink(folder.file(name), &aside).unwrap();
        fs::rename(&aside, &path).unwrap();
        wait_until(name, || value(&client) == name);
    }
}

#[test]
fn the_old_rules_stay_until_the_file_is_complete_and_valid() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    let client = started(watching(&path));
    let whole = rules("two");
    for broken in ["", "{", &whole[..whole.len() / 2], "{}", "[1, 2", "\u{1}"] {
        fs::write(&path, broken).unwrap();
        assert_stays(&client, "one");
    }
    fs::remove_file(&path).unwrap();
    assert_stays(&client, "one");
    fs::write(&path, &whole).unwrap();
    wait_until("the whole file", || value(&client) == "two");
    fs::remove_file(&path).unwrap();
    fs::write(&path, rules("three")).unwrap();
    wait_until("the file that came back", || value(&client) == "three");
}

#[test]
#[cfg(unix)]
fn a_change_in_place_that_keeps_length_and_time_is_seen() {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new();
    let path = folder.file("flags.json");
    let old = SystemTime::now() - Duration::from_secs(3600);
    let write = |text: &str| {
        // The same file, with the same length and time.
        fs::write(&path, rules(text)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    };
    write("one");
    let client = started(watching(&path));
    let changed = || fs::metadata(&path).unwrap().ctime() as u64;
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    wait_until("the file is settled", || now() > changed() + 3);
    assert_stays(&client, "one");
    write("two");
    wait_until("the change", || value(&client) == "two");
}

#[test]
#[cfg(unix)]
fn a_pipe_instead_of_the_file_does_not_block() {
    let folder = Folder::new();
    let (path, aside) = (folder.file("flags.json"), folder.file("aside"));
    fs::write(&path, rules("one")).unwrap();
    let client = started(watching(&path));
    assert!(std::process::Command::new("mkfifo").arg(&aside).status().unwrap().success());
    fs::rename(&aside, &path).unwrap();
    assert_stays(&client, "one");
    fs::write(&aside, rules("two")).unwrap();
    fs::rename(&aside, &path).unwrap();
    wait_until("the file that follows", || value(&client) == "two");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    let limit = rules("one").len();
    let client = started(watching(&path).max_body_size(limit));
    fs::write(&path, rules("three")).unwrap();
    assert_stays(&client, "one");
    fs::write(&path, rules("two")).unwrap();
    wait_until("the smaller file", || value(&client) == "two");

    let limited = PhaseFlagClient::builder("", "").bootstrap_file(&path).max_body_size(limit - 1);
    let error = limited.build().unwrap().start().unwrap_err();
    let reason = format!("the file is larger than {} bytes", limit - 1);
    let text = format!("failed to load bootstrap `{}`: {reason}", path.display());
    assert_eq!(format!("{error:#}"), text);
}

#[test]
fn the_file_may_appear_after_the_start() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    let client = started(watching(&path));
    assert!(client.is_ready());
    assert_eq!(value(&client), "default");
    fs::write(&path, rules("one")).unwrap();
    wait_until("the file", || value(&client) == "one");
}

#[test]
fn the_watcher_ends_with_the_client() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    for dropped in [true, false] {
        let client = started(watching(&path));
        let token = Arc::new(());
        let held = token.clone();
        client.on_flags_changed(move |_| drop(held.clone()));
        if dropped {
            drop(client);
        } else {
            client.stop();
            fs::write(&path, rules("after")).unwrap();
            assert_stays(&client, "one");
            drop(client);
        }
        // The thread holds the listeners until it ends.
        wait_until("the end of the thread", || Arc::strong_count(&token) == 1);
    }
}

#[test]
fn a_long_interval_does_not_delay_stop() {
    let folder = Folder::new();
    let path = folder.file("flags.json");
    fs::write(&path, rules("one")).unwrap();
    let client = started(watching(&path).bootstrap_watch(Duration::MAX));
    let token = Arc::new(());
    let held = token.clone();
    client.on_flags_changed(move |_| drop(held.clone()));
    let begun = Instant::now();
    drop(client);
    wait_until("the end of the thread", || Arc::strong_count(&token) == 1);
    assert!(begun.elapsed() < SOON);
}

#[test]
fn settings_without_a_file_to_watch_are_refused() {
    let client = || PhaseFlagClient::builder("", "");
    for (builder, reason) in [
        (client().bootstrap_watch(RAPIDLY), "`bootstrap_watch` needs a `bootstrap_file`"),
        (
            client().bootstrap_text("[]").bootstrap_watch(RAPIDLY),
            "`bootstrap_watch` needs a `bootstrap_file`",
        ),
        (
            client().bootstrap_file("flags.json").bootstrap_watch(Duration::ZERO),
            "`bootstrap_watch` must not be zero",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { .. }));
        assert_eq!(error.to_string(), format!("failed to build client: {reason}"));
    }
}

#[cfg(feature = "http")]
mod beside_a_service {
    use super::*;
    use log::Level;

    use crate::logger;
    use crate::support::{Reply, Server, builder};

    #[test]
    fn an_unusable_file_is_warned_of_once() {
        logger::listen();
        let folder = Folder::new();
        let path = folder.file("flags.json");
        let name = path.display().to_string();
        let lines = || -> Vec<_> {
            let lines = logger::lines();
            let named = lines.iter().filter(|line| line.text.contains(&name));
            named.map(|line| (line.level, line.text.clone())).collect()
        };
        fs::write(&path, rules("one")).unwrap();
        let client = started(watching(&path));
        let start = (Level::Info, format!("flags in use: 1, from the bootstrap `{name}`"));
        // In one step: an empty file would be another failure.
        let aside = folder.file("aside");
        fs::write(&aside, "{").unwrap();
        fs::rename(&aside, &path).unwrap();
        wait_until("the warning", || lines().len() > 1);
        assert_stays(&client, "one");
        fs::remove_file(&path).unwrap();
        assert_stays(&client, "one");
        let reason = "failed to parse ruleset: a missing key at line 1, column 2";
        let warning = format!("failed to load bootstrap `{name}`: {reason}");
        assert_eq!(lines(), [start.clone(), (Level::Warn, warning.clone())]);
        fs::write(&path, rules("two")).unwrap();
        wait_until("the new rules", || value(&client) == "two");
        wait_until("the line about them", || lines().len() > 2);
        let over = format!("the bootstrap `{name}` can be used again");
        assert_eq!(lines(), [start, (Level::Warn, warning), (Level::Info, over)]);
    }

    #[test]
    fn offline_mode_is_ready_when_the_file_appears() {
        let folder = Folder::new();
        let path = folder.file("flags.json");
        let server = Server::start(|_| Reply::Hang);
        let client = started(
            builder(&server).offline_mode(true).bootstrap_file(&path).bootstrap_watch(RAPIDLY),
        );
        assert!(!client.is_ready());
        fs::write(&path, rules("one")).unwrap();
        client.wait_until_ready(SOON / 4).unwrap();
        assert_eq!(value(&client), "one");
    }

    #[test]
    fn the_file_is_used_until_the_service_has_sent_rules() {
        let folder = Folder::new();
        let path = folder.file("flags.json");
        fs::write(&path, rules("one")).unwrap();
        let server = Server::start(|_| Reply::status(503));
        let watching = builder(&server)
            .polling_interval(RAPIDLY)
            .bootstrap_file(&path)
            .bootstrap_watch(RAPIDLY);
        let client = started(watching);
        assert_eq!(value(&client), "one");
        fs::write(&path, rules("two")).unwrap();
        wait_until("the second file", || value(&client) == "two");
        server.respond(|_| Reply::json(rules("service")));
        wait_until("the service's rules", || value(&client) == "service");
        fs::write(&path, rules("three")).unwrap();
        let polls = server.requests_to("/sdk/ruleset").len();
        server.wait_for(polls + 20, "/sdk/ruleset");
        assert_eq!(value(&client), "service");
    }
}
