//! What the self-hosted service over PostgreSQL answers, and what it limits.

use std::process;
use std::time::{Duration, Instant};

use phaseflag::{Object, Reason, Value};

use crate::dialect;
use crate::http::{Answer, Request};
use crate::limit::{Limit, MAX_REQUESTS};
use crate::rules::{self, Rules, member};
use crate::validation::{self, Faults};
use crate::{evaluation, output};

/// Answers a request, which counts whatever comes of it.
pub(crate) fn answer(
    request: &Request,
    rules: &Rules,
    welcome: Option<&str>,
    limit: &mut Limit,
) -> Answer {
    let remaining = match limit.take(request.address(), Instant::now()) {
        Ok(remaining) => remaining,
        Err(wait) => {
            let answer = error(429, "Too Many Requests");
            return limited(answer.with("Retry-After", seconds(wait).to_string()), 0);
        }
    };
    let (Ok(answer) | Err(answer)) = route(request, rules, welcome);
    // The service's crash handler stands outside of what adds these headers.
    if answer.status == 500 { answer } else { limited(answer, remaining) }
}

fn route(request: &Request, rules: &Rules, welcome: Option<&str>) -> Result<Answer, Answer> {
    let method = match request.path() {
        "/api/v1/sdk/ruleset" | "/api/v1/sdk/bootstrap" => "GET",
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
        key if welcome.is_some_and(|welcome| key != welcome) => {
            return Err(error(403, "Invalid API key or token."));
        }
        _ => {}
    }
    match request.path() {
        "/api/v1/sdk/ruleset" => Ok(ruleset(request, rules)),
        "/api/v1/sdk/bootstrap" => Ok(bootstrap(rules)),
        "/api/v1/sdk/evaluate" => evaluate(request, rules),
        _ => take_events(request),
    }
}

/// Serves the flags without their segments. The ETag knows nothing of their rules.
fn ruleset(request: &Request, rules: &Rules) -> Answer {
    let flags = dialect::flags(rules);
    let version = version(&flags);
    let etag = format!("\"{version}\"");
    let known = request.header("If-None-Match").unwrap_or_default();
    let answer = if known.contains(&etag) {
        Answer::empty(304)
    } else {
        Answer::json(200, Object::from([("flags", flags), ("version", Value::from(version))]))
    };
    answer.with("ETag", etag)
}

fn bootstrap(rules: &Rules) -> Answer {
    let flags = dialect::flags(rules);
    let version = version(&flags).into();
    Answer::json(200, rules::bootstrap(flags, dialect::segments(rules), version))
}

/// Returns a version that only the flags' ids decide, and this process.
fn version(flags: &Value) -> String {
    let mut ids = process::id().to_string();
    for flag in flags.as_array().unwrap_or_default() {
        ids += &member(flag, "id").to_string();
    }
    // As many bits as the service's own.
    (rules::hash(&ids) >> 32).to_string()
}

/// Evaluates a flag by the rules of the file, its prerequisites included.
fn evaluate(request: &Request, rules: &Rules) -> Result<Answer, Answer> {
    let body = Body::read(request)?.value;
    validation::evaluation(&body).map_err(invalid)?;
    let key = member(&body, "flag_key").as_str().unwrap_or_default();
    let context = member(&body, "context");
    let text = |name| member(context, name).as_str();
    let who =
        evaluation::context(text("user_id"), text("session_id"), member(context, "attributes"));
    let flag = dialect::find(rules, key);
    let Some(result) = rules.ruleset.evaluate(key, &who) else {
        return Err(error(404, &format!("Flag '{key}' not found")));
    };
    if result.reason() == Reason::FlagInactive {
        let status = dialect::inactive_status(flag);
        return Err(error(400, &format!("Flag '{key}' is not active (status={status})")));
    }
    let id = dialect::variation_id(flag, result.variation_key());
    Ok(Answer::json(200, evaluation::older(key, id.clone(), &result)))
}

/// Prints the events of a request, or none of them if its database could not hold one.
fn take_events(request: &Request) -> Result<Answer, Answer> {
    let body = Body::read(request)?;
    let events = validation::events(&body.value).map_err(invalid)?;
    if !body.is_whole || !events.iter().all(validation::is_storable) {
        return Err(error(500, "Internal server error"));
    }
    for event in events {
        output::say(format!("event {event}"));
    }
    let message = Value::from("Events persisted");
    let accepted = Value::from(events.len());
    Ok(Answer::json(202, Object::from([("accepted", accepted), ("message", message)])))
}

/// A body of JSON.
struct Body {
    value: Value,
    /// Whether no text in it holds half of a surrogate pair.
    is_whole: bool,
}

impl Body {
    fn read(request: &Request) -> Result<Body, Answer> {
        if request.body().is_empty() {
            return Err(invalid(Faults::one("body", "Field required", "missing")));
        }
        let text = std::str::from_utf8(request.body())
            .map_err(|_| error(400, "There was an error parsing the body"))?;
        let replaced = validation::without_halves(text);
        let parsed = replaced.as_deref().unwrap_or(text).parse::<Value>();
        let value = parsed.map_err(|error| {
            // The service counts characters from the beginning of the text.
            let before = text.split_inclusive('\n').take(error.line() - 1);
            let position =
                before.map(|line| line.chars().count()).sum::<usize>() + error.column() - 1;
            invalid(Faults::one(format!("body.{position}"), "JSON decode error", "json_invalid"))
        })?;
        Ok(Body { value, is_whole: replaced.is_none() })
    }
}

fn error(status: u16, message: &str) -> Answer {
    let error = Object::from([("code", Value::from(status)), ("message", Value::from(message))]);
    Answer::json(status, Object::from([("error", error)]))
}

fn invalid(faults: Faults) -> Answer {
    let error = Object::from([
        ("code", Value::from(422)),
        ("message", Value::from("Validation error")),
        ("details", faults.details()),
    ]);
    Answer::json(422, Object::from([("error", error)]))
}

/// Adds what the service says of its limit.
fn limited(answer: Answer, remaining: u32) -> Answer {
    answer
        .with("X-RateLimit-Limit", MAX_REQUESTS.to_string())
        .with("X-RateLimit-Remaining", remaining.to_string())
        .with("Cache-Control", "no-store")
}

/// Returns a time in whole seconds, rounded up, and at least one.
fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
