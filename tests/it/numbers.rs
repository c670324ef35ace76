//! Numbers are exact: a float in a document or in text is the nearest one, and its text parses
//! back.

use std::iter;
use std::thread;

use phaseflag::{AttributeValue, EvaluationContext, Reason, Ruleset, Value};

/// How many random floats are compared.
const FLOATS: usize = 200_000;

/// Returns finite floats of every exponent. One in sixteen is subnormal.
fn floats() -> impl Iterator<Item = f64> {
    let mut state = 1_u64;
    let mut random = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let subnormal = |bits: u64| bits & !(0x7ff << 52);
    let bits = iter::repeat_with(move || match random() {
        bits if bits % 16 == 0 => subnormal(bits),
        bits => bits,
    });
    bits.map(f64::from_bits).filter(|float| float.is_finite())
}

/// Returns a float as text: in its shortest form, with 17 digits, or as this crate writes it.
fn text(form: usize, float: f64) -> String {
    match form % 3 {
        0 => format!("{float:e}"),
        1 => format!("{float:.16e}"),
        _ => Value::from(float).to_string(),
    }
}

fn array(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(","))
}

#[track_caller]
fn assert_bits(value: Option<f64>, expected: f64, text: &str) {
    assert_eq!(value.map(f64::to_bits), Some(expected.to_bits()), "{text}");
}

#[test]
fn a_float_in_a_document_has_the_bits_of_its_text() {
    const SHARE: usize = 500;
    let floats: Vec<_> = floats().take(FLOATS).collect();
    let flags = floats.chunks(SHARE).enumerate().map(|(flag, floats)| {
        let values = floats.iter().enumerate().map(|(index, float)| text(index, *float));
        let variation = format!(r#"{{"key": "v", "value": {}}}"#, array(values));
        format!(r#"{{"key": "{flag}", "default_variation": "v", "variations": [{variation}]}}"#)
    });
    let ruleset = Ruleset::parse(&array(flags)).unwrap();
    for (flag, floats) in floats.chunks(SHARE).enumerate() {
        let result = ruleset.evaluate(&flag.to_string(), None).unwrap();
        let served = result.value().as_array().unwrap();
        assert_eq!(served.len(), SHARE);
        for (index, (value, float)) in served.iter().zip(floats).enumerate() {
            assert_bits(value.as_f64(), *float, &text(index, *float));
        }
    }
}

/// Rules of both operators for each float, which must not hold for the same float: as a number, and
/// as text in any form.
#[test]
fn no_number_is_greater_or_less_than_itself() {
    const SHARE: usize = 20;
    let floats: Vec<_> = floats().take(FLOATS / 10).collect();
    let rule = |attribute: usize, operator: &str, target: &str| {
        format!(
            r#"{{"variation": "{operator}", "conditions": [{{"attribute": "{attribute}",
                "operator": "{operator}", "value": {target}}}]}}"#
        )
    };
    let flags = floats.chunks(SHARE).enumerate().map(|(flag, floats)| {
        let rules = floats.iter().enumerate().flat_map(|(index, float)| {
            let target = text(index, *float);
            [rule(index, "gt", &target), rule(index, "lt", &format!("\"{target}\""))]
        });
        format!(r#"{{"key": "{flag}", "targeting_rules": {}}}"#, array(rules))
    });
    let ruleset = Ruleset::parse(&array(flags)).unwrap();
    let reason = |flag: usize, floats: &[f64], attribute: &dyn Fn(f64) -> AttributeValue| {
        let attributes = floats.iter().map(|float| attribute(*float));
        let context =
            attributes.enumerate().fold(EvaluationContext::new(), |context, (index, value)| {
                context.attribute(index.to_string(), value)
            });
        ruleset.evaluate(&flag.to_string(), &context).unwrap().reason()
    };
    for (flag, floats) in floats.chunks(SHARE).enumerate() {
        assert_eq!(reason(flag, floats, &|float| float.into()), Reason::Default, "{floats:?}");
        for form in 0..3 {
            let found = reason(flag, floats, &|float| text(form, float).into());
            assert_eq!(found, Reason::Default, "{floats:?} in form {form}");
        }
        for next in [f64::next_up, f64::next_down] {
            let found = reason(flag, floats, &|float| text(flag, next(float)).into());
            assert_eq!(found, Reason::TargetingMatch, "a neighbor of {floats:?}");
        }
    }
}

