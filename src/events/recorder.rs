//! Records evaluations as events: each combination of flag, variation and identifier once an
//! interval.

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::atomic::AtomicU64;
use super::event::EvaluationEvent;
use super::fingerprints::{Added, Fingerprints};
use super::ledger::Ledger;
use super::recorded::RecordedEvaluation;
use crate::config::Config;
use crate::context::{EMPTY_CONTEXT, EvaluationContext};
use crate::log::log;
use crate::ruleset::{EvaluationResult, Reason, Ruleset, Serving};

/// The upper limit of different evaluations in an interval. Their fingerprints take 16 MiB.
const MAX_CAPACITY: usize = 1 << 20;

/// Opens a recorder. A function pointer, so that programs that do not record need not link the
/// code.
pub(crate) type NewRecorder = fn(&Config, &Arc<Ledger>, Weak<dyn Tracker>) -> Arc<dyn Recorder>;

/// Receives events.
pub(crate) trait Tracker: Send + Sync {
    /// Queues an event, or counts it as dropped. Never blocks.
    fn take(&self, event: EvaluationEvent);
}

/// Evaluates flags and records the evaluations.
pub(crate) trait Recorder: Send + Sync + RefUnwindSafe + fmt::Debug {
    /// Returns what a flag serves, or `None` if the flag does not exist.
    fn serve<'a>(
        &self,
        ruleset: &'a Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<Serving<'a>>;

    /// Returns the result of a flag, or `None` if the flag does not exist.
    fn evaluate(
        &self,
        ruleset: &Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult>;

    /// Returns the end of the current interval, or `None` if none has begun.
    fn interval_end(&self) -> Option<Instant>;

    /// Ends the current interval if its time is over. The next evaluation begins a new one.
    fn end_due_interval(&self, now: Instant);

    /// Sets whether the caller ends every interval on time from now on. If not, each evaluation
    /// checks the clock.
    fn set_timer_active(&self, active: bool);

    /// Stops recording.
    fn close(&self);
}

/// Opens a recorder that sends its events to `tracker`.
pub(crate) fn open(
    config: &Config,
    ledger: &Arc<Ledger>,
    tracker: Weak<dyn Tracker>,
) -> Arc<dyn Recorder> {
    Arc::new(IntervalRecorder::new(config, ledger, tracker))
}

/// Records up to `capacity` different evaluations an interval.
struct IntervalRecorder {
    fast_path: FastPath,
    /// Whether the current interval is full.
    full: AtomicBool,
    closed: AtomicBool,
    interval: Mutex<Interval>,
    /// The end of the interval, in nanoseconds from `start`, or `NO_END` if none has begun. Changed
    /// under the lock of `interval`.
    end: AtomicU64,
    start: Instant,
    length: Duration,
    capacity: usize,
    ledger: Arc<Ledger>,
    /// Unwind safe, because its locks recover from a panic.
    tracker: AssertUnwindSafe<Weak<dyn Tracker>>,
}

/// The fields that every evaluation reads, on cache lines that rarely change.
#[repr(align(128))]
struct FastPath {
    /// The evaluations recorded in this interval. Changed under the lock of `interval`.
    fingerprints: Fingerprints,
    /// Whether a timer ends the interval on time.
    timer_active: AtomicBool,
}

const NO_END: u64 = u64::MAX;

/// The interval in which each evaluation is recorded once. The first evaluation begins it.
#[derive(Default)]
struct Interval {
    /// How many evaluations were recorded.
    count: usize,
    /// Whether this interval, or a series of full intervals just before it, was warned about.
    warned: bool,
}

/// Whether an evaluation is recorded.
#[derive(Debug, PartialEq)]
enum Decision {
    Recorded,
    Known,
    /// Not recorded, because the interval is full. `first` is whether no warning was logged yet.
    Full {
        first: bool,
    },
}

impl Recorder for IntervalRecorder {
    fn serve<'a>(
        &self,
        ruleset: &'a Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<Serving<'a>> {
        let serving = ruleset.serve(key, context)?;
        let who = context.unwrap_or(&EMPTY_CONTEXT).identifier();
        let evaluation = RecordedEvaluation { key, variation_key: serving.variation_key(), who };
        self.observe(evaluation, || serving.reason());
        Some(serving)
    }

    fn evaluate(
        &self,
        ruleset: &Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        let context = context.unwrap_or(&EMPTY_CONTEXT);
        let result = ruleset.evaluate(key, context)?;
        let variation_key = result.variation_key();
        let evaluation = RecordedEvaluation { key, variation_key, who: context.identifier() };
        self.observe(evaluation, || result.reason());
        Some(result)
    }

    fn interval_end(&self) -> Option<Instant> {
        let end = self.end.load(Ordering::Acquire);
        (end != NO_END).then(|| self.start + Duration::from_nanos(end))
    }

