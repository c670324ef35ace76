//! Measures evaluations per second of one thread and of two, in turn, so that the load of the machine
//! affects both. Other processes lower the medians by wall time, but not by CPU time. CPU time shows
//! contention only while the threads run at the same time, as in the best rounds.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use phaseflag::{EvaluationContext, PhaseFlagClient};
use phaseflag_benches::realistic;

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(100);

/// How many evaluations happen between two reads of the clock.
const STRETCH: u64 = 1_000;

fn main() {
    let client = PhaseFlagClient::without_service().bootstrap_text(realistic::ruleset(100));
    let client = client.build().unwrap();
    client.start().unwrap();
    let key = realistic::key(0);
    let context = EvaluationContext::new().user_id("user-123").attribute("plan", "pro");

    println!("one flag, million evaluations a second: {ROUNDS} rounds of each");
    compare("get_boolean_value", || {
        black_box(client.get_boolean_value(black_box(&key), false, black_box(&context)));
    });
    let snapshot = client.snapshot();
    compare("get_boolean_value of one snapshot", || {
        black_box(snapshot.get_boolean_value(black_box(&key), false, black_box(&context)));
    });
    compare("get_variation", || {
        black_box(client.get_variation(black_box(&key), black_box(&context)));
    });
    let client = PhaseFlagClient::builder("http://127.0.0.1:9", "sdk-prod-xxxx")
        .bootstrap_text(realistic::ruleset(100))
        .record_evaluations(true)
        .shutdown_timeout(Duration::ZERO);
    let client = client.build().unwrap();
    client.start().unwrap();
    compare("get_boolean_value, recorded", || {
        black_box(client.get_boolean_value(black_box(&key), false, black_box(&context)));
    });
    let snapshot = client.snapshot();
    compare("get_boolean_value of one snapshot, recorded", || {
        black_box(snapshot.get_boolean_value(black_box(&key), false, black_box(&context)));
    });
}

/// Evaluations per second of all threads together, in millions.
struct Rate {
    by_clock: f64,
    /// By CPU time, as if each thread always had a core.
    by_cpu_time: f64,
}

fn compare(name: &str, evaluate: impl Fn() + Sync) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| [rate(1, &evaluate), rate(2, &evaluate)]).collect();
    println!("{name}");
    let by_clock = |rate: &Rate| rate.by_clock;
    print("by the clock, median", &rounds, by_clock, median);
    print("by the clock, best", &rounds, by_clock, best);
    print("by CPU time, median", &rounds, |rate| rate.by_cpu_time, median);
}

fn print(
    name: &str,
    rounds: &[[Rate; 2]],
    read: impl Fn(&Rate) -> f64,
    of_all: impl Fn(Vec<f64>) -> f64,
) {
    let one = of_all(rounds.iter().map(|[one, _]| read(one)).collect());
    let two = of_all(rounds.iter().map(|[_, two]| read(two)).collect());
    println!("  {name:<20}  1 thread {one:5.1}   2 threads {two:5.1}   ratio {:.2}", two / one);
}

fn rate(threads: usize, evaluate: &(impl Fn() + Sync)) -> Rate {
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        let (begin, cpu_time) = (Instant::now(), ThreadTime::now());
        let mut evaluations = 0;
        while begin.elapsed() < ROUND {
            (0..STRETCH).for_each(|_| evaluate());
            evaluations += STRETCH;
        }
        let millions = evaluations as f64 / 1e6;
        Rate {
            by_clock: millions / begin.elapsed().as_secs_f64(),
            by_cpu_time: millions / cpu_time.elapsed().as_secs_f64(),
        }
    };
    let rates: Vec<Rate> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    Rate {
        by_clock: rates.iter().map(|rate| rate.by_clock).sum(),
        by_cpu_time: rates.iter().map(|rate| rate.by_cpu_time).sum(),
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn best(rates: Vec<f64>) -> f64 {
    rates.into_iter().fold(0.0, f64::max)
}
