//! Proxies: which one requests use, and that an unusable one is never bypassed.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};

use crate::support::{self, SOON, Server, ruleset, started, wait_until};
use crate::wire::{Wire, read_request};

const VARIABLES: [&str; 8] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The variable that names the service to a child process.
const SERVICE: &str = "PHASEFLAG_TEST_SERVICE";

/// A proxy that records the requests.
struct Proxy {
    wire: Wire,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Proxy {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = heads.clone();
        let wire = Wire::start(move |mut stream, _| {
            let Some(head) = read_request(&mut stream) else {
                return;
            };
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            asked.lock().unwrap().push(head);
            let Ok(mut onward) = TcpStream::connect(target) else {
                return;
            };
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            let mut back = onward.try_clone().unwrap();
            let mut out = stream.try_clone().unwrap();
            thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut out);
                let _ = out.shutdown(Shutdown::Both);
            });
            let _ = std::io::copy(&mut stream, &mut onward);
            let _ = onward.shutdown(Shutdown::Both);
        });
        Proxy { wire, heads }
    }

    fn url(&self) -> String {
        format!("http://{}", self.wire.address())
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn builder(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1").polling_interval(Duration::from_secs(600))
}

#[test]
fn an_explicit_proxy_carries_every_request_and_does_not_see_the_key() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let proxy = Proxy::start();
    let with_credentials = proxy.url().replace("http://", "http://me:p%40ss@");
    for url in [proxy.url(), with_credentials] {
        let client = started(builder(&server.url()).proxy(url));
        client.wait_until_ready(SOON).unwrap();
        assert!(client.evaluate("a", None).is_err());
        client.track_event(EvaluationEvent::new("a"));
        client.flush_events().unwrap();
    }
    let expected = format!("CONNECT {} HTTP/1.1\r\n", server.address());
    assert!(proxy.heads().len() >= 2);
    for head in proxy.heads() {
        assert!(head.starts_with(&expected), "{head}");
        assert!(!head.contains("sdk-dev-1"), "{head}");
    }
    // `me:p@ss` in Base64.
    assert!(proxy.heads().last().unwrap().contains("bWU6cEBzcw=="));
}

