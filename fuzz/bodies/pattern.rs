//! Compares searches for patterns with those of regex-lite.

use arbitrary::{Result, Unstructured};
use phaseflag::{EvaluationContext, Ruleset, Value};
use regex_lite::RegexBuilder;

/// The limits of the library.
const MAX_PATTERN: usize = 500;
const MAX_COMPILED: usize = 40 * 1024;
const MAX_SUBJECT: usize = 10_000;

/// Parts of plain texts.
const TEXTS: [&str; 14] =
    ["a", "b", "ab", "ba", "", "ü", "😀", "\n", " ", "}", r"\.", r"\-", r"\\", r"\$"];

/// Parts of other patterns.
const OPERATORS: [&str; 26] = [
    "^", "$", ".*", ".", "(", "(?:", ")", "|", "*", "+", "?", "{2}", "{", "[ab]", "]", "(?i)",
    "(?m)", "(?s:", r"\A", r"\z", r"\b", r"\d", r"\n", r"\<", r"\x41", r"\",
];

/// Parts of the texts that are searched.
const SUBJECTS: [&str; 15] = [
    "a",
    "b",
    "ab",
    "ba",
    "ü",
    "😀",
    "\n",
    "\r\n",
    " ",
    "}",
    ".",
    "-",
    "\\",
    "$",
    "aaaaaaaaaaaaaaaa",
];

/// Takes the bytes as a pattern and texts, each ended by a NUL; and generates others from them.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let pattern = parts.next().unwrap_or_default();
    let subjects: Vec<_> = parts.take(4).map(str::to_owned).collect();
    agrees_with_regex_lite(pattern, &subjects);

    let mut u = Unstructured::new(data);
    let _ =
        generated(&mut u).map(|(pattern, subjects)| agrees_with_regex_lite(&pattern, &subjects));
}

fn agrees_with_regex_lite(pattern: &str, subjects: &[String]) {
    let target = Value::from(pattern);
    let text = format!(
        r#"[{{"key": "f", "targeting_rules": [{{"variation": "yes", "conditions": [
            {{"attribute": "a", "operator": "matches_regex", "value": {target}}}]}}]}}]"#
    );
    let ruleset = Ruleset::parse(&text).expect("a ruleset");
    let is_short = pattern.chars().count() <= MAX_PATTERN;
    let regex = is_short
        .then(|| RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build().ok())
        .flatten();
    // The variation is missing in any case.
    let problems = ruleset.problems().iter().filter(|it| it.path().contains("conditions"));
    assert_eq!(problems.count(), usize::from(regex.is_none()), "{pattern:?}");
    for subject in subjects {
        let context = EvaluationContext::new().attribute("a", subject.as_str());
        let result = ruleset.evaluate("f", &context).expect("a flag");
        let found = result.reason().as_str() == "targeting_match";
        let searched: String = subject.chars().take(MAX_SUBJECT).collect();
        let expected = regex.as_ref().is_some_and(|regex| regex.is_match(&searched));
        assert_eq!(found, expected, "{pattern:?} in {subject:?}");
    }
}

fn generated(u: &mut Unstructured<'_>) -> Result<(String, Vec<String>)> {
    let pattern = match u.int_in_range(0..=3)? {
        0 => parts(u, 8, &[&TEXTS, &OPERATORS])?,
        _ => plain(u)?,
    };
    let subjects = (0..4).map(|_| subject(u)).collect::<Result<_>>()?;
    Ok((pattern, subjects))
}

/// Generates a pattern that is plain text, or nearly.
fn plain(u: &mut Unstructured<'_>) -> Result<String> {
    let mut pattern = String::new();
    for tokens in [&["", "^"][..], &["", ".*"]] {
        pattern.push_str(u.choose(tokens)?);
    }
    pattern.push_str(&parts(u, 2, &[&TEXTS])?);
    if u.arbitrary()? {
        pattern.push_str(u.choose(&["(", "(?:", ""])?);
        pattern.push_str(&parts(u, 2, &[&TEXTS])?);
        for _ in 0..u.int_in_range(0..=4)? {
            pattern.push('|');
            pattern.push_str(&parts(u, 2, &[&TEXTS])?);
        }
        pattern.push_str(u.choose(&[")", ")", ")", "", ")*", ")|"])?);
    }
    pattern.push_str(&parts(u, 2, &[&TEXTS])?);
    for tokens in [&["", ".*", ".*?"][..], &["", "$"]] {
        pattern.push_str(u.choose(tokens)?);
    }
    if u.ratio(1, 8)? {
        pattern.insert_str(0, u.choose(&OPERATORS)?);
    }
    if u.ratio(1, 64)? {
        // Around the maximum length of a pattern.
        let filler = "a|".repeat(u.int_in_range(245..=250)?);
        pattern.insert_str(pattern.find('(').map_or(0, |position| position + 1), &filler);
    }
    Ok(pattern)
}

fn subject(u: &mut Unstructured<'_>) -> Result<String> {
    let start = parts(u, 8, &[&SUBJECTS])?;
    if !u.ratio(1, 64)? {
        return Ok(start);
    }
    // Around the length that is searched.
    let filler = u.choose(&["a", "ü", "\n"])?.repeat(u.int_in_range(9_990..=10_001)?);
    Ok(format!("{start}{filler}{}", parts(u, 8, &[&SUBJECTS])?))
}

/// Generates a sequence of parts from these lists.
fn parts(u: &mut Unstructured<'_>, most: usize, lists: &[&[&str]]) -> Result<String> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| u.choose(lists).copied().and_then(|list| u.choose(list).copied())).collect()
}
