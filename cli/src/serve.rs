//! `phaseflag serve`: the local service for development.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::thread;

use phaseflag::{AttributeValue, EvaluationContext, EvaluationResult, Object};
use phaseflag::{Reason, Ruleset, Value};

use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::http::{Request, Server};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "serve",
    words: &["FILE"],
    about: "Serves the flags of a file for development, until interrupted",
    details: "\
The file holds rules in any form that the client reads. It is read again when it changes; one
that holds no rules leaves those of before in force. The address is the first line of output;
the events that come are printed. It listens on 127.0.0.1 alone, and welcomes any key but none.

  GET  /api/v1/sdk/ruleset   the file, with a version that grows; ETag and 304
  POST /api/v1/evaluate      the flags that `flags` lists, or all for [\"*\"]
  POST /api/v1/sdk/evaluate  the one flag `flag_key`, as older services have it
  POST /api/v1/sdk/events    prints each event
",
    options: &[&[
        Choice::with("--port", "PORT", "the port to listen on; 0 is any free one (8000)"),
        Choice::with("--key", "KEY", "the only key that is welcome"),
    ]],
    examples: &[
        "phaseflag serve flags.json",
        "phaseflag serve flags.json --port 0 --key sdk-dev-local",
    ],
    run,
};

const PORT: u16 = 8000;

/// The most events that a request may hold.
const MAX_EVENTS: usize = 500;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = PathBuf::from(arguments.raw_word(0));
    let port: u16 = match arguments.text("--port")? {
        Some(port) => port.parse().map_err(|_| {
            arguments.usage(format!("`--port` needs a number up to 65535, not `{port}`"))
        })?,
        None => PORT,
    };
    let welcome = arguments.text("--key")?;
    let mut file = FlagsFile::open(path)?;
    let server = Server::start(port)
        .map_err(|error| Failure::Other(format!("failed to serve on port {port}: {error}")))?;
    say(format!("serving http://{}/api/v1", server.address()));
    for request in server.requests() {
        file.read_again();
        let (Ok(answer) | Err(answer)) = answer(&request, &file.rules, welcome);
        respond(request, answer);
    }
    Err(Failure::other("the server has ended"))
}

/// Prints a line. The service goes on without anyone who reads it.
fn say(line: String) {
    match output::line(output::plain(line)) {
        Ok(_) | Err(Failure::OutputClosed) => {}
        Err(failure) => output::warn(failure),
    }
}

/// Answers on a thread of its own: one who does not read the answer holds up no other.
fn respond(request: Request, answer: Answer) {
    let failed = |error| output::warn(format_args!("failed to answer: {error}"));
    let Answer { status, text, etag } = answer;
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = request.respond(status, etag.as_deref(), &text) {
            failed(error);
        }
    });
    if let Err(error) = spawned {
        failed(error);
    }
}

/// Routes a request. A refusal is an answer, too.
fn answer(request: &Request, rules: &Rules, welcome: Option<&str>) -> Result<Answer, Answer> {
    if matches!(request.method(), "HEAD" | "OPTIONS") {
        let message = format!("{} is not served", request.method());
        return Err(Answer::error(405, "METHOD_NOT_ALLOWED", message));
    }
    match request.header("X-API-Key").unwrap_or_default() {
        "" => return Err(Answer::error(401, "UNAUTHORIZED", "the API key is missing")),
        key if welcome.is_some_and(|welcome| key != welcome) => {
            return Err(Answer::error(401, "UNAUTHORIZED", "the API key is wrong"));
        }
        _ => {}
    }
    match (request.method(), request.path()) {
        ("GET", "/api/v1/sdk/ruleset") => Ok(ruleset(request, rules)),
        ("POST", "/api/v1/evaluate") => evaluate(&body(request)?, rules),
        ("POST", "/api/v1/sdk/evaluate") => evaluate_one(&body(request)?, rules),
        ("POST", "/api/v1/sdk/events") => take_events(&body(request)?),
        _ => Err(Answer::error(404, "NOT_FOUND", "Not Found")),
    }
}

