//! `Evaluation`: one evaluation as the function of `on_evaluation` sees it.

use super::evaluation_error::EvaluationError;
use crate::context::{EMPTY_CONTEXT, EvaluationContext};
use crate::ruleset::{EvaluationResult, Reason, Serving};
use crate::value::Value;

/// One evaluation of a flag, for the function of
/// [`on_evaluation`](crate::ClientBuilder::on_evaluation).
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    pub(super) key: &'a str,
    pub(super) context: Option<&'a EvaluationContext>,
    pub(super) value: Option<&'a Value>,
    pub(super) outcome: Outcome<'a>,
}

/// What a flag serves, or why it serves nothing of the requested type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Serving(&'a Serving<'a>),
    Result(&'a EvaluationResult),
    Error(&'a EvaluationError),
}

impl<'a> From<Result<&'a EvaluationResult, &'a EvaluationError>> for Outcome<'a> {
    fn from(result: Result<&'a EvaluationResult, &'a EvaluationError>) -> Outcome<'a> {
        match result {
            Ok(result) => Outcome::Result(result),
            Err(error) => Outcome::Error(error),
        }
    }
}

impl<'a> Evaluation<'a> {
    /// Returns the key that the caller asked for. It may be unknown.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// Returns the context: the one that was passed, or the default context, or an empty one.
    pub fn context(&self) -> &'a EvaluationContext {
        self.context.unwrap_or(&EMPTY_CONTEXT)
    }

    /// Returns the value that the caller received, which may be its default. A default that is NaN
    /// or infinite is `null` here. Of `get_json_as`, this is the value before it is deserialized.
    ///
    /// Returns `None` if the caller received no value: `get_variation` returned `None`, or
    /// `get_json_as` an error.
    pub fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Returns the key of the variation, or `None` for the caller's default, for an override, and for
    /// a variation without a key.
    pub fn variation_key(&self) -> Option<&'a str> {
        match self.outcome {
            Outcome::Serving(serving) => serving.variation_key(),
            Outcome::Result(result) => result.variation_key(),
            Outcome::Error(_) => None,
        }
    }

    /// Returns the reason, or `None` if there is an [`error`](Evaluation::error).
    pub fn reason(&self) -> Option<Reason> {
        match self.outcome {
            Outcome::Serving(serving) => Some(serving.reason()),
            Outcome::Result(result) => Some(result.reason()),
            Outcome::Error(_) => None,
        }
    }

    /// Returns why the flag serves no value of the requested type, or `None` if it does.
    pub fn error(&self) -> Option<&'a EvaluationError> {
        match self.outcome {
            Outcome::Error(error) => Some(error),
            Outcome::Serving(_) | Outcome::Result(_) => None,
        }
    }
}
