//! Patterns of `matches_regex`: compiled and searched for within bounds.
//!
//! The time of a search is linear in pattern and text. The bounds keep the product small.

/// The maximum length of a pattern, in characters.
#[cfg(feature = "regex")]
const MAX_PATTERN: usize = 500;

/// The maximum size of a compiled pattern, in bytes. With the bound on the text, a search takes
/// less than 100 ms.
#[cfg(feature = "regex")]
const MAX_COMPILED: usize = 40 * 1024;

/// The maximum size of an ordinary pattern, in bytes. Ordinary patterns count with this size, larger
/// ones with `MAX_COMPILED`.
#[cfg(feature = "regex")]
const ORDINARY_COMPILED: usize = 4 * 1024;

/// The maximum size of all compiled patterns of a ruleset, in bytes.
#[cfg(feature = "regex")]
const MAX_COMPILED_TOGETHER: usize = 64 * 1024 * 1024;

/// The length up to which a text is searched, in characters.
#[cfg(feature = "regex")]
const MAX_SUBJECT: usize = 10_000;

/// The maximum cost of the searches of one evaluation, in kilobytes of pattern times bytes of text:
/// five times the longest search in an ASCII text.
#[cfg(feature = "regex")]
const MAX_COST: u64 = 5 * 40 * 10_000;

#[cfg(feature = "regex")]
pub(crate) use with_regex::{MatchBudget, Pattern, Patterns};
#[cfg(not(feature = "regex"))]
pub(crate) use without_regex::{MatchBudget, Pattern, Patterns};

#[cfg(feature = "regex")]
mod with_regex {
    use std::sync::Arc;

    use regex_lite::{Regex, RegexBuilder};

    use super::super::index::TextMap;
    use super::super::literal::Literals;
    use super::*;

    /// The remaining cost that the searches of one evaluation may have.
    ///
    /// Each search is bounded, but a flag may have any number of patterns.
    #[derive(Debug)]
    pub(crate) struct MatchBudget(u64);

    impl MatchBudget {
        pub(crate) fn new() -> MatchBudget {
            MatchBudget(MAX_COST)
        }

        /// Returns whether the budget is used up. If so, some patterns may not have been searched for.
        pub(crate) fn is_used_up(&self) -> bool {
            self.0 == 0
        }

        /// Subtracts a cost; returns false if the budget does not cover it.
        fn spend(&mut self, cost: u64) -> bool {
            let remaining = self.0.checked_sub(cost);
            self.0 = remaining.unwrap_or(0);
            remaining.is_some()
        }
    }

    /// A compiled pattern.
    #[derive(Clone, Debug)]
    pub(crate) enum Pattern {
        Literals(Arc<Literals>),
        Program {
            regex: Arc<Regex>,
            /// The maximum size of the compiled pattern, in bytes.
            size: usize,
        },
    }

    impl Pattern {
        /// Returns whether the pattern is found anywhere in the text. Returns false if the budget
        /// does not cover the search.
        pub(crate) fn is_found_in(&self, text: &str, budget: &mut MatchBudget) -> bool {
            let text = cut(text);
            match self {
                // Not free, so that no pattern is searched for after the budget is used up.
                Pattern::Literals(literals) => {
                    budget.spend((literals.size() * text.len() / 1024 + 1) as u64)
                        && literals.is_found_in(text)
                }
                Pattern::Program { regex, size } => {
                    budget.spend((size / 1024 * text.len()) as u64) && regex.is_match(text)
                }
            }
        }

        /// Returns whether the pattern is compared at one position instead of searched for.
        pub(crate) fn is_short(&self) -> bool {
            matches!(self, Pattern::Literals(literals) if literals.is_anchored())
        }

        pub(crate) fn as_str(&self) -> &str {
            match self {
                Pattern::Literals(literals) => literals.pattern(),
                Pattern::Program { regex, .. } => regex.as_str(),
            }
        }
    }

    /// Returns the part of a text that is searched.
    fn cut(text: &str) -> &str {
        if text.len() <= MAX_SUBJECT {
            return text;
        }
        let mut rest = text.chars();
        rest.nth(MAX_SUBJECT - 1);
        text.get(..text.len() - rest.as_str().len()).unwrap_or(text)
    }

    impl PartialEq for Pattern {
        fn eq(&self, other: &Pattern) -> bool {
            self.as_str() == other.as_str()
        }
    }

    /// The patterns of a ruleset. Each is compiled once; their total size is bounded.
    #[derive(Debug)]
    pub(crate) struct Patterns {
        compiled: TextMap<Result<Pattern, String>>,
        /// The remaining size, in bytes.
        pub(super) remaining: usize,
    }

    impl Default for Patterns {
        fn default() -> Patterns {
            Patterns { compiled: TextMap::default(), remaining: MAX_COMPILED_TOGETHER }
        }
    }

    impl Patterns {
        /// Compiles a pattern; the error is the reason why that failed.
        pub(crate) fn compile(&mut self, pattern: &str) -> Result<Pattern, String> {
            if pattern.chars().nth(MAX_PATTERN).is_some() {
                return Err(format!("the pattern is longer than {MAX_PATTERN} characters"));
            }
            if let Some(known) = self.compiled.get(pattern) {
                return known.clone();
            }
            let compiled = self.compile_new(pattern);
            self.compiled.insert(pattern.into(), compiled.clone());
            compiled
        }

