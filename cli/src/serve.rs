//! `phaseflag serve`: the local service for development.

use std::path::PathBuf;
use std::thread;

use phaseflag::{EvaluationContext, Object, Reason, Value};

use crate::args::{Arguments, Choice, Command};
use crate::evaluation::{self, documented};
use crate::failure::{Failure, Status};
use crate::http::{Answer, Request, Server};
use crate::limit::Limit;
use crate::rules::{self, FlagsFile, Rules, member};
use crate::validation::MAX_EVENTS;
use crate::{output, self_hosted};

pub(crate) const COMMAND: Command = Command {
    name: "serve",
    words: &["FILE"],
    about: "Serves the flags of a file for development, until interrupted",
    details: "\
The file holds rules in any form that the client reads. It is read again when it changes; one
that holds no rules leaves those of before in force. The address is the first line of output;
the events that come are printed. It listens on 127.0.0.1 alone, and welcomes any key but none.

  GET  /api/v1/sdk/ruleset    the file, with a version that grows; ETag and 304
  GET  /api/v1/sdk/bootstrap  its flags and segments; the signature is made up
  POST /api/v1/evaluate       the flags that `flags` lists, or all for [\"*\"]
  POST /api/v1/sdk/evaluate   the one flag `flag_key`, as older services have it
  POST /api/v1/sdk/events     prints each event

With --self-hosted it answers as the self-hosted service does over PostgreSQL: the ruleset has
no segments, no document has prerequisites or flags that are off, the ETag stays when a rule
changes, there is no /api/v1/evaluate, one event that its database cannot hold (a timestamp
with a zone, a key of more than 255 characters) fails its whole request, and an address has 120
requests a minute, from its first one on. Evaluations are this client's.
",
    options: &[&[
        Choice::with("--port", "PORT", "the port to listen on; 0 is any free one (8000)"),
        Choice::with("--key", "KEY", "the only key that is welcome"),
        Choice::switch("--self-hosted", "answers as the self-hosted service does, faults included"),
    ]],
    examples: &[
        "phaseflag serve flags.json",
        "phaseflag serve flags.json --port 0 --key sdk-dev-local",
        "phaseflag serve flags.json --self-hosted",
    ],
    run,
};

const PORT: u16 = 8000;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = PathBuf::from(arguments.raw_word(0));
    let port: u16 = match arguments.text("--port")? {
        Some(port) => port.parse().map_err(|_| {
            arguments.usage(format!("`--port` needs a number up to 65535, not `{port}`"))
        })?,
        None => PORT,
    };
    let welcome = arguments.text("--key")?;
    let mut limit = arguments.has("--self-hosted").then(Limit::default);
    let mut file = FlagsFile::open(path)?;
    let server = Server::start(port)
        .map_err(|error| Failure::Other(format!("failed to serve on port {port}: {error}")))?;
    output::say(format!("serving http://{}/api/v1", server.address()));
    for request in server.requests() {
        let rules = file.current();
        let answer = match &mut limit {
            Some(limit) => self_hosted::answer(&request, rules, welcome, limit),
            None => answer(&request, rules, welcome),
        };
        respond(request, answer);
    }
    Err(Failure::other("the server has ended"))
}

/// Answers on a thread of its own: one who does not read the answer holds up no other.
fn respond(request: Request, answer: Answer) {
    let failed = |error| output::warn(format_args!("failed to answer: {error}"));
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = request.respond(answer) {
            failed(error);
        }
    });
    if let Err(error) = spawned {
        failed(error);
    }
}

fn answer(request: &Request, rules: &Rules, welcome: Option<&str>) -> Answer {
    let (Ok(answer) | Err(answer)) = route(request, rules, welcome);
    answer
}