/// Serves the rules, or the news that there are no newer ones.
fn ruleset(request: &Request, rules: &Rules) -> Answer {
    let known = request.header("If-None-Match").unwrap_or_default();
    let (status, text) =
        if known.contains(&rules.etag) { (304, String::new()) } else { (200, rules.text.clone()) };
    Answer { status, text, etag: Some(rules.etag.clone()) }
}

/// Evaluates the flags that the request lists.
fn evaluate(request: &Value, rules: &Rules) -> Result<Answer, Answer> {
    let flags = member(request, "flags").as_array().unwrap_or_default();
    let keys: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    if keys.is_empty() {
        return Err(Answer::invalid("`flags` must list keys, or \"*\""));
    }
    let results = rules.ruleset.evaluate_all(&context(member(request, "context")));
    let evaluations: Object = if keys.contains(&"*") {
        results.iter().map(|(key, result)| (key.as_str(), evaluation(Some(result)))).collect()
    } else {
        keys.into_iter().map(|key| (key, evaluation(results.get(key)))).collect()
    };
    let data = Object::from([("evaluations", evaluations)]);
    Ok(Answer::json(200, Object::from([("data", data)])))
}

fn evaluation(result: Option<&EvaluationResult>) -> Value {
    let (value, variation_key, reason) = match result {
        Some(result) => {
            (result.value().clone(), result.variation_key(), documented(&result.reason()))
        }
        None => (Value::Null, None, "FLAG_NOT_FOUND"),
    };
    Value::from(Object::from([
        ("value", value),
        ("variation_key", Value::from(variation_key)),
        ("reason", Value::from(reason)),
    ]))
}

/// Returns the name that remote evaluation has for a reason.
fn documented(reason: &Reason) -> &'static str {
    match reason {
        Reason::TargetingMatch => "TARGETING_RULE",
        Reason::PercentageRollout => "PERCENTAGE_ROLLOUT",
        Reason::FlagInactive => "DISABLED",
        Reason::PrerequisiteFailed => "PREREQUISITE",
        _ => "DEFAULT",
    }
}

/// Evaluates one flag as older services do.
fn evaluate_one(request: &Value, rules: &Rules) -> Result<Answer, Answer> {
    let key = member(request, "flag_key")
        .as_str()
        .ok_or_else(|| Answer::invalid("`flag_key` must be a string"))?;
    let result = rules
        .ruleset
        .evaluate(key, &context(member(request, "context")))
        .ok_or_else(|| Answer::error(404, "FLAG_NOT_FOUND", format!("no flag `{key}`")))?;
    if result.reason() == Reason::FlagInactive {
        let message = format!("the flag `{key}` is not active");
        return Err(Answer::error(400, "FLAG_INACTIVE", message));
    }
    let evaluation = Object::from([
        ("flag_key", Value::from(key)),
        ("variation_id", Value::Null),
        ("variation_key", Value::from(result.variation_key())),
        ("value", result.value().clone()),
        ("reason", Value::from(result.reason().as_str())),
    ]);
    Ok(Answer::json(200, evaluation))
}

