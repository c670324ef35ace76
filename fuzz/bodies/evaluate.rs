//! Generates matching rulesets and contexts, and checks that all kinds of evaluation agree.

use arbitrary::{Result, Unstructured};
use phaseflag::{
    AttributeValue, EvaluationContext, EvaluationResult, ExplainedServing, Object, Ruleset, Value,
};

/// Generates a ruleset and contexts from the bytes, and evaluates them.
pub fn run(data: &[u8]) {
    let mut maker = Maker { u: Unstructured::new(data), faults: true };
    let _ = maker.ruleset().and_then(|document| {
        let contexts =
            [EvaluationContext::new(), maker.context()?, maker.context()?, maker.context()?];
        results_agree(&document.to_string(), &contexts);
        Ok(())
    });
}

/// Asserts that all kinds of evaluation of a ruleset agree, repeatedly.
pub fn results_agree(text: &str, contexts: &[EvaluationContext]) {
    let ruleset = Ruleset::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let again = Ruleset::parse(text).expect("what was accepted is accepted again");
    assert_eq!(ruleset.problems(), again.problems(), "{text}");
    warns(&ruleset, text, contexts);
    for context in contexts {
        let all = ruleset.evaluate_all(context);
        assert_eq!(all.len(), ruleset.len(), "{text}");
        assert_eq!(all, again.evaluate_all(context), "{text}");
        for flag in ruleset.flags() {
            let one = ruleset.evaluate(flag.key(), context);
            assert_eq!(one, ruleset.evaluate(flag.key(), context), "{text}");
            assert_eq!(one.as_ref(), all.get(flag.key()), "{text}");
            let one = one.expect("a flag that is listed");
            explains(&ruleset, flag.key(), context, &one, text);
            splits(&ruleset, flag.key(), context, text);
            let reason = one.reason();
            let known = match flag.is_on() {
                false => matches!(reason.as_str(), "flag_inactive"),
                true => matches!(
                    reason.as_str(),
                    "targeting_match" | "percentage_rollout" | "default" | "prerequisite_failed"
                ),
            };
            assert!(known, "{reason}: {text}");
        }
        assert_eq!(ruleset.evaluate("no such flag", context), None);
        assert!(ruleset.explain("no such flag", context).is_none());
    }
}

/// Asserts that no context reaches a rule with the warning "never reached", and that no rule with the
/// warning "never decides" decides.
fn warns(ruleset: &Ruleset, text: &str, contexts: &[EvaluationContext]) {
    let findings = Ruleset::check(text).expect("what was accepted is accepted again");
    let paths = |end: &str| -> Vec<_> {
        findings.iter().filter(|it| it.message().ends_with(end)).map(|it| it.path()).collect()
    };
    let (unreached, undecided) = (paths("never reached"), paths("never decides"));
    if unreached.is_empty() && undecided.is_empty() {
        return;
    }
    let document = text.parse::<Value>().expect("a ruleset is JSON");
    let flags = document.get("data").unwrap_or(&document)["flags"].as_array();
    for (index, flag) in flags.into_iter().flatten().enumerate() {
        let Some(key) = flag["key"].as_str() else { continue };
        for context in contexts {
            // Of two flags with the same key, the last one is used.
            let Some(explanation) = ruleset.explain(key, context) else { continue };
            for rule in explanation.rules.iter().filter(|rule| rule.matches == Some(true)) {
                let path = format!("flags[{index}].targeting_rules[{}]", rule.index);
                let in_force =
                    !flags.into_iter().flatten().skip(index + 1).any(|it| it["key"] == flag["key"]);
                let path = path.as_str();
                assert!(!in_force || !unreached.contains(&path), "{path}: {text}");
                let decides = in_force && rule.decides;
                assert!(!decides || !undecided.contains(&path), "{path}: {text}");
            }
        }
    }
}

