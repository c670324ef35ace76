//! A service that replaces one key by another, and programs that follow without a gap.

#[path = "../../examples/rotation/current_client.rs"]
mod source;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use phaseflag::{ClientBuilder, ClientState, Error, EvaluationEvent, PhaseFlagClient};
use source::CurrentClient;
use tempfile::tempdir;

use crate::support::{
    NEVER, RAPIDLY, Reply, Request, SOON, Server, SetOnDrop, ready, ruleset, started, wait_until,
};

const OLD: &str = "sdk-prod-old";
const NEW: &str = "sdk-prod-new";

/// A service whose keys change.
struct Service {
    server: Server,
    keys: Arc<Mutex<Vec<&'static str>>>,
}

impl Service {
    fn accepting(keys: &[&'static str]) -> Service {
        let keys = Arc::new(Mutex::new(keys.to_vec()));
        let accepted = keys.clone();
        let server = Server::start(move |request| {
            let key = request.header("x-api-key").unwrap();
            match request.path.as_str() {
                _ if !accepted.lock().unwrap().contains(&key) => Reply::status(401),
                path if path.ends_with("/sdk/events") => {
                    Reply::status(202).with_body(r#"{"accepted": 1}"#)
                }
                _ => Reply::json(ruleset(1, &["checkout"])),
            }
        });
        Service { server, keys }
    }

    fn accept(&self, keys: &[&'static str]) {
        *self.keys.lock().unwrap() = keys.to_vec();
    }

    fn builder(&self, key: &str) -> ClientBuilder {
        PhaseFlagClient::builder(self.server.url(), key)
    }

    /// Returns the users of all events, in the order of the requests.
    fn users(&self) -> Vec<String> {
        let requests = self.server.requests_to("/sdk/events");
        requests.iter().flat_map(users).collect()
    }

    /// Returns the number of requests with this key.
    fn requests_with(&self, key: &str) -> usize {
        let requests = self.server.requests();
        requests.iter().filter(|request| request.header("x-api-key") == Some(key)).count()
    }
}

fn users(request: &Request) -> Vec<String> {
    let body = request.json();
    let events = body["events"].as_array().unwrap();
    events.iter().map(|event| event["user_id"].as_str().unwrap().to_owned()).collect()
}

fn track(client: &PhaseFlagClient, users: impl IntoIterator<Item = usize>) {
    for user in users {
        client.track_event(EvaluationEvent::new("checkout").user_id(user.to_string()));
    }
}

#[test]
fn a_program_replaces_its_key_without_a_default_or_a_lost_event() {
    let service = Service::accepting(&[OLD]);
    // A busy machine may take long for what is queued.
    let settings = |key| service.builder(key).polling_interval(RAPIDLY).shutdown_timeout(2 * SOON);
    let client = |key| settings(key).build().unwrap();
    let old = ready(settings(OLD));
    let current = CurrentClient::new(old.clone());
    let (next_user, defaults, done) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let served = || next_user.load(Ordering::Acquire);
    let more_is_served = || {
        let before = served();
        wait_until("more requests", || served() > before + 100);
    };
    thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let client = current.get();
                    if !client.get_boolean_value("checkout", false, None) {
                        defaults.fetch_add(1, Ordering::AcqRel);
                    }
                    track(&client, [next_user.fetch_add(1, Ordering::AcqRel)]);
                    // Less than the queue holds.
                    thread::yield_now();
                    wait_until("room", || client.statistics().events.queued < 5_000);
                }
            });
        }
        more_is_served();

        // The service does not accept the new key yet: the old client stays.
        let error = current.replace(client(NEW), SOON).unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
        assert_eq!(current.get().state(), ClientState::Ready);
        more_is_served();

        service.accept(&[OLD, NEW]);
        current.replace(client(NEW), SOON).unwrap();
        assert_eq!(old.state(), ClientState::Stopped);
        let with_old = service.requests_with(OLD);
        service.accept(&[NEW]);
        let new = current.get();
        let polls = new.statistics().polls;
        wait_until("more polls", || new.statistics().polls > polls + 5);
        more_is_served();
        // A poll of the old client may have been under way.
        assert!(service.requests_with(OLD) <= with_old + 1);
        assert_eq!(new.state(), ClientState::Ready);
    });
    let new = current.get();
    new.stop();
    assert_eq!(defaults.into_inner(), 0);
    for client in [&*new, &old] {
        let statistics = client.statistics();
        assert_eq!((statistics.defaults_served, statistics.events.dropped()), (0, 0));
        assert!(statistics.events.delivered > 100, "{statistics:?}");
    }
    let mut users: Vec<usize> = service.users().iter().map(|user| user.parse().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, Vec::from_iter(0..next_user.into_inner()));
}

