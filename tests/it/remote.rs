//! Evaluation by the service: the request, both forms of response, and failures.

use std::time::Duration;

use phaseflag::{
    Error, EvaluationContext, EvaluationResult, PhaseFlagClient, Reason, RequestError, Value,
};

use crate::support::{NEVER, Reply, Request, Server, builder};

const DOCUMENTED: &str = "/api/v1/evaluate";
const OLDER: &str = "/api/v1/sdk/evaluate";

/// Evaluates the flag `checkout` by a service with this response on the documented path.
fn ask(reply: Reply) -> Result<EvaluationResult, Error> {
    let server = Server::start(move |_| reply.clone());
    let client = builder(&server).build().unwrap();
    let result = client.evaluate("checkout", None);
    assert_eq!(server.requests().len(), 1, "{result:?}");
    result
}

/// Evaluates it by a service that has only the older path, with this response.
fn ask_older(reply: Reply) -> Result<EvaluationResult, Error> {
    let server = older(move |_| reply.clone());
    let client = builder(&server).build().unwrap();
    client.evaluate("checkout", None)
}

fn older(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        OLDER => answer(request),
        _ => Reply::status(404).with_body(r#"{"detail": "Not Found"}"#),
    })
}

fn documented(evaluation: &str) -> Reply {
    Reply::json(format!(
        r#"{{"data": {{"evaluations": {{"checkout": {evaluation}}},
            "evaluated_at": "2026-04-04T15:00:00.000Z"}}}}"#
    ))
}

fn bare(value: &str, reason: &str) -> Reply {
    Reply::json(format!(
        r#"{{"flag_key": "checkout", "variation_id": "v-on", "variation_key": "on",
            "value": {value}, "reason": "{reason}"}}"#
    ))
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

#[test]
fn reads_the_documented_response() {
    let result = ask(documented(
        r#"{"value": {"a": [1]}, "reason": "TARGETING_RULE", "rule_id": "r1", "variation_key": "on"}"#,
    ))
    .unwrap();
    assert_eq!(result.value()["a"][0], Value::from(1));
    assert_eq!(result.reason(), Reason::TargetingMatch);
    assert_eq!(result.variation_key(), Some("on"));
}

#[test]
fn reads_the_older_response() {
    let result = ask_older(bare("false", "percentage_rollout")).unwrap();
    assert_eq!(result.value(), &Value::from(false));
    assert_eq!(result.reason(), Reason::PercentageRollout);
    assert_eq!(result.variation_key(), Some("on"));
}

