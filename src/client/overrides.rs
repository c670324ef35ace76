//! Values that the program has set itself, which win over every rule.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::ruleset::{EvaluationResult, Reason};
use crate::value::{Object, Value};

/// Overrides by key. While there are none, asking costs one load.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    any: AtomicBool,
    values: RwLock<Arc<Object>>,
    /// Those that will be undone, in the order in which they were set.
    layers: Mutex<Vec<Layer>>,
}

/// An override that will be undone.
#[derive(Debug)]
struct Layer {
    number: u64,
    key: String,
    /// The override that it covers.
    covered: Option<Value>,
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

    pub(super) fn clear_all(&self) {
        self.change(|values| *values = Arc::default());
    }

    /// Sets an override that will be undone, and returns its number.
    pub(crate) fn cover(&self, key: &str, value: Value) -> u64 {
        let mut layers = self.layers();
        let number = layers.last().map_or(0, |last| last.number + 1);
        let covered = self.read(key, Value::clone);
        self.set(key, value);
        layers.push(Layer { number, key: key.to_owned(), covered });
        number
    }

    /// Undoes an override. Where a later one covers it, that one stays, and uncovers in its turn
    /// what this one has covered.
    pub(crate) fn uncover(&self, number: u64) {
        let mut layers = self.layers();
        let Some(position) = layers.iter().position(|layer| layer.number == number) else {
            return;
        };
        let Layer { key, covered, .. } = layers.remove(position);
        match (layers.iter_mut().skip(position).find(|later| later.key == key), covered) {
            (Some(later), covered) => later.covered = covered,
            (None, Some(value)) => self.set(&key, value),
            (None, None) => self.clear(&key),
        }
    }

    fn layers(&self) -> MutexGuard<'_, Vec<Layer>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) fn all(&self) -> Option<Arc<Object>> {
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
pub(super) fn overridden(value: &Value) -> EvaluationResult {
    EvaluationResult::new(value.clone(), None, Reason::Override)
}
