//! Version comparison, checked against the `semver` crate, and by cases that SemVer does not allow.

use std::cmp::Ordering;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use phaseflag::{EvaluationContext, Ruleset, Value};

/// How the conditions `version_gt` and `version_lt` order an attribute and a target, or `None`.
fn compare(attribute: &str, target: &str) -> Option<Ordering> {
    let target = Value::from(target);
    let flag = |operator: &str| {
        format!(
            r#"{{"key": "{operator}", "default_variation": "no",
                "variations": [{{"key": "yes", "value": true}}, {{"key": "no", "value": false}}],
                "targeting_rules": [{{"variation": "yes", "conditions": [
                    {{"attribute": "v", "operator": "{operator}", "value": {target}}}]}}]}}"#
        )
    };
    let text = format!("[{}, {}]", flag("version_gt"), flag("version_lt"));
    let ruleset = Ruleset::parse(&text).unwrap();
    let context = EvaluationContext::new().attribute("v", attribute);
    let holds = |operator| {
        let result = ruleset.evaluate(operator, &context).unwrap();
        result.value().as_bool().unwrap()
    };
    match (holds("version_gt"), holds("version_lt")) {
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => None,
        (true, true) => panic!("{attribute} is newer and older than {target}"),
    }
}

/// Returns whether the text is a version: newer than the oldest one, or older than the newest.
fn is_version(text: &str) -> bool {
    compare(text, "0-0").is_some() || compare(text, "0").is_some()
}

/// Returns a number without leading zeros. Small ones are likely, so that versions are often close.
fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match u.int_in_range(0..=9)? {
        0 => u.arbitrary()?,
        1 => u.int_in_range(0..=u64::from(u32::MAX))?,
        _ => u.int_in_range(0..=11)?,
    })
}

fn prerelease(u: &mut Unstructured<'_>) -> Result<String> {
    const WORDS: [&str; 14] =
        ["alpha", "beta", "rc", "a", "A", "Z", "-", "--", "-1", "0a", "00a", "1-", "x-y", "01x"];
    let mut identifiers = Vec::new();
    for _ in 0..u.int_in_range(1..=4)? {
        identifiers.push(match u.ratio(1, 2)? {
            true => number(u)?.to_string(),
            false => (*u.choose(&WORDS)?).to_owned(),
        });
    }
    Ok(identifiers.join("."))
}

fn version(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = format!("{}.{}.{}", number(u)?, number(u)?, number(u)?);
    if u.ratio(1, 2)? {
        text = format!("{text}-{}", prerelease(u)?);
    }
    if u.ratio(1, 4)? {
        text += u.choose(&["+build", "+1", "+001", "+a.b.c", "+-"])?;
    }
    Ok(text)
}

/// Returns a version that differs from this one in at most one part.
fn close_to(text: &str, u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=4)? {
        0 => text.to_owned(),
        1 => text.split('+').next().unwrap_or_default().to_owned(),
        2 => text.split(['-', '+']).next().unwrap_or_default().to_owned(),
        3 => {
            let release = text.split(['-', '+']).next().unwrap_or_default();
            format!("{release}-{}", prerelease(u)?)
        }
        _ => version(u)?,
    })
}

#[test]
fn semver_is_ordered_as_the_semver_crate_orders_it() {
    arbtest(|u| {
        let left = version(u)?;
        let right = close_to(&left, u)?;
        let parse = |text: &str| semver::Version::parse(text).unwrap();
        let expected = match parse(&left).cmp_precedence(&parse(&right)) {
            Ordering::Equal => None,
            ordering => Some(ordering),
        };
        assert_eq!(compare(&left, &right), expected, "{left} and {right}");
        assert_eq!(compare(&right, &left), expected.map(Ordering::reverse), "{right} and {left}");
        Ok(())
    })
    .budget_ms(1500);
}

#[test]
fn what_the_semver_crate_reads_is_a_version() {
    arbtest(|u| {
        let mut text = version(u)?;
        assert!(is_version(&text), "{text}");
        let position = u.choose_index(text.len())?;
        text.insert(position, *u.choose(&['.', '-', '+', '0', 'a', ' ', '_', 'é'])?);
        if semver::Version::parse(&text).is_ok() {
            assert!(is_version(&text), "{text}");
        }
        Ok(())
    });
}

#[test]
fn a_prefix_missing_parts_and_leading_zeros_are_ignored() {
    arbtest(|u| {
        let left = version(u)?;
        let right = close_to(&left, u)?;
        let expected = compare(&left, &right);
        let (release, rest) = match left.find(['-', '+']) {
            Some(end) => left.split_at(end),
            None => (left.as_str(), ""),
        };
        let zeros: Vec<String> = release.split('.').map(|part| format!("00{part}")).collect();
        let longer = format!("{release}.0.0{rest}");
        let shorter = format!("{}{rest}", release.trim_end_matches(".0"));
        for same in [format!("v{left}"), longer, shorter, format!("{}{rest}", zeros.join("."))] {
            assert_eq!(compare(&same, &right), expected, "{same} and {right}");
            assert_eq!(
                compare(&right, &same),
                expected.map(Ordering::reverse),
                "{right} and {same}"
            );
        }
        Ok(())
    });
}

