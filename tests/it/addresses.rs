//! Addresses that accept no connection: how long a client tries them, and that it tries others.

use std::error::Error as _;
#[cfg(target_os = "linux")]
use std::fs;
use std::io::Write;
#[cfg(target_os = "linux")]
use std::net::UdpSocket;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient, RequestError};

use crate::curl::not_checked;
#[cfg(target_os = "linux")]
use crate::mounts::{may_mount, mount};
use crate::support::{ruleset, started, wait_until};
use crate::wire::{Blackhole, Wire, read_request, within, write_response};

/// A name that a child process finds in its own hosts file.
const NAME: &str = "two-addresses.test";

/// Much less than the system waits for a name server, on a busy machine.
#[cfg(target_os = "linux")]
const AT_ONCE: Duration = Duration::from_secs(10);

fn builder(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1")
}

/// Returns the two loopback addresses of a name, with a port that is free on both. Returns `None`
/// if the name has not exactly two.
fn two_addresses(name: &str) -> Option<[TcpListener; 2]> {
    let addresses: Vec<SocketAddr> = (name, 0).to_socket_addrs().ok()?.collect();
    let [mut first, mut second] = addresses.try_into().ok()?;
    for _ in 0..100 {
        first.set_port(0);
        let first = TcpListener::bind(first).ok()?;
        second.set_port(first.local_addr().ok()?.port());
        if let Ok(second) = TcpListener::bind(second) {
            return Some([first, second]);
        }
    }
    None
}

/// A service that is its own proxy.
fn serve(listener: TcpListener) -> Wire {
    Wire::on(listener, |mut stream, _| {
        while let Some(request) = read_request(&mut stream) {
            let body = ruleset(1, &["a"]);
            let written = match request.split(' ').next() {
                Some("CONNECT") => stream.write_all(b"HTTP/1.1 200 Established\r\n\r\n").is_ok(),
                Some("GET") => write_response(&mut stream, 200, &body),
                _ => write_response(&mut stream, 202, ""),
            };
            if !written {
                return;
            }
        }
    })
}

/// Returns whether a few tries show what a client does in time: a busy machine may delay one of them
/// for seconds.
fn holds(condition: impl Fn() -> bool) -> bool {
    (0..4).any(|_| condition())
}

/// Checks clients of a name whose first address accepts no connection. Returns whether the name
/// has two addresses.
fn check_two_addresses(name: &str) -> bool {
    let Some([first, second]) = two_addresses(name) else {
        return false;
    };
    let dead = Blackhole::on(first);
    let alive = serve(second);
    let port = dead.address().port();
    let service = format!("http://{name}:{port}/api/v1");
    let direct = || builder(&service);
    let through_proxy =
        || builder("http://127.0.0.1:1/api/v1").proxy(format!("http://{name}:{port}"));
    thread::scope(|scope| {
        for (what, builder) in [("a service", direct()), ("a proxy", through_proxy())] {
            let settings = builder.clone();
            scope.spawn(move || {
                let is_ready = || {
                    let begun = Instant::now();
                    let client = started(settings.clone());
                    // As in the README.
                    let ready = client.wait_until_ready(Duration::from_secs(5));
                    // Otherwise the first address was not tried.
                    assert!(begun.elapsed() > Duration::from_secs(2), "{what}");
                    ready.is_ok()
                };
                assert!(holds(is_ready), "{what}");
            });
            scope.spawn(move || {
                let is_delivered = || {
                    let client = started(builder.clone());
                    client.track_event(EvaluationEvent::new("a"));
                    // Within the default `shutdown_timeout`.
                    client.stop();
                    client.statistics().events.delivered == 1
                };
                assert!(holds(is_delivered), "{what}");
            });
        }
    });
    assert!(alive.connections() >= 4);
    true
}

