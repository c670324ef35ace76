//! Values that the program has set itself, which win over every rule.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::value::Value;

/// Overrides by key. While there are none, asking costs one load.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    any: AtomicBool,
    values: RwLock<HashMap<String, Value>>,
}

impl Overrides {
    pub(crate) fn set(&self, key: &str, value: Value) {
        self.change(|values| {
            values.insert(key.to_owned(), value);
        });
    }

    pub(crate) fn clear(&self, key: &str) {
        self.change(|values| {
            values.remove(key);
        });
    }

    pub(crate) fn clear_all(&self) {
        self.change(HashMap::clear);
    }

    /// Reads the override of a flag; `None` where there is none.
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        values.get(key).map(read)
    }

    /// Returns all overrides.
    pub(crate) fn all(&self) -> HashMap<String, Value> {
        if !self.any.load(Ordering::Acquire) {
            return HashMap::new();
        }
        self.values.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, Value>)) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut values);
        self.any.store(!values.is_empty(), Ordering::Release);
    }
}
