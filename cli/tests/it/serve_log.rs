//! What `phaseflag serve` prints: requests, events, and what changes in its file.

use std::io::{Read, Write};
use std::net::TcpStream;

use phaseflag::Value;

use crate::support::{FLAGS, Folder, KEY, Program, Service, exchange, outcome, run};
use crate::watch::without_time;

/// Takes the line of the next request, without its duration.
#[track_caller]
fn request(program: &mut Program) -> String {
    let line = program.line("request ");
    let (start, rest) = line.split_once(" ms ").unwrap();
    let (start, duration) = start.rsplit_once(' ').unwrap();
    assert!(duration.parse::<f64>().unwrap() >= 0.0, "{line}");
    format!("{start} {rest}")
}

#[test]
fn each_request_has_a_line() {
    let folder = Folder::new("serve-log");
    let mut service = Service::with_flags(&folder);
    let body = service.get("/sdk/ruleset?api_key=secret#part", &[]).body;
    let expected = format!("request GET /api/v1/sdk/ruleset 200 {} bytes", body.len());
    assert_eq!(request(&mut service.program), expected);
    let etag = service.get("/sdk/ruleset", &[]);
    request(&mut service.program);
    service.get("/sdk/ruleset", &[("If-None-Match", etag.header("ETag").unwrap())]);
    assert_eq!(request(&mut service.program), "request GET /api/v1/sdk/ruleset 304 0 bytes");
    service.post("/sdk/events", r#"{"events": [{"flag_key": "a"}]}"#);
    assert_eq!(service.program.line("event "), r#"event {"flag_key":"a"}"#);
    assert_eq!(request(&mut service.program), "request POST /api/v1/sdk/events 202 14 bytes");
    let url = format!("{}/sdk/ruleset", service.base_url);
    exchange("GET", &url, &[], "");
    assert!(request(&mut service.program).starts_with("request GET /api/v1/sdk/ruleset 401 "));
    exchange("HEAD", &url, &[("X-API-Key", KEY)], "");
    assert_eq!(request(&mut service.program), "request HEAD /api/v1/sdk/ruleset 405 0 bytes");
    // The key is in no line.
    let all = service.program.untaken().concat();
    assert!(!all.contains(KEY) && !all.contains("secret"), "{all}");
}

#[test]
fn an_invalid_request_has_a_line() {
    let folder = Folder::new("serve-log-invalid");
    let mut service = Service::with_flags(&folder);
    let address = service.base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let address = address.to_owned();
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        let mut response = String::new();
        // The server may reset the connection after its response.
        let _ = stream.read_to_string(&mut response);
    };
    send(b"nonsense\r\n\r\n");
    assert_eq!(request(&mut service.program), "request - - 400 0 bytes");
    send(b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(request(&mut service.program), "request - - 413 0 bytes");
    // A path is cut, and cannot control a terminal or end the line.
    let path = format!("/\u{1b}[31m\u{202e}{}", "x".repeat(5000));
    send(format!("GET {path} HTTP/1.1\r\nX-API-Key: k\r\n\r\n").as_bytes());
    let line = request(&mut service.program);
    assert!(line.starts_with(r"request GET /\u{1b}[31m\u{202e}xxx"), "{line}");
    assert!(line.contains("xxx… 404 ") && line.len() < 300, "{line}");
}

#[test]
fn changes_of_the_file_have_the_words_of_watch() {
    let folder = Folder::new("serve-log-changes");
    for options in [&[][..], &["--self-hosted"]] {
        folder.write("flags.json", FLAGS);
        let arguments = [&["flags.json", "--port", "0"], options].concat();
        let mut service = Service::start_with(&folder, &arguments);
        folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
        service.get("/sdk/ruleset", &[]);
        assert_eq!(service.program.line("reloaded"), "reloaded `flags.json`: version 2");
        let change = without_time(&service.program.line("\t"));
        assert_eq!(change, "changed\tproduct-recommendations\toff → on");
        // Only white space differs.
        folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\" "));
        service.get("/sdk/ruleset", &[]);
        assert_eq!(service.program.line("reloaded"), "reloaded `flags.json`: version 3");
        folder.write("flags.json", "[");
        service.get("/sdk/ruleset", &[]);
        service.program.line("failed to load `flags.json`");
        folder.write("flags.json", "[]");
        service.get("/sdk/ruleset", &[]);
        for _ in 0..8 {
            assert!(without_time(&service.program.line("\tremoved\t")).starts_with("removed\t"));
        }
        let untaken = service.program.untaken();
        assert!(!untaken.iter().any(|line| line.contains("\tchanged\t")), "{untaken:?}");
    }
}

