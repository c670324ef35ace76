//! The spool: events that one process leaves and a later client delivers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient};

use crate::support::{
    NEVER, Reply, Request, SOON, Server, builder, ready, ruleset, started, wait_until,
};

const EVENTS: &str = "/sdk/events";

/// A folder that is removed when the test ends, and the path of a spool in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("phaseflag-spool-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn spool(&self) -> PathBuf {
        self.0.join("events")
    }

    fn assert_no_spool(&self) {
        if cfg!(windows) {
            // A removed file is there until its last handle is closed.
            wait_until("the spool is gone", || !self.spool().exists());
        }
        assert!(!self.spool().exists());
    }

    /// Returns the lines of the spool; none if it does not exist.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.spool()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts a server that responds to events with this status.
fn server(events: u16) -> Server {
    let server = Server::with_ruleset("");
    respond_to_events(&server, events);
    server
}

fn respond_to_events(server: &Server, events: u16) {
    server.respond(move |request| match request.path.ends_with(EVENTS) {
        true => Reply::status(events).with_body("{}"),
        false => Reply::json(ruleset(1, &["a"])),
    });
}

fn spooling(server: &Server, folder: &Folder) -> ClientBuilder {
    let settings = builder(server).event_spool(folder.spool());
    settings.polling_interval(NEVER).event_flush_interval(NEVER)
}

fn track(client: &PhaseFlagClient, numbers: Range<usize>) {
    for number in numbers {
        client.track_event(EvaluationEvent::new(format!("e{number}")));
    }
}

/// Returns the flags of events in successful requests.
fn flags(requests: &[Request]) -> Vec<String> {
    let events = requests.iter().flat_map(|request| {
        let events = request.json()["events"].as_array().expect("events").to_vec();
        events.into_iter().map(|event| event["flag_key"].as_str().expect("a flag").to_owned())
    });
    events.collect()
}

fn names(numbers: Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("e{number}")).collect()
}

/// Builds a client that is not started. Until it stops, it makes no request, however long that takes: a
/// started one delivers a full batch, and after a second the events in the spool.
fn not_started(builder: ClientBuilder) -> PhaseFlagClient {
    builder.build().expect("valid settings")
}

/// Makes a client that leaves these events in the spool.
fn leave_events(server: &Server, folder: &Folder, numbers: Range<usize>) {
    let client = not_started(spooling(server, folder));
    let count = numbers.len() as u64;
    track(&client, numbers);
    client.stop_now();
    assert_eq!(client.statistics().events.spooled, count);
}

#[test]
fn the_next_client_delivers_spooled_events_first() {
    let (server, folder) = (server(202), Folder::new("next"));
    // The client gives up at once, so that no request arrives after the stop.
    server.respond(|_| Reply::status(503).with("retry-after", "3600"));
    let client = started(spooling(&server, &folder).shutdown_timeout(SOON));
    track(&client, 0..3);
    client.stop();
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.spooled, counts.dropped()), (0, 3, 0));
    assert_eq!(folder.lines().len(), 3);

    respond_to_events(&server, 202);
    let before = server.requests_to(EVENTS).len();
    let client = started(spooling(&server, &folder));
    track(&client, 3..5);
    client.flush_events().expect("a flush");
    assert_eq!(flags(&server.requests_to(EVENTS)[before..]), names(0..5));
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.delivered_spooled, counts.dropped()), (2, 3, 0));
    folder.assert_no_spool();
}

#[test]
fn events_tracked_during_spool_delivery_are_not_late() {
    let (server, folder) = (server(202), Folder::new("late"));
    leave_events(&server, &folder, 0..1);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    server.respond(move |request| {
        if request.body.contains("e0") {
            let _ = released.lock().unwrap().recv_timeout(SOON);
        }
        Reply::status(202).with_body("{}")
    });
    let interval = Duration::from_secs(5);
    let settings = spooling(&server, &folder).event_flush_interval(interval);
    let client = started(settings.request_timeout(NEVER));
    server.wait_for(1, EVENTS);
    track(&client, 1..2);
    thread::sleep(interval); // it is due by now
    let begin = Instant::now();
    release.send(()).unwrap();
    server.wait_for(2, EVENTS);
    assert!(begin.elapsed() < interval, "{:?}", begin.elapsed());
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..2));
}

