//! Remote evaluation: one request body for both versions of the service, and their two responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::paths::{EvaluatePath, Paths};
use super::requests::Http;
use crate::context::{AttributeValue, EvaluationContext};
use crate::error::{Error, RequestError};
use crate::ruleset::{EvaluationResult, Reason};
use crate::value::{Object, Value};

/// The error code and the reason for an unknown flag.
const FLAG_NOT_FOUND: &str = "FLAG_NOT_FOUND";

/// A response to the evaluation of one flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RemoteResponse {
    Result(EvaluationResult),
    FlagNotFound,
}

/// Requests evaluations from the service.
#[derive(Debug)]
pub(crate) struct Remote {
    http: Arc<Http>,
    paths: Arc<Paths>,
    /// Whether a response to this process showed that the older path exists.
    older_exists: AtomicBool,
}

/// The outcome of a request on one path.
enum Attempt {
    Done(Result<EvaluationResult, Error>),
    /// The service may not have this path.
    NoPath(RequestError),
}

impl Remote {
    pub(crate) fn new(http: Arc<Http>, paths: Arc<Paths>) -> Remote {
        Remote { http, paths, older_exists: AtomicBool::new(false) }
    }

    /// Evaluates one flag, within the timeout of one request. Tries the other path if the current
    /// one may not exist, and does not retry otherwise.
    pub(crate) fn evaluate(
        &self,
        flag: &str,
        context: &EvaluationContext,
    ) -> Result<EvaluationResult, Error> {
        let (start, body) = (Instant::now(), request_body(flag, context));
        let path = self.paths.known().evaluate;
        if let Attempt::Done(result) = self.request(path, flag, &body, Duration::ZERO) {
            self.note_path(path, &result);
            return result;
        }
        self.try_other(path.other(), flag, &body, start.elapsed())
    }

    /// Tries the path that is not in use, and switches to it if it exists.
    fn try_other(
        &self,
        path: EvaluatePath,
        flag: &str,
        body: &str,
        spent: Duration,
    ) -> Result<EvaluationResult, Error> {
        let result = match self.request(path, flag, body, spent) {
            Attempt::Done(result) => result,
            Attempt::NoPath(failure) => Err(failure.into()),
        };
        if self.note_path(path, &result) {
            self.paths.set_evaluate_path(path);
            return result;
        }
        // If the older path exists, its 404 was about the flag.
        match path == EvaluatePath::Documented && self.older_exists.load(Ordering::Acquire) {
            true => Err(not_found(flag)),
            false => result,
        }
    }

    /// Returns whether a result shows that its path exists, and notes that.
    fn note_path(&self, path: EvaluatePath, result: &Result<EvaluationResult, Error>) -> bool {
        // A failed request proves nothing: it may be a proxy's page during an update.
        let exists = !matches!(result, Err(Error::Request { .. } | Error::KeyRefused { .. }));
        if exists && path == EvaluatePath::Older {
            self.older_exists.store(true, Ordering::Release);
        }
        exists
    }

    fn request(&self, path: EvaluatePath, flag: &str, body: &str, spent: Duration) -> Attempt {
        let older = path == EvaluatePath::Older;
        Attempt::Done(match self.http.post(path.as_str(), body, spent) {
            Err(failure) if is_flag_not_found(&failure, flag) => Err(not_found(flag)),
            Err(failure) if failure.status() == Some(404) => {
                match older && !is_generic_404(&failure) {
                    true => Err(not_found(flag)),
                    false => return Attempt::NoPath(failure),
                }
            }
            Err(failure) if older && failure.status() == Some(400) => {
                Err(Error::FlagInactive { flag: flag.to_owned() })
            }
            result => self.interpret(path.as_str(), flag, result.map(|response| response.body)),
        })
    }

