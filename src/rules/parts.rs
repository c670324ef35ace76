//! A remembered ruleset in use, of which each flag is compiled when it is asked for.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::remembered::Remembered;
use super::state::Kept;
use crate::ruleset::RulesetError;
use crate::ruleset::{NeedsWhole, Ruleset};

/// How many flags are compiled by themselves.
const MOST: usize = 32;

/// A remembered ruleset, of which each flag is compiled when it is asked for.
#[derive(Debug)]
pub(super) struct Parts {
    remembered: Remembered,
    /// The one whose flags are wanted; `None` for all.
    environment: Option<Box<str>>,
    found: Mutex<Found>,
    whole: OnceLock<Result<Ruleset, RulesetError>>,
}

/// The parts so far.
#[derive(Debug)]
struct Found {
    known: Vec<(Box<str>, Ruleset)>,
    /// How many bytes may still be read for parts: then the whole is less work.
    allowed: usize,
}

impl Parts {
    pub(crate) fn new(remembered: Remembered, environment: Option<Box<str>>) -> Parts {
        let allowed = remembered.length() / 4;
        Parts {
            remembered,
            environment,
            found: Mutex::new(Found { known: Vec::new(), allowed }),
            whole: OnceLock::new(),
        }
    }
}

impl Kept for Parts {
    fn part(&self, key: &str) -> Result<Option<Ruleset>, NeedsWhole> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = found.known.iter().find(|(known, _)| **known == *key) {
            return Ok(Some(known.clone()));
        }
        if found.known.len() == MOST {
            return Err(NeedsWhole);
        }
        let environment = self.environment.as_deref();
        let part = Ruleset::part(&self.remembered, key, environment, &mut found.allowed)?;
        if let Some(part) = &part {
            found.known.push((key.into(), part.clone()));
        }
        Ok(part)
    }

    fn whole(&self) -> Result<Ruleset, RulesetError> {
        let read = || Ruleset::read(self.remembered.text(), self.environment.as_deref());
        self.whole.get_or_init(read).clone()
    }

    fn text(&self) -> &[u8] {
        self.remembered.text().as_bytes()
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the body's own entry is run with the other fuzz bodies")]
#[path = "../../fuzz/bodies/evaluate.rs"]
mod evaluate;

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::context::EvaluationContext;
    use crate::rules::remembered::encode;

    /// What is remembered of a text, with leave to read all of it in parts.
    fn remember(text: &str) -> Parts {
        remember_for(text, None)
    }

    fn remember_for(text: &str, environment: Option<&str>) -> Parts {
        let bytes = encode(text, Some("tag")).expect("a text that fits");
        let rules = Parts::new(
            Remembered::decode(bytes).expect("what was encoded"),
            environment.map(Box::from),
        );
        rules.found.lock().expect("a lock").allowed = usize::MAX;
        rules
    }

    #[test]
    fn a_part_answers_as_the_whole_does() {
        arbtest(|u| {
            let length = u.len();
            let u = Unstructured::new(u.bytes(length)?);
            let mut maker = evaluate::Maker { u, faults: true };
            let text = maker.ruleset()?.to_string();
            let contexts = [EvaluationContext::new(), maker.context()?, maker.context()?];
            let environment = *maker.u.choose(&[None, Some("production"), Some("qa")])?;
            let rules = remember_for(&text, environment);
            assert_eq!((rules.text(), rules.remembered.etag()), (text.as_bytes(), Some("tag")));
            let whole = rules.whole().expect("what was accepted");
            for flag in whole.flags() {
                let part = rules.part(flag.key()).expect("a part").expect("the flag");
                for context in &contexts {
                    let (found, expected) =
                        (part.evaluate(flag.key(), context), whole.evaluate(flag.key(), context));
                    assert_eq!(found, expected, "{} {context:?} {text}", flag.key());
                }
            }
            assert!(rules.part("no such flag").expect("a part").is_none());
            Ok(())
        })
        .size_min(1024)
        .size_max(8192)
        .budget_ms(2000);
    }

    #[test]
    fn names_are_found_as_they_read_and_the_last_of_them_counts() {
        let text = r#"{"flags": [
            {"key": "a\u0062", "variations": [{"key": "v", "value": 1}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 2}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 3}], "default_variation": "v"},
            {"key": "other", "variations": [{"key": "v", "value": 4}], "default_variation": "v",
             "key": "last"},
            {"key": "", "variations": [{"key": "v", "value": 5}], "default_variation": "v"},
            {"key": 7}, 7]}"#;
        let rules = remember(text);
        for (key, value) in [("ab", 1), ("twice", 3), ("last", 4), ("", 5)] {
            let part = rules.part(key).expect("a part").expect("the flag");
            let result = part.evaluate(key, None).expect("a result");
            assert_eq!(result.value().as_i64(), Some(value), "{key}");
        }
        assert!(rules.part("other").expect("a part").is_none());
    }

    #[test]
    fn a_flag_of_another_environment_has_no_part() {
        let text = r#"[{"key": "gate"}, {"key": "f", "environment": "staging",
            "prerequisites": [{"flag_key": "gate", "variation_key": "on"}]}]"#;
        let part = |environment| remember_for(text, environment).part("f").expect("a part");
        assert!(part(None).is_some() && part(Some("staging")).is_some());
        assert!(part(Some("production")).is_none());
    }

    #[test]
    fn parts_are_asked_for_up_to_a_bound() {
        let flag = |n| format!(r#"{{"key": "flag-{n}"}}"#);
        let flags: Vec<_> = (0..1000).map(flag).collect();
        let rules = remember(&format!("[{}]", flags.join(",")));
        for n in 0..MOST {
            assert!(rules.part(&format!("flag-{n}")).expect("a part").is_some());
        }
        assert!(rules.part("flag-0").expect("a part").is_some());
        rules.part(&format!("flag-{MOST}")).expect_err("the whole is less work");
        // A part that is nearly everything is not read as one.
        let rules = remember(r#"[{"key": "one"}]"#);
        rules.found.lock().expect("a lock").allowed = 4;
        rules.part("one").expect_err("the whole is less work");
    }
}
