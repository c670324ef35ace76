//! Help for the tests of programs: flags in a line each, overrides that undo themselves, and the
//! events that were tracked.
//!
//! It is real clients that tests get, without a network, a thread or a file. Each test has its
//! own, so that tests may run side by side. A program that does not use this carries none of it.
//!
//! ```
//! use phaseflag::testing::{EventRecorder, TestFlags, override_scoped};
//! use phaseflag::{EvaluationContext, EvaluationEvent};
//!
//! let events = EventRecorder::new();
//! let client = TestFlags::new()
//!     .boolean("new-checkout-flow", false)
//!     .for_user("new-checkout-flow", "ada", true)
//!     .string("ui-theme", "dark")
//!     .events(&events)
//!     .build()?;
//!
//! let ada = EvaluationContext::new().user_id("ada");
//! assert!(client.get_boolean_value("new-checkout-flow", false, &ada));
//! {
//!     let _light = override_scoped(&client, "ui-theme", "light");
//!     assert_eq!(client.get_string_value("ui-theme", "", &ada), "light");
//! }
//! assert_eq!(client.get_string_value("ui-theme", "", &ada), "dark");
//!
//! client.track_event(EvaluationEvent::new("new-checkout-flow").user_id("ada"));
//! assert_eq!(events.of("new-checkout-flow")[0].get_user_id(), Some("ada"));
//! # Ok::<(), phaseflag::Error>(())
//! ```

// The largest functions are `inline`: they are then compiled where they are used. Otherwise they
// change how the compiler divides the crate, and with that the code of every evaluation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::client::PhaseFlagClient;
use crate::config::{Bootstrap, Config};
use crate::context::EvaluationContext;
use crate::error::{BootstrapError, Error};
use crate::events::{Admission, EvaluationEvent, Ledger};
use crate::extras::Extras;
use crate::lifecycle::Inner;
use crate::recorder::{self, Tracker};
use crate::ruleset::{FlagKind, Ruleset};
use crate::value::{Object, Value};

/// The deepest nesting of a value: six more levels are around it in the largest form of rules, and
/// a ruleset has at most 128.
const MAX_VALUE_DEPTH: u8 = 122;

/// The flags of a client that a test is to have.
///
/// They are flags like any others, not overrides: what they serve has the reason `default` and the
/// variation `default`, or for a user the reason `targeting_match` and a variation of its own.
/// Where a key is given twice, the last value stays.
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct TestFlags {
    rules: Option<String>,
    flags: BTreeMap<String, TestFlag>,
    default_context: Option<EvaluationContext>,
    events: Option<EventRecorder>,
    record_evaluations: bool,
}

#[derive(Clone, Debug, Default)]
struct TestFlag {
    kind: Option<FlagKind>,
    value: Option<Value>,
    for_users: Object,
}

impl TestFlags {
    /// Returns no flags.
    pub fn new() -> TestFlags {
        TestFlags::default()
    }

    /// Adds a flag that serves a boolean.
    pub fn boolean(self, key: impl Into<String>, value: bool) -> TestFlags {
        self.with(key.into(), FlagKind::Boolean, value.into())
    }

    /// Adds a flag that serves a string.
    pub fn string(self, key: impl Into<String>, value: impl Into<String>) -> TestFlags {
        self.with(key.into(), FlagKind::String, value.into().into())
    }

    /// Adds a flag that serves a number, which must be finite. As in any ruleset, it is exact to 15
    /// significant digits.
    pub fn number(self, key: impl Into<String>, value: f64) -> TestFlags {
        self.with(key.into(), FlagKind::Number, value.into())
    }

    /// Adds a flag that serves any value that nests no deeper than 122 levels. A float that is NaN
    /// or infinite is `null` by the time it is a [`Value`]: the typed getters then give their
    /// defaults.
    pub fn json(self, key: impl Into<String>, value: impl Into<Value>) -> TestFlags {
        self.with(key.into(), FlagKind::Json, value.into())
    }

    /// Makes a flag serve another value to one user, with the limits of
    /// [`json`](TestFlags::json), whatever the type of the flag. Everybody else is served the
    /// flag's own, or where there is none, `null`: the typed getters then give their defaults.
    pub fn for_user(
        mut self,
        key: impl Into<String>,
        user_id: impl Into<String>,
        value: impl Into<Value>,
    ) -> TestFlags {
        self.flags.entry(key.into()).or_default().for_users.insert(user_id, value);
        self
    }

    /// Sets the text of rules that the client serves besides. A flag of theirs whose key is given
    /// here as well is replaced.
    pub fn rules(mut self, text: impl Into<String>) -> TestFlags {
        self.rules = Some(text.into());
        self
    }

    /// Sets the context for calls that pass none.
    pub fn default_context(mut self, context: EvaluationContext) -> TestFlags {
        self.default_context = Some(context);
        self
    }

    /// Sets where the client's events go.
    pub fn events(mut self, events: &EventRecorder) -> TestFlags {
        self.events = Some(events.clone());
        self
    }

