//! Clients in thread-locals. On Windows, no new thread runs while a destructor of a thread-local runs.

use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use phaseflag::{Error, EvaluationEvent, PhaseFlagClient};

use crate::support::{NEVER, SOON, Server, builder, ruleset, started};
use crate::wire::within;

/// The longest that an immediate call takes on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs when its thread ends.
struct AtExit(Option<Box<dyn FnOnce()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

thread_local! {
    static AT_EXIT: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
}

/// Calls `prepare` on a new thread, and its result in the destructor of a thread-local there.
/// Returns when both have returned.
fn in_destructor<F: FnOnce() + 'static>(prepare: impl FnOnce() -> F + Send + 'static) {
    let (call, called) = channel();
    let thread = thread::spawn(move || {
        let run = prepare();
        AT_EXIT.with_borrow_mut(|at_exit| {
            at_exit.0 = Some(Box::new(move || {
                run();
                let _ = call.send(());
            }));
        });
    });
    called.recv_timeout(SOON).expect("the end of the destructor");
    thread.join().unwrap();
}

fn track(client: &PhaseFlagClient) {
    for key in ["a", "b", "c"] {
        client.track_event(EvaluationEvent::new(key));
    }
}

/// Returns the flags of the delivered events.
fn delivered(server: &Server) -> Vec<String> {
    let bodies = server.requests_to("/sdk/events").into_iter().map(|request| request.json());
    let events = bodies.flat_map(|body| body["events"].as_array().unwrap().to_vec());
    events.map(|event| event["flag_key"].as_str().unwrap().to_owned()).collect()
}

/// Where `Drop` cannot deliver the events, it leaves them to a later client.
#[test]
fn a_client_dropped_by_a_thread_local_loses_no_event() {
    for start in [true, false] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let name = format!("phaseflag-thread-local-{}-{start}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let settings = builder(&server)
            .polling_interval(NEVER)
            .event_flush_interval(NEVER)
            .shutdown_timeout(NEVER)
            .event_spool(folder.join("events"));
        let client = settings.clone().build().unwrap();
        in_destructor(move || {
            if start {
                client.start().unwrap();
                client.wait_until_ready(SOON).unwrap();
            }
            track(&client);
            || within(AT_ONCE, "drop", || drop(client))
        });
        assert_eq!(delivered(&server).is_empty(), cfg!(windows), "{start}");
        drop(started(settings));
        assert_eq!(delivered(&server), ["a", "b", "c"], "{start}");
        let _ = std::fs::remove_dir_all(&folder);
    }
}

#[test]
fn a_client_dropped_by_a_thread_local_counts_its_events_without_a_spool() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = started(builder(&server).event_flush_interval(NEVER).shutdown_timeout(NEVER));
    let counting = client.clone();
    in_destructor(move || {
        client.wait_until_ready(SOON).unwrap();
        track(&client);
        move || within(AT_ONCE, "stop", || client.stop())
    });
    let events = counting.statistics().events;
    let expected = if cfg!(windows) { (0, 3) } else { (3, 0) };
    assert_eq!((events.delivered, events.dropped_undelivered), expected);
    assert_eq!(events.queued, 0);
}

/// A flush cannot wait for a thread there, and returns an error.
#[test]
fn a_flush_in_a_thread_local_returns() {
    for tracked in [true, false] {
        let server = Server::with_ruleset(ruleset(1, &["a"]));
        let client = started(builder(&server).event_flush_interval(NEVER));
        let counting = client.clone();
        let (flushed, outcome): (Sender<Result<(), Error>>, _) = channel();
        in_destructor(move || {
            client.wait_until_ready(SOON).unwrap();
            if tracked {
                track(&client);
            }
            move || {
                if !tracked {
                    track(&client);
                }
                let result = within(AT_ONCE, "a flush", || client.flush_events());
                let _ = flushed.send(result);
            }
        });
        let result = outcome.recv_timeout(SOON).unwrap();
        let is_refused = matches!(result, Err(Error::Thread { .. }));
        assert_eq!((is_refused, result.is_ok()), (cfg!(windows), !cfg!(windows)), "{result:?}");
        assert_eq!(delivered(&server).len(), if cfg!(windows) { 0 } else { 3 });
        // The events stay queued, and a later flush delivers them.
        counting.flush_events().unwrap();
        assert_eq!(delivered(&server), ["a", "b", "c"]);
    }
}