#[test]
fn a_request_that_began_before_the_replacement_loses_no_event() {
    let service = Service::accepting(&[OLD, NEW]);
    let current = CurrentClient::new(ready(service.builder(OLD)));
    let request = current.get();
    thread::scope(|scope| {
        let replaced = scope.spawn(|| {
            let new = service.builder(NEW).build().unwrap();
            current.replace(new, SOON)
        });
        wait_until("the new client", || !Arc::ptr_eq(&current.get(), &request));
        track(&request, [7]);
        drop(request);
        replaced.join().unwrap().unwrap();
    });
    assert_eq!(service.users(), ["7"]);
    assert_eq!(service.server.requests_to("/events")[0].header("x-api-key"), Some(OLD));
}

/// The old process leaves rules in the cache and events in the spool.
#[test]
fn a_process_with_another_key_uses_neither_the_cache_nor_the_spool_of_the_old_one() {
    let folder = tempdir().unwrap();
    let service = Service::accepting(&[OLD]);
    let process = |key| {
        service
            .builder(key)
            .polling_interval(NEVER)
            .cache_dir(folder.path())
            .event_spool(folder.path().join("events"))
            .event_flush_interval(NEVER)
            // More than are tracked, so that none is sent before the end.
            .event_batch_size(1_000)
            .shutdown_timeout(SOON)
    };
    let first = ready(process(OLD));
    track(&first, 0..700);
    first.stop_now();
    assert_eq!(first.statistics().events.spooled, 700);

    // Before the service accepts it, the new key has nothing: neither rules nor events.
    let early = started(process(NEW));
    assert!(matches!(early.wait_until_ready(SOON), Err(Error::KeyRefused { .. })));
    assert!(!early.get_boolean_value("checkout", false, None));
    early.stop();

    service.accept(&[OLD, NEW]);
    let second = ready(process(NEW));
    assert!(second.get_boolean_value("checkout", false, None));
    assert_eq!(second.statistics().events.in_spool, 0);
    track(&second, [700]);
    second.flush_events().unwrap();
    assert_eq!(service.users(), ["700"]);

    // The old key delivers its events, as long as the service accepts it.
    let last = started(process(OLD));
    assert!(last.get_boolean_value("checkout", false, None));
    last.stop();
    let events = last.statistics().events;
    assert_eq!((events.delivered_spooled, events.in_spool, events.dropped()), (700, 0, 0));
    let users: BTreeSet<String> = service.users().into_iter().collect();
    assert_eq!(users.len(), 701);

    service.accept(&[NEW]);
    second.refresh().unwrap();
    assert_eq!(second.state(), ClientState::Ready);
}

#[test]
fn events_of_a_key_that_is_refused_stay_in_the_spool() {
    let folder = tempdir().unwrap();
    let service = Service::accepting(&[OLD]);
    let process = |key| service.builder(key).event_spool(folder.path().join("events"));
    let first = ready(process(OLD).event_flush_interval(NEVER));
    track(&first, 0..3);
    first.stop_now();

    service.accept(&[NEW]);
    let late = started(process(OLD));
    wait_until("a refused delivery", || late.statistics().last_delivery_failure.is_some());
    late.stop();
    let events = late.statistics().events;
    assert_eq!((events.in_spool, events.dropped()), (3, 0));
}

/// The guide shows the file.
#[test]
fn the_guide_has_the_code() {
    let (_, code) =
        include_str!("../../examples/rotation/current_client.rs").split_once("\n\n").unwrap();
    assert!(include_str!("../../src/guide/production.md").contains(code), "{code}");
}
