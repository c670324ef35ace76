//! `phaseflag schema`: the JSON Schema of a file of rules, compared with the parser.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use phaseflag::{Finding, Object, Ruleset, Severity, Value};

use crate::support::json_schema::Schema;
use crate::support::{FLAGS, Folder, outcome, run, run_with_input};

const SCHEMA: &str = include_str!("../../src/flags.schema.json");

/// A document with every field, in both dialects, without any finding.
const EVERY_FIELD: &str = r#"{"$schema": "flags.schema.json", "version": 1, "generated_at": "t",
    "signature": "s", "environment_id": "e", "fetched_at": "t", "_comment": 1, "flags": [
    {"id": "i", "key": "f", "name": "n", "description": "d", "tags": ["t"], "flag_type": "boolean",
     "enabled": true, "status": "active", "environment": "qa", "default_variation": "on",
     "default_variation_key": "on", "default_variation_id": "on",
     "variations": [{"id": "i", "key": "on", "name": "n", "description": "d", "value": true},
                    {"key": "off", "value": false}],
     "prerequisites": [{"id": "i", "flag_key": "g", "variation_key": "a"}],
     "targeting_rules": [
        {"id": "i", "name": "n", "description": "d", "priority": 1, "segment_id": "s",
         "variation": "on", "variation_id": "on", "conditions": [
            {"id": "i", "attribute": "a", "operator": "one_of", "value": ["x", 1, true]},
            {"attribute": "a", "operator": "is", "value": null, "values": "x"}]},
        {"conditions": [{"attribute": "a", "operator": "gt", "value": 5}],
         "percentage_rollout": [
            {"id": "i", "variation": "on", "percentage": 50, "weight": null},
            {"variation_id": "off", "weight": 50, "percentage": -1}]},
        {"percentage_rollout": {"variations": [{"variation": "on", "weight": 100}]}}]},
    {"key": "g", "flag_type": "string", "default_variation": "a",
     "variations": [{"key": "a", "value": "A"}]},
    {"key": "h", "flag_type": "json", "enabled": false, "variations": [{"key": "a", "value": []}]},
    {"key": "i", "enabled": false, "variations": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]}],
    "segments": [{"id": "s", "key": "k", "name": "n", "description": "d", "conditions": [
        {"attribute": "a", "operator": "version_gt", "value": "1.10"}]}]}"#;

/// The same in the wrapper of the hosted service, and as a list.
const WRAPPED: &str = r#"{"data": {"version": 1, "flags": [{"key": "f", "enabled": false}],
    "segments": null}, "segments": [{"key": "s", "conditions": []}], "flags": null}"#;

const LIST: &str = r#"[{"key": "f", "status": null, "enabled": false,
    "percentage_rollouts": null, "variations": [{}], "targeting_rules": null}]"#;

#[test]
fn the_schema_is_printed() {
    let folder = Folder::new("schema");
    assert_eq!(run(&mut folder.phaseflag(&["schema"])), outcome(0, SCHEMA, ""));
}

#[test]
fn a_document_with_every_field_conforms() {
    let schema = Schema::new(SCHEMA);
    for text in [EVERY_FIELD, FLAGS] {
        let findings = Ruleset::check(text).unwrap();
        let findings = findings.iter().filter(|it| it.severity() != Severity::Note);
        assert_eq!(findings.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        assert!(schema.accepts(&text.parse().unwrap()));
    }
    for name in names_in(SCHEMA) {
        assert!(EVERY_FIELD.contains(&format!("\"{name}\": ")) || name == "data", "{name}");
    }
}

/// Returns the names of all properties of a schema.
fn names_in(schema: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = vec![schema.parse::<Value>().unwrap()];
    while let Some(value) = rest.pop() {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            names.extend(properties.iter().map(|(name, _)| name.to_owned()));
        }
        match value {
            Value::Array(elements) => rest.extend(elements),
            Value::Object(object) => rest.extend(object.iter().map(|(_, it)| it.clone())),
            _ => {}
        }
    }
    names
}

/// The schema refuses what `check` reports about types, names and missing fields, and nothing else.
#[test]
fn the_schema_and_the_parser_agree() {
    let schema = Schema::new(SCHEMA);
    let (mut accepted, mut refused) = (0, 0);
    for document in documents() {
        let text = document.to_string();
        let accepts = schema.accepts(&document);
        match Ruleset::check(&text) {
            Ok(findings) => {
                let shape: Vec<_> = findings.iter().filter(|it| is_shape(it)).collect();
                assert_eq!(accepts, shape.is_empty(), "{shape:?}\n{text}");
            }
            Err(error) => assert!(!accepts, "{error}\n{text}"),
        }
        let count = if accepts { &mut accepted } else { &mut refused };
        *count += 1;
    }
    assert!(accepted > 500 && refused > 1000, "{accepted} {refused}");
}

