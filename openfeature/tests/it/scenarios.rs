//! Runs OpenFeature's scenarios for providers, and more of this provider, through the API of
//! OpenFeature: with a bootstrap, and with a service on loopback.

use open_feature::{
    Client, EvaluationContext, EvaluationDetails, EvaluationResult, FlagMetadata, OpenFeature,
    StructValue,
};
use phaseflag::{Object, PhaseFlagClient, Value};
use phaseflag_openfeature::{PhaseFlagProvider, from_struct, to_value};

#[cfg(feature = "http")]
use crate::support;

const FLAGS: &str = include_str!("../data/flags.json");
const SCENARIOS: &str = include_str!("../data/scenarios.json");

#[tokio::test]
async fn with_a_bootstrap() {
    let client = PhaseFlagClient::without_service().bootstrap_text(FLAGS).build().unwrap();
    run(client).await;
}

#[cfg(feature = "http")]
#[tokio::test]
async fn with_a_service() {
    let server = support::Server::with_ruleset(FLAGS);
    run(support::builder(&server).build().unwrap()).await;
}

#[test]
fn the_flags_of_the_scenarios_have_no_findings() {
    let findings = phaseflag::Ruleset::check(FLAGS).unwrap();
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "line 226, column 32: flags[22].targeting_rules[0].percentage_rollout: \
             the weights sum to 50: buckets 50 to 99 fall through to the default variation",
            "line 320, column 5: flags[34].default_variation: the flag is on and names no \
             default variation: the value served is null if no rule decides",
        ]
    );
}

async fn run(client: PhaseFlagClient) {
    let mut api = OpenFeature::default();
    api.set_provider(PhaseFlagProvider::new(client)).await;
    let flags = api.create_client();
    let scenarios: Value = SCENARIOS.parse().unwrap();
    for scenario in scenarios.as_array().unwrap() {
        check(&flags, scenario).await;
    }
}

/// Evaluates a flag by both methods, and compares the results.
async fn check(flags: &Client, scenario: &Value) {
    let key = scenario["flag"].as_str().unwrap();
    let context = context(&scenario["context"]);
    let context = context.as_ref();
    let (value, details) = match scenario["type"].as_str().unwrap() {
        "boolean" => (
            flags.get_bool_value(key, context, None).await.map(Value::from),
            outcome(flags.get_bool_details(key, context, None).await, Value::from),
        ),
        "string" => (
            flags.get_string_value(key, context, None).await.map(Value::from),
            outcome(flags.get_string_details(key, context, None).await, Value::from),
        ),
        "integer" => (
            flags.get_int_value(key, context, None).await.map(Value::from),
            outcome(flags.get_int_details(key, context, None).await, Value::from),
        ),
        "float" => (
            flags.get_float_value(key, context, None).await.map(Value::from),
            outcome(flags.get_float_details(key, context, None).await, Value::from),
        ),
        "object" => (
            flags.get_struct_value(key, context, None).await.map(object),
            outcome(flags.get_struct_details(key, context, None).await, object),
        ),
        other => panic!("no such type: {other}"),
    };
    assert_eq!(details, expected(scenario), "{scenario}");
    let given = if scenario["error"].is_null() { "value" } else { "default" };
    assert_eq!(
        value.unwrap_or_else(|_| scenario["default"].clone()),
        scenario[given],
        "{scenario}"
    );
}

/// The outcome of an evaluation, in the form of the scenarios.
#[derive(Debug, PartialEq)]
enum Outcome {
    Value { value: Value, variant: Value, reason: String, metadata: FlagMetadata },
    Error { code: String, message: String },
}

fn outcome<T>(
    result: EvaluationResult<EvaluationDetails<T>>,
    value: impl FnOnce(T) -> Value,
) -> Outcome {
    match result {
        Ok(details) => Outcome::Value {
            value: value(details.value),
            variant: Value::from(details.variant),
            reason: details.reason.unwrap().to_string(),
            metadata: details.flag_metadata,
        },
        Err(error) => {
            Outcome::Error { code: error.code.to_string(), message: error.message.unwrap() }
        }
    }
}

fn expected(scenario: &Value) -> Outcome {
    let text = |name: &str| scenario[name].as_str().unwrap().to_owned();
    if !scenario["error"].is_null() {
        return Outcome::Error { code: text("error"), message: text("message") };
    }
    let mut metadata = FlagMetadata::default();
    for (name, value) in scenario["metadata"].as_object().iter().flat_map(|object| object.iter()) {
        metadata.add_value(name, value.as_str().unwrap());
    }
    Outcome::Value {
        value: scenario["value"].clone(),
        variant: scenario["variant"].clone(),
        reason: text("reason"),
        metadata,
    }
}

fn object(structure: StructValue) -> Value {
    Value::from(from_struct(&structure))
}

/// Returns the context of a scenario, or `None`.
fn context(given: &Value) -> Option<EvaluationContext> {
    let fields: &Object = given.as_object()?;
    let mut context = EvaluationContext::default();
    for (name, value) in fields.iter() {
        context = match to_value(value).unwrap() {
            open_feature::Value::String(key) if name == "targeting_key" => {
                context.with_targeting_key(key)
            }
            open_feature::Value::String(value) => context.with_custom_field(name, value),
            open_feature::Value::Bool(value) => context.with_custom_field(name, value),
            open_feature::Value::Int(value) => context.with_custom_field(name, value),
            open_feature::Value::Float(value) => context.with_custom_field(name, value),
            other => panic!("no such field: {other:?}"),
        };
    }
    Some(context)
}
