//! The examples as a user runs them: as programs of their own, over loopback.
//!
//! `cargo test` builds the examples first; `cargo test --test examples` alone does not.

// Without the service there are fewer examples to run.
#![cfg_attr(not(feature = "http"), allow(dead_code))]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Object, Ruleset, Value};

/// The longest that a test waits for something that should come soon.
const SOON: Duration = Duration::from_secs(20);

const FLAGS: &str = include_str!("../examples/flags.json");

#[test]
fn the_flags_have_no_problems() {
    let ruleset = Ruleset::parse(FLAGS).unwrap();
    assert_eq!(ruleset.problems(), []);
}

#[test]
fn quickstart_prints_the_table() {
    let output = Command::new(example("quickstart")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table, include_str!("data/quickstart.txt"));
}

#[test]
fn local_service_answers_304_until_the_file_changes() {
    let file = FlagsFile::new("conditional", FLAGS);
    let service = Service::start(&file.path);

    let first = service.get("/sdk/ruleset", &[]);
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["version"].as_i64(), Some(1));
    let flags = FLAGS.parse::<Value>().unwrap()["flags"].clone();
    assert_eq!(first.json()["flags"], flags);

    let etag = first.header("ETag").unwrap();
    let second = service.get("/sdk/ruleset", &[("If-None-Match", etag)]);
    assert_eq!((second.status, second.body.as_str()), (304, ""));

    file.write(&FLAGS.replace("inactive", "active"));
    let third = service.get("/sdk/ruleset", &[("If-None-Match", etag)]);
    assert_eq!(third.status, 200);
    assert_eq!(third.json()["version"].as_i64(), Some(2));
    assert_ne!(third.header("ETag"), Some(etag));
}

#[test]
fn local_service_keeps_its_rules_where_the_file_is_bad() {
    let file = FlagsFile::new("bad", FLAGS);
    let mut service = Service::start(&file.path);
    let before = service.get("/sdk/ruleset", &[]);

    file.write("{\"flags\": [");
    assert_eq!(service.get("/sdk/ruleset", &[]).body, before.body);
    assert_eq!(
        service.program.line("failed to parse ruleset"),
        "failed to parse ruleset: the end of the text where a value was expected \
         at line 1, column 12; the rules stay"
    );

    fs::remove_file(&file.path).unwrap();
    assert_eq!(service.get("/sdk/ruleset", &[]).body, before.body);
    service.program.line("failed to read");
}

#[test]
fn local_service_reads_every_form_of_rules() {
    let flag = r#"{"key": "a", "variations": [{"key": "v", "value": 1}]}"#;
    for (name, text) in [
        ("list", format!("[{flag}]")),
        ("object", format!("{{\"flags\": [{flag}]}}")),
        ("wrapped", format!("{{\"data\": {{\"flags\": [{flag}]}}}}")),
    ] {
        let file = FlagsFile::new(name, &text);
        let service = Service::start(&file.path);
        let rules = service.get("/sdk/ruleset", &[]).json();
        assert_eq!(rules["flags"][0], flag.parse().unwrap(), "{name}");
        assert_eq!(rules["version"].as_i64(), Some(1), "{name}");
    }
}

#[test]
fn local_service_evaluates() {
    let file = FlagsFile::new("evaluates", FLAGS);
    let service = Service::start(&file.path);

    let answer = service.post(
        "/evaluate",
        r#"{"flags": ["new-checkout-flow", "instant-search", "ui-theme", "express-pay",
                      "product-recommendations", "no-such-flag"],
            "context": {"user_key": "bob", "attributes": {"plan": "free", "seats": 3}}}"#,
    );
    assert_eq!(answer.status, 200);
    let evaluations = &answer.json()["data"]["evaluations"];
    assert_eq!(
        evaluations["instant-search"].to_string(),
        r#"{"reason":"PERCENTAGE_ROLLOUT","value":true,"variation_key":"on"}"#
    );
    assert_eq!(
        evaluations["no-such-flag"].to_string(),
        r#"{"reason":"FLAG_NOT_FOUND","value":null,"variation_key":null}"#
    );
    for (key, reason) in [
        ("new-checkout-flow", "DEFAULT"),
        ("ui-theme", "DEFAULT"),
        ("express-pay", "PREREQUISITE"),
        ("product-recommendations", "DISABLED"),
    ] {
        assert_eq!(evaluations[key]["reason"].as_str(), Some(reason), "{key}");
    }

    let all = service
        .post("/evaluate", r#"{"flags": ["*"], "context": {"attributes": {"plan": "pro"}}}"#);
    let all = all.json()["data"]["evaluations"].clone();
    assert_eq!(all.as_object().map(Object::len), Some(8));
    assert_eq!(all["new-checkout-flow"]["reason"].as_str(), Some("TARGETING_RULE"));
    assert_eq!(service.post("/evaluate", "{}").status, 422);
    assert_eq!(service.post("/evaluate", "{").status, 422);
}

