//! `EvaluationEvent`: something that happened under a flag.

use std::time::SystemTime;

#[cfg(feature = "http")]
use crate::date;
use crate::value::{Object, Value};

/// The deepest nesting of a detail, which others will have to read.
const MAX_METADATA_DEPTH: u8 = 100;

/// The longest key or identifier that every known service stores.
#[cfg(feature = "http")]
const MAX_CHARACTERS: usize = 255;

/// Something that happened under a flag: that it was shown, or what came of it.
///
/// ```
/// use phaseflag::EvaluationEvent;
///
/// let event = EvaluationEvent::new("new-checkout-flow")
///     .variation_key("enabled")
///     .user_id("user-123")
///     .metadata("page", "checkout");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationEvent {
    flag_key: String,
    variation_key: Option<String>,
    user_id: Option<String>,
    timestamp: Option<SystemTime>,
    metadata: Object,
}

impl EvaluationEvent {
    /// Returns an event of a flag.
    pub fn new(flag_key: impl Into<String>) -> EvaluationEvent {
        EvaluationEvent {
            flag_key: flag_key.into(),
            variation_key: None,
            user_id: None,
            timestamp: None,
            metadata: Object::new(),
        }
    }

    /// Sets the key of the variation that was served.
    #[must_use]
    pub fn variation_key(mut self, variation_key: impl Into<String>) -> EvaluationEvent {
        self.variation_key = Some(variation_key.into());
        self
    }

    /// Sets the user's identifier.
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<String>) -> EvaluationEvent {
        self.user_id = Some(user_id.into());
        self
    }

    /// Adds a detail. The last value of a name stays. A value that nests deeper than 100 levels
    /// is replaced by `null`.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> EvaluationEvent {
        let value = value.into();
        let value = if value.is_deeper_than(MAX_METADATA_DEPTH) { Value::Null } else { value };
        self.metadata.insert(name, value);
        self
    }

    /// Sets when it happened. Defaults to when it is tracked. The service gets it in UTC, to the
    /// millisecond.
    #[must_use]
    pub fn timestamp(mut self, timestamp: SystemTime) -> EvaluationEvent {
        self.timestamp = Some(timestamp);
        self
    }

    /// Returns the key of the flag.
    pub fn get_flag_key(&self) -> &str {
        &self.flag_key
    }

    /// Returns the key of the variation that was served.
    pub fn get_variation_key(&self) -> Option<&str> {
        self.variation_key.as_deref()
    }

    /// Returns the user's identifier.
    pub fn get_user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Returns the details.
    pub fn get_metadata(&self) -> &Object {
        &self.metadata
    }

    /// Returns when it happened; `None` where that was not set, and it was not tracked.
    pub fn get_timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }

    /// Sets when it happened, unless that is known.
    pub(crate) fn stamp(&mut self) {
        self.timestamp.get_or_insert_with(SystemTime::now);
    }

    /// Returns whether the event is beyond what some services store: a key or an identifier of
    /// more than 255 characters, or one with a NUL.
    #[cfg(feature = "http")]
    pub(super) fn exceeds_limits(&self) -> bool {
        let texts = [Some(&self.flag_key), self.variation_key.as_ref(), self.user_id.as_ref()];
        texts.into_iter().flatten().any(|text| {
            text.contains('\0')
                || text.len() > MAX_CHARACTERS && text.chars().count() > MAX_CHARACTERS
        })
    }

    /// Returns the event as JSON. `zoned` says whether its timestamp, which is in UTC, ends with a
    /// `Z`.
    #[cfg(feature = "http")]
    pub(super) fn to_json(&self, zoned: bool) -> String {
        let mut object = Object::from_iter([("flag_key", self.flag_key.as_str())]);
        if let Some(key) = &self.variation_key {
            object.insert("variation_key", key);
        }
        if let Some(user_id) = &self.user_id {
            object.insert("user_id", user_id);
        }
        if let Some(timestamp) = self.timestamp {
            let zone = if zoned { "Z" } else { "" };
            object.insert("timestamp", date::iso8601(timestamp) + zone);
        }
        if !self.metadata.is_empty() {
            object.insert("metadata", self.metadata.clone());
        }
        Value::from(object).to_string()
    }
}
