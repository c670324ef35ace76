//! Parses and compares version strings.
//!
//! Does not allocate, and numbers of any length do not overflow.

use std::cmp::Ordering;

/// A version: an optional `v`, numbers separated by dots, an optional `-prerelease` as in
/// SemVer 2.0 and an optional `+build`, which is ignored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'a> {
    numbers: &'a str,
    prerelease: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// Parses a version; `None` if the text is not a version.
    pub(super) fn parse(text: &'a str) -> Option<Version<'a>> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = split(text, '+');
        let (numbers, prerelease) = split(text, '-');
        let valid = numbers.split('.').all(is_number)
            && prerelease.is_none_or(|text| text.split('.').all(is_identifier))
            && build.is_none_or(|text| text.split('.').all(is_identifier));
        valid.then_some(Version { numbers, prerelease })
    }

    /// Compares by precedence: missing numbers are 0, a prerelease comes before its release.
    pub(super) fn precedence(&self, other: &Version<'_>) -> Ordering {
        numbers(self.numbers, other.numbers).then_with(|| {
            match (self.prerelease, other.prerelease) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(left), Some(right)) => prereleases(left, right),
            }
        })
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn numbers(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let ordering = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => number(left.unwrap_or("0"), right.unwrap_or("0")),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

fn number(left: &str, right: &str) -> Ordering {
    let left = left.trim_start_matches('0');
    let right = right.trim_start_matches('0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn prereleases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let ordering = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => match (is_number(left), is_number(right)) {
                (true, true) => number(left, right),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => left.cmp(right),
            },
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}
