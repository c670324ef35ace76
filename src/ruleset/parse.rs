//! `Ruleset::parse` and `Ruleset::check`: parses or checks a text, for all environments or one.

use std::sync::Arc;

use super::Ruleset;
use super::compile::{self, Compiler};
use super::document::Document;
use super::error::RulesetError;
use super::lint::{self, Finding};
use super::tables::{Replica, Tables};
use crate::value::json;

impl Ruleset {
    /// Parses a ruleset in either dialect of the service, or a bootstrap document.
    ///
    /// The field names of exports are accepted as well: `values` for a condition's `value`, and
    /// `default_variation_key` for a flag's `default_variation`. If both names are present, the
    /// usual one counts, unless it is `null`.
    ///
    /// A malformed flag does not affect the others: it is left out, and
    /// [`problems`](Ruleset::problems) reports it.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or has no list of flags.
    pub fn parse(text: &str) -> Result<Ruleset, RulesetError> {
        Ruleset::compile(text, None)
    }

    /// Parses a ruleset from UTF-8 bytes; see [`parse`](Ruleset::parse).
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not UTF-8, are not JSON or have no list of flags.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Ruleset, RulesetError> {
        Ruleset::parse(json::utf8(bytes).map_err(RulesetError::syntax)?)
    }

    /// Parses the flags of one environment, from text or bytes.
    ///
    /// Flags with a different `environment` are ignored; flags without one are included. Names are
    /// compared exactly. Of two flags with the same key, one with the environment wins over one
    /// without; otherwise the last one wins. A prerequisite on a flag of another environment fails.
    ///
    /// The result of [`parse`](Ruleset::parse) cannot be filtered later, since it has only one flag
    /// for each key.
    ///
    /// ```
    /// use phaseflag::Ruleset;
    ///
    /// let ruleset = Ruleset::parse_for(r#"{"flags": [
    ///     {"key": "checkout", "environment": "production", "variations": []},
    ///     {"key": "checkout", "environment": "staging", "variations": []},
    ///     {"key": "search", "environment": "staging", "variations": []},
    ///     {"key": "theme", "variations": []}
    /// ]}"#, "production")?;
    /// let keys: Vec<_> = ruleset.flags().map(|flag| flag.key().to_owned()).collect();
    /// assert_eq!(keys, ["checkout", "theme"]);
    /// assert!(ruleset.problems().is_empty());
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the input is not UTF-8, is not JSON or has no list of flags.
    pub fn parse_for(text: impl AsRef<[u8]>, environment: &str) -> Result<Ruleset, RulesetError> {
        let text = json::utf8(text.as_ref()).map_err(RulesetError::syntax)?;
        Ruleset::compile(text, Some(environment))
    }

    /// Checks a ruleset for problems, warnings and notes, in the order of the text, with line and
    /// column.
    ///
    /// Problems are those of [`problems`](Ruleset::problems). Warnings are parts that are valid,
    /// but probably a mistake:
    ///
    /// - fields that are not known, but whose name is near a known one, and repeated fields;
    /// - a status, a flag type or an environment that is not known;
    /// - values that contradict the flag type, and variations of different types;
    /// - conditions that never or always hold, such as `one_of` an empty list, and version numbers
    ///   that lose a zero, since they are not strings;
    /// - weights that do not sum to 100, if that affects any bucket, and weights between buckets,
    ///   with the share that is served;
    /// - rules that serve nothing, or are never reached;
    /// - flags that are on and have no variations or no default variation;
    /// - segments that no rule uses.
    ///
    /// Notes are parts that have no effect, and may be meant for other programs: fields whose names
    /// are near no known one, and statuses that do not resemble a known one.
    ///
    /// Up to 10,000 of each are returned, with the number of the others. A check takes longer than
    /// [`parse`](Ruleset::parse); it is meant for authors of rulesets.
    ///
    /// ```
    /// use phaseflag::{Ruleset, Severity};
    ///
    /// let findings = Ruleset::check(r#"{"flags": [
    ///     {"key": "checkout", "default_variation": "of",
    ///      "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    ///      "targeting_rules": [{"percentage_rollout": [{"variation": "on", "percentage": 5}],
    ///                           "condition": []}]}
    /// ]}"#)?;
    /// let lines: Vec<_> = findings.iter().map(|finding| finding.to_string()).collect();
    /// assert_eq!(lines, [
    ///     "line 2, column 46: flags[0].default_variation: \
    ///      there is no variation `of`: the value served is null; did you mean `off`?",
    ///     "line 4, column 49: flags[0].targeting_rules[0].percentage_rollout: \
    ///      the weights sum to 5: buckets 5 to 99 fall through to the default variation",
    ///     "line 5, column 27: flags[0].targeting_rules[0]: \
    ///      the field `condition` is not known and ignored; did you mean `conditions`?",
    /// ]);
    /// assert_eq!(findings[0].severity(), Severity::Problem);
    /// assert_eq!(findings[1].severity(), Severity::Warning);
    /// assert_eq!(findings[2].help(), Some("did you mean `conditions`?"));
    /// # Ok::<(), phaseflag::RulesetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or has no list of flags.
    pub fn check(text: &str) -> Result<Vec<Finding>, RulesetError> {
        lint::findings(text, None)
    }

    /// Checks a ruleset from UTF-8 bytes; see [`check`](Ruleset::check).
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not UTF-8, are not JSON or have no list of flags.
    pub fn check_bytes(bytes: &[u8]) -> Result<Vec<Finding>, RulesetError> {
        Ruleset::check(json::utf8(bytes).map_err(RulesetError::syntax)?)
    }

    /// Checks the flags of one environment, from text or bytes; see
    /// [`parse_for`](Ruleset::parse_for). Unused segments are not reported, since flags of other
    /// environments may use them.
    ///
    /// # Errors
    ///
    /// Returns an error if the input is not UTF-8, is not JSON or has no list of flags.
    pub fn check_for(
        text: impl AsRef<[u8]>,
        environment: &str,
    ) -> Result<Vec<Finding>, RulesetError> {
        let text = json::utf8(text.as_ref()).map_err(RulesetError::syntax)?;
        lint::findings(text, Some(environment))
    }

    fn compile(text: &str, environment: Option<&str>) -> Result<Ruleset, RulesetError> {
        let document = Document::parse(text, Compiler::of(environment))?;
        Ok(Ruleset::new(compile::link(document)))
    }

    fn new(tables: Tables) -> Ruleset {
        Ruleset(Arc::new(Replica::Compiled(Arc::new(tables))))
    }
}

/// A ruleset without flags.
impl Default for Ruleset {
    fn default() -> Ruleset {
        Ruleset::new(compile::link(Document::default()))
    }
}
