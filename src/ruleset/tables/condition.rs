//! A compiled condition: an attribute, an operator and its target.
//!
//! To add an operator, add a variant to `Test`, and one arm to each of `Test::compile`,
//! `Test::holds` and `Test::parts`.

use std::cmp::Ordering;

use super::index::Index;
use super::pattern::{MatchBudget, Pattern, Patterns};
use super::version::Version;
use crate::context::{AttributeValue, EvaluationContext, SHORT_TEXT};
use crate::value::{Number, NumberText, Value};

/// A condition of a rule or a segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) attribute: Attribute,
    pub(crate) test: Test,
}

impl Condition {
    /// A condition that no context satisfies.
    pub(crate) const NEVER: Condition =
        Condition { attribute: Attribute::UserId, test: Test::Never };

    /// Returns whether a check takes little time if the attribute is short: no search for a pattern,
    /// and no long version to parse.
    pub(crate) fn is_short(&self) -> bool {
        match &self.test {
            Test::MatchesRegex(pattern) => pattern.is_short(),
            Test::VersionGreaterThan(bound) | Test::VersionLessThan(bound) => {
                bound.len() <= SHORT_TEXT
            }
            _ => true,
        }
    }

    /// Returns whether the context satisfies the condition.
    pub(crate) fn holds(&self, context: &EvaluationContext, budget: &mut MatchBudget) -> bool {
        self.test.holds(self.attribute.read(context), budget)
    }
}

/// The attribute that a condition tests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    UserId,
    SessionId,
    Named(Box<str>),
}

impl Attribute {
    pub(crate) fn new(name: Box<str>) -> Attribute {
        match &*name {
            "user_id" => Attribute::UserId,
            "session_id" => Attribute::SessionId,
            _ => Attribute::Named(name),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Attribute::UserId => "user_id",
            Attribute::SessionId => "session_id",
            Attribute::Named(name) => name,
        }
    }

    pub(crate) fn read<'a>(&self, context: &'a EvaluationContext) -> Option<Subject<'a>> {
        match self {
            Attribute::UserId => context.get_user_id().map(Subject::Text),
            Attribute::SessionId => context.get_session_id().map(Subject::Text),
            Attribute::Named(name) => match context.get_attribute(name)? {
                AttributeValue::String(text) => Some(Subject::Text(text)),
                AttributeValue::Number(number) => Some(Subject::Number(*number)),
                AttributeValue::Bool(value) => Some(Subject::Bool(*value)),
                AttributeValue::Missing => None,
            },
        }
    }
}

/// The value of an attribute that is present.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Text(&'a str),
    Number(Number),
    Bool(bool),
}

impl Subject<'_> {
    /// Returns the value as a string; a number is formatted into `buffer`.
    pub(crate) fn text<'b>(&'b self, buffer: &'b mut NumberText) -> &'b str {
        match self {
            Subject::Text(text) => text,
            Subject::Number(number) => {
                *buffer = number.text();
                buffer.as_str()
            }
            Subject::Bool(true) => "true",
            Subject::Bool(false) => "false",
        }
    }

    fn number(self) -> Option<Number> {
        match self {
            Subject::Text(text) => Number::read(text),
            Subject::Number(number) => Some(number),
            Subject::Bool(value) => Some(u64::from(value).into()),
        }
    }
}

/// An operator with its target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Is(Box<str>),
    IsNot(Box<str>),
    Contains(Box<str>),
    NotContains(Box<str>),
    OneOf(Targets),
    NotOneOf(Targets),
    GreaterThan(Number),
    LessThan(Number),
    MatchesRegex(Pattern),
    VersionGreaterThan(Box<str>),
    VersionLessThan(Box<str>),
    /// The operator is unknown, or cannot use its target.
    Never,
}

/// The names of the operators that [`Test::compile`] knows.
pub(crate) const OPERATORS: [&str; 11] = [
    "is",
    "is_not",
    "contains",
    "not_contains",
    "one_of",
    "not_one_of",
    "gt",
    "lt",
    "version_gt",
    "version_lt",
    "matches_regex",
];

impl Test {
    /// Compiles an operator and its target.
    ///
    /// # Errors
    ///
    /// If no value can satisfy them; the error is the reason.
    pub(crate) fn compile(
        operator: &str,
        target: Value,
        patterns: &mut Patterns,
    ) -> Result<Test, String> {
        Ok(match operator {
            "is" => Test::Is(text(target)?),
            "is_not" => Test::IsNot(text(target)?),
            "contains" => Test::Contains(text(target)?),
            "not_contains" => Test::NotContains(text(target)?),
            "one_of" => Test::OneOf(Targets::new(target)?),
            "not_one_of" => Test::NotOneOf(Targets::new(target)?),
            "gt" => Test::GreaterThan(bound(target)?),
            "lt" => Test::LessThan(bound(target)?),
            "matches_regex" => Test::MatchesRegex(patterns.compile(&text(target)?)?),
            "version_gt" => Test::VersionGreaterThan(version(target)?),
            "version_lt" => Test::VersionLessThan(version(target)?),
            _ => return Err(format!("the operator `{}` is not known", excerpt(operator))),
        })
    }

