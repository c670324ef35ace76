//! Overrides: values that the program sets and that take precedence over the rules.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::ruleset::{EvaluationResult, Reason};
use crate::value::{MAX_DEPTH, Object, Value};

/// Overrides by key. A read without any override costs one atomic load.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    any: AtomicBool,
    values: RwLock<Arc<Object>>,
    /// The scoped overrides in the order in which they were set.
    scoped: Mutex<Vec<Scoped>>,
}

/// An override that ends with its `ScopedOverride`.
#[derive(Debug)]
struct Scoped {
    id: u64,
    key: String,
    /// The override that it replaced.
    previous: Option<Value>,
}

impl Overrides {
    pub(crate) fn set(&self, key: &str, value: Value) {
        let value = value.up_to(MAX_DEPTH);
        self.change(|values| {
            Arc::make_mut(values).insert(key, value);
        });
    }

    pub(crate) fn clear(&self, key: &str) {
        self.change(|values| {
            Arc::make_mut(values).remove(key);
        });
    }

    pub(super) fn clear_all(&self) {
        self.change(|values| *values = Arc::default());
    }

    /// Sets a scoped override and returns its id.
    pub(crate) fn begin_scoped(&self, key: &str, value: Value) -> u64 {
        let mut scoped = self.lock_scoped();
        let id = scoped.last().map_or(0, |last| last.id + 1);
        let previous = self.read(key, Value::clone);
        self.set(key, value);
        scoped.push(Scoped { id, key: key.to_owned(), previous });
        id
    }

    /// Ends a scoped override and restores the previous one. If a later scoped override of the same
    /// flag exists, it stays, and restores the previous one when it ends.
    pub(crate) fn end_scoped(&self, id: u64) {
        let mut scoped = self.lock_scoped();
        let Some(position) = scoped.iter().position(|entry| entry.id == id) else {
            return;
        };
        let Scoped { key, previous, .. } = scoped.remove(position);
        match (scoped.iter_mut().skip(position).find(|later| later.key == key), previous) {
            (Some(later), previous) => later.previous = previous,
            (None, Some(value)) => self.set(&key, value),
            (None, None) => self.clear(&key),
        }
    }

    /// Reads the override of a flag, or returns `None`.
    #[inline]
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.look_up(key, read)
    }

    /// Not inlined, so that evaluations without overrides stay fast.
    #[cold]
    fn look_up<T>(&self, key: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        self.values.read().unwrap_or_else(PoisonError::into_inner).get(key).map(read)
    }

    /// Returns all overrides, or `None` if there are none.
    pub(super) fn all(&self) -> Option<Arc<Object>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        Some(self.values.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn lock_scoped(&self) -> MutexGuard<'_, Vec<Scoped>> {
        self.scoped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Arc<Object>)) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut values);
        self.any.store(!values.is_empty(), Ordering::Release);
    }
}

/// Returns the result of a flag with this override.
pub(super) fn overridden(value: &Value) -> EvaluationResult {
    EvaluationResult::new(value.clone(), None, Reason::Override)
}