        /// Compiles a pattern if the remaining size suffices. A pattern that is too large counts as
        /// well, since it takes as long to reject as to compile.
        fn compile_new(&mut self, pattern: &str) -> Result<Pattern, String> {
            if let Some(literals) = Literals::recognize(pattern, ORDINARY_COMPILED) {
                self.take(literals.size())?;
                return Ok(Pattern::Literals(Arc::new(literals)));
            }
            let program = |regex, size| Pattern::Program { regex: Arc::new(regex), size };
            let mut builder = RegexBuilder::new(pattern);
            self.take(ORDINARY_COMPILED)?;
            let failure = |error| format!("the pattern does not compile: {error}");
            match builder.size_limit(ORDINARY_COMPILED).build() {
                Ok(regex) => return Ok(program(regex, ORDINARY_COMPILED)),
                // The only failure that a larger limit avoids.
                Err(error) if error.to_string().contains("size limit") => {}
                Err(error) => return Err(failure(error)),
            }
            self.take(MAX_COMPILED - ORDINARY_COMPILED)?;
            let regex = builder.size_limit(MAX_COMPILED).build().map_err(failure)?;
            Ok(program(regex, MAX_COMPILED))
        }

        fn take(&mut self, size: usize) -> Result<(), String> {
            let remaining = self.remaining.checked_sub(size);
            self.remaining =
                remaining.ok_or("the patterns of the ruleset take more than 64 MiB together")?;
            Ok(())
        }
    }
}

#[cfg(not(feature = "regex"))]
mod without_regex {
    /// Without the feature, there are no searches.
    #[derive(Debug)]
    pub(crate) struct MatchBudget;

    impl MatchBudget {
        pub(crate) fn new() -> MatchBudget {
            MatchBudget
        }

        pub(crate) fn is_used_up(&self) -> bool {
            false
        }
    }

    /// Without the feature, there are no patterns.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Pattern {}

    impl Pattern {
        pub(crate) fn is_found_in(&self, _: &str, _: &mut MatchBudget) -> bool {
            match *self {}
        }

        pub(crate) fn is_short(&self) -> bool {
            match *self {}
        }

        pub(crate) fn as_str(&self) -> &str {
            match *self {}
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Patterns {}

    impl Patterns {
        pub(crate) fn compile(&mut self, _: &str) -> Result<Pattern, String> {
            Err("the crate was built without the feature `regex`".to_owned())
        }
    }
}

#[cfg(all(test, feature = "regex"))]
mod tests {
    use regex_lite::RegexBuilder;

    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn a_pattern_takes_at_most_40_kib() {
        let mut patterns = Patterns::default();
        let (mut accepted, mut refused) = (0, 0);
        for count in (10..=500).step_by(10) {
            let pattern = format!("[^a-z0-9]{{{count}}}[^a-z0-9]{{{count}}}");
            let fits = RegexBuilder::new(&pattern).size_limit(40 * KIB).build().is_ok();
            assert_eq!(patterns.compile(&pattern).is_ok(), fits, "{pattern}");
            (accepted, refused) = (accepted + usize::from(fits), refused + usize::from(!fits));
        }
        assert!(accepted > 0 && refused > 0, "{accepted} {refused}");
    }

    #[test]
    fn the_patterns_of_a_ruleset_take_at_most_64_mib() {
        let mut patterns = Patterns::default();
        assert_eq!(patterns.remaining, 64 * KIB * KIB);
        let large = "[ab]{400}[ab]{99}";
        for (pattern, size, compiles) in [
            ("[ab]c", 4 * KIB, true),
            (large, 40 * KIB, true),
            // It takes as long to reject as to compile.
            ("([ab]{500}){500}", 40 * KIB, false),
            ("[", 4 * KIB, false),
            // Each pattern counts once.
            ("[ab]c", 0, true),
            (large, 0, true),
            ("[", 0, false),
        ] {
            let before = patterns.remaining;
            assert_eq!(patterns.compile(pattern).is_ok(), compiles, "{pattern}");
            assert_eq!(before - patterns.remaining, size, "{pattern}");
        }
        let before = patterns.remaining;
        assert!(patterns.compile("plain text").is_ok());
        assert!((1..KIB).contains(&(before - patterns.remaining)));

        for (remaining, pattern, compiles) in [
            (4 * KIB, "[ab]d", true),
            (4 * KIB - 1, "[ab]e", false),
            (40 * KIB, "[ab]{400}[ab]{98}", true),
            (40 * KIB - 1, "[ab]{400}[ab]{97}", false),
            (1, "other plain text", false),
        ] {
            patterns.remaining = remaining;
            let refused = "the patterns of the ruleset take more than 64 MiB together";
            let expected = if compiles { None } else { Some(refused.to_owned()) };
            assert_eq!(patterns.compile(pattern).err(), expected, "{pattern}");
        }
    }
}
