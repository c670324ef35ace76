//! Waits for a service: what is said meanwhile, which failures end them, and `--wait`.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    FLAGS, Folder, KEY, NOBODY, Outcome, Port, Program, Service, once_equal, outcome, refused, run,
};

/// A server that gives each request the next response, and the last one to all others. `None`
/// leaves the request without one.
fn server(responses: Vec<Option<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for (request, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            match &responses[request.min(responses.len() - 1)] {
                Some(response) => respond(&stream, response),
                None => open.push(stream),
            }
        }
    });
    url
}

/// Reads a request, and responds.
fn respond(mut stream: &TcpStream, response: &str) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    // The client may have closed the connection.
    let _ = stream.write_all(response.as_bytes());
}

fn status(line: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
}

fn rules() -> Option<String> {
    let length = FLAGS.len();
    Some(format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{FLAGS}"))
}

fn get(folder: &Folder, url: &str, arguments: &[&str]) -> Outcome {
    let mut command = folder.phaseflag(&["get", "ui-theme", "--no-cache"]);
    // A name server that does not respond takes seconds instead of up to a minute.
    command.env("RES_OPTIONS", "timeout:1 attempts:1");
    run(command.args(arguments).env("PHASEFLAG_BASE_URL", url).env("PHASEFLAG_API_KEY", KEY))
}

/// A failure that will not pass does not wait for the timeout of a minute.
#[test]
fn a_sure_failure_ends_the_wait() {
    let folder = Folder::new("waiting-sure");
    let refused_key = Folder::new("waiting-key");
    refused_key.write("flags.json", FLAGS);
    let arguments = ["flags.json", "--port", "0", "--key", "other"];
    let with_key = Service::start_with(&refused_key, &arguments);
    let unknown = "http://nowhere.invalid/api/v1".to_owned();
    for (url, cause) in [
        (NOBODY.to_owned(), refused()),
        (unknown, "failed to reach `http://nowhere.invalid/api/v1/sdk/ruleset`: io: ".to_owned()),
        (server(vec![status("404 Not Found")]), "responded with status 404".to_owned()),
        (server(vec![status("302 Found")]), "redirects are not followed".to_owned()),
        (
            server(vec![status("429 Too Many Requests\r\nretry-after: 3000")]),
            "responded with status 429".to_owned(),
        ),
        (
            server(vec![status("400 Bad Request")]).replace("http:", "https:"),
            "does not respond with TLS".to_owned(),
        ),
        (server(vec![status("200 OK")]), "responded with an invalid ruleset".to_owned()),
        (with_key.base_url.clone(), "the service refused the API key".to_owned()),
    ] {
        let start = Instant::now();
        let failed = get(&folder, &url, &["--timeout", "60"]);
        assert!(start.elapsed() < Duration::from_secs(30), "{url}");
        assert_eq!((failed.status, failed.output.as_str()), (2, ""), "{url}");
        let last = failed.errors.lines().last().unwrap();
        assert!(last.contains(&cause), "{url}: {failed:?}");
        // The cause comes first, after what may have been said meanwhile.
        let begin = ["phaseflag: failed to reach `", "phaseflag: `", "phaseflag: the service"];
        assert!(begin.iter().any(|begin| last.starts_with(begin)), "{failed:?}");
    }
}

#[test]
fn a_failure_that_may_pass_is_waited_for() {
    let folder = Folder::new("waiting-passing");
    for line in [
        "503 Service Unavailable",
        "500 Internal Server Error",
        "429 Too Many Requests",
        "429 Too Many Requests\r\nretry-after: 1",
    ] {
        let url = server(vec![status(line), rules()]);
        let got = get(&folder, &url, &["--timeout", "60"]);
        assert_eq!((got.status, got.output.as_str()), (0, "light\n"), "{line}: {got:?}");
        let url = server(vec![status(line), rules()]);
        let mut pull = folder.phaseflag(&["pull", "--timeout", "60"]);
        let pulled = run(pull.env("PHASEFLAG_BASE_URL", url).env("PHASEFLAG_API_KEY", KEY));
        assert_eq!((pulled.status, pulled.output.as_str()), (0, FLAGS), "{line}: {pulled:?}");
    }
}

#[test]
fn a_failure_that_lasts_until_the_timeout_is_the_error() {
    let folder = Folder::new("waiting-timeout");
    let busy = server(vec![status("503 Service Unavailable")]);
    // The first response comes in this time, also on a busy machine.
    let failed = get(&folder, &busy, &["--timeout", "5"]);
    let error = format!("phaseflag: `{busy}/sdk/ruleset` responded with status 503\n");
    assert_eq!(failed, outcome(2, "", &error));
    let silent = server(vec![None]);
    let error =
        format!("phaseflag: failed to get a response from `{silent}/sdk/ruleset` within 300ms\n");
    // The failure has a second to arrive.
    once_equal(outcome(2, "", &error), || get(&folder, &silent, &["--timeout", "0.3"]));
}

#[test]
fn wait_waits_for_failures_that_usually_last() {
    let folder = Folder::new("waiting-on");
    for line in ["404 Not Found", "400 Bad Request", "302 Found"] {
        let url = server(vec![status(line), rules()]);
        let got = get(&folder, &url, &["--timeout", "60", "--wait"]);
        assert_eq!((got.status, got.output.as_str()), (0, "light\n"), "{line}: {got:?}");
        // Also with rules that could be used.
        folder.write("dark.json", &FLAGS.replace("\"light\"", "\"bright\""));
        let url = server(vec![status(line), rules()]);
        let got = get(&folder, &url, &["--timeout", "60", "--wait", "-b", "dark.json"]);
        assert_eq!((got.status, got.output.as_str()), (0, "light\n"), "{line}: {got:?}");
        let url = server(vec![status(line), rules()]);
        let mut pull = folder.phaseflag(&["pull", "--wait", "--timeout", "60"]);
        pull.env("PHASEFLAG_BASE_URL", &url).env("PHASEFLAG_API_KEY", KEY);
        let pulled = run(&mut pull);
        assert_eq!((pulled.status, pulled.output.as_str()), (0, FLAGS), "{line}");
    }
    // A service that starts later, at an address that was free.
    folder.write("flags.json", FLAGS);
    let port = Port::hold();
    let url = port.base_url();
    let mut waiting = folder.phaseflag(&["get", "ui-theme", "--wait", "--timeout", "60"]);
    waiting.env("PHASEFLAG_BASE_URL", &url).env("PHASEFLAG_API_KEY", KEY);
    let mut waiting = Program::start(&mut waiting);
    waiting.line(&format!("phaseflag: waiting for `{url}`: "));
    let _service = Service::start_on(&port, &folder, "flags.json");
    assert_eq!(waiting.line(""), "light");
    assert_eq!(waiting.end().code(), Some(0));
}

#[test]
fn wait_ends_at_the_timeout() {
    let folder = Folder::new("waiting-end");
    let missing = server(vec![status("404 Not Found")]);
    let error = format!("phaseflag: `{missing}/sdk/ruleset` responded with status 404\n");
    let failed = get(&folder, &missing, &["--timeout", "5", "--wait"]);
    assert_eq!(failed, outcome(2, "", &error));
    let mut pull = folder.phaseflag(&["pull", "--wait", "--timeout", "5"]);
    pull.env("PHASEFLAG_BASE_URL", &missing).env("PHASEFLAG_API_KEY", KEY);
    assert_eq!(run(&mut pull), outcome(2, "", &error));
}

/// After a second, one line says who is waited for and why.
#[test]
fn a_wait_is_not_silent() {
    let folder = Folder::new("waiting-silent");
    let silent = server(vec![None]);
    let failing = server(vec![status("503 Service Unavailable")]);
    let pipe = |arguments: &[&str]| {
        let mut command = folder.phaseflag(arguments);
        command.args(["--timeout", "60"]).env("PHASEFLAG_API_KEY", KEY);
        command
    };
    for (arguments, url, line) in [
        (&["list"][..], &silent, format!("waiting for `{silent}`: no response yet")),
        (
            &["list"],
            &failing,
            format!("waiting for `{failing}`: `{failing}/sdk/ruleset` responded with status 503"),
        ),
        (&["pull"], &silent, format!("fetching the rules from `{silent}`")),
        (
            &["pull"],
            &failing,
            format!(
                "fetching the rules from `{failing}`: \
                 `{failing}/sdk/ruleset` responded with status 503"
            ),
        ),
        // Windows tries a refused connection again for up to two seconds.
        #[cfg(not(windows))]
        (
            &["list", "--wait"],
            &NOBODY.to_owned(),
            format!(
                "waiting for `{NOBODY}`: failed to reach `{NOBODY}/sdk/ruleset`: io: {}",
                refused()
            ),
        ),
    ] {
        // On a busy machine, the first failure may come after the line.
        once_equal(format!("phaseflag: {line}"), || {
            let mut command = pipe(arguments);
            let mut program = Program::start(command.env("PHASEFLAG_BASE_URL", url));
            let line = program.line("");
            assert_eq!(program.untaken(), [""; 0]);
            line
        });
    }
}

/// `get --json` tells why the default is served.
#[test]
fn a_default_has_its_reason() {
    let folder = Folder::new("waiting-default");
    folder.write("flags.json", FLAGS);
    let service = Service::start_with(&folder, &["flags.json", "--port", "0", "--key", KEY]);
    let missing = server(vec![status("404 Not Found")]);
    for (url, key, flag, timeout, reason) in [
        (&service.base_url, "other", "ui-theme", "60", "key_refused"),
        (&missing, KEY, "ui-theme", "60", "not_ready"),
        (&server(vec![None]), KEY, "ui-theme", "0.5", "not_ready"),
        (&service.base_url, KEY, "none", "60", "flag_not_found"),
    ] {
        let mut command = folder.phaseflag(&["get", flag, "--json", "--default", "50"]);
        command.args(["--timeout", timeout, "--no-cache", "--base-url", url, "--api-key", key]);
        let got = run(&mut command);
        let expected =
            format!(r#"{{"key":"{flag}","reason":"{reason}","value":50,"variation_key":null}}"#);
        assert_eq!((got.status, got.output), (0, expected + "\n"), "{reason}");
        assert_eq!(got.errors.is_empty(), reason == "flag_not_found", "{reason}: {}", got.errors);
    }
}

/// A setting that is wrong is an error, whatever the default.
#[test]
fn no_default_replaces_a_wrong_setting() {
    let folder = Folder::new("waiting-settings");
    folder.write("flags.json", FLAGS);
    folder.write("broken.json", "{");
    for arguments in [
        &["--base-url", "localhost:8000", "--api-key", KEY][..],
        &["--base-url", NOBODY],
        &["--base-url", NOBODY, "--api-key", "a\nb"],
        &["--base-url", NOBODY, "--api-key", KEY, "--ca", "missing.pem"],
        &["--base-url", NOBODY, "--api-key", KEY, "--ca", "broken.json"],
        &["--base-url", NOBODY, "--api-key", KEY, "--timeout", "0"],
        &["--base-url", NOBODY, "--api-key", KEY, "--timeout", "0.3", "-b", "broken.json"],
        &["-b", "flags.json", "--timeout", "soon"],
        &["-b", "flags.json", "--max-age", "-1"],
        &["-b", "flags.json", "--cache-dir", ""],
        &["-b", "missing.json"],
        &["-b", "broken.json"],
        &[],
    ] {
        let mut command = folder.phaseflag(&["get", "ui-theme", "--json", "--default", "50"]);
        let got = run(command.args(arguments));
        assert_eq!((got.status, got.output.as_str()), (2, ""), "{arguments:?} {got:?}");
        assert_ne!(got.errors, "", "{arguments:?}");
    }
}

#[cfg(unix)]
mod in_a_terminal {
    use std::collections::BTreeSet;
    use std::sync::mpsc::{self, Sender};

    use super::*;
    use crate::support::terminal::InTerminal;

    /// A server that holds its first response until the test releases it.
    fn server_that_waits() -> (String, Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let (go, gone) = mpsc::channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            gone.recv().unwrap();
            respond(&stream, &rules().unwrap());
        });
        (url, go)
    }

    /// The line is updated each second, fits, and is removed at the end.
    #[test]
    fn a_wait_shows_its_time() {
        let folder = Folder::new("waiting-terminal");
        for (arguments, line) in [
            (&["list", "--no-cache"][..], "waiting for `http://127.0.0.1"),
            (&["pull"], "fetching the rules from `http://127.0.0.1"),
        ] {
            let (url, go) = server_that_waits();
            let mut command = folder.phaseflag(arguments);
            command.args(["--timeout", "60", "--base-url", &url, "--api-key", KEY]);
            let terminal = InTerminal::start(command, 100, "xterm");
            terminal.wait_for(line);
            terminal.wait_until("two times", |shown| {
                let times = shown.split(" (").filter_map(|rest| Some(rest.split_once(" s)")?.0));
                times.collect::<BTreeSet<_>>().len() > 1
            });
            go.send(()).unwrap();
            let (status, shown) = terminal.end();
            assert_eq!(status, Some(0), "{shown}");
            assert!(shown.ends_with("\r\x1b[K") && !shown.contains('\n'), "{shown:?}");
        }
    }

    #[test]
    fn a_narrow_terminal_shows_the_start_of_the_line() {
        let folder = Folder::new("waiting-narrow");
        let (url, go) = server_that_waits();
        let mut command = folder.phaseflag(&["pull", "--timeout", "60", "--base-url", &url]);
        command.args(["--api-key", KEY]);
        let terminal = InTerminal::start(command, 20, "xterm");
        terminal.wait_for("\r\x1b[Kfetching the rules…\r");
        go.send(()).unwrap();
        assert_eq!(terminal.end().0, Some(0));
    }

    #[test]
    fn a_dumb_terminal_gets_one_line() {
        let folder = Folder::new("waiting-dumb");
        let (url, go) = server_that_waits();
        let mut command = folder.phaseflag(&["pull", "--timeout", "60", "--base-url", &url]);
        command.args(["--api-key", KEY]);
        let terminal = InTerminal::start(command, 80, "dumb");
        terminal.wait_for("\n");
        go.send(()).unwrap();
        let line = format!("phaseflag: fetching the rules from `{url}`\n");
        assert_eq!(terminal.end(), (Some(0), line));
    }

    /// Each user takes so many conditions that a second passes.
    #[test]
    fn a_long_count_shows_how_much_is_done() {
        let folder = Folder::new("waiting-split");
        let condition = r#"{"attribute": "user_id", "operator": "not_contains", "value": "xy"}"#;
        let count = if cfg!(debug_assertions) { 80 } else { 800 };
        let conditions = vec![condition; count].join(",");
        folder.write(
            "rules.json",
            &format!(r#"[{{"key": "a", "targeting_rules": [{{"conditions": [{conditions}]}}]}}]"#),
        );
        let split = ["split", "a", "--users", "users.txt", "-b", "rules.json"];
        // A fast machine counts more users in a second.
        let counts = [200_000, 1_000_000, 5_000_000];
        let mut shown = counts.iter().map(|count| {
            let users = (0..*count).map(|user| format!("user-number-{user}\n"));
            folder.write("users.txt", &users.collect::<String>());
            let terminal = InTerminal::start(folder.phaseflag(&split), 80, "xterm");
            let (status, shown) = terminal.end();
            assert_eq!(status, Some(0), "{shown}");
            shown
        });
        let shown = shown.find(|shown| !shown.is_empty()).expect("a report");
        let percent =
            shown.split("counting users: ").nth(1).and_then(|rest| rest.split('%').next());
        assert!(percent.unwrap().parse::<u8>().unwrap() <= 100, "{shown:?}");
        assert!(shown.ends_with("\r\x1b[K"), "{shown:?}");
        // A file gets no progress.
        assert_eq!(run(&mut folder.phaseflag(&split)).errors, "");
    }
}
