//! Texts that try to break a parser or an evaluator.

use std::fmt::Write;

use ::arbitrary::{Result, Unstructured};

/// Longer than the chain that the library follows.
const MAX_CHAIN: usize = 130;

/// What is inserted into a text.
const INSERTED: [&str; 24] = [
    "\u{feff}",
    "\0",
    "\u{7f}",
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "\\",
    "\"",
    "1e400",
    "-1e-400",
    "-0",
    "01",
    "18446744073709551616",
    "0.1e99999999999",
    "NaN",
    "Infinity",
    "null",
    ",",
    ",,",
    ":",
    "{",
    "]",
    "/**/",
    "\u{2028}",
];

/// Damages a text in a few places.
pub(super) fn damaged(mut text: String, u: &mut Unstructured<'_>) -> Result<String> {
    for _ in 0..u.int_in_range(1..=4)? {
        let place = place_in(&text, u)?;
        match u.int_in_range(0..=6)? {
            0 => text.truncate(place),
            1 => text.insert_str(place, &"[".repeat(u.int_in_range(1..=200)?)),
            2 => text.insert_str(place, &r#"{"a":"#.repeat(u.int_in_range(1..=200)?)),
            3 => {
                let (from, to) = ordered(place, place_in(&text, u)?);
                text.replace_range(from..to, "");
            }
            4 => {
                let (from, to) = ordered(place, place_in(&text, u)?);
                let part = text.get(from..to).unwrap_or_default().to_owned();
                text.insert_str(from, &part);
            }
            5 => text.insert_str(place, u.arbitrary::<&str>()?),
            _ => text.insert_str(place, u.choose(&INSERTED)?),
        }
    }
    Ok(text)
}

/// Returns the position of a character, or the end.
fn place_in(text: &str, u: &mut Unstructured<'_>) -> Result<usize> {
    let mut place = u.int_in_range(0..=text.len())?;
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    Ok(place)
}

fn ordered(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// Returns flags with a long chain, a cycle, or layers of prerequisites.
pub(super) fn prerequisites(u: &mut Unstructured<'_>) -> Result<String> {
    let length = u.int_in_range(1..=MAX_CHAIN)?;
    let is_cycle = u.arbitrary()?;
    // Each flag requires all of the next few.
    let width = u.int_in_range(1..=3)?;
    let mut flags = String::new();
    for flag in 0..length {
        let mut required = String::new();
        for next in flag + 1..=flag + width {
            let next = if is_cycle { next % length } else { next };
            if next < length {
                let separator = if required.is_empty() { "" } else { "," };
                let part = format!(r#"{separator}{{"flag_key":"f{next}","variation_key":"on"}}"#);
                required.push_str(&part);
            }
        }
        let separator = if flag == 0 { "" } else { "," };
        let _ = write!(
            flags,
            r#"{separator}{{"key":"f{flag}","default_variation":"on","variations":[{{"key":"on","value":true}}],"prerequisites":[{required}]}}"#
        );
    }
    Ok(format!(r#"{{"flags":[{flags}]}}"#))
}
