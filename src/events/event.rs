//! `EvaluationEvent`: an event that the service receives.

use std::time::SystemTime;

#[cfg(feature = "http")]
use crate::date;
use crate::value::{Object, Value};

/// The deepest nesting of a metadata value.
const MAX_METADATA_DEPTH: u8 = 100;

/// The longest key or identifier that every known service stores, in characters.
#[cfg(feature = "http")]
const MAX_CHARACTERS: usize = 255;

/// An event about a flag, such as an exposure or a conversion.
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
    /// Returns an event for the flag with this key.
    #[doc(alias = "flag_key")]
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
    #[inline]
    pub fn user_id(mut self, user_id: impl Into<String>) -> EvaluationEvent {
        self.user_id = Some(user_id.into());
        self
    }

    /// Adds a metadata value, or replaces the one of the same name. A value that nests deeper than
    /// 100 levels becomes `null`.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> EvaluationEvent {
        self.metadata.insert(name, value.into().up_to(MAX_METADATA_DEPTH));
        self
    }

    /// Sets the time of the event. Defaults to the time at which it is tracked. The service
    /// receives it in UTC, with milliseconds.
    #[must_use]
    pub fn timestamp(mut self, timestamp: SystemTime) -> EvaluationEvent {
        self.timestamp = Some(timestamp);
        self
    }

    /// Returns the key of the flag.
    pub fn get_flag_key(&self) -> &str {
        &self.flag_key
    }

    /// Returns the key of the variation that was served, or `None` if it is not set.
    pub fn get_variation_key(&self) -> Option<&str> {
        self.variation_key.as_deref()
    }

    /// Returns the user's identifier, or `None` if it is not set.
    pub fn get_user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Returns the metadata.
    pub fn get_metadata(&self) -> &Object {
        &self.metadata
    }

    /// Returns the time of the event, or `None` if it is neither set nor tracked.
    pub fn get_timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }

    /// Sets the time to now, unless it is set.
    pub(crate) fn stamp(&mut self) {
        self.timestamp.get_or_insert_with(SystemTime::now);
    }

    /// Returns whether some services cannot store the event: a key or an identifier has more than
    /// 255 characters, or a NUL.
    #[cfg(feature = "http")]
    pub(super) fn exceeds_limits(&self) -> bool {
        let texts = [Some(&self.flag_key), self.variation_key.as_ref(), self.user_id.as_ref()];
        texts.into_iter().flatten().any(|text| {
            text.contains('\0')
                || text.len() > MAX_CHARACTERS && text.chars().count() > MAX_CHARACTERS
        })
    }

    /// Returns the event as JSON. `zoned` is whether the timestamp ends with a `Z`.
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