#[test]
fn spooled_events_are_unchanged() {
    let (server, folder) = (server(202), Folder::new("same"));
    let client = started(spooling(&server, &folder));
    let event = EvaluationEvent::new("flag \"ü\"\n")
        .variation_key("on")
        .user_id("user\n1")
        .metadata("page", "a\tb")
        .metadata("deep", [1, 2].into_iter().collect::<phaseflag::Value>())
        .timestamp(std::time::UNIX_EPOCH + Duration::from_millis(1_775_314_800_123));
    client.track_event(event.clone());
    client.stop_now();
    let client = started(spooling(&server, &folder));
    client.stop();
    let client = started(spooling(&server, &folder));
    client.track_event(event);
    client.stop();
    let requests = server.requests_to(EVENTS);
    assert_eq!(requests[0].json(), requests[1].json());
}

#[test]
fn a_running_client_delivers_the_spool() {
    let (server, folder) = (server(202), Folder::new("runs"));
    leave_events(&server, &folder, 0..2);
    let client = started(spooling(&server, &folder));
    assert_eq!(flags(&server.wait_for(1, EVENTS)), names(0..2));
    wait_until("it is counted", || client.statistics().events.delivered_spooled == 2);
}

#[test]
fn stop_delivers_the_spool() {
    let (server, folder) = (server(202), Folder::new("ends"));
    leave_events(&server, &folder, 0..2);
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..2));
    folder.assert_no_spool();
}

#[test]
fn stop_now_makes_no_request() {
    let (server, folder) = (server(202), Folder::new("now"));
    let client = started(spooling(&server, &folder).shutdown_timeout(2 * SOON));
    track(&client, 0..3);
    let begin = Instant::now();
    client.stop_now();
    assert!(begin.elapsed() < SOON);
    client.stop();
    drop(client);
    assert_eq!(folder.lines().len(), 3);
    assert_eq!(server.requests_to(EVENTS).len(), 0);
    // Without a spool it makes no request either, and drops the events.
    let client = started(builder(&server));
    track(&client, 0..3);
    client.stop_now();
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_undelivered), (0, 3));
    assert_eq!(server.requests_to(EVENTS).len(), 0);
}

#[test]
fn a_client_that_was_never_started_spools_its_events() {
    let (server, folder) = (server(202), Folder::new("never-started"));
    let client = not_started(spooling(&server, &folder));
    track(&client, 0..3);
    client.stop_now();
    assert_eq!(client.statistics().events.spooled, 3);
}

#[test]
fn stop_during_a_hanging_request_spools_its_events() {
    let (server, folder) = (server(202), Folder::new("hangs"));
    server.respond(|request| match request.path.ends_with(EVENTS) {
        true => Reply::Hang,
        false => Reply::json(ruleset(1, &["a"])),
    });
    let settings = spooling(&server, &folder).shutdown_timeout(2 * SOON);
    let client = started(settings.event_batch_size(2).request_timeout(2 * SOON));
    track(&client, 0..2);
    server.wait_for(1, EVENTS);
    track(&client, 2..5);
    let begin = Instant::now();
    client.stop_now();
    assert!(begin.elapsed() < SOON);
    assert_eq!(client.statistics().events.spooled, 5);
    respond_to_events(&server, 202);
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)[1..]), names(0..5));
}

#[test]
fn a_second_stop_does_not_wait_for_the_spool() {
    let (server, folder) = (server(202), Folder::new("twice"));
    leave_events(&server, &folder, 0..1);
    server.respond(|_| Reply::Hang);
    let settings = spooling(&server, &folder).shutdown_timeout(2 * SOON);
    let client = started(settings.request_timeout(2 * SOON));
    server.wait_for(1, EVENTS);
    client.stop_now();
    let begin = Instant::now();
    client.stop();
    drop(client);
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(folder.lines().len(), 1);
}