    /// Returns whether the attribute satisfies the operator.
    fn holds(&self, subject: Option<Subject<'_>>, budget: &mut MatchBudget) -> bool {
        let Some(subject) = subject else {
            return matches!(self, Test::IsNot(_) | Test::NotContains(_) | Test::NotOneOf(_));
        };
        let buffer = &mut NumberText::default();
        match self {
            Test::Is(target) => subject.text(buffer) == &**target,
            Test::IsNot(target) => subject.text(buffer) != &**target,
            Test::Contains(target) => subject.text(buffer).contains(&**target),
            Test::NotContains(target) => !subject.text(buffer).contains(&**target),
            Test::OneOf(targets) => targets.contain(subject.text(buffer)),
            Test::NotOneOf(targets) => !targets.contain(subject.text(buffer)),
            Test::GreaterThan(bound) => subject.number().is_some_and(|number| number > *bound),
            Test::LessThan(bound) => subject.number().is_some_and(|number| number < *bound),
            Test::MatchesRegex(pattern) => pattern.is_found_in(subject.text(buffer), budget),
            Test::VersionGreaterThan(bound) => {
                compare_versions(subject.text(buffer), bound) == Some(Ordering::Greater)
            }
            Test::VersionLessThan(bound) => {
                compare_versions(subject.text(buffer), bound) == Some(Ordering::Less)
            }
            Test::Never => false,
        }
    }

    /// Returns the operator's name and its target; `None` if no value can satisfy them.
    pub(crate) fn parts(&self) -> Option<(&'static str, Target<'_>)> {
        Some(match self {
            Test::Is(target) => ("is", Target::Text(target)),
            Test::IsNot(target) => ("is_not", Target::Text(target)),
            Test::Contains(target) => ("contains", Target::Text(target)),
            Test::NotContains(target) => ("not_contains", Target::Text(target)),
            Test::OneOf(targets) => ("one_of", Target::Texts(&targets.texts)),
            Test::NotOneOf(targets) => ("not_one_of", Target::Texts(&targets.texts)),
            Test::GreaterThan(bound) => ("gt", Target::Number(*bound)),
            Test::LessThan(bound) => ("lt", Target::Number(*bound)),
            Test::MatchesRegex(pattern) => ("matches_regex", Target::Text(pattern.as_str())),
            Test::VersionGreaterThan(bound) => ("version_gt", Target::Text(bound)),
            Test::VersionLessThan(bound) => ("version_lt", Target::Text(bound)),
            Test::Never => return None,
        })
    }
}

/// The value that an operator compares an attribute with.
pub(crate) enum Target<'a> {
    Text(&'a str),
    Texts(&'a [Box<str>]),
    Number(Number),
}

/// Returns a scalar target as a string.
fn text(target: Value) -> Result<Box<str>, String> {
    match target {
        Value::String(text) => Ok(text.into_boxed_str()),
        Value::Number(number) => Ok(number.text().as_str().into()),
        Value::Bool(value) => Ok(if value { "true" } else { "false" }.into()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("the operator cannot use {} as its value", target.type_name()))
        }
    }
}

fn bound(target: Value) -> Result<Number, String> {
    match target {
        Value::Number(number) => Ok(number),
        Value::Bool(value) => Ok(u64::from(value).into()),
        target => {
            let text = text(target)?;
            Number::read(&text)
                .ok_or_else(|| format!("the value `{}` is not a number", excerpt(&text)))
        }
    }
}

fn version(target: Value) -> Result<Box<str>, String> {
    let text = text(target)?;
    match Version::parse(&text) {
        Some(_) => Ok(text),
        None => Err(format!("the value `{}` is not a version", excerpt(&text))),
    }
}

/// Returns a text as messages quote it: shortened, and with control characters escaped, since they
/// could forge a line or control a terminal.
pub(crate) fn excerpt(text: &str) -> String {
    cut(text).chars().fold(String::new(), |mut escaped, character| {
        match character.is_control() {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
        escaped
    })
}

/// Returns at most the first 100 characters of a text.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Compares two versions; `None` if one of them is not a version.
pub(crate) fn compare_versions(text: &str, bound: &str) -> Option<Ordering> {
    Some(Version::parse(text)?.precedence(&Version::parse(bound)?))
}

/// A list of targets, as strings.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    texts: Box<[Box<str>]>,
    index: Index,
}

impl Targets {
    fn new(target: Value) -> Result<Targets, String> {
        let Value::Array(elements) = target else {
            return Ok(Targets::of([text(target)?].into()));
        };
        let elements = elements.into_iter().map(|element| match element {
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(format!("the operator cannot use a list that holds {}", element.type_name()))
            }
            scalar => text(scalar),
        });
        Ok(Targets::of(elements.collect::<Result<_, _>>()?))
    }

    fn of(texts: Box<[Box<str>]>) -> Targets {
        Targets { index: Index::of(&texts), texts }
    }

    fn contain(&self, text: &str) -> bool {
        self.index.find(text, &self.texts).is_some()
    }
}

/// Compares the targets as a set.
impl PartialEq for Targets {
    fn eq(&self, other: &Targets) -> bool {
        self.texts.iter().all(|text| other.contain(text))
            && other.texts.iter().all(|text| self.contain(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operator_compiles_to_its_test() {
        for operator in OPERATORS {
            let test = Test::compile(operator, Value::from("1"), &mut Patterns::default());
            match test {
                Ok(test) => assert_eq!(test.parts().map(|(name, _)| name), Some(operator)),
                Err(error) => assert!(
                    operator == "matches_regex" && cfg!(not(feature = "regex")),
                    "{operator}: {error}"
                ),
            }
        }
    }
}
