//! Decides when the thread that delivers events sends, waits or ends. Pure: the caller passes the
//! time and the counts, and does the waiting.

use std::time::{Duration, Instant};

use crate::http::Retry;

/// How long the thread lets events gather after it wakes up. A sleeping thread costs the caller of
/// `track_event` a system call, which must be rare if many events are tracked.
const LINGER: Duration = Duration::from_millis(50);

/// The limits of one client.
#[derive(Debug)]
pub(super) struct Schedule {
    batch_size: usize,
    interval: Duration,
    linger: Duration,
    /// The number of queued events at which the thread no longer lets more gather.
    flush_threshold: usize,
}

/// The time, and the times that something is set for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) now: Instant,
    /// The collected events are due.
    pub(super) due: Option<Instant>,
    /// The next retry. Nothing is sent before, except for a flush.
    pub(super) retry: Option<Instant>,
    /// The next retry of suspects.
    pub(super) suspects_retry: Option<Instant>,
    /// The next claim of the backlog.
    pub(super) claim: Option<Instant>,
    /// The end of the recorder's interval.
    pub(super) interval_end: Option<Instant>,
}

/// The events that may be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// How many collected events may be sent once they are due.
    pub(super) ready: usize,
    /// How many events are collected.
    pub(super) collected: usize,
    /// How many events are undelivered. More than are collected if some are on their way.
    pub(super) queued: usize,
    /// Whether the backlog has events that may be sent.
    pub(super) has_backlog: bool,
    /// Whether a flush waits for its reply.
    pub(super) has_flush: bool,
}

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Sends what is due.
    Send,
    /// Waits for this time, a complete batch or a flush.
    WaitUntil(Instant),
    /// Waits for an event, a flush or this time.
    WaitForEvent(Option<Instant>),
}

impl Schedule {
    pub(super) fn new(batch_size: usize, interval: Duration, flush_threshold: usize) -> Schedule {
        // A batch of one event need not gather.
        let linger = if batch_size == 1 { Duration::ZERO } else { LINGER };
        Schedule { batch_size, interval, linger, flush_threshold }
    }

    /// Returns how long the thread lets events gather before it collects them, unless a flush
    /// comes.
    pub(super) fn linger(&self, times: Times, queued: usize) -> Duration {
        if times.retry.is_none() && queued >= self.flush_threshold {
            return Duration::ZERO;
        }
        // An interval of the recorder that begins meanwhile ends later than this.
        let latest = times.now + self.interval;
        let first = earliest([times.retry.or(times.due), times.interval_end]).unwrap_or(latest);
        self.linger.min(first.min(latest).saturating_duration_since(times.now))
    }

    /// Returns what the thread does after it has collected the events.
    pub(super) fn next(&self, times: Times, work: Work) -> Step {
        if work.has_flush {
            return Step::Send;
        }
        if let Some(retry) = times.retry {
            return Step::WaitUntil(retry);
        }
        if work.ready >= self.batch_size || work.has_backlog {
            return Step::Send;
        }
        let other = earliest([times.interval_end, times.claim, times.suspects_retry]);
        // The event that completes a batch may be counted but not be in the channel yet.
        let completes_batch = work.queued > work.collected && work.queued >= self.batch_size;
        match times.due.filter(|_| work.ready > 0 && !completes_batch) {
            Some(due) => Step::WaitUntil(other.map_or(due, |other| due.min(other))),
            None => Step::WaitForEvent(other),
        }
    }
}

/// Returns how long a client that stops waits before it tries again, or `None` if it ends.
/// `failure` is how many events of this client are undelivered, and why; `delay` is the delay
/// before a retry after a transient failure.
pub(super) fn retry_at_stop(
    failure: Option<(usize, Retry)>,
    is_about_to_drop: bool,
    delay: Duration,
    time_left: Duration,
) -> Option<Duration> {
    let wait = match failure {
        Some((1.., Retry::Transient)) => delay,
        Some((1.., Retry::After(least))) => delay.max(least),
        Some((1.., Retry::Permanent)) => return None,
        // Otherwise each later process would have to find out again.
        _ if is_about_to_drop => delay,
        _ => return None,
    };
    (wait < time_left).then_some(wait)
}