#[test]
fn a_dead_first_address_leaves_time_for_the_second() {
    if check_two_addresses("localhost") {
        return;
    }
    let hosts = std::env::temp_dir().join(format!("phaseflag-hosts-{}", std::process::id()));
    std::fs::write(&hosts, format!("::1 {NAME}\n127.0.0.1 {NAME}\n")).unwrap();
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
        .arg(&hosts)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "addresses::child_with_its_own_hosts", "--ignored", "--nocapture"])
        .env("PHASEFLAG_TEST_HOSTS", "")
        .output();
    std::fs::remove_file(&hosts).unwrap();
    let output = child.map(|child| (child.status, String::from_utf8(child.stdout).unwrap()));
    match output {
        Ok((status, text)) if text.contains("running 1 test") => {
            assert!(status.success(), "{text}");
            if !text.contains("<<two>>") {
                not_checked("a dead first address: no name has two addresses here");
            }
        }
        _ => not_checked("a dead first address: there is no mount namespace here"),
    }
}

#[test]
#[ignore = "another test runs it in a separate process"]
fn child_with_its_own_hosts() {
    if std::env::var_os("PHASEFLAG_TEST_HOSTS").is_some() && check_two_addresses(NAME) {
        println!("<<two>>");
    }
}

#[test]
fn connecting_takes_at_most_four_seconds_or_a_third_of_the_request_timeout() {
    let dead = Blackhole::open();
    thread::scope(|scope| {
        for (request_timeout, limit) in [(5, 4), (10, 4), (15, 5)] {
            let client = builder(&dead.url()).request_timeout(Duration::from_secs(request_timeout));
            scope.spawn(move || {
                let begun = Instant::now();
                let client = started(client);
                wait_until("a failure", || client.statistics().last_failure.is_some());
                assert!(begun.elapsed() > Duration::from_secs(limit) / 2);
                let failure = client.statistics().last_failure.unwrap();
                assert!(failure.to_string().starts_with("failed to reach `http://127.0.0.1:"));
                let cause = failure.source().unwrap().to_string();
                assert_eq!(cause, format!("no connection within {limit}s"), "{request_timeout}");
            });
        }
        // A shorter request timeout is the limit of everything.
        scope.spawn(|| {
            let second = Duration::from_secs(1);
            let client = started(builder(&dead.url()).request_timeout(second));
            wait_until("a failure", || client.statistics().last_failure.is_some());
            let failure = client.statistics().last_failure.unwrap();
            let RequestError::Timeout { limit, .. } = failure else { panic!("{failure:?}") };
            assert_eq!(limit, second);
        });
    });
}

/// The system waits for half a minute for a name server that does not respond.
#[cfg(target_os = "linux")]
#[test]
fn a_request_does_not_wait_for_a_name_server() {
    let test = "addresses::a_request_does_not_wait_for_a_name_server";
    if !may_mount(test) {
        return;
    }
    let Ok(silent) = UdpSocket::bind("127.7.7.7:53") else {
        return not_checked(&format!("{test}: the port of a name server is taken"));
    };
    silent.set_read_timeout(Some(AT_ONCE)).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let settings = folder.path().join("resolv.conf");
    fs::write(&settings, "nameserver 127.7.7.7\noptions timeout:30 attempts:1\n").unwrap();
    mount(&["--bind", settings.to_str().unwrap(), "/etc/resolv.conf"]);

    let limit = Duration::from_millis(500);
    let settings = builder("http://nowhere.example/api/v1").streaming(true).request_timeout(limit);
    let client = settings.build().unwrap();
    let error = within(AT_ONCE, "a request", || client.fetch_ruleset().unwrap_err());
    silent.recv_from(&mut [0; 512]).expect("the name server was asked");
    let expected = "failed to get a response from `http://nowhere.example/api/v1/sdk/ruleset` \
                    within 500ms";
    assert_eq!(error.to_string(), expected);
    within(AT_ONCE, "a refresh", || client.refresh().unwrap_err());
    client.start().unwrap();
    wait_until("failed polls", || client.statistics().polls > 1);
    within(AT_ONCE, "the stop", || client.stop());
}
