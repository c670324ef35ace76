//! Proxies: which one requests use, and that an unusable one is never bypassed.

use std::ffi::OsStr;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};

use crate::curl::{Curl, not_checked};
use crate::support::{
    NEVER, Reply, SOON, Server, listener, refusing_address, ruleset, started, wait_until,
};
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

/// The variables that name the service and the bootstrap URL to a child process.
const SERVICE: &str = "PHASEFLAG_TEST_SERVICE";
const BOOTSTRAP: &str = "PHASEFLAG_TEST_BOOTSTRAP";

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
    PhaseFlagClient::builder(url, "sdk-dev-1").polling_interval(NEVER)
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
    let closed = refusing_address();
    let silent = listener();
    let refusing = Server::start(|_| Reply::status(407));
    // Only the last one is waited for.
    for (proxy, timeout, reason) in [
        (closed, 10, format!("io: {}", TcpStream::connect(closed).unwrap_err())),
        (refusing.address(), 10, "CONNECT proxy failed: proxy server responded 407/407".to_owned()),
        (silent.local_addr().unwrap(), 1, "no connection within 1s".to_owned()),
    ] {
        let settings = builder(&server.url()).proxy(format!("http://me:secret@{proxy}"));
        let client = started(settings.request_timeout(Duration::from_secs(timeout)));
        client.track_event(EvaluationEvent::new("a"));
        // The proxy is at fault, and the user may not know that there is one.
        let named = format!("{reason}, through the proxy `{proxy}`");
        let error = client.flush_events().unwrap_err();
        assert!(format!("{error:#}").ends_with(&named), "{error:#}");
        wait_until("a failure", || client.statistics().last_failure.is_some());
        let failure = client.statistics().last_failure.unwrap();
        assert!(failure.status().is_none());
        if proxy != silent.local_addr().unwrap() {
            assert!(format!("{failure:#}").ends_with(&named), "{failure:#}");
        }
        assert!(client.evaluate("a", None).is_err());
        client.stop_now();
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

#[test]
fn a_proxy_whose_response_drips_holds_up_no_stop() {
    let wire = Wire::start(|mut stream, _| {
        if read_request(&mut stream).is_none() {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\nx: ");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let settings = builder("http://localhost/api/v1").proxy(format!("http://{}", wire.address()));
    let client = started(settings.shutdown_timeout(Duration::from_millis(500)));
    wait_until("a poll", || wire.connections() > 0);
    client.track_event(EvaluationEvent::new("a"));
    let begin = Instant::now();
    client.stop();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(client.statistics().events.delivered, 0);
}

#[test]
fn a_proxy_with_credentials_needs_no_port() {
    for authority in ["127.0.0.1", "me:secret@127.0.0.1", "me:p%40ss@proxy.test", "me:a@[::1]"] {
        let built = builder("http://localhost/api/v1").proxy(format!("http://{authority}")).build();
        assert!(built.is_ok(), "{authority}: {built:?}");
    }
}

/// Runs a client in a process with these variables. Returns the error of `build` or of the poll, or
/// an empty text.
fn in_environment<V: AsRef<OsStr>>(url: &str, variables: &[(&str, V)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    without_variables(&mut command)
        .args(["--exact", "proxies::child_with_its_own_environment", "--ignored"])
        .arg("--nocapture")
        .env(SERVICE, url)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = text.split_once("<<").expect("the output of the child");
    rest.split_once(">>").unwrap().0.to_owned()
}

fn without_variables(command: &mut Command) -> &mut Command {
    VARIABLES.iter().fold(command, |command, variable| command.env_remove(variable))
}

#[test]
#[ignore = "the other tests run it in separate processes"]
fn child_with_its_own_environment() {
    let Ok(url) = std::env::var(SERVICE) else {
        return;
    };
    let mut builder = builder(&url);
    let bootstrap = std::env::var(BOOTSTRAP).ok();
    if let Some(url) = &bootstrap {
        builder = builder.bootstrap_url(url);
    }
    let outcome = match builder.build() {
        Err(error) => error.to_string(),
        Ok(client) => {
            client.start().unwrap();
            wait_until("a response", || client.statistics().polls > 0);
            if bootstrap.is_some() {
                wait_until("the bootstrap", || client.get_boolean_value("b", false, None));
                client.track_event(EvaluationEvent::new("a"));
                client.flush_events().unwrap();
                assert!(client.evaluate("a", None).is_err());
            }
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
        assert_eq!(in_environment(&server.url(), &variables), "");
        let used: Vec<_> = proxies.iter().map(|proxy| proxy.heads().len()).collect();
        let mut expected = vec![0; proxies.len()];
        expected[0] = 1;
        assert_eq!(used, expected, "{variables:?}");
    }
    let before = server.requests().len();
    assert_eq!(in_environment::<&str>(&server.url(), &[]), "");
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn hosts_of_no_proxy_are_reached_directly() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let mut cases = vec![
        ("127.0.0.1", "", true),
        ("localhost, 127.0.0.1", "", true),
        ("localhost", "", false),
        ("", "127.0.0.1", true),
        ("", "localhost", false),
        ("", "", false),
    ];
    // On Windows, both spellings name the same variable.
    if cfg!(not(windows)) {
        cases.extend([("localhost", "127.0.0.1", false), ("127.0.0.1", "localhost", true)]);
    }
    for (lower, upper, direct) in cases {
        let proxy = Proxy::start();
        let named = [("no_proxy", lower), ("NO_PROXY", upper)];
        let named = named.into_iter().filter(|(_, value)| cfg!(not(windows)) || !value.is_empty());
        let mut variables: Vec<_> = named.map(|(name, value)| (name, value.to_owned())).collect();
        variables.push(("ALL_PROXY", proxy.url()));
        assert_eq!(in_environment(&server.url(), &variables), "");
        assert_eq!(proxy.heads().is_empty(), direct, "no_proxy={lower} NO_PROXY={upper}");
    }
}

/// A host, a `NO_PROXY` list, and whether the host is reached directly.
type Listed = (&'static str, &'static str, bool);

/// Cases in which curl 7.88 and curl 8 agree.
const LISTED: &[Listed] = &[
    // Names.
    ("example.test", "example.test", true),
    ("EXAMPLE.test", "example.test", true),
    ("example.test", "EXAMPLE.TEST", true),
    ("api.example.test", "example.test", true),
    ("api.example.test", ".example.test", true),
    ("a.api.example.test", ".example.test", true),
    ("example.test", ".example.test", true),
    ("example.test", "test", true),
    ("notexample.test", "example.test", false),
    ("notexample.test", ".example.test", false),
    ("example.test", "api.example.test", false),
    ("example.test", "example", false),
    ("example.test", "example.test:1", false),
    ("example.test", "http://example.test", false),
    ("example.test", "example.test/8", false),
    ("example.test", "10.0.0.0/8", false),
    ("example.test", "127.0.0.1", false),
    ("localhost", "127.0.0.1", false),
    // Dots.
    ("example.test", "example.test.", true),
    ("example.test.", "example.test", true),
    ("example.test.", "example.test.", true),
    ("example.test", ".example.test.", true),
    ("example.test", "example.test..", false),
    ("api.example.test", "..example.test", false),
    ("example.test", ".", false),
    // Wildcards: only one that is the whole list.
    ("example.test", "*", true),
    ("127.0.0.1", "*", true),
    ("[::1]", "*", true),
    ("example.test", " *", false),
    ("example.test", "*,localhost", false),
    ("example.test", "localhost,*", false),
    ("api.example.test", "*.example.test", false),
    ("api.example.test", "api.*", false),
    // Separators.
    ("example.test", "localhost, example.test", true),
    ("example.test", "localhost ,example.test", true),
    ("example.test", "localhost,\texample.test", true),
    ("example.test", "  example.test ", true),
    ("example.test", ",,example.test,", true),
    ("example.test", "localhost,,example.test", true),
    ("example.test", "example.test localhost", true),
    ("example.test", "example.test\tlocalhost", true),
    ("example.test", ",", false),
    ("example.test", "localhost;example.test", false),
    // IPv4.
    ("127.0.0.1", "127.0.0.1", true),
    ("127.0.0.1.", "127.0.0.1", true),
    ("127.0.0.1", "localhost, 127.0.0.1", true),
    ("127.0.0.1", "127.0.0.0/8", true),
    ("127.0.0.1", "127.9.9.9/8", true),
    ("127.0.0.1", "127.0.0.0/08", true),
    ("127.0.0.1", "127.0.0.0/31", true),
    ("127.0.0.1", "127.0.0.2/31", false),
    ("127.0.0.1", "127.0.0.1/32", true),
    ("127.0.0.1", "127.0.0.0/32", false),
    ("127.0.0.1", "127.0.0.0/33", false),
    ("127.0.0.1", "127.0.0.0/-1", false),
    ("127.0.0.1", "10.0.0.0/8", false),
    ("127.0.0.1", "0.0.0.0/0", false),
    ("127.0.0.1", "127.0.0.1/0", true),
    ("127.0.0.1", "127/8", false),
    ("127.0.0.1", "127.0.0", false),
    ("127.0.0.1", "127.0.0.1.", false),
    ("127.0.0.1", "0.0.1", false),
    ("127.0.0.1", ".0.0.1", false),
    ("127.0.0.1", "127.0.*", false),
    ("127.0.0.1", "127.0.0.1:1", false),
    ("127.0.0.1", "::1", false),
    ("127.0.0.1", "::7f00:1", false),
    ("127.0.0.1", "::ffff:127.0.0.1", false),
    // IPv6.
    ("[::1]", "::1", true),
    ("[0:0:0:0:0:0:0:1]", "::1", true),
    ("[::1]", "[::1]", false),
    ("[::1]", "[::1]:1", false),
    ("[::1]", "::2/127", false),
    ("[::1]", "::/0", false),
    ("[::1]", "::1/129", false),
    ("[::1]", "[::]/64", false),
    ("[::1]", "127.0.0.1", false),
    ("[::ffff:127.0.0.1]", "127.0.0.1", false),
    ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", true),
];

/// Cases that curl 7.88 handles in another way.
const LISTED_IN_8: &[Listed] = &[
    ("[::1]", "0:0:0:0:0:0:0:1", true),
    ("[::1]", "0000::0001", true),
    ("[::1]", "::/64", true),
    ("[::1]", "::/127", true),
    ("[::1]", "::1/128", true),
    ("[::ffff:127.0.0.1]", "::ffff:0:0/96", true),
    ("127.0.0.1", "127.0.0.1/", false),
    ("127.0.0.1", "127.0.0.0/8x", false),
    ("127.0.0.1", "127.0.0.0/+8", false),
    ("example.test", "localhost example.test", false),
    ("example.test", "localhost other.test,example.test", false),
];

#[test]
fn no_proxy_lists_hosts_as_for_curl() {
    let curl = Curl::installed("NO_PROXY");
    let comparable = curl.as_ref().map_or(0, |curl| match curl.major() {
        ..8 => LISTED.len(),
        8.. => LISTED.len() + LISTED_IN_8.len(),
    });
    if curl.is_some() && comparable == LISTED.len() {
        not_checked("NO_PROXY, as curl 8 does it: this curl is older");
    }
    let cases: Vec<_> = LISTED.iter().chain(LISTED_IN_8).enumerate().collect();
    let check = |(number, (host, list, direct)): &(usize, &Listed)| {
        // Nothing listens on this port.
        let url = format!("http://{host}:1/api/v1");
        let proxy = Proxy::start();
        let variables = [("ALL_PROXY", proxy.url()), ("NO_PROXY", (*list).to_owned())];
        assert_ne!(in_environment(&url, &variables), "");
        let what = format!("`{host}` with NO_PROXY=`{list}`");
        assert_eq!(proxy.heads().is_empty(), *direct, "{what}");
        let Some(curl) = curl.as_ref().filter(|_| *number < comparable) else {
            return;
        };
        let proxy = Proxy::start();
        let variables = [("ALL_PROXY", proxy.url()), ("NO_PROXY", (*list).to_owned())];
        let mut command = curl.command();
        without_variables(&mut command).envs(variables).arg(url).status().unwrap();
        assert_eq!(proxy.heads().is_empty(), *direct, "curl: {what}");
    };
    // Most of the time, each waits for processes and lookups.
    thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}

#[test]
fn the_service_and_the_bootstrap_url_each_have_their_place_in_no_proxy() {
    let server = Server::start(|request| match request.path.as_str() {
        "/bootstrap.json" => Reply::json(ruleset(1, &["b"])),
        "/api/v1/sdk/events" => Reply::status(202),
        // One poll a process.
        "/api/v1/sdk/ruleset" => Reply::status(429).with("retry-after", "3600"),
        _ => Reply::status(500),
    });
    let port = server.address().port();
    for (listed, service_direct, bootstrap_direct) in [
        ("127.0.0.1", true, false),
        ("localhost", false, true),
        ("localhost,127.0.0.1", true, true),
        ("example.test", false, false),
    ] {
        let proxy = Proxy::start();
        let variables = [
            ("HTTP_PROXY", proxy.url()),
            ("NO_PROXY", listed.to_owned()),
            (BOOTSTRAP, format!("http://localhost:{port}/bootstrap.json")),
        ];
        let outcome = in_environment(&server.url(), &variables);
        assert!(outcome.contains("status 429"), "{outcome}");
        let asked = |host: &str| {
            let line = format!("CONNECT {host}:{port} HTTP/1.1");
            proxy.heads().iter().filter(|head| head.starts_with(&line)).count()
        };
        // A poll, an event, and an evaluation; a connection may serve two of them.
        let expected = if service_direct { 0..1 } else { 2..4 };
        assert!(expected.contains(&asked("127.0.0.1")), "{listed}: {:?}", proxy.heads());
        assert_eq!(asked("localhost"), usize::from(!bootstrap_direct), "{listed}");
    }
}

#[test]
fn an_unusable_variable_is_named_by_build() {
    // On Windows, both spellings name the same variable.
    let named = |variable: &str| match cfg!(windows) {
        true => variable.to_uppercase(),
        false => variable.to_owned(),
    };
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let proxy = Proxy::start();
    let elsewhere = "http://localhost:1/bootstrap.json";
    for variables in [
        // A later valid variable does not hide a malformed one.
        &[("ALL_PROXY", "http://"), ("http_proxy", &proxy.url())][..],
        &[("HTTP_PROXY", "127.0.0.1:99999"), ("http_proxy", &proxy.url())],
        &[("https_proxy", "ftp://127.0.0.1"), ("http_proxy", &proxy.url())],
        &[("http_proxy", "not a proxy")],
        // The first of several unsupported ones is named.
        &[("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1080")],
        &[("HTTPS_PROXY", "socks4a://127.0.0.1:1080"), ("http_proxy", "socks5://127.0.0.1")],
        &[("HTTP_PROXY", "ftp://127.0.0.1"), ("ALL_PROXY", "socks5h://127.0.0.1:1080")],
        // A list without this host, or without that of the bootstrap URL.
        &[("ALL_PROXY", "socks5://127.0.0.1:1080"), ("NO_PROXY", "example.test")],
        &[("ALL_PROXY", "socks5://h"), ("NO_PROXY", "127.0.0.1"), (BOOTSTRAP, elsewhere)],
        &[("ALL_PROXY", "http://"), ("NO_PROXY", "127.0.0.1"), (BOOTSTRAP, elsewhere)],
    ] {
        let variable = named(variables[0].0);
        if variables[1..].iter().any(|(other, _)| named(other) == variable) {
            continue;
        }
        let sentence = in_environment(&server.url(), variables);
        let expected = format!("failed to build client: `proxy` from the variable {variable} ");
        assert!(sentence.starts_with(&expected), "{variables:?}: {sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
    assert_eq!((server.requests().len(), proxy.heads().len()), (0, 0));
}

#[test]
fn a_socks_proxy_beside_an_http_proxy_is_passed_over() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for (socks, http) in [
        ("ALL_PROXY", "HTTP_PROXY"),
        ("ALL_PROXY", "HTTPS_PROXY"),
        ("ALL_PROXY", "http_proxy"),
        ("HTTPS_PROXY", "HTTP_PROXY"),
    ] {
        let proxy = Proxy::start();
        let variables = [(socks, "socks5://127.0.0.1:1080".to_owned()), (http, proxy.url())];
        assert_eq!(in_environment(&server.url(), &variables), "");
        assert_eq!(proxy.heads().len(), 1, "{socks} {http}");
    }
}

#[test]
fn an_unusable_proxy_does_not_matter_to_a_host_of_no_proxy() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for proxy in ["socks5://127.0.0.1:1080", "socks4://h", "http://", "not a proxy", "ftp://h"] {
        for list in ["127.0.0.1", "127.0.0.0/8", "*"] {
            let variables = [("ALL_PROXY", proxy), ("NO_PROXY", list)];
            assert_eq!(in_environment(&server.url(), &variables), "", "{proxy} {list}");
        }
    }
    assert_eq!(server.requests().len(), 15);
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_not_unicode_is_named_by_build() {
    use std::os::unix::ffi::OsStringExt;
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let broken = |text: &str| std::ffi::OsString::from_vec([text.as_bytes(), b"\xff"].concat());
    let sentence = in_environment(&server.url(), &[("ALL_PROXY", broken("http://"))]);
    assert!(sentence.contains("ALL_PROXY"), "{sentence}");
    assert_eq!(server.requests().len(), 0);
    // The other entries of a list still count.
    let variables = [("ALL_PROXY", broken("http://")), ("NO_PROXY", broken("127.0.0.1,"))];
    assert_eq!(in_environment(&server.url(), &variables), "");
    assert_eq!(server.requests().len(), 1);
}
