//! Writes the structs of a JSON flag: one for the value, and one for each object in it.

use std::collections::HashMap;

use super::layout::{call, comment};
use super::names::{Case, code, unique};
use super::shape::Shape;

/// The structs of a flag; that of the value itself is the first.
#[derive(Debug, Default)]
pub(super) struct Structs(Vec<Struct>);

#[derive(Debug)]
struct Struct {
    /// The key of the flag and the names of the members down to this object.
    path: String,
    members: Vec<(String, Shape)>,
}

impl Structs {
    pub(super) fn of(key: &str, shape: &Shape) -> Structs {
        let mut structs = Structs::default();
        structs.add(key, shape);
        structs
    }

    fn add(&mut self, path: &str, shape: &Shape) {
        match shape {
            Shape::Optional(inner) | Shape::List(inner) => self.add(path, inner),
            Shape::Struct(members) if !members.is_empty() => {
                self.0.push(Struct { path: path.to_owned(), members: members.clone() });
                for (name, shape) in members {
                    self.add(&below(path, name), shape);
                }
            }
            _ => {}
        }
    }

    /// Returns a text for each struct, of which its name is made.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|it| it.path.as_str())
    }

    /// Returns the code of the structs, which have these names.
    pub(super) fn code(&self, names: &[String]) -> String {
        let names: HashMap<&str, &str> =
            self.paths().zip(names.iter().map(String::as_str)).collect();
        self.0.iter().map(|it| it.code(&names)).collect()
    }
}

/// Returns the path of a member.
fn below(path: &str, member: &str) -> String {
    format!("{path}\0{member}")
}

impl Struct {
    fn code(&self, names: &HashMap<&str, &str>) -> String {
        let name = names.get(self.path.as_str()).copied().unwrap_or_default();
        let members: Vec<&str> = self.members.iter().map(|(name, _)| name.as_str()).collect();
        // The names of fields differ if those of the members do: they are ASCII.
        let fields = unique(&members, Case::Snake, &[]).unwrap_or_default();
        let fields: Vec<_> = fields.iter().map(|field| code(field)).zip(&self.members).collect();
        let mut text = "\n".to_owned();
        text += &comment(0, &[about(&self.path)]);
        text += "#[allow(dead_code)]\n#[derive(Clone, Debug, Default, PartialEq)]\n";
        text += &format!("pub struct {name} {{\n");
        for (field, (member, shape)) in &fields {
            text += &comment(4, &[format!("The member `{member}`.")]);
            let kind = of_type(shape, &below(&self.path, member), names);
            text += &format!("    pub {field}: {kind},\n");
        }
        text += &format!("}}\n\nimpl {name} {{\n    fn read(value: &Value) -> Option<Self> {{\n");
        text += "        value.as_object()?;\n        Some(Self {\n";
        for (field, (member, shape)) in &fields {
            let path = below(&self.path, member);
            let (function, more) = reader(shape, &path, names);
            let value = format!("&value[\"{member}\"]");
            let mut arguments = vec![value.as_str()];
            arguments.extend(more.as_deref());
            text += &call(12, &format!("{field}: {function}"), &arguments, "?,");
        }
        text + "        })\n    }\n}\n"
    }
}

fn about(path: &str) -> String {
    let mut members = path.split('\0');
    let key = members.next().unwrap_or_default().replace('`', "'");
    let key = crate::output::escape_line(key);
    match members.next_back() {
        None => format!("The value of the flag `{key}`."),
        Some(member) => format!("The member `{member}` in the value of the flag `{key}`."),
    }
}

/// Returns a type.
fn of_type(shape: &Shape, path: &str, names: &HashMap<&str, &str>) -> String {
    match shape {
        Shape::Bool => "bool".to_owned(),
        Shape::Integer => "i64".to_owned(),
        Shape::Float => "f64".to_owned(),
        Shape::Text => "String".to_owned(),
        Shape::Optional(inner) => format!("Option<{}>", of_type(inner, path, names)),
        Shape::List(inner) => format!("Vec<{}>", of_type(inner, path, names)),
        Shape::Struct(members) if !members.is_empty() => {
            names.get(path).copied().unwrap_or_default().to_owned()
        }
        Shape::Struct(_) | Shape::Unknown | Shape::Any => "Value".to_owned(),
    }
}

/// Returns the function that reads a type, and its argument after the value, if any.
fn reader(shape: &Shape, path: &str, names: &HashMap<&str, &str>) -> (String, Option<String>) {
    let of_inner = |inner: &Shape| match reader(inner, path, names) {
        (function, None) => function,
        (function, Some(more)) => format!("|value| {function}(value, {more})"),
    };
    match shape {
        Shape::Bool => ("Value::as_bool".to_owned(), None),
        Shape::Integer => ("Value::as_i64".to_owned(), None),
        Shape::Float => ("Value::as_f64".to_owned(), None),
        Shape::Text => ("text".to_owned(), None),
        Shape::Optional(inner) => ("optional".to_owned(), Some(of_inner(inner))),
        Shape::List(inner) => ("list".to_owned(), Some(of_inner(inner))),
        Shape::Struct(members) if !members.is_empty() => {
            (format!("{}::read", names.get(path).copied().unwrap_or_default()), None)
        }
        Shape::Struct(_) | Shape::Unknown | Shape::Any => ("any".to_owned(), None),
    }
}
