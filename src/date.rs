//! Formats the timestamps of events, and parses the dates of `Retry-After`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// The last second of the year 9999, the last year with four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// Formats a time as ISO 8601 in UTC with milliseconds, without a zone:
/// `2026-04-04T15:00:00.000`.
///
/// Times before 1970 and after 9999 are clamped to that range.
pub(crate) fn iso8601(time: SystemTime) -> String {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_epoch = since_epoch.min(Duration::from_millis(LAST_SECOND * 1000 + 999));
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date_of(seconds / SECONDS_PER_DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let milliseconds = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}")
}

/// Parses an HTTP date, such as `Sun, 06 Nov 1994 08:49:37 GMT`, or returns `None`.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let (_, date) = text.trim().split_once(", ")?;
    let mut words = date.split(' ');
    let day = number(words.next()?, 1..=31)?;
    let month = month(words.next()?)?;
    let year = number(words.next()?, 1970..=9999)?;
    let mut clock = words.next()?.split(':');
    let hour = number(clock.next()?, 0..=23)?;
    let minute = number(clock.next()?, 0..=59)?;
    let second = number(clock.next()?, 0..=60)?;
    if words.next() != Some("GMT") || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    let seconds =
        days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    range.contains(&number).then_some(number)
}

fn month(name: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(MONTHS).find(|(_, month)| *month == name).map(|(number, _)| number)
}

/// Returns year, month and day of a number of days since 1970-01-01 in the Gregorian calendar.
///
/// Internally, years begin in March, so that the leap day is the last day of its year.
fn date_of(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_month)
}

/// Returns the number of days from 1970-01-01 to a date.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(seconds * 1000 + milliseconds)
    }

    #[test]
    fn formats_times() {
        for (time, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000"),
            (at(951_782_400, 7), "2000-02-29T00:00:00.007"),
            (at(1_709_251_199, 999), "2024-02-29T23:59:59.999"),
            (at(1_775_314_800, 0), "2026-04-04T15:00:00.000"),
            (at(4_107_542_400, 0), "2100-03-01T00:00:00.000"),
            (at(LAST_SECOND, 0), "9999-12-31T23:59:59.000"),
            (at(LAST_SECOND + 1, 0), "9999-12-31T23:59:59.999"),
            (UNIX_EPOCH - Duration::from_secs(1), "1970-01-01T00:00:00.000"),
        ] {
            assert_eq!(iso8601(time), text);
        }
    }

    #[test]
    fn reads_http_dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at(784_111_777, 0)));
        assert_eq!(http_date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(at(1_709_251_199, 0)));
        assert_eq!(http_date(" Fri, 31 Dec 9999 23:59:59 GMT "), Some(at(LAST_SECOND, 0)));
        for garbage in [
            "",
            "soon",
            "06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Now 1994 08:49:37 GMT",
            "Sun, 06 Nov 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:1 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT now",
        ] {
            assert_eq!(http_date(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn days_and_dates_convert_both_ways_for_400_years() {
        for day in 0..146_097 {
            let (year, month, day_of_month) = date_of(day);
            assert_eq!(days_since_epoch(year, month, day_of_month), day);
        }
    }
}
