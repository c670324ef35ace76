//! Bootstrap rules from a file, a text and a URL.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use phaseflag::{BootstrapError, ClientState, Error, EvaluationContext};

use crate::logger;
use crate::support::{
    self, NEVER, RAPIDLY, Reply, SOON, Server, builder, ready, ruleset, started, wait_until,
};

const RULESET: &str = "/sdk/ruleset";

/// A file in its own directory. Both are removed on drop.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> File {
        let directory =
            std::env::temp_dir().join(format!("phaseflag-bootstrap-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("flags.json");
        fs::write(&path, content).expect("a file");
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().expect("its directory"));
    }
}

/// Starts a server whose service never responds, and which has a bootstrap.
fn bootstrap_only() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/bootstrap.json" => Reply::json(ruleset(0, &["b"])),
        path if path.ends_with(RULESET) => Reply::status(500),
        _ => Reply::status(404),
    })
}

#[test]
fn a_file_is_served_at_once_and_does_not_make_the_client_ready() {
    let file = File::new("served", ruleset(0, &["b"]));
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server).bootstrap_file(&file.0));
    assert!(client.get_boolean_value("b", false, None));
    assert_eq!(client.flags().len(), 1);
    assert!(!client.is_ready());
    assert_eq!(client.state(), ClientState::NotReady);
    assert!(matches!(
        client.wait_until_ready(Duration::from_millis(20)),
        Err(Error::NotReady { cause: None, .. })
    ));
}

#[test]
fn a_text_is_served_at_once_and_does_not_make_the_client_ready() {
    let server = Server::start(|_| Reply::Hang);
    let client = started(builder(&server).bootstrap_text(ruleset(0, &["b"])));
    assert!(client.get_boolean_value("b", false, None));
    assert!(!client.is_ready());
}

#[test]
fn nothing_is_read_before_the_start() {
    let file = File::new("unread", ruleset(0, &["b"]));
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).bootstrap_file(&file.0).build().unwrap();
    assert!(!client.get_boolean_value("b", false, None));
    fs::write(&file.0, ruleset(0, &["c"])).unwrap();
    client.start().unwrap();
    assert!(client.get_boolean_value("c", false, None));
}

#[test]
fn rules_of_the_service_replace_the_bootstrap() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).bootstrap_text(ruleset(0, &["b"])));
    assert!(client.get_boolean_value("a", false, None));
    assert_eq!(client.get_variation("b", None), None);
}

#[test]
fn the_last_bootstrap_setting_wins() {
    let file = File::new("last", ruleset(0, &["file"]));
    let server = Server::start(|_| Reply::Hang);
    let text = || ruleset(0, &["text"]);
    for (builder, key) in [
        (builder(&server).bootstrap_text(text()).bootstrap_file(&file.0), "file"),
        (builder(&server).bootstrap_file(&file.0).bootstrap_text(text()), "text"),
    ] {
        assert_eq!(started(builder).flags()[0].key(), key);
    }
}

#[test]
fn every_shape_of_document_is_read() {
    let flag = support::flag("b", true);
    let server = Server::start(|_| Reply::Hang);
    for text in [
        format!("[{flag}]"),
        format!("\u{feff}{{\"flags\": [{flag}]}}"),
        format!(r#"{{"data": {{"version": 1, "flags": [{flag}]}}}}"#),
        format!(
            r#"{{"version": "7", "flags": [{flag}], "generated_at": "x", "signature": "y",
                "segments": [{{"id": "s", "key": "k", "conditions": []}}]}}"#
        ),
    ] {
        let client = started(builder(&server).bootstrap_text(text));
        assert!(client.get_boolean_value("b", false, None));
    }
}

#[test]
fn an_unreadable_bootstrap_is_no_error_with_a_service() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    for builder in [
        builder(&server).bootstrap_file("/no/such/file"),
        builder(&server).bootstrap_text("[oops"),
        builder(&server).bootstrap_text(""),
    ] {
        let client = ready(builder);
        assert!(client.get_boolean_value("a", false, None));
    }
}

#[test]
fn offline_mode_is_ready_at_once_with_a_file_or_text() {
    let file = File::new("offline", ruleset(0, &["b"]));
    let server = Server::start(|_| Reply::Hang);
    for builder in [
        builder(&server).bootstrap_file(&file.0),
        builder(&server).bootstrap_text(ruleset(0, &["b"])),
    ] {
        let client = started(builder.offline_mode(true));
        assert!(client.is_ready());
        client.wait_until_ready(Duration::ZERO).unwrap();
        assert!(client.get_boolean_value("b", false, None));
    }
}

