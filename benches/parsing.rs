//! Measures parsing a ruleset, compared with the structs of the sketch and with a JSON value.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group};
use phaseflag::{Ruleset, Value};
use phaseflag_benches::{realistic, sketch};

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for flags in [100, 1_000, 10_000] {
        let text = realistic::ruleset(flags);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("ruleset", flags), |bencher| {
            each(bencher, || Ruleset::parse(black_box(&text)).unwrap());
        });
        group.bench_function(BenchmarkId::new("sketch", flags), |bencher| {
            each(bencher, || sketch::parse(black_box(&text)).unwrap());
        });
        group.bench_function(BenchmarkId::new("value", flags), |bencher| {
            each(bencher, || black_box(&text).parse::<Value>().unwrap());
        });
    }
}

/// Measures parsing without the time to drop the result.
fn each<T>(bencher: &mut Bencher<'_>, read: impl Fn() -> T) {
    bencher.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
}

/// How many times both of a pair are measured in turn.
const ROUNDS: usize = 25;

/// Load of the machine affects both of a pair, so their ratio is more stable than either time.
fn pair() {
    let text = realistic::ruleset(10_000);
    let (mut rulesets, mut structs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rulesets.push(times(|| Ruleset::parse(&text).unwrap()));
        structs.push(times(|| sketch::parse(&text).unwrap()));
    }
    println!("10,000 flags, {ROUNDS} times in turn, medians");
    let read = [&rulesets, &structs].map(|times| median(times.iter().map(|(read, _)| *read)));
    let both =
        [&rulesets, &structs].map(|times| median(times.iter().map(|(read, drop)| read + drop)));
    for (what, [ruleset, structs]) in [("read", read), ("read and dropped", both)] {
        let ratio = ruleset / structs;
        println!(
            "  {what}: ruleset {ruleset:.2} ms, bare structs {structs:.2} ms, ratio {ratio:.2}"
        );
    }
}

/// Returns the milliseconds that parsing takes, without and with dropping the result.
fn times<T>(read: impl Fn() -> T) -> (f64, f64) {
    let milliseconds = |begin: Instant| begin.elapsed().as_secs_f64() * 1e3;
    let begin = Instant::now();
    let document = black_box(read());
    let read = milliseconds(begin);
    let begin = Instant::now();
    drop(document);
    (read, milliseconds(begin))
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<_> = times.collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .nresamples(10_000);
    targets = parsing
}

fn main() {
    benches();
    pair();
    Criterion::default().configure_from_args().final_summary();
}