#[test]
fn stop_spools_events_when_its_timeout_ends() {
    let (server, folder) = (server(202), Folder::new("time"));
    server.respond(|_| Reply::Hang);
    let client = started(spooling(&server, &folder).shutdown_timeout(Duration::from_millis(100)));
    track(&client, 0..3);
    drop(client);
    assert_eq!(folder.lines().len(), 3);
}

#[test]
fn spooled_events_stay_without_a_wait_while_the_service_is_down() {
    let (server, folder) = (server(202), Folder::new("down"));
    leave_events(&server, &folder, 0..2);
    respond_to_events(&server, 500);
    let client = started(spooling(&server, &folder).shutdown_timeout(NEVER));
    server.wait_for(1, EVENTS);
    wait_until("the failure", || client.statistics().last_delivery_failure.is_some());
    let begin = Instant::now();
    client.stop();
    assert!(begin.elapsed() < SOON);
    assert_eq!(folder.lines().len(), 2);
}

#[test]
fn spooled_events_are_delivered_when_the_service_is_back() {
    let (server, folder) = (server(202), Folder::new("again"));
    leave_events(&server, &folder, 0..2);
    respond_to_events(&server, 500);
    let client = started(spooling(&server, &folder));
    server.wait_for(1, EVENTS);
    respond_to_events(&server, 202);
    wait_until("they are delivered", || client.statistics().events.delivered_spooled == 2);
    // They are counted a moment before.
    wait_until("the spool is gone", || !folder.spool().exists());
}

#[test]
fn events_of_another_key_stay_in_the_spool() {
    let (server, folder) = (server(202), Folder::new("others"));
    let other = || {
        let settings = PhaseFlagClient::builder(server.url(), "sdk-prod-2");
        settings.event_spool(folder.spool()).polling_interval(NEVER)
    };
    leave_events(&server, &folder, 0..2);
    let client = not_started(other());
    track(&client, 10..12);
    client.stop_now();
    leave_events(&server, &folder, 2..4);
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..4));
    assert_eq!(folder.lines().len(), 2);
    drop(started(other()));
    let requests = server.requests_to(EVENTS);
    assert_eq!(flags(&requests[1..]), names(10..12));
    assert_eq!(requests[1].header("x-api-key"), Some("sdk-prod-2"));
    folder.assert_no_spool();
}

#[test]
fn the_oldest_events_are_dropped_to_keep_the_size() {
    let (server, folder) = (server(202), Folder::new("size"));
    leave_events(&server, &folder, 10..20);
    let size = fs::metadata(folder.spool()).expect("the spool").len();
    let client = not_started(spooling(&server, &folder).event_spool_size(size as usize));
    track(&client, 20..24);
    client.stop_now();
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_spool_full, counts.dropped()), (4, 4, 4));
    assert_eq!(fs::metadata(folder.spool()).expect("the spool").len(), size);
    // More events than the spool can hold.
    let client = not_started(spooling(&server, &folder).event_spool_size(size as usize));
    track(&client, 30..50);
    client.stop_now();
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_spool_full), (10, 20));
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)), names(40..50));
}

#[test]
fn spooled_events_are_sent_in_requests_of_500() {
    let (server, folder) = (server(202), Folder::new("many"));
    leave_events(&server, &folder, 0..1201);
    drop(started(spooling(&server, &folder)));
    let requests = server.requests_to(EVENTS);
    let sizes: Vec<_> =
        requests.iter().map(|request| flags(std::slice::from_ref(request)).len()).collect();
    assert_eq!(sizes, [500, 500, 201]);
    assert_eq!(flags(&requests), names(0..1201));
}