/// Reads who is asking. The `user_key` counts where there is neither a user nor a session; the
/// request's own identifiers win over attributes of their names.
fn context(request: &Value) -> EvaluationContext {
    let mut context = EvaluationContext::new();
    let attributes = member(request, "attributes").as_object();
    for (name, value) in attributes.into_iter().flat_map(Object::iter) {
        let value = match value {
            Value::String(text) => AttributeValue::from(text),
            Value::Number(number) => AttributeValue::from(*number),
            Value::Bool(value) => AttributeValue::from(*value),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        context = context.attribute(name, value);
    }
    let text = |name: &str| member(request, name).as_str();
    match (text("user_id"), text("session_id"), text("user_key")) {
        (None, None, Some(user_key)) => context = context.user_id(user_key),
        (user_id, session_id, _) => {
            if let Some(user_id) = user_id {
                context = context.user_id(user_id);
            }
            if let Some(session_id) = session_id {
                context = context.session_id(session_id);
            }
        }
    }
    context
}

/// Prints events. Takes all of a request, or none.
fn take_events(request: &Value) -> Result<Answer, Answer> {
    let events = member(request, "events")
        .as_array()
        .ok_or_else(|| Answer::invalid("`events` must be a list"))?;
    if events.len() > MAX_EVENTS {
        let message = format!("at most {MAX_EVENTS} events a request");
        return Err(Answer::invalid(message));
    }
    if events.iter().any(|event| member(event, "flag_key").as_str().is_none()) {
        return Err(Answer::invalid("an event must have a `flag_key`"));
    }
    for event in events {
        say(format!("event {event}"));
    }
    let accepted = Object::from([("accepted", events.len())]);
    Ok(Answer::json(202, accepted))
}

/// Returns the member of an object; `null` where there is none.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn body(request: &Request) -> Result<Value, Answer> {
    let text = std::str::from_utf8(request.body())
        .map_err(|_| Answer::error(400, "BAD_REQUEST", "the body is no text"))?;
    text.parse::<Value>().map_err(|error| Answer::invalid(format!("the body is not JSON: {error}")))
}

/// What a request is answered with.
struct Answer {
    status: u16,
    text: String,
    etag: Option<String>,
}

impl Answer {
    fn json(status: u16, body: Object) -> Answer {
        Answer { status, text: Value::from(body).to_string(), etag: None }
    }

    fn error(status: u16, code: &str, message: impl Into<String>) -> Answer {
        let error = Object::from([("code", code.to_owned()), ("message", message.into())]);
        Answer::json(status, Object::from([("error", error)]))
    }

    fn invalid(message: impl Into<String>) -> Answer {
        Answer::error(422, "VALIDATION_ERROR", message)
    }
}

/// The file, and the last rules that it held.
struct FlagsFile {
    path: PathBuf,
    /// What was found there last, whether it could be used or not.
    found: Result<String, io::ErrorKind>,
    rules: Rules,
}

impl FlagsFile {
    fn open(path: PathBuf) -> Result<FlagsFile, Failure> {
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::Other(format!("failed to read `{}`: {error}", path.display()))
        })?;
        let rules = Rules::parse(&text, 1).map_err(|error| {
            Failure::Other(format!("failed to use `{}`: {error}", path.display()))
        })?;
        Ok(FlagsFile { path, found: Ok(text), rules })
    }

    /// Takes over what the file holds now, if that is news.
    fn read_again(&mut self) {
        let found = fs::read_to_string(&self.path).map_err(|error| error.kind());
        if found == self.found {
            return;
        }
        let path = self.path.display();
        match &found {
            Err(error) => {
                output::warn(format_args!("failed to read `{path}`: {error}; the rules stay"));
            }
            Ok(text) => match Rules::parse(text, self.rules.version + 1) {
                Err(error) => {
                    output::warn(format_args!("failed to use `{path}`: {error}; the rules stay"));
                }
                Ok(rules) => {
                    say(format!("read `{path}` again: version {}", rules.version));
                    self.rules = rules;
                }
            },
        }
        self.found = found;
    }
}

/// The rules in force, as they are evaluated and as they are served.
struct Rules {
    version: u64,
    ruleset: Ruleset,
    text: String,
    etag: String,
}

impl Rules {
    fn parse(text: &str, version: u64) -> Result<Rules, Box<dyn std::error::Error>> {
        let ruleset = Ruleset::parse(text)?;
        for problem in ruleset.problems() {
            output::warn(problem);
        }
        let mut document = match text.parse()? {
            Value::Object(object) => object,
            flags => Object::from([("flags", flags)]),
        };
        if let (None, Some(Value::Object(data))) = (document.get("flags"), document.get("data")) {
            document = data.clone();
        }
        document.insert("version", version);
        let text = Value::from(document).to_string();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Rules { version, ruleset, text, etag: format!("\"{:016x}\"", hasher.finish()) })
    }
}
