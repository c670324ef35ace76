//! Patterns of `matches_regex`: compiled and searched for within bounds.
//!
//! regex-lite searches in time linear in pattern and text; the bounds here keep the product small.

/// The longest pattern, in characters.
#[cfg(feature = "regex")]
const MAX_PATTERN: usize = 500;

/// The most memory that one compiled pattern may take. With the bound on the text, it keeps a
/// search below 100 ms.
#[cfg(feature = "regex")]
const MAX_COMPILED: usize = 48 * 1024;

/// The size that ordinary patterns stay under, so that they are not counted as the largest.
#[cfg(feature = "regex")]
const ORDINARY_COMPILED: usize = 4 * 1024;

/// The most memory that all compiled patterns of one ruleset may take.
#[cfg(feature = "regex")]
const MAX_COMPILED_TOGETHER: usize = 64 * 1024 * 1024;

/// How much of a text is searched, in characters.
#[cfg(feature = "regex")]
const MAX_SUBJECT: usize = 10_000;

#[cfg(feature = "regex")]
pub(super) use with_regex::{Pattern, Patterns};
#[cfg(not(feature = "regex"))]
pub(super) use without_regex::{Pattern, Patterns};

#[cfg(feature = "regex")]
mod with_regex {
    use std::sync::Arc;

    use regex_lite::{Regex, RegexBuilder};

    use super::*;
    use crate::ruleset::table::{Seed, TextMap};

    /// A compiled pattern.
    #[derive(Clone, Debug)]
    pub(in crate::ruleset) struct Pattern(Arc<Regex>);

    impl Pattern {
        /// Returns whether the pattern is found anywhere in the text.
        pub(in crate::ruleset) fn is_found_in(&self, text: &str) -> bool {
            let end = text.char_indices().nth(MAX_SUBJECT).map_or(text.len(), |(end, _)| end);
            self.0.is_match(text.get(..end).unwrap_or(text))
        }
    }

    impl PartialEq for Pattern {
        fn eq(&self, other: &Pattern) -> bool {
            self.0.as_str() == other.0.as_str()
        }
    }

    /// The patterns of one ruleset: each compiled once, all of them within bounds.
    #[derive(Debug)]
    pub(in crate::ruleset) struct Patterns {
        known: TextMap<Result<Pattern, String>>,
        room: usize,
    }

    impl Patterns {
        pub(in crate::ruleset) fn new(seed: Seed) -> Patterns {
            Patterns { known: TextMap::with_hasher(seed), room: MAX_COMPILED_TOGETHER }
        }

        /// Compiles a pattern, or says why not.
        pub(in crate::ruleset) fn compile(&mut self, pattern: &str) -> Result<Pattern, String> {
            if pattern.chars().nth(MAX_PATTERN).is_some() {
                return Err(format!("the pattern is longer than {MAX_PATTERN} characters"));
            }
            if let Some(known) = self.known.get(pattern) {
                return known.clone();
            }
            let compiled = self.fit(pattern).map(|regex| Pattern(Arc::new(regex)));
            self.known.insert(pattern.into(), compiled.clone());
            compiled
        }

        /// Compiles a pattern where there is room left. One that fails takes room, too: finding
        /// that out costs as much as compiling it.
        fn fit(&mut self, pattern: &str) -> Result<Regex, String> {
            let mut builder = RegexBuilder::new(pattern);
            self.take(ORDINARY_COMPILED)?;
            if let Ok(regex) = builder.size_limit(ORDINARY_COMPILED).build() {
                return Ok(regex);
            }
            self.take(MAX_COMPILED - ORDINARY_COMPILED)?;
            let regex = builder.size_limit(MAX_COMPILED).build();
            regex.map_err(|error| format!("the pattern does not compile: {error}"))
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
    use crate::ruleset::table::Seed;

    /// A compiled pattern, of which there is none without the feature.
    #[derive(Clone, Debug, PartialEq)]
    pub(in crate::ruleset) enum Pattern {}

    impl Pattern {
        pub(in crate::ruleset) fn is_found_in(&self, _: &str) -> bool {
            match *self {}
        }
    }

    #[derive(Debug)]
    pub(in crate::ruleset) struct Patterns;

    impl Patterns {
        pub(in crate::ruleset) fn new(_: Seed) -> Patterns {
            Patterns
        }

        pub(in crate::ruleset) fn compile(&mut self, _: &str) -> Result<Pattern, String> {
            Err("the crate was built without the feature `regex`".to_owned())
        }
    }
}
