//! The event stream: each event hastens the next poll.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use phaseflag::{ClientBuilder, ClientState, PhaseFlagClient};

use crate::alone::is_alone;
use crate::logger;
use crate::support::{
    NEVER, RAPIDLY, Reply, Request, SOON, Server, builder, ready, ruleset, started, wait_until,
};
use crate::wire::{Blackhole, Wire, read_request, write_response};

const RULESET: &str = "/sdk/ruleset";
const STREAM: &str = "/sdk/stream";

const CONNECTED: &str = "event: connected\ndata: {}\n\n";
const UPDATED: &str = "id: 1\nevent: flag.updated\ndata: {\"flag_key\": \"a\"}\n\n";
const COMMENT: &str = ": keepalive\n\n";

/// How long a thread may live on after its client, on a busy machine.
const A_SECOND_OR_SO: Duration = Duration::from_secs(10);

type Pieces = Sender<Vec<u8>>;

/// A service with an event stream.
struct Service {
    server: Server,
    rules: Arc<Mutex<String>>,
    /// Every stream that was opened; `None` if the test has ended it.
    streams: Arc<Mutex<Vec<Option<Pieces>>>>,
}

impl Service {
    fn start() -> Service {
        let rules = Arc::new(Mutex::new(ruleset(1, &["a"])));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (served, opened) = (rules.clone(), streams.clone());
        let server = Server::start(move |request: &Request| {
            if !request.path.ends_with(STREAM) {
                return Reply::json(served.lock().unwrap().clone());
            }
            let (sender, pieces) = channel();
            sender.send(CONNECTED.into()).unwrap();
            opened.lock().unwrap().push(Some(sender));
            Reply::Stream(Arc::new(Mutex::new(pieces)))
        });
        Service { server, rules, streams }
    }

    fn builder(&self) -> ClientBuilder {
        builder(&self.server).streaming(true).polling_interval(NEVER)
    }

    /// Builds a client, and waits until it is ready and has a stream.
    fn client(&self) -> PhaseFlagClient {
        let client = ready(self.builder());
        self.wait_for_streams(1);
        client
    }

    fn wait_for_streams(&self, count: usize) {
        wait_until("the stream", || self.streams.lock().unwrap().len() >= count);
    }

    /// Ends the newest stream.
    fn end_stream(&self) {
        *self.streams.lock().unwrap().last_mut().unwrap() = None;
    }

    fn serve(&self, version: u64, keys: &[&str]) {
        *self.rules.lock().unwrap() = ruleset(version, keys);
    }

    /// Sends a text on the newest stream.
    fn send(&self, text: &str) {
        let streams = self.streams.lock().unwrap();
        streams.last().unwrap().as_ref().unwrap().send(text.into()).unwrap();
    }

    fn polls(&self) -> Vec<Request> {
        self.server.requests_to(RULESET)
    }
}

#[test]
fn an_event_brings_new_rules() {
    let service = Service::start();
    let client = service.client();
    for (version, key) in [(2, "b"), (3, "c")] {
        service.serve(version, &[key]);
        service.send(UPDATED);
        wait_until(key, || client.get_boolean_value(key, false, None));
    }
    assert_eq!(client.state(), ClientState::Ready);
    let stream = service.server.requests_to(STREAM);
    assert_eq!(stream.len(), 1);
    for (name, value) in [
        ("x-api-key", "sdk-dev-1"),
        ("accept", "text/event-stream"),
        ("accept-encoding", "identity"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(stream[0].header(name), Some(value));
    }
    assert_eq!((stream[0].method.as_str(), stream[0].body.as_str()), ("GET", ""));
}

#[test]
fn only_events_cause_polls() {
    let service = Service::start();
    let client = service.client();
    for text in [CONNECTED, COMMENT, "\n\n", "event: flag.updated\n\n", "data: unfinished\n"] {
        service.send(text);
    }
    // Longer than the delay of a hastened poll.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(service.polls().len(), 1);
    // The end of the last event.
    service.serve(2, &["b"]);
    service.send("\n");
    wait_until("b", || client.get_boolean_value("b", false, None));
}

#[test]
fn a_change_that_can_be_read_later_is_found() {
    let service = Service::start();
    let client = service.client();
    // The poll that the event causes is too early.
    let looks = AtomicUsize::new(0);
    service.server.respond(move |_| match looks.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(ruleset(1, &["a"])),
        _ => Reply::json(ruleset(2, &["b"])),
    });
    service.send(UPDATED);
    wait_until("b", || client.get_boolean_value("b", false, None));
    let polls = service.polls();
    assert_eq!(polls.len(), 3);
    assert!(polls[2].at - polls[1].at >= Duration::from_secs(2));
}

