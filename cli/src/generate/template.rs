//! The parts of the module that do not depend on the flags. Each is written only if it is used.

/// A method that reads a flag: how it is used, its declaration and its body.
const METHODS: [(&str, &str, &str, &str); 4] = [
    (
        "flags.boolean(",
        "Returns the boolean that a flag serves, or else the default.",
        "fn boolean(&self, key: &str, default: bool, context: Option<&EvaluationContext>) -> bool",
        "self.get_boolean_value(key, default, context)",
    ),
    (
        "flags.string(",
        "Returns the string that a flag serves, or else the default.",
        "fn string(&self, key: &str, default: &str, context: Option<&EvaluationContext>) -> String",
        "self.get_string_value(key, default, context)",
    ),
    (
        "flags.number(",
        "Returns the number that a flag serves, or else the default.",
        "fn number(&self, key: &str, default: f64, context: Option<&EvaluationContext>) -> f64",
        "self.get_number_value(key, default, context)",
    ),
    (
        "flags.json(",
        "Returns the value that a flag serves, or else `null`.",
        "fn json(&self, key: &str, context: Option<&EvaluationContext>) -> Value",
        "self.get_json_value(key, Value::Null, context)",
    ),
];

/// A function that reads values: how it is used, and its code.
const FUNCTIONS: [(&[&str], &str); 5] = [
    (
        &["read_or("],
        "
/// Reads the value that a flag serves, or else the default.
fn read_or<T: Default>(served: &Value, default: &str, read: fn(&Value) -> Option<T>) -> T {
    let default = || read(&default.parse().ok()?);
    let served = if served.is_null() { None } else { read(served) };
    served.or_else(default).unwrap_or_default()
}
",
    ),
    (
        &[" any(", ", any,", ", any)", "    any,\n"],
        "
fn any(value: &Value) -> Option<Value> {
    Some(value.clone())
}
",
    ),
    (
        &[" text(", ", text)", "    text,\n"],
        "
fn text(value: &Value) -> Option<String> {
    Some(value.as_str()?.to_owned())
}
",
    ),
    (
        &[" list("],
        "
fn list<T>(value: &Value, read: fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}
",
    ),
    (
        &[" optional("],
        "
fn optional<T>(value: &Value, read: fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() {
        Some(None)
    } else {
        read(value).map(Some)
    }
}
",
    ),
];

/// Returns a module: the header, the imports, the flags, and what their code uses.
pub(super) fn around(header: &str, flags: &str) -> String {
    let mut text = format!("{header}\n");
    if flags.is_empty() {
        return text;
    }
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: String = flags.split_inclusive('\n').filter(is_code).collect();
    let value = if code.contains("flags.json(") { ", Value" } else { "" };
    text += &format!("\nuse phaseflag::{{EvaluationContext, PhaseFlagClient, Snapshot{value}}};\n");
    text += flags;

    let methods = || METHODS.iter().filter(|(used, ..)| code.contains(used));
    text += "\n/// Where flags are read: a client, or a snapshot of its rules.\n";
    text += "pub trait FlagSource {\n";
    for (position, (_, about, declaration, _)) in methods().enumerate() {
        let gap = if position > 0 { "\n" } else { "" };
        text += &format!("{gap}    /// {about}\n    {declaration};\n");
    }
    text += "}\n";
    for source in ["PhaseFlagClient", "Snapshot"] {
        text += &format!("\nimpl FlagSource for {source} {{\n");
        for (position, (_, _, declaration, body)) in methods().enumerate() {
            let gap = if position > 0 { "\n" } else { "" };
            text += &format!("{gap}    {declaration} {{\n        {body}\n    }}\n");
        }
        text += "}\n";
    }
    for (uses, function) in FUNCTIONS {
        if uses.iter().any(|used| code.contains(used)) {
            text += function;
        }
    }
    text
}
