//! The keywords of JSON Schema that the schema of a file of rules uses.

use std::cell::RefCell;
use std::collections::HashMap;

use phaseflag::{Object, Value};
use regex_lite::Regex;

/// A JSON Schema of draft 7.
pub struct Schema {
    root: Value,
    patterns: RefCell<HashMap<String, Regex>>,
}

impl Schema {
    /// Returns a schema.
    ///
    /// # Panics
    ///
    /// If it is no JSON.
    #[track_caller]
    pub fn new(text: &str) -> Schema {
        Schema { root: text.parse().unwrap(), patterns: RefCell::default() }
    }

    /// Returns whether a value conforms to the schema.
    ///
    /// # Panics
    ///
    /// If the schema has a keyword that is not known here.
    #[track_caller]
    pub fn accepts(&self, value: &Value) -> bool {
        self.conforms(value, &self.root)
    }

    fn conforms(&self, value: &Value, schema: &Value) -> bool {
        let schema = match schema {
            Value::Bool(accepts) => return *accepts,
            Value::Object(schema) => schema,
            other => panic!("no schema: {other}"),
        };
        if let Some(reference) = schema.get("$ref") {
            let name = reference.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
            let definition = self.root.get("definitions").unwrap().get(name);
            return self.conforms(value, definition.unwrap_or_else(|| panic!("no {name}")));
        }
        schema.iter().all(|(keyword, argument)| self.holds(keyword, argument, value, schema))
    }

    fn holds(&self, keyword: &str, argument: &Value, value: &Value, schema: &Object) -> bool {
        let list = || argument.as_array().unwrap();
        let object = value.as_object();
        match keyword {
            "type" => match argument {
                Value::Array(names) => {
                    names.iter().any(|name| name.as_str() == Some(type_of(value)))
                }
                name => name.as_str() == Some(type_of(value)),
            },
            "enum" => list().contains(value),
            "const" => value == argument,
            "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap()),
            "minLength" => {
                let least = argument.as_f64().unwrap() as usize;
                value.as_str().is_none_or(|text| text.chars().count() >= least)
            }
            "minItems" => {
                let least = argument.as_f64().unwrap() as usize;
                value.as_array().is_none_or(|elements| elements.len() >= least)
            }
            "items" => value.as_array().is_none_or(|elements| {
                elements.iter().all(|element| self.conforms(element, argument))
            }),
            "required" => object.is_none_or(|object| {
                list().iter().all(|name| object.get(name.as_str().unwrap()).is_some())
            }),
            "properties" => object.is_none_or(|object| {
                object.iter().all(|(name, member)| {
                    argument.get(name).is_none_or(|schema| self.conforms(member, schema))
                })
            }),
            "patternProperties" => object.is_none_or(|object| {
                object.iter().all(|(name, member)| {
                    let schemas = argument.as_object().unwrap().iter();
                    let mut fitting = schemas.filter(|(pattern, _)| self.is_match(pattern, name));
                    fitting.all(|(_, schema)| self.conforms(member, schema))
                })
            }),
            "additionalProperties" => object.is_none_or(|object| {
                let members = object.iter().filter(|(name, _)| !self.is_declared(schema, name));
                members.into_iter().all(|(_, member)| self.conforms(member, argument))
            }),
            "anyOf" => list().iter().any(|schema| self.conforms(value, schema)),
            "allOf" => list().iter().all(|schema| self.conforms(value, schema)),
            "not" => !self.conforms(value, argument),
            "if" => {
                let branch = if self.conforms(value, argument) { "then" } else { "else" };
                schema.get(branch).is_none_or(|schema| self.conforms(value, schema))
            }
            "then" | "else" => schema.get("if").is_some(),
            "$schema" | "title" | "description" | "default" | "definitions" => true,
            other => panic!("the keyword `{other}` is not known"),
        }
    }

    fn is_declared(&self, schema: &Object, name: &str) -> bool {
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        schema.get("properties").is_some_and(|properties| properties.get(name).is_some())
            || patterns
                .is_some_and(|them| them.iter().any(|(pattern, _)| self.is_match(pattern, name)))
    }

    fn is_match(&self, pattern: &str, name: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let compiled = patterns.entry(pattern.to_owned());
        compiled.or_insert_with(|| Regex::new(pattern).unwrap()).is_match(name)
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
