//! When the next poll is due, decided from times and outcomes alone.

use std::time::{Duration, Instant};

use crate::http::{Backoff, Retry};

/// An announced change is looked for within this time.
const HASTE: Duration = Duration::from_millis(500);

/// The shortest time between two polls of which one is hastened.
const SPACING: Duration = Duration::from_secs(1);

/// When to look again if an announced change was not there yet: the service announces it before it
/// can be read.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Which result of another process a poll takes instead of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Look {
    /// The maximum time since that process asked the service. Zero means that none is taken.
    pub(crate) max_age: Duration,
    /// How long the poll has waited for another process.
    pub(crate) waited: Duration,
}

/// The times of the polls of one client.
#[derive(Debug)]
pub(super) struct Timetable {
    backoff: Backoff,
    /// Zero means: poll until one ruleset is accepted.
    interval: Duration,
    /// `None` if no further poll is due.
    due: Option<Instant>,
    /// When a hastened poll is due, besides the others.
    hastened: Option<Instant>,
    /// When a change was announced after the last poll began, or `None`.
    announced: Option<Instant>,
    /// When the change was announced that the current poll looks for, or `None`.
    looking: Option<Instant>,
    /// Since when the current poll is put off, or `None`.
    waiting_since: Option<Instant>,
    /// When the last poll ended.
    ended: Option<Instant>,
}

impl Timetable {
    /// Returns the times of polls that are made once per interval, the first at once.
    pub(super) fn new(interval: Duration, now: Instant) -> Timetable {
        Timetable {
            backoff: Backoff::new(interval),
            interval,
            due: Some(now),
            hastened: None,
            announced: None,
            looking: None,
            waiting_since: None,
            ended: None,
        }
    }

    /// Returns the time of the next poll, or `None` if there is none.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.due?.min(self.hastened.unwrap_or(self.due?)))
    }

    /// Hastens a poll, since a change is announced. Polls that fail, or have ended, are not hastened.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.announced = Some(now);
        if !self.backoff.is_failing() {
            let time = (now + self.backoff.up_to(HASTE)).max(self.after_spacing(now));
            self.hastened = Some(self.hastened.map_or(time, |hastened| hastened.min(time)));
        }
    }

    /// Notes the begin of a poll. Returns which result of another process may replace it.
    pub(super) fn begin(&mut self, now: Instant) -> Look {
        self.looking = self.announced.take();
        let waited = self.waiting_since.map(|since| now.saturating_duration_since(since));
        let waited = waited.unwrap_or_default();
        // A request that was under way when the wait began may take longer than the interval.
        let interval = self.interval.saturating_add(waited);
        let max_age = match (self.looking, self.hastened) {
            (Some(announced), _) => now.saturating_duration_since(announced),
            // A second look.
            (None, Some(time)) if time <= now => SPACING.saturating_add(waited),
            _ => interval,
        };
        // A second look is not replaced by an earlier poll.
        self.hastened = self.hastened.filter(|time| self.looking.is_none() && *time > now);
        Look { max_age: max_age.min(interval), waited }
    }

    /// Puts off a poll that another process makes at this moment.
    pub(super) fn put_off(&mut self, now: Instant, delay: Duration) {
        self.announced = self.announced.max(self.looking.take());
        self.waiting_since.get_or_insert(now);
        match &mut self.due {
            Some(due) if *due <= now => *due = now + delay,
            _ => self.hastened = Some(now + delay),
        }
    }

    /// Notes a poll that succeeded; `new` is whether it brought other rules. One that was made long
    /// before it was due, such as a refresh, does not move the others, so that the polls of a fleet
    /// stay spread.
    pub(super) fn succeed(&mut self, now: Instant, new: bool) {
        self.settle(now, new, Backoff::after_success);
    }

    /// Notes a poll that another process has made, at this time before now. The next one is due when
    /// the result is as old as the interval. All processes look then, and the first one polls.
    pub(super) fn share(&mut self, now: Instant, new: bool, age: Duration) {
        let left = self.interval.saturating_sub(age);
        let jitter = self.interval / 10;
        self.settle(now, new, |backoff| {
            backoff.after_success();
            left.saturating_add(backoff.up_to(jitter))
        });
    }

    /// Notes a success. `delay` returns the time until the next poll.
    fn settle(&mut self, now: Instant, new: bool, delay: impl FnOnce(&mut Backoff) -> Duration) {
        self.ended = Some(now);
        self.waiting_since = None;
        let Some(due) = self.due else { return };
        if self.interval.is_zero() {
            self.due = None;
        } else if self.backoff.is_failing() || due <= now + SPACING {
            self.due = Some(now + delay(&mut self.backoff));
        }
        self.hastened = match self.hastened {
            // During the poll.
            _ if self.announced.is_some() => Some(self.after_spacing(now)),
            _ if new => None,
            _ if self.looking.is_some() => Some(now + SECOND_LOOK),
            time => time.map(|time| time.max(self.after_spacing(now))),
        };
    }

    /// Notes a poll that failed. While polls fail, none makes the next one earlier.
    pub(super) fn fail(&mut self, now: Instant, retry: Retry) {
        self.ended = Some(now);
        self.waiting_since = None;
        self.hastened = None;
        self.announced = self.announced.max(self.looking);
        let Some(due) = self.due else { return };
        let earliest = if self.backoff.is_failing() { due } else { now };
        self.due = Some(earliest.max(now + self.backoff.after_failure(retry)));
    }

    /// Returns the earliest time of a hastened poll.
    fn after_spacing(&self, now: Instant) -> Instant {
        self.ended.map_or(now, |ended| ended + SPACING)
    }
}

