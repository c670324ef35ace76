//! JSON flags as types of the program, and the errors of mismatches.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use miniserde::Deserialize;
use phaseflag::{EvaluationError, PhaseFlagClient, Value, ValueError};

#[derive(Debug, PartialEq, Deserialize)]
struct Checkout {
    theme: Theme,
    limits: Limits,
    #[serde(rename = "note")]
    remark: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Theme {
    #[serde(rename = "dark")]
    Dark,
    #[serde(rename = "light")]
    Light,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Limits {
    items: u8,
    ratio: f64,
    retries: Vec<i32>,
    pair: (bool, bool),
    by_country: BTreeMap<String, Vec<u64>>,
}

/// A valid value, from which the tests make invalid ones.
const CHECKOUT: &str = r#"{"theme": "dark", "unknown": {"deeply": [null]}, "limits": {
    "items": 50, "ratio": 0.5, "retries": [1, -2, 4], "pair": [true, false],
    "by_country": {"CH": [1], "DE": [18446744073709551615]}}}"#;

/// Values whose innermost part is not a number, and its path.
const ODD_KEYS: [(&str, &str); 8] = [
    (r#"{"a": {"b": ["x"]}}"#, "a.b[0]"),
    (r#"{"é1": {"a-b_c": ["x"]}}"#, "é1.a-b_c[0]"),
    (r#"{"": {"": ["x"]}}"#, r#"[""][""][0]"#),
    (r#"{"a": {"[0]": [1, "x"]}}"#, r#"a["[0]"][1]"#),
    (r#"{"[0]": {"a": ["x"]}}"#, r#"["[0]"].a[0]"#),
    (r#"{"a.b": {"c d": ["x"]}}"#, r#"["a.b"]["c d"][0]"#),
    (r#"{"\"": {"\n\\": ["x"]}}"#, r#"["\""]["\n\\"][0]"#),
    (r#"{"$ref": {"1": ["x"]}}"#, r#"["$ref"].1[0]"#),
];

/// Returns a value of that many nested lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

/// The type of the values with odd keys.
type Numbers = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

fn value(text: &str) -> Value {
    text.parse().unwrap()
}

/// Returns a client with a flag for each of these values.
fn client(values: &[(&str, &str)]) -> PhaseFlagClient {
    let flags = values.iter().map(|(key, value)| {
        format!(
            r#"{{"key": "{key}", "default_variation": "v",
                "variations": [{{"key": "v", "value": {value}}}]}}"#
        )
    });
    let text = format!("[{}]", flags.collect::<Vec<_>>().join(","));
    let client = PhaseFlagClient::builder("", "").bootstrap_text(text).build().unwrap();
    client.start().unwrap();
    client
}

#[test]
fn a_value_of_the_right_shape_is_read() {
    let expected = Checkout {
        theme: Theme::Dark,
        limits: Limits {
            items: 50,
            ratio: 0.5,
            retries: vec![1, -2, 4],
            pair: (true, false),
            by_country: BTreeMap::from([
                ("CH".to_owned(), vec![1]),
                ("DE".to_owned(), vec![u64::MAX]),
            ]),
        },
        remark: None,
    };
    assert_eq!(value(CHECKOUT).read_as(), Ok(expected));
    let client = client(&[("checkout", CHECKOUT)]);
    let read: Checkout = client.get_json_as("checkout", None).unwrap();
    assert_eq!(client.snapshot().get_json_as("checkout", None).ok(), Some(read));
}

#[test]
fn the_first_mismatch_is_named() {
    for (old, new, path, reason) in [
        (r#""dark""#, "7", "theme", "the number 7 was not expected"),
        (r#""dark""#, r#""blue""#, "theme", "a string was not expected"),
        ("50", "256", "limits.items", "the number 256 was not expected"),
        ("50", "-1", "limits.items", "the number -1 was not expected"),
        ("50", "1.5", "limits.items", "the number 1.5 was not expected"),
        ("50", "null", "limits.items", "null was not expected"),
        ("0.5", "true", "limits.ratio", "a boolean was not expected"),
        ("[1, -2, 4]", "{}", "limits.retries", "an object was not expected"),
        ("4]", r#""4"]"#, "limits.retries[2]", "a string was not expected"),
        ("4]", "[4]]", "limits.retries[2]", "a list was not expected"),
        ("[true, false]", "[true]", "limits.pair", "an element is missing or wrong"),
        ("false]", "false, true]", "limits.pair[2]", "an element was not expected"),
        (
            r#"{"CH": [1]"#,
            r#"{"CH": [1, -1]"#,
            "limits.by_country.CH[1]",
            "the number -1 was not expected",
        ),
        (r#""items""#, r#""item""#, "limits", "a member is missing or wrong"),
        (r#""theme": "dark","#, "", "", "a member is missing or wrong"),
    ] {
        assert!(CHECKOUT.contains(old), "{old}");
        let text = CHECKOUT.replacen(old, new, 1);
        let error: ValueError = value(&text).read_as::<Checkout>().unwrap_err();
        assert_eq!((error.path(), error.reason()), (path, reason), "{new}");
        let sentence = match path {
            "" => format!("failed to read the value: {reason}"),
            path => format!("failed to read `{path}`: {reason}"),
        };
        assert_eq!(error.to_string(), sentence);
        assert_eq!(format!("{error:?}"), sentence);

        let client = client(&[("checkout", &text)]);
        for error in [
            client.get_json_as::<Checkout>("checkout", None).unwrap_err(),
            client.snapshot().get_json_as::<Checkout>("checkout", None).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("flag `checkout`: {sentence}"));
            assert_eq!(format!("{error:#}"), error.to_string());
            assert!(error.source().is_none());
            assert_eq!((error.as_str(), error.flag()), ("wrong_shape", "checkout"));
            assert!(
                matches!(error, EvaluationError::WrongShape { cause, .. } if cause.path() == path)
            );
        }
    }
}

#[test]
fn a_path_starts_at_the_value() {
    let error = value(r#"[[0], [1, "a"]]"#).read_as::<Vec<Vec<u8>>>().unwrap_err();
    assert_eq!(error.path(), "[1][1]");
    let error = value(r#"{"a": {"b": ["c"]}}"#);
    let error = error.read_as::<BTreeMap<String, BTreeMap<String, Vec<bool>>>>().unwrap_err();
    assert_eq!(error.path(), "a.b[0]");
    let error = value(r#""a""#).read_as::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "failed to read the value: a string was not expected");
    let error = value(r#"{"1": true, "x": true}"#).read_as::<BTreeMap<u8, bool>>().unwrap_err();
    assert_eq!((error.path(), error.reason()), ("x", "a member of this name was not expected"));
}

#[test]
fn odd_keys_are_quoted_in_a_path() {
    for (text, path) in ODD_KEYS {
        let error = value(text).read_as::<Numbers>().unwrap_err();
        assert_eq!(error.path(), path);
        let sentence = format!("failed to read `{path}`: a string was not expected");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn a_value_nested_too_deeply_is_refused() {
    let read = nested(128).read_as::<miniserde::json::Value>().unwrap();
    assert_eq!(value(&miniserde::json::to_string(&read)), nested(128));
    let error = nested(129).read_as::<miniserde::json::Value>().unwrap_err();
    assert_eq!(error.to_string(), "failed to read the value: it nests deeper than 128 levels");
}

#[test]
fn numbers_are_read_by_their_value() {
    assert_eq!(value("[3, 3.0, -3.0, -0.0]").read_as(), Ok(vec![3_i64, 3, -3, 0]));
    assert_eq!(value("[3, 3.0]").read_as(), Ok(vec![3_u8, 3]));
    assert_eq!(value("[3, -3, 0.1]").read_as(), Ok(vec![3.0_f64, -3.0, 0.1]));
    assert_eq!(value("3.0").read_as(), Ok(Some(3_u8)));
    assert_eq!(value("18446744073709551615").read_as(), Ok(u64::MAX));
    assert_eq!(value("-9223372036854775808").read_as(), Ok(i64::MIN));
    assert_eq!(value("9007199254740993").read_as(), Ok(9_007_199_254_740_993_i64));
    for text in ["1e300", "-1e19", "0.5"] {
        assert!(value(text).read_as::<i64>().is_err(), "{text}");
    }
}

#[test]
fn scalars_and_null_are_read_too() {
    let client = client(&[("on", "true"), ("name", r#""x""#), ("null", "null")]);
    assert_eq!(client.get_json_as("on", None).ok(), Some(true));
    assert_eq!(client.get_json_as("name", None).ok(), Some("x".to_owned()));
    assert_eq!(client.get_json_as("null", None).ok(), Some(None::<Limits>));
    assert_eq!(client.get_json_as("null", None).ok(), Some(()));
    assert_eq!(
        client.get_json_as::<u8>("null", None).unwrap_err().to_string(),
        "flag `null`: failed to read the value: null was not expected"
    );
    client.set_override("on", [1, 2]);
    assert_eq!(client.get_json_as("on", None).ok(), Some(vec![1, 2]));
}

#[test]
fn a_miniserde_value_can_be_read() {
    let read: miniserde::json::Value = value(CHECKOUT).read_as().unwrap();
    assert_eq!(value(&miniserde::json::to_string(&read)), value(CHECKOUT));
}

#[test]
fn flags_that_serve_nothing_are_errors() {
    let client = client(&[("a", "1")]);
    let error = client.get_json_as::<u8>("b", None).unwrap_err();
    assert_eq!(
        (error.as_str(), error.to_string().as_str()),
        ("flag_not_found", "there is no flag `b`")
    );
    let client = PhaseFlagClient::builder("", "").build().unwrap();
    let error = client.get_json_as::<u8>("a", None).unwrap_err();
    assert_eq!(error.as_str(), "not_ready");
    assert_eq!(format!("{error:#}"), "flag `a`: no rules yet: the client has not been started");
    let error = client.snapshot().get_json_as::<u8>("a", None).unwrap_err();
    assert_eq!(error.to_string(), "flag `a`: no rules yet");
}

#[cfg(feature = "serde")]
mod by_serde {
    use super::*;
    use std::fmt;

    use phaseflag::{Number, Object};
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer};
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Checkout {
        limits: Limits,
        #[serde(default)]
        theme: Theme,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Limits {
        items: u8,
        retries: Vec<i32>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Theme {
        #[default]
        Dark,
        Light,
        Custom {
            hue: f64,
        },
    }

    #[test]
    fn a_value_of_the_right_shape_is_read() {
        let text =
            r#"{"limits": {"items": 50.0, "retries": [1, -2]}, "theme": {"custom": {"hue": 3}}}"#;
        let expected = Checkout {
            limits: Limits { items: 50, retries: vec![1, -2] },
            theme: Theme::Custom { hue: 3.0 },
        };
        let client = client(&[("checkout", text)]);
        let read: Checkout = client.get_json_as_serde("checkout", None).unwrap();
        assert_eq!(read, expected);
        let read: Checkout = client.snapshot().get_json_as_serde("checkout", None).unwrap();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_first_mismatch_is_named() {
        for (text, sentence) in [
            (
                r#"{"limits": {"items": "a", "retries": []}}"#,
                r#"failed to read `limits.items`: invalid type: string "a", expected u8"#,
            ),
            (
                r#"{"limits": {"items": 256, "retries": []}}"#,
                "failed to read `limits.items`: invalid value: integer `256`, expected u8",
            ),
            (
                r#"{"limits": {"items": 1, "retries": [1, 2, true]}}"#,
                "failed to read `limits.retries[2]`: invalid type: boolean `true`, expected i32",
            ),
            (r#"{"limits": {"items": 1}}"#, "failed to read `limits`: missing field `retries`"),
            ("{}", "failed to read the value: missing field `limits`"),
            (
                r#"{"limits": {"items": 1, "retries": []}, "theme": {"custom": {"hue": null}}}"#,
                "failed to read `theme.custom.hue`: invalid type: null, expected f64",
            ),
        ] {
            assert_eq!(value(text).read_as_serde::<Checkout>().unwrap_err().to_string(), sentence);
            let client = client(&[("checkout", text)]);
            for error in [
                client.get_json_as_serde::<Checkout>("checkout", None).unwrap_err(),
                client.snapshot().get_json_as_serde::<Checkout>("checkout", None).unwrap_err(),
            ] {
                assert_eq!(error.to_string(), format!("flag `checkout`: {sentence}"));
                assert_eq!(error.as_str(), "wrong_shape");
            }
        }
        let client = client(&[]);
        let error = client.get_json_as_serde::<u8>("b", None).unwrap_err();
        assert_eq!(error.to_string(), "there is no flag `b`");
    }

    #[test]
    fn odd_keys_are_quoted_in_a_path() {
        for (text, path) in ODD_KEYS {
            let error = value(text).read_as_serde::<Numbers>().unwrap_err();
            assert_eq!(error.path(), path);
            let sentence =
                format!("failed to read `{path}`: invalid type: string \"x\", expected u8");
            assert_eq!(error.to_string(), sentence);
        }
    }

    #[test]
    fn a_value_nested_too_deeply_is_refused() {
        assert_eq!(nested(128).read_as_serde(), Ok(nested(128)));
        let error = nested(129).read_as_serde::<Value>().unwrap_err();
        assert_eq!(error.to_string(), "failed to read the value: it nests deeper than 128 levels");
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Shape {
        Point,
        Circle(f64),
        Line(i8, i8),
        Box { width: u8 },
    }

    #[test]
    fn enums_are_read_as_serde_writes_them() {
        for (text, expected) in [
            (r#""point""#, Ok(Shape::Point)),
            (r#"{"point": null}"#, Ok(Shape::Point)),
            (r#"{"circle": 3}"#, Ok(Shape::Circle(3.0))),
            (r#"{"line": [1.0, -0.0]}"#, Ok(Shape::Line(1, 0))),
            (r#"{"box": {"width": 7}}"#, Ok(Shape::Box { width: 7 })),
            (
                r#""star""#,
                Err("the value: unknown variant `star`, \
                     expected one of `point`, `circle`, `line`, `box`"),
            ),
            (
                r#"{"star": 1}"#,
                Err("`star`: unknown variant `star`, \
                     expected one of `point`, `circle`, `line`, `box`"),
            ),
            (r#""circle""#, Err("the value: invalid type: unit variant, expected newtype variant")),
            (r#"{"point": 1}"#, Err("`point`: invalid type: integer `1`, expected unit")),
            (r#"{"circle": []}"#, Err("`circle`: invalid type: sequence, expected f64")),
            (r#"{"line": [1, 200]}"#, Err("`line[1]`: invalid value: integer `200`, expected i8")),
            (
                r#"{"line": [1]}"#,
                Err("`line`: invalid length 1, expected tuple variant Shape::Line with 2 elements"),
            ),
            (r#"{"line": [1, 2, 3]}"#, Err("`line[2]`: an element was not expected")),
            (
                r#"{"box": {"width": -1}}"#,
                Err("`box.width`: invalid value: integer `-1`, expected u8"),
            ),
            (
                r#"{"box": {"width": 1}, "point": null}"#,
                Err("the value: invalid type: an object, \
                     expected a string, or an object with one member"),
            ),
            (
                "7",
                Err("the value: invalid type: a number, \
                     expected a string, or an object with one member"),
            ),
        ] {
            let read = value(text).read_as_serde::<Shape>();
            let expected = expected.map_err(|end| format!("failed to read {end}"));
            assert_eq!(read.map_err(|error| error.to_string()), expected, "{text}");
        }
    }

    #[test]
    fn a_tag_is_a_name_and_not_a_number() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase")]
        enum Inside {
            Dark,
            Light,
        }

        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "kind", content = "of", rename_all = "lowercase")]
        enum Beside {
            Dark,
            Light,
        }

        let light = value(r#"{"kind": "light"}"#);
        assert_eq!(light.read_as_serde(), Ok(Inside::Light));
        assert_eq!(light.read_as_serde(), Ok(Beside::Light));
        let first = value(r#"{"kind": 0}"#);
        let error = first.read_as_serde::<Inside>().unwrap_err();
        assert_eq!(error.reason(), "invalid type: a number, expected variant identifier");
        assert_eq!(first.read_as_serde::<Beside>().unwrap_err().path(), "kind");
    }

    #[test]
    fn keys_need_not_be_strings() {
        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        struct Id(Option<i128>);

        #[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(from = "f64")]
        struct Percent(u8);

        impl From<f64> for Percent {
            fn from(ratio: f64) -> Percent {
                Percent((ratio * 100.0) as u8)
            }
        }

        let text = r#"{"-7": 1, "18446744073709551615": 2, "-18446744073709551616": 3}"#;
        let read = value(text).read_as_serde();
        let most = i128::from(u64::MAX);
        let expected = [(Id(Some(-7)), 1), (Id(Some(most)), 2), (Id(Some(-most - 1)), 3)];
        assert_eq!(read, Ok(BTreeMap::from(expected)));
        let read = value(r#"{"0.5": 1, "1": 2}"#).read_as_serde::<BTreeMap<Percent, u8>>().unwrap();
        assert_eq!((read[&Percent(50)], read[&Percent(100)]), (1, 2));
        let read = value(r#"{"true": 1, "false": 2}"#).read_as_serde();
        assert_eq!(read, Ok(BTreeMap::from([(true, 1), (false, 2)])));
        let read = value(r#"{"a": 1}"#).read_as_serde();
        assert_eq!(read, Ok(BTreeMap::from([('a', 1)])));
        for (text, sentence) in [
            (r#"{"1.0": 1}"#, r#"`["1.0"]`: invalid type: string "1.0", expected u8"#),
            (r#"{" 1": 1}"#, r#"`[" 1"]`: invalid type: string " 1", expected u8"#),
            (r#"{"7": 1, "07": 2}"#, r#"`07`: invalid type: string "07", expected u8"#),
            (r#"{"+5": 1}"#, r#"`["+5"]`: invalid type: string "+5", expected u8"#),
            (r#"{"x": 1}"#, r#"`x`: invalid type: string "x", expected u8"#),
            (r#"{"256": 1}"#, "`256`: invalid value: integer `256`, expected u8"),
            (r#"{"5": []}"#, "`5`: invalid type: sequence, expected u8"),
        ] {
            let error = value(text).read_as_serde::<BTreeMap<u8, u8>>().unwrap_err();
            assert_eq!(error.to_string(), format!("failed to read {sentence}"));
        }
        let error = value(r#"{"yes": 1}"#).read_as_serde::<BTreeMap<bool, u8>>().unwrap_err();
        assert_eq!(error.reason(), r#"invalid type: string "yes", expected a boolean"#);
    }

    #[test]
    fn a_member_that_is_not_read_is_named() {
        #[derive(Debug)]
        struct First;

        impl<'de> Deserialize<'de> for First {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<First, D::Error> {
                deserializer.deserialize_map(FirstVisitor)
            }
        }

        struct FirstVisitor;

        impl<'de> Visitor<'de> for FirstVisitor {
            type Value = First;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<First, A::Error> {
                members.next_entry::<String, u8>().map(|_| First)
            }
        }

        assert!(value(r#"{"a": 1}"#).read_as_serde::<First>().is_ok());
        let error = value(r#"{"a": 1, "b": 2}"#).read_as_serde::<First>().unwrap_err();
        assert_eq!((error.path(), error.reason()), ("b", "a member of this name was not expected"));
    }

    #[test]
    fn content_that_serde_buffers_ends_the_path_at_the_object() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Outer {
            inner: Flattened,
            #[serde(default)]
            tagged: Option<Tagged>,
        }

        #[derive(Debug, PartialEq, Deserialize)]
        struct Flattened {
            ratio: f64,
            #[serde(flatten)]
            limits: Limits,
        }

        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            Items { items: u8 },
        }

        let text = r#"{"inner": {"ratio": 1, "items": 2.0, "retries": [3.0, -4]},
            "tagged": {"kind": "Items", "items": 5.0}}"#;
        let limits = Limits { items: 2, retries: vec![3, -4] };
        let inner = Flattened { ratio: 1.0, limits };
        let tagged = Some(Tagged::Items { items: 5 });
        assert_eq!(value(text).read_as_serde(), Ok(Outer { inner, tagged }));
        for (old, new, sentence) in [
            ("1,", "true,", "`inner.ratio`: invalid type: boolean `true`, expected f64"),
            ("-4", "[]", "`inner`: invalid type: sequence, expected i32"),
            ("-4", "-0.0", "`inner`: invalid type: floating point `-0.0`, expected i32"),
            ("5.0", "5.5", "`tagged`: invalid type: floating point `5.5`, expected u8"),
        ] {
            let error = value(&text.replace(old, new)).read_as_serde::<Outer>().unwrap_err();
            assert_eq!(error.to_string(), format!("failed to read {sentence}"));
        }
    }

    #[test]
    fn numbers_are_read_by_their_value() {
        assert_eq!(value("[3, 3.0, -3.0, -0.0]").read_as_serde(), Ok(vec![3_i64, 3, -3, 0]));
        assert_eq!(value("[3, -3, 0.1]").read_as_serde(), Ok(vec![3.0_f64, -3.0, 0.1]));
        assert_eq!(value("9007199254740993").read_as_serde(), Ok(9_007_199_254_740_993_i128));
        assert_eq!(value("18446744073709551615").read_as_serde(), Ok(u64::MAX));
        for text in ["1e300", "-1e19", "0.5"] {
            assert!(value(text).read_as_serde::<i64>().is_err(), "{text}");
        }
        // The sign of zero is kept if the type has one.
        let float: f64 = value("-0.0").read_as_serde().unwrap();
        assert!(float == 0.0 && float.is_sign_negative());
        let json: serde_json::Value = value("[-0.0, 0.0]").read_as_serde().unwrap();
        assert_eq!(json.to_string(), "[-0.0,0]");
    }

    #[test]
    fn values_go_both_ways_without_loss() {
        for text in [
            "null",
            "true",
            "\"text\"",
            "[]",
            "{}",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "0.1",
            "-0.0",
            "3.0",
            "1e300",
            "5e-324",
            r#"{"a":[1,{"b":null}],"":"é😀"}"#,
        ] {
            let ours = value(text);
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::Value::from(&ours), theirs, "{text}");
            assert_eq!(serde_json::Value::from(ours.clone()), theirs, "{text}");
            assert_eq!(serde_json::to_value(&ours).unwrap(), theirs, "{text}");
            assert_eq!(Value::from(&theirs), ours, "{text}");
            assert_eq!(Value::from(theirs.clone()), ours, "{text}");
            assert_eq!(serde_json::from_value::<Value>(theirs).unwrap(), ours, "{text}");
            assert_eq!(serde_json::from_str::<Value>(&ours.to_string()).unwrap(), ours, "{text}");
            assert_eq!(value(&serde_json::to_string(&ours).unwrap()), ours, "{text}");
        }
    }

    #[test]
    fn integers_and_floats_keep_their_kind() {
        let json = serde_json::Value::from(value("[3, 3.0]"));
        assert_eq!((json[0].is_u64(), json[1].is_f64()), (true, true));
        assert_eq!(json.to_string(), "[3,3.0]");
        assert_eq!(serde_json::to_string(&Number::from(-7_i64)).unwrap(), "-7");
        let object = Object::from([("b", 1), ("a", 2)]);
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"a":2,"b":1}"#);
        let read: Object = serde_json::from_str(r#"{"b": 1, "a": 2, "b": 3}"#).unwrap();
        assert_eq!(read, Object::from([("a", 2), ("b", 3)]));
        assert_eq!(value(r#"{"a": 2, "b": 3}"#).read_as_serde(), Ok(read));
        assert!(serde_json::from_str::<Object>("[]").is_err());
        // A struct of the program may have a field of type `Value`.
        let read: BTreeMap<String, Value> = value(r#"{"a": {"b": 1}}"#).read_as_serde().unwrap();
        assert_eq!(read["a"]["b"], Value::from(1));
    }

    #[test]
    fn methods_that_take_a_value_take_serde_values() {
        let client = client(&[]);
        client.set_override("limits", json!({"items": 1, "retries": [1]}));
        let limits: Limits = client.get_json_as_serde("limits", None).unwrap();
        assert_eq!(limits, Limits { items: 1, retries: vec![1] });
        let default = client.get_json_value("b", json!([1]), None);
        assert_eq!(default, Value::from([1]));
    }
}
