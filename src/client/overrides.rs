//! Overrides: values that take precedence over the rules. The program sets them, and they take
//! precedence over those from environment variables.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::rules::{Flags, Variables};
use crate::ruleset::{EvaluationResult, Reason, Ruleset};
use crate::value::{MAX_DEPTH, Object, Value};

/// Overrides by key. A read without any override costs one atomic load.
#[derive(Debug)]
pub(crate) struct Overrides {
    any: AtomicBool,
    current: RwLock<OverridesView>,
    /// The scoped overrides in the order in which they were set.
    scoped: Mutex<Vec<Scoped>>,
    /// The rules, which decide the types of variables.
    flags: Arc<Flags>,
}

/// The overrides of one moment.
#[derive(Clone, Debug)]
pub(super) struct OverridesView {
    values: Arc<Object>,
    variables: Option<Arc<dyn Variables>>,
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
    /// Returns the overrides of a client that has set none.
    pub(super) fn new(flags: Arc<Flags>) -> Overrides {
        let current = OverridesView { values: Arc::default(), variables: flags.variables.clone() };
        Overrides {
            any: AtomicBool::new(!current.is_empty()),
            current: RwLock::new(current),
            scoped: Mutex::default(),
            flags,
        }
    }

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
        let previous = self.current().values.get(key).cloned();
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
        self.current().get(key, &|| self.flags.current()).map(read)
    }

    /// Returns all overrides, or `None` if there are none.
    pub(super) fn all(&self) -> Option<OverridesView> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        Some(self.current().clone())
    }

    fn current(&self) -> RwLockReadGuard<'_, OverridesView> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_scoped(&self) -> MutexGuard<'_, Vec<Scoped>> {
        self.scoped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Arc<Object>)) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut current.values);
        self.any.store(!current.is_empty(), Ordering::Release);
    }
}

impl OverridesView {
    /// Returns the override of a flag, or `None`.
    #[inline(never)]
    pub(super) fn get(&self, key: &str, rules: &dyn Fn() -> Option<Ruleset>) -> Option<&Value> {
        match self.values.get(key) {
            Some(value) => Some(value),
            None => self.variables.as_ref()?.get(key, rules),
        }
    }

    /// Replaces the results of flags that are overridden, and adds those of flags without rules. The
    /// keys of such flags are not known to environment variables.
    pub(super) fn replace(
        &self,
        results: &mut BTreeMap<String, EvaluationResult>,
        rules: Option<&Ruleset>,
    ) {
        if let (Some(variables), Some(rules)) = (&self.variables, rules) {
            for (key, result) in results.iter_mut() {
                if let Some(value) = variables.get(key, &|| Some(rules.clone())) {
                    *result = overridden(value);
                }
            }
        }
        results.extend(self.values.iter().map(|(key, value)| (key.to_owned(), overridden(value))));
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.variables.is_none()
    }
}

/// Returns the result of a flag with this override.
pub(super) fn overridden(value: &Value) -> EvaluationResult {
    EvaluationResult::new(value.clone(), None, Reason::Override)
}
