//! Properties of random rulesets and contexts.
//!
//! The strongest test compares the results with a model that evaluates the document itself, without
//! tables.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use arbtest::arbtest;
use phaseflag::testing::RulesetText;
use phaseflag::{EvaluationContext, Object, Ruleset, Value};

use crate::fuzz_regressions::evaluate;

/// Returns a ruleset whose parts have the right types, as text and parsed.
fn well_formed(u: &mut Unstructured<'_>) -> arbitrary::Result<(String, Value)> {
    let text = String::from(RulesetText::well_formed(u)?);
    let document = text.parse().unwrap();
    Ok((text, document))
}

#[test]
fn evaluation_never_panics_and_every_getter_agrees() {
    arbtest(|u| {
        let text = RulesetText::nearly_valid(u)?;
        let contexts = [EvaluationContext::new(), u.arbitrary()?, u.arbitrary()?];
        evaluate::results_agree(text.as_str(), &contexts);
        Ok(())
    })
    .size_min(1024)
    .size_max(8192)
    .budget_ms(2000);
}

#[test]
fn well_formed_rulesets_evaluate_as_the_model_does() {
    let mut reasons = BTreeMap::new();
    arbtest(|u| {
        let (text, document) = well_formed(u)?;
        let ruleset = Ruleset::parse(&text).unwrap();
        let contexts = [EvaluationContext::new(), u.arbitrary()?, u.arbitrary()?];
        for context in &contexts {
            let model = model::Model::new(&document, context);
            for flag in ruleset.flags() {
                let result = ruleset.evaluate(flag.key(), context).unwrap();
                let found = (
                    result.value().clone(),
                    result.variation_key().map(str::to_owned),
                    result.reason().as_str().to_owned(),
                );
                *reasons.entry(found.2.clone()).or_insert(0) += 1;
                let expected = model.evaluate(flag.key());
                assert_eq!(found, expected, "{} {context:?} {document}", flag.key());
            }
        }
        Ok(())
    })
    .size_min(1024)
    .size_max(8192)
    .budget_ms(3000)
    .run();
    // All five reasons occur: the rulesets are not trivial.
    assert_eq!(reasons.len(), 5, "{reasons:?}");
}

/// Returns the flags of the environment, and the flags without one whose key it does not have.
fn flags_of(document: &Value, environment: &str) -> Value {
    let root = document.get("data").unwrap_or(document);
    let flags = root["flags"].as_array().unwrap();
    let carries = |flag: &Value| flag["environment"].as_str().unwrap_or_default().to_owned();
    let own = |flag: &&Value| carries(flag) == environment;
    let kept = flags.iter().filter(|flag| {
        let generic = carries(flag).is_empty();
        own(flag) || generic && !flags.iter().filter(own).any(|it| it["key"] == flag["key"])
    });
    let kept: Value = kept.cloned().collect();
    Value::from(Object::from([("flags", kept), ("segments", root["segments"].clone())]))
}

#[test]
fn an_environment_evaluates_as_if_there_were_no_others() {
    let mut fewer = 0;
    arbtest(|u| {
        let (text, document) = well_formed(u)?;
        let context = u.arbitrary::<EvaluationContext>()?;
        for environment in ["production", "staging", "qa"] {
            let ruleset = Ruleset::parse_for(&text, environment).unwrap();
            let expected = Ruleset::parse(&flags_of(&document, environment).to_string()).unwrap();
            assert_eq!(
                ruleset.evaluate_all(&context),
                expected.evaluate_all(&context),
                "{environment} {context:?} {document}"
            );
            fewer += usize::from(ruleset.len() < Ruleset::parse(&text).unwrap().len());
        }
        Ok(())
    })
    .size_min(1024)
    .size_max(8192)
    .budget_ms(2000)
    .run();
    assert!(fewer > 0);
}

