//! `EvaluationContext`: the user, session and attributes that a flag is evaluated for.

use std::borrow::Cow;

use crate::value::{Number, Value, ValueError, from_integers, sort_members};

/// Up to this many attributes, a linear search is faster than a binary search.
const LINEAR_SEARCH_MAX: usize = 16;

/// Up to this length, in bytes, a text is compared or hashed in less than a microsecond.
pub(crate) const SHORT_TEXT: usize = 1024;

/// The user, session or request that a flag is evaluated for.
///
/// `user_id`, or `session_id` if there is no user, decides the bucket of a percentage rollout.
/// Targeting rules read both by these names, and any other name from the attributes.
///
/// ```
/// use phaseflag::EvaluationContext;
///
/// let context = EvaluationContext::new()
///     .user_id("user-123")
///     .attribute("plan", "pro")
///     .attribute("account_age", 365)
///     .attribute("beta", true);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EvaluationContext {
    user_id: Option<String>,
    session_id: Option<String>,
    /// Sorted by name.
    attributes: Vec<(String, AttributeValue)>,
    /// Whether any text that was set is longer than `SHORT_TEXT`.
    has_long_text: bool,
}

/// The identifier of a context.
#[derive(Clone, Copy)]
pub(crate) enum Identifier<'a> {
    User(&'a str),
    /// The session, if there is no user.
    Session(&'a str),
    Missing,
}

/// The context for evaluations to which no context is passed.
pub(crate) static EMPTY_CONTEXT: EvaluationContext = EvaluationContext {
    user_id: None,
    session_id: None,
    attributes: Vec::new(),
    has_long_text: false,
};

impl EvaluationContext {
    /// Returns an empty context.
    pub fn new() -> EvaluationContext {
        EvaluationContext::default()
    }

    /// Sets the user's identifier.
    #[doc(alias = "user_key")]
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<String>) -> EvaluationContext {
        self.set_user_id(user_id.into());
        self
    }

    /// Sets the session's identifier, which decides rollouts if there is no user.
    #[must_use]
    pub fn session_id(mut self, session_id: impl Into<String>) -> EvaluationContext {
        self.set_session_id(session_id.into());
        self
    }

    /// Sets an attribute: a string, an integer, a float or a boolean. Replaces an earlier value of
    /// the same name. A float that is NaN or infinite counts as missing.
    ///
    /// An attribute named `user_id` or `session_id` sets that identifier instead, as
    /// [`user_id`](EvaluationContext::user_id) and [`session_id`](EvaluationContext::session_id)
    /// do; the last call wins. A number is converted to text, such as `42`, and a boolean to `true`
    /// or `false`. A missing value leaves the identifier unchanged.
    ///
    /// ```
    /// use phaseflag::EvaluationContext;
    ///
    /// let context = EvaluationContext::new().attribute("user_id", 42);
    /// assert_eq!(context.get_user_id(), Some("42"));
    /// assert_eq!(context.get_attribute("user_id"), None);
    /// ```
    #[must_use]
    pub fn attribute(
        mut self,
        name: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> EvaluationContext {
        let (name, value) = (name.into(), value.into());
        match identifier_setter(&name) {
            Some(set) => set(&mut self, value),
            None => self.set_attribute(name, value),
        }
        self
    }

    /// Sets several attributes, as [`attribute`](EvaluationContext::attribute) does. If a name occurs
    /// more than once, the last value wins. Attributes with other names stay.
    ///
    /// ```
    /// use phaseflag::{AttributeValue, EvaluationContext};
    ///
    /// let context = EvaluationContext::new().attributes([("plan", "pro"), ("country", "US")]);
    /// let seats: AttributeValue = 20.into();
    /// let mixed = context.attributes([("plan", "team".into()), ("seats", seats)]);
    /// let names: Vec<_> = mixed.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["country", "plan", "seats"]);
    /// ```
    #[must_use]
    pub fn attributes(
        mut self,
        attributes: impl IntoIterator<Item = (impl Into<String>, impl Into<AttributeValue>)>,
    ) -> EvaluationContext {
        self.extend(attributes);
        self
    }

    fn set_user_id(&mut self, text: String) {
        self.note_length(&text);
        self.user_id = Some(text);
    }

    fn set_session_id(&mut self, text: String) {
        self.note_length(&text);
        self.session_id = Some(text);
    }

    fn note_length(&mut self, text: &str) {
        self.has_long_text |= text.len() > SHORT_TEXT;
    }

    fn note_lengths(&mut self, name: &str, value: &AttributeValue) {
        self.note_length(name);
        if let AttributeValue::String(text) = value {
            self.note_length(text);
        }
    }

    fn set_attribute(&mut self, name: String, value: AttributeValue) {
        self.note_lengths(&name, &value);
        match self.position(&name) {
            Ok(position) => {
                if let Some((_, old)) = self.attributes.get_mut(position) {
                    *old = value;
                }
            }
            Err(position) => self.attributes.insert(position, (name, value)),
        }
    }

    /// Returns the user's identifier, or `None`.
    pub fn get_user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Returns the session's identifier, or `None`.
    pub fn get_session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Returns an attribute, or `None`. Also `None` for `user_id` and `session_id`, which are not
    /// attributes.
    pub fn get_attribute(&self, name: &str) -> Option<&AttributeValue> {
        if self.attributes.len() <= LINEAR_SEARCH_MAX {
            return self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        }
        let position = self.position(name).ok()?;
        self.attributes.get(position).map(|(_, value)| value)
    }

    /// Returns the attributes, sorted by name, without `user_id` and `session_id`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns whether a text may be longer than `SHORT_TEXT`.
    pub(crate) fn has_long_text(&self) -> bool {
        self.has_long_text
    }

    /// Returns the text that decides the bucket of a rollout, or `None`.
    pub(crate) fn bucket_key(&self) -> Option<&str> {
        match self.identifier() {
            Identifier::User(id) | Identifier::Session(id) => Some(id),
            Identifier::Missing => None,
        }
    }

    /// Returns the user, or else the session. An empty identifier counts as missing.
    pub(crate) fn identifier(&self) -> Identifier<'_> {
        match (&self.user_id, &self.session_id) {
            (Some(id), _) if !id.is_empty() => Identifier::User(id),
            (_, Some(id)) if !id.is_empty() => Identifier::Session(id),
            _ => Identifier::Missing,
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.attributes.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

/// Returns what sets the identifier with this name, or `None` if it is the name of an attribute.
fn identifier_setter(name: &str) -> Option<fn(&mut EvaluationContext, AttributeValue)> {
    match name {
        "user_id" => Some(|context, value| {
            value.into_text().into_iter().for_each(|text| context.set_user_id(text));
        }),
        "session_id" => Some(|context, value| {
            value.into_text().into_iter().for_each(|text| context.set_session_id(text));
        }),
        _ => None,
    }
}

/// Sets attributes, as [`attributes`](EvaluationContext::attributes) does.
impl<N: Into<String>, V: Into<AttributeValue>> Extend<(N, V)> for EvaluationContext {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, attributes: I) {
        // First, because the iterator may panic.
        let given: Vec<_> =
            attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        for (name, value) in given {
            match identifier_setter(&name) {
                Some(set) => set(self, value),
                None => {
                    self.note_lengths(&name, &value);
                    self.attributes.push((name, value));
                }
            }
        }
        sort_members(&mut self.attributes);
    }
}

/// Compares the identifiers and the attributes.
impl PartialEq for EvaluationContext {
    fn eq(&self, other: &EvaluationContext) -> bool {
        self.user_id == other.user_id
            && self.session_id == other.session_id
            && self.attributes == other.attributes
    }
}

/// The value of a context's attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A string.
    String(String),
    /// A finite number.
    Number(Number),
    /// A boolean.
    Bool(bool),
    /// `None`, or a float that was NaN or infinite. Conditions treat the attribute as absent.
    Missing,
}

impl AttributeValue {
    /// Returns the string form, or `None` if the value is missing.
    fn into_text(self) -> Option<String> {
        match self {
            AttributeValue::String(text) => Some(text),
            AttributeValue::Number(number) => Some(number.text().as_str().to_owned()),
            AttributeValue::Bool(value) => Some(if value { "true" } else { "false" }.to_owned()),
            AttributeValue::Missing => None,
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> AttributeValue {
        AttributeValue::String(value.to_owned())
    }
}

impl From<&String> for AttributeValue {
    fn from(value: &String) -> AttributeValue {
        AttributeValue::String(value.clone())
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> AttributeValue {
        AttributeValue::String(value)
    }
}

impl From<Cow<'_, str>> for AttributeValue {
    fn from(value: Cow<'_, str>) -> AttributeValue {
        AttributeValue::String(value.into_owned())
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> AttributeValue {
        AttributeValue::Bool(value)
    }
}

impl From<Number> for AttributeValue {
    fn from(value: Number) -> AttributeValue {
        AttributeValue::Number(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> AttributeValue {
        Number::from_f64(value).map_or(AttributeValue::Missing, AttributeValue::Number)
    }
}

impl From<f32> for AttributeValue {
    fn from(value: f32) -> AttributeValue {
        f64::from(value).into()
    }
}

/// `None` counts as missing.
impl<T: Into<AttributeValue>> From<Option<T>> for AttributeValue {
    fn from(value: Option<T>) -> AttributeValue {
        value.map_or(AttributeValue::Missing, Into::into)
    }
}

from_integers!(AttributeValue);

/// Converts a value of a JSON document; `null` counts as missing.
///
/// ```
/// use phaseflag::{AttributeValue, EvaluationContext, Value};
///
/// let user: Value = r#"{"plan": "pro", "seats": 20}"#.parse()?;
/// let mut context = EvaluationContext::new();
/// for (name, value) in user.as_object().into_iter().flatten() {
///     context = context.attribute(name, AttributeValue::try_from(value)?);
/// }
/// assert_eq!(context.get_attribute("seats"), Some(&20.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns an error for a list or an object: an attribute is a single value.
impl TryFrom<&Value> for AttributeValue {
    type Error = ValueError;

    fn try_from(value: &Value) -> Result<AttributeValue, ValueError> {
        match value {
            Value::Null => Ok(AttributeValue::Missing),
            Value::Bool(value) => Ok(AttributeValue::Bool(*value)),
            Value::Number(value) => Ok(AttributeValue::Number(*value)),
            Value::String(value) => Ok(AttributeValue::String(value.clone())),
            Value::Array(_) | Value::Object(_) => {
                Err(ValueError::new(format!("{} is not an attribute", value.type_name())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_named_like_an_identifier_sets_the_identifier() {
        let values = [
            (AttributeValue::from("ada"), Some("ada")),
            ("".into(), Some("")),
            (42.into(), Some("42")),
            (1.0.into(), Some("1")),
            (2.5.into(), Some("2.5")),
            ((-0.0).into(), Some("0")),
            (1e21.into(), Some("1e21")),
            (u64::MAX.into(), Some("18446744073709551615")),
            (true.into(), Some("true")),
            (false.into(), Some("false")),
            (f64::NAN.into(), None),
            (None::<&str>.into(), None),
        ];
        for (value, text) in values {
            let new = EvaluationContext::new;
            let before = || new().user_id("before").session_id("before");
            let context = before().attribute("user_id", value.clone());
            assert_eq!(context, before().user_id(text.unwrap_or("before")), "{value:?}");
            let context = before().attribute("session_id", value.clone());
            assert_eq!(context, before().session_id(text.unwrap_or("before")), "{value:?}");

            let context = new().attribute("user_id", value.clone()).attribute("plan", "pro");
            assert_eq!(context.get_user_id(), text);
            assert_eq!(context.get_attribute("user_id"), None);
            let names: Vec<_> = context.iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["plan"]);

            let context = new().attribute("user_id", value.clone()).user_id("after");
            assert_eq!(context.get_user_id(), Some("after"));
        }
        let context = EvaluationContext::new().attribute("User_Id", 1).attribute("user_id ", 2);
        assert_eq!((context.get_user_id(), context.iter().count()), (None, 2));
    }

    #[test]
    fn a_long_text_is_noted() {
        type Set = fn(EvaluationContext, &str) -> EvaluationContext;
        let sets: [Set; 7] = [
            |context, text| context.user_id(text),
            |context, text| context.session_id(text),
            |context, text| context.attribute("a", text),
            |context, text| context.attribute("user_id", text),
            |context, text| context.attribute("session_id", text),
            |context, text| context.attributes([("a", text)]),
            |context, text| context.attributes([("user_id", text)]),
        ];
        let (short, long) = ("x".repeat(SHORT_TEXT), "x".repeat(SHORT_TEXT + 1));
        for set in sets {
            let with = |text| set(EvaluationContext::new(), text);
            assert!(!with(&short).has_long_text());
            assert!(with(&long).has_long_text());
            assert_eq!(set(with(&long), &short), with(&short));
            assert_ne!(with(&long), with(&short));
        }
        assert!(EvaluationContext::new().attribute(long, 1).has_long_text());
    }

    #[test]
    fn finds_attributes_by_linear_and_binary_search() {
        for count in [0, 1, LINEAR_SEARCH_MAX, LINEAR_SEARCH_MAX + 1, 100] {
            let mut context = EvaluationContext::new();
            for number in (0..count).rev().chain(0..count) {
                context = context.attribute(format!("name-{number}"), number);
            }
            for number in 0..count {
                let found = context.get_attribute(&format!("name-{number}"));
                assert_eq!(found, Some(&AttributeValue::from(number)), "{count}");
            }
            assert_eq!(context.get_attribute("name"), None);
            assert_eq!(context.iter().count(), count);
        }
    }
}