#[test]
fn offline_mode_is_ready_after_every_source_has_failed() {
    for trouble in [Reply::status(500), Reply::json("[oops"), Reply::Raw(Vec::new())] {
        let shown = format!("{trouble:?}");
        let server = Server::start(move |_| trouble.clone());
        for (builder, requests) in [
            (builder(&server), 1),
            (builder(&server).bootstrap_text("[oops"), 1),
            (builder(&server).bootstrap_url("/bootstrap.json"), 2),
        ] {
            let before = server.requests().len();
            let client = started(builder.offline_mode(true).polling_interval(NEVER));
            client.wait_until_ready(SOON).unwrap();
            assert!(server.requests().len() >= before + requests, "{shown}");
            assert!(client.flags().is_empty(), "{shown}");
            // A thread that sees the client ready can read why there are no rules.
            assert!(matches!(client.state(), ClientState::Stale { age: None, .. }), "{shown}");
            assert!(client.statistics().last_failure.is_some(), "{shown}");
        }
    }
}

#[test]
fn offline_mode_is_ready_even_if_the_key_is_refused() {
    // Repeated, because the order of the threads varies.
    for _ in 0..20 {
        let server = Server::start(|request| match request.path.as_str() {
            "/bootstrap.json" => Reply::json(ruleset(0, &["b"])),
            _ => Reply::status(401),
        });
        let client = started(builder(&server).offline_mode(true).bootstrap_url("/bootstrap.json"));
        client.wait_until_ready(SOON).unwrap();
        assert!(client.get_boolean_value("b", false, None));
    }
}

#[test]
fn offline_mode_waits_for_the_bootstrap_url() {
    let (respond, may_respond) = std::sync::mpsc::channel();
    let may_respond = std::sync::Mutex::new(may_respond);
    let server = Server::start(move |request| match request.path.as_str() {
        "/bootstrap.json" => {
            let _: Result<(), _> = may_respond.lock().unwrap().recv();
            Reply::json(ruleset(0, &["b"]))
        }
        _ => Reply::status(500),
    });
    let client = started(builder(&server).offline_mode(true).bootstrap_url("/bootstrap.json"));
    server.wait_for(1, "/bootstrap.json");
    assert!(!client.is_ready());
    drop(respond);
    client.wait_until_ready(SOON).unwrap();
    assert!(client.get_boolean_value("b", false, None));
}

#[test]
fn offline_mode_is_ready_with_the_first_fetch_too() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).offline_mode(true));
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn offline_mode_keeps_polling() {
    let server = bootstrap_only();
    let client = ready(
        builder(&server)
            .offline_mode(true)
            .polling_interval(RAPIDLY)
            .bootstrap_text(ruleset(0, &["b"])),
    );
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    wait_until("a", || client.get_boolean_value("a", false, None));
}

#[test]
fn the_bootstrap_url_is_requested_only_if_the_service_failed() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    ready(builder(&server).bootstrap_url("/bootstrap.json").polling_interval(NEVER));
    assert_eq!(server.requests().len(), 1);

    let server = bootstrap_only();
    let client = started(builder(&server).bootstrap_url("/bootstrap.json"));
    wait_until("b", || client.get_boolean_value("b", false, None));
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths[..2], ["/api/v1/sdk/ruleset", "/bootstrap.json"]);
    assert!(!client.is_ready());
}

#[test]
fn the_bootstrap_url_is_requested_only_without_rules() {
    let server = bootstrap_only();
    let client = started(
        builder(&server).bootstrap_text(ruleset(0, &["text"])).bootstrap_url("/bootstrap.json"),
    );
    server.wait_for(2, RULESET);
    assert!(client.get_boolean_value("text", false, None));
    assert_eq!(server.requests_to("/bootstrap.json").len(), 0);

    let client = started(builder(&server).bootstrap_text("[oops").bootstrap_url("/bootstrap.json"));
    wait_until("b", || client.get_boolean_value("b", false, None));
}

#[test]
fn the_bootstrap_url_is_requested_once_if_it_returns_rules() {
    let server = bootstrap_only();
    let client = started(builder(&server).bootstrap_url("/bootstrap.json"));
    wait_until("b", || client.get_boolean_value("b", false, None));
    server.wait_for(3, RULESET);
    assert_eq!(server.requests_to("/bootstrap.json").len(), 1);
}

#[test]
#[cfg(feature = "http")]
fn failures_of_the_bootstrap_url_are_logged_once() {
    logger::listen();
    let server = Server::start(|_| Reply::status(500));
    let path = "/logged-once.json";
    let settings = builder(&server).bootstrap_url(path).request_timeout(SOON);
    let client = started(settings.polling_interval(RAPIDLY));
    server.wait_for(5, path);
    client.stop();
    let url = format!("http://{}{path}", server.address());
    let mut warnings = logger::warnings_with(&url);
    warnings.retain(|line| line.starts_with("failed to fetch the bootstrap: "));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with(&format!("`{url}` responded with status 500")), "{warnings:?}");
}

#[test]
fn rules_of_the_service_replace_those_of_the_bootstrap_url() {
    let server = bootstrap_only();
    let client =
        started(builder(&server).polling_interval(RAPIDLY).bootstrap_url("/bootstrap.json"));
    wait_until("b", || client.get_boolean_value("b", false, None));
    assert!(!client.is_ready());
    server.respond(|_| Reply::json(ruleset(1, &["a"])));
    client.wait_until_ready(SOON).unwrap();
    assert!(client.get_boolean_value("a", false, None));
}

