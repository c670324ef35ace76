//! Limits how many requests an address may send per minute.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The maximum number of requests per address and window.
pub(crate) const MAX_REQUESTS: u32 = 120;

/// The length of a window. The first request after the end of a window begins the next one.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts the requests of each address.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// The current window of each address.
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    address: IpAddr,
    begin: Instant,
    requests: u32,
}

impl RateLimit {
    /// Counts a request, and returns how many more the address may send in this window.
    ///
    /// # Errors
    ///
    /// The time until the window ends, if this request exceeds the limit.
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
    fn each_address_has_a_window() {
        let mut limit = RateLimit::default();
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