#[test]
fn a_request_that_is_too_large_is_split_and_refused_events_are_dropped() {
    let (server, folder) = (server(202), Folder::new("split"));
    leave_events(&server, &folder, 0..40);
    server.respond(|request| {
        if !request.path.ends_with(EVENTS) {
            return Reply::json(ruleset(1, &["a"]));
        }
        match flags(std::slice::from_ref(request)) {
            flags if flags.len() > 10 => Reply::status(413),
            flags if flags[0] == "e10" => Reply::status(422),
            _ => Reply::status(202),
        }
    });
    let client = started(spooling(&server, &folder));
    client.stop();
    let counts = client.statistics().events;
    assert_eq!((counts.delivered_spooled, counts.dropped_rejected), (30, 10));
    folder.assert_no_spool();
}

#[test]
fn a_request_timeout_makes_the_next_request_smaller() {
    let (server, folder) = (server(202), Folder::new("slow"));
    leave_events(&server, &folder, 0..20);
    server.respond(|request| match request.path.ends_with(EVENTS) {
        true if flags(std::slice::from_ref(request)).len() > 10 => Reply::Hang,
        true => Reply::status(202),
        false => Reply::json(ruleset(1, &["a"])),
    });
    let client = started(spooling(&server, &folder).request_timeout(Duration::from_secs(4)));
    wait_until("the timeout", || client.statistics().last_delivery_failure.is_some());
    track(&client, 20..21);
    client.flush_events().expect("a flush");
    let requests = server.requests_to(EVENTS);
    let sizes: Vec<_> =
        requests.iter().map(|request| flags(std::slice::from_ref(request)).len()).collect();
    assert_eq!(sizes, [20, 10, 10, 1]);
    assert_eq!(flags(&requests[1..]), names(0..21));
}

#[test]
fn malformed_lines_are_skipped() {
    let (server, folder) = (server(202), Folder::new("garbage"));
    leave_events(&server, &folder, 0..2);
    let whole = fs::read(folder.spool()).expect("the spool");
    let first = whole.split_inclusive(|byte| *byte == b'\n').next().expect("a line");
    // One process was killed while writing a line; another has written garbage.
    let torn = &first[..first.len() - 5];
    fs::write(folder.spool(), [b"\xff\xfe\n{}\n", &whole[..], torn].concat()).expect("a file");
    leave_events(&server, &folder, 2..3);
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..3));
    folder.assert_no_spool();
    // Only garbage.
    fs::write(folder.spool(), [&b"\0\0\n"[..], torn].concat()).expect("a file");
    drop(started(spooling(&server, &folder)));
    folder.assert_no_spool();
    assert_eq!(server.requests_to(EVENTS).len(), 1);
}

#[test]
fn an_unwritable_spool_is_ignored() {
    let (server, folder) = (server(202), Folder::new("unwritable"));
    fs::create_dir_all(folder.spool()).expect("a folder in its place");
    let client = started(spooling(&server, &folder));
    track(&client, 0..2);
    client.stop_now();
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_undelivered), (0, 2));
    let client = started(spooling(&server, &folder));
    track(&client, 0..2);
    client.stop();
    assert_eq!(client.statistics().events.delivered, 2);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_spool() {
    use std::os::unix::fs::PermissionsExt;
    let (server, folder) = (server(202), Folder::new("owner"));
    leave_events(&server, &folder, 0..2);
    let client = not_started(spooling(&server, &folder).event_spool_size(100));
    track(&client, 0..2);
    client.stop_now();
    for entry in fs::read_dir(&folder.0).expect("the folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
    let text = fs::read_to_string(folder.spool()).expect("the spool");
    assert!(!text.contains("sdk-dev-1"));
}

#[test]
fn a_missing_folder_is_created() {
    let (server, folder) = (server(202), Folder::new("folder"));
    let path = folder.0.join("new").join("events");
    let client = started(builder(&server).event_spool(&path));
    track(&client, 0..1);
    client.stop_now();
    assert_eq!(fs::read_to_string(path).expect("the spool").lines().count(), 1);
}

#[test]
fn a_held_lock_is_waited_for_briefly() {
    let (server, folder) = (server(202), Folder::new("lock"));
    leave_events(&server, &folder, 0..1);
    let lock = folder.0.join("events.lock");
    let held = File::options().write(true).open(lock).expect("the lock");
    held.lock().expect("a lock");
    let begin = Instant::now();
    let client = started(spooling(&server, &folder));
    track(&client, 1..2);
    client.stop_now();
    assert!(begin.elapsed() < SOON);
    assert_eq!(client.statistics().events.dropped_undelivered, 1);
}

#[test]
fn recording_intervals_end_during_spool_delivery() {
    let (server, folder) = (server(202), Folder::new("intervals"));
    leave_events(&server, &folder, 0..1);
    server.respond(|request| match request.path.ends_with(EVENTS) {
        true => Reply::Hang,
        false => Reply::json(ruleset(1, &["a"])),
    });
    let settings = spooling(&server, &folder).record_evaluations(true).request_timeout(NEVER);
    let client = ready(settings.event_flush_interval(Duration::from_millis(50)));
    server.wait_for(1, EVENTS);
    wait_until("three intervals", || {
        client.get_boolean_value("a", false, None);
        client.statistics().events.queued >= 3
    });
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..1));
    client.stop_now();
}