#[test]
fn the_readme_shows_the_lines_of_the_log() {
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").find(|block| block.starts_with("serving")).unwrap();
    let shown: Vec<_> = shown.split("```").next().unwrap().lines().collect();
    let folder = Folder::new("serve-log-readme");
    std::fs::create_dir_all(folder.path.join("examples")).unwrap();
    folder.write("examples/flags.json", FLAGS);
    let mut service = Service::start(&folder, "examples/flags.json");
    service.get("/sdk/ruleset", &[]);
    let event = shown[3].strip_prefix("event ").unwrap();
    service.post("/sdk/events", &format!(r#"{{"events": [{event}]}}"#));
    folder.write("examples/flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    service.get("/sdk/ruleset", &[]);
    for line in shown {
        let printed = match line.split([' ', '\t']).collect::<Vec<_>>()[..2] {
            ["serving", _] => format!("serving {}", service.base_url),
            ["page", _] => format!("page {}", service.page()),
            [_, part] => service.program.line(part),
            _ => unreachable!(),
        };
        assert_eq!(without_numbers(&printed), without_numbers(line));
    }
}

/// Returns a line with 0 for each number: times and sizes differ.
fn without_numbers(line: &str) -> String {
    let mut masked = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' | '.' if masked.ends_with('0') => {}
            '0'..='9' | '.' => masked.push('0'),
            other => masked.push(other),
        }
    }
    masked
}

#[test]
fn quiet_prints_the_addresses_and_errors() {
    let folder = Folder::new("serve-log-quiet");
    folder.write("flags.json", FLAGS);
    let arguments = ["flags.json", "--port", "0", "--quiet"];
    let mut service = Service::start_with(&folder, &arguments);
    service.program.line("page http://");
    service.get("/sdk/ruleset", &[]);
    service.post("/sdk/events", r#"{"events": [{"flag_key": "a"}]}"#);
    folder.write("flags.json", "[]");
    service.get("/sdk/ruleset", &[]);
    folder.write("flags.json", "[");
    service.get("/sdk/ruleset", &[]);
    service.program.line("phaseflag: failed to load `flags.json`");
    assert_eq!(service.program.untaken(), [""; 0]);
}

#[test]
fn json_and_quiet_exclude_each_other() {
    let folder = Folder::new("serve-log-both");
    folder.write("flags.json", FLAGS);
    let errors =
        "phaseflag: `--json` and `--quiet` cannot be combined (see `phaseflag serve --help`)\n";
    let arguments = ["serve", "flags.json", "--port", "0", "--json", "--quiet"];
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(2, "", errors));
}

/// Each line of `--json` is an object, also of invalid requests.
#[test]
fn json_has_an_object_for_each_line() {
    let folder = Folder::new("serve-log-json");
    folder.write("flags.json", FLAGS);
    let arguments = ["flags.json", "--port", "0", "--json", "--self-hosted"];
    let mut service = Service::start_with(&folder, &arguments);
    service.post("/sdk/events", r#"{"events": [{"flag_key": "\u001b\u202e"}]}"#);
    folder.write("flags.json", "[]");
    service.get("/sdk/nothing", &[]);
    service.program.line("/sdk/nothing");
    for line in service.program.untaken() {
        let object: Value = line.parse().unwrap_or_else(|_| panic!("{line}"));
        let what = object["what"].as_str().unwrap();
        assert!(["event", "request", "reloaded", "removed", "segment-removed"].contains(&what));
        assert!(object["time"].as_str().is_some(), "{line}");
        if what == "event" {
            assert_eq!(object["event"]["flag_key"].as_str(), Some("\u{1b}\u{202e}"), "{line}");
        }
    }
    assert!(service.program.untaken().len() > 8);
}