#[cfg(test)]
impl Timetable {
    /// Returns the times of polls with these delays.
    pub(super) fn for_test(backoff: Backoff, interval: Duration) -> Timetable {
        Timetable { backoff, ..Timetable::new(interval, Instant::now()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_secs(30);

    /// Returns a timetable whose first poll succeeded, and the time of its second poll, which is more
    /// than ten seconds later.
    fn after_one_poll(now: Instant) -> (Timetable, Instant) {
        for seed in 0.. {
            let backoff = Backoff::for_test(INTERVAL, SECOND * 300, seed);
            let mut timetable = Timetable { backoff, ..Timetable::new(INTERVAL, now) };
            assert_eq!(timetable.due(), Some(now));
            succeed(&mut timetable, now, true);
            let due = timetable.due().unwrap();
            assert!(due > now && due <= now + INTERVAL);
            if due > now + SECOND * 10 {
                return (timetable, due);
            }
        }
        unreachable!()
    }

    fn succeed(timetable: &mut Timetable, now: Instant, new: bool) {
        timetable.begin(now);
        timetable.succeed(now, new);
    }

    fn fail(timetable: &mut Timetable, now: Instant, retry: Retry) {
        timetable.begin(now);
        timetable.fail(now, retry);
    }

    #[test]
    fn a_poll_that_was_not_due_moves_no_other() {
        let now = Instant::now();
        let (mut timetable, due) = after_one_poll(now);
        succeed(&mut timetable, due - SECOND * 2, true);
        assert_eq!(timetable.due(), Some(due));
        for early in [SECOND, Duration::ZERO] {
            let (mut timetable, due) = after_one_poll(now);
            let time = due - early;
            succeed(&mut timetable, time, true);
            let next = timetable.due().unwrap();
            assert!(next >= time + INTERVAL && next <= time + INTERVAL * 11 / 10);
        }
    }

    #[test]
    fn a_success_ends_the_backoff() {
        for retry in [Retry::Transient, Retry::Permanent, Retry::After(SECOND * 100)] {
            let now = Instant::now();
            let (mut timetable, due) = after_one_poll(now);
            fail(&mut timetable, due, retry);
            assert!(timetable.due().unwrap() > due, "{retry:?}");
            succeed(&mut timetable, due, false);
            let next = timetable.due().unwrap();
            assert!(next > due && next <= due + INTERVAL * 11 / 10, "{retry:?}");
        }
    }

    #[test]
    fn all_processes_look_when_a_result_is_as_old_as_the_interval() {
        for (age, least) in [(0, 30), (10, 20), (29, 1), (30, 0), (100, 0)] {
            let (mut timetable, due) = after_one_poll(Instant::now());
            assert_eq!(timetable.begin(due).max_age, INTERVAL);
            timetable.share(due, false, SECOND * age);
            let (next, least) = (timetable.due().unwrap(), due + SECOND * least);
            assert!(next > least && next <= least + INTERVAL / 10, "{age}");
        }
    }

    #[test]
    fn a_poll_of_another_process_ends_a_backoff() {
        let now = Instant::now();
        let mut timetable = Timetable::new(INTERVAL, now);
        fail(&mut timetable, now, Retry::Transient);
        let due = timetable.due().unwrap();
        timetable.begin(due);
        timetable.share(due, true, SECOND);
        let next = timetable.due().unwrap();
        assert!(next > due + SECOND * 29 && next <= due + SECOND * 32);
        // Its next poll is not spread over the interval again: the others would follow it.
        succeed(&mut timetable, next, false);
        assert!(timetable.due().unwrap() > next + INTERVAL);
    }

    #[test]
    fn a_poll_that_another_process_makes_is_put_off() {
        let (mut timetable, due) = after_one_poll(Instant::now());
        for look in 0..3 {
            let now = due + SECOND * look;
            let waited = SECOND * look;
            // A request that was under way at the first look may be answered later.
            let expected = Look { max_age: INTERVAL + waited, waited };
            assert_eq!(timetable.begin(now), expected, "{look}");
            timetable.put_off(now, SECOND);
            assert_eq!(timetable.due(), Some(now + SECOND), "{look}");
        }
        let now = due + SECOND * 3;
        type End = fn(&mut Timetable, Instant);
        let ends: [End; 3] = [
            |timetable, now| timetable.succeed(now, false),
            |timetable, now| timetable.share(now, false, SECOND),
            |timetable, now| timetable.fail(now, Retry::Transient),
        ];
        for end in ends {
            timetable.put_off(now, SECOND);
            end(&mut timetable, now);
            let due = timetable.due().unwrap();
            assert_eq!(timetable.begin(due).waited, Duration::ZERO);
        }
    }

    #[test]
    fn an_announced_change_is_looked_for_in_later_results() {
        let now = Instant::now();
        let (mut timetable, due) = after_one_poll(now);
        timetable.hasten(now);
        let look = timetable.due().unwrap();
        assert_eq!(timetable.begin(look).max_age, look - now);
        // Another process looks for it at this moment.
        timetable.put_off(look, HASTE);
        let look = look + HASTE;
        assert_eq!(timetable.due(), Some(look));
        assert_eq!(timetable.begin(look).max_age, look - now);
        timetable.share(look, false, HASTE);
        // A second look is not satisfied by the first one of another process.
        let second = look + SECOND_LOOK;
        assert_eq!(timetable.due(), Some(second));
        assert_eq!(timetable.begin(second).max_age, SPACING);
        timetable.share(second, true, HASTE);
        assert_eq!(timetable.due(), Some(due));
        assert_eq!(timetable.begin(due).max_age, INTERVAL);
    }

    #[test]
    fn no_failure_shortens_a_backoff() {
        for retry in [Retry::Permanent, Retry::After(SECOND * 100)] {
            let now = Instant::now();
            let mut timetable = Timetable::new(INTERVAL, now);
            fail(&mut timetable, now, retry);
            let due = timetable.due().unwrap();
            assert!(due >= now + SECOND * 100, "{retry:?}");
            fail(&mut timetable, now + SECOND, Retry::Transient);
            assert_eq!(timetable.due(), Some(due), "{retry:?}");
            fail(&mut timetable, due, Retry::Transient);
            assert!(timetable.due().unwrap() > due, "{retry:?}");
        }
        // The first failure brings the next poll forward.
        let now = Instant::now();
        let (mut timetable, _) = after_one_poll(now);
        fail(&mut timetable, now, Retry::Transient);
        assert!(timetable.due().unwrap() <= now + SECOND);
    }

    #[test]
    fn an_interval_of_zero_ends_with_the_first_success() {
        let now = Instant::now();
        let mut timetable = Timetable::new(Duration::ZERO, now);
        fail(&mut timetable, now, Retry::Transient);
        assert!(timetable.due().unwrap() > now);
        succeed(&mut timetable, now, true);
        assert_eq!(timetable.due(), None);
        fail(&mut timetable, now, Retry::Transient);
        succeed(&mut timetable, now, true);
        timetable.hasten(now);
        assert_eq!(timetable.due(), None);
    }

    #[test]
    fn an_announced_change_is_looked_for_within_half_a_second() {
        let now = Instant::now();
        let mut delays = Vec::new();
        for seed in 0..1000 {
            let mut timetable = Timetable::new(INTERVAL, now);
            timetable.backoff = Backoff::for_test(INTERVAL, SECOND, seed);
            succeed(&mut timetable, now - SECOND * 100, true);
            timetable.due = Some(now + INTERVAL);
            timetable.hasten(now);
            delays.push(timetable.due().unwrap() - now);
        }
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*least < HASTE / 50 && *most > HASTE * 49 / 50 && *most <= HASTE, "{most:?}");
    }

    #[test]
    fn a_change_that_is_not_there_yet_is_looked_for_once_more() {
        let now = Instant::now();
        for (new, looks) in [(true, 1), (false, 2)] {
            let (mut timetable, due) = after_one_poll(now);
            timetable.hasten(now + SECOND * 2);
            let mut time = timetable.due().unwrap();
            assert!(time <= now + SECOND * 2 + HASTE);
            succeed(&mut timetable, time, new);
            if looks == 2 {
                assert_eq!(timetable.due(), Some(time + SECOND_LOOK));
                time += SECOND_LOOK;
                succeed(&mut timetable, time, false);
            }
            // The others are made as if there had been no event.
            assert_eq!(timetable.due(), Some(due), "{new}");
        }
    }

    #[test]
    fn another_poll_does_not_replace_a_second_look() {
        let now = Instant::now();
        for (new, wait, expected) in [
            (false, SECOND / 2, Some(SECOND_LOOK)),
            (false, SECOND * 3 / 2, Some(SECOND * 5 / 2)),
            (true, SECOND / 2, None),
        ] {
            let (mut timetable, due) = after_one_poll(now);
            timetable.hasten(now + SECOND);
            let look = now + SECOND * 2;
            succeed(&mut timetable, look, false);
            // Such as a refresh.
            succeed(&mut timetable, look + wait, new);
            let expected = expected.map_or(due, |wait| look + wait);
            assert_eq!(timetable.due(), Some(expected), "{new} {wait:?}");
        }
    }

    #[test]
    fn a_change_announced_during_a_poll_is_looked_for_afterwards() {
        let now = Instant::now();
        for new in [true, false] {
            let (mut timetable, due) = after_one_poll(now);
            timetable.begin(now + SECOND * 2);
            timetable.hasten(now + SECOND * 2);
            timetable.succeed(now + SECOND * 3, new);
            assert_eq!(timetable.due(), Some(now + SECOND * 4));
            succeed(&mut timetable, now + SECOND * 4, true);
            assert_eq!(timetable.due(), Some(due));
        }
    }

    #[test]
    fn events_cause_at_most_one_poll_a_second() {
        let start = Instant::now();
        let (mut timetable, _) = after_one_poll(start);
        let (mut now, mut polls) = (start, Vec::new());
        while now < start + SECOND * 600 {
            now += Duration::from_millis(10);
            timetable.hasten(now);
            if timetable.due().unwrap() <= now {
                timetable.begin(now);
                now += Duration::from_millis(70);
                timetable.hasten(now);
                timetable.succeed(now, polls.len() % 3 == 0);
                polls.push(now);
            }
        }
        assert!(polls.windows(2).all(|pair| pair[1] - pair[0] >= SPACING), "{polls:?}");
        assert!(polls.len() > 400, "{}", polls.len());
    }

    #[test]
    fn an_event_does_not_shorten_a_backoff() {
        let now = Instant::now();
        let (mut timetable, due) = after_one_poll(now);
        // The poll that looks for the change fails, and so does the next one.
        timetable.hasten(now);
        fail(&mut timetable, now + SECOND, Retry::After(SECOND * 100));
        let retry = timetable.due().unwrap();
        assert!(retry >= now + SECOND * 101);
        timetable.hasten(now + SECOND * 2);
        assert_eq!(timetable.due(), Some(retry));
        fail(&mut timetable, retry, Retry::After(SECOND * 100));
        // The one after the outage may still be too early.
        let recovered = due + SECOND * 1000;
        succeed(&mut timetable, recovered, false);
        timetable.due = Some(recovered + INTERVAL);
        assert_eq!(timetable.due(), Some(recovered + SECOND_LOOK));
    }
}