#[test]
fn the_key_is_sent_only_to_the_same_origin() {
    let service = bootstrap_only();
    let elsewhere = bootstrap_only();
    let own = format!("http://{}/bootstrap.json", service.address());
    let other_name = own.replace("127.0.0.1", "localhost");
    let other_port = format!("http://{}/bootstrap.json", elsewhere.address());
    for (url, server, key) in [
        ("/bootstrap.json", &service, Some("sdk-dev-1")),
        (own.as_str(), &service, Some("sdk-dev-1")),
        (other_name.as_str(), &service, None),
        (other_port.as_str(), &elsewhere, None),
    ] {
        let before = server.requests_to("/bootstrap.json").len();
        let client = started(builder(&service).bootstrap_url(url));
        wait_until(url, || client.get_boolean_value("b", false, None));
        let requests = server.requests_to("/bootstrap.json");
        assert_eq!(requests.len(), before + 1, "{url}");
        let request = requests.last().unwrap();
        assert_eq!(request.header("x-api-key"), key, "{url}");
        assert_eq!(request.method, "GET");
    }
    assert!(
        elsewhere
            .requests()
            .iter()
            .all(|request| { !format!("{request:?}").contains("sdk-dev-1") })
    );
}

#[test]
fn a_redirect_does_not_carry_the_key() {
    let elsewhere = bootstrap_only();
    let target = format!("http://{}/bootstrap.json", elsewhere.address());
    let service = Server::start(move |_| Reply::status(302).with("location", &target));
    let client = started(builder(&service).offline_mode(true).bootstrap_url("/bootstrap.json"));
    client.wait_until_ready(SOON).unwrap();
    let paths: Vec<_> = service.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths[..2], ["/api/v1/sdk/ruleset", "/bootstrap.json"]);
    assert_eq!(elsewhere.requests().len(), 0);
    let failure = || client.statistics().last_failure;
    wait_until("a failure", || failure().is_some());
    assert_eq!(failure().unwrap().status(), Some(302));
}

#[test]
fn an_unreadable_bootstrap_is_an_error_without_a_service() {
    let file = File::new("malformed", r#"{"flags": "#);
    for (builder, place) in [
        (
            phaseflag::PhaseFlagClient::builder("", "").bootstrap_file("/no/such/file"),
            "/no/such/file".to_owned(),
        ),
        (
            phaseflag::PhaseFlagClient::builder("", "").bootstrap_file(&file.0),
            file.0.display().to_string(),
        ),
        (
            phaseflag::PhaseFlagClient::builder("", "").bootstrap_text("{}"),
            "bootstrap_text".to_owned(),
        ),
    ] {
        for offline in [false, true] {
            let client = builder.clone().offline_mode(offline).build().unwrap();
            match client.start().unwrap_err() {
                Error::Bootstrap { location, cause, .. } => {
                    assert_eq!(location, place);
                    assert_eq!(
                        matches!(cause, BootstrapError::Io { .. }),
                        place.starts_with("/no")
                    );
                }
                other => panic!("{other:?}"),
            }
            assert!(!client.is_ready());
            assert!(client.get_boolean_value("b", true, None));
        }
    }
}

#[test]
fn a_failed_start_can_be_retried() {
    let file = File::new("again", "[oops");
    let client =
        phaseflag::PhaseFlagClient::builder("", "").bootstrap_file(&file.0).build().unwrap();
    client.start().unwrap_err();
    fs::write(&file.0, ruleset(0, &["b"])).unwrap();
    client.start().unwrap();
    assert!(client.is_ready());
    assert!(client.get_boolean_value("b", false, None));
}

#[test]
fn a_malformed_flag_in_the_bootstrap_does_not_affect_the_others() {
    let text = format!(r#"[{}, {{"flag_type": "boolean"}}, 7]"#, support::flag("b", true));
    let client = ready(phaseflag::PhaseFlagClient::builder("", "").bootstrap_text(text));
    assert_eq!(client.flags().len(), 1);
    assert_eq!(client.ruleset().unwrap().problems().len(), 2);
    let context = EvaluationContext::new();
    assert!(client.get_boolean_value("b", false, &context));
}

#[test]
fn in_offline_mode_the_client_is_ready_when_listeners_hear_of_the_bootstrap_url() {
    let server = Server::start(|request| match request.path.as_str() {
        "/bootstrap.json" => Reply::json(ruleset(0, &["b"])),
        _ => Reply::status(503),
    });
    let client =
        builder(&server).offline_mode(true).bootstrap_url("/bootstrap.json").build().unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    let own = client.clone();
    client.on_flags_changed(move |_| said.send(own.is_ready()).unwrap());
    client.start().unwrap();
    assert!(heard.recv_timeout(SOON).unwrap());
    client.stop();
}