/// Asserts that an explanation agrees with the result.
fn explains(
    ruleset: &Ruleset,
    key: &str,
    context: &EvaluationContext,
    result: &EvaluationResult,
    text: &str,
) {
    let explanation = ruleset.explain(key, context).expect("a flag that is listed");
    let spelled = explanation.to_string();
    assert!(spelled.starts_with("flag `") && !spelled.ends_with('\n'), "{spelled}: {text}");
    assert_eq!(&explanation.result, result, "{spelled}: {text}");
    let reason = result.reason();
    let by_rule = matches!(reason.as_str(), "targeting_match" | "percentage_rollout");
    let fails = explanation.prerequisites_never_hold
        || explanation.prerequisites.iter().any(|one| !one.holds);
    if explanation.on {
        assert_eq!(fails, reason.as_str() == "prerequisite_failed", "{spelled}: {text}");
    }

    let rules = &explanation.rules;
    let deciding: Vec<_> = rules.iter().filter(|rule| rule.decides).collect();
    assert_eq!(deciding.len(), usize::from(by_rule), "{spelled}: {text}");
    for rule in deciding {
        assert!(rule.matches == Some(true), "{spelled}: {text}");
        let served = match &rule.serves {
            ExplainedServing::Variation(variation) => variation,
            ExplainedServing::Rollout(rollout) => {
                let chosen = rollout.entries.iter().find(|entry| entry.chosen);
                &chosen.expect("a rollout that decides").variation
            }
            _ => panic!("{spelled}: {text}"),
        };
        assert_eq!(served.key.as_deref(), result.variation_key(), "{spelled}: {text}");
    }
    let reached = rules.iter().take_while(|rule| rule.matches.is_some()).count();
    assert!(rules.iter().skip(reached).all(|rule| rule.matches.is_none()), "{spelled}: {text}");
    for rule in rules {
        let Some(matches) = rule.matches else { continue };
        let segment = rule.segment.as_ref();
        let conditions = rule.conditions.iter();
        let mut all = conditions.chain(segment.into_iter().flat_map(|it| &it.conditions));
        // Not all patterns may have been searched for.
        if all.clone().all(|one| one.holds.is_some()) {
            let hold = all.all(|one| one.holds == Some(true))
                && segment.is_none_or(|segment| segment.name.is_some());
            assert_eq!(hold, matches, "{spelled}: {text}");
        }
    }
}

/// Asserts that a split counts the result of each identifier.
fn splits(ruleset: &Ruleset, key: &str, context: &EvaluationContext, text: &str) {
    let identifiers = ["", "user-1", "user-2", "user-3", "user-2", "ü"];
    let split = ruleset.split(key, context, identifiers).expect("a flag that is listed");
    assert_eq!(split.total(), 6, "{text}");
    let results = identifiers.map(|identifier| {
        let context = context.clone().user_id(identifier);
        ruleset.evaluate(key, &context).expect("a flag that is listed")
    });
    let counts = split.shares().iter().map(|share| share.count());
    assert_eq!(counts.sum::<u64>(), 6, "{text}");
    for share in split.shares() {
        let same = |result: &&EvaluationResult| {
            result.variation_key() == share.variation_key() && result.value() == share.value()
        };
        let all = split.shares().iter().filter(|other| {
            other.variation_key() == share.variation_key() && other.value() == share.value()
        });
        let count: u64 = all.map(|other| other.count()).sum();
        assert_eq!(count, results.iter().filter(same).count() as u64, "{text}");
    }
    for (reason, count) in split.reasons() {
        let same = results.iter().filter(|result| result.reason() == reason);
        assert_eq!(count, same.count() as u64, "{text}");
    }
    assert_eq!(split.reasons().map(|(_, count)| count).sum::<u64>(), 6, "{text}");
}

/// Generates rulesets and contexts from few names, so that references often resolve.
pub struct Maker<'a> {
    /// The source of every choice.
    pub u: Unstructured<'a>,
    /// Whether a part may be malformed.
    pub faults: bool,
}

