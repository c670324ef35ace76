//! `AtomicU64`, with a lock on targets that do not have it, such as 32-bit MIPS and PowerPC.

#[cfg(target_has_atomic = "64")]
pub(super) use std::sync::atomic::AtomicU64;

#[cfg(not(target_has_atomic = "64"))]
pub(super) use locked::AtomicU64;

#[cfg(any(test, not(target_has_atomic = "64")))]
mod locked {
    use std::sync::atomic::Ordering;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// The methods of the standard type that this crate uses.
    #[derive(Debug, Default)]
    pub(crate) struct AtomicU64(Mutex<u64>);

    impl AtomicU64 {
        pub(crate) const fn new(value: u64) -> AtomicU64 {
            AtomicU64(Mutex::new(value))
        }

        pub(crate) fn load(&self, _: Ordering) -> u64 {
            *self.lock()
        }

        pub(crate) fn store(&self, value: u64, _: Ordering) {
            *self.lock() = value;
        }

        pub(crate) fn fetch_add(&self, value: u64, _: Ordering) -> u64 {
            let mut current = self.lock();
            let before = *current;
            *current = before.wrapping_add(value);
            before
        }

        fn lock(&self) -> MutexGuard<'_, u64> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::locked::AtomicU64;

    #[test]
    fn the_locked_type_behaves_as_the_standard_one() {
        let number = AtomicU64::new(u64::MAX - 1);
        assert_eq!(number.fetch_add(3, Ordering::AcqRel), u64::MAX - 1);
        assert_eq!(number.load(Ordering::Acquire), 1);
        number.store(0, Ordering::Release);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        number.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
        });
        assert_eq!(number.load(Ordering::Acquire), 4000);
    }
}