    /// Sets whether evaluations become events by themselves, as
    /// [`ClientBuilder::record_evaluations`](crate::ClientBuilder::record_evaluations) does: one
    /// event for each flag, variation and identifier, of the first 10,000 of them. The interval
    /// does not end before the client, so that a slow test sees what a quick one does. Without
    /// [`events`](TestFlags::events) nothing is recorded.
    ///
    /// ```
    /// use phaseflag::EvaluationContext;
    /// use phaseflag::testing::{EventRecorder, TestFlags};
    ///
    /// let events = EventRecorder::new();
    /// let flags = TestFlags::new().boolean("dark-mode", true).events(&events);
    /// let client = flags.record_evaluations(true).build()?;
    /// let ada = EvaluationContext::new().user_id("ada");
    /// assert!(client.get_boolean_value("dark-mode", false, &ada));
    /// assert_eq!(events.of("dark-mode")[0].get_user_id(), Some("ada"));
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn record_evaluations(mut self, record: bool) -> TestFlags {
        self.record_evaluations = record;
        self
    }

    /// Makes a client of the flags, and starts it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] where a key is empty, the number of
    /// [`number`](TestFlags::number) is not finite, or a value nests too deeply, with the key; and
    /// [`Error::Bootstrap`] where the rules cannot be read.
    pub fn build(self) -> Result<PhaseFlagClient, Error> {
        let client = PhaseFlagClient::new(self.inner()?);
        client.start()?;
        Ok(client)
    }

    fn inner(self) -> Result<Inner, Error> {
        for (key, flag) in &self.flags {
            flag.check(key)?;
        }
        let rules = match self.rules {
            Some(text) => read(&text)?,
            None => Value::Array(Vec::new()),
        };
        let text = with_flags(rules, &self.flags).to_string();
        let config = Config {
            bootstrap: Some(Bootstrap::Text(text)),
            default_context: self.default_context.map(Arc::new),
            event_flush_interval: Duration::MAX,
            ..Config::default()
        };
        let mut inner = Inner::new(config.check()?, Extras::default())?;
        if let Some(events) = self.events {
            let sink = Arc::new(Sink { events, ledger: inner.ledger.clone() });
            if self.record_evaluations {
                let tracker: Weak<Sink> = Arc::downgrade(&sink);
                inner.recorder = Some(recorder::open(&inner.config, &inner.ledger, tracker));
            }
            inner.sink = Some(sink);
        }
        Ok(inner)
    }

    fn with(mut self, key: String, kind: FlagKind, value: Value) -> TestFlags {
        let flag = self.flags.entry(key).or_default();
        flag.kind = Some(kind);
        flag.value = Some(value);
        self
    }
}

impl TestFlag {
    fn check(&self, key: &str) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::setting("TestFlags", "has a flag without a key"));
        }
        if self.kind == Some(FlagKind::Number) && self.value == Some(Value::Null) {
            let reason = format!("has a number that is not finite, for the flag `{key}`");
            return Err(Error::setting("TestFlags", reason));
        }
        let mut values = self.value.iter().chain(self.for_users.iter().map(|(_, value)| value));
        if values.any(|value| value.is_deeper_than(MAX_VALUE_DEPTH)) {
            let reason = format!(
                "has a value that nests deeper than {MAX_VALUE_DEPTH} levels, for the flag `{key}`"
            );
            return Err(Error::setting("TestFlags", reason));
        }
        Ok(())
    }

    /// Returns the flag as the service would send it.
    #[inline]
    fn document(&self, key: &str) -> Value {
        let own = self.value.iter().map(|value| ("default".to_owned(), value));
        let targeted = self.for_users.iter().map(|(user, value)| (variation_for(user), value));
        let variations: Value = own.chain(targeted).map(variation).collect();
        let rules: Value = self.for_users.iter().map(|(user, _)| rule_for(user)).collect();
        let mut flag = Object::from([("key", Value::from(key)), ("variations", variations)]);
        flag.insert("targeting_rules", rules);
        flag.insert("flag_type", self.kind.map(FlagKind::as_str));
        flag.insert("default_variation", self.value.as_ref().map(|_| "default"));
        flag.into()
    }
}

fn variation((key, value): (String, &Value)) -> Object {
    Object::from([("key", key.into()), ("value", value.clone())])
}

fn variation_for(user_id: &str) -> String {
    format!("for {user_id}")
}

fn rule_for(user_id: &str) -> Object {
    let condition =
        Object::from([("attribute", "user_id"), ("operator", "is"), ("value", user_id)]);
    Object::from([
        ("variation", Value::from(variation_for(user_id))),
        ("conditions", Value::from([condition])),
    ])
}

/// Reads rules, and says where they are none.
fn read(text: &str) -> Result<Value, Error> {
    let cause = match Ruleset::parse(text) {
        Ok(_) => return Ok(text.parse().unwrap_or_default()),
        Err(cause) => BootstrapError::Ruleset { cause },
    };
    Err(Error::Bootstrap { location: "TestFlags::rules".to_owned(), cause })
}

