//! `EvaluationContext`: who is asking.

use std::borrow::Cow;

use crate::number::{Number, from_integers};

/// As many attributes are searched one by one: most differ in length, which is quickly seen.
const FEW: usize = 16;

/// The user, session or request that a flag is evaluated for.
///
/// `user_id`, or else `session_id`, decides the bucket of a percentage rollout. Targeting rules
/// read both by these names, and everything else from the attributes.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationContext {
    user_id: Option<String>,
    session_id: Option<String>,
    /// Sorted by name.
    attributes: Vec<(String, AttributeValue)>,
}

/// What a context is identified by.
#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    User(&'a str),
    /// Where there is no user.
    Session(&'a str),
    Nobody,
}

/// What stands for a context that is not there.
pub(crate) static NOBODY: EvaluationContext =
    EvaluationContext { user_id: None, session_id: None, attributes: Vec::new() };

impl EvaluationContext {
    /// Returns a context that says nothing.
    pub fn new() -> EvaluationContext {
        EvaluationContext::default()
    }

    /// Sets the user's identifier.
    #[must_use]
    pub fn user_id(mut self, user_id: impl Into<String>) -> EvaluationContext {
        self.user_id = Some(user_id.into());
        self
    }

    /// Sets the session's identifier, which decides rollouts where there is no user.
    #[must_use]
    pub fn session_id(mut self, session_id: impl Into<String>) -> EvaluationContext {
        self.session_id = Some(session_id.into());
        self
    }

    /// Sets an attribute: a string, an integer, a float or a boolean. The last value of a name
    /// stays. A float that is NaN or infinite counts as missing.
    #[must_use]
    pub fn attribute(
        mut self,
        name: impl Into<String>,
        value: impl Into<AttributeValue>,
    ) -> EvaluationContext {
        let (name, value) = (name.into(), value.into());
        match self.position(&name) {
            Ok(position) => {
                if let Some((_, old)) = self.attributes.get_mut(position) {
                    *old = value;
                }
            }
            Err(position) => self.attributes.insert(position, (name, value)),
        }
        self
    }

    /// Returns the user's identifier.
    pub fn get_user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// Returns the session's identifier.
    pub fn get_session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Returns an attribute.
    pub fn get_attribute(&self, name: &str) -> Option<&AttributeValue> {
        if self.attributes.len() <= FEW {
            return self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        }
        let position = self.position(name).ok()?;
        self.attributes.get(position).map(|(_, value)| value)
    }

    /// Returns the attributes in the order of their names.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What decides a rollout: the user, else the session; an empty one counts as absent.
    pub(crate) fn identifier(&self) -> Option<&str> {
        match self.who() {
            Who::User(id) | Who::Session(id) => Some(id),
            Who::Nobody => None,
        }
    }

    /// Returns who is asking: the user, else the session; an empty one counts as absent.
    pub(crate) fn who(&self) -> Who<'_> {
        match (&self.user_id, &self.session_id) {
            (Some(id), _) if !id.is_empty() => Who::User(id),
            (_, Some(id)) if !id.is_empty() => Who::Session(id),
            _ => Who::Nobody,
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.attributes.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

/// An attribute of a context.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A string.
    String(String),
    /// A finite number.
    Number(Number),
    /// A boolean.
    Bool(bool),
    /// `None`, or a float that was NaN or infinite: as if the attribute were not there.
    Missing,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_of_few_and_of_many_attributes() {
        for count in [0, 1, FEW, FEW + 1, 100] {
            let mut context = EvaluationContext::new();
            for number in (0..count).rev().chain(0..count) {
                context = context.attribute(format!("name-{number}"), number);
            }
            for number in 0..count {
                let found = context.get_attribute(&format!("name-{number}"));
                assert_eq!(found, Some(&AttributeValue::from(number)), "{count}");
            }
            assert_eq!(context.get_attribute("name"), None);
            assert_eq!(context.attributes().count(), count);
        }
    }
}
