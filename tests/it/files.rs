//! Files that are not what a client expects: pipes, devices, folders, mounts, and relative paths.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};

use crate::alone::is_alone;
#[cfg(target_os = "linux")]
use crate::mounts::{may_mount, mount};
use crate::support::{NEVER, RAPIDLY, Reply, Server, builder, ready, ruleset, started};
use crate::wire::within;

/// The longest that a start takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("phaseflag-files-{}-{name}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        // The working directory of a process has no links in its path.
        Folder(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn without_service(path: &Path) -> ClientBuilder {
    PhaseFlagClient::builder("", "").bootstrap_file(path)
}

fn is_on(client: &PhaseFlagClient, key: &str) -> bool {
    client.get_boolean_value(key, false, None)
}

/// Returns paths that are not files, each with the reason why it cannot be read.
fn no_files(folder: &Folder) -> Vec<(PathBuf, String)> {
    let link = |name: &str, target: &Path| {
        symlink(target, folder.file(name)).unwrap();
        folder.file(name)
    };
    UnixListener::bind(folder.file("socket")).unwrap();
    let is_a = |kind: &str| format!("it is a {kind}, not a regular file");
    let system = |path: &Path| fs::read(path).unwrap_err().to_string();
    let dangling = link("dangling", Path::new("nowhere"));
    let circle = link("circle", Path::new("circle"));
    vec![
        (folder.pipe("pipe"), is_a("pipe")),
        (link("link", &folder.file("pipe")), is_a("pipe")),
        (folder.0.clone(), is_a("folder")),
        (folder.file("socket"), is_a("socket")),
        (PathBuf::from("/dev/zero"), is_a("device")),
        (PathBuf::from("/dev/null"), is_a("device")),
        (dangling.clone(), system(&dangling)),
        (circle.clone(), system(&circle)),
    ]
}

#[test]
fn a_bootstrap_that_is_no_file_is_named_and_never_blocks() {
    let folder = Folder::new("kinds");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for (path, reason) in no_files(&folder) {
        let what = path.display().to_string();
        let client = without_service(&path).build().unwrap();
        let error = within(AT_ONCE, &what, || client.start().unwrap_err());
        let expected = format!("failed to load bootstrap `{what}`: {reason}");
        assert_eq!(format!("{error:#}"), expected);
        let settings = builder(&server).bootstrap_file(&path);
        assert!(is_on(&within(AT_ONCE, &what, || ready(settings)), "a"));
        let watching = without_service(&path).bootstrap_watch(RAPIDLY);
        within(AT_ONCE, &what, || started(watching).stop());
    }
}

#[test]
fn a_link_to_a_file_is_a_bootstrap() {
    let folder = Folder::new("link");
    fs::write(folder.file("flags.json"), ruleset(1, &["a"])).unwrap();
    symlink("flags.json", folder.file("link")).unwrap();
    symlink("link", folder.file("second")).unwrap();
    assert!(is_on(&started(without_service(&folder.file("second"))), "a"));
}

#[test]
fn a_cache_folder_that_is_no_folder_never_blocks() {
    let folder = Folder::new("no-folder");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for (path, _) in no_files(&folder).into_iter().filter(|(path, _)| *path != folder.0) {
        let what = path.display().to_string();
        let client = within(AT_ONCE, &what, || ready(builder(&server).cache_dir(&path)));
        assert!(is_on(&client, "a"));
        within(AT_ONCE, &what, || client.stop());
    }
}

/// The path of a dangling link is a usable spool.
#[test]
fn a_spool_that_is_no_file_never_blocks() {
    let folder = Folder::new("no-spool");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for (path, reason) in no_files(&folder) {
        let what = path.display().to_string();
        let client = within(AT_ONCE, &what, || started(builder(&server).event_spool(&path)));
        client.track_event(EvaluationEvent::new("e"));
        within(AT_ONCE, &what, || client.stop_now());
        let counts = client.statistics().events;
        let kept = if path.ends_with("dangling") { (1, 0) } else { (0, 1) };
        assert_eq!((counts.spooled, counts.dropped_undelivered), kept, "{what}: {reason}");
        for left in [folder.file("nowhere"), path.with_extension("lock")] {
            let _ = fs::remove_file(left);
        }
    }
}

#[test]
fn paths_are_relative_to_the_working_directory_of_build() {
    if !is_alone("files::paths_are_relative_to_the_working_directory_of_build") {
        return;
    }
    let (built, later) = (Folder::new("built"), Folder::new("later"));
    for (folder, key) in [(&built, "built"), (&later, "later")] {
        fs::write(folder.file("rules.json"), ruleset(1, &[key])).unwrap();
    }
    let server = Server::start(|_| Reply::Hang);
    // The setters do not resolve them.
    env::set_current_dir(&later.0).unwrap();
    let settings =
        |builder: ClientBuilder| builder.bootstrap_file("rules.json").polling_interval(NEVER);
    let serviceless = settings(PhaseFlagClient::builder("", ""));
    let watching = serviceless.clone().bootstrap_watch(RAPIDLY);
    let full = settings(builder(&server)).event_spool("./spool").cache_dir("cache");
    let missing = PhaseFlagClient::builder("", "").bootstrap_file("sub/../missing.json");

    env::set_current_dir(&built.0).unwrap();
    let clients = [serviceless, watching, full].map(|builder| builder.build().unwrap());
    let missing = missing.build().unwrap();
    env::set_current_dir(&later.0).unwrap();
    for client in &clients {
        client.start().unwrap();
        assert!(is_on(client, "built") && !is_on(client, "later"));
    }
    let [_, _, full] = &clients;
    full.track_event(EvaluationEvent::new("e"));
    full.stop_now();
    assert_eq!(full.statistics().events.spooled, 1);
    assert!(built.file("spool").is_file() && !later.file("spool").exists());
    // An error shows the path as the program gave it.
    let error = missing.start().unwrap_err().to_string();
    assert_eq!(error, "failed to load bootstrap `sub/../missing.json`");

    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    env::set_current_dir(&built.0).unwrap();
    let caching = builder(&server).cache_dir("cache").build().unwrap();
    env::set_current_dir(&later.0).unwrap();
    caching.start().unwrap();
    caching.wait_until_ready(AT_ONCE).unwrap();
    assert!(built.file("cache").is_dir() && !later.file("cache").exists());
}

/// A path in a folder that no longer exists names no file, and is no error of `build`.
#[cfg(target_os = "linux")]
#[test]
fn a_deleted_working_directory_is_no_error_of_build() {
    if !is_alone("files::a_deleted_working_directory_is_no_error_of_build") {
        return;
    }
    let folder = Folder::new("deleted");
    env::set_current_dir(&folder.0).unwrap();
    fs::remove_dir(&folder.0).unwrap();
    let client = without_service(Path::new("rules.json")).build().unwrap();
    let error = client.start().unwrap_err();
    assert!(error.to_string().ends_with("`rules.json`"), "{error}");
}

#[cfg(target_os = "linux")]
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_mounted_cache_file_is_overwritten() {
    if !may_mount("files::a_mounted_cache_file_is_overwritten") {
        return;
    }
    let folder = Folder::new("mounted-cache");
    let server = Server::with_ruleset(ruleset(1, &["a", "b", "c"]));
    let caching = || builder(&server).cache_dir(&folder.0).polling_interval(Duration::ZERO);
    ready(caching()).stop();
    let file = fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    mount(&["--bind", text(&file), text(&file)]);
    assert!(fs::rename(&file, folder.file("aside")).is_err());
    // A longer one, and a shorter one.
    for keys in [&["a", "b", "c", "d", "e"][..], &["z"]] {
        server.respond(move |_| Reply::json(ruleset(1, keys)));
        ready(caching()).stop();
        let client = started(caching().cache_max_age(NEVER));
        assert!(client.is_ready());
        assert_eq!(client.flags().len(), keys.len());
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_cache_file_in_a_read_only_folder_is_overwritten() {
    if !may_mount("files::a_cache_file_in_a_read_only_folder_is_overwritten") {
        return;
    }
    let folder = Folder::new("read-only-cache");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let caching = || builder(&server).cache_dir(&folder.0).polling_interval(Duration::ZERO);
    ready(caching()).stop();
    let file = fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    mount(&["--bind", text(&folder.0), text(&folder.0)]);
    mount(&["--bind", text(&file), text(&file)]);
    mount(&["-o", "remount,bind,ro", text(&folder.0)]);
    assert!(fs::write(folder.file("new"), "").is_err());
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    ready(caching()).stop();
    assert!(is_on(&started(caching().cache_max_age(NEVER)), "b"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_mounted_spool_is_overwritten() {
    if !may_mount("files::a_mounted_spool_is_overwritten") {
        return;
    }
    let folder = Folder::new("mounted-spool");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let path = folder.file("events");
    fs::write(&path, "").unwrap();
    mount(&["--bind", text(&path), text(&path)]);
    let spooling = || builder(&server).event_spool(&path).event_spool_size(1000);
    let lines = || fs::read_to_string(&path).unwrap().lines().count();
    // More than its size: the oldest events are dropped.
    for round in 1..3 {
        let client = started(spooling());
        for number in 0..20 {
            client.track_event(EvaluationEvent::new(format!("{round}-{number:02}")));
        }
        client.stop_now();
        let counts = client.statistics().events;
        assert_eq!(counts.spooled, lines() as u64, "{counts:?}");
        assert!(counts.spooled >= 5 && counts.dropped_spool_full > 0, "{counts:?}");
    }
    assert!(fs::read_to_string(&path).unwrap().lines().all(|line| line.contains("2-")));
    let spooled = lines() as u64;
    let client = started(spooling());
    client.stop();
    assert_eq!(client.statistics().events.delivered_spooled, spooled);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_spool_in_a_read_only_folder_names_its_lock_file() {
    if !may_mount("files::a_spool_in_a_read_only_folder_names_its_lock_file") {
        return;
    }
    let folder = Folder::new("read-only-spool");
    let path = folder.file("events");
    fs::write(&path, "").unwrap();
    mount(&["--bind", text(&folder.0), text(&folder.0)]);
    mount(&["--bind", text(&path), text(&path)]);
    mount(&["-o", "remount,bind,ro", text(&folder.0)]);
    crate::logger::listen();
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server).event_spool(&path));
    client.track_event(EvaluationEvent::new("e"));
    client.stop_now();
    let cause = fs::write(folder.file("new"), "").unwrap_err();
    let path = path.display();
    let warning = format!(
        "lost 1 events: failed to write the event spool `{path}`: \
         failed to open the lock file `{path}.lock`: {cause}"
    );
    assert_eq!(crate::logger::warnings_with("lost"), [warning]);
}

/// The new rules are larger than the disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_rules_in_a_mounted_cache_file() {
    if !may_mount("files::a_full_disk_keeps_the_rules_in_a_mounted_cache_file") {
        return;
    }
    let folder = Folder::new("full-cache");
    let disk = folder.file("disk");
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let cache = folder.file("cache");
    let caching = || builder(&server).cache_dir(&cache).polling_interval(Duration::ZERO);
    ready(caching()).stop();
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let old = fs::read(&file).unwrap();
    fs::create_dir(&disk).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=128k", "tmpfs", text(&disk)]);
    fs::write(disk.join("file"), &old).unwrap();
    // Fills the disk.
    let mut rest = fs::File::create(disk.join("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 1024]).is_ok() {}
    mount(&["--bind", text(&disk.join("file")), text(&file)]);
    let long = vec!["x".repeat(1000); 200];
    let keys: Vec<_> = long.iter().enumerate().map(|(n, key)| format!("{n}{key}")).collect();
    server.respond(move |_| {
        Reply::json(ruleset(2, &keys.iter().map(String::as_str).collect::<Vec<_>>()))
    });
    ready(caching()).stop();
    assert!(fs::read(&file).unwrap() == old);
    assert!(is_on(&started(caching().cache_max_age(NEVER)), "a"));
}
