//! The differences of two rulesets: flag by flag, field by field. Data only.

use phaseflag::{Object, Value};

use crate::output;

/// How a flag or a segment differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Added,
    Changed,
    Removed,
}

impl What {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            What::Added => "added",
            What::Changed => "changed",
            What::Removed => "removed",
        }
    }
}

/// What a difference is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subject {
    /// A flag, by its key.
    Flag(String),
    /// A segment, by its key, or its id if it has no key.
    Segment(String),
}

/// The difference of one flag or one segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) what: What,
    pub(crate) subject: Subject,
    /// What changed. For an added or a removed one, a single change that describes it.
    pub(crate) changes: Vec<Change>,
}

impl Difference {
    /// Returns the key of the flag, or the name of the segment.
    pub(crate) fn name(&self) -> &str {
        let (Subject::Flag(name) | Subject::Segment(name)) = &self.subject;
        name
    }

    /// Returns the difference as a JSON object.
    pub(crate) fn object(&self) -> Object {
        let (name, subject) = match &self.subject {
            Subject::Flag(key) => ("key", key),
            Subject::Segment(name) => ("segment", name),
        };
        output::object(vec![
            ("what", Value::from(self.what.as_str())),
            (name, Value::from(subject)),
            ("changes", self.changes.iter().map(Change::object).collect()),
        ])
    }
}

/// A change of one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The path of the field in the flag or the segment, such as `targeting_rules[0].variation`;
    /// empty for the whole. Positions are those of the new document, of what is removed those of
    /// the old one.
    pub(crate) field: String,
    /// The value before; `null` if there was none.
    pub(crate) from: Value,
    /// The value now; `null` if there is none.
    pub(crate) to: Value,
    /// The change in one line, such as `on → off`. It may hold control characters.
    pub(crate) text: String,
}

impl Change {
    pub(super) fn new(
        field: impl Into<String>,
        from: impl Into<Value>,
        to: impl Into<Value>,
        text: impl Into<String>,
    ) -> Change {
        Change { field: field.into(), from: from.into(), to: to.into(), text: text.into() }
    }

    /// Returns the change of something that was added or removed as a whole.
    pub(super) fn whole(from: Value, to: Value, text: String) -> Change {
        Change { field: String::new(), from, to, text }
    }

    fn object(&self) -> Object {
        output::object(vec![
            ("field", Value::from(&self.field)),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("text", Value::from(&self.text)),
        ])
    }
}
