//! Remote evaluation: one body that both generations of the service read, and two answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::paths::{EvaluatePath, Paths};
use super::requests::Http;
use crate::context::{AttributeValue, EvaluationContext};
use crate::error::{Error, RequestError};
use crate::ruleset::{EvaluationResult, Reason};
use crate::value::{Object, Value};

/// The code of an error that says that there is no such flag.
const FLAG_NOT_FOUND: &str = "FLAG_NOT_FOUND";

/// What the service answers to the question for one flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RemoteAnswer {
    Result(EvaluationResult),
    FlagNotFound,
}

/// Asks the service to evaluate flags.
#[derive(Debug)]
pub(crate) struct Remote {
    http: Arc<Http>,
    paths: Arc<Paths>,
    /// Whether the older path has answered this process.
    older_seen: AtomicBool,
}

/// How a path takes a question.
enum Asked {
    Answered(Result<EvaluationResult, Error>),
    /// There may be no such path.
    NoPath(RequestError),
}

impl Remote {
    pub(crate) fn new(http: Arc<Http>, paths: Arc<Paths>) -> Remote {
        Remote { http, paths, older_seen: AtomicBool::new(false) }
    }

    /// Evaluates one flag, in the time of one request. Nothing is retried.
    pub(crate) fn evaluate(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> Result<EvaluationResult, Error> {
        let (begun, body) = (Instant::now(), question(flag, context));
        let path = self.paths.known().evaluate;
        if let Asked::Answered(result) = self.ask(path, flag, &body, Duration::ZERO) {
            self.note(path, &result);
            return result;
        }
        self.ask_other(path.other(), flag, &body, begun.elapsed())
    }

    /// Asks on the path that was not the one in use, and uses it from then on if it answers.
    fn ask_other(
        &self,
        path: EvaluatePath,
        flag: &str,
        body: &str,
        spent: Duration,
    ) -> Result<EvaluationResult, Error> {
        let result = match self.ask(path, flag, body, spent) {
            Asked::Answered(result) => result,
            Asked::NoPath(failure) => Err(failure.into()),
        };
        if self.note(path, &result) {
            self.paths.find_evaluation(path);
            return result;
        }
        // If the older path is there, its 404 was about the flag.
        match path == EvaluatePath::Documented && self.older_seen.load(Ordering::Acquire) {
            true => Err(not_found(flag)),
            false => result,
        }
    }

    /// Returns whether a result shows that its path exists, and notes that.
    fn note(&self, path: EvaluatePath, result: &Result<EvaluationResult, Error>) -> bool {
        // A failed request may be a proxy's page during an update.
        let answers = !matches!(result, Err(Error::Request { .. } | Error::KeyRefused { .. }));
        if answers && path == EvaluatePath::Older {
            self.older_seen.store(true, Ordering::Release);
        }
        answers
    }

    fn ask(&self, path: EvaluatePath, flag: &str, body: &str, spent: Duration) -> Asked {
        let older = path == EvaluatePath::Older;
        Asked::Answered(match self.http.post(path.as_str(), body, spent) {
            Err(failure) if is_about(&failure, flag) => Err(not_found(flag)),
            Err(failure) if failure.status() == Some(404) => match older && !is_no_path(&failure) {
                true => Err(not_found(flag)),
                false => return Asked::NoPath(failure),
            },
            Err(failure) if older && failure.status() == Some(400) => {
                Err(Error::FlagInactive { flag: flag.to_owned() })
            }
            answer => self.judge(path.as_str(), flag, answer.map(|answer| answer.body)),
        })
    }

    fn judge(
        &self,
        path: &str,
        flag: &str,
        body: Result<Vec<u8>, RequestError>,
    ) -> Result<EvaluationResult, Error> {
        let body = match body {
            Err(cause) if matches!(cause.status(), Some(401 | 403)) => {
                return Err(Error::KeyRefused { cause });
            }
            body => body?,
        };
        match answer(flag, &body) {
            Ok(RemoteAnswer::Result(result)) => Ok(result),
            Ok(RemoteAnswer::FlagNotFound) => Err(not_found(flag)),
            Err(reason) => Err(RequestError::Answer { url: self.http.url(path), reason }.into()),
        }
    }
}

fn not_found(flag: &str) -> Error {
    Error::FlagNotFound { flag: flag.to_owned() }
}

/// Returns whether a 404 speaks of the flag, and not of the path.
fn is_about(failure: &RequestError, flag: &str) -> bool {
    match failure {
        RequestError::Status { status: 404, code, message, .. } => {
            code == FLAG_NOT_FOUND || !is_usual(message) && names(message, flag)
        }
        _ => false,
    }
}

/// Returns whether a 404 says no more than that.
fn is_no_path(failure: &RequestError) -> bool {
    match failure {
        RequestError::Status { status: 404, code, message, .. } => {
            code != FLAG_NOT_FOUND && is_usual(message)
        }
        _ => false,
    }
}

/// Returns whether a message is that of any path that is not there.
fn is_usual(message: &str) -> bool {
    message.is_empty() || message.eq_ignore_ascii_case("not found")
}

/// Returns whether a message names a flag, and not only a word that the key is a part of.
fn names(message: &str, flag: &str) -> bool {
    let is_part =
        |character: char| character.is_alphanumeric() || character == '-' || character == '_';
    !flag.is_empty()
        && message.match_indices(flag).any(|(start, _)| {
            let (before, rest) = message.split_at(start);
            let after = rest.strip_prefix(flag).unwrap_or_default();
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
}

/// Writes the question in the words of both generations.
fn question(flag: &str, context: &EvaluationContext) -> String {
    let mut subject = Object::new();
    let (user_id, session_id) = (context.get_user_id(), context.get_session_id());
    for (name, value) in
        [("user_key", context.identifier()), ("user_id", user_id), ("session_id", session_id)]
    {
        if let Some(value) = value {
            subject.insert(name, value);
        }
    }
    let attributes = context.attributes().filter_map(|(name, value)| {
        let value = match value {
            AttributeValue::String(text) => Value::from(text),
            AttributeValue::Number(number) => Value::from(*number),
            AttributeValue::Bool(value) => Value::from(*value),
            AttributeValue::Missing => return None,
        };
        Some((name, value))
    });
    subject.insert("attributes", Object::from_iter(attributes));
    let question = Object::from_iter([
        ("flags", Value::from([flag])),
        ("flag_key", Value::from(flag)),
        ("context", Value::from(subject)),
    ]);
    Value::from(question).to_string()
}

/// Reads the answer of either generation, or says what is wrong with it.
#[expect(clippy::indexing_slicing, reason = "a `Value` answers `null` for what it does not hold")]
pub(crate) fn answer(flag: &str, body: &[u8]) -> Result<RemoteAnswer, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let document: Value = text.parse().map_err(|error| format!("it is not JSON: {error}"))?;
    let documented = match document.get("data") {
        Some(data) => &data["evaluations"],
        None => &document["evaluations"],
    };
    let evaluation = match documented {
        Value::Object(evaluations) => match evaluations.get(flag) {
            Some(evaluation) => evaluation,
            None => return Err(format!("it does not hold the flag `{flag}`")),
        },
        _ => &document,
    };
    let Some(reason) = evaluation["reason"].as_str() else {
        return Err("it holds no reason".to_owned());
    };
    if reason.eq_ignore_ascii_case(FLAG_NOT_FOUND) {
        return Ok(RemoteAnswer::FlagNotFound);
    }
    let variation_key = evaluation["variation_key"].as_str().map(str::to_owned);
    let value = evaluation["value"].clone();
    Ok(RemoteAnswer::Result(EvaluationResult::new(value, variation_key, read_reason(reason))))
}

/// Reads a reason of either generation; one that is not known is kept as it came.
fn read_reason(name: &str) -> Reason {
    match name {
        "TARGETING_RULE" | "targeting_match" => Reason::TargetingMatch,
        "PERCENTAGE_ROLLOUT" | "percentage_rollout" => Reason::PercentageRollout,
        "DEFAULT" | "default" => Reason::Default,
        "DISABLED" | "flag_inactive" => Reason::FlagInactive,
        "PREREQUISITE" | "prerequisite_failed" => Reason::PrerequisiteFailed,
        "override" => Reason::Override,
        other => Reason::Other(other.into()),
    }
}
