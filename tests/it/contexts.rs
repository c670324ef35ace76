//! Contexts whose attributes are set at once.

use phaseflag::{AttributeValue, EvaluationContext, Value};

#[test]
fn several_attributes_are_set_as_one_after_the_other() {
    let given: [(&str, AttributeValue); 8] = [
        ("b", 1.into()),
        ("user_id", 42.into()),
        ("a", "x".into()),
        ("b", "last".into()),
        ("session_id", "s".into()),
        ("user_id", None::<&str>.into()),
        ("c", f64::NAN.into()),
        ("a", true.into()),
    ];
    let base = || EvaluationContext::new().attribute("a", 0).attribute("kept", 1).user_id("u");
    let one_by_one = |context: EvaluationContext| {
        given.iter().fold(context, |context, (name, value)| context.attribute(*name, value.clone()))
    };
    for context in [EvaluationContext::new(), base()] {
        let mut extended = context.clone();
        extended.extend(given.clone());
        assert_eq!(extended, one_by_one(context.clone()));
        assert_eq!(context.clone().attributes(given.clone()), extended);
        assert_eq!(context.clone().attributes([("", 0); 0]), context);
        assert!(extended.iter().is_sorted_by_key(|(name, _)| name));
        assert_eq!(extended.get_attribute("b"), Some(&"last".into()));
    }
    // Sorted at the end, not at each attribute.
    let many = (0..200_000).rev().map(|number| (format!("{number:06}"), number));
    let context = base().attributes(many);
    assert_eq!(context.iter().count(), 200_002);
    assert_eq!(context.get_attribute("000007"), Some(&7.into()));
}

#[test]
fn a_panic_among_the_attributes_sets_none() {
    let mut context = EvaluationContext::new().attribute("b", 1);
    let attributes = ["c", "a", "!"].into_iter().map(|name| {
        assert_ne!(name, "!", "a panic on purpose");
        (name, 2)
    });
    let call = std::panic::AssertUnwindSafe(|| context.extend(attributes));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(context, EvaluationContext::new().attribute("b", 1));
}

#[test]
fn a_single_value_of_a_document_becomes_an_attribute() {
    let cases: [(&str, Result<AttributeValue, &str>); 8] = [
        ("null", Ok(AttributeValue::Missing)),
        ("true", Ok(true.into())),
        ("18446744073709551615", Ok(u64::MAX.into())),
        ("1.5", Ok(1.5.into())),
        (r#""pro""#, Ok("pro".into())),
        (r#""""#, Ok("".into())),
        (r#"["pro"]"#, Err("failed to read the value: a list is not an attribute")),
        ("{}", Err("failed to read the value: an object is not an attribute")),
    ];
    for (text, expected) in cases {
        let value: Value = text.parse().unwrap();
        let found = AttributeValue::try_from(&value).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }
}