/// The bits are those of CPython's `float`.
#[test]
fn numbers_that_are_hard_to_round_are_read_exactly() {
    // The decimal digits of 1 + 2^-53, halfway between two floats.
    const HALFWAY: &str = "1.00000000000000011102230246251565404236316680908203125";
    let zeros = "0".repeat(800);
    for (text, bits) in [
        ("0.1", 0x3fb9_9999_9999_999a),
        ("0.30000000000000004", 0x3fd3_3333_3333_3334),
        ("123456789012345.67", 0x42dc_1221_8377_de6b),
        ("6929495644600919.5", 0x4338_9e56_ee5e_7a58),
        ("4503599627370497.5", 0x4330_0000_0000_0002),
        ("9007199254740993.0", 0x4340_0000_0000_0000),
        ("9007199254740993.00000000000000000000001", 0x4340_0000_0000_0001),
        ("18446744073709551616", 0x43f0_0000_0000_0000),
        ("18446744073709551617", 0x43f0_0000_0000_0000),
        ("36893488147419103231", 0x4400_0000_0000_0000),
        ("-9223372036854775809", 0xc3e0_0000_0000_0000),
        ("123456789012345678901234567890", 0x45f8_ee90_ff6c_373e),
        ("1e23", 0x44b5_2d02_c7e1_4af6),
        ("8.5e22", 0x44b1_ffdb_f6b2_b2eb),
        ("7.2057594037927933e16", 0x4370_0000_0000_0000),
        // The smallest normal floats, and the greatest subnormal one.
        ("2.2250738585072014e-308", 0x0010_0000_0000_0000),
        ("2.2250738585072012e-308", 0x0010_0000_0000_0000),
        ("2.2250738585072011e-308", 0x000f_ffff_ffff_ffff),
        ("3.2378839133029012895883524125015321748630e-319", 0xffff),
        // Just above and just below half of the smallest float.
        ("2.4703282292062328e-324", 1),
        ("2.4703282292062327208e-324", 0),
        ("5e-324", 1),
        ("1e-400", 0),
        ("1e-99999999999", 0),
        ("-1e-99999999999", 1 << 63),
        ("0e99999999999", 0),
        ("-0.0", 1 << 63),
        ("1.7976931348623157e308", 0x7fef_ffff_ffff_ffff),
        ("1.7976931348623158e308", 0x7fef_ffff_ffff_ffff),
        ("1.797693134862315807e308", 0x7fef_ffff_ffff_ffff),
        ("17976931348623157e292", 0x7fef_ffff_ffff_ffff),
        (HALFWAY, 0x3ff0_0000_0000_0000),
        (&format!("{HALFWAY}{zeros}"), 0x3ff0_0000_0000_0000),
        (&format!("{HALFWAY}{zeros}1"), 0x3ff0_0000_0000_0001),
        (&format!("1{zeros}e-800"), 0x3ff0_0000_0000_0000),
        (&format!("0.{zeros}1e801"), 0x3ff0_0000_0000_0000),
    ] {
        let value: Value = text.parse().unwrap();
        assert_bits(value.as_f64(), f64::from_bits(bits), text);
        assert_bits(text.parse().ok(), f64::from_bits(bits), text);
    }
    let number = |text: &str| text.parse::<Value>();
    assert_eq!(number("9007199254740993").unwrap().as_u64(), Some(9_007_199_254_740_993));
    assert_eq!(number("-0").unwrap().to_string(), "0");
    for text in ["1e400", "-1e400", "1e99999999999", "1.797693134862315808e308"] {
        let error = number(&format!("[{text}]")).unwrap_err();
        assert_eq!(error.to_string(), "a number out of range at line 1, column 2", "{text}");
    }
}

/// With a reader that takes quadratic time, this test takes days.
#[test]
fn long_numbers_and_strings_are_read_in_one_pass() {
    const LENGTH: usize = 10_000_000;
    let nines = "9".repeat(LENGTH);
    let read = |text: &str| text.parse::<Value>();
    let out_of_range = "a number out of range at line 1, column 1";
    assert_eq!(read(&nines).unwrap_err().to_string(), out_of_range);
    assert_eq!(read(&format!("0.{nines}")).unwrap().as_f64(), Some(1.0));
    assert_eq!(read(&format!("1e-{nines}")).unwrap().as_f64(), Some(0.0));
    assert_eq!(read(&format!("1e{nines}")).unwrap_err().to_string(), out_of_range);
    assert_eq!(read(&format!("\"{nines}\"")).unwrap().as_str(), Some(&*nines));
    let escapes = "\\u00e9\\n".repeat(LENGTH / 8);
    let read_back = read(&format!("\"{escapes}\"")).unwrap();
    assert_eq!(read_back.as_str(), Some(&*"é\n".repeat(LENGTH / 8)));
    let no_end = read(&format!("\"{escapes}")).unwrap_err().to_string();
    assert_eq!(no_end, format!("a string without an end at line 1, column {}", LENGTH + 2));

    let rule = r#"{"variation": "v", "conditions": [
        {"attribute": "a", "operator": "gt", "value": 1}]}"#;
    let ruleset = Ruleset::parse(&format!(r#"[{{"key": "f", "targeting_rules": [{rule}]}}]"#));
    let reason = |text: &str| {
        let context = EvaluationContext::new().attribute("a", text);
        ruleset.as_ref().unwrap().evaluate("f", &context).unwrap().reason()
    };
    assert_eq!(reason(&nines), Reason::Default, "it is beyond every finite number");
    assert_eq!(reason(&format!("1.{nines}")), Reason::TargetingMatch);
}

#[test]
fn nested_documents_need_a_small_stack() {
    let nested = |depth: usize| format!("{}0{}", "[{\"a\":".repeat(depth), "}]".repeat(depth));
    let whole = nested(64);
    let value = nested(61);
    let too_deep = nested(65);
    let ruleset = format!(
        r#"{{"unknown": {value}, "flags": [{{"key": "f", "default_variation": "v",
            "variations": [{{"key": "v", "value": {value}}}]}}]}}"#
    );
    let small = thread::Builder::new().stack_size(96 << 10).spawn(move || {
        assert!(whole.parse::<Value>().is_ok());
        assert!(too_deep.parse::<Value>().is_err());
        assert_eq!(Ruleset::parse(&ruleset).unwrap().len(), 1);
    });
    small.unwrap().join().unwrap();
}