#[test]
fn a_proxy_that_is_down_is_not_bypassed() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let refusing = support::Server::start(|_| support::Reply::status(407));
    for proxy in [closed, refusing.address()] {
        let client = started(builder(&server.url()).proxy(format!("http://{proxy}")));
        wait_until("a failure", || client.statistics().last_failure.is_some());
        assert!(client.evaluate("a", None).is_err());
        assert!(client.statistics().last_failure.unwrap().status().is_none());
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn an_unusable_explicit_proxy_is_refused_by_build() {
    for url in [
        "",
        " ",
        "socks4://127.0.0.1:1080",
        "socks5://127.0.0.1:1080",
        "socks5h://me:secret@127.0.0.1:1080",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://me:%ff@127.0.0.1:3128",
        "not a proxy",
        "/path",
    ] {
        let built = builder("http://localhost/api/v1").proxy(url).build();
        let Err(error) = built else {
            panic!("`{url}` was accepted");
        };
        let sentence = error.to_string();
        assert!(sentence.starts_with("failed to build client: `proxy` "), "{url}: {sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}

/// Runs a client in a process with these variables. Returns the error of `build`, or an empty text.
fn in_environment<V: AsRef<OsStr>>(server: &Server, variables: &[(&str, V)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
        .args(["--exact", "proxies::child_with_its_own_environment", "--ignored"])
        .arg("--nocapture")
        .env(SERVICE, server.url())
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = text.split_once("<<").expect("the output of the child");
    rest.split_once(">>").unwrap().0.to_owned()
}

#[test]
#[ignore = "the other tests run it in separate processes"]
fn child_with_its_own_environment() {
    let Ok(url) = std::env::var(SERVICE) else {
        return;
    };
    let outcome = match builder(&url).build() {
        Err(error) => error.to_string(),
        Ok(client) => {
            client.start().unwrap();
            wait_until("a response", || client.statistics().polls > 0);
            match client.statistics().last_failure {
                None => String::new(),
                Some(failure) => failure.to_string(),
            }
        }
    };
    println!("<<{outcome}>>");
}

#[test]
fn the_environment_names_the_proxy_in_a_fixed_order() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    // On Windows, both spellings name the same variable.
    let step = if cfg!(windows) { 2 } else { 1 };
    for first in (0..6).step_by(step) {
        let proxies: Vec<_> = (first..6).step_by(step).map(|_| Proxy::start()).collect();
        let named = VARIABLES[..6].iter().skip(first).step_by(step);
        let mut variables: Vec<_> =
            named.zip(&proxies).map(|(name, proxy)| (*name, proxy.url())).collect();
        // An empty variable is ignored.
        let empty = VARIABLES[..first].iter().step_by(step);
        variables.extend(empty.map(|name| (*name, String::new())));
        assert_eq!(in_environment(&server, &variables), "");
        let used: Vec<_> = proxies.iter().map(|proxy| proxy.heads().len()).collect();
        let mut expected = vec![0; proxies.len()];
        expected[0] = 1;
        assert_eq!(used, expected, "{variables:?}");
    }
    let before = server.requests().len();
    assert_eq!(in_environment::<&str>(&server, &[]), "");
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn hosts_of_no_proxy_are_reached_directly() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let port = server.address().port();
    for (variable, value, direct) in [
        ("NO_PROXY", "127.0.0.1", true),
        ("no_proxy", "127.0.0.1", true),
        ("NO_PROXY", "example.com,127.0.0.1", true),
        ("NO_PROXY", "*", true),
        ("NO_PROXY", ".0.0.1", true),
        ("NO_PROXY", "*.0.0.1", true),
        ("NO_PROXY", "127.0.*", true),
        ("NO_PROXY", "", false),
        ("NO_PROXY", "localhost", false),
        // Patterns that ureq does not support.
        ("NO_PROXY", "example.com, 127.0.0.1", false),
        ("NO_PROXY", "127.0.0.0/8", false),
        ("NO_PROXY", &format!("127.0.0.1:{port}"), false),
    ] {
        let proxy = Proxy::start();
        let variables = [("ALL_PROXY", proxy.url()), (variable, value.to_owned())];
        assert_eq!(in_environment(&server, &variables), "");
        assert_eq!(proxy.heads().is_empty(), direct, "{variable}={value}");
    }
}

#[test]
fn an_unusable_variable_is_named_by_build() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let proxy = Proxy::start();
    for (variable, value) in [
        ("ALL_PROXY", "http://"),
        ("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1080"),
        ("HTTPS_PROXY", "socks4a://127.0.0.1:1080"),
        ("HTTP_PROXY", "127.0.0.1:99999"),
        ("https_proxy", "ftp://127.0.0.1"),
        ("http_proxy", "not a proxy"),
    ] {
        // A later valid variable does not hide it.
        let mut variables = vec![(variable, value.to_owned())];
        if variable != "http_proxy" {
            variables.push(("http_proxy", proxy.url()));
        }
        let sentence = in_environment(&server, &variables);
        assert!(
            sentence.starts_with("failed to build client: `proxy` "),
            "{variable}={value}: {sentence}"
        );
        assert!(sentence.contains(variable), "{variable}: {sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
    assert_eq!((server.requests().len(), proxy.heads().len()), (0, 0));
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_not_unicode_is_named_by_build() {
    use std::os::unix::ffi::OsStringExt;
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let value = OsString::from_vec(b"http://\xff".to_vec());
    let sentence = in_environment(&server, &[("ALL_PROXY", value)]);
    assert!(sentence.contains("ALL_PROXY"), "{sentence}");
    assert_eq!(server.requests().len(), 0);
}
