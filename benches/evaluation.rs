//! Measures one evaluation, by its path. The time depends on the number of rules that are tried, not
//! on the size of the ruleset or of a list.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use phaseflag::{ClientBuilder, Evaluation, EvaluationContext, PhaseFlagClient};
use phaseflag_benches::{realistic, sketch};

const KEY: &str = "new-checkout-flow";
const USER: &str = "user-123";

/// The numbers of flags in a ruleset: the evaluated one alone, or among others.
const SIZES: [usize; 2] = [1, 10_000];

const ONE_OF: &str = r#"{"attribute":"plan","operator":"one_of","value":["free","pro","team"]}"#;

const OPERATORS: [(&str, &str, &str); 11] = [
    ("is", "plan", r#""pro""#),
    ("is_not", "plan", r#""free""#),
    ("contains", "email", r#""@example""#),
    ("not_contains", "email", r#""@internal""#),
    ("one_of", "plan", r#"["free","pro","team"]"#),
    ("not_one_of", "plan", r#"["free","team"]"#),
    ("gt", "account_age", "30"),
    ("lt", "account_age", "1000"),
    ("matches_regex", "email", r#""@example\\.(com|org)$""#),
    ("version_gt", "app_version", r#""2.4""#),
    ("version_lt", "app_version", r#""3.0.0-rc.1""#),
];

/// Attributes of a context that no condition uses.
const NAMES: [&str; 19] = [
    "country",
    "language",
    "device",
    "browser",
    "account_age",
    "email",
    "company",
    "role",
    "region",
    "app_version",
    "platform",
    "signup_date",
    "seats",
    "currency",
    "referrer",
    "timezone",
    "beta",
    "cohort",
    "tenant",
];

/// A flag that serves `true` by its rules and `false` without.
fn flag(prerequisites: &str, rules: &str) -> String {
    flag_of(["true", "false"], prerequisites, rules)
}

fn flag_of([on, off]: [&str; 2], prerequisites: &str, rules: &str) -> String {
    format!(
        r#"{{"id":"f","key":"{KEY}","flag_type":"boolean","status":"active","default_variation_id":"v-off",
        "variations":[{{"id":"v-on","key":"on","value":{on}}},{{"id":"v-off","key":"off","value":{off}}}],
        "prerequisites":[{prerequisites}],"targeting_rules":[{rules}]}}"#
    )
}

fn condition(attribute: &str, operator: &str, target: &str) -> String {
    format!(r#"{{"attribute":"{attribute}","operator":"{operator}","value":{target}}}"#)
}

/// A rule that serves the first variation if the conditions hold.
fn rule(conditions: &str) -> String {
    format!(r#"{{"priority":1,"conditions":[{conditions}],"variation_id":"v-on"}}"#)
}

/// A ruleset with this flag, alone or among others, and a segment.
fn ruleset(flag: &str, size: usize) -> String {
    let segment = format!(r#"{{"id":"seg-pro","key":"pro","conditions":[{ONE_OF}]}}"#);
    match size {
        1 => format!(r#"{{"version":"1","flags":[{flag}],"segments":[{segment}]}}"#),
        _ => realistic::ruleset(size - 1)
            .replacen(r#""flags":["#, &format!(r#""flags":[{flag},"#), 1)
            .replacen(r#""segments":["#, &format!(r#""segments":[{segment},"#), 1),
    }
}

fn started(settings: ClientBuilder) -> PhaseFlagClient {
    let client = settings.build().unwrap();
    client.start().unwrap();
    client
}

fn client(flag: &str, size: usize) -> PhaseFlagClient {
    let client = started(PhaseFlagClient::without_service().bootstrap_text(ruleset(flag, size)));
    assert!(client.snapshot().ruleset().unwrap().problems().is_empty());
    client
}

/// The context of most benchmarks.
fn context() -> EvaluationContext {
    EvaluationContext::new()
        .user_id(black_box(USER))
        .attribute("plan", black_box("pro"))
        .attribute("country", black_box("US"))
}

/// The same for the sketch.
fn sketched_context() -> sketch::Context {
    let attribute = |name: &str, value: &str| (name.to_owned(), black_box(value).to_owned());
    sketch::Context {
        user_id: black_box(USER).to_owned(),
        attributes: vec![attribute("plan", "pro"), attribute("country", "US")],
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Measures a call on a client of each size, with the usual context.
fn both<T>(
    group: &mut Group<'_>,
    name: &str,
    flag: &str,
    ask: impl Fn(&PhaseFlagClient, &EvaluationContext) -> T,
) {
    for size in SIZES {
        let (client, context) = (client(flag, size), context());
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter(|| ask(&client, black_box(&context)));
        });
    }
}

/// As `both`, followed by the same call on the sketch, under the same load of the machine.
fn compared(
    group: &mut Group<'_>,
    name: &str,
    flag: &str,
    ask: impl Fn(&PhaseFlagClient, &EvaluationContext) -> bool,
    ask_sketch: impl Fn(&sketch::Flags, &sketch::Context) -> bool,
) {
    both(group, name, flag, ask);
    for size in SIZES {
        let flags = sketch::Flags::new(&sketch::parse(&ruleset(flag, size)).unwrap());
        let context = sketched_context();
        group.bench_function(BenchmarkId::new(format!("{name}_sketch"), size), |bencher| {
            bencher.iter(|| ask_sketch(&flags, black_box(&context)));
        });
    }
}

/// Measures calls on a client without a hook, followed by the same calls with one that does nothing,
/// under the same load of the machine. The second takes at most 1.5 times as long.
fn hooks(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("hook");
    let one_of = rule(ONE_OF);
    let rollout = r#"{"priority":1,"conditions":[],"percentage_rollout":{"variations":[
        {"variation_id":"v-on","weight":60},{"variation_id":"v-off","weight":40}]}}"#;
    let context = context();
    for (name, rules) in [("no_rules", ""), ("one_of", &one_of), ("rollout", rollout)] {
        let text = ruleset(&flag("", rules), 1);
        let without = started(PhaseFlagClient::without_service().bootstrap_text(text.as_str()));
        let hook = |evaluation: &Evaluation<'_>| _ = black_box(evaluation);
        let settings =
            PhaseFlagClient::without_service().bootstrap_text(text.as_str()).on_evaluation(hook);
        for (hooked, client) in [("without", without), ("with", started(settings))] {
            let snapshot = client.snapshot();
            let id = |call: &str| BenchmarkId::new(format!("{name}_{call}"), hooked);
            group.bench_function(id("boolean"), |bencher| {
                bencher.iter(|| ask(&client, black_box(&context)));
            });
            group.bench_function(id("variation"), |bencher| {
                bencher.iter(|| client.get_variation(black_box(KEY), black_box(&context)));
            });
            group.bench_function(id("snapshot"), |bencher| {
                let context = black_box(&context);
                bencher.iter(|| snapshot.get_boolean_value(black_box(KEY), false, context));
            });
        }
    }
}

/// As `both`, on an existing snapshot.
fn snapshots(group: &mut Group<'_>, name: &str, flag: &str) {
    for size in SIZES {
        let (snapshot, context) = (client(flag, size).snapshot(), context());
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter(|| snapshot.get_boolean_value(black_box(KEY), false, black_box(&context)));
        });
    }
}

/// Measures the flag with a context for which it serves `true`.
fn one(
    group: &mut Group<'_>,
    id: BenchmarkId,
    flag: &str,
    size: usize,
    context: &EvaluationContext,
) {
    let client = client(flag, size);
    group.bench_function(id, |bencher| bencher.iter(|| on(&client, black_box(context))));
}

fn ask(client: &PhaseFlagClient, context: &EvaluationContext) -> bool {
    client.get_boolean_value(black_box(KEY), false, context)
}

fn ask_sketch(flags: &sketch::Flags, context: &sketch::Context) -> bool {
    flags.get_boolean_value(black_box(KEY), false, context)
}

/// As `ask`, of a flag that must serve `true`.
fn on(client: &PhaseFlagClient, context: &EvaluationContext) -> bool {
    let served = ask(client, context);
    assert!(served);
    served
}

fn paths(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("path");
    let one_of = flag("", &rule(ONE_OF));
    let rollout = r#"{"priority":1,"conditions":[],"percentage_rollout":{"variations":[
        {"variation_id":"v-on","weight":60},{"variation_id":"v-off","weight":40}]}}"#;
    both(group, "unknown_key", &one_of, |client, context| {
        client.get_boolean_value(black_box("no-such-flag-here"), false, context)
    });
    compared(group, "no_rules", &flag("", ""), ask, ask_sketch);
    compared(group, "one_of", &one_of, on, ask_sketch);
    compared(group, "rollout", &flag("", rollout), on, ask_sketch);
    compared(
        group,
        "context_built_one_of",
        &one_of,
        |client, _| on(client, &context()),
        |flags, _| ask_sketch(flags, &sketched_context()),
    );
    let gate = flag("", &rule(ONE_OF)).replace(KEY, "gate");
    let behind = flag(r#"{"flag_key":"gate","variation_key":"on"}"#, &rule(ONE_OF));
    both(group, "prerequisite", &format!("{gate},{behind}"), on);
    let in_segment = rule("").replace("}", r#","segment_id":"seg-pro"}"#);
    both(group, "segment", &flag("", &in_segment), on);
    both(group, "snapshot_taken", &one_of, |client, _| client.snapshot());
    snapshots(group, "snapshot_no_rules", &flag("", ""));
    snapshots(group, "snapshot_one_of", &one_of);

    both(group, "get_variation", &one_of, |client, context| {
        client.get_variation(black_box(KEY), context)
    });
    let text = flag_of([r#""redesigned""#, r#""classic""#], "", &rule(ONE_OF));
    both(group, "get_string_value", &text, |client, context| {
        client.get_string_value(black_box(KEY), "", context)
    });
    let number = flag_of(["500", "50"], "", &rule(ONE_OF));
    both(group, "get_number_value", &number, |client, context| {
        client.get_number_value(black_box(KEY), 0.0, context)
    });
    let object = flag_of([r#"{"limit":20,"label":"gold"}"#, "{}"], "", &rule(ONE_OF));
    both(group, "get_json_value", &object, |client, context| {
        client.get_json_value(black_box(KEY), false, context)
    });
}

fn operators(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operator");
    let context = context()
        .attribute("email", "jane.doe@example.com")
        .attribute("account_age", 365)
        .attribute("app_version", "2.10.0");
    for (operator, attribute, target) in OPERATORS {
        let flag = flag("", &rule(&condition(attribute, operator, target)));
        for size in SIZES {
            one(&mut group, BenchmarkId::new(operator, size), &flag, size, &context);
        }
    }
}

/// Measures rules of which the last one matches.
fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    for count in [1, 2, 5, 10, 20] {
        let mut rules: Vec<_> = (1..count)
            .map(|number| rule(&condition("plan", "is", &format!(r#""plan-{number}""#))))
            .collect();
        rules.push(rule(&condition("plan", "is", r#""pro""#)));
        let flag = flag("", &rules.join(","));
        one(&mut group, BenchmarkId::from_parameter(count), &flag, 1, &context());
    }
}

/// Measures lists of which the last element matches.
fn targets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("targets");
    for count in [1, 10, 100, 1_000, 10_000, 100_000] {
        let others: String = (1..count).map(|number| format!(r#""customer-{number}","#)).collect();
        let list = format!(r#"[{others}"{USER}"]"#);
        let flag = flag("", &rule(&condition("user_id", "one_of", &list)));
        one(&mut group, BenchmarkId::from_parameter(count), &flag, 1, &context());
    }
}

/// Measures contexts of which one attribute is used.
fn attributes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attributes");
    let flag = flag("", &rule(&condition("plan", "is", r#""pro""#)));
    for count in [1, 2, 5, 10, 20] {
        let others = EvaluationContext::new().user_id(USER);
        let others = NAMES.iter().take(count - 1).fold(others, |all, name| all.attribute(*name, 1));
        let context = others.attribute("plan", "pro");
        one(&mut group, BenchmarkId::from_parameter(count), &flag, 1, &context);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .nresamples(10_000);
    targets = paths, hooks, operators, rules, targets, attributes
}
criterion_main!(benches);
