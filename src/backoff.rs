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
pub(crate) enum Setback {
    /// It may go better soon.
    Passing,
    /// The service said how long to wait.
    RetryAfter(Duration),
    /// It will not go better before somebody changes something.
    Hopeless,
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
    /// that came up together spread; later it is the interval, give or take a tenth.
    pub(crate) fn after_success(&mut self) -> Duration {
        self.failures = 0;
        if std::mem::take(&mut self.spread) {
            return self.random.up_to(self.interval);
        }
        let tenth = self.interval / 10;
        (self.interval - tenth).saturating_add(self.random.up_to(tenth.saturating_mul(2)))
    }

    /// Returns how long to wait after a failure.
    pub(crate) fn after_failure(&mut self, setback: Setback) -> Duration {
        self.spread = true;
        self.failures = self.failures.saturating_add(1);
        match setback {
            Setback::Passing => {
                let doublings = (self.failures - 1).min(31);
                let delay = FIRST_RETRY.saturating_mul(1 << doublings);
                self.random
                    .up_to(delay.min(LONGEST_RETRY.max(self.interval)))
            }
            Setback::RetryAfter(least) => least
                .min(MAX_RETRY_AFTER)
                .saturating_add(self.random.up_to(self.interval)),
            Setback::Hopeless => self
                .hopeless
                .saturating_add(self.random.up_to(self.interval)),
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
