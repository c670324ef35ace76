//! Counts the instructions of evaluations, tracked events and parsing with callgrind.
//!
//! `cargo run --release --bin instructions` compares with the stored figures; `keep` stores the new
//! ones. Each case runs in a separate process; only the calls inside of `measured` are counted.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use phaseflag::{
    ClientBuilder, Evaluation, EvaluationContext, EvaluationEvent, PhaseFlagClient, Ruleset,
};
use phaseflag_benches::kept::{Figure, Kept, Limit};
use phaseflag_benches::process::output;
use phaseflag_benches::realistic;
use phaseflag_benches::serve::serve as service;

const COUNT: Limit = Limit::Share { same_compiler: 0.02, other_compiler: 0.25 };

/// The flag of most cases.
const KEY: &str = "new-checkout-flow";

/// A case: its name, and a function that runs it and returns the number of counted calls.
type Case = (&'static str, fn() -> usize);

const CASES: [Case; 28] = [
    ("no rules", no_rules),
    ("one_of", one_of),
    ("rollout", rollout),
    ("get_variation", get_variation),
    ("cached, one_of", cached_one_of),
    ("string", string),
    ("number", number),
    ("context and rule", context_and_rule),
    ("unknown key", unknown_key),
    ("prerequisite", prerequisite),
    ("segment", segment),
    ("matches_regex", matches_regex),
    ("20 rules", twenty_rules),
    ("100,000 targets", many_targets),
    ("10,000 flags beside", many_flags),
    ("track_event", track_event),
    ("track_event, no service", track_event_without_service),
    ("recorded, no rules", recorded_no_rules),
    ("recorded, one_of", recorded_one_of),
    ("recorded, rollout", recorded_rollout),
    ("recorded, get_variation", recorded_get_variation),
    ("recorded, string", recorded_string),
    ("hooked, no rules", hooked_no_rules),
    ("hooked, one_of", hooked_one_of),
    ("hooked, rollout", hooked_rollout),
    ("hooked, get_variation", hooked_get_variation),
    ("hooked, string", hooked_string),
    ("parse, a flag", parse),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [what, name] = &*arguments
        && what == "case"
    {
        return run(name);
    }
    Kept::new("instructions.txt", "Instructions for each call, counted by callgrind.").run(measure)
}

fn run(name: &str) -> ExitCode {
    match CASES.into_iter().find(|(other, _)| *other == name) {
        Some((_, case)) => println!("{}", case()),
        None => eprintln!("error: there is no case `{name}`"),
    }
    ExitCode::SUCCESS
}

fn measure() -> Result<Vec<Figure>, String> {
    if cfg!(debug_assertions) {
        return Err("this counts only with `--release`".to_owned());
    }
    output(Command::new("valgrind").arg("--version"))
        .map_err(|error| format!("{error}; the instructions are counted by valgrind"))?;
    let folder =
        std::env::temp_dir().join(format!("phaseflag-instructions-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let figures = CASES.into_iter().map(|(name, _)| {
        let value = count(name, &folder.join("callgrind.out"))?;
        Ok(Figure { name: name.to_owned(), value, limit: COUNT })
    });
    let figures = figures.collect();
    let _ = fs::remove_dir_all(&folder);
    figures
}

/// Makes the C library use only instructions that every 64-bit processor has, so that the counts
/// are the same on every machine.
const PLAIN_PROCESSOR: &str = "glibc.cpu.hwcaps=-AVX512VL,-AVX512BW,-AVX512F,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-RTM,-MOVBE,-SSE4_1,-SSE4_2,-SSSE3";

/// Returns the instructions per call of a case, to one decimal.
fn count(name: &str, file: &Path) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let repetitions = output(
        Command::new("valgrind")
            .env("GLIBC_TUNABLES", PLAIN_PROCESSOR)
            .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured*"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(this)
            .args(["case", name]),
    )?;
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number > 0.0);
    match (total.and_then(number), number(&repetitions)) {
        (Some(total), Some(repetitions)) => Ok((total / repetitions * 10.0).round() / 10.0),
        _ => Err(format!("callgrind counted nothing of `{name}`")),
    }
}

