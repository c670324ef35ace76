//! The Rust type that holds each of several JSON values.

use phaseflag::Value;

/// The longest name of a member that becomes a field, in characters.
const MAX_NAME: usize = 24;

/// A type of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// The elements of an empty list, and the content of an option that is always `null`.
    Unknown,
    Bool,
    /// Whole numbers that fit into an `i64`.
    Integer,
    Float,
    Text,
    /// A value that is `null` or missing, or has this type.
    Optional(Box<Shape>),
    List(Box<Shape>),
    /// An object with these members, in the order of their names.
    Struct(Vec<(String, Shape)>),
    /// Any value.
    Any,
}

impl Shape {
    /// Returns the type of all values; `Unknown` if there are none.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Shape {
        let shapes = values.into_iter().map(Shape::of_one);
        shapes.reduce(Shape::and).unwrap_or(Shape::Unknown)
    }

    /// Returns whether it is a struct without members.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Shape::Struct(members) if members.is_empty())
    }

    fn of_one(value: &Value) -> Shape {
        match value {
            Value::Null => Shape::Optional(Box::new(Shape::Unknown)),
            Value::Bool(_) => Shape::Bool,
            Value::Number(_) if value.as_i64().is_some() => Shape::Integer,
            // A float would round it.
            Value::Number(_) if value.as_u64().is_some() => Shape::Any,
            Value::Number(_) => Shape::Float,
            Value::String(_) => Shape::Text,
            Value::Array(elements) => Shape::List(Box::new(Shape::of(elements))),
            Value::Object(object) if object.iter().any(|(name, _)| !is_field(name)) => Shape::Any,
            Value::Object(object) => {
                let members = object.iter();
                Shape::Struct(
                    members.map(|(name, value)| (name.to_owned(), Shape::of_one(value))).collect(),
                )
            }
        }
    }

    /// Returns the type that holds the values of two types.
    fn and(self, other: Shape) -> Shape {
        match (self, other) {
            (one, other) if one == other => one,
            (Shape::Unknown, known) | (known, Shape::Unknown) => known,
            (Shape::Optional(one), other) | (other, Shape::Optional(one)) => {
                one.and(other.required()).optional()
            }
            (Shape::Integer, Shape::Float) | (Shape::Float, Shape::Integer) => Shape::Float,
            (Shape::List(one), Shape::List(other)) => Shape::List(Box::new(one.and(*other))),
            (Shape::Struct(one), Shape::Struct(other)) => merged(one, other),
            _ => Shape::Any,
        }
    }

    fn optional(self) -> Shape {
        match self {
            // Any value may be `null`.
            already @ (Shape::Optional(_) | Shape::Any) => already,
            required => Shape::Optional(Box::new(required)),
        }
    }

    fn required(self) -> Shape {
        match self {
            Shape::Optional(shape) => *shape,
            shape => shape,
        }
    }
}

/// Returns the struct of two structs. A member that only one of them has is optional.
fn merged(one: Vec<(String, Shape)>, other: Vec<(String, Shape)>) -> Shape {
    let mut members = Vec::new();
    let mut other = other.into_iter().peekable();
    for (name, shape) in one {
        while let Some((first, shape)) = other.next_if(|(first, _)| *first < name) {
            members.push((first, shape.optional()));
        }
        let shape = match other.next_if(|(first, _)| *first == name) {
            Some((_, second)) => shape.and(second),
            None => shape.optional(),
        };
        members.push((name, shape));
    }
    members.extend(other.map(|(name, shape)| (name, shape.optional())));
    Shape::Struct(members)
}

/// Returns whether the name of a member becomes the name of a field.
fn is_field(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a type in short.
    fn short(shape: &Shape) -> String {
        match shape {
            Shape::Unknown => "unknown".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::Integer => "integer".to_owned(),
            Shape::Float => "float".to_owned(),
            Shape::Text => "text".to_owned(),
            Shape::Any => "any".to_owned(),
            Shape::Optional(inner) => format!("{}?", short(inner)),
            Shape::List(inner) => format!("[{}]", short(inner)),
            Shape::Struct(members) => {
                let member = |(name, shape): &(String, Shape)| format!("{name}: {}", short(shape));
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn one_type_holds_all_values() {
        for (values, expected) in [
            ("[]", "unknown"),
            ("[true, false]", "bool"),
            ("[1, 2.0]", "integer"),
            ("[1, 2.5]", "float"),
            ("[1, 1e300]", "float"),
            ("[1, 18446744073709551615]", "any"),
            (r#"["a"]"#, "text"),
            (r#"["a", 1]"#, "any"),
            (r#"["a", null]"#, "text?"),
            (r#"[null, null, "a", "b"]"#, "text?"),
            ("[null]", "unknown?"),
            (r#"[null, "a", 1]"#, "any"),
            ("[[], [1]]", "[integer]"),
            ("[[1], [null], []]", "[integer?]"),
            (r#"[{"a": 1}, {"a": 2, "b": true}]"#, "{a: integer, b: bool?}"),
            (r#"[{"a": 1, "b": true}, {}, {"c": []}]"#, "{a: integer?, b: bool?, c: [unknown]?}"),
            (r#"[{"a": {"b": 1}}, {"a": {"b": 1.5}}]"#, "{a: {b: float}}"),
            (r#"[{"a": {"b": 1}}, {"a": null}]"#, "{a: {b: integer}?}"),
            (r#"[{"a": {"b": 1}}, {"a": 7}]"#, "{a: any}"),
            (r#"[{"a b": 1}]"#, "any"),
            (r#"[{"": 1}]"#, "any"),
            (r#"[{"a": {"1": 1}}]"#, "{a: any}"),
        ] {
            let parsed: Value = values.parse().unwrap();
            assert_eq!(short(&Shape::of(parsed.as_array().unwrap())), expected, "{values}");
        }
    }
}
