//! Evaluations that become events: each flag, variation and identifier once an interval.
//!
//! What was seen in this interval is known by fingerprints, which are read without a lock; only
//! what seems new goes on to one. No lock is held while an event is queued or a line is logged.
//!
//! Whoever ends intervals on time says so; where nobody does, each evaluation looks at the clock.

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::evaluation::Evaluation;
use super::event::EvaluationEvent;
use super::fingerprints::{Added, Fingerprints};
use super::ledger::Ledger;
use crate::config::Config;
use crate::context::{EvaluationContext, NOBODY};
use crate::log::log;
use crate::ruleset::{EvaluationResult, Reason, Ruleset};
use crate::value::Value;
use crate::worker::guarded;

/// The most different evaluations of an interval, whatever the capacity of the queue: their
/// fingerprints take 16 MiB.
const MOST: usize = 1 << 20;

/// How to make a recorder.
pub(crate) type NewRecorder = fn(&Config, &Arc<Ledger>, Weak<dyn Tracker>) -> Arc<dyn Recorder>;

/// Where events go.
pub(crate) trait Tracker: Send + Sync {
    /// Queues an event, or counts it as dropped. Never blocks.
    fn take(&self, event: EvaluationEvent);
}

/// Evaluates flags, and makes events of that.
pub(crate) trait Recorder: Send + Sync + RefUnwindSafe + fmt::Debug {
    /// Returns the value that a flag serves; `None` where there is none.
    fn read<'a>(
        &self,
        ruleset: &'a Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<&'a Value>;

    /// Returns what a flag serves, and why; `None` where there is no such flag.
    fn evaluate(
        &self,
        ruleset: &Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult>;

    /// Returns when the interval is over that has begun; `None` where nothing was recorded since
    /// the one before.
    fn ends(&self) -> Option<Instant>;

    /// Ends the interval, where its time is over. The next one begins with an evaluation.
    fn end(&self, now: Instant);

    /// Says whether intervals are ended on time from now on, those included that have not begun.
    fn set_active(&self, attended: bool);

    /// Records no more.
    fn close(&self);
}

/// Makes a recorder, which does not keep the tracker alive.
pub(crate) fn open(
    config: &Config,
    ledger: &Arc<Ledger>,
    tracker: Weak<dyn Tracker>,
) -> Arc<dyn Recorder> {
    Arc::new(Recording::new(config, ledger, tracker))
}

struct Recording {
    seen: Seen,
    /// Whether the interval has no room for more.
    full: AtomicBool,
    closed: AtomicBool,
    interval: Mutex<Interval>,
    /// When the interval is over, in nanoseconds from `origin`; `NO_END` where none has begun.
    /// Changed under the lock of the interval.
    ends: AtomicU64,
    origin: Instant,
    length: Duration,
    most: usize,
    ledger: Arc<Ledger>,
    /// Its locks recover from a panic.
    tracker: AssertUnwindSafe<Weak<dyn Tracker>>,
}

/// What each evaluation reads. Nothing beside it that changes often is on its cache lines.
#[repr(align(128))]
struct Seen {
    /// What was recorded in this interval. Changed under its lock.
    fingerprints: Fingerprints,
    /// Whether nobody ends the interval on time.
    unattended: AtomicBool,
}

const NO_END: u64 = u64::MAX;

#[derive(Default)]
struct Interval {
    /// How many evaluations were recorded. It begins with the first.
    count: usize,
    /// Whether somebody was told that there is no more room, in this one or, where the one before
    /// was full, in that.
    warned: bool,
}

/// Whether an evaluation becomes an event.
#[derive(Debug, PartialEq)]
enum Verdict {
    Recorded,
    Known,
    /// There is no room; `first` where nobody was told.
    NoRoom {
        first: bool,
    },
}

impl Recorder for Recording {
    fn read<'a>(
        &self,
        ruleset: &'a Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<&'a Value> {
        let context = context.unwrap_or(&NOBODY);
        let serving = ruleset.serve(key, context)?;
        let variation_key = serving.variation_key();
        self.note(Evaluation { key, variation_key, who: context.who() }, &serving.reason);
        serving.value()
    }

    fn evaluate(
        &self,
        ruleset: &Ruleset,
        key: &str,
        context: Option<&EvaluationContext>,
    ) -> Option<EvaluationResult> {
        let context = context.unwrap_or(&NOBODY);
        let result = ruleset.evaluate(key, context)?;
        let variation_key = result.variation_key();
        let evaluation = Evaluation { key, variation_key, who: context.who() };
        self.note(evaluation, &result.reason());
        Some(result)
    }