#[test]
fn rules_that_differ_in_their_version_alone_are_no_news() {
    let rules = ruleset(1, &["a"]);
    let service = Service::start();
    let _client = service.client();
    // Each response has another version.
    service.server.respond(move |request| {
        let version = format!(r#""version": {}"#, request.number + 10);
        Reply::json(rules.replace(r#""version": 1"#, &version))
    });
    service.send(UPDATED);
    let polls = service.server.wait_for(3, RULESET);
    assert!(polls[2].at - polls[1].at >= Duration::from_secs(2));
}

#[test]
fn many_events_cause_at_most_one_poll_a_second() {
    let service = Service::start();
    let _client = service.client();
    let begin = Instant::now();
    let mut version = 1;
    while service.polls().len() < 4 {
        version += 1;
        service.serve(version, &["a"]);
        service.send(UPDATED);
        thread::sleep(Duration::from_millis(10));
        assert!(begin.elapsed() < SOON, "too few polls");
    }
    let polls = service.polls();
    for pair in polls.windows(2).skip(1) {
        assert!(pair[1].at - pair[0].at >= Duration::from_secs(1), "{polls:#?}");
    }
}

#[test]
fn a_recorded_stream_is_read_from_a_slow_connection() {
    let recorded = include_bytes!("../data/service/stream.txt");
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let bytes = [head.as_slice(), recorded].concat();
    let server = Server::start(move |request| match request.path.ends_with(STREAM) {
        true => Reply::Drip(bytes.clone(), Duration::from_micros(500)),
        false => Reply::json(ruleset(request.number as u64, &[["a", "b"][request.number % 2]])),
    });
    let client = ready(builder(&server).streaming(true).polling_interval(NEVER));
    server.wait_for(2, RULESET);
    wait_until("another ruleset", || client.statistics().rulesets_accepted > 1);
}

#[test]
fn polls_go_on_if_the_stream_is_refused() {
    logger::listen();
    for (refusal, reason) in [
        (Reply::status(503), "responded with status 503"),
        (Reply::status(401), "responded with status 401"),
        (Reply::status(404), "responded with status 404"),
        (Reply::status(204), "it is not of the type `text/event-stream`"),
        (Reply::json("{}"), "it is not of the type `text/event-stream`"),
        (Reply::status(302).with("location", "/elsewhere"), "redirects are not followed"),
    ] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/api/v1/sdk/stream" => refusal.clone(),
            "/elsewhere" => Reply::Hang,
            _ => Reply::json(ruleset(1, &["a"])),
        });
        let client = started(builder(&server).streaming(true).polling_interval(RAPIDLY));
        server.wait_for(30, RULESET);
        let refusals = || logger::warnings_with(&format!("{}{STREAM}", server.url()));
        wait_until("the refusal", || !refusals().is_empty());
        assert_eq!(server.requests_to(STREAM).len(), 1, "{reason}");
        assert_eq!(client.state(), ClientState::Ready);
        assert!(client.last_failure().is_none());
        let warnings = refusals();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(reason) && warnings[0].ends_with("; polls go on"));
        assert!(!warnings[0].contains("sdk-dev-1"));
    }
}

