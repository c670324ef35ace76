//! What sees the evaluations of a client: the recorder of events, and the hook of the program.

use std::fmt;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use super::Hook;
use crate::context::EvaluationContext;
use crate::events::Recorder;
use crate::ruleset::EvaluationResult;
use crate::value::Value;

/// Sees each evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Observer {
    Recorder(Arc<dyn Recorder>),
    /// A hook, and the recorder if there is one.
    Hook(Arc<dyn Hook>, Option<Arc<dyn Recorder>>),
}

impl Observer {
    /// Returns the observer that is both, or `None` if there is neither.
    pub(super) fn new(
        hook: Option<Arc<dyn Hook>>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Option<Observer> {
        match hook {
            Some(hook) => Some(Observer::Hook(hook, recorder)),
            None => recorder.map(Observer::Recorder),
        }
    }

    #[inline]
    pub(crate) fn recorder(&self) -> Option<&dyn Recorder> {
        match self {
            Observer::Recorder(recorder) => Some(&**recorder),
            Observer::Hook(_, recorder) => recorder.as_deref(),
        }
    }

    #[inline]
    pub(super) fn hook(&self) -> Option<&dyn Hook> {
        match self {
            Observer::Recorder(_) => None,
            Observer::Hook(hook, _) => Some(&**hook),
        }
    }
}

/// The getters of a client or a snapshot whose evaluations are reported.
pub(crate) trait HookedGetters<S>: Send + Sync + RefUnwindSafe + fmt::Debug {
    fn boolean(&self, source: &S, call: Call<'_>, default: bool) -> bool;

    fn string(&self, source: &S, call: Call<'_>, default: &mut dyn FnMut() -> String) -> String;

    fn number(&self, source: &S, call: Call<'_>, default: f64) -> f64;

    fn json(&self, source: &S, call: Call<'_>, default: Value) -> Value;

    fn variation(&self, source: &S, call: Call<'_>) -> Option<EvaluationResult>;
}

/// What a caller asks for.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(super) key: &'a str,
    pub(super) context: Option<&'a EvaluationContext>,
}