/// Calls a function for each item, and returns the number of items. callgrind counts only in here.
#[inline(never)]
fn measured<T>(items: impl IntoIterator<Item = T>, mut work: impl FnMut(T)) -> usize {
    let mut count = 0;
    for item in items {
        work(black_box(item));
        count += 1;
    }
    count
}

/// The number of clients, and of callers, in most cases. Their texts have different addresses, which
/// matters: comparing two texts takes more instructions near the end of a page.
const CLIENTS: usize = 20;
const CALLERS: usize = 200;

/// The arguments of a call.
struct Caller {
    key: String,
    context: EvaluationContext,
}

/// Lets every caller call every client.
fn calls(
    ruleset: &str,
    key: &str,
    context: impl Fn(usize) -> EvaluationContext,
    mut call: impl FnMut(&PhaseFlagClient, &Caller),
) -> usize {
    let clients: Vec<_> = (0..CLIENTS).map(|_| client(ruleset)).collect();
    let caller = |user| Caller { key: key.to_owned(), context: context(user) };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    clients.iter().map(|client| measured(&callers, |caller| call(client, caller))).sum()
}

/// Lets every caller call every recording client, with evaluations that are already recorded.
fn recorded_calls(
    ruleset: &str,
    key: &str,
    context: impl Fn(usize) -> EvaluationContext,
    mut call: impl FnMut(&PhaseFlagClient, &Caller),
) -> usize {
    let clients: Vec<_> = (0..CLIENTS).map(|_| recording(ruleset)).collect();
    let caller = |user| Caller { key: key.to_owned(), context: context(user) };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    for client in &clients {
        callers.iter().for_each(|caller| call(client, caller));
        assert_eq!(client.statistics().events.queued, CALLERS);
    }
    // By then, the delivering threads have started and sleep. Before that, they do not end the
    // intervals, and every call reads a clock.
    thread::sleep(Duration::from_secs(1));
    clients.iter().map(|client| measured(&callers, |caller| call(client, caller))).sum()
}

/// Lets every caller call every client with a hook that does nothing.
fn hooked_calls(
    ruleset: &str,
    key: &str,
    context: impl Fn(usize) -> EvaluationContext,
    mut call: impl FnMut(&PhaseFlagClient, &Caller),
) -> usize {
    let clients: Vec<_> = (0..CLIENTS).map(|_| hooked(ruleset)).collect();
    let caller = |user| Caller { key: key.to_owned(), context: context(user) };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    clients.iter().map(|client| measured(&callers, |caller| call(client, caller))).sum()
}