fn route(request: &Request, rules: &Rules, welcome: Option<&str>) -> Result<Answer, Answer> {
    if matches!(request.method(), "HEAD" | "OPTIONS") {
        let message = format!("{} is not served", request.method());
        return Err(error(405, "METHOD_NOT_ALLOWED", message).with("Allow", "GET, POST"));
    }
    match request.header("X-API-Key").unwrap_or_default() {
        "" => return Err(error(401, "UNAUTHORIZED", "the API key is missing")),
        key if welcome.is_some_and(|welcome| key != welcome) => {
            return Err(error(401, "UNAUTHORIZED", "the API key is wrong"));
        }
        _ => {}
    }
    match (request.method(), request.path()) {
        ("GET", "/api/v1/sdk/ruleset") => Ok(ruleset(request, rules)),
        ("GET", "/api/v1/sdk/bootstrap") => Ok(bootstrap(rules)),
        ("POST", "/api/v1/evaluate") => evaluate(&body(request)?, rules),
        ("POST", "/api/v1/sdk/evaluate") => evaluate_one(&body(request)?, rules),
        ("POST", "/api/v1/sdk/events") => take_events(&body(request)?),
        _ => Err(error(404, "NOT_FOUND", "Not Found")),
    }
}

/// Serves the rules, or the news that there are no newer ones.
fn ruleset(request: &Request, rules: &Rules) -> Answer {
    let known = request.header("If-None-Match").unwrap_or_default();
    let mut answer = Answer::empty(304);
    if !known.contains(&rules.etag) {
        (answer.status, answer.text) = (200, rules.text.clone());
    }
    answer.with("ETag", &rules.etag)
}

/// Serves the flags and the segments.
fn bootstrap(rules: &Rules) -> Answer {
    let list = |name| rules.document.get(name).filter(|list| !list.is_null()).cloned();
    let empty = || Value::Array(Vec::new());
    let flags = list("flags").unwrap_or_else(empty);
    let segments = list("segments").unwrap_or_else(empty);
    Answer::json(200, rules::bootstrap(flags, segments, rules.version.into()))
}

/// Evaluates the flags that the request lists.
fn evaluate(request: &Value, rules: &Rules) -> Result<Answer, Answer> {
    let flags = member(request, "flags").as_array().unwrap_or_default();
    let keys: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    if keys.is_empty() {
        return Err(invalid("`flags` must list keys, or \"*\""));
    }
    let results = rules.ruleset.evaluate_all(&context(member(request, "context")));
    let evaluations: Object = if keys.contains(&"*") {
        results.iter().map(|(key, result)| (key.as_str(), documented(Some(result)))).collect()
    } else {
        keys.into_iter().map(|key| (key, documented(results.get(key)))).collect()
    };
    let data = Object::from([("evaluations", evaluations)]);
    Ok(Answer::json(200, Object::from([("data", data)])))
}

/// Evaluates one flag as older services do.
fn evaluate_one(request: &Value, rules: &Rules) -> Result<Answer, Answer> {
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
    Ok(Answer::json(200, evaluation::older(key, Value::Null, &result)))
}

/// Reads who is asking. The `user_key` counts if there is neither a user nor a session.
fn context(request: &Value) -> EvaluationContext {
    let text = |name: &str| member(request, name).as_str();
    let (user_id, session_id) = match (text("user_id"), text("session_id")) {
        (None, None) => (text("user_key"), None),
        given => given,
    };
    evaluation::context(user_id, session_id, member(request, "attributes"))
}

/// Prints events. Takes all of a request, or none.
fn take_events(request: &Value) -> Result<Answer, Answer> {
    let events =
        member(request, "events").as_array().ok_or_else(|| invalid("`events` must be a list"))?;
    if events.len() > MAX_EVENTS {
        let message = format!("at most {MAX_EVENTS} events a request");
        return Err(invalid(message));
    }
    if events.iter().any(|event| member(event, "flag_key").as_str().is_none()) {
        return Err(invalid("an event must have a `flag_key`"));
    }
    for event in events {
        output::say(format!("event {event}"));
    }
    let accepted = Object::from([("accepted", events.len())]);
    Ok(Answer::json(202, accepted))
}

fn body(request: &Request) -> Result<Value, Answer> {
    let text = std::str::from_utf8(request.body())
        .map_err(|_| error(400, "BAD_REQUEST", "the body is no text"))?;
    text.parse::<Value>().map_err(|error| invalid(format!("the body is not JSON: {error}")))
}

fn error(status: u16, code: &str, message: impl Into<String>) -> Answer {
    let error = Object::from([("code", code.to_owned()), ("message", message.into())]);
    Answer::json(status, Object::from([("error", error)]))
}

fn invalid(message: impl Into<String>) -> Answer {
    error(422, "VALIDATION_ERROR", message)
}
