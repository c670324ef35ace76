//! Failures, `Retry-After` and jitter to a delay. Pure arithmetic.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The longest that one `Retry-After` is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The delay before the first retry, before jitter; each one after it is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The delay that retries grow to, where the usual interval is not longer still.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// The least time between two tries with a key that was refused, or a path that is not there.
const HOPELESS_RETRY: Duration = Duration::from_secs(300);

/// How a request went wrong, as far as the next try is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Retry {
    /// It may go better soon.
    Transient,
    /// The service said how long to wait.
    After(Duration),
    /// It will not go better before somebody changes something.
    Permanent,
}

/// When to try again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    interval: Duration,
    hopeless: Duration,
    failures: u32,
    /// Whether the next regular wait is spread over the whole interval.
    spread: bool,
    random: Random,
}

impl Backoff {
    /// The delays of something that is done once an interval.
    pub(crate) fn new(interval: Duration) -> Backoff {
        Backoff {
            interval,
            hopeless: HOPELESS_RETRY,
            failures: 0,
            spread: true,
            random: Random::new(RandomState::new().hash_one(0)),
        }
    }

    /// Returns how long to wait after a success.
    ///
    /// The first time, and after an outage, that is anything up to the interval, so that clients
    /// that came up together spread; later it is the interval and up to a tenth more. A tenth less
    /// would let the earliest of one round meet the latest of the round before.
    pub(crate) fn after_success(&mut self) -> Duration {
        self.failures = 0;
        if std::mem::take(&mut self.spread) {
            return self.random.up_to(self.interval);
        }
        self.interval.saturating_add(self.random.up_to(self.interval / 10))
    }

    /// Returns how long to wait after a failure.
    pub(crate) fn after_failure(&mut self, retry: Retry) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // The other two waits spread the clients themselves.
        self.spread = retry == Retry::Transient;
        match retry {
            Retry::Transient => self.jittered_retry(),
            Retry::After(least) => least.min(MAX_RETRY_AFTER).saturating_add(self.share()),
            Retry::Permanent => self.hopeless.saturating_add(self.share()),
        }
    }

    fn jittered_retry(&mut self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let delay = FIRST_RETRY.saturating_mul(1 << doublings);
        self.random.up_to(delay.min(LONGEST_RETRY.max(self.interval)))
    }

    /// A part of the interval; without one, of what a retry would wait.
    fn share(&mut self) -> Duration {
        if self.interval.is_zero() {
            self.jittered_retry()
        } else {
            self.random.up_to(self.interval)
        }
    }

    /// Returns whether the last try failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

/// Pseudo-random numbers (SplitMix64), good enough to spread clients over time.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns a duration from (0, `longest`].
    fn up_to(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let fraction = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Duration::try_from_secs_f64(longest.as_secs_f64() * fraction).unwrap_or(longest)
    }
}