#[test]
fn versions_beyond_semver_are_ordered() {
    let nines = "9".repeat(200);
    let ten = format!("1{}", "0".repeat(200));
    for (left, right, expected) in [
        ("1", "1.0.0", Ordering::Equal),
        ("1", "1.0.0.0.0", Ordering::Equal),
        ("v1", "1", Ordering::Equal),
        ("v1.2", "v1.2.0", Ordering::Equal),
        ("1.2+a", "1.2+b", Ordering::Equal),
        ("1.2+a-b", "1.2", Ordering::Equal),
        ("1-a+b", "1-a+c", Ordering::Equal),
        ("1-a+b-c.d", "1-a", Ordering::Equal),
        ("001.02", "1.2", Ordering::Equal),
        ("0", "0.0.0", Ordering::Equal),
        ("0-0", "0", Ordering::Less),
        ("1", "1.0.1", Ordering::Less),
        ("1", "1.0.0.0.1", Ordering::Less),
        ("1-a", "1.0.1", Ordering::Less),
        ("1-a", "1.0.0", Ordering::Less),
        ("1-a", "1.0-b", Ordering::Less),
        ("1.9", "1.10", Ordering::Less),
        ("9", "10", Ordering::Less),
        ("1.0.0.2", "1.0.0.10", Ordering::Less),
        ("2023.12.31", "2024.1.1", Ordering::Less),
        ("1-rc.9", "1-rc.10", Ordering::Less),
        ("1-rc9", "1-rc10", Ordering::Greater),
        ("1-9", "1-a", Ordering::Less),
        ("1-9", "1--", Ordering::Less),
        ("1-Z", "1-a", Ordering::Less),
        ("1-a", "1-a.0", Ordering::Less),
        ("1-a-b", "1-a.b", Ordering::Greater),
        ("18446744073709551615", "18446744073709551616", Ordering::Less),
        ("1.18446744073709551616", "1.18446744073709551617", Ordering::Less),
        (
            "340282366920938463463374607431768211456",
            "340282366920938463463374607431768211457",
            Ordering::Less,
        ),
        ("1-18446744073709551616", "1-18446744073709551617", Ordering::Less),
        (&nines, &ten, Ordering::Less),
        (&format!("1.{nines}.{nines}"), &format!("1.{nines}.{ten}"), Ordering::Less),
        (&format!("1-{nines}"), &format!("1-{ten}"), Ordering::Less),
        (&format!("1-{nines}"), "1-a", Ordering::Less),
        (&format!("0{nines}"), &nines, Ordering::Equal),
        (&format!("{nines}-a"), &nines, Ordering::Less),
    ] {
        assert!(is_version(left), "{left}");
        assert!(is_version(right), "{right}");
        let found = |left, right| compare(left, right).unwrap_or(Ordering::Equal);
        assert_eq!(found(left, right), expected, "{left} and {right}");
        assert_eq!(found(right, left), expected.reverse(), "{right} and {left}");
    }
}

#[test]
fn versions_of_many_parts_are_ordered() {
    let long = vec!["1"; 100_000].join(".");
    let longer = format!("{long}.1");
    assert_eq!(compare(&long, &longer), Some(Ordering::Less));
    assert_eq!(compare(&longer, &long), Some(Ordering::Greater));
    let zeros = format!("{long}{}", ".0".repeat(100_000));
    assert_eq!(compare(&long, &zeros), None);
    assert!(is_version(&zeros));
    let dotted = format!("1-{long}");
    assert_eq!(compare(&dotted, &format!("1-{longer}")), Some(Ordering::Less));
}

#[test]
fn anything_else_is_no_version() {
    for text in [
        "",
        " ",
        "v",
        "V1",
        "vv1",
        "version 1",
        "1.2.3 ",
        " 1.2.3",
        "1.2.3\n",
        "1 .2",
        ".",
        "1.",
        ".1",
        "1..2",
        "1.2.",
        "1,2",
        "1_0",
        "1/2",
        "1:2",
        "-",
        "-1",
        "+",
        "+1",
        "--1",
        "1-",
        "1.0-",
        "1-.",
        "1-a.",
        "1-.a",
        "1-a..b",
        "1-a_b",
        "1-a b",
        "1-é",
        "1-a~b",
        "1.a",
        "a.1",
        "1a",
        "1.2a",
        "1.x",
        "1.*",
        "*",
        "x",
        "latest",
        "0x10",
        "1e3",
        "١",
        "１.２",
        "1.2.3-",
        "true",
        "NaN",
        "^1.2",
        "~1.2",
        ">=1",
        "=1",
        "v 1",
        "1.v2",
        "1-a\0",
    ] {
        assert!(!is_version(text), "{text:?}");
        for version in ["0-0", "0", "1.2.3", "999999"] {
            assert_eq!(compare(version, text), None, "{text:?}");
        }
    }
}