#[test]
fn delivery_by_another_client_does_not_delay_events() {
    let (server, folder) = (server(202), Folder::new("busy"));
    leave_events(&server, &folder, 0..1);
    // The name of the lock contains its owner.
    let line = folder.lines().remove(0);
    let owner = line.split(' ').next().expect("an owner");
    let lock = File::create(folder.0.join(format!("events.{owner}.sending"))).expect("the lock");
    lock.lock().expect("a lock");
    let interval = Duration::from_millis(50);
    for record in [false, true] {
        let settings = spooling(&server, &folder).record_evaluations(record);
        let client = ready(settings.event_flush_interval(interval));
        // The first delivery finds the lock of the other client, and tries it again after 30
        // seconds.
        for count in 1..4 {
            let begin = Instant::now();
            if !record {
                track(&client, 0..1);
            }
            wait_until("a delivery", || {
                client.get_boolean_value("a", false, None);
                client.statistics().events.delivered >= count
            });
            // The thread no longer lingers.
            wait_until("its sleep", || begin.elapsed() > Duration::from_millis(150));
        }
        assert_eq!(client.statistics().events.delivered_spooled, 0);
    }
    assert_eq!(folder.lines(), [line]);
}

#[cfg(unix)]
#[test]
fn a_partial_write_leaves_the_file_unchanged() {
    let (server, folder) = (server(202), Folder::new("half"));
    leave_events(&server, &folder, 0..2);
    let before = fs::read(folder.spool()).expect("the spool");
    let task = format!("{} {} 0", server.url(), folder.spool().display());
    // The limit is in blocks of 512 or 1024 bytes. Without the trap, the signal would end the
    // process.
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$@""#, "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["spool::child_without_room", "--exact", "--ignored"])
        .env("PHASEFLAG_TEST_SPOOL", task)
        .output()
        .expect("a child process");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{output:?}");
    let after = fs::read(folder.spool()).expect("the spool");
    assert_eq!(String::from_utf8_lossy(&after), String::from_utf8_lossy(&before));
}

/// The child process of the test above: spools more than its files may hold.
#[test]
#[ignore = "the test above runs it in a separate process"]
fn child_without_room() {
    let task = std::env::var("PHASEFLAG_TEST_SPOOL").expect("a task");
    let mut words = task.split(' ');
    let mut word = || words.next().expect("another argument");
    let settings = PhaseFlagClient::builder(word(), "sdk-dev-1").event_spool(word());
    let client = not_started(settings);
    track(&client, 0..1000);
    client.stop_now();
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_undelivered), (0, 1000));
}