/// Calls that get the boolean of the flag of most cases.
fn booleans(ruleset: &str, context: impl Fn(usize) -> EvaluationContext) -> usize {
    calls(ruleset, KEY, context, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

fn no_rules() -> usize {
    booleans(&flag(KEY, ""), pro)
}

fn one_of() -> usize {
    booleans(&one_of_flag(), pro)
}

/// A key of 17 bytes, and identifiers of 8.
fn rollout() -> usize {
    booleans(&halves(), somebody)
}

fn get_variation() -> usize {
    calls(&one_of_flag(), KEY, pro, |client, caller| {
        black_box(client.get_variation(&caller.key, &caller.context));
    })
}

/// Rules from the cache, in a client that never needs all of them. Each flag has been used.
fn cached_one_of() -> usize {
    let folder = std::env::temp_dir().join(format!("phaseflag-cached-{}", std::process::id()));
    let url = service(format!(r#"{{"flags":[{}]}}"#, one_of_flag())).expect("a free port");
    let client = || {
        let builder = PhaseFlagClient::builder(&url, "sdk-prod-xxxx").cache_dir(&folder);
        let builder = builder.polling_interval(Duration::ZERO);
        let client = builder.cache_max_age(Duration::from_secs(3600)).build();
        let client = client.expect("the settings are right");
        client.start().expect("a thread");
        client.wait_until_ready(Duration::from_secs(60)).expect("the rules");
        client
    };
    client().stop();
    let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let caller = |user| Caller { key: KEY.to_owned(), context: pro(user) };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    let call = |client: &PhaseFlagClient, caller: &Caller| {
        assert!(black_box(client.get_boolean_value(&caller.key, false, &caller.context)));
    };
    // The second use of any flag indexes the keys.
    clients.iter().for_each(|client| callers.iter().take(2).for_each(|it| call(client, it)));
    let count = clients.iter().map(|client| measured(&callers, |it| call(client, it))).sum();
    let _ = fs::remove_dir_all(&folder);
    count
}

fn string() -> usize {
    calls(&serving("greeting", r#""Hello there""#), "greeting", pro, |client, caller| {
        black_box(client.get_string_value(&caller.key, "", &caller.context));
    })
}

fn number() -> usize {
    calls(&serving("batch-size", "250"), "batch-size", pro, |client, caller| {
        black_box(client.get_number_value(&caller.key, 0.0, &caller.context));
    })
}

fn context_and_rule() -> usize {
    calls(&one_of_flag(), KEY, pro, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &pro(0)));
    })
}

fn unknown_key() -> usize {
    calls(&one_of_flag(), "old-checkout-flow", pro, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

fn prerequisite() -> usize {
    let required = one_of_flag();
    let flag = r#"{"key":"fast-shipping","default_variation":"off","variations":[{"key":"on","value":true},{"key":"off","value":false}],"prerequisites":[{"flag_key":"new-checkout-flow","variation_key":"on"}]}"#;
    calls(&format!("{required},{flag}"), "fast-shipping", pro, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

fn segment() -> usize {
    booleans(&flag(KEY, r#"{"variation":"on","segment_id":"customers"}"#), pro)
}

fn matches_regex() -> usize {
    let rule = rule("email", "matches_regex", r#""@example\\.(com|org)$""#);
    booleans(&flag(KEY, &rule), |user| {
        EvaluationContext::new().attribute("email", format!("person-{user:03}@example.com"))
    })
}

/// The last rule matches.
fn twenty_rules() -> usize {
    let others = (1..20).map(|number| rule("plan", "is", &format!(r#""plan-{number}""#)));
    let rules: Vec<_> = others.chain([rule("plan", "is", r#""pro""#)]).collect();
    booleans(&flag(KEY, &rules.join(",")), pro)
}

fn recorded_no_rules() -> usize {
    recorded_booleans(&flag(KEY, ""), pro)
}

fn recorded_one_of() -> usize {
    recorded_booleans(&one_of_flag(), pro)
}

fn recorded_rollout() -> usize {
    recorded_booleans(&halves(), somebody)
}

fn recorded_booleans(ruleset: &str, context: impl Fn(usize) -> EvaluationContext) -> usize {
    recorded_calls(ruleset, KEY, context, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

fn recorded_get_variation() -> usize {
    recorded_calls(&one_of_flag(), KEY, pro, |client, caller| {
        black_box(client.get_variation(&caller.key, &caller.context));
    })
}

fn recorded_string() -> usize {
    recorded_calls(&serving("greeting", r#""Hello there""#), "greeting", pro, |client, caller| {
        black_box(client.get_string_value(&caller.key, "", &caller.context));
    })
}

fn hooked_no_rules() -> usize {
    hooked_booleans(&flag(KEY, ""), pro)
}

fn hooked_one_of() -> usize {
    hooked_booleans(&one_of_flag(), pro)
}

fn hooked_rollout() -> usize {
    hooked_booleans(&halves(), somebody)
}

fn hooked_booleans(ruleset: &str, context: impl Fn(usize) -> EvaluationContext) -> usize {
    hooked_calls(ruleset, KEY, context, |client, caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

fn hooked_get_variation() -> usize {
    hooked_calls(&one_of_flag(), KEY, pro, |client, caller| {
        black_box(client.get_variation(&caller.key, &caller.context));
    })
}

fn hooked_string() -> usize {
    hooked_calls(&serving("greeting", r#""Hello there""#), "greeting", pro, |client, caller| {
        black_box(client.get_string_value(&caller.key, "", &caller.context));
    })
}

/// Different numbers of targets in the list.
fn many_targets() -> usize {
    let targets: Vec<_> = (0..100_000).map(|user| format!(r#""user-{user:06}""#)).collect();
    let rule = rule("user_id", "one_of", &format!("[{}]", targets.join(",")));
    let client = client(&flag(KEY, &rule));
    let caller = |user| Caller {
        key: KEY.to_owned(),
        context: EvaluationContext::new().user_id(format!("user-{:06}", user * 50)),
    };
    let callers: Vec<_> = (0..2_000).map(caller).collect();
    measured(&callers, |caller| {
        black_box(client.get_boolean_value(&caller.key, false, &caller.context));
    })
}

/// Evaluates each flag once.
fn many_flags() -> usize {
    let keys: Vec<_> = (0..10_000).map(realistic::key).collect();
    let flags: Vec<_> = keys.iter().map(|key| flag(key, "")).collect();
    let client = client(&flags.join(","));
    let context = pro(0);
    measured(&keys, |key| {
        black_box(client.get_boolean_value(key, false, &context));
    })
}

/// The events are queued; no thread delivers them.
fn track_event() -> usize {
    let client = PhaseFlagClient::builder("http://127.0.0.1:9", "sdk-prod-xxxx")
        .shutdown_timeout(Duration::ZERO)
        .build()
        .expect("the settings are right");
    track(&client)
}

fn track_event_without_service() -> usize {
    track(&client(&one_of_flag()))
}

fn track(client: &PhaseFlagClient) -> usize {
    measured(0..1_000, |_| {
        client.track_event(EvaluationEvent::new(KEY).user_id("user-123"));
    })
}

/// The rulesets are kept until all have been parsed.
fn parse() -> usize {
    const FLAGS: usize = 1_000;
    let text = realistic::ruleset(FLAGS);
    let mut parsed = Vec::with_capacity(10);
    measured(0..10, |_| parsed.push(Ruleset::parse(&text))) * FLAGS
}

fn somebody(user: usize) -> EvaluationContext {
    EvaluationContext::new().user_id(format!("user-{user:03}"))
}

/// Users of one plan.
fn pro(user: usize) -> EvaluationContext {
    EvaluationContext::new()
        .user_id(format!("user-{user:03}"))
        .attribute("country", "CA")
        .attribute("plan", "pro")
        .attribute("seats", 12)
}

fn halves() -> String {
    let halves = r#"{"conditions":[],"percentage_rollout":[{"variation":"on","weight":50},{"variation":"off","weight":50}]}"#;
    flag(KEY, halves)
}

fn one_of_flag() -> String {
    flag(KEY, &rule("plan", "one_of", r#"["team","pro","enterprise"]"#))
}

fn rule(attribute: &str, operator: &str, value: &str) -> String {
    format!(
        r#"{{"variation":"on","conditions":[{{"attribute":"{attribute}","operator":"{operator}","value":{value}}}]}}"#,
    )
}

fn flag(key: &str, rules: &str) -> String {
    format!(
        r#"{{"key":"{key}","default_variation":"off","variations":[{{"key":"on","value":true}},{{"key":"off","value":false}}],"targeting_rules":[{rules}]}}"#,
    )
}

fn serving(key: &str, value: &str) -> String {
    format!(
        r#"{{"key":"{key}","default_variation":"v","variations":[{{"key":"v","value":{value}}}]}}"#,
    )
}

/// Returns a client that serves these flags, which have no problems.
fn client(flags: &str) -> PhaseFlagClient {
    serve(PhaseFlagClient::without_service(), flags)
}

/// Returns such a client with a hook that does nothing.
fn hooked(flags: &str) -> PhaseFlagClient {
    let hook = |evaluation: &Evaluation<'_>| _ = black_box(evaluation);
    serve(PhaseFlagClient::without_service().on_evaluation(hook), flags)
}

/// Returns such a client that records evaluations, with a service that does not respond.
fn recording(flags: &str) -> PhaseFlagClient {
    let hour = Duration::from_secs(3600);
    let builder = PhaseFlagClient::builder("http://127.0.0.1:9", "sdk-prod-xxxx")
        .record_evaluations(true)
        .event_flush_interval(hour)
        .event_batch_size(10_000)
        .shutdown_timeout(Duration::ZERO);
    serve(builder, flags)
}

fn serve(builder: ClientBuilder, flags: &str) -> PhaseFlagClient {
    let segment =
        r#"{"id":"customers","conditions":[{"attribute":"plan","operator":"is","value":"pro"}]}"#;
    let client = builder
        .bootstrap_text(format!(r#"{{"flags":[{flags}],"segments":[{segment}]}}"#))
        .build()
        .expect("the settings are right");
    client.start().expect("the rules are right");
    let ruleset = client.ruleset().expect("the rules are there");
    assert!(ruleset.problems().is_empty(), "{:?}", ruleset.problems());
    client
}
