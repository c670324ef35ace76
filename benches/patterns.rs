//! Measures searches for patterns, beside the crates `regex` and `regex-lite`.
//!
//! The time of a search is that of an evaluation with the pattern, without that of an evaluation with
//! the same result whose condition only reads the attribute. All four calls run in turn, so that the
//! load of the machine affects all of them.

use std::hint::black_box;
use std::time::Instant;

use phaseflag::{EvaluationContext, Ruleset, Value};

const ROUNDS: usize = 101;
const CALLS: u32 = 2_000;

const AGENT: &str = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36";

/// Patterns and texts. The client compares the texts of these patterns.
const PLAIN: [(&str, &str); 21] = [
    ("^pro$", "pro"),
    ("^pro$", "enterprise"),
    ("^(free|pro|team)$", "team"),
    ("^(free|pro|team)$", "enterprise"),
    ("free|pro|team", "enterprise"),
    ("free|pro|team", "team"),
    ("^internal-", "internal-tools"),
    ("beta", "internal-beta-7"),
    ("beta", "internal-tools"),
    (r"^v(1|2)\.0", "v2.0.17"),
    (r"^v(1|2)\.0", "v3.1.4"),
    (r"@example\.com$", "jane.doe@example.com"),
    (r"@example\.com$", "jane.doe@example.org"),
    (r"@example\.(com|org)$", "jane.doe@example.org"),
    (r"@(acme|example)\.com", "jane.doe@example.com"),
    (r".*@example\.com$", "jane.doe@example.com"),
    (r"^.*@example\.com$", "jane.doe@example.com"),
    ("^.*beta.*$", "internal-beta-7"),
    ("^user-.*", "user-0123456789"),
    ("Chrome", AGENT),
    ("iPhone|iPad|Android", AGENT),
];

/// Patterns that regex-lite searches for.
const OTHERS: [(&str, &str); 6] = [
    (r"^\d+$", "12345"),
    (r"^[^@]+@example\.com$", "jane.doe@example.com"),
    (r"^[^@]+@(example|test)\.(com|org)$", "jane.doe@example.com"),
    ("(?i)^PRO$", "pro"),
    (r"^v\d+\.\d+", "v2.0.17"),
    ("^free|pro$", "pro"),
];

fn main() {
    println!("nanoseconds of a search, medians, and the median of the ratios in each round");
    println!(
        "{:36} {:>8} {:>8} {:>10} {:>8} {:>8}",
        "", "here", "regex", "regex-lite", "ratio to", "ratio to"
    );
    println!("{:36} {:>8} {:>8} {:>10} {:>8} {:>8}", "", "", "", "", "regex", "lite");
    for (pattern, text) in PLAIN {
        measure(pattern, text);
    }
    println!("by regex-lite:");
    for (pattern, text) in OTHERS {
        measure(pattern, text);
    }
}

fn measure(pattern: &str, text: &str) {
    let context = EvaluationContext::new().attribute("a", text);
    let evaluate = |ruleset: &Ruleset| {
        let result = black_box(ruleset).evaluate(black_box("f"), black_box(&context));
        result.expect("a flag").reason().as_str() == "targeting_match"
    };
    let regex = regex::Regex::new(pattern).expect("a pattern");
    let lite = regex_lite::Regex::new(pattern).expect("a pattern");
    let expected = regex.is_match(text);
    let read_only = if expected { "is_not" } else { "is" };
    let (search, read) = (ruleset("matches_regex", pattern), ruleset(read_only, ""));
    assert_eq!(evaluate(&search), expected, "{pattern}");
    assert_eq!(evaluate(&read), expected, "{pattern}");
    assert_eq!(lite.is_match(text), expected, "{pattern}");

    let mut rounds = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let here = time(|| evaluate(&search)) - time(|| evaluate(&read));
        let regex = time(|| black_box(&regex).is_match(black_box(text)));
        let lite = time(|| black_box(&lite).is_match(black_box(text)));
        let figures = [here, regex, lite, here / regex, here / lite];
        rounds.iter_mut().zip(figures).for_each(|(round, figure)| round.push(figure));
    }
    let [here, regex, lite, to_regex, to_lite] = rounds.map(median);
    let text = text.get(..12).unwrap_or(text);
    let name = format!("{pattern} in {text}");
    println!("{name:36} {here:8.1} {regex:8.1} {lite:10.1} {to_regex:8.2} {to_lite:8.2}");
}

/// Returns a ruleset with one flag, which has one condition.
fn ruleset(operator: &str, target: &str) -> Ruleset {
    let target = Value::from(target);
    let text = format!(
        r#"[{{"key": "f", "variations": [{{"key": "on"}}], "targeting_rules": [{{"variation": "on",
            "conditions": [{{"attribute": "a", "operator": "{operator}", "value": {target}}}]}}]}}]"#
    );
    let ruleset = Ruleset::parse(&text).expect("a ruleset");
    assert!(ruleset.problems().is_empty());
    ruleset
}

/// Returns how many nanoseconds a call takes.
fn time(call: impl Fn() -> bool) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
