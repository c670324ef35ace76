//! Files that are not what a client expects: pipes, devices, folders, and relative paths.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};

use crate::alone::is_alone;
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
    // Absolute, but not otherwise changed.
    let error = missing.start().unwrap_err().to_string();
    let path = built.file("sub/../missing.json");
    assert_eq!(error, format!("failed to load bootstrap `{}`", path.display()));

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
