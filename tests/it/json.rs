//! The JSON parser: refused texts with their positions, accepted texts, and the resulting `Value`.

use std::borrow::Cow;

use arbtest::arbitrary::Unstructured;
use arbtest::{arbitrary, arbtest};
use phaseflag::{Number, Object, Ruleset, Value};

#[track_caller]
fn refused(text: &str, expected: &str) {
    match text.parse::<Value>() {
        Ok(value) => panic!("{text:?} is accepted as {value}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text:?}"),
    }
}

#[track_caller]
fn accepted(text: &str, expected: &str) {
    match text.parse::<Value>() {
        Ok(value) => assert_eq!(value.to_string(), expected, "{text:?}"),
        Err(error) => panic!("{text:?} is refused: {error}"),
    }
}

#[track_caller]
fn read(text: &str) -> Value {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn malformed_documents_are_refused_with_their_position() {
    const VALUE: &str = "an unexpected character where a value was expected";
    const END: &str = "the end of the text where a value was expected";
    const STRING: &str = "a string without an end";
    const ESCAPE: &str = "an invalid escape in a string";
    const CONTROL: &str = "a control character in a string";
    const DIGIT: &str = "a missing digit";
    const ZERO: &str = "a number with a leading zero";
    const RANGE: &str = "a number out of range";
    const AFTER: &str = "text after the end of the document";
    const IN_LIST: &str = "a missing `,` or `]`";
    const IN_OBJECT: &str = "a missing `,` or `}`";
    const KEY: &str = "a missing key";
    const COLON: &str = "a missing `:`";
    for (text, fault, line, column) in [
        // Missing values.
        ("", END, 1, 1),
        (" ", END, 1, 2),
        ("\n\n", END, 3, 1),
        ("\r\n\t", END, 2, 2),
        ("\u{feff}", END, 1, 1),
        ("\u{feff}\u{feff}1", VALUE, 1, 1),
        ("1\u{feff}", AFTER, 1, 2),
        ("\u{a0}1", VALUE, 1, 1),
        ("\u{b}1", VALUE, 1, 1),
        ("\u{c}", VALUE, 1, 1),
        ("\0", VALUE, 1, 1),
        ("1\0", AFTER, 1, 2),
        ("[1,\0]", VALUE, 1, 4),
        ("\u{2028}", VALUE, 1, 1),
        ("ü", VALUE, 1, 1),
        ("é: 1", VALUE, 1, 1),
        ("*", VALUE, 1, 1),
        ("<html>", VALUE, 1, 1),
        ("'text'", VALUE, 1, 1),
        ("text", VALUE, 1, 1),
        ("// a comment\n1", VALUE, 1, 1),
        ("/* a comment */ 1", VALUE, 1, 1),
        ("1 // a comment", AFTER, 1, 3),
        ("# a comment\n1", VALUE, 1, 1),
        (",", VALUE, 1, 1),
        (":", VALUE, 1, 1),
        ("]", VALUE, 1, 1),
        ("}", VALUE, 1, 1),
        ("(1)", VALUE, 1, 1),
        // Literals.
        ("n", VALUE, 1, 1),
        ("nul", VALUE, 1, 1),
        ("nulL", VALUE, 1, 1),
        ("Null", VALUE, 1, 1),
        ("NULL", VALUE, 1, 1),
        ("None", VALUE, 1, 1),
        ("undefined", VALUE, 1, 1),
        ("tru", VALUE, 1, 1),
        ("True", VALUE, 1, 1),
        ("truth", VALUE, 1, 1),
        ("trueé", AFTER, 1, 5),
        ("falsé", VALUE, 1, 1),
        ("fals", VALUE, 1, 1),
        ("nulll", AFTER, 1, 5),
        ("true false", AFTER, 1, 6),
        ("[tru]", VALUE, 1, 2),
        // Numbers.
        ("-", DIGIT, 1, 2),
        ("--1", DIGIT, 1, 2),
        ("+1", VALUE, 1, 1),
        ("++1", VALUE, 1, 1),
        (".5", VALUE, 1, 1),
        ("-.5", DIGIT, 1, 2),
        ("- 1", DIGIT, 1, 2),
        ("-a", DIGIT, 1, 2),
        ("1.", DIGIT, 1, 3),
        ("1. 5", DIGIT, 1, 3),
        ("-1.", DIGIT, 1, 4),
        ("1.e5", DIGIT, 1, 3),
        ("1e", DIGIT, 1, 3),
        ("1E", DIGIT, 1, 3),
        ("1e+", DIGIT, 1, 4),
        ("1e-", DIGIT, 1, 4),
        ("1.0e+", DIGIT, 1, 6),
        ("1e+-2", DIGIT, 1, 4),
        ("1eE2", DIGIT, 1, 3),
        ("[-", DIGIT, 1, 3),
        ("01", ZERO, 1, 2),
        ("00", ZERO, 1, 2),
        ("-01", ZERO, 1, 3),
        ("-00.5", ZERO, 1, 3),
        ("012", ZERO, 1, 2),
        ("1_000", AFTER, 1, 2),
        ("1,000", AFTER, 1, 2),
        ("1 000", AFTER, 1, 3),
        ("1.2.3", AFTER, 1, 4),
        ("1e2.5", AFTER, 1, 4),
        ("0e1e1", AFTER, 1, 4),
        ("0x10", AFTER, 1, 2),
        ("1a", AFTER, 1, 2),
        ("1-2", AFTER, 1, 2),
        ("2.5f", AFTER, 1, 4),
        ("NaN", VALUE, 1, 1),
        ("nan", VALUE, 1, 1),
        ("Infinity", VALUE, 1, 1),
        ("-Infinity", DIGIT, 1, 2),
        ("inf", VALUE, 1, 1),
        ("１", VALUE, 1, 1),
        ("1e400", RANGE, 1, 1),
        ("-1e400", RANGE, 1, 1),
        ("[1, 1e309]", RANGE, 1, 5),
        ("[1e308, 2e308]", RANGE, 1, 9),
        ("1e99999999999999999999", RANGE, 1, 1),
        ("0.1e99999999999999999999", RANGE, 1, 1),
        // Strings.
        ("\"", STRING, 1, 2),
        ("\"a", STRING, 1, 3),
        ("\"ü", STRING, 1, 3),
        ("[\"a", STRING, 1, 4),
        ("\"a\\\"", STRING, 1, 5),
        ("\"\\\\\\\"", STRING, 1, 6),
        ("\"a\nb\"", CONTROL, 1, 3),
        ("\"a\tb\"", CONTROL, 1, 3),
        ("\"\r\"", CONTROL, 1, 2),
        ("\"\0\"", CONTROL, 1, 2),
        ("\"\u{1f}\"", CONTROL, 1, 2),
        ("\"\\\"\u{1f}\"", CONTROL, 1, 4),
        ("\"\\", ESCAPE, 1, 2),
        ("\"a\\", ESCAPE, 1, 3),
        ("\"\\x41\"", ESCAPE, 1, 2),
        ("\"\\a\"", ESCAPE, 1, 2),
        ("\"\\'\"", ESCAPE, 1, 2),
        ("\"\\0\"", ESCAPE, 1, 2),
        ("\"\\v\"", ESCAPE, 1, 2),
        ("\"\\N\"", ESCAPE, 1, 2),
        ("\"\\é\"", ESCAPE, 1, 2),
        ("\"\\\u{0}\"", ESCAPE, 1, 2),
        ("\"\\\n\"", ESCAPE, 1, 2),
        ("\"\\U0041\"", ESCAPE, 1, 2),
        ("\"\\u\"", ESCAPE, 1, 2),
        ("\"\\u004\"", ESCAPE, 1, 2),
        ("\"\\u004", ESCAPE, 1, 2),
        ("\"\\u00G0\"", ESCAPE, 1, 2),
        ("\"\\u+041\"", ESCAPE, 1, 2),
        ("\"\\u-041\"", ESCAPE, 1, 2),
        ("\"\\u 041\"", ESCAPE, 1, 2),
        ("\"\\u00é\"", ESCAPE, 1, 2),
        ("\"\\u{41}\"", ESCAPE, 1, 2),
        ("\"é\\u12😀\"", ESCAPE, 1, 3),
        ("\"\\ud800\"", ESCAPE, 1, 2),
        ("\"\\udc00\"", ESCAPE, 1, 2),
        ("\"\\udfff\\ud800\"", ESCAPE, 1, 2),
        ("\"\\ud800\\ud800\"", ESCAPE, 1, 2),
        ("\"\\ud800\\u0041\"", ESCAPE, 1, 2),
        ("\"\\ud800\\n\"", ESCAPE, 1, 2),
        ("\"\\ud800\\", ESCAPE, 1, 2),
        ("\"\\ud800\\u", ESCAPE, 1, 2),
        ("\"\\ud800\\ude\"", ESCAPE, 1, 2),
        ("\"\\uD83D😀\"", ESCAPE, 1, 2),
        ("\"\\uD83D\\uDE0\"", ESCAPE, 1, 2),
        ("\"a\"b", AFTER, 1, 4),
        ("\"a\" \"b\"", AFTER, 1, 5),
        ("\"a\\u0022", STRING, 1, 9),
        // Lists.
        ("[", END, 1, 2),
        ("[ ", END, 1, 3),
        ("[1", IN_LIST, 1, 3),
        ("[1,", END, 1, 4),
        ("[1,]", VALUE, 1, 4),
        ("[,]", VALUE, 1, 2),
        ("[,1]", VALUE, 1, 2),
        ("[1,,2]", VALUE, 1, 4),
        ("[1 2]", IN_LIST, 1, 4),
        ("[1;2]", IN_LIST, 1, 3),
        ("[1:2]", IN_LIST, 1, 3),
        ("[1}", IN_LIST, 1, 3),
        ("[\"a\":1]", IN_LIST, 1, 5),
        ("[1]]", AFTER, 1, 4),
        ("[1],", AFTER, 1, 4),
        ("[][]", AFTER, 1, 3),
        ("[\n1,\n2\n", IN_LIST, 4, 1),
        ("[\n  1,\n  2,\n]", VALUE, 4, 1),
        ("[}", VALUE, 1, 2),
        ("[[]", IN_LIST, 1, 4),
        ("[true, fals]", VALUE, 1, 8),
        ("[\"ü\", \"😀\", x]", VALUE, 1, 12),
        // Objects.
        ("{", KEY, 1, 2),
        ("{ ", KEY, 1, 3),
        ("{,}", KEY, 1, 2),
        ("{1: 2}", KEY, 1, 2),
        ("{a: 1}", KEY, 1, 2),
        ("{'a': 1}", KEY, 1, 2),
        ("{null: 1}", KEY, 1, 2),
        ("{[]: 1}", KEY, 1, 2),
        ("{]", KEY, 1, 2),
        ("{\"a\"", COLON, 1, 5),
        ("{\"a\"}", COLON, 1, 5),
        ("{\"a\" 1}", COLON, 1, 6),
        ("{\"a\", 1}", COLON, 1, 5),
        ("{\"a\" = 1}", COLON, 1, 6),
        ("{\"a\":", END, 1, 6),
        ("{\"a\":}", VALUE, 1, 6),
        ("{\"a\"::1}", VALUE, 1, 6),
        ("{\"a\":1", IN_OBJECT, 1, 7),
        ("{\"a\":1 \"b\":2}", IN_OBJECT, 1, 8),
        ("{\"a\":1;\"b\":2}", IN_OBJECT, 1, 7),
        ("{\"a\":1]", IN_OBJECT, 1, 7),
        ("{\"a\":1,", KEY, 1, 8),
        ("{\"a\":1,}", KEY, 1, 8),
        ("{\"a\":1,,\"b\":2}", KEY, 1, 8),
        ("{\"a\":1}}", AFTER, 1, 8),
        ("{\"a\":1} // end", AFTER, 1, 9),
        ("{\"a\":{\"b\":1}", IN_OBJECT, 1, 13),
        ("{\"a", STRING, 1, 4),
        ("{\"\\x\":1}", ESCAPE, 1, 3),
        ("{\"\n\":1}", CONTROL, 1, 3),
        ("{\n  \"a\": 1,\n  \"b\": tru\n}", VALUE, 3, 8),
        ("{\r\n\"a\": 01}", ZERO, 2, 7),
        ("{}{}", AFTER, 1, 3),
    ] {
        refused(text, &format!("{fault} at line {line}, column {column}"));
        let error = text.parse::<Value>().unwrap_err();
        assert_eq!((error.line(), error.column()), (line, column), "{text:?}");
        let expected = format!("failed to parse ruleset: {error}");
        assert_eq!(Ruleset::parse(text).unwrap_err().to_string(), expected);
        assert_eq!(Ruleset::parse_for(text, "production").unwrap_err().to_string(), expected);
        assert_eq!(Ruleset::check(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn invalid_utf8_is_refused_with_its_position() {
    for (bytes, line, column) in [
        (&b"\xff"[..], 1, 1),
        (b"[\"\xc3\"]", 1, 3),
        (b"[\n\"\xc3\xbc\xed\xa0\x80\"]", 2, 3),
        (b"[\"\xc0\xaf\"]", 1, 3),
        (b"[\"\xf0\x9f\x98", 1, 3),
        (b"[\xe9]", 1, 2),
    ] {
        assert_eq!(
            Ruleset::parse_bytes(bytes).unwrap_err().to_string(),
            format!("failed to parse ruleset: invalid UTF-8 at line {line}, column {column}"),
        );
    }
    assert!(Ruleset::parse_bytes(b"\xef\xbb\xbf[]").unwrap().is_empty());
}

#[test]
fn every_way_to_write_json_is_accepted() {
    for (text, expected) in [
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        (" \t\r\n null \t\r\n ", "null"),
        ("\u{feff}null", "null"),
        ("\u{feff} {}", "{}"),
        ("0", "0"),
        ("-0", "0"),
        ("7", "7"),
        ("-7", "-7"),
        ("10", "10"),
        ("0.5", "0.5"),
        ("-0.5", "-0.5"),
        ("1.5", "1.5"),
        ("123e2", "12300.0"),
        ("123e-2", "1.23"),
        ("1E2", "100.0"),
        ("1e+2", "100.0"),
        ("1.5E-1", "0.15"),
        ("0e1", "0.0"),
        ("0E+99999999999999999999", "0.0"),
        ("0e-1", "0.0"),
        ("1e-400", "0.0"),
        ("1e-99999999999999999999", "0.0"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("[]", "[]"),
        ("[ ]", "[]"),
        ("[\n]", "[]"),
        ("[1]", "[1]"),
        ("[ 1 , 2 ]", "[1,2]"),
        ("[null,true,[],{}]", "[null,true,[],{}]"),
        ("[[[[]]]]", "[[[[]]]]"),
        ("{}", "{}"),
        ("{ }", "{}"),
        ("{\"a\":1}", "{\"a\":1}"),
        (" { \"b\" : 1 , \"a\" : 2 } ", "{\"a\":2,\"b\":1}"),
        ("{\"\":0}", "{\"\":0}"),
        ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
        ("{\"a\":1,\"b\":2,\"a\":null}", "{\"a\":null,\"b\":2}"),
        ("{\"a\\u0062\":1,\"\\u0061b\":2}", "{\"ab\":2}"),
        ("\"\"", "\"\""),
        ("\"a b\"", "\"a b\""),
        ("\"ü😀\"", "\"ü😀\""),
        ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""),
        ("\"\\u0041\\u00FC\\u00fc\"", "\"Aüü\""),
        ("\"\\ud83d\\ude00\"", "\"😀\""),
        ("\"\\uD83D\\uDE00\"", "\"😀\""),
        ("\"\\uDBFF\\uDFFF\"", "\"\u{10ffff}\""),
        ("\"\\uFFFF\"", "\"\u{ffff}\""),
        ("\"\\u0000\"", "\"\\u0000\""),
        ("\"\\u001f\"", "\"\\u001f\""),
        ("\"\u{7f}\"", "\"\u{7f}\""),
        ("\"\u{2028}\u{2029}\"", "\"\u{2028}\u{2029}\""),
        ("\"// no comment\"", "\"// no comment\""),
        ("\"\u{feff}\"", "\"\u{feff}\""),
    ] {
        accepted(text, expected);
    }
}

#[test]
fn nesting_is_bounded_at_128() {
    let nested = |open: &str, inner: &str, close: &str, depth| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = "0";
        assert!(nested(open, inner, close, 128).parse::<Value>().is_ok());
        for depth in [129, 130, 1_000_000] {
            let error = nested(open, inner, close, depth).parse::<Value>().unwrap_err();
            let column = open.len() * 128 + 1;
            assert_eq!(
                error.to_string(),
                format!("nesting deeper than 128 at line 1, column {column}")
            );
        }
    }
    // Closing brackets do not count.
    let wide = format!("[{}0]", "[],{},".repeat(10_000));
    assert_eq!(read(&wide).as_array().unwrap().len(), 20_001);
}

#[test]
fn integers_are_exact_over_their_whole_range() {
    for (text, signed, unsigned) in [
        ("0", Some(0), Some(0)),
        ("-0", Some(0), Some(0)),
        ("-1", Some(-1), None),
        ("9007199254740993", Some(1 << 53 | 1), Some(1 << 53 | 1)),
        ("9223372036854775807", Some(i64::MAX), Some(i64::MAX as u64)),
        ("9223372036854775808", None, Some(1 << 63)),
        ("18446744073709551615", None, Some(u64::MAX)),
        ("-9223372036854775808", Some(i64::MIN), None),
        ("-9223372036854775809", Some(i64::MIN), None),
        ("18446744073709551616", None, None),
        ("1.0", Some(1), Some(1)),
        ("1e3", Some(1000), Some(1000)),
        ("-2.50e1", Some(-25), None),
        ("1.5", None, None),
        ("1e30", None, None),
        ("1e300", None, None),
    ] {
        let value = read(text);
        assert_eq!(value.as_i64(), signed, "{text}");
        assert_eq!(value.as_u64(), unsigned, "{text}");
        assert_eq!(value.as_f64(), Some(text.parse().unwrap()), "{text}");
    }
    for value in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 53) + 1, 0] {
        assert_eq!(read(&value.to_string()).as_u64(), Some(value));
        assert_eq!(Value::from(value).to_string(), value.to_string());
    }
    for value in [i64::MIN, i64::MIN + 1, -1, i64::MAX] {
        assert_eq!(read(&value.to_string()).as_i64(), Some(value));
        assert_eq!(Value::from(value).to_string(), value.to_string());
    }
}

#[test]
fn every_finite_float_is_in_range() {
    for text in [
        "1.7976931348623157e308",
        "-1.7976931348623157e308",
        "17976931348623157e292",
        "0.00017976931348623157e312",
        "1e308",
        "0.1e309",
        "2.2250738585072014e-308",
    ] {
        let expected: f64 = text.parse().unwrap();
        assert_eq!(read(text).as_f64(), Some(expected), "{text}");
    }
    let expected = format!("1{}", "0".repeat(308));
    assert_eq!(read(&expected).as_f64(), Some(1e308));
    refused(&format!("1{}", "0".repeat(309)), "a number out of range at line 1, column 1");
}

#[test]
fn numbers_of_a_thousand_digits_are_read() {
    let zeros = "0".repeat(1000);
    let nines = "9".repeat(1000);
    refused(&nines, "a number out of range at line 1, column 1");
    refused(&format!("-{nines}.5"), "a number out of range at line 1, column 1");
    assert_eq!(read(&format!("0.{nines}")).as_f64(), Some(1.0));
    assert_eq!(read(&format!("0.{zeros}1")).as_f64(), Some(0.0));
    assert_eq!(read(&format!("0.{zeros}")).as_f64(), Some(0.0));
    assert_eq!(read(&format!("1.{zeros}")).as_i64(), Some(1));
    assert_eq!(read(&format!("1{zeros}e-1000")).as_i64(), Some(1));
    assert_eq!(read(&format!("0.{zeros}1e1001")).as_i64(), Some(1));
    assert_eq!(read(&format!("1e{zeros}2")).as_i64(), Some(100));
    assert_eq!(read(&format!("1e-{zeros}2")).as_f64(), Some(0.01));
    assert_eq!(read(&format!("1e-{nines}")).as_f64(), Some(0.0));
    assert_eq!(read(&format!("0e{nines}")).as_f64(), Some(0.0));
}

#[test]
fn floats_of_any_size_are_exact() {
    arbtest(|u| {
        let digits: u64 = u.arbitrary()?;
        let exponent = u.int_in_range(-350..=285)?;
        let sign = if u.ratio(1, 4)? { "-" } else { "" };
        let text = format!("{sign}{digits}e{exponent}");
        let found = read(&text).as_f64().unwrap();
        let expected: f64 = text.parse().unwrap();
        assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
        Ok(())
    });
}

#[test]
fn decimals_are_exact() {
    arbtest(|u| {
        let whole = u.int_in_range(0..=999_999_999_u32)?;
        let fraction: u64 = u.arbitrary()?;
        let text = format!("{whole}.{fraction:06}");
        assert_eq!(read(&text).as_f64(), Some(text.parse().unwrap()), "{text}");
        Ok(())
    });
}

#[test]
fn numbers_of_the_same_value_are_equal() {
    assert_eq!(Value::from(1), Value::from(1.0));
    assert_eq!(Value::from(0), Value::from(-0.0));
    assert_eq!(read("1"), read("1.0"));
    assert_eq!(read("100"), read("1e2"));
    assert_eq!(read("[1, {\"a\": 2.0}]"), read("[1.0, {\"a\": 2}]"));
    assert_eq!(read("18446744073709551616"), Value::from(2_f64.powi(64)));
    assert_ne!(Value::from(1), Value::from(1.5));
    assert_ne!(Value::from(u64::MAX), Value::from(u64::MAX as f64));
    assert_ne!(Value::from((1_u64 << 53) + 1), Value::from(2_f64.powi(53)));
    assert_ne!(Value::from(-1), Value::from(u64::MAX));
    assert_ne!(Value::from(1), Value::from("1"));
    assert_ne!(Value::from(1), Value::from(true));
    assert_ne!(Value::from(0), Value::Null);
    assert_ne!(Value::from(""), Value::Null);
    assert_ne!(read("[]"), read("{}"));
    assert_eq!(
        read("{\"a\": 1, \"b\": 2}"),
        read("{\"b\": 2, \"a\": 1}"),
        "the order of members does not count"
    );
}

#[test]
fn each_value_is_of_one_type() {
    let values = [
        Value::Null,
        Value::from(true),
        Value::from(3),
        Value::from("text"),
        Value::from([1]),
        read("{\"a\": 1}"),
    ];
    for (position, value) in values.iter().enumerate() {
        let answers = [
            value.is_null(),
            value.as_bool().is_some(),
            value.as_f64().is_some() && value.as_i64().is_some() && value.as_u64().is_some(),
            value.as_str().is_some(),
            value.as_array().is_some(),
            value.as_object().is_some(),
        ];
        let expected: [bool; 6] = std::array::from_fn(|other| other == position);
        assert_eq!(answers, expected, "{value}");
    }
    assert_eq!(values[1].as_bool(), Some(true));
    assert_eq!(values[2].as_f64(), Some(3.0));
    assert_eq!(values[3].as_str(), Some("text"));
    assert_eq!(values[4].as_array(), Some(&[Value::from(1)][..]));
    assert_eq!(Value::from(-1).as_u64(), None);
    assert_eq!(Value::from(1.5).as_i64(), None);
    assert_eq!(Value::from(1e19).as_i64(), None);
    assert_eq!(Value::from(1e19).as_u64(), Some(10_000_000_000_000_000_000));
    assert_eq!(Value::default(), Value::Null);
}

#[test]
fn indexing_never_fails() {
    let value = read("{\"a\": [10, {\"b\": \"c\"}], \"\": 1}");
    assert_eq!(value["a"][1]["b"], Value::from("c"));
    assert_eq!(value["a"][0], Value::from(10));
    assert_eq!(value[""], Value::from(1));
    assert_eq!(value["a"][2], Value::Null);
    assert_eq!(value["a"]["b"], Value::Null);
    assert_eq!(value["b"]["c"][5]["d"], Value::Null);
    assert_eq!(value[0], Value::Null);
    assert_eq!(Value::from("text")[0], Value::Null);
    assert_eq!(value.get("a").and_then(|it| it.get("b")), None);
    assert_eq!(value.get("A"), None);
    assert_eq!(Value::from("text").get("a"), None);
}

#[test]
fn values_are_made_from_rust_types() {
    let owned = String::from("text");
    for (value, expected) in [
        (Value::from(true), "true"),
        (Value::from("text"), "\"text\""),
        (Value::from(&owned), "\"text\""),
        (Value::from(owned.clone()), "\"text\""),
        (Value::from(Cow::Borrowed("text")), "\"text\""),
        (Value::from(-1_i8), "-1"),
        (Value::from(-1_i16), "-1"),
        (Value::from(-1_i32), "-1"),
        (Value::from(-1_i64), "-1"),
        (Value::from(-1_isize), "-1"),
        (Value::from(1_u8), "1"),
        (Value::from(1_u16), "1"),
        (Value::from(1_u32), "1"),
        (Value::from(u64::MAX), "18446744073709551615"),
        (Value::from(1_usize), "1"),
        (Value::from(0.5_f32), "0.5"),
        (Value::from(0.5_f64), "0.5"),
        (Value::from(1e21), "1e+21"),
        (Value::from(f64::NAN), "null"),
        (Value::from(f64::INFINITY), "null"),
        (Value::from(f32::NEG_INFINITY), "null"),
        (Value::from(Number::from(7_u64)), "7"),
        (Value::from(vec![1, 2]), "[1,2]"),
        (Value::from(["a", "b"]), "[\"a\",\"b\"]"),
        (Value::from(&[1.5, 2.5][..]), "[1.5,2.5]"),
        (Value::from(Vec::<bool>::new()), "[]"),
        (Value::from(Some(1)), "1"),
        (Value::from(None::<bool>), "null"),
        ((1..=3).collect(), "[1,2,3]"),
        (Value::from(Object::new()), "{}"),
        (Value::from(Object::from_iter([("b", 1), ("a", 2)])), "{\"a\":2,\"b\":1}"),
        (
            Value::from("\"\\/\u{8}\u{c}\n\r\t\0\u{1f}ü"),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001fü\"",
        ),
    ] {
        assert_eq!(value.to_string(), expected);
        assert_eq!(read(expected), value);
    }
}

#[test]
fn an_object_keeps_the_last_value_of_a_key() {
    let mut object = Object::from_iter([("b", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)]);
    assert_eq!(object.len(), 2);
    assert_eq!(object.get("b"), Some(&Value::from(4)));
    assert_eq!(object.get("a"), Some(&Value::from(5)));
    assert_eq!(object.insert("c", "new"), None);
    assert_eq!(object.insert("a", "newer"), Some(Value::from(5)));
    assert_eq!(object.get("d"), None);
    let keys: Vec<&str> = object.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(Value::from(object), read("{\"c\": \"new\", \"b\": 4, \"a\": \"newer\"}"));
    assert!(Object::new().is_empty());
    let many: Vec<String> = (0..1000).map(|n| format!("\"{}\": {n}", n % 10)).collect();
    let object = read(&format!("{{{}}}", many.join(",")));
    assert_eq!(object.as_object().unwrap().len(), 10);
    assert_eq!(object["3"].as_i64(), Some(993));
}

#[test]
fn an_object_can_be_extended_and_iterated() {
    let mut object = Object::from([("b", 1), ("d", 2)]);
    object.extend([("c", "new"), ("b", "newer"), ("a", "x"), ("c", "last")]);
    object.extend([("", 0); 0]);
    object.extend(Object::from([("e", 5)]));
    assert_eq!(object.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert_eq!(
        Value::from(object.clone()).to_string(),
        r#"{"a":"x","b":"newer","c":"last","d":2,"e":5}"#
    );
    assert_eq!(object.get("c"), Some(&"last".into()));

    let mut numbers = Vec::new();
    for (key, value) in &object {
        numbers.extend(value.as_i64().map(|number| (key, number)));
    }
    assert_eq!(numbers, [("d", 2), ("e", 5)]);
    let copy: Object = object.clone().into_iter().rev().collect();
    assert_eq!(copy, object);
    assert!((&object).into_iter().eq(object.iter()));
    assert_eq!(Object::new().into_iter().next(), None);
}

#[test]
#[cfg(panic = "unwind")]
fn a_panic_among_the_members_sets_none() {
    let mut object = Object::from([("b", 1)]);
    let members = ["c", "a", "!"].into_iter().map(|key| {
        assert_ne!(key, "!", "a panic on purpose");
        (key, 2)
    });
    let call = std::panic::AssertUnwindSafe(|| object.extend(members));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(object, Object::from([("b", 1)]));
}

#[test]
fn numbers_are_written_in_their_string_form() {
    for (number, expected) in [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e21"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::MAX, "1.7976931348623157e308"),
        (-f64::MAX, "-1.7976931348623157e308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (-5e-324, "-5e-324"),
    ] {
        let number = Number::from_f64(number).unwrap();
        assert_eq!(number.to_string(), expected);
        assert_eq!(format!("{number:>25}"), format!("{expected:>25}"));
    }
    assert_eq!(Number::from(u64::MAX).to_string(), "18446744073709551615");
    assert_eq!(Number::from(i64::MIN).to_string(), "-9223372036854775808");
    assert_eq!(Number::from_f64(f64::NAN), None);
    assert_eq!(Number::from_f64(f64::NEG_INFINITY), None);
}

#[test]
fn numbers_read_back_from_their_string_form() {
    arbtest(|u| {
        let float = f64::from_bits(u.arbitrary()?);
        if let Some(number) = Number::from_f64(float) {
            let text = number.to_string();
            assert_eq!(text.parse::<f64>().unwrap(), float, "{text}");
            let whole = float.trunc() == float && float.abs() < 1e21;
            assert_eq!(text.contains(['.', 'e']), !whole, "{text}");
        }
        let integer: i64 = u.arbitrary()?;
        assert_eq!(Number::from(integer).to_string(), integer.to_string());
        Ok(())
    });
}

/// Returns a value. A float that is NaN or infinite becomes `null`.
fn arbitrary_value(u: &mut Unstructured<'_>, depth: u8) -> arbitrary::Result<Value> {
    Ok(match u.int_in_range(0..=if depth > 0 { 7 } else { 5 })? {
        0 => Value::Null,
        1 => Value::from(u.arbitrary::<bool>()?),
        2 => Value::from(u.arbitrary::<i64>()?),
        3 => Value::from(u.arbitrary::<u64>()?),
        4 => Value::from(u.arbitrary::<&str>()?),
        5 => Value::from(u.arbitrary::<f64>()?),
        6 => (0..u.int_in_range(0..=4)?)
            .map(|_| arbitrary_value(u, depth - 1))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        _ => (0..u.int_in_range(0..=4)?)
            .map(|_| Ok((u.arbitrary::<&str>()?, arbitrary_value(u, depth - 1)?)))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .collect::<Object>()
            .into(),
    })
}

#[test]
fn a_value_reads_back_from_its_text() {
    arbtest(|u| {
        let value = arbitrary_value(u, 4)?;
        assert_eq!(read(&value.to_string()), value);
        Ok(())
    });
}

/// Returns text of JSON tokens, most of it malformed.
fn json_like(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    const PIECES: [&str; 57] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"a\"",
        "\"a\":",
        "\"b\":",
        "null",
        "true",
        "false",
        "0",
        "1",
        "-",
        "+",
        ".",
        "e",
        "E",
        "1e",
        "1.5",
        "0.",
        "e+5",
        "E-7",
        "1e308",
        "9",
        "99999999999999999999",
        "1e-400",
        "\\u",
        "\\ud800",
        "\\udc00",
        "d8",
        "00e9",
        "\\n",
        "\\\"",
        " ",
        "\n",
        "\t",
        "\r",
        "\0",
        "\u{1}",
        "\u{1f}",
        "\u{7f}",
        "ü",
        "😀",
        "\u{feff}",
        "[]",
        "{}",
        "[1,2]",
        "{\"a\":1}",
        "nul",
        "tru",
        "/",
        "'",
        "n",
    ];
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=40)? {
        match u.int_in_range(0..=9)? {
            0 => text.push(u.arbitrary()?),
            1 => {
                let value = arbitrary_value(u, 2)?.to_string();
                text.push_str(&value);
            }
            _ => text.push_str(u.choose(&PIECES)?),
        }
    }
    Ok(text)
}

/// Returns a document, perhaps with one character removed, replaced or inserted.
fn nearly_json(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    let mut text: Vec<char> = arbitrary_value(u, 4)?.to_string().chars().collect();
    let position = u.choose_index(text.len())?;
    match u.int_in_range(0..=3)? {
        0 => drop(text.remove(position)),
        1 => {
            text[position] =
                *u.choose(&['"', '\\', '{', '}', '[', ']', ',', ':', '0', 'e', '\n'])?
        }
        2 => text.insert(position, *u.choose(&['"', '\\', '-', '.', ',', ' ', '0', '\u{1}'])?),
        _ => text.truncate(position),
    }
    Ok(text.into_iter().collect())
}

/// Every text that the parser refuses has an error with a reason and a position.
fn refusals_are_explained(text: &str) {
    let value = text.parse::<Value>();
    if let Err(error) = &value {
        assert!(!error.to_string().starts_with("invalid JSON"), "{text:?}: {error}");
        let lines: Vec<&str> = text.split('\n').collect();
        let line = lines.get(error.line() - 1).copied().unwrap_or_default();
        assert!(error.line() <= lines.len(), "{text:?}: {error}");
        assert!(error.column() <= line.chars().count() + 1, "{text:?}: {error}");
    }
    match Ruleset::parse(text) {
        Ok(_) => assert!(value.is_ok(), "{text:?}"),
        Err(error) => match value {
            Ok(_) => assert!(
                error.to_string().starts_with("failed to parse ruleset: expected a list of flags"),
                "{text:?}: {error}"
            ),
            Err(cause) => assert_eq!(
                error.to_string(),
                format!("failed to parse ruleset: {cause}"),
                "{text:?}"
            ),
        },
    }
}

#[test]
fn every_refusal_is_explained() {
    arbtest(|u| {
        refusals_are_explained(&json_like(u)?);
        Ok(())
    })
    .budget_ms(1000);
    arbtest(|u| {
        refusals_are_explained(&nearly_json(u)?);
        Ok(())
    })
    .budget_ms(1000);
}