#[test]
fn local_service_evaluates_as_older_services_do() {
    let file = FlagsFile::new("older", FLAGS);
    let service = Service::start(&file.path);
    let ask = |key: &str| {
        let context = r#"{"user_id": "bob", "session_id": "s", "attributes": {}}"#;
        let body = format!(r#"{{"flag_key": "{key}", "context": {context}}}"#);
        service.post("/sdk/evaluate", &body)
    };

    let answer = ask("instant-search");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        r#"{"flag_key":"instant-search","reason":"percentage_rollout","value":true,"variation_id":null,"variation_key":"on"}"#
    );
    assert_eq!(ask("no-such-flag").status, 404);
    assert_eq!(ask("product-recommendations").status, 400);
}

#[test]
fn local_service_refuses_what_the_service_refuses() {
    let file = FlagsFile::new("refuses", FLAGS);
    let mut service = Service::start(&file.path);

    let url = format!("{}/sdk/ruleset", service.base_url);
    let keyless = exchange("GET", &url, &[], "");
    assert_eq!(keyless.status, 401);
    assert_eq!(
        keyless.body,
        r#"{"error":{"code":"UNAUTHORIZED","message":"the API key is missing"}}"#
    );
    assert_eq!(service.get("/nothing", &[]).status, 404);

    let events = |count| {
        let events = vec![r#"{"flag_key": "a"}"#; count].join(",");
        format!(r#"{{"events": [{events}]}}"#)
    };
    assert_eq!(service.post("/sdk/events", &events(501)).status, 422);
    let accepted = service.post("/sdk/events", &events(500));
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body, r#"{"accepted":500}"#);
    for _ in 0..500 {
        assert_eq!(service.program.line("event"), r#"event {"flag_key":"a"}"#);
    }
}

#[cfg(feature = "http")]
#[test]
fn local_service_and_client_come_to_the_same_answers() {
    use phaseflag::{Error, EvaluationContext, PhaseFlagClient};

    let file = FlagsFile::new("same", FLAGS);
    let service = Service::start(&file.path);
    let client = PhaseFlagClient::builder(&service.base_url, "sdk-dev-local").build().unwrap();
    client.start().unwrap();
    client.wait_until_ready(SOON).unwrap();
    let ada = EvaluationContext::new()
        .user_id("ada")
        .attribute("plan", "pro")
        .attribute("app_version", "4.2.0");
    let session = EvaluationContext::new().session_id("bob").attribute("prefers_contrast", true);
    assert_eq!(client.flags().len(), 8);
    for context in [&ada, &session, &EvaluationContext::new()] {
        for flag in client.flags() {
            let here = client.get_variation(flag.key(), context);
            let there = client.evaluate(flag.key(), context).ok();
            assert_eq!(here, there, "{}", flag.key());
        }
    }
    let unknown = client.evaluate("no-such-flag", None);
    assert!(matches!(unknown, Err(Error::FlagNotFound { .. })));
}

#[cfg(feature = "http")]
#[test]
fn script_delivers_its_event() {
    let file = FlagsFile::new("script", FLAGS);
    let mut service = Service::start(&file.path);
    let mut script = Program::start("script", &[], &[("PHASEFLAG_BASE_URL", &service.base_url)]);
    script.line("new-checkout-flow for ada: true");
    assert!(script.end().success());

    let event = service.program.line("event ");
    let event: Value = event.strip_prefix("event ").unwrap().parse().unwrap();
    assert_eq!(event["flag_key"].as_str(), Some("new-checkout-flow"));
    assert_eq!(event["user_id"].as_str(), Some("ada"));
    assert_eq!(event["metadata"]["page"].as_str(), Some("checkout"));
    assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[cfg(feature = "http")]
#[test]
fn checkout_server_decides_each_request() {
    let file = FlagsFile::new("checkout", FLAGS);
    let mut service = Service::start(&file.path);
    let mut shop = Program::start(
        "checkout_server",
        &[],
        &[("PHASEFLAG_BASE_URL", &service.base_url), ("PORT", "0")],
    );
    let address = shop.line("serving http://");
    let address = address.strip_prefix("serving ").unwrap();
    let get = |path: &str| exchange("GET", &format!("{address}{path}"), &[], "");

    assert_eq!(
        get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"one-page","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    assert_eq!(
        get("/checkout?user=bob").body,
        r#"{"checkout":"three-steps","config":{"invoice":false,"max_items":50},"theme":"light"}"#
    );
    assert_eq!(get("/checkout").status, 400);
    assert_eq!(get("/no-such-page").status, 404);
    let health = get("/health").json();
    assert_eq!(health["state"].as_str(), Some("Ready"));
    assert_eq!(health["flags"].as_i64(), Some(8));
    assert_eq!(health["events_dropped"].as_i64(), Some(0));

    shop.say("stop");
    shop.line("events delivered: 2");
    shop.line("events dropped: 0");
    assert!(shop.end().success());
    for user in ["ada", "bob"] {
        assert!(service.program.line("event ").contains(user));
    }
}

#[cfg(feature = "http")]
#[test]
fn checkout_server_serves_defaults_where_there_is_no_service() {
    let mut shop = Program::start(
        "checkout_server",
        &[],
        &[
            // Port 9 discards, where anything listens there at all.
            ("PHASEFLAG_BASE_URL", "http://127.0.0.1:9/api/v1"),
            ("PORT", "0"),
        ],
    );
    shop.line("serving defaults for now: the client was not ready within 2s: ");
    let address = shop.line("serving http://");
    let address = address.strip_prefix("serving ").unwrap();
    let url = format!("{address}/checkout?user=ada&plan=pro");
    assert_eq!(
        exchange("GET", &url, &[], "").body,
        r#"{"checkout":"three-steps","config":null,"theme":"light"}"#
    );
}

#[cfg(feature = "http")]
#[test]
fn watch_sees_the_file_change() {
    let file = FlagsFile::new("watch", FLAGS);
    let service = Service::start(&file.path);
    let mut watch = Program::start("watch", &[], &[("PHASEFLAG_BASE_URL", &service.base_url)]);
    watch.line("added: product-recommendations");
    watch.line("flags now: 8");
    watch.line("state: the rules are fresh");

    file.write(&FLAGS.replace("inactive", "active"));
    watch.line("changed: product-recommendations");
    watch.line("flags now: 8");

    file.write(&FLAGS.replace("instant-search", "instant-find"));
    watch.line("added: instant-find");
    watch.line("removed: instant-search");

    drop(service);
    watch.line("state: the rules of before are in use: failed to");
    watch.say("stop");
    assert!(watch.end().success());
}

/// The path of an example that `cargo test` has built.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let path = profile.join("examples").join(file);
    assert!(
        path.is_file(),
        "there is no `{}`: run `cargo build --examples` with the same features and profile",
        path.display()
    );
    path
}

/// A file of flags for one test. It is removed when this is dropped.
struct FlagsFile {
    path: PathBuf,
}

impl FlagsFile {
    fn new(test: &str, text: &str) -> FlagsFile {
        let name = format!("examples-{test}-{}.json", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let file = FlagsFile { path };
        file.write(text);
        file
    }

    /// Replaces the text at once, so that nobody reads half of it.
    fn write(&self, text: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }
}

impl Drop for FlagsFile {
    fn drop(&mut self) {
        // The test may have removed it.
        let _ = fs::remove_file(&self.path);
    }
}

/// The example `local_service`, running.
struct Service {
    program: Program,
    base_url: String,
}

impl Service {
    fn start(flags: &Path) -> Service {
        let flags = flags.to_str().unwrap();
        let mut program = Program::start("local_service", &[flags, "0"], &[]);
        let line = program.line("serving ");
        let base_url = line.strip_prefix("serving ").unwrap().to_owned();
        Service { program, base_url }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("X-API-Key", "sdk-dev-local")], headers].concat();
        exchange("GET", &format!("{}{path}", self.base_url), &headers, "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        let headers = [("X-API-Key", "sdk-dev-local")];
        exchange("POST", &format!("{}{path}", self.base_url), &headers, body)
    }
}

/// A running example. It is killed when this is dropped.
struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Lines that have come, and that no test has taken yet.
    untaken: Vec<String>,
}

impl Program {
    fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut child = Command::new(example(name))
            .args(arguments)
            .envs(environment.iter().copied())
            // No proxy of this machine may stand in the way.
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let forward = |output: Box<dyn Read + Send>| {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        };
        forward(Box::new(child.stdout.take().unwrap()));
        forward(Box::new(child.stderr.take().unwrap()));
        let input = child.stdin.take().unwrap();
        Program { child, input, lines, untaken: Vec::new() }
    }

    /// Takes the first line of output or errors that contains this; waits for it where it has not
    /// come yet.
    fn line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let position = self.untaken.iter().position(|line| line.contains(part));
            if let Some(position) = position {
                return self.untaken.remove(position);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.untaken.push(line),
                Err(end) => panic!("no line with `{part}` ({end}): {:#?}", self.untaken),
            }
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits until the program has ended by itself.
    fn end(mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        self.body.parse().unwrap()
    }
}

/// Sends one request, and reads the whole answer.
fn exchange(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {}\r\n{}\r\n{body}",
        body.len(),
        headers.collect::<String>()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
