//! The text of each error and its causes, each provoked by its situation.

use std::error::Error as StdError;
use std::fs;
use std::process::Command;
use std::time::Duration;

use phaseflag::{ClientBuilder, Error, EvaluationEvent, PhaseFlagClient, RequestError, Ruleset};

use crate::support::{
    RAPIDLY, Reply, SOON, Server, builder, refusing_address, ruleset, started, wait_until,
};

/// Returns the texts of the error and its causes.
fn chain(error: &dyn StdError) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts
}

fn settings() -> ClientBuilder {
    PhaseFlagClient::builder("http://localhost:8000/api/v1", "sdk-dev-1")
}

fn at(url: &str) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1")
}

fn with_key(key: &str) -> ClientBuilder {
    PhaseFlagClient::builder("http://localhost:8000/api/v1", key)
}

/// Evaluates the flag `checkout` by a service with this response.
fn evaluate(reply: Reply) -> (Server, Error) {
    let server = Server::start(move |_| reply.clone());
    let client = builder(&server).build().unwrap();
    let error = client.evaluate("checkout", None).unwrap_err();
    (server, error)
}

/// Returns the last failure of a client that polls a service with this response.
fn poll(settings: impl FnOnce(ClientBuilder) -> ClientBuilder, reply: Reply) -> (String, Error) {
    let server = Server::start(move |_| reply.clone());
    let client = started(settings(builder(&server)));
    wait_until("a failure", || client.statistics().last_failure.is_some());
    let error = client.wait_until_ready(Duration::ZERO).unwrap_err();
    (server.url(), error)
}