impl Maker<'_> {
    /// Returns a ruleset in any mix of the dialects.
    pub fn ruleset(&mut self) -> Result<Value> {
        let flags = self.elements(8, Maker::flag)?.into();
        let segments = self.list(3, Maker::segment)?;
        Ok(match self.u.int_in_range(0..=3)? {
            0 => object([("data", object([("flags", flags), ("segments", segments)]))]),
            _ => object([("flags", flags), ("segments", segments)]),
        })
    }

    /// Returns a context with attributes that rules use.
    pub fn context(&mut self) -> Result<EvaluationContext> {
        let mut context = EvaluationContext::new();
        if self.u.ratio(2, 3)? {
            context = context.user_id(self.identifier()?);
        }
        if self.u.ratio(1, 3)? {
            context = context.session_id(self.identifier()?);
        }
        for name in ["plan", "n", "v", "user_id"] {
            if self.u.ratio(2, 3)? {
                context = context.attribute(name, self.attribute_value()?);
            }
        }
        Ok(context)
    }

    fn identifier(&mut self) -> Result<String> {
        Ok(match self.u.int_in_range(0..=5)? {
            0 => String::new(),
            1 => self.u.arbitrary()?,
            _ => format!("user-{}", self.u.int_in_range(0..=999)?),
        })
    }

    fn attribute_value(&mut self) -> Result<AttributeValue> {
        Ok(match self.u.int_in_range(0..=5)? {
            0 => self.u.arbitrary::<f64>()?.into(),
            1 => self.u.arbitrary::<i64>()?.into(),
            2 => self.u.arbitrary::<&str>()?.into(),
            _ => match self.scalar()? {
                Value::Bool(value) => value.into(),
                Value::Number(number) => number.into(),
                Value::String(text) => text.into(),
                _ => f64::NAN.into(),
            },
        })
    }

    fn scalar(&mut self) -> Result<Value> {
        Ok(match self.u.int_in_range(0..=15)? {
            0 => Value::from(true),
            1 => Value::from(false),
            2 => Value::from(""),
            3 => Value::from("pro"),
            4 => Value::from("free"),
            5 => Value::from("1"),
            6 => Value::from(" 1.5 "),
            7 => Value::from(0),
            8 => Value::from(1),
            9 => Value::from(1.5),
            10 => Value::from(-0.0),
            11 => Value::from("1.2.3"),
            12 => Value::from("v1.2.3-rc.1"),
            13 => Value::from("1.10"),
            14 => Value::from("user-1"),
            _ => Value::from(u64::MAX),
        })
    }

    fn list(&mut self, most: usize, one: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        let elements = self.elements(most, one)?;
        self.or_fault(elements.into())
    }

    fn elements(&mut self, most: usize, one: fn(&mut Self) -> Result<Value>) -> Result<Vec<Value>> {
        let length = self.u.int_in_range(0..=most)?;
        (0..length).map(|_| one(self)).collect()
    }

    fn flag(&mut self) -> Result<Value> {
        let key = self.name(&["a", "b", "c", "d", "e", "f", "g", "h"])?;
        let mut flag = vec![("key", key)];
        if self.u.ratio(1, 8)? {
            flag.push(("enabled", Value::from(self.u.arbitrary::<bool>()?)));
        }
        if self.u.ratio(1, 8)? {
            flag.push(("status", self.name(&["active", "archived"])?));
        }
        if self.u.ratio(1, 4)? {
            flag.push(("environment", self.name(&["production", "staging", ""])?));
        }
        flag.push(("variations", self.list(4, Maker::variation)?));
        if self.u.ratio(1, 3)? {
            flag.push(("prerequisites", self.list(2, Maker::prerequisite)?));
        }
        flag.push(("targeting_rules", self.list(4, Maker::rule)?));
        if self.u.ratio(7, 8)? {
            let names = ["default_variation", "default_variation_id", "default_variation_key"];
            flag.push(self.reference(&names)?);
        }
        if self.u.ratio(1, 16)? {
            flag.push(self.reference(&["default_variation_key"])?);
        }
        self.or_fault(object(flag))
    }

    fn variation(&mut self) -> Result<Value> {
        let mut variation = Vec::new();
        if self.u.ratio(7, 8)? {
            variation.push(("key", self.name(&["on", "off", "x"])?));
        }
        if self.u.ratio(1, 2)? {
            variation.push(("id", self.name(&["on", "off", "1", "2"])?));
        }
        if self.u.ratio(7, 8)? {
            variation.push(("value", self.scalar()?));
        }
        self.or_fault(object(variation))
    }

    fn prerequisite(&mut self) -> Result<Value> {
        let flag = self.name(&["a", "b", "c", "d", "e", "f", "g", "h", "gone"])?;
        let variation = self.name(&["on", "off", "x"])?;
        self.or_fault(object([("flag_key", flag), ("variation_key", variation)]))
    }

    fn rule(&mut self) -> Result<Value> {
        let mut rule = vec![("conditions", self.list(2, Maker::condition)?)];
        if self.u.ratio(1, 2)? {
            let priority = self.u.int_in_range(-2..=2)?;
            rule.push(("priority", Value::from(f64::from(priority) / 2.0)));
        }
        if self.u.ratio(1, 4)? {
            rule.push(("segment_id", self.name(&["s", "t", "r", ""])?));
        }
        if self.u.ratio(1, 2)? {
            rule.push(self.reference(&["variation", "variation_id"])?);
        }
        if self.u.ratio(1, 2)? {
            let entries = self.list(4, Maker::entry)?;
            rule.push(match self.u.arbitrary()? {
                true => ("percentage_rollout", entries),
                false => ("percentage_rollout", object([("variations", entries)])),
            });
        }
        self.or_fault(object(rule))
    }

    fn entry(&mut self) -> Result<Value> {
        let weight = f64::from(self.u.int_in_range(0..=300)?) / 4.0;
        let name = *self.u.choose(&["weight", "percentage"])?;
        let reference = self.reference(&["variation", "variation_id"])?;
        self.or_fault(object([(name, Value::from(weight)), reference]))
    }

    fn segment(&mut self) -> Result<Value> {
        let conditions = self.list(2, Maker::condition)?;
        let mut segment = vec![("conditions", conditions)];
        if self.u.ratio(3, 4)? {
            segment.push(("id", self.name(&["s", "t", "r"])?));
        }
        if self.u.ratio(3, 4)? {
            segment.push(("key", self.name(&["s", "t", "r"])?));
        }
        self.or_fault(object(segment))
    }

    fn condition(&mut self) -> Result<Value> {
        const OPERATORS: [&str; 12] = [
            "is",
            "is_not",
            "contains",
            "not_contains",
            "one_of",
            "not_one_of",
            "gt",
            "lt",
            "version_gt",
            "version_lt",
            "matches_regex",
            "unheard_of",
        ];
        let attribute = self.name(&["plan", "n", "v", "user_id", "session_id", "missing"])?;
        let operator = self.name(&OPERATORS)?;
        let choice = match operator.as_str() {
            Some("matches_regex") if !self.faults => 3,
            _ => self.u.int_in_range(0..=9)?,
        };
        let target = match choice {
            0 => Value::Null,
            1 | 2 => self.list(12, Maker::scalar)?,
            3 => Value::from(*self.u.choose(&["^p", "\\d+", "(?i)PRO", "(", "(?=a)", ".*r"])?),
            4 => Value::from(self.u.arbitrary::<&str>()?),
            5 => Value::from(self.u.arbitrary::<i32>()?),
            _ => self.scalar()?,
        };
        let mut condition = vec![("attribute", attribute), ("operator", operator)];
        match self.u.int_in_range(0..=7)? {
            0 => condition.extend([("value", target), ("values", self.scalar()?)]),
            1 => condition.push(("values", target)),
            _ => condition.push(("value", target)),
        }
        self.or_fault(object(condition))
    }

    /// Returns a reference to a variation by one of these names.
    fn reference(&mut self, names: &[&'static str]) -> Result<(&'static str, Value)> {
        let name = self.name(&["on", "off", "x", "1", "2", "gone", ""])?;
        Ok((*self.u.choose(names)?, name))
    }

    fn name(&mut self, names: &[&str]) -> Result<Value> {
        let name = Value::from(*self.u.choose(names)?);
        self.or_fault(name)
    }

    /// Returns the value, or rarely a malformed one.
    fn or_fault(&mut self, value: Value) -> Result<Value> {
        if !self.faults || !self.u.ratio(1, 60)? {
            return Ok(value);
        }
        Ok(match self.u.int_in_range(0..=5)? {
            0 => Value::Null,
            1 => Value::from(true),
            2 => Value::from(-1),
            3 => Value::from("fault"),
            4 => Value::from([Value::Null]),
            _ => object([("fault", value)]),
        })
    }
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::from(members.into_iter().collect::<Object>())
}
