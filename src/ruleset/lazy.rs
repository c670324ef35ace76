//! `Ruleset::lazy`: a ruleset whose flags are compiled when they are first used.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use super::Ruleset;
use super::compile::{NoPart, compile_part};
use super::document::IndexedText;
use super::error::RulesetError;
use super::tables::{Flag, Found, Index, LazyTables, Long, Replica, Tables};

/// How many flags that refer to others, or to segments, are compiled alone. Each takes the memory and
/// the time of all that it refers to; further ones are compiled with all flags.
const MAX_REFERRING: usize = 64;

impl Ruleset {
    /// Returns a ruleset that compiles each flag at its first use, with all that the flag refers to.
    /// `parse` compiles all flags, when they are needed. If it fails, there are none.
    ///
    /// `environment` is the one whose flags are used; `None` for all.
    pub(crate) fn lazy(
        text: Arc<IndexedText>,
        environment: Option<Arc<str>>,
        parse: impl Parse + 'static,
    ) -> Ruleset {
        let flags = (0..text.flag_count()).map(|_| OnceLock::new()).collect();
        let lazy = Lazy {
            text,
            environment,
            parse: Box::new(parse),
            flags,
            referring: [const { OnceLock::new() }; MAX_REFERRING],
            used: OnceLock::new(),
            names: OnceLock::new(),
            whole: OnceLock::new(),
        };
        Ruleset(Arc::new(Replica::Lazy(Arc::new(lazy))))
    }
}

/// Parses a whole text.
pub(crate) trait Parse:
    Fn(&str) -> Result<Ruleset, RulesetError> + Send + Sync + UnwindSafe + RefUnwindSafe
{
}

impl<F> Parse for F where
    F: Fn(&str) -> Result<Ruleset, RulesetError> + Send + Sync + UnwindSafe + RefUnwindSafe
{
}

/// A text, and what is compiled of it so far.
struct Lazy {
    text: Arc<IndexedText>,
    environment: Option<Arc<str>>,
    parse: Box<dyn Parse>,
    /// The flags by the position of their name in the text's index; `None` for an unusable one.
    flags: Box<[OnceLock<Option<Place>>]>,
    /// One is set for each flag that is compiled alone and refers to others, or to segments.
    referring: [OnceLock<()>; MAX_REFERRING],
    /// Set by the first use of any flag.
    used: OnceLock<()>,
    names: OnceLock<Names>,
    whole: OnceLock<Whole>,
}

/// A compiled flag: its tables and the position there.
struct Place {
    tables: Arc<Tables>,
    position: u32,
}

/// The names of all flags, with a hash table.
struct Names {
    names: Vec<Box<str>>,
    index: Index,
}

/// The ruleset with all flags compiled.
struct Whole {
    replica: Arc<Replica>,
    /// Why there are no flags.
    failure: Option<RulesetError>,
}

impl LazyTables for Lazy {
    fn find(&self, key: &str) -> Option<Found<'_>> {
        let position = self.position(key)?;
        let flag = self.flags.get(position as usize)?;
        flag.get_or_init(|| self.compile(key)).as_ref()?.found(position)
    }

    fn find_compiled(&self, key: &str) -> Result<Option<Found<'_>>, Long> {
        let names = self.names.get().ok_or(Long)?;
        let Some(position) = names.position(key) else { return Ok(None) };
        let place = self.flags.get(position as usize).and_then(OnceLock::get).ok_or(Long)?;
        Ok(place.as_ref().and_then(|place| place.found(position)))
    }

    fn flag(&self, position: u32) -> Option<&Flag> {
        let place = self.flags.get(position as usize)?.get()?.as_ref()?;
        place.tables.flag(place.position)
    }

    fn for_each_key(&self, each: &mut dyn FnMut(&str)) {
        let mut before = None;
        let names = self.text.flag_names();
        names.filter(|name| before.replace(*name) != Some(*name)).for_each(each);
    }

    fn whole(&self) -> &Arc<Replica> {
        &self.compile_whole().replica
    }

    fn failure(&self) -> Option<&RulesetError> {
        self.compile_whole().failure.as_ref()
    }
}