#[test]
fn invalid_settings_are_refused_by_name() {
    let (zero, almost) = (Duration::ZERO, Duration::from_nanos(9_999_999));
    let watching = |interval| at("").bootstrap_file("flags.json").bootstrap_watch(interval);
    for (builder, reason) in [
        (at("nonsense"), "`base_url` is not a URL with a scheme and a host"),
        (at("localhost/api/v1"), "`base_url` is not a URL"),
        (at("localhost:8000/api/v1"), "`base_url` is not a URL"),
        (at("/api/v1"), "`base_url` is not a URL with a scheme and a host"),
        (at("http://"), "`base_url` is not a URL with a scheme and a host"),
        (at("/"), "`base_url` is not a URL"),
        (at("http://exa mple.com"), "`base_url` is not a URL"),
        (at("http://:80/api/v1"), "`base_url` has no host: `http://:80/api/v1`"),
        (at("http://localhost:99999"), "`base_url` has no valid port: `http://localhost:99999`"),
        (
            at("ftp://localhost/api/v1"),
            "`base_url` must begin with http:// or https://: `ftp://localhost/api/v1`",
        ),
        (at("http://localhost/api/v1?key=1"), "`base_url` must not contain a query or a fragment"),
        (at("http://localhost/api/v1#top"), "`base_url` must not contain a query or a fragment"),
        (at("http://user:secret@localhost/api/v1"), "`base_url` must not contain credentials"),
        (with_key(""), "`api_key` must not be empty"),
        (with_key("sdk-dev-1\n"), "`api_key` contains characters that are not allowed in a header"),
        (with_key("sdk\0dev"), "`api_key` contains characters that are not allowed in a header"),
        (settings().environment(""), "`environment` must not be empty"),
        (at("").environment(""), "`environment` must not be empty"),
        (settings().request_timeout(zero), "`request_timeout` must not be zero"),
        (at("").request_timeout(zero), "`request_timeout` must not be zero"),
        (settings().max_body_size(0), "`max_body_size` must not be zero"),
        (at("").max_body_size(0), "`max_body_size` must not be zero"),
        (
            settings().streaming(true).polling_interval(zero),
            "`streaming` needs a `polling_interval` that is not zero",
        ),
        (
            settings().polling_interval(Duration::from_nanos(1)),
            "`polling_interval` must be zero or at least 10ms, not 1ns",
        ),
        (
            settings().polling_interval(almost),
            "`polling_interval` must be zero or at least 10ms, not 9.999999ms",
        ),
        (
            at("").polling_interval(Duration::from_micros(30)),
            "`polling_interval` must be zero or at least 10ms, not 30µs",
        ),
        (watching(zero), "`bootstrap_watch` must not be zero"),
        (watching(almost), "`bootstrap_watch` must be at least 10ms, not 9.999999ms"),
        (watching(Duration::from_nanos(5)), "`bootstrap_watch` must be at least 10ms, not 5ns"),
        (at("").bootstrap_file(""), "`bootstrap_file` must not be empty"),
        (settings().event_flush_interval(zero), "`event_flush_interval` must not be zero"),
        (settings().event_queue_capacity(0), "`event_queue_capacity` must not be zero"),
        (settings().event_batch_size(0), "`event_batch_size` must not be zero"),
        (
            settings().event_batch_size(11).event_queue_capacity(10),
            "`event_batch_size` must not be larger than `event_queue_capacity`, which is 10",
        ),
        (
            settings().event_batch_size(10_001),
            "`event_batch_size` must not be larger than `event_queue_capacity`, which is 10000",
        ),
        (
            PhaseFlagClient::builder("", "").bootstrap_url("http://localhost/flags.json"),
            "`bootstrap_url` needs a `base_url`",
        ),
        (
            PhaseFlagClient::builder("", "").bootstrap_url("/flags.json"),
            "`bootstrap_url` needs a `base_url`",
        ),
        (
            settings().bootstrap_url("flags.json"),
            "`bootstrap_url` is not a URL with a scheme and a host",
        ),
        (settings().bootstrap_url("file:///flags.json"), "`bootstrap_url` is not a URL"),
        (
            settings().bootstrap_url("gopher://localhost/flags.json"),
            "`bootstrap_url` must begin with http:// or https://: `gopher://localhost/flags.json`",
        ),
        (
            settings().bootstrap_url("/flags.json?token=secret"),
            "`bootstrap_url` must not contain a query or a fragment",
        ),
        (
            settings().bootstrap_url("http://user:secret@localhost/flags.json"),
            "`bootstrap_url` must not contain credentials",
        ),
        (settings().proxy(""), "`proxy` is not a proxy URL"),
        (settings().proxy("a b"), "`proxy` is not a proxy URL"),
        (settings().proxy("ftp://localhost"), "`proxy` is not a proxy URL"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().expect_err(reason);
        assert!(matches!(error, Error::InvalidSetting { .. }));
        assert_eq!(chain(&error), [format!("failed to build client: {reason}")], "{shown}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn an_unusable_proxy_is_refused() {
    for url in [
        "socks5://localhost:1080",
        "socks4://localhost",
        "http://localhost:99999",
        "http://:3128",
        "http://user:secret@:3128",
    ] {
        match settings().proxy(url).build() {
            Err(error @ Error::InvalidSetting { .. }) => {
                let text = error.to_string();
                assert!(text.starts_with("failed to build client: `proxy` "), "{text}");
                assert!(!text.contains("secret"));
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn an_unusable_proxy_of_the_environment_is_refused() {
    if std::env::var_os("HTTP_PROXY").is_some_and(|url| url == "ftp://nowhere") {
        let error = settings().build().unwrap_err();
        assert_eq!(
            chain(&error),
            ["failed to build client: `proxy` from the variable HTTP_PROXY is not a proxy URL"]
        );
        return;
    }
    run_again(
        "errors::an_unusable_proxy_of_the_environment_is_refused",
        ("HTTP_PROXY", "ftp://nowhere"),
    );
}

/// Runs a test again in a separate process with this environment variable.
fn run_again(test: &str, (name, value): (&str, &str)) {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    for variable in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        child.env_remove(variable);
        child.env_remove(variable.to_ascii_lowercase());
    }
    let output = child
        .args(["--exact", test, "--test-threads=1"])
        .env(name, value)
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn invalid_certificates_are_refused() {
    let malformed = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [
        ("", "contains no certificate in PEM"),
        ("nonsense", "contains no certificate in PEM"),
        (malformed, "is malformed: "),
    ] {
        let result = settings().root_certificates_pem(pem).build();
        if cfg!(any(feature = "rustls", feature = "native-tls")) {
            let error = result.unwrap_err().to_string();
            let expected = format!("failed to build client: `root_certificates_pem` {reason}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn https_needs_a_feature() {
    let expected = "needs the feature `rustls` or `native-tls`";
    let base = at("https://localhost/api/v1").build();
    let bootstrap = settings().bootstrap_url("https://localhost/b").build();
    let proxy = settings().proxy("https://localhost:3128").build();
    if cfg!(any(feature = "rustls", feature = "native-tls")) {
        base.unwrap();
        bootstrap.unwrap();
        proxy.unwrap();
    } else {
        assert_eq!(
            base.unwrap_err().to_string(),
            format!("failed to build client: `base_url` {expected}: `https://localhost/api/v1`")
        );
        assert_eq!(
            bootstrap.unwrap_err().to_string(),
            format!("failed to build client: `bootstrap_url` {expected}: `https://localhost/b`")
        );
        let proxy = proxy.unwrap_err().to_string();
        assert!(proxy.starts_with("failed to build client: `proxy` "));
        assert!(proxy.ends_with(expected));
    }
}

#[test]
fn valid_settings_are_accepted() {
    let longest = Duration::MAX;
    for builder in [
        PhaseFlagClient::builder("", ""),
        PhaseFlagClient::builder("", "sdk-dev-1"),
        at("http://localhost"),
        at("http://localhost/"),
        at("HTTP://LOCALHOST:8000/api/v1/"),
        at("http://127.0.0.1:8000/api/v1"),
        at("http://[::1]:8000/api/v1"),
        settings().environment("production"),
        settings().bootstrap_url("/flags.json"),
        settings().bootstrap_url("http://elsewhere.example/flags.json"),
        settings().proxy("http://user:pass@localhost:3128"),
        settings().proxy("localhost:3128"),
        settings().event_batch_size(10).event_queue_capacity(10),
        settings().event_queue_capacity(usize::MAX),
        settings().max_body_size(usize::MAX),
        settings().max_body_size(1),
        settings().request_timeout(Duration::from_nanos(1)),
        settings().shutdown_timeout(Duration::ZERO),
        settings().polling_interval(Duration::ZERO),
        settings().polling_interval(Duration::from_millis(10)),
        at("").bootstrap_file("flags.json").bootstrap_watch(Duration::from_millis(10)),
        settings()
            .polling_interval(longest)
            .event_flush_interval(longest)
            .request_timeout(longest)
            .shutdown_timeout(longest),
    ] {
        let shown = format!("{builder:?}");
        assert!(builder.build().is_ok(), "{shown}");
    }
}

#[test]
fn an_unreadable_bootstrap_is_an_error() {
    let path = std::env::temp_dir().join(format!("phaseflag-errors-{}", std::process::id()));
    fs::write(&path, "{\"flags\": [\n  oops").unwrap();
    let file = path.display();
    for (builder, expected) in [
        (
            at("").bootstrap_file("/no/such/file"),
            [
                "failed to load bootstrap `/no/such/file`".to_owned(),
                // The error text of this system.
                fs::read("/no/such/file").unwrap_err().to_string(),
            ],
        ),
        (
            at("").bootstrap_file(&path),
            [
                format!("failed to load bootstrap `{file}`"),
                "failed to parse ruleset: an unexpected character where a value was expected at line 2, \
                 column 3"
                    .to_owned(),
            ],
        ),
        (
            at("").bootstrap_text("7"),
            [
                "failed to load bootstrap `bootstrap_text`".to_owned(),
                "failed to parse ruleset: expected a list of flags, found a number".to_owned(),
            ],
        ),
        (
            at("").bootstrap_text(r#"{"data": {"flags": {}}}"#),
            [
                "failed to load bootstrap `bootstrap_text`".to_owned(),
                "failed to parse ruleset: expected a list of flags at `data.flags`, found an object"
                    .to_owned(),
            ],
        ),
    ] {
        let error = builder.build().unwrap().start().unwrap_err();
        assert!(matches!(error, Error::Bootstrap { .. }));
        assert_eq!(chain(&error), expected);
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn an_invalid_ruleset_is_an_error() {
    for (text, expected) in [
        (
            "",
            "failed to parse ruleset: the end of the text where a value was expected at line 1, \
             column 1",
        ),
        ("{}", "failed to parse ruleset: expected a list of flags at `flags`, found nothing"),
        (
            r#"{"flags": true}"#,
            "failed to parse ruleset: expected a list of flags at `flags`, found a boolean",
        ),
        ("null", "failed to parse ruleset: expected a list of flags, found null"),
    ] {
        assert_eq!(chain(&Ruleset::parse(text).unwrap_err()), [expected]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_thread_that_cannot_be_started_is_an_error() {
    // No thread can have a stack of this size.
    const STACK: &str = "1125899906842624";
    if std::env::var_os("RUST_MIN_STACK").is_some_and(|size| size == STACK) {
        let client = settings().build().unwrap();
        let error = client.start().unwrap_err();
        assert!(matches!(error, Error::Thread { .. }));
        let texts = chain(&error);
        assert_eq!(texts[0], "failed to start thread");
        assert_eq!(texts.len(), 2);
        assert!(!client.is_ready());
        client.track_event(EvaluationEvent::new("a"));
        client.stop();
        assert_eq!(client.statistics().events.dropped_undelivered, 1);
        return;
    }
    run_again("errors::a_thread_that_cannot_be_started_is_an_error", ("RUST_MIN_STACK", STACK));
}

#[test]
fn calls_before_start_and_after_stop_are_errors() {
    let client = settings().build().unwrap();
    let not_started = ["the client has not been started"];
    assert_eq!(chain(&client.flush_events().unwrap_err()), not_started);
    let unready = client.wait_until_ready(Duration::from_millis(15)).unwrap_err();
    assert_eq!(chain(&unready), not_started);
    client.stop();
    let stopped = ["the client has been stopped"];
    assert_eq!(chain(&client.start().unwrap_err()), stopped);
    assert_eq!(chain(&client.wait_until_ready(SOON).unwrap_err()), stopped);
    assert_eq!(
        chain(&at("").build().unwrap().evaluate("a", None).unwrap_err()),
        ["the client has no `base_url`"]
    );
}

#[test]
fn a_client_that_does_not_become_ready_is_an_error() {
    let trouble =
        Reply::status(503).with_body(r#"{"error": {"code": 503, "message": "updating"}}"#);
    let (url, error) = poll(|builder| builder, trouble);
    assert!(matches!(error, Error::NotReady { .. }));
    assert_eq!(
        chain(&error),
        [
            "the client was not ready within 0ns".to_owned(),
            format!("`{url}/sdk/ruleset` responded with status 503: updating"),
        ]
    );
}

#[test]
fn a_refused_key_is_an_error() {
    for status in [401, 403] {
        let refusal = || Reply::status(status).with_body(r#"{"detail": "Invalid API key"}"#);
        let (url, error) = poll(|builder| builder, refusal());
        assert!(matches!(error, Error::KeyRefused { .. }));
        assert_eq!(
            chain(&error),
            [
                "the service refused the API key".to_owned(),
                format!("`{url}/sdk/ruleset` responded with status {status}: Invalid API key"),
            ]
        );
        let (server, error) = evaluate(refusal());
        let url = server.url();
        assert_eq!(
            chain(&error),
            [
                "the service refused the API key".to_owned(),
                format!("`{url}/evaluate` responded with status {status}: Invalid API key"),
            ]
        );
    }
}

#[test]
fn a_flag_that_the_service_does_not_evaluate_is_an_error() {
    let (_server, error) = evaluate(Reply::json(
        r#"{"data": {"evaluations": {"checkout": {"value": null, "reason": "FLAG_NOT_FOUND"}}}}"#,
    ));
    assert_eq!(chain(&error), ["the service has no flag `checkout`"]);
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/sdk/evaluate" => Reply::status(400).with_body(r#"{"detail": "not active"}"#),
        _ => Reply::status(404),
    });
    let client = builder(&server).build().unwrap();
    let error = client.evaluate("checkout", None).unwrap_err();
    assert_eq!(chain(&error), ["the flag `checkout` is not active"]);
}

#[test]
fn an_unreachable_service_is_an_error() {
    let url = format!("http://{}/api/v1", refusing_address());
    let error = at(&url).build().unwrap().evaluate("checkout", None).unwrap_err();
    assert!(matches!(error, Error::Request { .. }));
    let texts = chain(&error);
    assert_eq!(texts[0], format!("failed to reach `{url}/evaluate`"));
    assert!(texts[1].contains("refused"), "{texts:?}");
}

#[test]
fn a_request_timeout_is_an_error() {
    let server = Server::start(|_| Reply::Hang);
    let client = builder(&server).request_timeout(Duration::from_millis(40)).build().unwrap();
    let url = server.url();
    assert_eq!(
        chain(&client.evaluate("checkout", None).unwrap_err()),
        [format!("failed to get a response from `{url}/evaluate` within 40ms")]
    );
}

#[test]
fn a_status_other_than_success_is_an_error() {
    for (status, body, message) in [
        (500, "", ""),
        (500, "<html>oops</html>", ""),
        (500, "[1, 2]", ""),
        (500, r#"{"error": {"code": "INTERNAL", "message": "out of order"}}"#, ": out of order"),
        (422, r#"{"error": {"code": 422, "message": "bad"}}"#, ": bad"),
        (503, r#"{"error": "out of order"}"#, ": out of order"),
        (400, r#"{"detail": "malformed"}"#, ": malformed"),
        (422, r#"{"detail": [{"loc": ["body"], "msg": "field required"}]}"#, ": field required"),
        (422, r#"{"detail": ["first", "second"]}"#, ": first"),
        (500, r#"{"error": {"message": 7}, "detail": null}"#, ""),
        (302, "", ", and redirects are not followed"),
    ] {
        let (server, error) = evaluate(Reply::status(status).with_body(body));
        let url = server.url();
        assert_eq!(
            chain(&error),
            [format!("`{url}/evaluate` responded with status {status}{message}")]
        );
    }
}

#[test]
fn a_message_is_cut_and_does_not_contain_the_key() {
    let body = format!(r#"{{"detail": "no key sdk-dev-1{}"}}"#, "!".repeat(1000));
    let (server, error) = evaluate(Reply::status(500).with_body(body));
    let text = error.to_string();
    let beginning =
        format!("`{}/evaluate` responded with status 500: no key [key]!!", server.url());
    assert!(text.starts_with(&beginning), "{text}");
    assert!(text.len() < beginning.len() + 400);
}

#[test]
fn code_and_retry_after_can_be_read() {
    let reply = Reply::status(429)
        .with("retry-after", "7")
        .with_body(r#"{"error": {"code": "RATE_LIMITED", "message": "slow down"}}"#);
    let (_server, error) = evaluate(reply);
    match error {
        Error::Request {
            cause: RequestError::Status { status: 429, code, message, retry_after, .. },
            ..
        } => {
            assert_eq!(code, "RATE_LIMITED");
            assert_eq!(message, "slow down");
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unrequested_304_is_an_error() {
    let (url, error) = poll(|builder| builder, Reply::status(304));
    assert_eq!(
        chain(&error)[1],
        format!("`{url}/sdk/ruleset` responded with status 304 to a request without a condition")
    );
}

#[test]
fn a_missing_ruleset_suggests_the_path() {
    for (body, message) in [
        ("", "does the base URL lack its `/api/v1`?"),
        (r#"{"detail": "Not Found"}"#, "Not Found (does the base URL lack its `/api/v1`?)"),
    ] {
        let server = Server::start(move |_| Reply::status(404).with_body(body));
        let url = format!("http://{}", server.address());
        let client = started(PhaseFlagClient::builder(&url, "sdk-dev-1"));
        wait_until("a failure", || client.statistics().last_failure.is_some());
        let failure = client.statistics().last_failure.unwrap();
        assert_eq!(
            chain(&failure),
            [format!("`{url}/sdk/ruleset` responded with status 404: {message}")]
        );
    }
    // The path is not the reason.
    let (url, error) = poll(|builder| builder, Reply::status(404));
    assert_eq!(chain(&error)[1..], [format!("`{url}/sdk/ruleset` responded with status 404")]);
}

#[test]
fn a_body_that_is_too_large_is_an_error() {
    let (url, error) = poll(|builder| builder.max_body_size(20), Reply::json(ruleset(1, &["a"])));
    assert_eq!(
        chain(&error)[1..],
        [format!("`{url}/sdk/ruleset` responded with more than 20 bytes")]
    );
}

#[test]
fn a_body_of_the_largest_size_is_accepted() {
    let rules = ruleset(1, &["a"]);
    for (limit, accepted) in [(rules.len(), true), (rules.len() - 1, false)] {
        let server = Server::with_ruleset(rules.clone());
        let client = started(builder(&server).max_body_size(limit));
        wait_until("a response", || client.statistics().polls > 0);
        assert_eq!(client.is_ready(), accepted);
    }
}

#[test]
fn a_body_in_an_unrequested_encoding_is_an_error() {
    for encoding in ["br", "gzip", "deflate"] {
        if cfg!(feature = "gzip") && encoding == "gzip" {
            continue;
        }
        let (url, error) =
            poll(|builder| builder, Reply::json("xyz").with("content-encoding", encoding));
        assert_eq!(
            chain(&error)[1..],
            [format!(
                "`{url}/sdk/ruleset` responded with a body in the encoding `{encoding}`, which was \
                 not requested"
            )]
        );
    }
}

#[test]
fn a_body_that_is_no_ruleset_is_an_error() {
    for (body, cause) in [
        (
            "{\"flags\": [}",
            "failed to parse ruleset: an unexpected character where a value was expected at line 1, \
             column 12",
        ),
        (
            r#"{"data": {"flags": 1}}"#,
            "failed to parse ruleset: expected a list of flags at `data.flags`, found a number",
        ),
    ] {
        let (url, error) = poll(|builder| builder, Reply::json(body));
        assert_eq!(
            chain(&error),
            [
                "the client was not ready within 0ns".to_owned(),
                format!("`{url}/sdk/ruleset` responded with an invalid ruleset"),
                cause.to_owned(),
            ]
        );
    }
}

#[test]
fn an_invalid_evaluation_is_an_error() {
    for (body, reason) in [
        (
            "[oops",
            "it is not JSON: an unexpected character where a value was expected at line 1, column 2",
        ),
        ("{}", "it lacks `reason`"),
        ("null", "it lacks `reason`"),
        (r#"{"data": {"evaluations": {}}}"#, "it lacks the flag `checkout`"),
        (r#"{"data": {"evaluations": {"checkout": {"value": 1}}}}"#, "it lacks `reason`"),
    ] {
        let (server, error) = evaluate(Reply::json(body));
        let url = server.url();
        assert_eq!(
            chain(&error),
            [format!("`{url}/evaluate` responded with an invalid body: {reason}")]
        );
    }
    let (server, error) = evaluate(Reply::status(200).with_body([0xff]));
    assert_eq!(
        error.to_string(),
        format!("`{}/evaluate` responded with an invalid body: it is not UTF-8", server.url())
    );
}

#[test]
fn undelivered_events_are_an_error() {
    // No retry comes between the flushes.
    let updating = Reply::status(503).with_body(r#"{"error": "updating"}"#);
    let server = Server::start(move |_| updating.clone().with("retry-after", "3600"));
    let client = started(builder(&server));
    for _ in 0..3 {
        client.track_event(EvaluationEvent::new("a"));
    }
    let url = server.url();
    assert_eq!(
        chain(&client.flush_events().unwrap_err()),
        [
            "failed to deliver events: 3 wait for the next try".to_owned(),
            format!("`{url}/sdk/events` responded with status 503: updating"),
        ]
    );
    server.respond(|_| Reply::status(422).with_body(r#"{"detail": [{"msg": "no such flag"}]}"#));
    let texts = chain(&client.flush_events().unwrap_err());
    assert_eq!(
        texts,
        [
            "failed to deliver events: 0 wait for the next try, 3 were rejected and dropped"
                .to_owned(),
            format!("`{url}/sdk/events` responded with status 422: no such flag"),
        ]
    );
    let counts = client.statistics().events;
    assert_eq!((counts.queued, counts.dropped_rejected), (0, 3));
}

#[test]
fn no_error_or_debug_text_contains_the_key() {
    let server = Server::start(|_| Reply::status(401).with_body(r#"{"detail": "sdk-dev-1"}"#));
    let client = started(builder(&server).polling_interval(RAPIDLY));
    let error = client.wait_until_ready(SOON).unwrap_err();
    let remote = client.evaluate("a", None).unwrap_err();
    for text in [
        format!("{error:?} {:?}", chain(&error)),
        format!("{remote:?} {:?}", chain(&remote)),
        format!("{client:?} {:#?}", client.statistics()),
        format!("{:?}", builder(&server)),
    ] {
        assert!(!text.contains("sdk-dev-1"), "{text}");
    }
}