#[test]
fn a_refusal_whose_body_drips_does_not_hold_the_stream_up() {
    logger::listen();
    let refusal = format!("HTTP/1.1 503 \r\ncontent-length: 60000\r\n\r\n{}", " ".repeat(60_000));
    let server = Server::start(move |request| match request.path.ends_with(STREAM) {
        // It takes two minutes.
        true => Reply::Drip(refusal.clone().into_bytes(), Duration::from_millis(2)),
        false => Reply::json(ruleset(1, &["a"])),
    });
    // Long enough for the head to arrive on a busy machine.
    let limit = Duration::from_secs(5);
    let _client = ready(builder(&server).streaming(true).request_timeout(limit));
    wait_until("the refusal", || {
        let warnings = logger::warnings_with(&server.url());
        warnings.iter().any(|line| line.contains("responded with status 503"))
    });
}

#[test]
fn a_stream_that_ends_is_opened_again() {
    let service = Service::start();
    let client = service.client();
    // The end of the response, a reset, and the middle of an event.
    for (number, version, key) in [(1, 2, "b"), (2, 3, "c"), (3, 4, "d")] {
        match number {
            1 => service.end_stream(),
            2 => service.server.close_connections(),
            _ => {
                service.send("event: flag.updated\ndata: 1\n");
                service.end_stream();
            }
        }
        service.wait_for_streams(number + 1);
        service.serve(version, &[key]);
        service.send(UPDATED);
        wait_until(key, || client.get_boolean_value(key, false, None));
    }
}

#[test]
fn a_stream_that_ends_at_once_is_opened_with_growing_delays() {
    let server = Server::start(|request| match request.path.ends_with(STREAM) {
        true => Reply::Raw(Vec::from(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: connected\ndata: 1\n\n",
        )),
        false => Reply::json(ruleset(1, &["a"])),
    });
    let _client = ready(builder(&server).streaming(true).polling_interval(NEVER));
    server.wait_for(3, STREAM);
    thread::sleep(Duration::from_millis(200));
    let streams = server.requests_to(STREAM).len();
    assert!(streams < 20, "{streams} streams");
}

#[test]
fn a_service_that_comes_back_is_streamed_from_again() {
    logger::listen();
    let service = Service::start();
    let warnings = || logger::warnings_with(&format!("{}{STREAM}", service.server.url()));
    let handler_streams = service.streams.clone();
    let rules = service.rules.clone();
    service.server.respond(|_| Reply::Raw(Vec::new()));
    let client = started(service.builder());
    service.server.wait_for(2, STREAM);
    service.server.respond(move |request| {
        if !request.path.ends_with(STREAM) {
            return Reply::json(rules.lock().unwrap().clone());
        }
        let (sender, pieces) = channel();
        handler_streams.lock().unwrap().push(Some(sender));
        Reply::Stream(Arc::new(Mutex::new(pieces)))
    });
    client.wait_until_ready(SOON).unwrap();
    service.wait_for_streams(1);
    service.serve(2, &["b"]);
    service.send(UPDATED);
    wait_until("b", || client.get_boolean_value("b", false, None));
    assert_eq!(warnings().len(), 1, "{:?}", warnings());
}

/// Starts a service with a ruleset, whose stream this function writes.
fn stream_of(write: impl Fn(TcpStream) + Send + Sync + 'static) -> Wire {
    Wire::start(move |mut stream, _| {
        let Some(request) = read_request(&mut stream) else { return };
        if request.contains(STREAM) {
            write(stream);
        } else {
            let _ = write_response(&mut stream, 200, &ruleset(1, &["a"]));
        }
    })
}

/// Starts a service whose stream says this and is then silent. Returns what tells that the client
/// has closed the stream.
fn silent(head: &'static str) -> (Wire, Receiver<()>, Receiver<()>) {
    let (open, opened) = channel();
    let (close, closed) = channel();
    let wire = stream_of(move |mut stream| {
        let _ = stream.write_all(head.as_bytes());
        let _ = open.send(());
        // The client sends no more.
        while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
        let _ = close.send(());
    });
    (wire, opened, closed)
}