    fn ends(&self) -> Option<Instant> {
        let ends = self.ends.load(Ordering::Acquire);
        (ends != NO_END).then(|| self.origin + Duration::from_nanos(ends))
    }

    fn end(&self, now: Instant) {
        if self.is_over(now) {
            self.end_interval(&mut self.interval(), now);
        }
    }

    fn set_active(&self, attended: bool) {
        self.seen.unattended.store(!attended, Ordering::Release);
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl Recording {
    fn new(config: &Config, ledger: &Arc<Ledger>, tracker: Weak<dyn Tracker>) -> Recording {
        let most = config.event_queue_capacity.min(MOST);
        Recording {
            seen: Seen { fingerprints: Fingerprints::new(most), unattended: AtomicBool::new(true) },
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            interval: Mutex::default(),
            ends: AtomicU64::new(NO_END),
            origin: Instant::now(),
            length: config.event_flush_interval,
            most,
            ledger: ledger.clone(),
            tracker: AssertUnwindSafe(tracker),
        }
    }

    #[inline]
    fn note(&self, evaluation: Evaluation<'_>, reason: &Reason) {
        let Seen { fingerprints, unattended } = &self.seen;
        let fingerprint = evaluation.fingerprint(fingerprints.seed);
        if unattended.load(Ordering::Relaxed) || !fingerprints.contains(fingerprint) {
            self.record(evaluation, reason, fingerprint);
        }
    }

    #[cold]
    fn record(&self, evaluation: Evaluation<'_>, reason: &Reason, fingerprint: u64) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        self.end(now);
        // It may be known since a moment ago, or have been all along.
        if self.seen.fingerprints.contains(fingerprint) {
            return;
        }
        if self.full.load(Ordering::Acquire) {
            return self.ledger.pass_over();
        }
        let Some(tracker) = self.tracker.upgrade() else { return };
        match self.judge(fingerprint, now) {
            // A logger may panic, which no getter should.
            Verdict::Recorded => {
                guarded(|| tracker.take(evaluation.event(reason)));
            }
            Verdict::Known => {}
            Verdict::NoRoom { first } => {
                self.ledger.pass_over();
                if first {
                    guarded(|| {
                        log!(
                            warn,
                            "an interval has no room for more evaluations: new ones are not \
                             recorded until the next"
                        );
                    });
                }
            }
        }
    }

    fn judge(&self, fingerprint: u64, now: Instant) -> Verdict {
        let mut interval = self.interval();
        self.end_interval(&mut interval, now);
        if interval.count == self.most {
            // Another thread may have recorded this one, and the last, a moment ago.
            if self.seen.fingerprints.contains(fingerprint) {
                return Verdict::Known;
            }
            self.full.store(true, Ordering::Release);
            return Verdict::NoRoom { first: !std::mem::replace(&mut interval.warned, true) };
        }
        match self.seen.fingerprints.add(fingerprint) {
            Added::New => {
                if interval.count == 0 {
                    self.ends.store(self.nanoseconds(now + self.length), Ordering::Release);
                }
                interval.count += 1;
                Verdict::Recorded
            }
            Added::Known => Verdict::Known,
            Added::TooFar => {
                Verdict::NoRoom { first: !std::mem::replace(&mut interval.warned, true) }
            }
        }
    }

    fn end_interval(&self, interval: &mut Interval, now: Instant) {
        if !self.is_over(now) {
            return;
        }
        self.seen.fingerprints.forget();
        self.ends.store(NO_END, Ordering::Release);
        let full = self.full.swap(false, Ordering::AcqRel);
        *interval = Interval { warned: full, ..Interval::default() };
    }

    /// Returns whether there is an interval that should have ended.
    fn is_over(&self, now: Instant) -> bool {
        self.nanoseconds(now) >= self.ends.load(Ordering::Acquire)
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        let nanoseconds = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(NO_END).min(NO_END - 1)
    }

    fn interval(&self) -> MutexGuard<'_, Interval> {
        self.interval.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Who;
    use Verdict::{Known, NoRoom, Recorded};

    struct Nobody;

    impl Tracker for Nobody {
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

    /// Records so many different evaluations in an interval of a second.
    fn recording(most: usize) -> Recording {
        recording_to(Weak::<Nobody>::new(), most, Duration::from_secs(1))
    }

    fn recording_to(tracker: Weak<dyn Tracker>, most: usize, length: Duration) -> Recording {
        let config = Config {
            event_queue_capacity: most,
            event_flush_interval: length,
            ..Config::default()
        };
        Recording::new(&config, &Arc::new(Ledger::new(most)), tracker)
    }

    /// Judges one of some fingerprints that differ beyond their marks.
    fn judge(recording: &Recording, number: u64, now: Instant) -> Verdict {
        recording.judge(number << 32, now)
    }

    fn user(id: &str) -> Evaluation<'_> {
        Evaluation { key: "a", variation_key: None, who: Who::User(id) }
    }

    #[test]
    fn known_evaluations_end_an_interval_that_nobody_attends_to() {
        let counter = Arc::new(Counter::default());
        let tracker = Arc::downgrade(&counter);
        let recording = recording_to(tracker, 10, Duration::from_nanos(1));
        let note = || recording.note(user("u"), &Reason::Default);
        for count in 1..4 {
            let before = Instant::now();
            while Instant::now() == before {}
            note();
            assert_eq!(counter.0.load(Ordering::Acquire), count);
        }
        // Where somebody does, none of them looks at the clock.
        recording.set_active(true);
        for _ in 0..1000 {
            note();
        }
        assert_eq!(counter.0.load(Ordering::Acquire), 3);
        recording.set_active(false);
        note();
        assert_eq!(counter.0.load(Ordering::Acquire), 4);
    }

    #[test]
    fn what_another_thread_has_just_recorded_is_not_passed_over() {
        let recording = recording(1);
        let known = user("1").fingerprint(recording.seen.fingerprints.seed);
        let now = Instant::now();
        assert_eq!(recording.judge(known, now), Recorded);
        assert_eq!(recording.judge(!known, now), NoRoom { first: true });
        recording.record(user("1"), &Reason::Default, known);
        assert_eq!(recording.ledger.counts().dropped_interval_full, 0);
        recording.record(user("2"), &Reason::Default, !known);
        assert_eq!(recording.ledger.counts().dropped_interval_full, 1);
    }

    #[test]
    fn an_interval_is_counted_from_its_first_evaluation() {
        let (recording, start) = (recording(10), Instant::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(recording.ends(), None);
        assert_eq!(judge(&recording, 1, start), Recorded);
        assert_eq!(judge(&recording, 2, after(900)), Recorded);
        assert_eq!(recording.ends(), Some(after(1000)));
        recording.end(after(999));
        assert_eq!(judge(&recording, 1, after(999)), Known);
        recording.end(after(1000));
        assert_eq!(recording.ends(), None);
        assert_eq!(judge(&recording, 1, after(5000)), Recorded);
        assert_eq!(recording.ends(), Some(after(6000)));
        // Where the thread that ends it is busy.
        assert_eq!(judge(&recording, 2, after(6000)), Recorded);
        assert_eq!(judge(&recording, 1, after(6000)), Recorded);
    }

    #[test]
    fn what_finds_no_place_is_counted() {
        let counter = Arc::new(Counter::default());
        let tracker = Arc::downgrade(&counter);
        let recording = recording_to(tracker, 1000, Duration::from_secs(3600));
        let now = Instant::now();
        // A place has room for so many that meet there.
        for number in 1..=128 {
            assert_eq!(judge(&recording, number, now), Recorded);
        }
        assert_eq!(judge(&recording, 129, now), NoRoom { first: true });
        assert_eq!(judge(&recording, 130, now), NoRoom { first: false });
        assert_eq!(judge(&recording, 1, now), Known);
        recording.record(user("u"), &Reason::Default, 129 << 32);
        assert_eq!(recording.ledger.counts().dropped_interval_full, 1);
        // Elsewhere there is room.
        recording.record(user("u"), &Reason::Default, 1 << 10);
        assert_eq!(recording.ledger.counts().dropped_interval_full, 1);
        assert_eq!(counter.0.load(Ordering::Acquire), 1);
    }

    #[test]
    fn that_there_is_no_room_is_said_once_an_episode() {
        let (recording, start) = (recording(1), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(judge(&recording, 1, start), Recorded);
        assert_eq!(judge(&recording, 2, start), NoRoom { first: true });
        assert_eq!(judge(&recording, 2, start), NoRoom { first: false });
        assert_eq!(judge(&recording, 1, start), Known);
        // One that follows a full one, and is full itself.
        assert_eq!(judge(&recording, 2, after(1)), Recorded);
        assert_eq!(judge(&recording, 1, after(1)), NoRoom { first: false });
        // One that is not.
        assert_eq!(judge(&recording, 1, after(2)), Recorded);
        assert_eq!(judge(&recording, 2, after(3)), Recorded);
        assert_eq!(judge(&recording, 1, after(3)), NoRoom { first: true });
    }
}
