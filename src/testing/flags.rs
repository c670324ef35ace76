//! `TestFlags`: a client from flags in a line each.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::events::{EventRecorder, Sink};
use crate::client::Extras;
use crate::client::Inner;
use crate::client::PhaseFlagClient;
use crate::config::{Bootstrap, Config};
use crate::context::EvaluationContext;
use crate::error::{BootstrapError, Error};
use crate::events::open_recorder;
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
                inner.recorder = Some(open_recorder(&inner.config, &inner.ledger, tracker));
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
        assert!(recorder.interval_end().unwrap() > Instant::now() + year);
    }
}