#[test]
fn one_of_several_concurrent_clients_delivers_the_spool() {
    let (server, folder) = (server(202), Folder::new("together"));
    for round in 0..5 {
        let numbers = round * 100..round * 100 + 50;
        leave_events(&server, &folder, numbers.clone());
        let before = server.requests_to(EVENTS).len();
        let together = Arc::new(Barrier::new(4));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (client, together) = (started(spooling(&server, &folder)), together.clone());
                thread::spawn(move || {
                    together.wait();
                    client.stop();
                    client.statistics().events.delivered_spooled
                })
            })
            .collect();
        let delivered: u64 =
            clients.into_iter().map(|client| client.join().expect("a stopped client")).sum();
        assert_eq!(delivered, 50);
        assert_eq!(flags(&server.requests_to(EVENTS)[before..]), names(numbers));
    }
}

#[test]
fn concurrent_stops_count_each_event_once() {
    let (server, folder) = (server(202), Folder::new("stop-together"));
    server.respond(|_| Reply::Hang);
    for round in 0..20 {
        let settings = spooling(&server, &folder).event_batch_size(10);
        let client = started(settings.shutdown_timeout(Duration::from_millis(20)));
        thread::scope(|scope| {
            for stopper in 0..4 {
                let client = &client;
                scope.spawn(move || {
                    track(client, 0..500);
                    if stopper % 2 == 0 { client.stop() } else { client.stop_now() }
                });
            }
        });
        let counts = client.statistics().events;
        let sum = counts.queued as u64 + counts.delivered + counts.spooled + counts.dropped();
        assert_eq!(sum, 2000, "{round} {counts:?}");
        assert_eq!(folder.lines().len() as u64, counts.spooled, "{round}");
        fs::remove_file(folder.spool()).expect("a spool");
    }
}

#[test]
fn sent_events_are_removed_if_the_file_cannot_be_rewritten() {
    let (server, folder) = (server(202), Folder::new("blank"));
    leave_events(&server, &folder, 0..600);
    let aside = folder.0.join("events.new");
    fs::create_dir_all(aside.join("full")).expect("a folder in its place");
    for _ in 0..3 {
        drop(started(spooling(&server, &folder)));
    }
    assert_eq!(flags(&server.requests_to(EVENTS)), names(0..600));
}

#[test]
fn a_service_that_is_down_does_not_delay_events_of_another() {
    let (down, server) = (server(500), server(202));
    let folder = Folder::new("starve");
    leave_events(&down, &folder, 0..2);
    leave_events(&server, &folder, 2..4);
    let _other = started(spooling(&down, &folder));
    down.wait_for(1, EVENTS);
    drop(started(spooling(&server, &folder)));
    assert_eq!(flags(&server.requests_to(EVENTS)), names(2..4));
}

#[test]
fn a_spool_beyond_its_limit_is_delivered_whole() {
    let (server, folder) = (server(202), Folder::new("smaller"));
    leave_events(&server, &folder, 0..100);
    let client = started(spooling(&server, &folder).event_spool_size(1000));
    client.stop();
    assert_eq!(client.statistics().events.delivered_spooled, 100);
    leave_events(&server, &folder, 0..100);
    let client = not_started(spooling(&server, &folder).event_spool_size(1000));
    track(&client, 100..101);
    client.stop_now();
    let kept = folder.lines().len() as u64;
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_spool_full), (1, 101 - kept));
}

#[test]
fn an_event_too_large_for_the_spool_does_not_affect_the_others() {
    let (server, folder) = (server(202), Folder::new("large"));
    leave_events(&server, &folder, 0..5);
    let client = not_started(spooling(&server, &folder).event_spool_size(2000));
    track(&client, 5..7);
    client.track_event(EvaluationEvent::new("large").metadata("text", "x".repeat(3000)));
    client.stop_now();
    assert_eq!(folder.lines().len(), 7);
    let counts = client.statistics().events;
    assert_eq!((counts.spooled, counts.dropped_spool_full), (2, 1));
}