#[test]
fn accepts_either_response_on_either_path() {
    let data = documented(r#"{"value": 1, "reason": "DEFAULT", "variation_key": null}"#);
    let result = ask_older(data).unwrap();
    assert_eq!(result.value(), &Value::from(1));
    assert_eq!(result.variation_key(), None);
    let result = ask(bare("2", "default")).unwrap();
    assert_eq!(result.value(), &Value::from(2));
    assert_eq!(result.variation_key(), Some("on"));
}

#[test]
fn reads_every_reason_and_keeps_those_it_does_not_know() {
    for (name, reason, shown) in [
        ("TARGETING_RULE", Reason::TargetingMatch, "targeting_match"),
        ("PERCENTAGE_ROLLOUT", Reason::PercentageRollout, "percentage_rollout"),
        ("DEFAULT", Reason::Default, "default"),
        ("DISABLED", Reason::FlagInactive, "flag_inactive"),
        ("PREREQUISITE", Reason::PrerequisiteFailed, "prerequisite_failed"),
        ("targeting_match", Reason::TargetingMatch, "targeting_match"),
        ("percentage_rollout", Reason::PercentageRollout, "percentage_rollout"),
        ("default", Reason::Default, "default"),
        ("flag_inactive", Reason::FlagInactive, "flag_inactive"),
        ("prerequisite_failed", Reason::PrerequisiteFailed, "prerequisite_failed"),
        ("HOLDOUT_Group", Reason::Other("HOLDOUT_Group".into()), "HOLDOUT_Group"),
    ] {
        for reply in
            [documented(&format!(r#"{{"value": true, "reason": "{name}"}}"#)), bare("true", name)]
        {
            let result = ask(reply).unwrap();
            assert_eq!(result.reason(), reason);
            assert_eq!(result.reason().as_str(), shown);
        }
    }
}

#[test]
fn null_is_a_value() {
    let result = ask(documented(r#"{"value": null, "reason": "DISABLED"}"#)).unwrap();
    assert_eq!(result.value(), &Value::Null);
    assert_eq!(result.reason(), Reason::FlagInactive);
}

#[test]
fn sends_one_request_that_both_services_read() {
    let everything = EvaluationContext::new()
        .user_id("user-123")
        .session_id("sess-1")
        .attribute("plan", "pro")
        .attribute("age", 365)
        .attribute("ratio", 0.5)
        .attribute("beta", true)
        .attribute("unknown", f64::NAN);
    let session = EvaluationContext::new().session_id("sess-1");
    let user = EvaluationContext::new().user_id("user-123");
    let no_user = EvaluationContext::new();
    let attributes = EvaluationContext::new()
        .attribute("user_id", 42)
        .attribute("session_id", true)
        .attribute("plan", "pro");
    for (context, expected) in [
        (
            &everything,
            r#"{"user_key": "user-123", "user_id": "user-123", "session_id": "sess-1",
                "attributes": {"plan": "pro", "age": 365, "ratio": 0.5, "beta": true}}"#,
        ),
        (&session, r#"{"user_key": "sess-1", "session_id": "sess-1", "attributes": {}}"#),
        (&user, r#"{"user_key": "user-123", "user_id": "user-123", "attributes": {}}"#),
        (&no_user, r#"{"attributes": {}}"#),
        (
            &attributes,
            r#"{"user_key": "42", "user_id": "42", "session_id": "true",
                "attributes": {"plan": "pro"}}"#,
        ),
    ] {
        let server = older(|_| bare("true", "default"));
        let client = builder(&server).build().unwrap();
        client.evaluate("check\"out", context).unwrap();
        let expected: Value = format!(
            r#"{{"flags": ["check\"out"], "flag_key": "check\"out", "context": {expected}}}"#
        )
        .parse()
        .unwrap();
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.json(), expected);
            assert_eq!(request.method, "POST");
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("x-api-key"), Some("sdk-dev-1"));
        }
    }
}

#[test]
fn an_empty_identifier_is_no_user() {
    let server = Server::start(|_| bare("true", "default"));
    let client = builder(&server).build().unwrap();
    let context = EvaluationContext::new().user_id("").session_id("sess-1");
    client.evaluate("checkout", &context).unwrap();
    let question = server.requests()[0].json();
    assert_eq!(question["context"]["user_key"], Value::from("sess-1"));
}

#[test]
fn the_default_context_applies_and_is_not_merged() {
    let server = Server::start(|_| bare("true", "default"));
    let client = builder(&server)
        .default_context(EvaluationContext::new().user_id("me").attribute("a", 1))
        .build()
        .unwrap();
    client.evaluate("checkout", None).unwrap();
    let other = EvaluationContext::new().session_id("s");
    client.evaluate("checkout", &other).unwrap();
    let contexts: Vec<_> =
        server.requests().iter().map(|request| request.json()["context"].to_string()).collect();
    assert_eq!(
        contexts,
        [
            r#"{"attributes":{"a":1},"user_id":"me","user_key":"me"}"#,
            r#"{"attributes":{},"session_id":"s","user_key":"s"}"#,
        ]
    );
}

#[test]
fn a_missing_documented_path_is_not_requested_again() {
    let server = older(|_| bare("true", "default"));
    let client = builder(&server).build().unwrap();
    for _ in 0..3 {
        client.evaluate("checkout", None).unwrap();
    }
    client.clone().evaluate("other", None).unwrap();
    assert_eq!(paths(&server), [DOCUMENTED, OLDER, OLDER, OLDER, OLDER]);
}

#[test]
fn a_missing_path_stays_known_after_a_response_about_the_flag() {
    for (status, body) in [
        (400, r#"{"detail": "Flag is not active"}"#),
        (404, r#"{"detail": "Flag 'checkout' not found"}"#),
    ] {
        let server = older(move |_| Reply::status(status).with_body(body));
        let client = builder(&server).build().unwrap();
        for _ in 0..2 {
            client.evaluate("checkout", None).unwrap_err();
        }
        assert_eq!(paths(&server), [DOCUMENTED, OLDER, OLDER], "{body}");
    }
}

#[test]
fn two_missing_paths_are_a_failed_request() {
    for body in [
        "",
        r#"{"detail": "Not Found"}"#,
        r#"{"error": {"code": 404, "message": "Not Found"}}"#,
        "<html>404</html>",
    ] {
        let server = Server::start(move |_| Reply::status(404).with_body(body));
        let client = builder(&server).build().unwrap();
        match client.evaluate("checkout", None) {
            Err(Error::Request { cause, .. }) => assert_eq!(cause.status(), Some(404)),
            other => panic!("{body}: {other:?}"),
        }
        assert_eq!(paths(&server), [DOCUMENTED, OLDER], "{body}");
    }
}

#[test]
fn restored_paths_are_found_again() {
    let server = Server::start(|_| Reply::status(404));
    let client = builder(&server).build().unwrap();
    client.evaluate("checkout", None).unwrap_err();
    server.respond(|request| match request.path.as_str() {
        DOCUMENTED => bare("true", "default"),
        _ => Reply::status(404),
    });
    client.evaluate("checkout", None).unwrap();
}

#[test]
fn an_unknown_flag_has_its_own_error() {
    let documented = [
        documented(r#"{"value": null, "reason": "FLAG_NOT_FOUND"}"#),
        Reply::status(404).with_body(r#"{"error": {"code": "FLAG_NOT_FOUND", "message": "x"}}"#),
        Reply::status(404).with_body(r#"{"error": "no flag checkout"}"#),
        Reply::status(404).with_body(r#"{"detail": "Flag 'checkout' not found"}"#),
    ];
    for reply in documented {
        match ask(reply) {
            Err(Error::FlagNotFound { flag, .. }) => assert_eq!(flag, "checkout"),
            other => panic!("{other:?}"),
        }
    }
    for body in [
        r#"{"error": {"code": "FLAG_NOT_FOUND", "message": "x"}}"#,
        r#"{"error": {"code": "FLAG_NOT_FOUND"}}"#,
        r#"{"detail": "Flag 'checkout' not found"}"#,
        r#"{"detail": "Flag not found"}"#,
        r#"{"error": "Flag not found"}"#,
    ] {
        match ask_older(Reply::status(404).with_body(body)) {
            Err(Error::FlagNotFound { flag, .. }) => assert_eq!(flag, "checkout"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn the_words_not_found_do_not_name_a_flag() {
    let server = older(|_| bare("true", "default"));
    let client = builder(&server).build().unwrap();
    for key in ["o", "Not", "Found"] {
        client.evaluate(key, None).unwrap();
    }
}

/// Only a message that names the flag is about it.
#[test]
fn a_404_in_other_words_is_about_the_path() {
    for words in ["no such endpoint", "no route to checkouts", "re-checkout: no such path"] {
        let missing = format!(r#"{{"detail": "{words}"}}"#);
        let server = Server::start(move |request| match request.path.as_str() {
            OLDER => bare("true", "default"),
            _ => Reply::status(404).with_body(missing.clone()),
        });
        let client = builder(&server).build().unwrap();
        let result = client.evaluate("checkout", None).expect(words);
        assert_eq!(result.value(), &Value::from(true));
    }
    for words in ["checkout", "no flag `checkout` here"] {
        let reply = Reply::status(404).with_body(format!(r#"{{"detail": "{words}"}}"#));
        assert!(matches!(ask(reply), Err(Error::FlagNotFound { .. })), "{words}");
    }
}

#[test]
fn an_inactive_flag_has_its_own_error() {
    match ask_older(Reply::status(400).with_body(r#"{"detail": "Flag is not active"}"#)) {
        Err(Error::FlagInactive { flag, .. }) => assert_eq!(flag, "checkout"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bad_request_on_the_documented_path_is_a_failed_request() {
    match ask(Reply::status(400).with_body(r#"{"error": "malformed"}"#)) {
        Err(Error::Request { cause, .. }) => assert_eq!(cause.status(), Some(400)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_key_has_its_own_error() {
    for status in [401, 403] {
        for ask in [ask, ask_older] {
            match ask(Reply::status(status)) {
                Err(Error::KeyRefused { cause, .. }) => assert_eq!(cause.status(), Some(status)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn nothing_is_retried() {
    for reply in [
        Reply::status(408),
        Reply::status(429).with("retry-after", "0"),
        Reply::status(500),
        Reply::status(503).with("retry-after", "0"),
        Reply::status(302).with("location", "/elsewhere"),
        Reply::Raw(Vec::new()),
        Reply::json("[oops"),
        Reply::json(""),
        Reply::json("{}"),
        Reply::json("[]"),
        Reply::json(r#"{"data": {"evaluations": {}}}"#),
        Reply::json(r#"{"data": {"evaluations": {"checkout": 1}}}"#),
        Reply::json(r#"{"data": {"evaluations": {"checkout": {"value": 1}}}}"#),
        Reply::json(r#"{"data": {"evaluations": {"other": {"value": 1, "reason": "DEFAULT"}}}}"#),
    ] {
        let shown = format!("{reply:?}");
        let result = ask(reply);
        assert!(matches!(result, Err(Error::Request { .. })), "{shown}");
    }
}

#[test]
fn a_request_timeout_is_a_failed_request() {
    let server = Server::start(|_| Reply::Hang);
    // Enough for the request to arrive on a busy machine.
    let client = builder(&server).request_timeout(Duration::from_secs(4)).build().unwrap();
    assert!(matches!(client.evaluate("checkout", None), Err(Error::Request { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn both_paths_share_one_request_timeout() {
    let pause = Duration::from_millis(50);
    let server = Server::start(move |request| match request.path.as_str() {
        OLDER => Reply::Hang,
        _ => {
            std::thread::sleep(pause);
            Reply::status(404)
        }
    });
    let client = builder(&server).request_timeout(pause * 80).build().unwrap();
    let error = client.evaluate("checkout", None).unwrap_err();
    let Error::Request { cause: RequestError::Timeout { url, limit, .. }, .. } = error else {
        panic!("{error:#}");
    };
    assert!(url.ends_with(OLDER));
    assert!(limit <= pause * 79, "{limit:?}");
}

#[test]
fn overrides_need_no_request() {
    let server = Server::start(|_| bare("true", "default"));
    let client = builder(&server).build().unwrap();
    client.set_override("checkout", "mine");
    client.set_override("nowhere", Value::Null);
    for (key, value) in [("checkout", Value::from("mine")), ("nowhere", Value::Null)] {
        let result = client.evaluate(key, None).unwrap();
        assert_eq!(result.value(), &value);
        assert_eq!(result.reason(), Reason::Override);
        assert_eq!(result.variation_key(), None);
    }
    assert_eq!(server.requests().len(), 0);
    client.clear_override("checkout");
    let result = client.evaluate("checkout", None).unwrap();
    assert_eq!(result.reason(), Reason::Default);
}

#[test]
fn works_before_start_and_records_nothing() {
    let server = Server::start(|_| bare("true", "default"));
    let client = builder(&server).polling_interval(NEVER).build().unwrap();
    client.evaluate("checkout", None).unwrap();
    assert_eq!(client.statistics().events.queued, 0);
    drop(client);
    assert_eq!(paths(&server), [DOCUMENTED]);
}

#[test]
fn evaluation_without_a_service_is_an_error() {
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    assert!(matches!(client.evaluate("checkout", None), Err(Error::NoService)));
    client.set_override("checkout", true);
    let result = client.evaluate("checkout", None).unwrap();
    assert_eq!(result.reason(), Reason::Override);
}

#[test]
fn any_404_of_a_known_path_is_about_the_flag() {
    let server = older(|request| match request.body.contains("checkout") {
        true => bare("true", "default"),
        false => {
            Reply::status(404).with_body(r#"{"error": {"code": 404, "message": "Not found"}}"#)
        }
    });
    let client = builder(&server).build().unwrap();
    client.evaluate("checkout", None).unwrap();
    let error = client.evaluate("unknown", None).unwrap_err();
    assert_eq!(error.to_string(), "the service has no flag `unknown`");
}

#[test]
fn a_service_that_moves_to_the_documented_path_is_followed() {
    let server = older(|_| bare("true", "default"));
    let client = builder(&server).build().unwrap();
    client.evaluate("checkout", None).unwrap();
    server.respond(|request| match request.path.as_str() {
        DOCUMENTED => documented(r#"{"value": 1, "reason": "DEFAULT"}"#),
        _ => Reply::status(404).with_body(r#"{"detail": "Not Found"}"#),
    });
    for _ in 0..2 {
        assert_eq!(client.evaluate("checkout", None).unwrap().value(), &Value::from(1));
    }
    assert_eq!(paths(&server), [DOCUMENTED, OLDER, OLDER, DOCUMENTED, DOCUMENTED]);
}

#[test]
fn a_documented_path_that_fails_is_not_followed() {
    for status in [401, 403, 500, 503] {
        let server = older(|_| bare("true", "default"));
        let client = builder(&server).build().unwrap();
        client.evaluate("checkout", None).unwrap();
        server.respond(move |request| match request.path.as_str() {
            OLDER => Reply::status(404).with_body(r#"{"detail": "Not Found"}"#),
            _ => Reply::status(status),
        });
        let error = client.evaluate("unknown", None).unwrap_err();
        assert!(matches!(error, Error::FlagNotFound { .. }), "{error:?}");
        server.respond(|_| bare("true", "default"));
        client.evaluate("checkout", None).unwrap();
        assert_eq!(paths(&server)[2..], [OLDER, DOCUMENTED, OLDER], "{status}");
    }
}
