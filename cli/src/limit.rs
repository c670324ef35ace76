//! How many requests an address may make a minute.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most requests of an address in a window.
pub(crate) const MAX_REQUESTS: u32 = 120;

/// A window begins with the first request after the one before has ended.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts the requests of each address.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    /// Those that have not ended.
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    address: IpAddr,
    begin: Instant,
    requests: u32,
}

impl Limit {
    /// Counts a request, and returns how many more there may be in this window. An error says that
    /// this one was too many, and how long the window lasts.
    pub(crate) fn take(&mut self, address: IpAddr, now: Instant) -> Result<u32, Duration> {
        self.windows.retain(|window| now.saturating_duration_since(window.begin) < WINDOW);
        let found = self.windows.iter_mut().find(|window| window.address == address);
        let Some(window) = found else {
            self.windows.push(Window { address, begin: now, requests: 1 });
            return Ok(MAX_REQUESTS - 1);
        };
        if window.requests >= MAX_REQUESTS {
            return Err(WINDOW.saturating_sub(now.saturating_duration_since(window.begin)));
        }
        window.requests += 1;
        Ok(MAX_REQUESTS - window.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_window() {
        let mut limit = Limit::default();
        let (ada, bob) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let start = Instant::now();
        for left in (0..120).rev() {
            assert_eq!(limit.take(ada, start), Ok(left));
        }
        let second = Duration::from_secs(1);
        assert_eq!(limit.take(ada, start), Err(WINDOW));
        assert_eq!(limit.take(ada, start + 59 * second), Err(second));
        assert_eq!(limit.take(bob, start + 59 * second), Ok(119));
        assert_eq!(limit.take(ada, start + WINDOW), Ok(119));
        assert_eq!(limit.take(bob, start + WINDOW), Ok(118));
        assert_eq!(limit.windows.len(), 2);
        limit.take(bob, start + 3 * WINDOW).unwrap();
        assert_eq!(limit.windows.len(), 1);
    }
}
