//! Values that the program has set itself, which win over every rule.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::ruleset::{EvaluationResult, Reason};
use crate::value::{Object, Value};

/// Overrides by key. While there are none, asking costs one load.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    any: AtomicBool,
    values: RwLock<Arc<Object>>,
}

impl Overrides {
    pub(crate) fn set(&self, key: &str, value: Value) {
        self.change(|values| {
            Arc::make_mut(values).insert(key, value);
        });
    }

    pub(crate) fn clear(&self, key: &str) {
        self.change(|values| {
            Arc::make_mut(values).remove(key);
        });
    }

    pub(crate) fn clear_all(&self) {
        self.change(|values| *values = Arc::default());
    }

    /// Reads the override of a flag; `None` where there is none.
    #[inline]
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.look_up(key, read)
    }

    /// Apart, so that the way of programs without overrides stays short.
    #[cold]
    fn look_up<T>(&self, key: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        self.values.read().unwrap_or_else(PoisonError::into_inner).get(key).map(read)
    }

    /// Returns all overrides; `None` where there are none.
    pub(crate) fn all(&self) -> Option<Arc<Object>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        Some(self.values.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn change(&self, change: impl FnOnce(&mut Arc<Object>)) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut values);
        self.any.store(!values.is_empty(), Ordering::Release);
    }
}

/// Returns what a flag serves whose value the program has set.
pub(crate) fn overridden(value: &Value) -> EvaluationResult {
    EvaluationResult::new(value.clone(), None, Reason::Override)
}