#[test]
fn a_silent_stream_ends_with_the_client() {
    if !is_alone("streaming::a_silent_stream_ends_with_the_client") {
        return;
    }
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let end: [fn(PhaseFlagClient); 3] =
        [|client| client.stop(), |client| client.stop_now(), drop::<PhaseFlagClient>];
    // Before the head of the response, within it, and afterwards.
    for head in ["", "HTTP/1.1 200 OK\r\n", HEAD] {
        for end in end {
            let (wire, opened, closed) = silent(head);
            let client = PhaseFlagClient::builder(wire.url(), "sdk-dev-1").streaming(true);
            let client = ready(client.polling_interval(NEVER).request_timeout(NEVER));
            opened.recv_timeout(SOON).unwrap();
            // A name lookup has a thread, which at first has the name of the one that started it.
            #[cfg(target_os = "linux")]
            wait_until("only the thread of the stream", || stream_threads() == 1);
            let begin = Instant::now();
            end(client);
            assert!(begin.elapsed() < A_SECOND_OR_SO, "it waits");
            closed.recv_timeout(A_SECOND_OR_SO).unwrap();
            #[cfg(target_os = "linux")]
            wait_until("the end of the thread", || stream_threads() == 0);
            assert!(begin.elapsed() < A_SECOND_OR_SO);
        }
    }
}

/// A stream that floods the client costs the service, and the client, one poll a second.
#[test]
fn an_endless_stream_hastens_one_poll_a_second_and_ends_with_the_client() {
    let (close, closed) = channel();
    let wire = stream_of(move |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        // Events without number, each with a long name, and data whose line has no end.
        let event = format!("event: {}\ndata: {}\n\n", "e".repeat(2000), "d".repeat(2000));
        let mut sent = 0;
        while stream.write_all(event.as_bytes()).is_ok() {
            sent += 1;
            if sent == 1000 {
                let _ = stream.write_all(b"data: ");
            }
        }
        let _ = close.send(sent);
    });
    let begin = Instant::now();
    let client = ready(
        PhaseFlagClient::builder(wire.url(), "sdk-dev-1").streaming(true).polling_interval(NEVER),
    );
    wait_until("hastened polls", || client.statistics().polls > 3);
    let polls = client.statistics().polls;
    // The first poll, and the one that is hastened at once.
    assert!(polls <= begin.elapsed().as_secs() + 3, "{polls} polls");
    let end = Instant::now();
    client.stop();
    assert!(end.elapsed() < A_SECOND_OR_SO, "it waits");
    assert!(closed.recv_timeout(A_SECOND_OR_SO).unwrap() > 1000);
}

/// Neither the stream of a client nor its polls wait for a response without an end.
#[test]
fn a_stream_whose_head_has_no_end_is_opened_again() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(60_000));
    let server = Server::start(move |request| match request.path.ends_with(STREAM) {
        // It takes a minute.
        true => Reply::Drip(endless.clone().into_bytes(), Duration::from_millis(1)),
        false => Reply::json(ruleset(1, &["a"])),
    });
    logger::listen();
    let limit = Duration::from_secs(2);
    let settings = builder(&server).streaming(true).request_timeout(limit);
    let client = ready(settings.polling_interval(RAPIDLY));
    server.wait_for(2, STREAM);
    let warnings = logger::warnings_with(&format!("{}{STREAM}", server.url()));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("within 2s"), "{warnings:?}");
    server.wait_for(30, RULESET);
    wait_until("a poll that succeeds", || client.state() == ClientState::Ready);
}

