//! Recognizes ISO 8601 timestamps without a time zone.

use std::ops::RangeInclusive;

use crate::date::days_in_month;

/// Returns whether a text is a date, or a date and a time without a time zone.
pub(super) fn is_without_zone(text: &str) -> bool {
    match text.split_once(['T', ' ']) {
        None => is_date(text),
        Some((date, time)) => is_date(date) && is_time(time),
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let year = number(parts.next(), 4, 1..=9999);
    let month = number(parts.next(), 2, 1..=12);
    let (Some(year), Some(month)) = (year, month) else { return false };
    number(parts.next(), 2, 1..=days_in_month(year, month)).is_some() && parts.next().is_none()
}

/// Returns whether a text is `HH`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS` with a fraction.
fn is_time(text: &str) -> bool {
    let mut parts = text.split(':');
    if number(parts.next(), 2, 0..=23).is_none() {
        return false;
    }
    let Some(minute) = parts.next() else { return true };
    if number(Some(minute), 2, 0..=59).is_none() {
        return false;
    }
    let Some(second) = parts.next() else { return true };
    let (second, fraction) = second.split_once(['.', ',']).unwrap_or((second, "0"));
    number(Some(second), 2, 0..=59).is_some() && is_digits(fraction) && parts.next().is_none()
}

/// Parses a number of exactly `length` digits; `None` if it is outside the range.
fn number(text: Option<&str>, length: usize, range: RangeInclusive<u64>) -> Option<u64> {
    let text = text.filter(|text| text.len() == length && is_digits(text))?;
    text.parse().ok().filter(|number| range.contains(number))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_times_without_a_zone() {
        for text in [
            "2026-04-04",
            "2026-04-04T15",
            "2026-04-04T15:00",
            "2026-04-04 15:00:00",
            "2026-04-04T15:00:00.5",
            "1970-01-01T00:00:00.000000",
            "2026-04-04T15:00:00,123456",
            "2024-02-29T23:59:59",
        ] {
            assert!(is_without_zone(text), "{text}");
        }
        for text in [
            "",
            " ",
            "yesterday",
            "1775314800",
            "2026-04-04T15:00:00Z",
            "2026-04-04T15:00:00z",
            "2026-04-04T15:00:00.000+00:00",
            "2026-04-04T15:00:00+02",
            "2026-04-04T15:00-02:00",
            "2026-04-04Z",
            "2026-4-4",
            "2026-04-31",
            "2025-02-29T00:00:00",
            "2100-02-29",
            "2026-13-01",
            "0000-01-01",
            "2026-04-04T",
            "2026-04-04T24:00:00",
            "2026-04-04T15:60:00",
            "2026-04-04T15:00:60",
            "2026-04-04T15:00:00.",
            "2026-04-04T15:00:00:00",
            "2026-04-04T15:00:00.5 ",
            " 2026-04-04",
            "2026-04-04-04",
            "+026-04-04",
            "2026-04-04T15:00:00\0",
        ] {
            assert!(!is_without_zone(text), "{text:?}");
        }
    }
}
