//! Simulates how the self-hosted service responds to events, with each recorded database; see
//! `tests/data/service/events.json`.
#![allow(dead_code, reason = "each test file uses its own part")]

use phaseflag::{Object, Value};

use super::Reply;

/// The most events that a request may hold.
const MAX_EVENTS: usize = 500;

/// The longest key or identifier that PostgreSQL stores there, in characters.
const MAX_CHARACTERS: usize = 255;

/// The database of a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Database {
    /// Fails on timestamps with a zone, long texts and NUL.
    Postgres,
    /// Accepts nearly everything.
    Sqlite,
    /// Refuses timestamps without a zone.
    WantsZone,
}

impl Database {
    /// Returns the response to the body of a request.
    pub fn respond(self, body: &str) -> Reply {
        if has_half_a_pair(body) {
            return failure();
        }
        let Ok(body) = body.parse::<Value>() else {
            return refusal("body.1", "JSON decode error", "json_invalid");
        };
        let events = body["events"].as_array().expect("a list of events");
        if events.len() > MAX_EVENTS {
            let count = events.len();
            let message =
                format!("List should have at most 500 items after validation, not {count}");
            return refusal("body.events", &message, "too_long");
        }
        for (position, event) in events.iter().enumerate() {
            let field = |name| format!("body.events.{position}.{name}");
            if !matches!(event["user_id"], Value::Null | Value::String(_)) {
                let message = "Input should be a valid string";
                return refusal(&field("user_id"), message, "string_type");
            }
            if !matches!(event.get("metadata"), None | Some(Value::Object(_))) {
                let message = "Input should be a valid dictionary";
                return refusal(&field("metadata"), message, "dict_type");
            }
            let zoned = event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z'));
            if self == Database::WantsZone && !zoned {
                return refusal(&field("timestamp"), "Input should have timezone info", "timezone");
            }
        }
        if events.iter().all(|event| self.stores(event)) {
            let accepted = Value::from(events.len());
            let message = Value::from("Events persisted");
            let body = Object::from([("accepted", accepted), ("message", message)]);
            return Reply::json(Value::from(body).to_string()).with_status(202);
        }
        failure()
    }

    fn stores(self, event: &Value) -> bool {
        let time = event["timestamp"].as_str().unwrap_or_default();
        let is_time = time.is_empty() || time.starts_with(|digit: char| digit.is_ascii_digit());
        let postgres = self == Database::Postgres;
        let is_zoned = time.ends_with('Z') || time.get(19..).is_some_and(|end| end.contains('+'));
        let fits = |name: &str| {
            let text = event[name].as_str().unwrap_or_default();
            text.chars().count() <= MAX_CHARACTERS && !text.contains('\0')
        };
        let fits = ["flag_key", "variation_key", "user_id"].into_iter().all(fits);
        is_time && (!postgres || !is_zoned && fits)
    }
}

/// The parser of this crate refuses half of a surrogate pair, because a Rust string cannot hold it.
fn has_half_a_pair(body: &str) -> bool {
    body.contains("\\ud800\"")
}

fn failure() -> Reply {
    let body = r#"{"error": {"code": 500, "message": "Internal server error"}}"#;
    Reply::json(body).with_status(500)
}

fn refusal(field: &str, message: &str, kind: &str) -> Reply {
    let detail = Object::from([("field", field), ("message", message), ("type", kind)]);
    let error = Object::from([
        ("code", Value::from(422)),
        ("message", Value::from("Validation error")),
        ("details", Value::from([detail])),
    ]);
    let body = Value::from(Object::from([("error", error)])).to_string();
    Reply::json(body).with_status(422)
}