#[test]
fn a_user_in_the_first_entry_of_a_rollout_stays_in_as_it_grows() {
    arbtest(|u| {
        let flag: &str = u.arbitrary()?;
        let user = match u.arbitrary::<&str>()? {
            "" => "somebody",
            user => user,
        };
        let mut weights = [(); 3].map(|()| u.int_in_range(0..=400).map(|it| f64::from(it) / 4.0));
        weights.sort_by(|left, right| left.as_ref().unwrap().total_cmp(right.as_ref().unwrap()));
        let served = weights.map(|weight| {
            let weight = weight.unwrap();
            let rest = 100.0 - weight;
            let key = Value::from(flag);
            let text = format!(
                r#"[{{"key": {key}, "variations": [{{"key": "in"}}, {{"key": "out"}}],
                    "targeting_rules": [{{"percentage_rollout": [
                        {{"variation": "in", "percentage": {weight}}},
                        {{"variation": "out", "percentage": {rest}}}]}}]}}]"#
            );
            let ruleset = Ruleset::parse(&text).unwrap();
            let context = EvaluationContext::new().user_id(user);
            let result = ruleset.evaluate(flag, &context).unwrap();
            assert_eq!(result.reason().as_str(), "percentage_rollout");
            let by_session = EvaluationContext::new().user_id("").session_id(user);
            assert_eq!(ruleset.evaluate(flag, &by_session).unwrap(), result);
            (weight, result.variation_key() == Some("in"))
        });
        for pair in served.windows(2) {
            let (before, after) = (pair[0].1, pair[1].1);
            assert!(!before || after, "{flag:?} {user:?} {served:?}");
        }
        for (weight, inside) in served {
            assert!(weight > 0.0 || !inside);
            assert!(weight <= 99.0 || inside);
        }
        Ok(())
    });
}

#[test]
fn a_rollout_of_half_includes_about_half() {
    let text = r#"[{"key": "half", "variations": [{"key": "in"}],
        "targeting_rules": [{"percentage_rollout": [{"variation": "in", "percentage": 50}]}]}]"#;
    let ruleset = Ruleset::parse(text).unwrap();
    let inside = (0..10_000).filter(|number| {
        let context = EvaluationContext::new().user_id(format!("user-{number}"));
        let result = ruleset.evaluate("half", &context).unwrap();
        result.variation_key() == Some("in")
    });
    let count = inside.count();
    assert!((4_500..5_500).contains(&count), "{count}");
}

/// A second implementation of evaluation: slow, and over the raw document.
///
/// It accepts well-formed documents; their references may be dangling.
mod model {
    use std::cmp::Ordering;
    use std::collections::HashSet;

    use phaseflag::{AttributeValue, EvaluationContext, Number, Value};

    type Answer = (Value, Option<String>, String);

