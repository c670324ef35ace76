//! The hook of `on_evaluation`: calls a function of the program after each evaluation.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Hook;
use super::evaluation::{Evaluation, Outcome};
use super::evaluation_error::EvaluationError;
use super::observer::{Call, HookedGetters};
use super::source::Source;
use crate::log::log;
use crate::ruleset::EvaluationResult;
use crate::value::{NULL, Value};
use crate::worker::guarded;

thread_local! {
    /// Whether this thread is inside of a hook, of any client.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// Returns a hook that calls a function.
pub(super) fn hook(function: impl Fn(&Evaluation<'_>) + Send + Sync + 'static) -> Arc<dyn Hook> {
    let function = AssertUnwindSafe(function);
    Arc::new(FunctionHook { function, has_panicked: AtomicBool::new(false) })
}

struct FunctionHook<F> {
    /// Unwind safe, because `report` catches its panics.
    function: AssertUnwindSafe<F>,
    has_panicked: AtomicBool,
}

impl<F: Fn(&Evaluation<'_>) + Send + Sync> Hook for FunctionHook<F> {
    #[inline]
    fn report(&self, evaluation: Evaluation<'_>) {
        if IN_HOOK.with(|inside| inside.replace(true)) {
            return;
        }
        let called = guarded(|| (self.function)(&evaluation));
        IN_HOOK.with(|inside| inside.set(false));
        if called.is_none() && !self.has_panicked.swap(true, Ordering::Relaxed) {
            log!(warn, "the function of `on_evaluation` panicked");
        }
    }
}

impl<S: Source, F: Fn(&Evaluation<'_>) + Send + Sync> HookedGetters<S> for FunctionHook<F> {
    fn boolean(&self, source: &S, call: Call<'_>, default: bool) -> bool {
        self.get(source, call, || default)
    }

    fn string(&self, source: &S, call: Call<'_>, default: &mut dyn FnMut() -> String) -> String {
        self.get(source, call, default)
    }

    fn number(&self, source: &S, call: Call<'_>, default: f64) -> f64 {
        self.get(source, call, || default)
    }

    fn json(&self, source: &S, call: Call<'_>, default: Value) -> Value {
        self.get(source, call, || default)
    }

    fn variation(&self, source: &S, call: Call<'_>) -> Option<EvaluationResult> {
        let Call { key, context } = call;
        let result = source.result(key, context);
        if result.is_err() {
            source.miss(key);
        }
        let value = result.as_ref().ok().map(EvaluationResult::value);
        let (context, outcome) = (source.context(context), result.as_ref().into());
        self.report(Evaluation { key, context, value, outcome });
        result.ok()
    }
}

impl<F: Fn(&Evaluation<'_>) + Send + Sync> FunctionHook<F> {
    /// Returns what a flag serves, or the default, and reports the evaluation.
    #[inline]
    fn get<T: Received>(
        &self,
        source: &impl Source,
        call: Call<'_>,
        default: impl FnOnce() -> T,
    ) -> T {
        let Call { key, context } = call;
        let served = source.serve(key, context, |serving| {
            let value = serving.value().unwrap_or(&NULL);
            let Some(received) = T::read(value) else {
                return Err(EvaluationError::wrong_type(key, value.type_name(), T::NAME));
            };
            let (context, value) = (source.context(context), Some(&*received.seen(value)));
            self.report(Evaluation { key, context, value, outcome: Outcome::Serving(&serving) });
            Ok(received)
        });
        served.unwrap_or_else(|error| self.miss(source, call, default(), &error))
    }

    /// Counts and reports an evaluation without a value, and returns the default.
    #[cold]
    fn miss<T: Received>(
        &self,
        source: &impl Source,
        call: Call<'_>,
        default: T,
        error: &EvaluationError,
    ) -> T {
        let Call { key, context } = call;
        source.miss(key);
        let value = Some(&default.to_value());
        let (context, outcome) = (source.context(context), Outcome::Error(error));
        self.report(Evaluation { key, context, value, outcome });
        default
    }
}

/// A type that a getter returns.
trait Received: Sized {
    /// The name of the type with its article.
    const NAME: &str;

    /// Returns the value of a flag, or `None` if it has another type.
    fn read(value: &Value) -> Option<Self>;

    /// Returns what was read from `value` as a value.
    fn seen<'a>(&self, value: &'a Value) -> Cow<'a, Value> {
        Cow::Borrowed(value)
    }

    fn to_value(&self) -> Value;
}

impl Received for bool {
    const NAME: &str = "a boolean";

    fn read(value: &Value) -> Option<bool> {
        value.as_bool()
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

impl Received for String {
    const NAME: &str = "a string";

    fn read(value: &Value) -> Option<String> {
        value.as_str().map(str::to_owned)
    }

    fn to_value(&self) -> Value {
        Value::from(self)
    }
}

impl Received for f64 {
    const NAME: &str = "a number";

    fn read(value: &Value) -> Option<f64> {
        value.as_f64()
    }

    /// A large integer was rounded.
    fn seen<'a>(&self, _: &'a Value) -> Cow<'a, Value> {
        Cow::Owned(self.to_value())
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

impl Received for Value {
    const NAME: &str = "a value";

    fn read(value: &Value) -> Option<Value> {
        (!value.is_null()).then(|| value.clone())
    }

    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<F> fmt::Debug for FunctionHook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionHook").finish_non_exhaustive()
    }
}
