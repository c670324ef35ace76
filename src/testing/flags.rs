//! `TestFlags`: builds a client from flags in one line each.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::events::{EventRecorder, TestTracker};
use crate::client::{Extras, Inner, Observer, PhaseFlagClient};
use crate::config::{Bootstrap, Config};
use crate::context::EvaluationContext;
use crate::error::{BootstrapError, Error};
use crate::events::open_recorder;
use crate::ruleset::{FlagKind, Ruleset, excerpt};
use crate::value::{Object, Value};

/// The deepest nesting of a value. A ruleset has at most 128 levels, up to six of them around the
/// value.
const MAX_VALUE_DEPTH: u8 = 122;

/// Builds a client for a test from flags and their values.
///
/// They are flags with rules, not overrides. A value has the reason `default` and the variation
/// `default`; a value for one user has the reason `targeting_match` and its own variation. If a key
/// is added twice, the last value wins.
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct TestFlags {
    rules: Option<String>,
    flags: BTreeMap<String, TestFlag>,
    default_context: Option<EvaluationContext>,
    events: Option<EventRecorder>,
    record_evaluations: bool,
    strict: bool,
}

#[derive(Clone, Debug, Default)]
struct TestFlag {
    kind: Option<FlagKind>,
    value: Option<Value>,
    for_users: Object,
    /// Whether a value nested too deeply.
    is_too_deep: bool,
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

    /// Adds a flag that serves a number, such as `20` or `2.5`, which must be finite.
    pub fn number(self, key: impl Into<String>, value: impl Into<f64>) -> TestFlags {
        self.with(key.into(), FlagKind::Number, value.into().into())
    }

    /// Adds a flag that serves any value of at most 122 nested levels. A [`Value`] from a NaN or
    /// infinite float is `null`, for which the typed getters return their defaults.
    pub fn json(self, key: impl Into<String>, value: impl Into<Value>) -> TestFlags {
        self.with(key.into(), FlagKind::Json, value.into())
    }

    /// Sets the value that a flag serves to one user, of any type and with the limits of
    /// [`json`](TestFlags::json). Other users are served the value of the flag, or `null` if it has
    /// none.
    pub fn for_user(
        mut self,
        key: impl Into<String>,
        user_id: impl Into<String>,
        value: impl Into<Value>,
    ) -> TestFlags {
        let flag = self.flags.entry(key.into()).or_default();
        let value = flag.limit(value.into());
        flag.for_users.insert(user_id, value);
        self
    }

    /// Sets the text of rules that the client serves, too. Added flags replace flags of the text
    /// with the same key.
    pub fn rules(mut self, text: impl Into<String>) -> TestFlags {
        self.rules = Some(text.into());
        self
    }

    /// Sets the context for calls that pass none.
    pub fn default_context(mut self, context: EvaluationContext) -> TestFlags {
        self.default_context = Some(context);
        self
    }

    /// Sets the recorder of the client's events.
    pub fn events(mut self, events: &EventRecorder) -> TestFlags {
        self.events = Some(events.clone());
        self
    }

    /// Sets whether the client tracks evaluations, as
    /// [`ClientBuilder::record_evaluations`](crate::ClientBuilder::record_evaluations) does: one
    /// event for each flag, variation and identifier, for the first 10,000 of them. The interval
    /// lasts as long as the client. Has no effect without [`events`](TestFlags::events).
    ///
    /// Defaults to `false`.
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

    /// Makes the getters of the client and its snapshots panic if a flag is unknown, so that a test
    /// fails if the program asks for a flag that the test does not add, or misspells its key. A flag
    /// with an override is known.
    ///
    /// By default, they return the caller's default.
    ///
    /// ```should_panic
    /// use phaseflag::testing::TestFlags;
    ///
    /// let client = TestFlags::new().boolean("dark-mode", true).strict().build()?;
    /// client.get_boolean_value("dark-mood", false, None); // panics
    /// # Ok::<(), phaseflag::Error>(())
    /// ```
    pub fn strict(mut self) -> TestFlags {
        self.strict = true;
        self
    }

