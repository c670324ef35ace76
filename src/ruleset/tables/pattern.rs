//! Patterns of `matches_regex`: compiled and searched for within bounds.
//!
//! regex-lite searches in time linear in pattern and text; the bounds here keep the product small.

/// The longest pattern, in characters.
#[cfg(feature = "regex")]
const MAX_PATTERN: usize = 500;

/// The most memory that one compiled pattern may take. With the bound on the text, it keeps a
/// search below 100 ms.
#[cfg(feature = "regex")]
const MAX_COMPILED: usize = 40 * 1024;

/// The size that ordinary patterns stay under, so that they are not counted as the largest.
#[cfg(feature = "regex")]
const ORDINARY_COMPILED: usize = 4 * 1024;

/// The most memory that all compiled patterns of one ruleset may take.
#[cfg(feature = "regex")]
const MAX_COMPILED_TOGETHER: usize = 64 * 1024 * 1024;

/// How much of a text is searched, in characters.
#[cfg(feature = "regex")]
const MAX_SUBJECT: usize = 10_000;

/// How much searching one evaluation may cost, as kilobytes of pattern times bytes of text: five
/// times the longest search in a text of one byte a character.
#[cfg(feature = "regex")]
const MAX_EFFORT: u64 = 5 * 40 * 10_000;

#[cfg(feature = "regex")]
pub(crate) use with_regex::{MatchBudget, Pattern, Patterns};
#[cfg(not(feature = "regex"))]
pub(crate) use without_regex::{MatchBudget, Pattern, Patterns};

#[cfg(feature = "regex")]
mod with_regex {
    use std::sync::Arc;

    use regex_lite::{Regex, RegexBuilder};

    use super::*;
    use crate::ruleset::tables::TextMap;

    /// What is left of the searching that one evaluation may do.
    ///
    /// Each search is bounded, but a flag may ask for any number of them.
    #[derive(Debug)]
    pub(crate) struct MatchBudget(u64);

    impl MatchBudget {
        pub(crate) fn new() -> MatchBudget {
            MatchBudget(MAX_EFFORT)
        }

        /// Returns whether nothing is left: what is not found now was perhaps not searched for.
        pub(crate) fn is_used_up(&self) -> bool {
            self.0 == 0
        }

        /// Returns whether as much is left, and takes it.
        fn spend(&mut self, cost: u64) -> bool {
            let rest = self.0.checked_sub(cost);
            self.0 = rest.unwrap_or(0);
            rest.is_some()
        }
    }

    /// A compiled pattern.
    #[derive(Clone, Debug)]
    pub(crate) struct Pattern {
        regex: Arc<Regex>,
        /// The most memory that it may take.
        size: usize,
    }

    impl Pattern {
        /// Returns whether the pattern is found anywhere in the text; it is not where the search
        /// would take more than what is left of the budget.
        pub(crate) fn is_found_in(&self, text: &str, budget: &mut MatchBudget) -> bool {
            let end = text.char_indices().nth(MAX_SUBJECT).map_or(text.len(), |(end, _)| end);
            let text = text.get(..end).unwrap_or(text);
            budget.spend((self.size / 1024 * text.len()) as u64) && self.regex.is_match(text)
        }

        pub(crate) fn as_str(&self) -> &str {
            self.regex.as_str()
        }
    }

    impl PartialEq for Pattern {
        fn eq(&self, other: &Pattern) -> bool {
            self.regex.as_str() == other.regex.as_str()
        }
    }

    /// The patterns of one ruleset: each compiled once, all of them within bounds.
    #[derive(Debug)]
    pub(crate) struct Patterns {
        known: TextMap<Result<Pattern, String>>,
        room: usize,
    }

    impl Default for Patterns {
        fn default() -> Patterns {
            Patterns { known: TextMap::default(), room: MAX_COMPILED_TOGETHER }
        }
    }

    impl Patterns {
        /// Compiles a pattern, or says why not.
        pub(crate) fn compile(&mut self, pattern: &str) -> Result<Pattern, String> {
            if pattern.chars().nth(MAX_PATTERN).is_some() {
                return Err(format!("the pattern is longer than {MAX_PATTERN} characters"));
            }
            if let Some(known) = self.known.get(pattern) {
                return known.clone();
            }
            let compiled = self.fit(pattern);
            self.known.insert(pattern.into(), compiled.clone());
            compiled
        }

        /// Compiles a pattern where there is room left. One that is too large takes room, too:
        /// finding that out costs as much as compiling it.
        fn fit(&mut self, pattern: &str) -> Result<Pattern, String> {
            let pattern_of = |regex, size| Pattern { regex: Arc::new(regex), size };
            let mut builder = RegexBuilder::new(pattern);
            self.take(ORDINARY_COMPILED)?;
            let failure = |error| format!("the pattern does not compile: {error}");
            match builder.size_limit(ORDINARY_COMPILED).build() {
                Ok(regex) => return Ok(pattern_of(regex, ORDINARY_COMPILED)),
                // The one failure that a larger limit can mend.
                Err(error) if error.to_string().contains("size limit") => {}
                Err(error) => return Err(failure(error)),
            }
            self.take(MAX_COMPILED - ORDINARY_COMPILED)?;
            let regex = builder.size_limit(MAX_COMPILED).build().map_err(failure)?;
            Ok(pattern_of(regex, MAX_COMPILED))
        }

        fn take(&mut self, size: usize) -> Result<(), String> {
            let rest = self.room.checked_sub(size);
            self.room = rest.ok_or("the patterns of the ruleset take more than 64 MiB together")?;
            Ok(())
        }
    }
}

#[cfg(not(feature = "regex"))]
mod without_regex {
    /// Nothing is searched for.
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

    /// A compiled pattern, of which there is none without the feature.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Pattern {}

    impl Pattern {
        pub(crate) fn is_found_in(&self, _: &str, _: &mut MatchBudget) -> bool {
            match *self {}
        }

        pub(crate) fn as_str(&self) -> &str {
            match *self {}
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Patterns;

    impl Patterns {
        pub(crate) fn compile(&mut self, _: &str) -> Result<Pattern, String> {
            Err("the crate was built without the feature `regex`".to_owned())
        }
    }
}
