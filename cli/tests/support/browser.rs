//! A headless Chromium that a test drives by the WebDriver protocol.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{Object, Value};

use super::{Folder, Program};

/// The longest time that a test waits for a browser on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The codes of keys that are not characters, in WebDriver.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const DOWN: &str = "\u{e015}";
pub const UP: &str = "\u{e013}";

const SHIFT: &str = "\u{e008}";

/// One browser runs at a time: it has a dozen processes.
static TURN: Mutex<()> = Mutex::new(());

pub struct Browser {
    /// The driver; it is killed on drop, after the browser has ended.
    _driver: Program,
    session: String,
    _turn: MutexGuard<'static, ()>,
}

/// Returns a free port. With `--port=0` the driver takes a port that is free for IPv6, and then ends
/// if a server of another test has it for IPv4.
fn free_port() -> u16 {
    // Not one that the system gives to other tests.
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 1000).find(is_free).unwrap()
}

impl Browser {
    /// Starts a browser, or returns `None` if this machine has none. With `CHECK_ALL` set, that is a
    /// failure.
    pub fn start(folder: &Folder) -> Option<Browser> {
        if Command::new("chromedriver").arg("--version").output().is_err() {
            println!("NOT CHECKED: the page in a browser, since there is no `chromedriver`");
            let all = env::var_os("CHECK_ALL").is_some_and(|value| !value.is_empty());
            assert!(!all, "there is no `chromedriver`");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let port = free_port();
        let mut driver =
            Program::start(folder.program("chromedriver").arg(format!("--port={port}")));
        driver.line("was started successfully on port");
        let arguments = [
            "--headless=new",
            // The browser ends with the driver, even if that is killed.
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            // A name of another site that leads to this machine.
            "--host-resolver-rules=MAP rebound.example 127.0.0.1",
            "--window-size=1280,1000",
        ];
        let options = Object::from([("args", Value::from(arguments))]);
        let capabilities = Object::from([("goog:chromeOptions", options)]);
        let capabilities = Object::from([("alwaysMatch", capabilities)]);
        let body = Object::from([("capabilities", capabilities)]);
        let url = format!("http://127.0.0.1:{port}/session");
        let started = command("POST", &url, &Value::from(body).to_string());
        let id = started["sessionId"].as_str().unwrap();
        Some(Browser { session: format!("{url}/{id}"), _driver: driver, _turn: turn })
    }

    pub fn open(&self, url: &str) {
        self.post("url", Object::from([("url", url)]));
    }

    /// Runs the body of a function, and returns its result.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        let arguments = Value::Array(Vec::new());
        self.post(
            "execute/sync",
            Object::from([("script", Value::from(script)), ("args", arguments)]),
        )
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_until(&self, expression: &str) {
        let start = Instant::now();
        while self.run(&format!("return Boolean({expression})")).as_bool() != Some(true) {
            assert!(
                start.elapsed() < PATIENCE,
                "not `{expression}`:\n{}",
                self.run("return document.body.innerText").as_str().unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the first element with this selector is shown and has this text in it.
    #[track_caller]
    pub fn wait_for(&self, selector: &str, text: &str) {
        self.wait_until(&format!(
            "[document.querySelector({selector:?})] \
             .some(it => it?.checkVisibility() && it.innerText.includes({text:?}))"
        ));
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.run(&format!("document.querySelector({selector:?}).click()"));
    }

    /// Presses keys, one after the other. They go to the element with the focus.
    pub fn press(&self, keys: &str) {
        self.press_with("", keys);
    }

    /// Presses keys with Shift held.
    pub fn press_with_shift(&self, keys: &str) {
        self.press_with(SHIFT, keys);
    }

    fn press_with(&self, held: &str, keys: &str) {
        let key = |kind: &str, key: char| {
            Object::from([("type", kind.to_owned()), ("value", key.to_string())])
        };
        let held = held.chars().next();
        let pressed = keys.chars().flat_map(|it| [key("keyDown", it), key("keyUp", it)]);
        let all = held.map(|it| key("keyDown", it)).into_iter().chain(pressed);
        let all: Value = all.chain(held.map(|it| key("keyUp", it))).collect();
        let source = Object::from([
            ("type", Value::from("key")),
            ("id", Value::from("keyboard")),
            ("actions", all),
        ]);
        self.post("actions", Object::from([("actions", [source])]));
    }

    /// Sets the size of the page, and whether the user prefers dark colours.
    pub fn set_look(&self, width: u32, height: u32, dark: bool) {
        let size = format!(
            r#"{{"width": {width}, "height": {height}, "deviceScaleFactor": 2, "mobile": false}}"#
        );
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let media = format!(
            r#"{{"features": [{{"name": "prefers-color-scheme", "value": "{scheme}"}},
                              {{"name": "prefers-reduced-motion", "value": "reduce"}}]}}"#
        );
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// Writes a PNG of the page beside the test program, to be looked at.
    pub fn screenshot(&self, name: &str) {
        let png = command("GET", &format!("{}/screenshot", self.session), "");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        fs::write(path, decode_base64(png.as_str().unwrap())).unwrap();
    }

    fn devtools(&self, method: &str, parameters: &str) {
        let parameters: Value = parameters.parse().unwrap();
        self.post(
            "goog/cdp/execute",
            Object::from([("cmd", Value::from(method)), ("params", parameters)]),
        );
    }

    #[track_caller]
    fn post(&self, path: &str, body: Object) -> Value {
        command("POST", &format!("{}/{path}", self.session), &Value::from(body).to_string())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        command("DELETE", &self.session, "");
    }
}

/// Sends a command of the protocol, and returns its result.
#[track_caller]
fn command(method: &str, url: &str, body: &str) -> Value {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    (&stream).write_all(request.as_bytes()).unwrap();
    // The browser inherits the connection, so that its end does not end the response.
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).unwrap() > 2 {
        let header = head.lines().last().unwrap().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{url}: {head}{body}");
    body.parse::<Value>().unwrap()["value"].clone()
}

fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{other}"),
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