    /// Builds and starts the client.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidSetting`], which names the flag, if a key is empty, the number of
    /// [`number`](TestFlags::number) is not finite, or a value nests too deeply; and
    /// [`Error::Bootstrap`] if the text of [`rules`](TestFlags::rules) is not a ruleset.
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
            Some(text) => parse_rules(&text)?,
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
        if self.strict {
            inner.flags.misses.be_strict(refuse);
        }
        if let Some(events) = self.events {
            let test_tracker = Arc::new(TestTracker { events, ledger: inner.ledger.clone() });
            if self.record_evaluations {
                let tracker: Weak<TestTracker> = Arc::downgrade(&test_tracker);
                let recorder = open_recorder(&inner.config, &inner.ledger, tracker);
                inner.observer = Some(Observer::Recorder(recorder));
            }
            inner.tracker = Some(test_tracker);
        }
        Ok(inner)
    }

    fn with(mut self, key: String, kind: FlagKind, value: Value) -> TestFlags {
        let flag = self.flags.entry(key).or_default();
        flag.kind = Some(kind);
        flag.value = Some(flag.limit(value));
        self
    }
}

impl TestFlag {
    /// Returns the value; if it nests too deeply, notes that, and returns `null`.
    fn limit(&mut self, value: Value) -> Value {
        let value = value.up_to(MAX_VALUE_DEPTH);
        self.is_too_deep |= value.is_none();
        value.unwrap_or_default()
    }

    fn check(&self, key: &str) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::setting("TestFlags", "has a flag without a key"));
        }
        if self.kind == Some(FlagKind::Number) && self.value == Some(Value::Null) {
            let reason = format!("has a number that is not finite, for the flag `{key}`");
            return Err(Error::setting("TestFlags", reason));
        }
        if self.is_too_deep {
            let reason = format!(
                "has a value that nests deeper than {MAX_VALUE_DEPTH} levels, for the flag `{key}`"
            );
            return Err(Error::setting("TestFlags", reason));
        }
        Ok(())
    }

    /// Returns the JSON of the flag.
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

#[allow(clippy::panic, reason = "this is what the test asks for")]
fn refuse(key: &str) {
    panic!("`TestFlags` has no flag `{}`", excerpt(key));
}

/// Parses the text of `rules`.
fn parse_rules(text: &str) -> Result<Value, Error> {
    let cause = match Ruleset::parse(text) {
        Ok(_) => return Ok(text.parse().unwrap_or_default()),
        Err(cause) => BootstrapError::Ruleset { cause },
    };
    Err(Error::Bootstrap { location: "TestFlags::rules".to_owned(), cause })
}

/// Adds flags to a ruleset, and replaces those with the same key.
fn with_flags(ruleset: Value, flags: &BTreeMap<String, TestFlag>) -> Value {
    let replaced = |flag: &Value| flag["key"].as_str().is_some_and(|key| flags.contains_key(key));
    match ruleset {
        Value::Array(list) => {
            let kept = list.into_iter().filter(|flag| !replaced(flag));
            kept.chain(flags.iter().map(|(key, flag)| flag.document(key))).collect()
        }
        Value::Object(mut members) => {
            let name =
                if members.get("flags").is_none_or(Value::is_null) { "data" } else { "flags" };
            let inner = members.remove(name).unwrap_or_default();
            members.insert(name, with_flags(inner, flags));
            members.into()
        }
        other => other,
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
        let observer = inner.observer.clone().unwrap();
        let client = PhaseFlagClient::new(inner);
        client.start().unwrap();
        assert!(client.get_boolean_value("a", false, None));
        let year = Duration::from_secs(365 * 24 * 3600);
        let recorder = observer.recorder().unwrap();
        assert!(recorder.interval_end().unwrap() > Instant::now() + year);
    }
}
