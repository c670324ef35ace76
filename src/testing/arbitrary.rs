//! Arbitrary values and contexts, for fuzzers and property tests.

use ::arbitrary::{Arbitrary, Result, Unstructured};

use crate::context::{AttributeValue, EvaluationContext};
use crate::value::{Object, Value};

/// The names of attributes that arbitrary rules and contexts share.
pub(super) const ATTRIBUTES: [&str; 3] = ["plan", "n", "v"];

/// The deepest nesting of an arbitrary value.
const MAX_DEPTH: u8 = 6;

/// Generates any JSON value, nested at most 6 levels.
impl<'a> Arbitrary<'a> for Value {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Value> {
        value(u, MAX_DEPTH)
    }
}

fn value(u: &mut Unstructured<'_>, depth: u8) -> Result<Value> {
    let kinds = if depth == 0 { 5 } else { 7 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => Value::from(u.arbitrary::<bool>()?),
        2 => Value::from(u.arbitrary::<i64>()?),
        3 => Value::from(u.arbitrary::<u64>()?),
        4 => Value::from(u.arbitrary::<f64>()?),
        5 => Value::from(u.arbitrary::<&str>()?),
        6 => {
            let elements = (0..u.int_in_range(0..=3)?).map(|_| value(u, depth - 1));
            Value::from(elements.collect::<Result<Vec<_>>>()?)
        }
        _ => {
            let mut object = Object::new();
            for _ in 0..u.int_in_range(0..=3)? {
                object.insert(u.arbitrary::<&str>()?, value(u, depth - 1)?);
            }
            Value::from(object)
        }
    })
}

/// Generates a context with the identifiers and attributes that the rules of a
/// [`RulesetText`](super::RulesetText) use, and sometimes with any others.
impl<'a> Arbitrary<'a> for EvaluationContext {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<EvaluationContext> {
        let mut context = EvaluationContext::new();
        if u.ratio(2, 3)? {
            context = context.user_id(identifier(u)?);
        }
        if u.ratio(1, 3)? {
            context = context.session_id(identifier(u)?);
        }
        for name in ATTRIBUTES.into_iter().chain(["user_id"]) {
            if u.ratio(2, 3)? {
                context = context.attribute(name, attribute_value(u)?);
            }
        }
        if u.ratio(1, 8)? {
            context = context.attribute(u.arbitrary::<&str>()?, attribute_value(u)?);
        }
        Ok(context)
    }
}

fn identifier(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=5)? {
        0 => String::new(),
        1 => u.arbitrary()?,
        _ => format!("user-{}", u.int_in_range(0..=999)?),
    })
}

fn attribute_value(u: &mut Unstructured<'_>) -> Result<AttributeValue> {
    Ok(match u.int_in_range(0..=5)? {
        0 => u.arbitrary::<f64>()?.into(),
        1 => u.arbitrary::<i64>()?.into(),
        2 => u.arbitrary::<&str>()?.into(),
        _ => match scalar(u)? {
            Value::Bool(value) => value.into(),
            Value::Number(number) => number.into(),
            Value::String(text) => text.into(),
            _ => f64::NAN.into(),
        },
    })
}

/// Returns one of the scalars that rules and contexts share.
pub(super) fn scalar(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=15)? {
        0 => Value::from(true),
        1 => Value::from(false),
        2 => Value::from(""),
        3 => Value::from("pro"),
        4 => Value::from("free"),
        5 => Value::from("1"),
        6 => Value::from(" 1.5 "),
        7 => Value::from(0),
        8 => Value::from(1),
        9 => Value::from(1.5),
        10 => Value::from(-0.0),
        11 => Value::from("1.2.3"),
        12 => Value::from("v1.2.3-rc.1"),
        13 => Value::from("1.10"),
        14 => Value::from("user-1"),
        _ => Value::from(u64::MAX),
    })
}