/// Returns whether a finding is about the type, the name or the presence of a field, or a value that
/// the schema lists.
fn is_shape(finding: &Finding) -> bool {
    let message = finding.message();
    let is_comment = |name: &str| name.starts_with(['_', '$', '/', '#']) || name.starts_with("x-");
    let unknown = message.strip_prefix("the field `").and_then(|rest| rest.split_once('`'));
    let beginnings = [
        "expected ",
        "the operator ",
        "the weight is negative",
        "the flag type `",
        "the status `",
        "the list is empty",
        "the segment has neither id nor key",
    ];
    beginnings.iter().any(|beginning| message.starts_with(beginning))
        || message.contains(", but the flag type is `")
        || unknown.is_some_and(|(name, rest)| rest.contains("not known") && !is_comment(name))
}

/// Returns documents, and all that differ from one of them in one place.
fn documents() -> Vec<Value> {
    let mut documents = Vec::new();
    for text in [
        include_str!("../../../tests/data/service/ruleset.json"),
        include_str!("../../../tests/data/service/bootstrap.json"),
    ] {
        documents.push(text.parse().unwrap());
    }
    for file in ["documents", "malformed", "references", "rollouts", "rules", "segments", "segment"]
    {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
        let text = std::fs::read_to_string(format!("{folder}/{file}.json")).unwrap();
        rulesets_in(&text.parse().unwrap(), &mut documents);
    }
    documents.push(FLAGS.parse().unwrap());
    for text in [EVERY_FIELD, WRAPPED, LIST] {
        let document: Value = text.parse().unwrap();
        documents.extend(variants(&document, &mut |place, variants| mutate(place, variants)));
        documents.push(document);
    }
    documents
}

/// Adds the rulesets in the cases of a test.
fn rulesets_in(value: &Value, rulesets: &mut Vec<Value>) {
    match value {
        Value::Object(object) => {
            if object.get("flags").is_some() {
                rulesets.push(value.clone());
            }
            object.iter().for_each(|(_, member)| rulesets_in(member, rulesets));
        }
        Value::Array(elements) => elements.iter().for_each(|it| rulesets_in(it, rulesets)),
        _ => {}
    }
}

/// Returns the value with a change at one place, for each place in it.
fn variants(value: &Value, mutate: &mut dyn FnMut(&Value, &mut Vec<Value>)) -> Vec<Value> {
    let mut changed = Vec::new();
    mutate(value, &mut changed);
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                for variant in variants(element, mutate) {
                    let mut elements = elements.to_vec();
                    elements[index] = variant;
                    changed.push(Value::Array(elements));
                }
            }
        }
        Value::Object(object) => {
            for (name, member) in object.iter() {
                for variant in variants(member, mutate) {
                    let mut object = object.clone();
                    object.insert(name, variant);
                    changed.push(object.into());
                }
            }
        }
        _ => {}
    }
    changed
}

/// Adds what a person could have written instead of a value.
fn mutate(value: &Value, variants: &mut Vec<Value>) {
    let others = [
        "null",
        "true",
        "7",
        "0.5",
        "-1",
        r#""""#,
        r#""text""#,
        "[]",
        "{}",
        "[null]",
        "[7]",
        "[[]]",
        "[{}]",
        r#"{"a": 1}"#,
    ];
    // The words of every enumeration, and some that are near.
    let words = ["active", "inactive", "archived", "draft", "Active", "boolean", "number", "json"];
    let operators = ["is_not", "contains", "not_one_of", "lt", "matches_regex", "version_lt", "eq"];
    if value.as_str().is_some() {
        variants.extend(words.into_iter().chain(operators).map(Value::from));
    }
    variants.extend(others.iter().map(|text| text.parse::<Value>().unwrap()));
    let Some(object) = value.as_object() else { return };
    for (name, member) in object.iter() {
        let mut without = object.clone();
        without.remove(name);
        variants.push(without.clone().into());
        let shorter = name.chars().skip(1).collect::<String>();
        for renamed in [name.to_uppercase(), format!("{name}s"), format!("_{name}"), shorter] {
            let mut object: Object = without.clone();
            object.insert(renamed, member.clone());
            variants.push(object.into());
        }
    }
}

/// Python's `jsonschema` decides whether the keywords are understood as they are meant.
#[test]
fn another_implementation_agrees() {
    let script = "import json, sys\n\
                  from jsonschema import Draft7Validator\n\
                  schema = json.loads(sys.stdin.readline())\n\
                  Draft7Validator.check_schema(schema)\n\
                  validator = Draft7Validator(schema)\n\
                  for line in sys.stdin: print(int(validator.is_valid(json.loads(line))))";
    let installed = Command::new("python3")
        .args(["-c", "import jsonschema"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        // Past the test's captured output.
        let _ = writeln!(io::stderr(), "NOT CHECKED: the schema, by Python's jsonschema");
        return;
    }
    let schema = Schema::new(SCHEMA);
    let documents = documents();
    let mut input = SCHEMA.parse::<Value>().unwrap().to_string() + "\n";
    for document in &documents {
        input += &document.to_string();
        input.push('\n');
    }
    // The answers fit into the pipe while the input is written.
    let done = run_with_input(Command::new("python3").args(["-c", script]), &input);
    assert_eq!(done.status, 0, "{}", done.errors);
    let verdicts: Vec<bool> = done.output.lines().map(|line| line == "1").collect();
    assert_eq!(verdicts.len(), documents.len());
    for (document, accepts) in documents.iter().zip(verdicts) {
        assert_eq!(schema.accepts(document), accepts, "{document}");
    }
}
