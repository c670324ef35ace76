//! The delay until the next request, from successes, failures, `Retry-After` and jitter.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::error::RequestError;

/// The upper limit of a `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The delay before the first retry, before jitter. It doubles with each further failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The upper limit of the delay, unless the interval is longer.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// The shortest delay after a permanent failure, such as a refused key.
const PERMANENT_RETRY: Duration = Duration::from_secs(300);

/// What a failure means for the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Retry {
    /// The failure may soon pass, so back off exponentially.
    Transient,
    /// The service requires this delay.
    After(Duration),
    /// The failure lasts until someone changes the service or the settings.
    Permanent,
}

impl Retry {
    /// Classifies a failure. A refused key is permanent, even with a `Retry-After`.
    pub(crate) fn of(failure: &RequestError) -> Retry {
        match failure {
            RequestError::Status { status: 401 | 403, .. } => Retry::Permanent,
            RequestError::Status { retry_after: Some(delay), .. } => Retry::After(*delay),
            _ => Retry::Transient,
        }
    }
}

/// Computes the delays of one series of requests.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    interval: Duration,
    permanent_retry: Duration,
    failures: u32,
    /// Whether the delay after the next success is spread over the whole interval.
    spread: bool,
    random: Random,
}

impl Backoff {
    /// Returns the delays of requests that are made once per interval.
    pub(crate) fn new(interval: Duration) -> Backoff {
        Backoff {
            interval,
            permanent_retry: PERMANENT_RETRY,
            failures: 0,
            spread: true,
            random: Random::new(RandomState::new().hash_one(0)),
        }
    }

    /// Returns the delay after a success.
    ///
    /// The first delay, and the first one after an outage, is random up to the interval, so that
    /// clients that start together spread out. Each later one is the interval plus up to a tenth.
    pub(crate) fn after_success(&mut self) -> Duration {
        self.failures = 0;
        if std::mem::take(&mut self.spread) {
            return self.random.up_to(self.interval);
        }
        self.interval.saturating_add(self.random.up_to(self.interval / 10))
    }

    /// Returns the delay after a failure.
    pub(crate) fn after_failure(&mut self, retry: Retry) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // The other delays spread the clients by a random part of the interval.
        self.spread = retry == Retry::Transient;
        match retry {
            Retry::Transient => self.exponential(),
            Retry::After(delay) => delay.min(MAX_RETRY_AFTER).saturating_add(self.jitter()),
            Retry::Permanent => self.permanent_retry.saturating_add(self.jitter()),
        }
    }

    fn exponential(&mut self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let delay = FIRST_RETRY.saturating_mul(1 << doublings);
        self.random.up_to(delay.min(MAX_RETRY.max(self.interval)))
    }

    /// Returns a random part of the interval or, if that is zero, of the exponential delay.
    fn jitter(&mut self) -> Duration {
        if self.interval.is_zero() { self.exponential() } else { self.random.up_to(self.interval) }
    }

    /// Returns a random delay from (0, `longest`].
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        self.random.up_to(longest)
    }

    /// Returns whether the last request failed.
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
    /// Returns reproducible delays, with another delay after permanent failures.
    pub(crate) fn for_test(interval: Duration, permanent_retry: Duration, seed: u64) -> Backoff {
        Backoff { permanent_retry, random: Random::new(seed), ..Backoff::new(interval) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn backoff(seed: u64) -> Backoff {
        Backoff::for_test(INTERVAL, PERMANENT_RETRY, seed)
    }

    /// Returns the smallest and the largest of many delays, one per seed.
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
    fn a_refused_key_is_permanent_and_retry_after_is_obeyed() {
        let status = |status, retry_after| {
            let (url, code, message) = (String::new(), String::new(), String::new());
            Retry::of(&RequestError::Status { url, status, code, message, retry_after })
        };
        let delay = Duration::from_secs(7);
        for (code, retry_after, retry) in [
            (401, None, Retry::Permanent),
            (403, Some(delay), Retry::Permanent),
            (404, None, Retry::Transient),
            (429, Some(delay), Retry::After(delay)),
            (500, None, Retry::Transient),
            (503, Some(delay), Retry::After(delay)),
        ] {
            assert_eq!(status(code, retry_after), retry, "{code}");
        }
        let timeout = RequestError::Timeout { url: String::new(), limit: delay };
        assert_eq!(Retry::of(&timeout), Retry::Transient);
    }

    #[test]
    fn the_first_delay_fills_the_interval() {
        assert_fills(range(Backoff::after_success), 0.0, 30.0);
    }

    #[test]
    fn later_delays_are_the_interval_plus_up_to_a_tenth() {
        let second = |backoff: &mut Backoff| {
            backoff.after_success();
            backoff.after_success()
        };
        assert_fills(range(second), 30.0, 33.0);
    }

    #[test]
    fn failures_double_the_delay_up_to_a_minute() {
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
    fn the_delay_grows_up_to_a_longer_interval() {
        let hour = Duration::from_secs(3600);
        let delays = (0..10_000).map(|seed| {
            let mut backoff = Backoff::for_test(hour, PERMANENT_RETRY, seed);
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
    fn a_permanent_failure_waits_five_minutes() {
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

    /// Returns the polls in the busiest second of ten minutes, as a multiple of the even share.
    /// `polls` returns the times of one client's polls.
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

    /// Returns the times of the polls from `time` on, all of which succeed.
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
        // The service is down for the ten minutes before time 0.
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
