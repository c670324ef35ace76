//! Formats times in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time in UTC to the microsecond, such as `2026-04-04T15:00:00.000000`.
pub(crate) fn now() -> String {
    format(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns the current time in the format of RFC 3339, such as `2026-04-04T15:00:00.123Z`.
pub(crate) fn timestamp() -> String {
    let mut time = now();
    time.truncate(time.len() - 3);
    time + "Z"
}

fn format(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (mut year, mut day) = (1970, seconds / 86_400);
    while day >= days_in_year(year) {
        day -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (day, microseconds) = (day + 1, since_epoch.subsec_micros());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microseconds:06}")
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

pub(crate) fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_times() {
        for (microseconds, text) in [
            (0, "1970-01-01T00:00:00.000000"),
            (951_782_400_000_007, "2000-02-29T00:00:00.000007"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999999"),
            (1_775_314_800_000_000, "2026-04-04T15:00:00.000000"),
            (1_798_761_599_000_000, "2026-12-31T23:59:59.000000"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000"),
        ] {
            assert_eq!(format(Duration::from_micros(microseconds)), text);
        }
    }
}