#[test]
fn requests_grow_again_after_an_event_that_is_too_large() {
    let (server, folder) = (server(202), Folder::new("grow"));
    leave_events(&server, &folder, 0..2000);
    server.respond(|request| {
        let flags = match request.path.ends_with(EVENTS) {
            true => flags(std::slice::from_ref(request)),
            false => return Reply::json(ruleset(1, &["a"])),
        };
        let too_large = flags.len() > 1 && flags.iter().any(|flag| flag == "e3");
        Reply::status(if too_large { 413 } else { 202 })
    });
    let client = started(spooling(&server, &folder).shutdown_timeout(SOON));
    client.stop();
    assert_eq!(client.statistics().events.delivered_spooled, 2000);
    let requests = server.requests_to(EVENTS).len();
    assert!(requests < 60, "{requests}");
}

#[test]
fn a_flush_after_an_outage_includes_the_spool() {
    let (server, folder) = (server(202), Folder::new("flush"));
    leave_events(&server, &folder, 0..2);
    // The client does not retry by itself.
    server.respond(|_| Reply::status(429).with("retry-after", "3600"));
    let client = started(spooling(&server, &folder));
    wait_until("the failure", || client.statistics().last_delivery_failure.is_some());
    respond_to_events(&server, 202);
    let before = server.requests_to(EVENTS).len();
    track(&client, 2..3);
    client.flush_events().expect("a flush");
    assert_eq!(flags(&server.requests_to(EVENTS)[before..]), names(0..3));
}

/// Makes the server fail once, and accept events after that.
fn fail_once(server: &Server) {
    let failed = AtomicBool::new(false);
    server.respond(move |request| match request.path.ends_with(EVENTS) {
        true if !failed.swap(true, Ordering::AcqRel) => Reply::status(429),
        true => Reply::status(202).with_body("{}"),
        false => Reply::json(ruleset(1, &["a"])),
    });
}

#[test]
fn a_failed_flush_does_not_overtake_spooled_events() {
    let (server, folder) = (server(202), Folder::new("overtake"));
    leave_events(&server, &folder, 0..2);
    // The client does not retry by itself.
    server.respond(|_| Reply::status(429).with("retry-after", "3600"));
    let client = started(spooling(&server, &folder));
    track(&client, 2..3);
    let error = client.flush_events().unwrap_err();
    assert!(matches!(error, Error::Flush { queued: 1, .. }), "{error:#}");
    respond_to_events(&server, 202);
    let before = server.requests_to(EVENTS).len();
    client.flush_events().expect("a flush");
    assert_eq!(flags(&server.requests_to(EVENTS)[before..]), names(0..3));
}

#[test]
fn due_events_do_not_overtake_spooled_events() {
    let (server, folder) = (server(202), Folder::new("due"));
    leave_events(&server, &folder, 0..2);
    fail_once(&server);
    let client = started(spooling(&server, &folder).event_batch_size(1));
    track(&client, 2..3);
    server.wait_for(3, EVENTS);
    assert_eq!(flags(&server.requests_to(EVENTS)[1..]), names(0..3));
}

#[test]
fn stop_retries_spooled_events_before_queued_ones() {
    let (server, folder) = (server(202), Folder::new("again-at-the-end"));
    leave_events(&server, &folder, 0..2);
    fail_once(&server);
    let client = started(spooling(&server, &folder).shutdown_timeout(SOON));
    track(&client, 2..3);
    client.stop();
    assert_eq!(flags(&server.requests_to(EVENTS)[1..]), names(0..3));
    let counts = client.statistics().events;
    assert_eq!((counts.delivered, counts.delivered_spooled, counts.dropped()), (1, 2, 0));
    folder.assert_no_spool();
}

#[cfg(unix)]
#[test]
fn a_pipe_instead_of_a_lock_does_not_block() {
    let (server, folder) = (server(202), Folder::new("pipe"));
    let made = Command::new("mkfifo").arg(folder.0.join("events.lock")).status().expect("mkfifo");
    assert!(made.success());
    let begin = Instant::now();
    let client = started(spooling(&server, &folder));
    track(&client, 0..2);
    client.stop_now();
    assert!(begin.elapsed() < SOON);
    assert_eq!(client.statistics().events.dropped_undelivered, 2);
}

