//! What reading a ruleset costs, beside the sketch's bare structs and beside any JSON value.

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
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

/// Measures without the time that it takes to drop what was read.
fn each<T>(bencher: &mut Bencher<'_>, read: impl Fn() -> T) {
    bencher.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
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
criterion_main!(benches);