impl Lazy {
    /// Returns the position of a flag's name.
    fn position(&self, key: &str) -> Option<u32> {
        if let Some(names) = self.names.get() {
            return names.position(key);
        }
        // A program that evaluates one flag needs no hash table: the names are sorted.
        if self.used.set(()).is_ok() {
            return self.text.flag_position(key);
        }
        self.names.get_or_init(|| Names::of(&self.text)).position(key)
    }

    #[cold]
    fn compile(&self, key: &str) -> Option<Place> {
        let part = match self.whole.get() {
            Some(_) => Err(NoPart),
            None => compile_part(&self.text, key, self.environment.as_deref()),
        };
        let tables = match part {
            Ok(tables) if self.may_keep(&tables) => Arc::new(tables),
            Ok(_) | Err(NoPart) => self.whole().tables().clone(),
        };
        Some(Place { position: tables.position(key)?, tables })
    }

    fn may_keep(&self, part: &Tables) -> bool {
        let refers = part.flags.len() > 1 || !part.segments.is_empty();
        !refers || self.referring.iter().any(|free| free.set(()).is_ok())
    }

    fn compile_whole(&self) -> &Whole {
        self.whole.get_or_init(|| match (self.parse)(self.text.text()) {
            Ok(ruleset) => Whole { replica: ruleset.0, failure: None },
            Err(failure) => Whole { replica: Ruleset::default().0, failure: Some(failure) },
        })
    }
}

impl Place {
    fn found(&self, position: u32) -> Option<Found<'_>> {
        Some(Found { tables: &self.tables, flag: self.tables.flag(self.position)?, position })
    }
}

impl Names {
    fn of(text: &IndexedText) -> Names {
        let names: Vec<_> = text.flag_names().map(Box::from).collect();
        Names { index: Index::of(&names), names }
    }

