//! Helpers for the JSON documents of both services.

use std::hash::{DefaultHasher, Hasher};

use phaseflag::{Object, Value};

use crate::date;

/// Returns a bootstrap document with the current time. The signature has the format of a real one,
/// but is a dummy.
pub(crate) fn bootstrap(flags: Value, segments: Value, version: Value) -> Object {
    let mut document =
        Object::from([("flags", flags), ("segments", segments), ("version", version)]);
    let text = Value::from(document.clone()).to_string();
    document.insert("signature", format!("{:064x}", hash(&text)));
    document.insert("generated_at", date::now());
    document
}

/// Returns a member of an object; `null` if it is absent.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Returns a hash of a text, the same in every process.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}