/// A child process of the next test: spools events or delivers the spool, by its command.
#[test]
#[ignore = "the next test runs it in separate processes"]
fn child() {
    let task = std::env::var("PHASEFLAG_TEST_SPOOL").expect("a task");
    let mut words = task.split(' ');
    let mut word = || words.next().expect("another argument").to_owned();
    let (url, path, first) = (word(), word(), word());
    let first: usize = first.parse().expect("a number");
    let mut output = std::io::stdout();
    for run in 0.. {
        let settings = PhaseFlagClient::builder(&url, "sdk-dev-1").event_spool(&path);
        let client = started(settings.polling_interval(NEVER));
        let numbers = first + run * 10..first + run * 10 + 10;
        track(&client, numbers.clone());
        client.stop_now();
        // Only now do they count as spooled.
        writeln!(output, "left {} {}", numbers.start, numbers.end).expect("the output");
        output.flush().expect("the output");
        if run % 2 == 1 {
            let settings = PhaseFlagClient::builder(&url, "sdk-dev-1").event_spool(&path);
            started(settings.polling_interval(NEVER)).stop();
            writeln!(output, "delivered").expect("the output");
            output.flush().expect("the output");
        }
    }
}

/// Kills processes at random moments, two hundred times. Spooled events are delivered; twice at
/// most, if a process was killed between sending them and reading the response.
#[test]
fn a_killed_process_loses_no_spooled_event() {
    let (server, folder) = (server(202), Folder::new("killed"));
    let mut left = BTreeSet::new();
    let mut finished = 0;
    let mut random = 88_172_645_463_325_252_u64;
    for round in 0..200 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let path = folder.spool();
        let task = format!("{} {} {}", server.url(), path.display(), (round + 1) * 100_000);
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["spool::child", "--exact", "--ignored", "--nocapture"])
            .env("PHASEFLAG_TEST_SPOOL", task)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        let (begun, first) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = lines.lines().map_while(Result::ok);
            let lines =
                lines.map(|line| line.trim_start_matches("test spool::child ... ").to_owned());
            let lines = lines.inspect(|line| {
                if line.starts_with("left ") {
                    let _ = begun.send(());
                }
            });
            lines.collect()
        });
        // Every other process is killed during or soon after its start.
        if round % 2 == 1 {
            first.recv_timeout(SOON).expect("a started process");
        }
        thread::sleep(Duration::from_micros(random % 40_000));
        child.kill().expect("a killed process");
        child.wait().expect("the end of the process");
        let lines: Vec<String> = reader.join().expect("its output");
        for line in &lines {
            if let Some(numbers) = line.strip_prefix("left ") {
                let (start, end) = numbers.split_once(' ').expect("two numbers");
                left.extend(names(start.parse().expect("a number")..end.parse().expect("one")));
            }
        }
        finished += lines.iter().filter(|line| *line == "delivered").count();
    }
    let client = started(spooling(&server, &folder));
    client.stop();
    finished += usize::from(client.statistics().events.delivered_spooled > 0);
    // A process that was killed between creating the file and writing it leaves an empty one.
    assert!(folder.lines().is_empty(), "{:?} are left", folder.lines());

    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut repeated_requests = 0;
    let requests = server.requests_to(EVENTS);
    // The process was killed before it reported the response.
    let killed_amid_sending = requests.len().saturating_sub(finished);
    for request in requests {
        let mut repeated = false;
        for flag in flags(&[request]) {
            let times = times.entry(flag).or_default();
            repeated |= *times > 0;
            *times += 1;
        }
        repeated_requests += usize::from(repeated);
    }
    let lost: Vec<_> = left.iter().filter(|flag| !times.contains_key(*flag)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(left.len() >= 1000, "too little was left for a test: {}", left.len());
    assert!(
        repeated_requests <= killed_amid_sending,
        "{repeated_requests} requests repeat events, {killed_amid_sending} processes were killed while they sent"
    );
}
