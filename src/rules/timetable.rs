//! When the next poll is due, decided from times and outcomes alone.

use std::time::{Duration, Instant};

use crate::http::{Backoff, Retry};

/// The times of the polls of one client.
#[derive(Debug)]
pub(super) struct Timetable {
    backoff: Backoff,
    /// Zero means: poll until one ruleset is accepted.
    interval: Duration,
    /// `None` if no further poll is due.
    due: Option<Instant>,
}

impl Timetable {
    /// Returns the times of polls that are made once per interval, the first at once.
    pub(super) fn new(interval: Duration, now: Instant) -> Timetable {
        Timetable { backoff: Backoff::new(interval), interval, due: Some(now) }
    }

    /// Returns the time of the next poll, or `None` if there is none.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes a poll that succeeded. One that was made before it was due, such as a refresh, does not
    /// move the others, so that the polls of a fleet stay spread.
    pub(super) fn succeed(&mut self, now: Instant) {
        let Some(due) = self.due else { return };
        if self.interval.is_zero() {
            self.due = None;
        } else if self.backoff.is_failing() || due <= now {
            self.due = Some(now + self.backoff.after_success());
        }
    }

    /// Notes a poll that failed. While polls fail, none makes the next one earlier.
    pub(super) fn fail(&mut self, now: Instant, retry: Retry) {
        let Some(due) = self.due else { return };
        let earliest = if self.backoff.is_failing() { due } else { now };
        self.due = Some(earliest.max(now + self.backoff.after_failure(retry)));
    }
}

#[cfg(test)]
impl Timetable {
    /// Returns the times of polls with these delays.
    pub(super) fn for_test(backoff: Backoff, interval: Duration) -> Timetable {
        Timetable { backoff, interval, due: Some(Instant::now()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(30);

    /// Returns a timetable whose first poll succeeded, and the time of its second poll.
    fn after_one_poll(now: Instant) -> (Timetable, Instant) {
        let mut timetable = Timetable::new(INTERVAL, now);
        assert_eq!(timetable.due(), Some(now));
        timetable.succeed(now);
        let due = timetable.due().unwrap();
        assert!(due > now && due <= now + INTERVAL);
        (timetable, due)
    }

    #[test]
    fn a_poll_that_was_not_due_moves_no_other() {
        let now = Instant::now();
        let (mut timetable, due) = after_one_poll(now);
        timetable.succeed(due - Duration::from_nanos(1));
        assert_eq!(timetable.due(), Some(due));
        timetable.succeed(due);
        let next = timetable.due().unwrap();
        assert!(next >= due + INTERVAL && next <= due + INTERVAL * 11 / 10);
    }

    #[test]
    fn a_success_ends_the_backoff() {
        for retry in [Retry::Transient, Retry::Permanent, Retry::After(SECOND * 100)] {
            let now = Instant::now();
            let (mut timetable, due) = after_one_poll(now);
            timetable.fail(due, retry);
            assert!(timetable.due().unwrap() > due, "{retry:?}");
            timetable.succeed(due);
            let next = timetable.due().unwrap();
            assert!(next > due && next <= due + INTERVAL * 11 / 10, "{retry:?}");
        }
    }

    #[test]
    fn no_failure_shortens_a_backoff() {
        for retry in [Retry::Permanent, Retry::After(SECOND * 100)] {
            let now = Instant::now();
            let mut timetable = Timetable::new(INTERVAL, now);
            timetable.fail(now, retry);
            let due = timetable.due().unwrap();
            assert!(due >= now + SECOND * 100, "{retry:?}");
            timetable.fail(now + SECOND, Retry::Transient);
            assert_eq!(timetable.due(), Some(due), "{retry:?}");
            timetable.fail(due, Retry::Transient);
            assert!(timetable.due().unwrap() > due, "{retry:?}");
        }
        // The first failure brings the next poll forward.
        let now = Instant::now();
        let (mut timetable, _) = after_one_poll(now);
        timetable.fail(now, Retry::Transient);
        assert!(timetable.due().unwrap() <= now + SECOND);
    }

    #[test]
    fn an_interval_of_zero_ends_with_the_first_success() {
        let now = Instant::now();
        let mut timetable = Timetable::new(Duration::ZERO, now);
        timetable.fail(now, Retry::Transient);
        assert!(timetable.due().unwrap() > now);
        timetable.succeed(now);
        assert_eq!(timetable.due(), None);
        timetable.fail(now, Retry::Transient);
        timetable.succeed(now);
        assert_eq!(timetable.due(), None);
    }
}
