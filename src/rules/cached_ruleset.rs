//! A cached ruleset whose flags are compiled when they are first evaluated.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::cache_file::CacheFile;
use super::flags::LazyRuleset;
use crate::config::{Environment, parse_for};
use crate::ruleset::RulesetError;
use crate::ruleset::{NeedsWhole, Ruleset};

/// The number of flags that are compiled one by one. After that, the whole ruleset is compiled.
const MAX_PARTS: usize = 32;

/// A cached ruleset whose flags are compiled when they are first evaluated.
#[derive(Debug)]
pub(super) struct CachedRuleset {
    file: CacheFile,
    /// The environment whose flags are used; `None` for all.
    environment: Option<Environment>,
    compiled: Mutex<CompiledParts>,
    whole: OnceLock<Result<Ruleset, RulesetError>>,
}

/// The parts compiled so far.
#[derive(Debug)]
struct CompiledParts {
    parts: Vec<(Box<str>, Ruleset)>,
    /// The number of bytes that may still be read for parts. Beyond that, compiling the whole is
    /// less work.
    allowed: usize,
}

impl CachedRuleset {
    pub(super) fn new(file: CacheFile, environment: Option<Environment>) -> CachedRuleset {
        let allowed = file.length() / 4;
        CachedRuleset {
            file,
            environment,
            compiled: Mutex::new(CompiledParts { parts: Vec::new(), allowed }),
            whole: OnceLock::new(),
        }
    }
}

impl LazyRuleset for CachedRuleset {
    fn part(&self, key: &str) -> Result<Option<Ruleset>, NeedsWhole> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, part)) = compiled.parts.iter().find(|(flag, _)| **flag == *key) {
            return Ok(Some(part.clone()));
        }
        if compiled.parts.len() == MAX_PARTS {
            return Err(NeedsWhole);
        }
        let environment = self.environment.as_ref().map(|environment| &*environment.name);
        let part = Ruleset::part(&self.file, key, environment, &mut compiled.allowed)?;
        if let Some(part) = &part {
            compiled.parts.push((key.into(), part.clone()));
        }
        Ok(part)
    }

    fn whole(&self) -> Result<Ruleset, RulesetError> {
        let parse = || parse_for(self.environment.as_ref(), self.text());
        self.whole.get_or_init(parse).clone()
    }

    fn text(&self) -> &[u8] {
        self.file.text().as_bytes()
    }

    fn len(&self) -> usize {
        self.file.flag_count()
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "its entry runs with the other fuzz bodies")]
#[path = "../../fuzz/bodies/evaluate.rs"]
mod evaluate;

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use arbtest::arbtest;

    use super::*;
    use crate::context::EvaluationContext;
    use crate::rules::cache_file::encode;

    /// Returns the cached ruleset of a text, with no limit of bytes for parts.
    fn cached(text: &str) -> CachedRuleset {
        cached_for(text, None)
    }

    fn cached_for(text: &str, environment: Option<&str>) -> CachedRuleset {
        let bytes = encode(text, Some("tag")).expect("a text that fits");
        let rules = CachedRuleset::new(
            CacheFile::decode(bytes).expect("an encoded text"),
            environment.map(|name| Environment::new(name.to_owned())),
        );
        rules.compiled.lock().expect("a lock").allowed = usize::MAX;
        rules
    }

    #[test]
    fn a_part_evaluates_as_the_whole_does() {
        arbtest(|u| {
            let length = u.len();
            let u = Unstructured::new(u.bytes(length)?);
            let mut maker = evaluate::Maker { u, faults: true };
            let text = maker.ruleset()?.to_string();
            let contexts = [EvaluationContext::new(), maker.context()?, maker.context()?];
            let environment = *maker.u.choose(&[None, Some("production"), Some("qa")])?;
            let rules = cached_for(&text, environment);
            assert_eq!((rules.text(), rules.file.etag()), (text.as_bytes(), Some("tag")));
            let whole = rules.whole().expect("an accepted ruleset");
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
    fn names_are_unescaped_and_the_last_of_equal_names_counts() {
        let text = r#"{"flags": [
            {"key": "a\u0062", "variations": [{"key": "v", "value": 1}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 2}], "default_variation": "v"},
            {"key": "twice", "variations": [{"key": "v", "value": 3}], "default_variation": "v"},
            {"key": "other", "variations": [{"key": "v", "value": 4}], "default_variation": "v",
             "key": "last"},
            {"key": "", "variations": [{"key": "v", "value": 5}], "default_variation": "v"},
            {"key": 7}, 7]}"#;
        let rules = cached(text);
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
        let part = |environment| cached_for(text, environment).part("f").expect("a part");
        assert!(part(None).is_some() && part(Some("staging")).is_some());
        assert!(part(Some("production")).is_none());
    }

    #[test]
    fn parts_are_compiled_up_to_a_limit() {
        let flag = |n| format!(r#"{{"key": "flag-{n}"}}"#);
        let flags: Vec<_> = (0..1000).map(flag).collect();
        let rules = cached(&format!("[{}]", flags.join(",")));
        for n in 0..MAX_PARTS {
            assert!(rules.part(&format!("flag-{n}")).expect("a part").is_some());
        }
        assert!(rules.part("flag-0").expect("a part").is_some());
        rules.part(&format!("flag-{MAX_PARTS}")).expect_err("the whole is less work");
        // A part that is nearly the whole text exceeds the limit of bytes.
        let rules = cached(r#"[{"key": "one"}]"#);
        rules.compiled.lock().expect("a lock").allowed = 4;
        rules.part("one").expect_err("the whole is less work");
    }
}