    pub(super) struct Model<'a> {
        flags: &'a [Value],
        segments: &'a [Value],
        context: &'a EvaluationContext,
    }

    impl<'a> Model<'a> {
        pub(super) fn new(document: &'a Value, context: &'a EvaluationContext) -> Model<'a> {
            let root = document.get("data").unwrap_or(document);
            Model { flags: list(&root["flags"]), segments: list(&root["segments"]), context }
        }

        pub(super) fn evaluate(&self, key: &str) -> Answer {
            let flag = self.flag(key).unwrap();
            let default = given(&flag["default_variation_id"])
                .or(given(&flag["default_variation"]))
                .or(given(&flag["default_variation_key"]))
                .and_then(|name| variation(flag, name));
            if !on(flag) {
                return answer(default, "flag_inactive");
            }
            let failed = self.requires(key, key, &mut HashSet::new())
                || !list(&flag["prerequisites"]).iter().all(|it| self.holds(it));
            if failed {
                return answer(default, "prerequisite_failed");
            }
            let mut rules: Vec<&Value> = list(&flag["targeting_rules"]).iter().collect();
            let priority = |rule: &Value| rule["priority"].as_f64().unwrap_or(0.0);
            rules.sort_by(|left, right| priority(left).total_cmp(&priority(right)));
            for rule in rules.into_iter().filter(|rule| self.matches(rule)) {
                let direct = given(&rule["variation_id"]).or(given(&rule["variation"]));
                if let Some(name) = direct {
                    return answer(variation(flag, name), "targeting_match");
                }
                if let Some(entry) = self.entry(key, rule) {
                    let name = given(&entry["variation_id"]).or(given(&entry["variation"]));
                    let served = name.and_then(|name| variation(flag, name));
                    return answer(served, "percentage_rollout");
                }
            }
            answer(default, "default")
        }

        fn flag(&self, key: &str) -> Option<&'a Value> {
            let named = |flag: &&Value| flag["key"].as_str() == Some(key);
            self.flags.iter().rev().find(named)
        }

        /// Returns whether another flag requires this flag, directly or indirectly.
        fn requires(&self, key: &str, sought: &str, seen: &mut HashSet<String>) -> bool {
            let Some(flag) = self.flag(key) else {
                return false;
            };
            list(&flag["prerequisites"]).iter().any(|one| {
                let next = one["flag_key"].as_str().unwrap();
                next == sought || seen.insert(next.to_owned()) && self.requires(next, sought, seen)
            })
        }

        fn holds(&self, prerequisite: &Value) -> bool {
            let key = prerequisite["flag_key"].as_str().unwrap();
            self.flag(key).is_some_and(|flag| {
                on(flag)
                    && self.evaluate(key).1.as_deref() == prerequisite["variation_key"].as_str()
            })
        }

        fn matches(&self, rule: &Value) -> bool {
            let all = |conditions: &Value| list(conditions).iter().all(|it| self.satisfied(it));
            all(&rule["conditions"])
                && given(&rule["segment_id"]).is_none_or(|name| {
                    let by = |field: &str| {
                        let named = |it: &&Value| it[field].as_str() == Some(name);
                        self.segments.iter().rev().find(named)
                    };
                    by("id")
                        .or_else(|| by("key"))
                        .is_some_and(|segment| all(&segment["conditions"]))
                })
        }

        fn entry(&self, key: &str, rule: &'a Value) -> Option<&'a Value> {
            let rollout = &rule["percentage_rollout"];
            let entries = rollout.get("variations").unwrap_or(rollout);
            let identifier = [self.context.get_user_id(), self.context.get_session_id()]
                .into_iter()
                .flatten()
                .find(|it| !it.is_empty())?;
            let mut hash = 5381_u64;
            for character in format!("{key}:{identifier}").chars() {
                hash = (hash * 33 + u64::from(u32::from(character))) % (1 << 32);
            }
            let bucket = (hash % 100) as f64;
            let mut sum = 0.0;
            list(entries).iter().find(|entry| {
                let weight = entry["weight"].as_f64().or(entry["percentage"].as_f64());
                sum += weight.unwrap_or(0.0);
                bucket < sum
            })
        }

        fn satisfied(&self, condition: &Value) -> bool {
            let operator = condition["operator"].as_str().unwrap();
            let target = match &condition["value"] {
                Value::Null => &condition["values"],
                value => value,
            };
            let name = condition["attribute"].as_str().unwrap();
            let (text, number) = match name {
                "user_id" => (self.context.get_user_id().map(str::to_owned), None),
                "session_id" => (self.context.get_session_id().map(str::to_owned), None),
                _ => match self.context.get_attribute(name) {
                    Some(AttributeValue::String(text)) => (Some(text.clone()), None),
                    Some(AttributeValue::Number(it)) => (Some(it.to_string()), Some(*it)),
                    Some(AttributeValue::Bool(it)) => {
                        (Some(it.to_string()), Some(u64::from(*it).into()))
                    }
                    _ => (None, None),
                },
            };
            let targets: Option<Vec<String>> = match (operator, target) {
                ("one_of" | "not_one_of", Value::Array(elements)) => {
                    elements.iter().map(form).collect()
                }
                _ => form(target).map(|it| vec![it]),
            };
            let Some(targets) = targets else {
                return false;
            };
            let target_text = targets.first().cloned().unwrap_or_default();
            let versions = |text: &str| Some(version(text)?.cmp(&version(&target_text)?));
            match (operator, text) {
                ("is_not" | "not_contains" | "not_one_of", None) => true,
                (_, None) => false,
                ("is", Some(text)) => text == target_text,
                ("is_not", Some(text)) => text != target_text,
                ("contains", Some(text)) => text.contains(&target_text),
                ("not_contains", Some(text)) => !text.contains(&target_text),
                ("one_of", Some(text)) => targets.contains(&text),
                ("not_one_of", Some(text)) => !targets.contains(&text),
                ("gt" | "lt", Some(text)) => {
                    let left = number.or_else(|| finite(&text));
                    let right = match target {
                        Value::Bool(it) => Some(u64::from(*it).into()),
                        Value::Number(it) => Some(*it),
                        _ => finite(&target_text),
                    };
                    let wanted = match operator {
                        "gt" => Ordering::Greater,
                        _ => Ordering::Less,
                    };
                    left.zip(right)
                        .is_some_and(|(left, right)| left.partial_cmp(&right) == Some(wanted))
                }
                ("version_gt", Some(text)) => versions(&text) == Some(Ordering::Greater),
                ("version_lt", Some(text)) => versions(&text) == Some(Ordering::Less),
                ("matches_regex", Some(text)) => found(&target_text, &text),
                _ => false,
            }
        }
    }

    fn on(flag: &Value) -> bool {
        flag["enabled"] != Value::from(false)
            && matches!(flag["status"].as_str(), None | Some("active"))
    }

    fn given(reference: &Value) -> Option<&str> {
        reference.as_str().filter(|it| !it.is_empty())
    }

    fn variation<'a>(flag: &'a Value, name: &str) -> Option<&'a Value> {
        let by = |field: &str| {
            let named = |it: &&Value| it[field].as_str() == Some(name);
            list(&flag["variations"]).iter().find(named)
        };
        by("id").or_else(|| by("key"))
    }

    fn answer(variation: Option<&Value>, reason: &str) -> Answer {
        let variation = variation.unwrap_or(&Value::Null);
        let key = variation["key"].as_str().map(str::to_owned);
        (variation["value"].clone(), key, reason.to_owned())
    }

    fn list(value: &Value) -> &[Value] {
        value.as_array().unwrap_or_default()
    }

    fn form(target: &Value) -> Option<String> {
        match target {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Reads a number: 64-bit integers are exact.
    fn finite(text: &str) -> Option<Number> {
        let text = text.trim();
        let signed = text.parse::<i64>().ok().map(Number::from);
        let unsigned = || text.parse::<u64>().ok().map(Number::from);
        let float = || text.parse().ok().and_then(Number::from_f64);
        signed.or_else(unsigned).or_else(float)
    }

    /// Parses a version into an ordered form.
    fn version(text: &str) -> Option<impl Ord + use<>> {
        let number = |text: &str| {
            let digits = text.trim_start_matches('0').to_owned();
            let numeric = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            numeric.then_some((digits.len(), digits))
        };
        let identifier = |text: &str| {
            let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
            let valid = !text.is_empty() && text.bytes().all(plain);
            valid.then(|| match number(text) {
                Some(number) => (false, number),
                None => (true, (0, text.to_owned())),
            })
        };
        let identifiers = |text: &str| text.split('.').map(identifier).collect::<Option<Vec<_>>>();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = text.split_once('+').unwrap_or((text, "none"));
        let (release, prerelease) = match text.split_once('-') {
            Some((release, prerelease)) => (release, Some(identifiers(prerelease)?)),
            None => (text, None),
        };
        identifiers(build)?;
        let mut numbers: Vec<_> = release.split('.').map(number).collect::<Option<_>>()?;
        while numbers.pop_if(|(digits, _)| *digits == 0).is_some() {}
        Some((numbers, prerelease.is_none(), prerelease))
    }

    /// The few patterns of the ruleset generator, implemented by hand.
    fn found(pattern: &str, text: &str) -> bool {
        if cfg!(not(feature = "regex")) {
            return false;
        }
        match pattern {
            "^p" => text.starts_with('p'),
            "\\d+" => text.contains(|it: char| it.is_ascii_digit()),
            "(?i)PRO" => text.to_ascii_lowercase().contains("pro"),
            "(" | "(?=a)" => false,
            ".*r" => text.contains('r'),
            _ => panic!("no such pattern: {pattern}"),
        }
    }
}