#[cfg(test)]
impl Backoff {
    /// The same delays every time, and another patience with what is hopeless.
    pub(crate) fn for_test(interval: Duration, hopeless: Duration, seed: u64) -> Backoff {
        Backoff { hopeless, random: Random::new(seed), ..Backoff::new(interval) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn backoff(seed: u64) -> Backoff {
        Backoff::for_test(INTERVAL, HOPELESS_RETRY, seed)
    }

    /// The smallest and the largest of many delays, each from a state of its own.
    fn range(delay: impl Fn(&mut Backoff) -> Duration) -> (Duration, Duration) {
        let delays = (0..10_000).map(|seed| delay(&mut backoff(seed)));
        let delays: Vec<_> = delays.collect();
        (*delays.iter().min().unwrap(), *delays.iter().max().unwrap())
    }

    fn assert_fills(range: (Duration, Duration), low: f64, high: f64) {
        let (least, most) = (range.0.as_secs_f64(), range.1.as_secs_f64());
        let margin = (high - low) / 100.0;
        assert!(low <= least && least <= low + margin, "{least} should be just above {low}");
        assert!(high - margin <= most && most <= high, "{most} should be just below {high}");
    }

    #[test]
    fn the_first_wait_fills_the_interval() {
        assert_fills(range(Backoff::after_success), 0.0, 30.0);
    }

    #[test]
    fn later_waits_are_the_interval_and_up_to_a_tenth() {
        let second = |backoff: &mut Backoff| {
            backoff.after_success();
            backoff.after_success()
        };
        assert_fills(range(second), 30.0, 33.0);
    }

    #[test]
    fn failures_double_the_wait_up_to_a_minute() {
        for (failures, longest) in
            [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (1000, 60.0)]
        {
            let last = |backoff: &mut Backoff| {
                for _ in 1..failures {
                    backoff.after_failure(Retry::Transient);
                }
                backoff.after_failure(Retry::Transient)
            };
            assert_fills(range(last), 0.0, longest);
        }
    }

    #[test]
    fn a_longer_interval_lets_the_wait_grow_to_it() {
        let hour = Duration::from_secs(3600);
        let delays = (0..10_000).map(|seed| {
            let mut backoff = Backoff::for_test(hour, HOPELESS_RETRY, seed);
            (0..20).map(|_| backoff.after_failure(Retry::Transient)).last().unwrap()
        });
        assert!(delays.max().unwrap() > Duration::from_secs(3500));
    }

    #[test]
    fn retry_after_is_a_minimum_of_at_most_an_hour() {
        let wait = |seconds| {
            move |backoff: &mut Backoff| {
                backoff.after_failure(Retry::After(Duration::from_secs(seconds)))
            }
        };
        assert_fills(range(wait(7)), 7.0, 37.0);
        assert_fills(range(wait(u64::MAX)), 3600.0, 3630.0);
    }

    #[test]
    fn what_is_hopeless_waits_five_minutes() {
        assert_fills(range(|backoff| backoff.after_failure(Retry::Permanent)), 300.0, 330.0);
    }

    #[test]
    fn no_duration_overflows() {
        for interval in [Duration::ZERO, Duration::MAX] {
            let mut backoff = Backoff::for_test(interval, Duration::MAX, 0);
            for retry in [Retry::Transient, Retry::Permanent, Retry::After(Duration::MAX)] {
                backoff.after_failure(retry);
                assert!(backoff.after_success() <= Duration::MAX);
                assert!(backoff.after_success() >= interval);
            }
        }
    }

    const CLIENTS: usize = 5_000;

    /// The polls of the busiest second of ten minutes, as a multiple of the even share.
    ///
    /// Each client is a function from its `Backoff` to the times of its polls.
    fn busiest_second(polls: impl Fn(&mut Backoff, u64) -> Vec<f64>) -> f64 {
        let mut seconds = vec![0_u32; 600];
        for seed in 0..CLIENTS as u64 {
            let mut backoff = backoff(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for time in polls(&mut backoff, seed) {
                if let Some(second) = seconds.get_mut(time as usize) {
                    *second += 1;
                }
            }
        }
        let even_share = CLIENTS as f64 / INTERVAL.as_secs_f64();
        f64::from(*seconds.iter().max().unwrap()) / even_share
    }

    /// The times of the polls that succeed from `time` on.
    fn successes(backoff: &mut Backoff, mut time: f64) -> Vec<f64> {
        let mut times = Vec::new();
        while time < 600.0 {
            times.push(time);
            time += backoff.after_success().as_secs_f64();
        }
        times
    }

    #[test]
    fn a_fleet_spreads_after_a_common_restart() {
        let busiest = busiest_second(|backoff, _| successes(backoff, 0.0).split_off(1));
        assert!((1.0..1.5).contains(&busiest), "{busiest}");
    }

    #[test]
    fn a_fleet_spreads_after_an_outage() {
        // The service is away for ten minutes before the time 0.
        let busiest = busiest_second(|backoff, client| {
            let mut time = -600.0 + 30.0 * client as f64 / CLIENTS as f64;
            while time < 0.0 {
                time += backoff.after_failure(Retry::Transient).as_secs_f64();
            }
            successes(backoff, time)
        });
        assert!((1.0..1.5).contains(&busiest), "{busiest}");
    }

    #[test]
    fn a_fleet_spreads_after_a_common_retry_after() {
        let busiest = busiest_second(|backoff, _| {
            let wait = backoff.after_failure(Retry::After(Duration::from_secs(60)));
            successes(backoff, wait.as_secs_f64())
        });
        assert!((1.0..1.5).contains(&busiest), "{busiest}");
    }
}