fn earliest<const N: usize>(times: [Option<Instant>; N]) -> Option<Instant> {
    times.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 10;

    fn schedule(batch_size: usize) -> Schedule {
        Schedule::new(batch_size, Duration::from_secs(30), 5000)
    }

    fn times(now: Instant) -> Times {
        Times { now, due: None, retry: None, suspects_retry: None, claim: None, interval_end: None }
    }

    const IDLE: Work =
        Work { ready: 0, collected: 0, queued: 0, has_backlog: false, has_flush: false };

    #[test]
    fn the_next_step_follows_from_times_and_counts() {
        use Step::{Send, WaitForEvent, WaitUntil};
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let in_ = |seconds| Some(at(seconds));
        let times = times(now);
        let some = |count| Work { ready: count, collected: count, queued: count, ..IDLE };
        let due = Times { due: in_(9), ..times };
        let retry = Times { retry: in_(5), ..due };
        let flush = Work { has_flush: true, ..some(3) };
        let backlog = Work { has_backlog: true, ..IDLE };
        let incoming = |queued| Work { queued, ..some(3) };
        for (name, times, work, step) in [
            ("nothing", times, IDLE, WaitForEvent(None)),
            ("a few events", due, some(3), WaitUntil(at(9))),
            ("a batch but for one", due, some(BATCH - 1), WaitUntil(at(9))),
            ("a batch", due, some(BATCH), Send),
            ("more than a batch", due, some(BATCH + 1), Send),
            ("a flush", due, flush, Send),
            ("a backlog", times, backlog, Send),
            // A retry holds back everything but a flush.
            ("a retry and few events", retry, some(3), WaitUntil(at(5))),
            ("a retry and a batch", retry, some(BATCH), WaitUntil(at(5))),
            ("a retry and a backlog", retry, backlog, WaitUntil(at(5))),
            ("a retry and a flush", retry, flush, Send),
            (
                "a retry with nothing ready",
                Times { retry: in_(5), ..times },
                IDLE,
                WaitUntil(at(5)),
            ),
            // The event that completes a batch wakes the thread when it arrives.
            ("a batch on its way", due, incoming(BATCH), WaitForEvent(None)),
            ("an event on its way", due, incoming(BATCH - 1), WaitUntil(at(9))),
            ("a retry and a batch on its way", retry, incoming(BATCH), WaitUntil(at(5))),
            // Whatever comes first.
            ("an interval", Times { interval_end: in_(4), ..times }, IDLE, WaitForEvent(in_(4))),
            ("a claim", Times { claim: in_(1), ..times }, IDLE, WaitForEvent(in_(1))),
            ("suspects", Times { suspects_retry: in_(2), ..times }, some(0), WaitForEvent(in_(2))),
            (
                "the first of three",
                Times { interval_end: in_(4), claim: in_(1), suspects_retry: in_(2), ..times },
                IDLE,
                WaitForEvent(in_(1)),
            ),
            ("an earlier claim", Times { claim: in_(1), ..due }, some(3), WaitUntil(at(1))),
            ("a later claim", Times { claim: in_(10), ..due }, some(3), WaitUntil(at(9))),
            // A wait for a retry is not interrupted.
            ("a retry and a claim", Times { claim: in_(1), ..retry }, some(3), WaitUntil(at(5))),
            ("suspects without events", due, IDLE, WaitForEvent(None)),
        ] {
            assert_eq!(schedule(BATCH).next(times, work), step, "{name}");
        }
    }

    #[test]
    fn events_gather_unless_something_is_due() {
        let now = Instant::now();
        let in_ = |milliseconds| Some(now + Duration::from_millis(milliseconds));
        let times = times(now);
        for (name, batch_size, times, queued, milliseconds) in [
            ("nothing", BATCH, times, 0, 50),
            ("a batch of one", 1, times, 0, 0),
            ("a full queue", BATCH, times, 5000, 0),
            ("a full queue but for one", BATCH, times, 4999, 50),
            ("a full queue and a retry", BATCH, Times { retry: in_(1000), ..times }, 5000, 50),
            ("a retry soon", BATCH, Times { retry: in_(20), ..times }, 0, 20),
            ("events that are due soon", BATCH, Times { due: in_(20), ..times }, 3, 20),
            ("events that are due", BATCH, Times { due: Some(now), ..times }, 3, 0),
            ("due before a retry", BATCH, Times { due: in_(9), retry: in_(20), ..times }, 3, 20),
            ("an interval", BATCH, Times { interval_end: in_(20), ..times }, 0, 20),
        ] {
            let linger = schedule(batch_size).linger(times, queued);
            assert_eq!(linger, Duration::from_millis(milliseconds), "{name}");
        }
        let short = Schedule::new(BATCH, Duration::from_millis(5), 5000);
        assert_eq!(short.linger(times, 0), Duration::from_millis(5));
    }

    #[test]
    fn a_client_that_stops_retries_what_may_succeed_in_time() {
        let seconds = Duration::from_secs;
        let (delay, left) = (seconds(2), seconds(4));
        for (failure, is_about_to_drop, wait) in [
            (None, false, None),
            (None, true, Some(delay)),
            (Some((0, Retry::Transient)), false, None),
            (Some((0, Retry::Transient)), true, Some(delay)),
            (Some((7, Retry::Transient)), false, Some(delay)),
            (Some((7, Retry::After(seconds(1)))), false, Some(delay)),
            (Some((7, Retry::After(seconds(3)))), false, Some(seconds(3))),
            (Some((7, Retry::After(left))), false, None),
            (Some((7, Retry::Permanent)), false, None),
            (Some((7, Retry::Permanent)), true, None),
        ] {
            let result = retry_at_stop(failure, is_about_to_drop, delay, left);
            assert_eq!(result, wait, "{failure:?} {is_about_to_drop}");
        }
        assert_eq!(retry_at_stop(Some((7, Retry::Transient)), false, delay, delay), None);
    }
}