    fn position(&self, key: &str) -> Option<u32> {
        self.index.find(key, &self.names)
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").field("flags", &self.flags.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "../../tests/support/rulesets.rs"]
mod rulesets;

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::rulesets::ruleset_text;
    use super::*;
    use crate::context::EvaluationContext;
    use crate::value::Value;

    fn lazy(text: &str) -> Ruleset {
        lazy_for(text, None)
    }

    fn lazy_for(text: &str, environment: Option<&'static str>) -> Ruleset {
        let mut bytes = Vec::new();
        IndexedText::encode(text, &mut bytes).expect("a text that fits");
        let indexed = IndexedText::decode(bytes, 0).expect("an encoded text");
        assert_eq!(indexed.text(), text);
        let parse = move |text: &str| parse(text, environment);
        Ruleset::lazy(Arc::new(indexed), environment.map(Arc::from), parse)
    }

    fn parse(text: &str, environment: Option<&str>) -> Result<Ruleset, RulesetError> {
        match environment {
            Some(environment) => Ruleset::parse_for(text, environment),
            None => Ruleset::parse(text),
        }
    }

    /// Returns whether all flags are compiled.
    fn is_whole(ruleset: &Ruleset, keys: &[&str]) -> bool {
        let whole = ruleset.compiled().expect("a valid text");
        keys.iter().all(|key| {
            let (found, whole) = (ruleset.0.find(key), whole.0.find(key));
            found.zip(whole).is_some_and(|(found, whole)| std::ptr::eq(found.flag, whole.flag))
        })
    }

    /// Asserts that a lazy ruleset and a compiled one have the same flags, and serve the same.
    fn assert_equal(lazy: &Ruleset, whole: &Ruleset, contexts: &[EvaluationContext], text: &str) {
        let keys: Vec<_> = whole.flags().map(|flag| flag.key().to_owned()).collect();
        let mut results = Vec::new();
        for key in keys.iter().map(String::as_str).chain(["no such flag", ""]) {
            for context in contexts {
                let (found, expected) = (lazy.evaluate(key, context), whole.evaluate(key, context));
                assert_eq!(found, expected, "{key} {context:?} {text}");
                results.extend(found.zip(expected));
                let read = |ruleset: &Ruleset| ruleset.read_value(key, Some(context), any);
                assert_eq!(read(lazy), read(whole), "{key} {context:?} {text}");
                let short = |ruleset: &Ruleset| ruleset.read_short(key, Some(context), any).ok();
                let (found, expected) = (short(lazy), short(whole));
                // What was compiled alone may take fewer steps than it would in the whole ruleset.
                assert!(found == expected || expected.is_none(), "{key} {context:?} {text}");
            }
            let split = |ruleset: &Ruleset| ruleset.split(key, None, ["a", "b"]);
            assert_eq!(split(lazy), split(whole), "{key} {text}");
        }
        // Now the lazy one compiles everything.
        assert_eq!(lazy.problems(), whole.problems(), "{text}");
        assert_eq!((lazy.len(), lazy.version()), (whole.len(), whole.version()), "{text}");
        assert!(lazy.flags().eq(whole.flags()), "{text}");
        assert!(lazy.difference(whole).is_empty() && whole.difference(lazy).is_empty(), "{text}");
        for context in contexts {
            assert_eq!(lazy.evaluate_all(context), whole.evaluate_all(context), "{text}");
            for key in &keys {
                let explain = |ruleset: &Ruleset| ruleset.explain(key, context);
                assert_eq!(
                    explain(lazy).map(|it| it.to_string()),
                    explain(whole).map(|it| it.to_string())
                );
            }
        }
        // Earlier results stay as they were.
        for (found, expected) in results {
            assert_eq!(found, expected, "{text}");
        }
    }

    fn any(value: &Value) -> Option<Value> {
        Some(value.clone())
    }

    #[test]
    fn a_lazy_ruleset_evaluates_as_a_compiled_one_does() {
        arbtest(|u| {
            let text = ruleset_text(u)?;
            let contexts = [EvaluationContext::new(), u.arbitrary()?, u.arbitrary()?];
            let environment = *u.choose(&[None, Some("production"), Some("qa")])?;
            let whole = parse(&text, environment).expect("an accepted ruleset");
            let ruleset = lazy_for(&text, environment);
            if u.ratio(1, 4)? {
                // Flags that are first used after everything was compiled.
                assert_eq!(ruleset.len(), whole.len());
            }
            assert_equal(&ruleset, &whole, &contexts, &text);
            Ok(())
        })
        .size_min(1024)
        .size_max(8192)
        .budget_ms(2000);
    }

    /// Returns a list of flags, each of which requires the one before.
    fn chain(length: usize, padding: usize) -> String {
        let padding = "x".repeat(padding);
        let flags: Vec<_> = (0..length)
            .map(|number| {
                let required = number
                    .checked_sub(1)
                    .map(|before| format!(r#"{{"flag_key": "f{before}", "variation_key": "on"}}"#));
                format!(
                    r#"{{"key": "f{number}", "default_variation": "on", "name": "{padding}",
                        "variations": [{{"key": "on", "value": {number}}}],
                        "prerequisites": [{}]}}"#,
                    required.unwrap_or_default()
                )
            })
            .collect();
        format!("[{}]", flags.join(","))
    }

    #[test]
    fn long_chains_break_at_the_same_flags() {
        let text = chain(210, 0);
        let whole = Ruleset::parse(&text).expect("a ruleset");
        let broken = |ruleset: &Ruleset| {
            let reason =
                |number| ruleset.evaluate(&format!("f{number}"), None).map(|it| it.reason());
            (0..210)
                .filter(|number| reason(*number).is_some_and(|it| it.as_str() != "default"))
                .collect::<Vec<_>>()
        };
        assert_eq!(broken(&whole), [101, 202]);
        let ruleset = lazy(&text);
        assert_eq!(broken(&ruleset), [101, 202]);
        assert_equal(&ruleset, &whole, &[EvaluationContext::new()], "a chain");
    }

    #[test]
    fn a_flag_that_refers_to_much_is_compiled_with_all_flags() {
        // The fourth flag refers to 63 kB, the fifth to 84 kB.
        let text = chain(5, 21_000 - 200);
        for (key, whole) in [("f0", false), ("f3", false), ("f4", true)] {
            let ruleset = lazy(&text);
            assert!(ruleset.evaluate(key, None).is_some());
            assert_eq!(is_whole(&ruleset, &[key]), whole, "{key}");
            assert_equal(&ruleset, &Ruleset::parse(&text).expect("a ruleset"), &[], key);
        }
        // A large flag without references is compiled alone.
        let ruleset = lazy(&chain(1, 1_000_000));
        assert!(ruleset.evaluate("f0", None).is_some());
        assert!(!is_whole(&ruleset, &["f0"]));
    }

    #[test]
    fn only_some_flags_have_a_copy_of_a_segment() {
        let referring = (0..=MAX_REFERRING).map(|number| format!("f{number}"));
        let keys: Vec<_> = ["alone".to_owned()].into_iter().chain(referring).collect();
        let flag = |key: &String| match key.as_str() {
            "alone" => r#"{"key": "alone"}"#.to_owned(),
            key => format!(r#"{{"key": "{key}", "targeting_rules": [{{"segment_id": "s"}}]}}"#),
        };
        let flags: Vec<_> = keys.iter().map(flag).collect();
        let segment = r#"{"id": "s", "conditions": []}"#;
        let text = format!(r#"{{"flags": [{}], "segments": [{segment}]}}"#, flags.join(","));
        let ruleset = lazy(&text);
        assert!(keys.iter().all(|key| ruleset.evaluate(key, None).is_some()));
        let (last, others) = keys.split_last().expect("keys");
        assert!(others.iter().all(|key| !is_whole(&ruleset, &[key])));
        assert!(is_whole(&ruleset, &[last]));
    }

    #[test]
    fn a_flag_is_compiled_alone_until_all_are_compiled() {
        let text = chain(20, 0);
        let ruleset = lazy(&text);
        assert!(ruleset.evaluate("f1", None).is_some());
        assert_eq!(ruleset.problems(), []);
        assert!(ruleset.evaluate("f2", None).is_some());
        assert!(!is_whole(&ruleset, &["f1"]));
        assert!(is_whole(&ruleset, &["f2", "f3"]));
    }

    #[test]
    fn only_a_compiled_flag_is_read_under_a_lock() {
        let ruleset = lazy(&chain(20, 0));
        let is_short = |key| ruleset.read_short(key, None, Value::as_f64).is_ok();
        assert!(!is_short("f1") && !is_short("no such flag"));
        assert!(ruleset.evaluate("f1", None).is_some());
        // The second use indexes the names.
        assert!(!is_short("f1"));
        assert!(ruleset.evaluate("f1", None).is_some());
        assert!(is_short("f1") && is_short("no such flag") && !is_short("f2"));
        assert_eq!(ruleset.read_short("f1", None, Value::as_f64).ok(), Some(Some(1.0)));
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
        let ruleset = lazy(text);
        for (key, value) in [("ab", 1), ("twice", 3), ("last", 4), ("", 5)] {
            let result = ruleset.evaluate(key, None).expect("a result");
            assert_eq!(result.value().as_i64(), Some(value), "{key}");
        }
        assert_eq!(ruleset.evaluate("other", None), None);
        assert_eq!((ruleset.listed_flags(), ruleset.len()), (4, 4));
    }

    #[test]
    fn a_flag_of_another_environment_does_not_exist() {
        let text = r#"[{"key": "gate"}, {"key": "f", "environment": "staging",
            "prerequisites": [{"flag_key": "gate", "variation_key": "on"}]}]"#;
        let exists = |environment| lazy_for(text, environment).evaluate("f", None).is_some();
        assert!(exists(None) && exists(Some("staging")));
        assert!(!exists(Some("production")));
    }

    #[test]
    fn an_invalid_text_has_no_flags() {
        let text = r#"{"flags": [{"key": "f"}, {"key": "g"]}"#;
        let ruleset = lazy(text);
        assert_eq!((ruleset.len(), ruleset.problems().len()), (0, 0));
        let error = ruleset.compiled().map(drop);
        assert_eq!(error, Ruleset::parse(text).map(drop));
        assert!(error.is_err());
        assert_eq!(ruleset.evaluate("g", None), None);
    }
}
