//! Validates bodies with the messages of the self-hosted service, and events by what its database
//! can store.

use phaseflag::{Object, Value};

use super::timestamp;

/// The maximum number of events per request.
pub(crate) const MAX_EVENTS: usize = 500;

/// The maximum length of a key or an identifier in the database, in characters.
const MAX_CHARACTERS: usize = 255;

/// The errors in a body.
#[derive(Debug, Default)]
pub(crate) struct ValidationErrors(Vec<Object>);

impl ValidationErrors {
    pub(crate) fn one(field: impl Into<String>, message: &str, kind: &str) -> ValidationErrors {
        let mut errors = ValidationErrors::default();
        errors.add(field, message, kind);
        errors
    }

    /// Returns the errors as the `details` of a response.
    pub(crate) fn details(self) -> Value {
        self.0.into()
    }

    fn add(&mut self, field: impl Into<String>, message: &str, kind: &str) {
        self.0.push(Object::from([
            ("field", field.into()),
            ("message", message.to_owned()),
            ("type", kind.to_owned()),
        ]));
    }

    /// Checks that a value is an object with these fields.
    fn check(&mut self, value: &Value, path: &str, fields: &[(&str, FieldType)]) {
        if value.as_object().is_none() {
            let message = "Input should be a valid dictionary or object to extract fields from";
            self.add(path, message, "model_attributes_type");
            return;
        }
        for (name, kind) in fields {
            let (message, of_kind) = match (kind, value.get(name)) {
                (FieldType::Required, None) => ("Field required", "missing"),
                (_, None)
                | (FieldType::Text, Some(Value::Null))
                | (FieldType::Required | FieldType::Text, Some(Value::String(_)))
                | (FieldType::Object, Some(Value::Object(_))) => continue,
                (FieldType::Object, _) => ("Input should be a valid dictionary", "dict_type"),
                _ => ("Input should be a valid string", "string_type"),
            };
            self.add(format!("{path}.{name}"), message, of_kind);
        }
    }

    fn into_result<T>(self, value: T) -> Result<T, ValidationErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// The type of a field.
enum FieldType {
    /// Text.
    Required,
    /// Text, `null` or absent.
    Text,
    /// An object or absent.
    Object,
}

const EVENT: [(&str, FieldType); 5] = [
    ("flag_key", FieldType::Required),
    ("variation_key", FieldType::Text),
    ("user_id", FieldType::Text),
    ("timestamp", FieldType::Text),
    ("metadata", FieldType::Object),
];

const CONTEXT: [(&str, FieldType); 3] = [
    ("user_id", FieldType::Text),
    ("session_id", FieldType::Text),
    ("attributes", FieldType::Object),
];

/// Returns the events of a body.
///
/// # Errors
///
/// The errors in the body, if it is invalid.
pub(crate) fn events(body: &Value) -> Result<&[Value], ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check(body, "body", &[]);
    let field = "body.events";
    let events = match body.get("events") {
        Some(Value::Array(events)) => events,
        Some(_) => {
            return Err(ValidationErrors::one(field, "Input should be a valid list", "list_type"));
        }
        None => {
            return errors.into_result(()).and(Err(ValidationErrors::one(
                field,
                "Field required",
                "missing",
            )));
        }
    };
    if events.len() > MAX_EVENTS {
        let message = format!(
            "List should have at most {MAX_EVENTS} items after validation, not {}",
            events.len()
        );
        return Err(ValidationErrors::one(field, &message, "too_long"));
    }
    for (position, event) in events.iter().enumerate() {
        errors.check(event, &format!("{field}.{position}"), &EVENT);
    }
    errors.into_result(events)
}

/// Checks the body of an evaluation request.
///
/// # Errors
///
/// The errors in the body, if it is invalid.
pub(crate) fn evaluation(body: &Value) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check(body, "body", &[("flag_key", FieldType::Required)]);
    if let Some(context) = body.get("context") {
        errors.check(context, "body.context", &CONTEXT);
    }
    errors.into_result(())
}

/// Returns whether the database can store a valid event.
pub(crate) fn is_storable(event: &Value) -> bool {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let fits = |name| {
        let text = text(name);
        text.chars().count() <= MAX_CHARACTERS && !text.contains('\0')
    };
    let timestamp = text("timestamp");
    ["flag_key", "variation_key", "user_id"].into_iter().all(fits)
        && (timestamp.is_empty() || timestamp::is_without_zone(timestamp))
}

/// Replaces each unpaired surrogate in a JSON text by the replacement character. Returns `None` if
/// there is none.
pub(crate) fn replace_unpaired_surrogates(text: &str) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some((before, escape)) = rest.split_once('\\') {
        whole += before;
        let pair = (code_unit(escape), escape.get(5..).and_then(|next| next.strip_prefix('\\')));
        let length = match pair {
            (Some(0xd800..0xdc00), Some(next))
                if matches!(code_unit(next), Some(0xdc00..0xe000)) =>
            {
                11
            }
            (Some(0xd800..0xe000), _) => {
                found = true;
                whole += "\\ufffd";
                rest = escape.get(5..).unwrap_or_default();
                continue;
            }
            // Skip the escaped character, which may be a backslash.
            _ => escape.chars().next().map_or(0, char::len_utf8),
        };
        let (escaped, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        whole.push('\\');
        whole += escaped;
        rest = after;
    }
    found.then(|| whole + rest)
}

/// Returns the code unit of a `\u` escape; `escape` begins after the backslash.
fn code_unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpaired_surrogates_are_replaced() {
        for (text, whole) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\uDFFF!""#, r#""\ufffd!""#),
            (r#""\ud83dx\ude00""#, r#""\ufffdx\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            (r#""\\\ud800""#, r#""\\\ufffd""#),
            (r#"["ü\ud800ü", "\u00fc"]"#, r#"["ü\ufffdü", "\u00fc"]"#),
        ] {
            assert_eq!(replace_unpaired_surrogates(text).as_deref(), Some(whole), "{text}");
        }
        for text in [
            "",
            "\\",
            "\\u",
            "\\ud8",
            "\\ü",
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""\u0000\u00fc\ue000""#,
        ] {
            assert_eq!(replace_unpaired_surrogates(text), None, "{text}");
        }
    }
}
