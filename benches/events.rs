//! Measures the time to track an event, in each state of the service.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};
use phaseflag_benches::Times;

/// How many events are tracked before the queue may drain.
const BURST: usize = 5_000;
const BURSTS: usize = 50;

fn main() {
    println!("track_event, {BURSTS} times {BURST}; each figure includes the time of the clock");
    println!("{:<34} {}", "the clock alone", clock());
    let room = |builder: ClientBuilder| builder.event_queue_capacity(2 * BURSTS * BURST);
    measure("a service that responds", room(to(responding())), true);
    measure("a service that is down", room(to(refusing())), false);
    measure("a service that never responds", room(to(silent())), false);
    measure("the same, and the queue is full", to(silent()).event_queue_capacity(BURST), false);
}

/// Returns the times of an empty measurement.
fn clock() -> Times {
    let mut times = Times::new();
    for _ in 0..BURSTS * BURST {
        let begin = Instant::now();
        times.add(begin.elapsed());
    }
    times
}

fn measure(name: &str, builder: ClientBuilder, drains: bool) {
    let client = builder.shutdown_timeout(Duration::ZERO).build().unwrap();
    client.start().unwrap();
    let event = EvaluationEvent::new("new-checkout-flow")
        .variation_key("on")
        .user_id("user-123")
        .metadata("page", "checkout");
    let mut times = Times::new();
    for _ in 0..BURSTS {
        for event in vec![event.clone(); BURST] {
            let begin = Instant::now();
            client.track_event(event);
            times.add(begin.elapsed());
        }
        while drains && client.statistics().events.queued > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let counts = client.statistics().events;
    println!("{name:<34} {times}");
    println!("{:34} delivered {}, dropped {}", "", counts.delivered, counts.dropped());
}

fn to(address: SocketAddr) -> ClientBuilder {
    PhaseFlagClient::builder(format!("http://{address}/api/v1"), "sdk-dev-key")
        .event_flush_interval(Duration::from_millis(50))
}

/// Accepts every event.
fn responding() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| respond(stream));
        }
    });
    address
}

/// Responds to the requests of one connection.
fn respond(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}")?;
    }
}

/// Returns an address that refuses connections: its listener is closed.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Accepts connections, and never responds.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}
