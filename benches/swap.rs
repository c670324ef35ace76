//! Measures the longest evaluation while rulesets of 10,000 flags are fetched, parsed and swapped in,
//! compared with the longest one without that.
//!
//! The wall time of the longest call is mostly time that the system gave to other threads. The cost
//! of the call is its CPU time. The number of voluntary context switches shows waits for locks.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use phaseflag::{EvaluationContext, PhaseFlagClient};
use phaseflag_benches::{Times, realistic};

const FLAGS: usize = 10_000;
const POLLING: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3600);
const LENGTH: Duration = Duration::from_secs(3);

fn main() {
    let one = realistic::ruleset(FLAGS);
    let other = one.replace(r#""weight":50"#, r#""weight":40"#);
    let address = serve([one, other]);

    println!("get_boolean_value in a loop for {} s, {FLAGS} flags", LENGTH.as_secs());
    measure("no swaps", address, NEVER);
    measure("swaps", address, POLLING);
}

fn measure(name: &str, address: SocketAddr, polling: Duration) {
    let client = PhaseFlagClient::builder(format!("http://{address}/api/v1"), "sdk-dev-key")
        .polling_interval(polling)
        .build()
        .unwrap();
    client.start().unwrap();
    client.wait_until_ready(Duration::from_secs(10)).unwrap();
    let key = realistic::key(FLAGS / 2);
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");

    let (mut wall, mut cpu) = (Times::new(), Times::new());
    let accepted = client.statistics().rulesets_accepted;
    let sleeps = sleeps();
    let begin = Instant::now();
    let mut used = ThreadTime::now().as_duration();
    while begin.elapsed() < LENGTH {
        let call = Instant::now();
        black_box(client.get_boolean_value(black_box(&key), false, black_box(&context)));
        wall.add(call.elapsed());
        let now = ThreadTime::now().as_duration();
        cpu.add(now.saturating_sub(used));
        used = now;
    }
    let slept = self::sleeps().zip(sleeps).map(|(after, before)| after - before);
    let swaps = client.statistics().rulesets_accepted - accepted;
    println!("{name}: {swaps} swaps, {} calls", wall.count());
    println!("  each by the clock    {wall}");
    println!("  CPU time, with that of the measurement  {cpu}");
    match slept {
        Some(times) => println!("  the thread went to sleep {times} times"),
        None => println!("  this system does not say how often the thread went to sleep"),
    }
}

/// Returns the voluntary context switches of this thread, such as waits for locks.
fn sleeps() -> Option<u64> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// Responds to every request with the next of the bodies, until the process ends.
fn serve(bodies: [String; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for body in bodies.iter().cycle() {
            let (stream, _) = listener.accept().unwrap();
            // The client may have closed the connection.
            let _ = respond(stream, body);
        }
    });
    address
}

fn respond(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?).lines();
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")?;
    stream.write_all(body.as_bytes())
}
