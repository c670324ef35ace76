//! Values and names in the text of a change.

use phaseflag::Value;

/// The longest text of a value or a name, in characters.
const LONGEST: usize = 100;

/// How many elements of a list are named.
const MAX_ELEMENTS: usize = 5;

/// Returns a name in backticks.
pub(super) fn code(name: &str) -> String {
    format!("`{}`", cut(name))
}

/// Returns a value as text: a string in quotes, any other value as JSON.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            // A longer text would be cut anyway.
            let elements: Vec<_> = elements.iter().take(LONGEST).map(Value::to_string).collect();
            cut(&format!("[{}]", elements.join(", ")))
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.to_string(),
            None => value.to_string(),
        },
        value => cut(&value.to_string()),
    }
}

/// Returns the first elements, and the number of the others.
pub(super) fn elements(elements: &[&str]) -> String {
    let named: Vec<_> = elements.iter().take(MAX_ELEMENTS).map(|element| cut(element)).collect();
    match elements.len().saturating_sub(MAX_ELEMENTS) {
        0 => named.join(", "),
        others => format!("{} and {others} more", named.join(", ")),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
