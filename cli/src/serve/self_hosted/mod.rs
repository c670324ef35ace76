//! The self-hosted service over PostgreSQL: its paths, and the response to each.
//!
//! - `rate_limit` decides when a response is 429.
//! - `validation` decides which bodies get 422, and which events get 500.
//! - `timestamp` recognizes the timestamps that its database accepts.
//! - `dialect` decides which flags, segments and members the documents contain.
//!
//! The other statuses, the headers and the version are decided here.

mod dialect;
mod rate_limit;
mod timestamp;
mod validation;

use std::process;
use std::time::{Duration, Instant};

use phaseflag::{Object, Reason, Value};

use self::rate_limit::MAX_REQUESTS;
pub(crate) use self::rate_limit::RateLimit;
pub(crate) use self::validation::MAX_EVENTS;
use self::validation::ValidationErrors;
use super::client_stream;
use super::document::{self, member};
use super::evaluation;
use super::flags_file::Rules;
use super::http::{Request, Response};
use super::log;

/// Returns the response to a request. `key` is the only accepted key; `None` accepts any. Every
/// request counts towards the limit.
pub(crate) fn respond(
    request: &Request,
    rules: &Rules,
    key: Option<&str>,
    limit: &mut RateLimit,
) -> Response {
    let remaining = match limit.take(request.address(), Instant::now()) {
        Ok(remaining) => remaining,
        Err(wait) => {
            let response = error(429, "Too Many Requests");
            return with_limit(response.with("Retry-After", seconds(wait).to_string()), 0);
        }
    };
    let (Ok(response) | Err(response)) = route(request, rules, key);
    // The service adds no such headers to a 500.
    if response.status == 500 { response } else { with_limit(response, remaining) }
}

fn route(request: &Request, rules: &Rules, key: Option<&str>) -> Result<Response, Response> {
    let method = match request.path() {
        "/api/v1/sdk/ruleset" | "/api/v1/sdk/bootstrap" | client_stream::PATH => "GET",
        "/api/v1/sdk/evaluate" | "/api/v1/sdk/events" => "POST",
        _ => return Err(error(404, "Not Found")),
    };
    if request.method() != method {
        return Err(error(405, "Method Not Allowed").with("Allow", method));
    }
    match request.header("X-API-Key").unwrap_or_default() {
        "" => {
            let message =
                "Missing API key. Provide X-API-Key header or Authorization Bearer token.";
            return Err(error(401, message));
        }
        given if key.is_some_and(|key| given != key) => {
            return Err(error(403, "Invalid API key or token."));
        }
        _ => {}
    }
    match request.path() {
        "/api/v1/sdk/ruleset" => Ok(ruleset(request, rules)),
        "/api/v1/sdk/bootstrap" => Ok(bootstrap(rules)),
        client_stream::PATH => Ok(Response::empty(200)),
        "/api/v1/sdk/evaluate" => evaluate(request, rules),
        _ => take_events(request),
    }
}

/// Serves the flags without their segments. The ETag does not depend on the rules.
fn ruleset(request: &Request, rules: &Rules) -> Response {
    let flags = dialect::flags(rules);
    let version = version(&flags);
    let etag = format!("\"{version}\"");
    let known = request.header("If-None-Match").unwrap_or_default();
    let response = if known.contains(&etag) {
        Response::empty(304)
    } else {
        Response::json(200, Object::from([("flags", flags), ("version", Value::from(version))]))
    };
    response.with("ETag", etag)
}

fn bootstrap(rules: &Rules) -> Response {
    let flags = dialect::flags(rules);
    let version = version(&flags).into();
    Response::json(200, document::bootstrap(flags, dialect::segments(rules), version))
}

/// Returns a version that depends on the ids of the flags and on this process only.
fn version(flags: &Value) -> String {
    let mut ids = process::id().to_string();
    for flag in flags.as_array().unwrap_or_default() {
        ids += &member(flag, "id").to_string();
    }
    // The versions of the service have 32 bits, too.
    (document::hash(&ids) >> 32).to_string()
}

/// Evaluates a flag by the rules of the file, prerequisites included.
fn evaluate(request: &Request, rules: &Rules) -> Result<Response, Response> {
    let body = Body::parse(request)?.value;
    validation::evaluation(&body).map_err(invalid)?;
    let key = member(&body, "flag_key").as_str().unwrap_or_default();
    let context = member(&body, "context");
    let text = |name| member(context, name).as_str();
    let context =
        evaluation::context(text("user_id"), text("session_id"), member(context, "attributes"));
    let flag = dialect::find(rules, key);
    let Some(result) = rules.ruleset.evaluate(key, &context) else {
        return Err(error(404, &format!("Flag '{key}' not found")));
    };
    if result.reason() == Reason::FlagInactive {
        let status = dialect::inactive_status(flag);
        return Err(error(400, &format!("Flag '{key}' is not active (status={status})")));
    }
    let id = dialect::variation_id(flag, result.variation_key());
    Ok(Response::json(200, evaluation::single(key, id.clone(), &result)))
}

/// Prints the events of a request, or none of them if the database cannot store one.
fn take_events(request: &Request) -> Result<Response, Response> {
    let body = Body::parse(request)?;
    let events = validation::events(&body.value).map_err(invalid)?;
    if !body.is_unicode || !events.iter().all(validation::is_storable) {
        return Err(error(500, "Internal server error"));
    }
    for event in events {
        log::event(event);
    }
    let message = Value::from("Events persisted");
    let accepted = Value::from(events.len());
    Ok(Response::json(202, Object::from([("accepted", accepted), ("message", message)])))
}

/// A JSON body.
struct Body {
    value: Value,
    /// Whether no text contains an unpaired surrogate.
    is_unicode: bool,
}

impl Body {
    fn parse(request: &Request) -> Result<Body, Response> {
        if request.body().is_empty() {
            return Err(invalid(ValidationErrors::one("body", "Field required", "missing")));
        }
        let text = std::str::from_utf8(request.body())
            .map_err(|_| error(400, "There was an error parsing the body"))?;
        let replaced = validation::replace_unpaired_surrogates(text);
        let parsed = replaced.as_deref().unwrap_or(text).parse::<Value>();
        let value = parsed.map_err(|error| {
            // The service counts characters from the start of the text.
            let before = text.split_inclusive('\n').take(error.line() - 1);
            let position =
                before.map(|line| line.chars().count()).sum::<usize>() + error.column() - 1;
            invalid(ValidationErrors::one(
                format!("body.{position}"),
                "JSON decode error",
                "json_invalid",
            ))
        })?;
        Ok(Body { value, is_unicode: replaced.is_none() })
    }
}

fn error(status: u16, message: &str) -> Response {
    let error = Object::from([("code", Value::from(status)), ("message", Value::from(message))]);
    Response::json(status, Object::from([("error", error)]))
}

fn invalid(errors: ValidationErrors) -> Response {
    let error = Object::from([
        ("code", Value::from(422)),
        ("message", Value::from("Validation error")),
        ("details", errors.details()),
    ]);
    Response::json(422, Object::from([("error", error)]))
}

/// Adds the headers for the limit.
fn with_limit(response: Response, remaining: u32) -> Response {
    response
        .with("X-RateLimit-Limit", MAX_REQUESTS.to_string())
        .with("X-RateLimit-Remaining", remaining.to_string())
        .with("Cache-Control", "no-store")
}

/// Returns a time in whole seconds, rounded up, at least 1.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
