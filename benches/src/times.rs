//! Collects many short times, for their quantiles and the longest ones.

use std::fmt;
use std::time::Duration;

/// Times below this many nanoseconds are counted; longer ones, which are few, are kept.
const COUNTED: usize = 100_000;

pub struct Times {
    counts: Vec<u64>,
    longer: Vec<u64>,
    count: u64,
}

impl Times {
    pub fn new() -> Times {
        Times { counts: vec![0; COUNTED], longer: Vec::with_capacity(COUNTED), count: 0 }
    }

    pub fn add(&mut self, time: Duration) {
        let nanoseconds = time.as_nanos() as u64;
        self.count += 1;
        match self.counts.get_mut(nanoseconds as usize) {
            Some(count) => *count += 1,
            None => self.longer.push(nanoseconds),
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the time that this share of all does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (nanoseconds, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= rank {
                return Duration::from_nanos(nanoseconds as u64);
            }
        }
        let mut longer = self.longer.clone();
        longer.sort_unstable();
        let position = (rank - sum).saturating_sub(1) as usize;
        Duration::from_nanos(longer.get(position).copied().unwrap_or_default())
    }
}

impl Default for Times {
    fn default() -> Times {
        Times::new()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, share) in [("median", 0.5), ("99.9 %", 0.999), ("99.99 %", 0.9999)] {
            write!(f, "{name} {:?}, ", self.quantile(share))?;
        }
        write!(f, "longest {:?}", self.quantile(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut times = Times::new();
        (1..=998).rev().for_each(|time| times.add(Duration::from_nanos(time)));
        times.add(Duration::from_millis(7));
        times.add(Duration::from_millis(5));
        for (share, nanoseconds) in [(0.5, 500), (0.998, 998), (0.999, 5_000_000), (1.0, 7_000_000)]
        {
            assert_eq!(times.quantile(share), Duration::from_nanos(nanoseconds), "{share}");
        }
    }
}
