//! Compares evaluations of this client with the recorded results of a self-hosted service.
//!
//! Local evaluations use the documents that the service sent, remote ones its recorded responses.

use std::collections::{BTreeMap, BTreeSet};

use phaseflag::{Error, EvaluationContext, EvaluationResult, Value};

use crate::support::{NEVER, Reply, Request, Server, builder, ready};

const RULESET: &str = include_str!("../data/service/ruleset.json");
const BOOTSTRAP: &str = include_str!("../data/service/bootstrap.json");
const ANSWERS: &str = include_str!("../data/service/answers.json");
const OTHERS: &str = include_str!("../data/service/others.json");

/// Flags that this client evaluates differently: in how many of the recorded contexts, and why.
const DIFFERENCES: [(&str, usize, &str); 19] = [
    ("bool-is", 1, "the service compares a boolean as the text `True`"),
    ("bool-text", 1, "the service compares a boolean as the text `True`"),
    ("by-key", 3, "the service does not resolve a `variation_id` that holds a key"),
    ("needs-asleep", 29, "the service sends prerequisites to no client"),
    ("needs-rollout", 9, "the service sends prerequisites to no client"),
    ("op-float-is", 1, "the service compares a float as the text `18.0`"),
    ("op-gt", 1, "the service reads `1_9` as a number"),
    ("op-gt-text", 5, "the service reads `1_8` as a number"),
    ("op-not-one-of", 1, "the service compares a float as the text `1.0`"),
    ("op-null", 29, "the service compares a null target as the text `None`"),
    ("op-num-is", 1, "the service compares a float as the text `18.0`"),
    ("op-one-of", 1, "the service compares a float as the text `1.0`"),
    ("op-regex", 1, "the service lets `$` match before a last newline"),
    ("op-regex-digit", 1, "the service lets `$` match before a last newline"),
    ("op-regex-look", 2, "the service has look-ahead"),
    ("op-version-gt", 1, "the service reads versions as Python does"),
    ("op-version-lt", 1, "the service reads versions as Python does"),
    ("seg-gone", 3, "the service takes a segment that it does not find for everybody"),
    ("seg-key", 27, "the service takes a segment that is named by its key for everybody"),
];

/// One recorded context, and the result of each flag: value, variation and reason, or status and
/// body.
struct Recorded {
    context: Value,
    answers: BTreeMap<String, Value>,
}

fn recorded() -> Vec<Recorded> {
    let answers: Value = ANSWERS.parse().expect("JSON");
    let entries = answers.as_array().expect("a list").iter().map(|entry| Recorded {
        context: entry["context"].clone(),
        answers: members(&entry["answers"]).collect(),
    });
    entries.collect()
}

fn members(object: &Value) -> impl Iterator<Item = (String, Value)> {
    let object = object.as_object().into_iter();
    object.flat_map(|object| object.iter().map(|(name, value)| (name.to_owned(), value.clone())))
}

fn context(recorded: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::new();
    if let Some(user_id) = recorded["user_id"].as_str() {
        context = context.user_id(user_id);
    }
    if let Some(session_id) = recorded["session_id"].as_str() {
        context = context.session_id(session_id);
    }
    for (name, value) in members(&recorded["attributes"]) {
        context = match value {
            Value::Bool(value) => context.attribute(name, value),
            Value::Number(value) => context.attribute(name, value),
            Value::String(value) => context.attribute(name, &*value),
            value => panic!("an attribute that no context holds: {value}"),
        };
    }
    context
}

/// Returns value, variation and reason of a result in the form of the recording.
fn outcome(result: &EvaluationResult) -> Value {
    let variation = result.variation_key().map_or(Value::Null, Value::from);
    Value::from([result.value().clone(), variation, Value::from(result.reason().as_str())])
}

#[test]
fn a_client_agrees_with_the_service_except_for_listed_differences() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/sdk/ruleset" => Reply::json(RULESET),
        "/api/v1/sdk/bootstrap" => Reply::json(BOOTSTRAP),
        _ => Reply::status(404),
    });
    let client = ready(builder(&server).polling_interval(NEVER));
    let (mut compared, mut different) = (0, BTreeMap::<String, Vec<String>>::new());
    for Recorded { context: recorded, answers } in recorded() {
        let context = context(&recorded);
        for (flag, expected) in &answers {
            compared += 1;
            let found = client.get_variation(flag, &context);
            if expected.as_array().is_none() {
                // The service does not send flags that it refuses to evaluate.
                assert_eq!(found, None, "{flag}");
                continue;
            }
            let found = outcome(&found.expect("a result"));
            if found != *expected {
                let difference = format!("{found}, not {expected}, for {recorded}");
                different.entry(flag.clone()).or_default().push(difference);
            }
        }
    }
    for (flag, contexts) in &different {
        let listed = DIFFERENCES.iter().find(|(listed, ..)| listed == flag);
        let count = listed.map_or(0, |(_, count, _)| *count);
        assert_eq!(contexts.len(), count, "{flag}: {contexts:#?}");
    }
    for (flag, _, reason) in DIFFERENCES {
        assert!(different.contains_key(flag), "{flag} no longer differs: {reason}");
    }
    assert_eq!(different.len(), DIFFERENCES.len(), "a flag is listed twice");
    assert_eq!(compared, 29 * 42);
}