    fn end_due_interval(&self, now: Instant) {
        if self.is_over(now) {
            self.end_if_over(&mut self.interval(), now);
        }
    }

    fn set_timer_active(&self, active: bool) {
        self.fast_path.timer_active.store(active, Ordering::Release);
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl IntervalRecorder {
    fn new(config: &Config, ledger: &Arc<Ledger>, tracker: Weak<dyn Tracker>) -> IntervalRecorder {
        let capacity = config.event_queue_capacity.min(MAX_CAPACITY);
        IntervalRecorder {
            fast_path: FastPath {
                fingerprints: Fingerprints::new(capacity),
                timer_active: AtomicBool::new(false),
            },
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            interval: Mutex::default(),
            end: AtomicU64::new(NO_END),
            start: Instant::now(),
            length: config.event_flush_interval,
            capacity,
            ledger: ledger.clone(),
            tracker: AssertUnwindSafe(tracker),
        }
    }

    /// Records an evaluation, unless it is known in this interval.
    #[inline]
    fn observe(&self, evaluation: RecordedEvaluation<'_>, reason: impl FnOnce() -> Reason) {
        let FastPath { fingerprints, timer_active } = &self.fast_path;
        let fingerprint = evaluation.fingerprint(fingerprints.seed);
        if !timer_active.load(Ordering::Relaxed) || !fingerprints.contains(fingerprint) {
            self.record(evaluation, &reason(), fingerprint);
        }
    }

    /// Records an evaluation that seems new, or checks the clock without a timer.
    #[cold]
    fn record(&self, evaluation: RecordedEvaluation<'_>, reason: &Reason, fingerprint: u64) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        self.end_due_interval(now);
        // Another thread may have just recorded it. Without a timer, every call comes here.
        if self.fast_path.fingerprints.contains(fingerprint) {
            return;
        }
        if self.full.load(Ordering::Acquire) {
            return self.ledger.count_unrecorded();
        }
        let Some(tracker) = self.tracker.upgrade() else { return };
        match self.decide(fingerprint, now) {
            Decision::Recorded => tracker.take(evaluation.event(reason)),
            Decision::Known => {}
            Decision::Full { first } => {
                self.ledger.count_unrecorded();
                if first {
                    log!(
                        warn,
                        "the interval for recorded evaluations is full: new ones are not \
                         recorded until the next interval"
                    );
                }
            }
        }
    }

    /// Decides whether an evaluation is recorded, and marks it as known.
    fn decide(&self, fingerprint: u64, now: Instant) -> Decision {
        let mut interval = self.interval();
        self.end_if_over(&mut interval, now);
        if interval.count == self.capacity {
            // Another thread may have just recorded this evaluation.
            if self.fast_path.fingerprints.contains(fingerprint) {
                return Decision::Known;
            }
            self.full.store(true, Ordering::Release);
            return Decision::Full { first: !std::mem::replace(&mut interval.warned, true) };
        }
        match self.fast_path.fingerprints.add(fingerprint) {
            Added::New => {
                if interval.count == 0 {
                    self.end.store(self.nanoseconds(now + self.length), Ordering::Release);
                }
                interval.count += 1;
                Decision::Recorded
            }
            Added::Known => Decision::Known,
            Added::NoSlot => {
                Decision::Full { first: !std::mem::replace(&mut interval.warned, true) }
            }
        }
    }

    fn end_if_over(&self, interval: &mut Interval, now: Instant) {
        if !self.is_over(now) {
            return;
        }
        self.fast_path.fingerprints.clear();
        self.end.store(NO_END, Ordering::Release);
        let full = self.full.swap(false, Ordering::AcqRel);
        *interval = Interval { warned: full, ..Interval::default() };
    }

    /// Returns whether the time of the current interval is over.
    fn is_over(&self, now: Instant) -> bool {
        self.nanoseconds(now) >= self.end.load(Ordering::Acquire)
    }

    /// Returns the nanoseconds from `start`.
    fn nanoseconds(&self, now: Instant) -> u64 {
        let nanoseconds = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(NO_END).min(NO_END - 1)
    }

    fn interval(&self) -> MutexGuard<'_, Interval> {
        self.interval.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for IntervalRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntervalRecorder").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Identifier;
    use Decision::{Full, Known, Recorded};

    struct Ignore;

    impl Tracker for Ignore {
        fn take(&self, _: EvaluationEvent) {}
    }

    /// Counts the events.
    #[derive(Default)]
    struct Counter(AtomicU64);

    impl Tracker for Counter {
        fn take(&self, _: EvaluationEvent) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Returns a recorder with an interval of a second.
    fn recorder(capacity: usize) -> IntervalRecorder {
        recorder_to(Weak::<Ignore>::new(), capacity, Duration::from_secs(1))
    }

    fn recorder_to(
        tracker: Weak<dyn Tracker>,
        capacity: usize,
        length: Duration,
    ) -> IntervalRecorder {
        let config = Config {
            event_queue_capacity: capacity,
            event_flush_interval: length,
            ..Config::default()
        };
        IntervalRecorder::new(&config, &Arc::new(Ledger::new(capacity)), tracker)
    }

    /// Decides on a fingerprint that is the number, shifted beyond the generation.
    fn decide(recorder: &IntervalRecorder, number: u64, now: Instant) -> Decision {
        recorder.decide(number << 32, now)
    }

    fn user(id: &str) -> RecordedEvaluation<'_> {
        RecordedEvaluation { key: "a", variation_key: None, who: Identifier::User(id) }
    }

    #[test]
    fn without_a_timer_known_evaluations_end_the_interval() {
        let counter = Arc::new(Counter::default());
        let tracker = Arc::downgrade(&counter);
        let recorder = recorder_to(tracker, 10, Duration::from_nanos(1));
        let observe = || recorder.observe(user("u"), || Reason::Default);
        for count in 1..4 {
            let before = Instant::now();
            while Instant::now() == before {}
            observe();
            assert_eq!(counter.0.load(Ordering::Acquire), count);
        }
        // With a timer, they do not check the clock.
        recorder.set_timer_active(true);
        for _ in 0..1000 {
            observe();
        }
        assert_eq!(counter.0.load(Ordering::Acquire), 3);
        recorder.set_timer_active(false);
        observe();
        assert_eq!(counter.0.load(Ordering::Acquire), 4);
    }

    #[test]
    fn an_evaluation_that_another_thread_just_recorded_is_known() {
        let recorder = recorder(1);
        let known = user("1").fingerprint(recorder.fast_path.fingerprints.seed);
        let now = Instant::now();
        assert_eq!(recorder.decide(known, now), Recorded);
        assert_eq!(recorder.decide(!known, now), Full { first: true });
        recorder.record(user("1"), &Reason::Default, known);
        assert_eq!(recorder.ledger.counts().dropped_interval_full, 0);
        recorder.record(user("2"), &Reason::Default, !known);
        assert_eq!(recorder.ledger.counts().dropped_interval_full, 1);
    }

    #[test]
    fn an_interval_begins_with_its_first_evaluation() {
        let (recorder, start) = (recorder(10), Instant::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(recorder.interval_end(), None);
        assert_eq!(decide(&recorder, 1, start), Recorded);
        assert_eq!(decide(&recorder, 2, after(900)), Recorded);
        assert_eq!(recorder.interval_end(), Some(after(1000)));
        recorder.end_due_interval(after(999));
        assert_eq!(decide(&recorder, 1, after(999)), Known);
        recorder.end_due_interval(after(1000));
        assert_eq!(recorder.interval_end(), None);
        assert_eq!(decide(&recorder, 1, after(5000)), Recorded);
        assert_eq!(recorder.interval_end(), Some(after(6000)));
        // The timer is late.
        assert_eq!(decide(&recorder, 2, after(6000)), Recorded);
        assert_eq!(decide(&recorder, 1, after(6000)), Recorded);
    }

    #[test]
    fn evaluations_without_a_slot_are_counted() {
        let counter = Arc::new(Counter::default());
        let tracker = Arc::downgrade(&counter);
        let recorder = recorder_to(tracker, 1000, Duration::from_secs(3600));
        let now = Instant::now();
        // The limit of a probe sequence.
        for number in 1..=128 {
            assert_eq!(decide(&recorder, number, now), Recorded);
        }
        assert_eq!(decide(&recorder, 129, now), Full { first: true });
        assert_eq!(decide(&recorder, 130, now), Full { first: false });
        assert_eq!(decide(&recorder, 1, now), Known);
        recorder.record(user("u"), &Reason::Default, 129 << 32);
        assert_eq!(recorder.ledger.counts().dropped_interval_full, 1);
        // Another probe sequence has free slots.
        recorder.record(user("u"), &Reason::Default, 1 << 10);
        assert_eq!(recorder.ledger.counts().dropped_interval_full, 1);
        assert_eq!(counter.0.load(Ordering::Acquire), 1);
    }

    #[test]
    fn a_series_of_full_intervals_is_warned_about_once() {
        let (recorder, start) = (recorder(1), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(decide(&recorder, 1, start), Recorded);
        assert_eq!(decide(&recorder, 2, start), Full { first: true });
        assert_eq!(decide(&recorder, 2, start), Full { first: false });
        assert_eq!(decide(&recorder, 1, start), Known);
        // A full interval after a full one.
        assert_eq!(decide(&recorder, 2, after(1)), Recorded);
        assert_eq!(decide(&recorder, 1, after(1)), Full { first: false });
        // An interval that is not full.
        assert_eq!(decide(&recorder, 1, after(2)), Recorded);
        assert_eq!(decide(&recorder, 2, after(3)), Recorded);
        assert_eq!(decide(&recorder, 1, after(3)), Full { first: true });
    }
}