/// A connection that is being made is not interrupted, but nothing waits for it.
#[test]
#[cfg(target_os = "linux")]
fn nothing_waits_for_a_stream_that_gets_no_connection() {
    let blackhole = Blackhole::open();
    let end: [fn(PhaseFlagClient); 2] = [|client| client.stop(), drop::<PhaseFlagClient>];
    for end in end {
        let client = PhaseFlagClient::builder(blackhole.url(), "sdk-dev-1").streaming(true);
        let client = started(client.request_timeout(NEVER));
        let begin = Instant::now();
        end(client);
        assert!(begin.elapsed() < A_SECOND_OR_SO, "it waits");
    }
}

/// Returns the number of threads of this process that listen to an event stream.
#[cfg(target_os = "linux")]
fn stream_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.flatten().filter(|name| name.trim() == "phaseflag-strea").count()
}

#[test]
fn a_client_without_the_setting_opens_no_stream() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for builder in [builder(&server), builder(&server).streaming(true).streaming(false)] {
        let _client = ready(builder.polling_interval(RAPIDLY));
        let polls = server.requests_to(RULESET).len();
        server.wait_for(polls + 10, RULESET);
    }
    assert_eq!(server.requests_to(STREAM).len(), 0);
}

#[test]
fn a_client_without_a_service_has_no_stream() {
    let client = PhaseFlagClient::builder("", "").streaming(true).bootstrap_text("[]");
    ready(client);
}

#[test]
fn an_event_hastens_no_poll_after_a_failure() {
    let service = Service::start();
    let client = service.client();
    service.server.respond(|_| Reply::status(429).with("retry-after", "3600"));
    service.send(UPDATED);
    service.server.wait_for(2, RULESET);
    wait_until("the failure", || client.last_failure().is_some());
    for _ in 0..20 {
        service.send(UPDATED);
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(service.polls().len(), 2);
}

#[test]
fn clients_that_share_a_cache_look_for_a_change_together() {
    const CLIENTS: usize = 6;
    let service = Service::start();
    let folder = tempfile::TempDir::new().unwrap();
    let clients = [(); CLIENTS].map(|()| ready(service.builder().cache_dir(folder.path())));
    service.wait_for_streams(CLIENTS);
    service.serve(2, &["b"]);
    let requests = || service.server.requests_to(RULESET).len();
    let before = requests();
    assert_eq!(before, 1);
    for stream in service.streams.lock().unwrap().iter().flatten() {
        stream.send(UPDATED.into()).unwrap();
    }
    for client in &clients {
        wait_until("the change", || client.get_boolean_value("b", false, None));
    }
    // The rules are in use before the poll is counted.
    wait_until("shared polls", || {
        let shared = clients.iter().map(|client| client.statistics().shared_polls);
        shared.sum::<u64>() > CLIENTS as u64
    });
    assert!(requests() < before + CLIENTS, "{}", requests());
}

/// The service may have read its rules for that request before the change.
#[test]
fn a_response_to_a_request_before_the_event_is_not_taken() {
    let service = Service::start();
    let folder = tempfile::TempDir::new().unwrap();
    let client = ready(service.builder().cache_dir(folder.path()));
    service.wait_for_streams(1);
    for entry in folder.path().read_dir().unwrap() {
        let file = std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - NEVER * 2).unwrap();
    }
    let (proceed, proceeding) = channel::<()>();
    let first = Mutex::new(Some(proceeding));
    service.server.respond(move |_| {
        let first = first.lock().unwrap().take();
        let Some(proceeding) = first else { return Reply::json(ruleset(2, &["b"])) };
        let _ = proceeding.recv();
        Reply::json(ruleset(1, &["a"]))
    });
    let other = builder(&service.server).cache_dir(folder.path()).polling_interval(NEVER);
    let other = started(other.request_timeout(NEVER));
    wait_until("the request", || service.polls().len() == 2);
    service.send(UPDATED);
    // Longer than the delay of a hastened poll, which then waits for the other client.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(service.polls().len(), 2);
    drop(proceed);
    wait_until("the change", || client.get_boolean_value("b", false, None));
    assert_eq!(client.statistics().shared_polls, 0);
    assert!(other.has_rules());
}