#[test]
fn a_remote_evaluation_returns_the_result_of_the_service() {
    let all = recorded();
    let contexts: Vec<_> = all.iter().map(|recorded| context(&recorded.context)).collect();
    let server = Server::start({
        let (answers, contexts) = (recorded(), contexts.clone());
        move |request| replay(request, &answers, &contexts)
    });
    let client = builder(&server).build().unwrap();
    let mut evaluated = 0;
    for (Recorded { context: shown, answers }, context) in all.iter().zip(&contexts) {
        for (flag, expected) in answers {
            evaluated += 1;
            let result = client.evaluate(flag, context);
            match (result, expected["status"].as_i64()) {
                (Ok(result), None) => assert_eq!(outcome(&result), *expected, "{flag} {shown}"),
                (Err(Error::FlagNotFound { flag: named, .. }), Some(404))
                | (Err(Error::FlagInactive { flag: named, .. }), Some(400)) => {
                    assert_eq!(named, *flag);
                }
                (result, _) => panic!("{flag} for {shown}: {result:?}, not {expected}"),
            }
        }
    }
    assert_eq!(evaluated, 29 * 42);
    // The documented path is tried once.
    assert_eq!(server.requests_to("/v1/evaluate").len(), 1);
    assert_eq!(server.requests().len(), evaluated + 1);
}

/// Responds as the service did. On its own path, returns the recorded result of flag and context.
fn replay(request: &Request, answers: &[Recorded], contexts: &[EvaluationContext]) -> Reply {
    if request.path != "/api/v1/sdk/evaluate" {
        let other = other("POST /api/v1/evaluate", 404);
        return Reply::status(404).with_body(other["body"].as_str().expect("a body"));
    }
    let question = request.json();
    let asked = context(&question["context"]);
    let same = contexts.iter().zip(answers).filter(|(context, _)| **context == asked);
    let [(_, recorded)] = same.collect::<Vec<_>>()[..] else {
        return Reply::status(422).with_body(format!("not one context: {question}"));
    };
    let flag = question["flag_key"].as_str().expect("a key");
    let answer = &recorded.answers[flag];
    match answer["status"].as_i64() {
        Some(status) => Reply::status(status as u16).with_body(answer["body"].to_string()),
        None => Reply::json(format!(
            r#"{{"flag_key": "{flag}", "variation_key": {}, "value": {}, "reason": {}}}"#,
            answer[1], answer[0], answer[2]
        )),
    }
}

fn others() -> Vec<Value> {
    let others: Value = OTHERS.parse().expect("JSON");
    others.as_array().expect("a list").to_vec()
}

/// Returns the recorded response with this status.
fn other(request: &str, status: i64) -> Value {
    let same = |other: &Value| {
        other["request"].as_str() == Some(request) && other["status"].as_i64() == Some(status)
    };
    others().into_iter().find(same).unwrap_or_else(|| panic!("{request} {status}"))
}

#[test]
fn each_refusal_of_the_service_has_its_own_error() {
    let mut seen = BTreeSet::new();
    for other in others() {
        let (status, body) = (other["status"].as_i64().expect("a status"), other["body"].clone());
        let body = body.as_str().expect("a body").to_owned();
        let request = other["request"].as_str().expect("a request");
        if status < 400 || request.ends_with("/events") || request.ends_with("/v1/evaluate") {
            continue;
        }
        seen.insert(status);
        let missing = self::other("POST /api/v1/evaluate", 404);
        let server = Server::start({
            let body = body.clone();
            move |request| match request.path.as_str() {
                "/api/v1/evaluate" => {
                    Reply::status(404).with_body(missing["body"].as_str().expect("a body"))
                }
                _ => Reply::status(status as u16).with_body(body.clone()),
            }
        });
        let client = builder(&server).build().unwrap();
        let flag = other["body_sent"]["flag_key"].as_str().unwrap_or("limit");
        match (client.evaluate(flag, None), status) {
            (Err(Error::KeyRefused { cause, .. }), 401 | 403) => {
                assert_eq!(cause.status(), Some(status as u16));
                let fetched = client.fetch_ruleset();
                assert!(matches!(fetched, Err(Error::KeyRefused { .. })), "{fetched:?}");
            }
            (Err(Error::FlagNotFound { .. }), 404) if request.starts_with("POST") => {}
            // The response of the service to a base URL without the version.
            (Err(Error::Request { cause, .. }), 404) => {
                assert_eq!(cause.status(), Some(404), "{request}");
                assert!(cause.to_string().ends_with("Not Found"), "{cause}");
            }
            (Err(Error::FlagInactive { .. }), 400) => {}
            (Err(Error::Request { cause, .. }), 422) => {
                assert!(cause.to_string().ends_with("status 422: Validation error"), "{cause}");
            }
            (result, _) => panic!("{request} {status}: {result:?}"),
        }
    }
    assert_eq!(seen, BTreeSet::from([400, 401, 403, 404, 422]));
}