    fn interpret(
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
        match parse_response(flag, &body) {
            Ok(RemoteResponse::Result(result)) => Ok(result),
            Ok(RemoteResponse::FlagNotFound) => Err(not_found(flag)),
            Err(reason) => {
                Err(RequestError::InvalidResponse { url: self.http.url(path), reason }.into())
            }
        }
    }
}

fn not_found(flag: &str) -> Error {
    Error::FlagNotFound { flag: flag.to_owned() }
}

/// Returns whether a failure is a 404 about the flag, not about the path.
fn is_flag_not_found(failure: &RequestError, flag: &str) -> bool {
    match failure {
        RequestError::Status { status: 404, code, message, .. } => {
            code == FLAG_NOT_FOUND || !is_generic(message) && mentions(message, flag)
        }
        _ => false,
    }
}

/// Returns whether a failure is a 404 without details.
fn is_generic_404(failure: &RequestError) -> bool {
    match failure {
        RequestError::Status { status: 404, code, message, .. } => {
            code != FLAG_NOT_FOUND && is_generic(message)
        }
        _ => false,
    }
}

/// Returns whether a message is the usual one for an unknown path.
fn is_generic(message: &str) -> bool {
    message.is_empty() || message.eq_ignore_ascii_case("not found")
}

/// Returns whether a message contains the flag's key as a whole word.
fn mentions(message: &str, flag: &str) -> bool {
    let is_part =
        |character: char| character.is_alphanumeric() || character == '-' || character == '_';
    !flag.is_empty()
        && message.match_indices(flag).any(|(start, _)| {
            let (before, rest) = message.split_at(start);
            let after = rest.strip_prefix(flag).unwrap_or_default();
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
}

/// Returns the request body, with the fields of both versions of the service.
fn request_body(flag: &str, context: &EvaluationContext) -> String {
    let mut subject = Object::new();
    let (user_id, session_id) = (context.get_user_id(), context.get_session_id());
    for (name, value) in
        [("user_key", context.bucket_key()), ("user_id", user_id), ("session_id", session_id)]
    {
        if let Some(value) = value {
            subject.insert(name, value);
        }
    }
    let attributes = context.iter().filter_map(|(name, value)| {
        let value = match value {
            AttributeValue::String(text) => Value::from(text),
            AttributeValue::Number(number) => Value::from(*number),
            AttributeValue::Bool(value) => Value::from(*value),
            AttributeValue::Missing => return None,
        };
        Some((name, value))
    });
    subject.insert("attributes", Object::from_iter(attributes));
    let body = Object::from_iter([
        ("flags", Value::from([flag])),
        ("flag_key", Value::from(flag)),
        ("context", Value::from(subject)),
    ]);
    Value::from(body).to_string()
}

/// Parses a response of either version of the service, or returns what is wrong with it.
#[expect(clippy::indexing_slicing, reason = "indexing a `Value` returns `null` for a missing key")]
pub(crate) fn parse_response(flag: &str, body: &[u8]) -> Result<RemoteResponse, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let document: Value = text.parse().map_err(|error| format!("it is not JSON: {error}"))?;
    let documented = match document.get("data") {
        Some(data) => &data["evaluations"],
        None => &document["evaluations"],
    };
    let evaluation = match documented {
        Value::Object(evaluations) => match evaluations.get(flag) {
            Some(evaluation) => evaluation,
            None => return Err(format!("it lacks the flag `{flag}`")),
        },
        _ => &document,
    };
    let Some(reason) = evaluation["reason"].as_str() else {
        return Err("it lacks `reason`".to_owned());
    };
    if reason.eq_ignore_ascii_case(FLAG_NOT_FOUND) {
        return Ok(RemoteResponse::FlagNotFound);
    }
    let variation_key = evaluation["variation_key"].as_str().map(str::to_owned);
    let value = evaluation["value"].clone();
    Ok(RemoteResponse::Result(EvaluationResult::new(value, variation_key, parse_reason(reason))))
}

/// Parses a reason of either version of the service. An unknown one becomes `Other`.
fn parse_reason(name: &str) -> Reason {
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
