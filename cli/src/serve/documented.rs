//! The documented service: its paths, and the response to each.

use phaseflag::{EvaluationContext, Object, Reason, Value};

use super::client_stream;
use super::document::{self, member};
use super::evaluation;
use super::flags_file::Rules;
use super::http::{Request, Response};
use super::log;
use super::self_hosted::MAX_EVENTS;

/// Returns the response to a request. `key` is the only accepted key; `None` accepts any.
pub(crate) fn respond(request: &Request, rules: &Rules, key: Option<&str>) -> Response {
    let (Ok(response) | Err(response)) = route(request, rules, key);
    response
}

fn route(request: &Request, rules: &Rules, key: Option<&str>) -> Result<Response, Response> {
    if matches!(request.method(), "HEAD" | "OPTIONS") {
        let message = format!("the method {} is not supported", request.method());
        return Err(error(405, "METHOD_NOT_ALLOWED", message).with("Allow", "GET, POST"));
    }
    match request.header("X-API-Key").unwrap_or_default() {
        "" => return Err(error(401, "UNAUTHORIZED", "the API key is missing")),
        given if key.is_some_and(|key| given != key) => {
            return Err(error(401, "UNAUTHORIZED", "the API key is wrong"));
        }
        _ => {}
    }
    match (request.method(), request.path()) {
        ("GET", "/api/v1/sdk/ruleset") => Ok(ruleset(request, rules)),
        ("GET", "/api/v1/sdk/bootstrap") => Ok(bootstrap(rules)),
        ("GET", client_stream::PATH) => Ok(Response::empty(200)),
        ("POST", "/api/v1/evaluate") => evaluate(&json_body(request)?, rules),
        ("POST", "/api/v1/sdk/evaluate") => evaluate_one(&json_body(request)?, rules),
        ("POST", "/api/v1/sdk/events") => take_events(&json_body(request)?),
        _ => Err(error(404, "NOT_FOUND", "Not Found")),
    }
}

/// Serves the rules, or 304 if the client has them.
fn ruleset(request: &Request, rules: &Rules) -> Response {
    let known = request.header("If-None-Match").unwrap_or_default();
    let mut response = Response::empty(304);
    if !known.contains(&rules.etag) {
        (response.status, response.body) = (200, rules.text.clone());
    }
    response.with("ETag", &rules.etag)
}

/// Serves the flags and the segments.
fn bootstrap(rules: &Rules) -> Response {
    let list = |name| rules.document.get(name).filter(|list| !list.is_null()).cloned();
    let empty = || Value::Array(Vec::new());
    let flags = list("flags").unwrap_or_else(empty);
    let segments = list("segments").unwrap_or_else(empty);
    Response::json(200, document::bootstrap(flags, segments, rules.version.into()))
}

/// Evaluates the flags that the request lists.
fn evaluate(request: &Value, rules: &Rules) -> Result<Response, Response> {
    let flags = member(request, "flags").as_array().unwrap_or_default();
    let keys: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    if keys.is_empty() {
        return Err(invalid("`flags` must list keys, or \"*\""));
    }
    let results = rules.ruleset.evaluate_all(&context(member(request, "context")));
    let evaluations: Object = if keys.contains(&"*") {
        results
            .iter()
            .map(|(key, result)| (key.as_str(), evaluation::entry(Some(result))))
            .collect()
    } else {
        keys.into_iter().map(|key| (key, evaluation::entry(results.get(key)))).collect()
    };
    let data = Object::from([("evaluations", evaluations)]);
    Ok(Response::json(200, Object::from([("data", data)])))
}

/// Evaluates one flag, in the format of older services.
fn evaluate_one(request: &Value, rules: &Rules) -> Result<Response, Response> {
    let key = member(request, "flag_key")
        .as_str()
        .ok_or_else(|| invalid("`flag_key` must be a string"))?;
    let result = rules
        .ruleset
        .evaluate(key, &context(member(request, "context")))
        .ok_or_else(|| error(404, "FLAG_NOT_FOUND", format!("no flag `{key}`")))?;
    if result.reason() == Reason::FlagInactive {
        let message = format!("the flag `{key}` is not active");
        return Err(error(400, "FLAG_INACTIVE", message));
    }
    Ok(Response::json(200, evaluation::single(key, Value::Null, &result)))
}

/// Returns the context of a request. `user_key` is used if there is no user and no session.
fn context(request: &Value) -> EvaluationContext {
    let text = |name: &str| member(request, name).as_str();
    let (user_id, session_id) = match (text("user_id"), text("session_id")) {
        (None, None) => (text("user_key"), None),
        given => given,
    };
    evaluation::context(user_id, session_id, member(request, "attributes"))
}

/// Prints the events of a request, all or none.
fn take_events(request: &Value) -> Result<Response, Response> {
    let events =
        member(request, "events").as_array().ok_or_else(|| invalid("`events` must be a list"))?;
    if events.len() > MAX_EVENTS {
        let message = format!("at most {MAX_EVENTS} events per request");
        return Err(invalid(message));
    }
    if events.iter().any(|event| member(event, "flag_key").as_str().is_none()) {
        return Err(invalid("an event must have a `flag_key`"));
    }
    for event in events {
        log::event(event);
    }
    let accepted = Object::from([("accepted", events.len())]);
    Ok(Response::json(202, accepted))
}

fn json_body(request: &Request) -> Result<Value, Response> {
    let text = std::str::from_utf8(request.body())
        .map_err(|_| error(400, "BAD_REQUEST", "the body is not UTF-8"))?;
    text.parse::<Value>().map_err(|error| invalid(format!("the body is not JSON: {error}")))
}

fn error(status: u16, code: &str, message: impl Into<String>) -> Response {
    let error = Object::from([("code", code.to_owned()), ("message", message.into())]);
    Response::json(status, Object::from([("error", error)]))
}

fn invalid(message: impl Into<String>) -> Response {
    error(422, "VALIDATION_ERROR", message)
}
