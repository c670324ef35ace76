//! `fetch_ruleset`: the text of the ruleset, or the error.

use phaseflag::{Error, Ruleset};

use crate::support::{self, Reply, Server, builder, ready, ruleset};

/// Fetches from a service with this response, and returns the error with its causes.
fn failure(reply: Reply) -> (Error, String) {
    let server = Server::start(move |_| reply.clone());
    let error = builder(&server).build().unwrap().fetch_ruleset().unwrap_err();
    assert_eq!(server.requests().len(), 1, "{error}");
    let text = format!("{error:#}").replace(&server.url(), "URL");
    (error, text)
}

#[test]
fn returns_the_text_unchanged() {
    let text = format!(" {}\n", ruleset(7, &["a", "b"]));
    let server = Server::with_ruleset(text.clone());
    let client = builder(&server).build().unwrap();
    assert_eq!(client.fetch_ruleset().unwrap(), text);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("x-api-key"), Some("sdk-dev-1"));
    assert_eq!(requests[0].header("if-none-match"), None);
}

#[test]
fn does_not_change_the_rules_in_use() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = ready(builder(&server).polling_interval(support::NEVER));
    server.respond(|_| Reply::json(ruleset(2, &["b"])));
    let text = client.fetch_ruleset().unwrap();
    assert_eq!(Ruleset::parse(&text).unwrap().flags().next().unwrap().key(), "b");
    assert_eq!(client.flags()[0].key(), "a");
    assert_eq!(client.statistics().polls, 1);
}

#[test]
fn works_before_start_and_after_stop() {
    let server = Server::with_ruleset(ruleset(1, &["a"]));
    let client = builder(&server).build().unwrap();
    client.fetch_ruleset().unwrap();
    assert!(client.ruleset().is_none());
    client.stop();
    client.fetch_ruleset().unwrap();
}

#[test]
fn a_refused_key_has_its_own_error() {
    for status in [401, 403] {
        let (error, text) = failure(Reply::status(status).with_body(r#"{"detail": "bad key"}"#));
        assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
        assert_eq!(
            text,
            format!(
                "the service refused the API key: `URL/sdk/ruleset` responded with status {status}: bad key"
            )
        );
    }
}

#[test]
fn other_failures_name_their_cause() {
    for (reply, expected) in [
        (Reply::status(500), "`URL/sdk/ruleset` responded with status 500"),
        (
            Reply::json("{"),
            "`URL/sdk/ruleset` responded with an invalid ruleset: failed to parse ruleset: \
             a missing key at line 1, column 2",
        ),
        (
            Reply::status(200).with_body([b"[\"".as_slice(), &[0xff], b"\"]"].concat()),
            "`URL/sdk/ruleset` responded with an invalid ruleset: failed to parse ruleset: \
             invalid UTF-8 at line 1, column 3",
        ),
        (
            Reply::json("{}"),
            "`URL/sdk/ruleset` responded with an invalid ruleset: failed to parse ruleset: \
             expected a list of flags at `flags`, found nothing",
        ),
    ] {
        let (error, text) = failure(reply);
        assert!(matches!(error, Error::Request { .. }), "{error:?}");
        assert_eq!(text, expected);
    }
}

#[test]
fn a_missing_path_suggests_the_usual_one() {
    let server = Server::start(|_| Reply::status(404));
    let url = format!("http://{}", server.address());
    let client = phaseflag::PhaseFlagClient::builder(&url, "sdk-dev-1").build().unwrap();
    assert_eq!(
        client.fetch_ruleset().unwrap_err().to_string(),
        format!(
            "`{url}/sdk/ruleset` responded with status 404: \
             does the base URL lack its `/api/v1`?"
        )
    );
}