/// Returns a ruleset with these flags, in the place of those of the same key.
#[inline]
fn with_flags(ruleset: Value, flags: &BTreeMap<String, TestFlag>) -> Value {
    let known = |flag: &Value| flag["key"].as_str().is_some_and(|key| flags.contains_key(key));
    match ruleset {
        Value::Array(listed) => {
            let kept = listed.into_iter().filter(|flag| !known(flag));
            kept.chain(flags.iter().map(|(key, flag)| flag.document(key))).collect()
        }
        Value::Object(mut members) => {
            let place =
                if members.get("flags").is_none_or(Value::is_null) { "data" } else { "flags" };
            let inner = members.remove(place).unwrap_or_default();
            members.insert(place, with_flags(inner, flags));
            members.into()
        }
        other => other,
    }
}

/// The events that a client was told to track, in their order.
///
/// A clone is another handle of the same recorder. Clients may share one. Each event counts as
/// delivered; after [`stop`](PhaseFlagClient::stop) they are dropped, and counted, as ever.
///
/// ```
/// use phaseflag::EvaluationEvent;
/// use phaseflag::testing::{EventRecorder, TestFlags};
///
/// let events = EventRecorder::new();
/// let client = TestFlags::new().events(&events).build()?;
/// client.track_event(EvaluationEvent::new("checkout").metadata("page", 2));
///
/// let event = &events.take()[0];
/// assert_eq!(event.get_flag_key(), "checkout");
/// assert_eq!(event.get_metadata().get("page").unwrap().as_i64(), Some(2));
/// assert!(events.all().is_empty());
/// assert_eq!(client.statistics().events.delivered, 1);
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct EventRecorder {
    events: Arc<Mutex<Vec<EvaluationEvent>>>,
}

impl EventRecorder {
    /// Returns a recorder without events.
    pub fn new() -> EventRecorder {
        EventRecorder::default()
    }

    /// Returns all events, and keeps them.
    pub fn all(&self) -> Vec<EvaluationEvent> {
        self.lock().clone()
    }

    /// Returns all events, and forgets them.
    pub fn take(&self) -> Vec<EvaluationEvent> {
        std::mem::take(&mut *self.lock())
    }

    /// Returns the events of one flag, and keeps them.
    pub fn of(&self, flag_key: &str) -> Vec<EvaluationEvent> {
        let events = self.lock();
        events.iter().filter(|event| event.get_flag_key() == flag_key).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EvaluationEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder").field("events", &self.lock().len()).finish()
    }
}

/// A recorder at the end of one client, whose ledger counts.
struct Sink {
    events: EventRecorder,
    ledger: Arc<Ledger>,
}

impl Tracker for Sink {
    fn take(&self, event: EvaluationEvent) {
        if let Admission::Queued(_) = self.ledger.admit() {
            self.events.lock().push(event);
            self.ledger.deliver(1);
        }
    }
}

/// Makes a flag serve a value until what is returned is dropped: then the override that was there
/// before is back, or none.
///
/// It works with any client, and may be kept in a struct or sent to another thread: it is a handle
/// of its client. Where several are there for one flag, the latest counts, in whatever order they
/// are dropped; when all are, the flag is as it was before the first. What
/// [`set_override`](PhaseFlagClient::set_override) and its like change meanwhile counts until the
/// latest is dropped.
///
/// ```
/// use phaseflag::testing::{TestFlags, override_scoped};
///
/// let client = TestFlags::new().boolean("dark-mode", false).build()?;
/// let dark = override_scoped(&client, "dark-mode", true);
/// assert!(client.get_boolean_value("dark-mode", false, None));
/// drop(dark);
/// assert!(!client.get_boolean_value("dark-mode", false, None));
/// # Ok::<(), phaseflag::Error>(())
/// ```
pub fn override_scoped(
    client: &PhaseFlagClient,
    key: &str,
    value: impl Into<Value>,
) -> ScopedOverride {
    let number = client.overrides().cover(key, value.into());
    ScopedOverride { client: client.clone(), number }
}

/// An override that is undone when this is dropped; see [`override_scoped`].
#[must_use = "the override ends when this is dropped"]
#[derive(Debug)]
pub struct ScopedOverride {
    client: PhaseFlagClient,
    number: u64,
}

impl Drop for ScopedOverride {
    fn drop(&mut self) {
        self.client.overrides().uncover(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_interval_of_recorded_evaluations_does_not_end() {
        let flags = TestFlags::new().boolean("a", true).events(&EventRecorder::new());
        let inner = flags.record_evaluations(true).inner().unwrap();
        let recorder = inner.recorder.clone().unwrap();
        let client = PhaseFlagClient::new(inner);
        client.start().unwrap();
        assert!(client.get_boolean_value("a", false, None));
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(recorder.ends().unwrap() > Instant::now() + year);
    }
}
